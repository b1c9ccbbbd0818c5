/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The flags that say how hard to try, and the reserve: who gets the last frames, and who does not.
 */
#include <pthread.h>
#include <time.h>

#include "test.h"
#include "work.h"

#define LCORES 4u
#define ALL    (FRAMES + 64)

static uint64_t reserved(const struct lab_pool *pool)
{
	struct lab_pool_stats stats;

	lab_pool_stats(pool, &stats);
	return stats.reserved;
}

/* All that NOWAIT gets. */
static unsigned flood(struct lab_pool *pool, void **frames)
{
	unsigned n = 0, got;

	do
		n += got = lab_alloc_burst(pool, frames + n, 32, LAB_GFP_NOWAIT);
	while (got);
	return n;
}

/* ---- flags ---- */

Test(gfp, contradictions_are_refused_by_name)
{
	const lab_gfp_t bad[] = {LAB_GFP_ATOMIC | LAB_GFP_NOWAIT, LAB_GFP_NOWAIT | LAB_GFP_KERNEL,
				 LAB_GFP_ATOMIC | LAB_GFP_KERNEL, LAB_GFP_HOW};

	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);
		void *frame[32];

		lab_free(pool, lab_alloc(pool, 0)); /* so that it could be a hit */
		for (unsigned i = 0; i < 4; i++) {
			errno = 0;
			cr_assert_null(lab_alloc(pool, bad[i]));
			cr_assert_eq(errno, EINVAL);
			text_has("contradict", bad[i] & LAB_GFP_ATOMIC ? "LAB_GFP_ATOMIC" : "",
				 bad[i] & LAB_GFP_NOWAIT ? "LAB_GFP_NOWAIT" : "",
				 bad[i] & LAB_GFP_KERNEL ? "LAB_GFP_KERNEL" : "", NULL);
			cr_assert_eq(lab_alloc_bulk(pool, frame, 32, bad[i]), -EINVAL);
			cr_assert_eq(lab_alloc_burst(pool, frame, 32, bad[i]), 0);
		}
		end_whole(pool);
	}
}

Test(gfp, each_flag_alone_gets_a_frame)
{
	const lab_gfp_t good[] = {0,
				  LAB_GFP_ATOMIC,
				  LAB_GFP_NOWAIT,
				  LAB_GFP_KERNEL,
				  LAB_GFP_NOWAIT | LAB_GFP_ZERO,
				  LAB_GFP_KERNEL | LAB_GFP_ZERO | LAB_GFP_THISNODE,
				  LAB_GFP_THISNODE};

	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);

		for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
			void *frame[32], *one = lab_alloc(pool, good[i]);

			cr_assert_not_null(one);
			cr_assert_eq(lab_free(pool, one), 0);
			cr_assert_eq(lab_alloc_bulk(pool, frame, 32, good[i]), 0);
			cr_assert_eq(lab_free_bulk(pool, frame, 32), 0);
		}
		end_whole(pool);
	}
}

/* ---- the reserve ---- */

Test(gfp, the_default_scales_with_the_pool)
{
	const struct {
		uint64_t frames, reserve;
	} size[] = {{32, 0}, {512, 32}, {2048, 64}, {16384, 256}, {65536, 512}};

	for (unsigned i = 0; i < 5; i++) {
		struct lab_pool *pool = small_pool(size[i].frames, 0);

		cr_assert_eq(reserved(pool), size[i].reserve, "%llu of %llu",
			     (unsigned long long)reserved(pool),
			     (unsigned long long)size[i].frames);
		end_whole(pool);
	}
}

Test(gfp, a_reserve_as_count_or_percentage)
{
	const struct {
		uint64_t given, reserve;
	} size[] = {
		{1, 32}, {100, 128}, {LAB_PERCENT(50), 1024}, {LAB_PERCENT(0), 0}, {LAB_NONE, 0}};

	for (unsigned i = 0; i < 5; i++) {
		struct lab_pool_config config = {.name = "test",
						 .frames = FRAMES,
						 .page_size = LAB_PAGE_4K,
						 .reserve = size[i].given,
						 .flags = LAB_POOL_FALLBACK};
		struct lab_pool *pool = pool_of(&config);

		cr_assert_eq(reserved(pool), size[i].reserve);
		end_whole(pool);
	}
}

/* On fewer frames than the hugepages would have had, it is asked again whether there is room. */
Test(gfp, a_reserve_that_only_hugepages_had_room_for)
{
	struct lab_pool_config config = {.name = "test",
					 .frames = 100,
					 .page_size = LAB_PAGE_2M,
					 .reserve = 400,
					 .flags = LAB_POOL_FALLBACK};

	skip_without_hugepages(LAB_PAGE_2M, 1);
	for (uint64_t nth = 1; nth <= 12; nth++) {
		struct lab_fault fault = {.nth = nth};
		struct lab_pool *pool;

		cr_assert_eq(lab_fault_set(NULL, LAB_FAULT_CREATE, &fault), 0);
		errno = 0;
		pool = lab_pool_create(&config);
		if (pool) {
			cr_assert_null(lab_pool_fallback(pool));
			end_whole(pool);
		} else if (errno == EINVAL) {
			text_has("reserve is 400", "at most 128", NULL);
		}
	}
}

/* Frames that are bad leave the reserve, while the pool has no other for it: what comes back does.
 */
Test(gfp, a_reserve_of_retired_frames_is_filled_again)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	static void *frame[ALL];
	unsigned n = flood(pool, frame);
	struct lab_fault fault = {.every = 1};

	cr_assert_eq(n, FRAMES - RESERVE);
	/* It allocates nothing, so that nothing of it fails on purpose. */
	cr_assert_eq(lab_fault_set(pool, LAB_FAULT_ALLOC, &fault), 0);
	for (uint32_t i = n; i < FRAMES; i++)
		cr_assert_eq(lab_frame_retire(pool, lab_frame_at(pool, i)), 1);
	cr_assert_eq(lab_fault_set(pool, LAB_FAULT_ALLOC, NULL), 0);
	cr_assert_eq(reserved(pool), 0);
	cr_assert_eq(lab_free_bulk(pool, frame, n), 0);
	cr_assert_eq(reserved(pool), RESERVE);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

struct flooder {
	struct lab_pool *pool;
	pthread_barrier_t *flooded, *done;
	void *frame[ALL];
	unsigned n, atomic;
	int digs;
};

static void *flood_one(void *arg)
{
	struct flooder *f = arg;

	f->n = flood(f->pool, f->frame);
	pthread_barrier_wait(f->flooded);
	/* And once more, when all others have all they get. */
	f->n += flood(f->pool, f->frame + f->n);
	pthread_barrier_wait(f->flooded);
	while (f->digs && (f->frame[f->n] = lab_alloc(f->pool, LAB_GFP_ATOMIC))) {
		f->n++;
		f->atomic++;
	}
	pthread_barrier_wait(f->done);
	cr_assert_eq(lab_free_bulk(f->pool, f->frame, f->n), 0);
	return NULL;
}

/* At exhaustion by NOWAIT callers on all lcores, ATOMIC callers get exactly the reserve, whichever
 * lcores they are on. */
Test(gfp, atomic_callers_get_exactly_the_reserve)
{
	FOR_BOTH_MODES(flags)
	{
		for (unsigned who = 1; who < 1u << LCORES; who++) {
			struct lab_pool *pool = small_pool(FRAMES, flags);
			pthread_barrier_t flooded, done;
			static struct flooder f[LCORES];
			pthread_t thread[LCORES];
			unsigned n = 0, atomic = 0;

			pthread_barrier_init(&flooded, NULL, LCORES);
			pthread_barrier_init(&done, NULL, LCORES);
			for (unsigned i = 0; i < LCORES; i++) {
				f[i] = (struct flooder){.pool = pool,
							.flooded = &flooded,
							.done = &done,
							.digs = who >> i & 1};
				pthread_create(&thread[i], NULL, flood_one, &f[i]);
			}
			for (unsigned i = 0; i < LCORES; i++) {
				pthread_join(thread[i], NULL);
				n += f[i].n;
				atomic += f[i].atomic;
			}
			cr_assert_eq(atomic, RESERVE, "%u by %x, %s", atomic, who,
				     mode_name(flags));
			cr_assert_eq(n, FRAMES);
			cr_assert_eq(reserved(pool), RESERVE, "and it is full again: %llu",
				     (unsigned long long)reserved(pool));
			end_whole(pool);
		}
	}
}

/* What is freed fills the reserve up before a NOWAIT caller gets any of it, on the same lcore. */
Test(gfp, frees_fill_the_reserve_first)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);
		static void *frame[ALL];
		unsigned n = flood(pool, frame), dug = 0;

		cr_assert_eq(n, FRAMES - RESERVE);
		while ((frame[n] = lab_alloc(pool, LAB_GFP_ATOMIC))) {
			n++;
			dug++;
			cr_assert_eq(reserved(pool), RESERVE - dug);
		}
		for (unsigned i = 0; i < RESERVE; i++) {
			cr_assert_eq(reserved(pool), i);
			cr_assert_null(lab_alloc(pool, LAB_GFP_NOWAIT));
			cr_assert_eq(lab_free(pool, frame[--n]), 0);
		}
		cr_assert_null(lab_alloc(pool, LAB_GFP_NOWAIT));
		cr_assert_eq(lab_free(pool, frame[--n]), 0);
		frame[n] = lab_alloc(pool, LAB_GFP_NOWAIT);
		cr_assert_not_null(frame[n]);
		cr_assert_eq(lab_free_bulk(pool, frame, n + 1), 0);
		end_whole(pool);
	}
}

/* All or none, and none means that the reserve has them still. */
Test(gfp, a_bulk_that_fails_takes_nothing_from_the_reserve)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);
		static void *frame[ALL];
		unsigned n = flood(pool, frame);

		cr_assert_eq(lab_alloc_bulk(pool, frame + n, RESERVE + 1, LAB_GFP_ATOMIC), -ENOMEM);
		cr_assert_eq(reserved(pool), RESERVE);
		cr_assert_eq(lab_alloc_bulk(pool, frame + n, RESERVE, LAB_GFP_ATOMIC), 0);
		cr_assert_eq(lab_free_bulk(pool, frame, FRAMES), 0);
		end_whole(pool);
	}
}

/* ---- control traffic in a flood ---- */

struct traffic {
	struct lab_pool *pool;
	struct mailbox *to;
	uint32_t stop;
	uint64_t got;
};

/* Takes what there is, keeps a lot of it, and gives some back. */
static void *be_greedy(void *arg)
{
	struct traffic *t = arg;
	static void *frame[ALL];
	uint64_t random = 7;
	unsigned n = 0;

	while (!__atomic_load_n(&t->stop, __ATOMIC_RELAXED)) {
		unsigned got = lab_alloc_burst(t->pool, frame + n, 32, LAB_GFP_NOWAIT);

		n += got;
		t->got += got;
		if (random_below(&random, 8) == 0 && n) {
			unsigned give = 1 + random_below(&random, n < 64 ? n : 64);

			n -= give;
			cr_assert_eq(lab_free_bulk(t->pool, frame + n, give), 0);
		}
		if (n > FRAMES)
			break;
	}
	cr_assert_eq(lab_free_bulk(t->pool, frame, n), 0);
	return NULL;
}

/* A million replies beside it, up to half the reserve at a time, and not one is lost; and on the
 * same lcore RX is just as greedy. */
Test(gfp, control_traffic_loses_nothing_in_a_flood, .timeout = 60)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	struct traffic t = {.pool = pool};
	static void *rx[ALL];
	void *reply[RESERVE / 2];
	uint64_t random = 1, lost = 0, replies = 0, dug = 0;
	unsigned n = 0;
	pthread_t thread;

	pthread_create(&thread, NULL, be_greedy, &t);
	while (replies < 1000000) {
		unsigned burst = 1 + random_below(&random, RESERVE / 2);

		n += lab_alloc_burst(pool, rx + n, 8, LAB_GFP_NOWAIT);
		for (unsigned i = 0; i < burst; i++)
			lost += !(reply[i] = lab_alloc(pool, LAB_GFP_ATOMIC));
		cr_assert_eq(lost, 0, "after %llu", (unsigned long long)replies);
		replies += burst;
		if (replies % 16 == 0)
			dug += reserved(pool) < RESERVE;
		cr_assert_eq(lab_free_bulk(pool, reply, burst), 0);
	}
	__atomic_store_n(&t.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	/* Or the flood was none, and no reply needed the reserve. */
	cr_assert_gt(dug, 100, "%llu", (unsigned long long)dug);
	cr_assert_eq(lab_free_bulk(pool, rx, n), 0);
	end_whole(pool);
}

/* ---- LAB_GFP_KERNEL ---- */

static void *free_later(void *arg)
{
	struct traffic *t = arg;
	void *frame = lab_alloc(t->pool, LAB_GFP_NOWAIT);

	__atomic_store_n(&t->stop, frame ? 1 : 2, __ATOMIC_RELEASE);
	usleep(50000);
	lab_free(t->pool, frame);
	return NULL;
}

Test(gfp, a_kernel_caller_waits_for_a_frame)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	struct traffic t = {.pool = pool};
	static void *frame[ALL];
	pthread_t thread;
	unsigned n;

	pthread_create(&thread, NULL, free_later, &t);
	while (!__atomic_load_n(&t.stop, __ATOMIC_ACQUIRE))
		usleep(100);
	cr_assert_eq(t.stop, 1);
	n = flood(pool, frame);
	/* The other thread's end empties its cache. */
	frame[n] = lab_alloc(pool, LAB_GFP_KERNEL);
	cr_assert_not_null(frame[n], "%s", lab_error_text());
	pthread_join(thread, NULL);
	cr_assert_eq(reserved(pool), RESERVE);
	cr_assert_eq(lab_free_bulk(pool, frame, n + 1), 0);
	end_whole(pool);
}

Test(gfp, a_kernel_caller_waits_no_longer_than_he_may)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool_config config = {.name = "test",
						 .frames = FRAMES,
						 .page_size = LAB_PAGE_4K,
						 .timeout_ms = 30,
						 .flags = LAB_POOL_FALLBACK | flags};
		struct lab_pool *pool = pool_of(&config);
		static void *frame[2 * ALL];
		unsigned n = flood(pool, frame);
		double began = seconds_now();

		errno = 0;
		cr_assert_null(lab_alloc(pool, LAB_GFP_KERNEL));
		cr_assert_eq(errno, ENOMEM);
		cr_assert_geq(seconds_now() - began, 0.029);
		text_has("could not give 1 frame to", "within 30 ms",
			 "64 of its 2048 frames are free, 64 of them in the reserve", "max_frames",
			 "timeout_ms", NULL);
		/* And not at all for what can never be. */
		began = seconds_now();
		cr_assert_eq(lab_alloc_bulk(pool, frame + n, FRAMES - RESERVE + 1, LAB_GFP_KERNEL),
			     -ENOMEM);
		text_has("never has 1985 frames", "at most 1984", NULL);
		cr_assert_lt(seconds_now() - began, 0.025);
		cr_assert_eq(lab_alloc_bulk(pool, frame + n, 32, LAB_GFP_KERNEL), -ENOMEM);
		cr_assert_eq(lab_free_bulk(pool, frame, n), 0);
		end_whole(pool);
	}
}

/* Two who want more together than there is: what one has found and cannot use yet, the other gets.
 */
static void *want_many(void *arg)
{
	struct traffic *t = arg;
	static __thread void *frame[FRAMES];

	for (unsigned i = 0; i < 20; i++) {
		t->got += lab_alloc_bulk(t->pool, frame, FRAMES * 3 / 4, LAB_GFP_KERNEL) == 0;
		cr_assert_eq(t->got, i + 1, "%s", lab_error_text());
		lab_free_bulk(t->pool, frame, FRAMES * 3 / 4);
		lab_lcore_drain(t->pool);
	}
	return NULL;
}

Test(gfp, kernel_callers_do_not_starve_each_other, .timeout = 60)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	struct traffic t[2] = {{.pool = pool}, {.pool = pool}};
	pthread_t thread[2];

	for (unsigned i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, want_many, &t[i]);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	end_whole(pool);
}
