/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Caches against the depot, from inside: what a refill and a flush move, and that magazines are
 * neither lost nor frittered away.
 */
#include "cache.h"
#include "pool.h"
#include "test.h"
#include "work.h"

TestSuite(cache, .timeout = 60);

/* At a quiet point: the magazines of a depot that are in a set. */
static unsigned in_set(const struct lab_depot *depot, enum lab_depot_set set)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < depot->magazines; i++)
		n += lab_depot_magazine(depot, i)->where == set;
	return n;
}

/* All magazines are in one set or another, or spare in a cache. */
static void magazines_whole(struct lab_pool *pool)
{
	unsigned n = 0;

	for (unsigned set = 0; set < LAB_DEPOT_SETS; set++)
		n += in_set(pool->depot, set);
	for (unsigned lcore = 1; lcore <= pool->priv->max_lcores; lcore++) {
		for (unsigned i = 0; i < LAB_SPARE_MAGAZINES; i++)
			n += lab_pool_cache(pool, lcore)->spare[i] != 0;
	}
	cr_assert_eq(n, pool->depot->magazines, "%u of %u magazines", n, pool->depot->magazines);
}

static struct lab_pool *pool_with_cache(uint32_t cache_frames, uint32_t flags)
{
	struct lab_pool_config config = {.name = "test",
					 .frames = FRAMES,
					 .page_size = LAB_PAGE_4K,
					 .cache_frames = cache_frames,
					 .max_lcores = 8,
					 .reserve = LAB_NONE,
					 .flags = flags | LAB_POOL_FALLBACK};

	return pool_of(&config);
}

Test(cache, a_refill_moves_one_magazine)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = pool_with_cache(128, flags);
		struct lab_pool_stats stats;
		struct lab_cache *c;
		unsigned refills = 0;

		lab_lcore_register(pool, NULL);
		c = lab_pool_cache(pool, 1);
		cr_assert_eq(lab_cache_count(c), 0);
		while (lab_cache_refill(pool, c)) {
			refills++;
			cr_assert_eq(lab_cache_count(c), pool->depot->capacity);
			lab_pool_stats(pool, &stats);
			cr_assert_eq(stats.refilled, refills * pool->depot->capacity);
			cr_assert_eq(stats.free, FRAMES - stats.refilled);
			/* Make as if they were handed out, so that the next one fits. */
			void *frame[512];

			cr_assert_eq(lab_alloc_bulk(pool, frame, pool->depot->capacity, 0), 0);
		}
		cr_assert_eq(refills, FRAMES / pool->depot->capacity);
		cr_assert_eq(lab_cache_refill(pool, c), 0);
		magazines_whole(pool);
		cr_assert_eq(lab_pool_destroy(pool), FRAMES);
	}
}

/* The oldest go, the newest stay: they are warm. */
Test(cache, a_flush_moves_the_oldest)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = pool_with_cache(128, flags);
		struct lab_pool_stats stats;
		void *frame[FRAMES];

		cr_assert_eq(lab_alloc_bulk(pool, frame, FRAMES, 0), 0);
		for (unsigned i = 0; i < 1000; i++) {
			cr_assert_eq(lab_free(pool, frame[i]), 0);
			lab_pool_stats(pool, &stats);
			cr_assert_leq(stats.cached, 192, "1.5 times its size at most");
			cr_assert_eq(stats.flushed % pool->depot->capacity, 0);
		}
		cr_assert_gt(stats.flushed, 0);
		for (unsigned i = 0; i < stats.cached; i++)
			cr_assert_eq(lab_alloc(pool, LAB_GFP_ATOMIC), frame[999 - i]);
		magazines_whole(pool);
		cr_assert_eq(lab_pool_destroy(pool), (int64_t)(FRAMES - stats.flushed));
	}
}

Test(cache, make_room_does_no_more_than_it_must)
{
	struct lab_pool *pool = pool_with_cache(512, LAB_POOL_UNPROTECTED);
	struct lab_cache *c;
	void *frame[768];

	cr_assert_eq(lab_alloc_bulk(pool, frame, 768, 0), 0);
	c = lab_pool_cache(pool, 1);
	lab_cache_drain(pool, c);
	for (unsigned i = 0; i < 768; i++)
		cr_assert_eq(lab_free(pool, frame[i]), 0);
	cr_assert_eq(lab_cache_count(c), 768);
	cr_assert_eq(lab_cache_make_room(pool, c, 0), 0);
	cr_assert_eq(lab_cache_count(c), 768);
	cr_assert_eq(lab_cache_make_room(pool, c, 32), 0);
	cr_assert_eq(lab_cache_count(c), 256);
	end_whole(pool);
}

/* What threads leave behind is put together: one partly filled magazine a kind, not one a thread.
 */
Test(cache, leftovers_are_merged)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = pool_with_cache(512, flags);
		uint64_t random = 42;
		void *frame[300];

		for (unsigned i = 0; i < 500; i++) {
			unsigned n = 1 + random_below(&random, 300);

			cr_assert_eq(lab_alloc_bulk(pool, frame, n, 0), 0);
			cr_assert_eq(lab_free_bulk(pool, frame, n), 0);
			cr_assert_eq(lab_lcore_unregister(pool), 0);
			cr_assert_leq(in_set(pool->depot, LAB_DEPOT_BLOCKS_PARTIAL), 1);
			cr_assert_leq(in_set(pool->depot, LAB_DEPOT_LOOSE_PARTIAL), 1);
			magazines_whole(pool);
		}
		end_whole(pool);
		/* The same with single frames left behind. */
		pool = pool_with_cache(512, flags);
		for (unsigned i = 0; i < 700; i++) {
			frame[0] = lab_alloc(pool, LAB_GFP_ATOMIC);
			cr_assert_eq(lab_lcore_unregister(pool), 0);
			cr_assert_eq(lab_free(pool, frame[0]), 0);
			cr_assert_eq(lab_lcore_unregister(pool), 0);
			cr_assert_leq(in_set(pool->depot, LAB_DEPOT_LOOSE_PARTIAL), 2);
		}
		magazines_whole(pool);
		end_whole(pool);
	}
}

/* Full and partly filled ones never need more than the depot was made with. */
static void *churn(void *arg)
{
	struct lab_pool *pool = arg;
	uint64_t random = random_seed() + (uintptr_t)&random;
	void *frame[400];
	uintptr_t wrong = 0;

	for (unsigned i = 0; i < 3000; i++) {
		unsigned n = 1 + random_below(&random, i & 1 ? 400 : 40);
		unsigned got = lab_alloc_burst(pool, frame, n, LAB_GFP_ATOMIC), left = got;

		while (left) {
			unsigned some = 1 + random_below(&random, left);

			left -= some;
			wrong += lab_free_bulk(pool, frame + left, some) != 0;
		}
		if (random_below(&random, 16) == 0)
			lab_lcore_unregister(pool);
	}
	lab_lcore_unregister(pool);
	return (void *)wrong;
}

Test(cache, magazines_never_run_out)
{
	static const uint32_t sizes[] = {64, 128, 512};

	FOR_BOTH_MODES(flags)
	{
		for (unsigned i = 0; i < 3; i++) {
			struct lab_pool *pool = pool_with_cache(sizes[i], flags);
			pthread_t thread[8];

			for (unsigned t = 0; t < 8; t++)
				cr_assert_eq(pthread_create(&thread[t], NULL, churn, pool), 0);
			for (unsigned t = 0; t < 8; t++) {
				void *wrong;

				pthread_join(thread[t], &wrong);
				cr_assert_null(wrong, "a free failed");
			}
			magazines_whole(pool);
			cr_assert_leq(in_set(pool->depot, LAB_DEPOT_LOOSE_PARTIAL), 8);
			cr_assert_leq(in_set(pool->depot, LAB_DEPOT_BLOCKS_PARTIAL), 8);
			end_whole(pool);
		}
	}
}

Test(cache, a_block_is_split_in_ascending_order)
{
	struct lab_pool *pool = pool_with_cache(512, 0);
	char *first = lab_alloc(pool, LAB_GFP_ATOMIC);

	cr_assert_eq(lab_frame_index(pool, first) % LAB_BLOCK_FRAMES, 0);
	for (unsigned i = 1; i < LAB_BLOCK_FRAMES; i++)
		cr_assert_eq(lab_alloc(pool, LAB_GFP_ATOMIC), first + i * (size_t)LAB_FRAME_SIZE);
	cr_assert_eq(lab_pool_destroy(pool), LAB_BLOCK_FRAMES);
}

/* Bundle descriptors, likewise: unused, or in use by 32 frames that say so. */
Test(cache, bundles_are_neither_lost_nor_frittered_away)
{
	struct lab_pool *pool = pool_with_cache(512, 0);
	uint64_t random = 4711;
	void *frame[FRAMES];

	for (unsigned round = 0; round < 60; round++) {
		unsigned unused, bundled = 0;

		for (unsigned i = 0; i < FRAMES; i += 32)
			cr_assert_eq(lab_alloc_bulk(pool, frame + i, 32, 0), 0);
		if (round % 20 == 0) {
			for (unsigned i = FRAMES; i > 1; i--) {
				unsigned other = random_below(&random, i);
				void *swap = frame[i - 1];

				frame[i - 1] = frame[other];
				frame[other] = swap;
			}
		}
		for (unsigned i = 0; i < FRAMES; i += 32)
			cr_assert_eq(lab_free_bulk(pool, frame + i, 32), 0);
		conserved(pool, 0, 0);
		for (unsigned i = 0; i < FRAMES; i++)
			bundled += pool->state[i] == LAB_STATE_BUNDLED;
		unused = in_set(pool->bundles, LAB_DEPOT_EMPTY);
		cr_assert_eq(bundled, 32 * (pool->bundles->magazines - unused),
			     "%u frames in %u bundles", bundled, pool->bundles->magazines - unused);
	}
	end_whole(pool);
}
