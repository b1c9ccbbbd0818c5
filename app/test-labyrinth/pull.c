/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Chosen frames are pulled out of the depot: from blocks, loose, from bundles and from what was
 * left behind; at rest, and beside threads that allocate and free.
 */
#include "pull.h"
#include "bundle.h"
#include "cache.h"
#include "lcore.h"
#include "pool.h"
#include "random-user.h"
#include "reserve.h"
#include "test.h"

TestSuite(pull, .timeout = 60);

/* Frames @first..@first + @n, of them every @step-th. */
struct range {
	uint32_t first, n, step;
};

static int in_range(const void *arg, uint32_t frame)
{
	const struct range *r = arg;

	return frame - r->first < r->n && (frame - r->first) % r->step == 0;
}

static struct lab_pool *pool_with(uint32_t frames, uint32_t cache_frames, uint32_t flags)
{
	struct lab_pool_config config = {.name = "test",
					 .frames = frames,
					 .page_size = LAB_PAGE_4K,
					 .reserve = LAB_NONE,
					 .cache_frames = cache_frames,
					 .flags = flags | LAB_POOL_FALLBACK};

	return pool_of(&config);
}

static void valid(const struct lab_pool *pool)
{
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
}

/* All @n that there are come, once, held by this lcore; nothing else changes; they go back. */
static void pull_exactly(struct lab_pool *pool, struct range range, uint32_t n)
{
	static void *frame[2 * FRAMES];
	struct lab_cache *c = lab_lcore_self(pool);
	uint8_t seen[2 * FRAMES] = {0};
	struct lab_pool_stats before, after;
	uint32_t got;

	lab_lcore_drain(pool);
	lab_pool_stats(pool, &before);
	got = lab_pull(pool, c, in_range, &range, frame, 2 * FRAMES);
	cr_assert_eq(got, n, "%u of %u frames from %u on", got, n, range.first);
	mark_once(pool, frame, got, seen);
	for (uint32_t i = 0; i < got; i++) {
		uint32_t number = lab_frame_index(pool, frame[i]);

		cr_assert(in_range(&range, number));
		cr_assert_eq(pool->state[number], LAB_STATE_HELD(c->lcore));
	}
	lab_pool_stats(pool, &after);
	cr_assert_eq(after.held, before.held + got);
	cr_assert_eq(after.free, before.free - got);
	cr_assert_eq(after.cached, before.cached);
	cr_assert_eq(after.allocs, before.allocs + got);
	cr_assert_eq(after.dropped, before.dropped);
	valid(pool);
	cr_assert_eq(lab_free_bulk(pool, frame, got), 0);
	valid(pool);
}

Test(pull, from_blocks)
{
	struct lab_pool *pool = pool_with(FRAMES, 512, 0);

	pull_exactly(pool, (struct range){7, 1, 1}, 1);
	pull_exactly(pool, (struct range){64, 32, 1}, 32);
	pull_exactly(pool, (struct range){100, 600, 1}, 600);
	pull_exactly(pool, (struct range){0, FRAMES, 33}, 63);
	pull_exactly(pool, (struct range){0, FRAMES, 1}, FRAMES);
	pull_exactly(pool, (struct range){FRAMES, 1, 1}, 0);
	end_whole(pool);
}

/* What nobody asked for stays whole. */
Test(pull, other_blocks_stay_blocks)
{
	struct lab_pool *pool = pool_with(FRAMES, 512, 0);
	struct range range = {8 * 32 + 5, 1, 1};
	struct lab_depot_stats before, after;
	void *frame;

	lab_pool_depot_stats(pool, &before);
	cr_assert_eq(before.loose + before.loose_partial, 0);
	cr_assert_eq(lab_pull(pool, lab_lcore_self(pool), in_range, &range, &frame, 1), 1);
	lab_pool_depot_stats(pool, &after);
	/* One is split: 31 frames go to one magazine of loose ones. */
	cr_assert_eq(after.loose, 0);
	cr_assert_eq(after.loose_partial, 1);
	cr_assert_eq(after.blocks, before.blocks - 1);
	cr_assert_eq(after.blocks_partial, 1);
	cr_assert_eq(after.in_hands, 0);
	cr_assert_eq(lab_free(pool, frame), 0);
	end_whole(pool);
}

/* Everything out, and back one by one in no order: no block is left. */
static void mix_up(struct lab_pool *pool, uint32_t frames)
{
	static void *frame[2 * FRAMES];
	uint64_t random = 7;

	cr_assert_eq(lab_alloc_burst(pool, frame, frames, 0), frames);
	for (uint32_t i = frames; i > 0; i--) {
		uint32_t at = random_below(&random, i);

		cr_assert_eq(lab_free(pool, frame[at]), 0);
		frame[at] = frame[i - 1];
	}
}

Test(pull, loose_ones)
{
	struct lab_pool *pool = pool_with(FRAMES, 512, 0);

	mix_up(pool, FRAMES);
	for (unsigned round = 0; round < 3; round++) {
		pull_exactly(pool, (struct range){7, 1, 1}, 1);
		pull_exactly(pool, (struct range){500, 700, 1}, 700);
		pull_exactly(pool, (struct range){1, FRAMES, 2}, FRAMES / 2);
		pull_exactly(pool, (struct range){0, FRAMES, 1}, FRAMES);
	}
	end_whole(pool);
}

Test(pull, from_bundles)
{
	struct lab_pool *pool = pool_with(FRAMES, 512, 0);

	for (unsigned round = 0; round < 3; round++) {
		cr_assert_gt(scatter(pool), FRAMES / 2);
		pull_exactly(pool, (struct range){9 + round, 1, 1}, 1);
		pull_exactly(pool, (struct range){64, 32, 1}, 32);
		cr_assert_gt(scatter(pool), FRAMES / 2);
		pull_exactly(pool, (struct range){0, FRAMES, 1}, FRAMES);
	}
	end_whole(pool);
}

/* A bundle in the depot of which one frame has left by an error: freed twice in one instant. */
Test(pull, a_bundle_that_is_not_whole)
{
	struct lab_pool *pool = pool_with(FRAMES, 512, 0);
	struct lab_cache *c = lab_lcore_self(pool);
	struct range all = {0, FRAMES, 1};
	static void *frame[FRAMES];
	uint8_t seen[FRAMES] = {0};
	uint32_t number = 0;
	void *held;

	cr_assert_gt(scatter(pool), FRAMES / 2);
	held = lab_alloc(pool, 0);
	lab_lcore_drain(pool);
	while (pool->state[number] != LAB_STATE_BUNDLED)
		number++;
	/* It is held by its other owner, and its bundle counts one less. */
	lab_bundle_of(pool, number)->left--;
	pool->state[number] = LAB_STATE_HELD(c->lcore);
	cr_assert_eq(lab_pull(pool, c, in_range, &all, frame, FRAMES), FRAMES - 2);
	mark_once(pool, frame, FRAMES - 2, seen);
	cr_assert_eq(seen[number], 0);
	cr_assert_eq(seen[lab_frame_index(pool, held)], 0);
	cr_assert_eq(c->dropped, 1);
	cr_assert_eq(lab_free_bulk(pool, frame, FRAMES - 2), 0);
	cr_assert_eq(lab_free(pool, held), 0);
	cr_assert_eq(lab_free(pool, lab_frame_at(pool, number)), 0);
	valid(pool);
	allocatable_once(pool, FRAMES);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

Test(pull, no_more_than_there_is_room_for)
{
	struct lab_pool *pool = pool_with(FRAMES, 512, 0);
	struct lab_cache *c = lab_lcore_self(pool);
	struct range all = {0, FRAMES, 1};
	void *frame[300];

	for (unsigned round = 0; round < 2; round++) {
		for (uint32_t most = 0; most <= 300; most += 75) {
			cr_assert_eq(lab_pull(pool, c, in_range, &all, frame, most), most);
			valid(pool);
			cr_assert_eq(lab_free_bulk(pool, frame, most), 0);
		}
		mix_up(pool, FRAMES);
	}
	end_whole(pool);
}

Test(pull, what_others_hold_or_cache_is_not_had)
{
	struct lab_pool *pool = pool_with(FRAMES, 64, 0);
	struct range all = {0, FRAMES, 1};
	static void *frame[FRAMES];
	void *held[100];
	struct lab_cache *c;

	/* Lcore 1 keeps some; this thread goes on as another. */
	cr_assert_eq(lab_alloc_bulk(pool, held, 100, 0), 0);
	for (unsigned i = 0; i < 20; i++)
		cr_assert_eq(lab_free(pool, held[i]), 0);
	lab_tls_cache[pool->id] = lab_pool_cache(pool, 2);
	c = lab_pool_cache(pool, 2);
	cr_assert_eq(lab_pull(pool, c, in_range, &all, frame, FRAMES),
		     FRAMES - 80 - lab_cache_count(lab_pool_cache(pool, 1)));
	valid(pool);
	lab_tls_cache[pool->id] = lab_pool_cache(pool, 1);
	conserved(pool, FRAMES - lab_cache_count(lab_pool_cache(pool, 1)), 0);
	cr_assert_geq(lab_pool_destroy(pool), 80);
}

/* Between the look at a place of the reserve and the claim another frame gets into it. */
struct exchange {
	struct lab_pool *pool;
	uint32_t frame, other;
};

static int is_until_exchanged(const void *arg, uint32_t frame)
{
	const struct exchange *e = arg;
	struct lab_depot *reserve = &e->pool->priv->reserve;

	for (uint32_t i = 0; i < reserve->magazines && frame == e->frame; i++) {
		struct lab_magazine *place = lab_depot_magazine(reserve, i);

		if (place->item[0] == e->frame)
			place->item[0] = e->other;
		else if (place->item[0] == e->other)
			place->item[0] = e->frame;
	}
	return frame == e->frame;
}

Test(pull, another_frame_than_seemed_to_be_in_the_reserve)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	struct exchange e = {.pool = pool, .frame = FRAMES - 1, .other = FRAMES - RESERVE};
	struct lab_pool_stats stats;
	void *frame[1];

	/* Looked at last, it is not seen where it gets to. */
	cr_assert_eq(lab_reserve_pull(pool, lab_lcore_self(pool), is_until_exchanged, &e, frame, 1),
		     0);
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.held, 0);
	cr_assert_eq(stats.reserved, RESERVE);
	valid(pool);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

Test(pull, without_caches)
{
	struct lab_pool_config config = {.name = "test",
					 .frames = FRAMES,
					 .page_size = LAB_PAGE_4K,
					 .reserve = LAB_NONE,
					 .flags = LAB_POOL_EXACT | LAB_POOL_FALLBACK};
	struct lab_pool *pool = pool_of(&config);

	pull_exactly(pool, (struct range){7, 1, 1}, 1);
	pull_exactly(pool, (struct range){1, FRAMES, 2}, FRAMES / 2);
	pull_exactly(pool, (struct range){0, FRAMES, 1}, FRAMES);
	end_whole(pool);
}

Test(pull, not_where_nothing_is_known_of_frames)
{
	struct lab_pool *pool = pool_with(FRAMES, 512, LAB_POOL_UNPROTECTED);
	struct range all = {0, FRAMES, 1};
	void *frame[1];

	cr_assert_eq(lab_pull(pool, lab_lcore_self(pool), in_range, &all, frame, 1), 0);
	end_whole(pool);
}

/* After random work of all kinds: all mixed, the sets full and partly filled. */
Test(pull, after_random_work)
{
	static struct random_user user[3];
	uint64_t seed = random_seed(), random = seed;

	for (unsigned round = 0; round < 12; round++) {
		uint32_t frames = round & 1 ? FRAMES : 2 * FRAMES;
		struct crowd crowd = {.pool = pool_with(frames, round % 3 ? 512 : 64, 0),
				      .steps = 4000};

		random_crowd(&crowd, user, 3, seed + round);
		cr_assert_eq(crowd.wrong, 0, "seed 0x%llx", (unsigned long long)seed);
		lab_lcore_unregister(crowd.pool);
		valid(crowd.pool);
		for (unsigned i = 0; i < 10; i++) {
			struct range r = {random_below(&random, frames), 0, 1};

			r.n = random_below(&random, frames - r.first) + 1;
			pull_exactly(crowd.pool, r, r.n);
		}
		pull_exactly(crowd.pool, (struct range){0, frames, 1}, frames);
		end_whole(crowd.pool);
	}
}

/* ---- beside others ---- */

static struct {
	struct lab_pool *pool;
	uint32_t stop, pulls, wrong, got;
	uint64_t random;
} side;

/* Pulls some, marks them, looks whether somebody else wrote to them, and frees them. */
static void *puller(void *unused)
{
	uint32_t frames = (uint32_t)lab_pool_frames(side.pool);
	static void *frame[4 * FRAMES];

	(void)unused;
	/* Once at least it gets some, if only when the others are done. */
	while (!__atomic_load_n(&side.stop, __ATOMIC_RELAXED) || !side.got) {
		struct range r = {random_below(&side.random, frames), 0, 1};
		struct lab_cache *c = lab_lcore_self(side.pool);
		uint32_t got;

		r.n = random_below(&side.random, frames - r.first) + 1;
		r.step = 1 + random_below(&side.random, 3);
		got = lab_pull(side.pool, c, in_range, &r, frame, frames);
		for (uint32_t i = 0; i < got; i++) {
			side.wrong += !in_range(&r, lab_frame_index(side.pool, frame[i]));
			*(uint64_t *)frame[i] = (uint64_t)(uintptr_t)frame[i] ^ 4711;
		}
		sched_yield();
		for (uint32_t i = 0; i < got; i++)
			side.wrong +=
				*(uint64_t *)frame[i] != ((uint64_t)(uintptr_t)frame[i] ^ 4711);
		side.wrong += lab_free_bulk(side.pool, frame, got) != 0;
		side.got += got;
		side.pulls++;
	}
	lab_lcore_unregister(side.pool);
	return NULL;
}

static void beside(uint32_t frames, uint32_t cache, uint32_t flags)
{
	static struct random_user user[3];
	uint64_t seed = random_seed();
	struct crowd crowd = {.pool = pool_with(frames, cache, flags), .steps = 40000};
	struct lab_pool_stats stats;
	pthread_t thread;

	memset(&side, 0, sizeof(side));
	side.pool = crowd.pool;
	side.random = seed;
	pthread_create(&thread, NULL, puller, NULL);
	random_crowd(&crowd, user, 3, seed);
	__atomic_store_n(&side.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	cr_assert_eq(crowd.wrong, 0, "seed 0x%llx: %u wrong, first: %s (%s)",
		     (unsigned long long)seed, crowd.wrong, crowd.first_wrong, lab_error_text());
	cr_assert_eq(side.wrong, 0);
	cr_assert_gt(side.got, 0);
	lab_lcore_unregister(crowd.pool);
	lab_pool_stats(crowd.pool, &stats);
	cr_assert_eq(stats.dropped, 0);
	cr_assert_eq(stats.allocs, stats.frees);
	valid(crowd.pool);
	end_whole(crowd.pool);
}

Test(pull, beside_threads_that_work)
{
	beside(4 * FRAMES, 512, 0);
	beside(FRAMES, 512, 0);
	beside(1024, 64, 0);
	beside(FRAMES, 0, LAB_POOL_EXACT);
}
