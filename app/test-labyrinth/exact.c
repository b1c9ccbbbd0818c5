/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools without caches: whoever asks gets what is free, whatever others do.
 */
#include <pthread.h>

#include "shared.h"

TestSuite(exact);
TestSuite(exact_shared, .init = shared_begin, .fini = shared_end);

#define WORKERS 4
#define ROUNDS  20000

Test(exact, cache_frames_is_refused)
{
	const struct lab_pool_config config = {
		.frames = 64, .cache_frames = 64, .flags = LAB_POOL_EXACT};
	const struct lab_pool_config unprotected = {.frames = 64,
						    .flags = LAB_POOL_EXACT | LAB_POOL_UNPROTECTED};

	cr_assert_null(lab_pool_create(&config));
	text_has("cache_frames is 64", "no caches", NULL);
	cr_assert_null(lab_pool_create(&unprotected));
	text_has("LAB_POOL_EXACT", "LAB_POOL_UNPROTECTED", NULL);
}

Test(exact, frames_come_once_and_go_back)
{
	struct lab_pool *pool = small_pool(FRAMES, LAB_POOL_EXACT);
	void *frame = lab_alloc(pool, LAB_GFP_ATOMIC | LAB_GFP_ZERO), *frames[40];

	cr_assert_not_null(frame);
	conserved(pool, 1, 0);
	cr_assert_eq(lab_free(pool, frame), 0);
	conserved(pool, 0, 0);
	cr_assert_eq(lab_alloc_bulk(pool, frames, 40, LAB_GFP_ATOMIC), 0);
	conserved(pool, 40, 0);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	cr_assert_eq(lab_free_bulk(pool, frames, 40), 0);
	frame = labyrinth_void_alloc_page_gfp_atomic_exclusive(pool);
	cr_assert_not_null(frame);
	cr_assert_eq(lab_free(pool, frame), 0);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	end_whole(pool);
}

Test(exact, bulk_is_all_or_none)
{
	struct lab_pool *pool = small_pool(64, LAB_POOL_EXACT);
	void *frames[65];

	cr_assert_eq(lab_alloc_bulk(pool, frames, 65, LAB_GFP_ATOMIC), -ENOMEM);
	conserved(pool, 0, 0);
	cr_assert_eq(lab_alloc_bulk(pool, frames, 64, LAB_GFP_ATOMIC), 0);
	cr_assert_null(lab_alloc(pool, LAB_GFP_ATOMIC));
	cr_assert_eq(lab_free_bulk(pool, frames, 64), 0);
	end_whole(pool);
}

Test(exact, mistakes_are_refused)
{
	struct lab_pool *pool = small_pool(64, LAB_POOL_EXACT);
	void *frame = lab_alloc(pool, LAB_GFP_ATOMIC);
	int device = lab_device_register(pool, "device");

	cr_assert_eq(lab_free(pool, (char *)frame + 8), -EINVAL);
	cr_assert_eq(lab_lend(pool, device, &frame, 1), 1);
	cr_assert_eq(lab_free(pool, frame), -EBUSY);
	text_has("lent to device", NULL);
	cr_assert_eq(lab_take_back(pool, device, &frame, 1), 1);
	cr_assert_eq(lab_free(pool, frame), 0);
	cr_assert_eq(lab_free(pool, frame), -EALREADY);
	text_has("it is free", NULL);
	cr_assert_eq(lab_device_release(pool, device), 0);
	end_whole(pool);
}

static void *take_all(void *arg)
{
	struct lab_pool *pool = arg;
	void *frames[64];
	unsigned n = lab_alloc_burst(pool, frames, 64, LAB_GFP_ATOMIC);

	lab_free_bulk(pool, frames, n);
	return (void *)(uintptr_t)n;
}

Test(exact, what_one_thread_freed_another_can_have)
{
	struct lab_pool *pool = small_pool(64, LAB_POOL_EXACT);
	pthread_t thread;
	void *n;

	cr_assert_eq((uintptr_t)take_all(pool), 64);
	cr_assert_eq(pthread_create(&thread, NULL, take_all, pool), 0);
	cr_assert_eq(pthread_join(thread, &n), 0);
	cr_assert_eq((uintptr_t)n, 64);
	end_whole(pool);
}

/* A pool of as many frames as there are workers: each holds at most one, so that there is always
 * one for who asks, and an answer of "none" is wrong. */
static void *one_at_a_time(void *arg)
{
	struct lab_pool *pool = arg;
	uintptr_t wrong = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		void *frame = lab_alloc(pool, LAB_GFP_ATOMIC);

		wrong += !frame || lab_free(pool, frame) != 0;
	}
	return (void *)wrong;
}

Test(exact, there_is_one_for_who_asks)
{
	struct lab_pool *pool = small_pool(32, LAB_POOL_EXACT);
	void *kept[32 - WORKERS], *wrong;
	pthread_t thread[WORKERS];

	cr_assert_eq(lab_alloc_bulk(pool, kept, 32 - WORKERS, LAB_GFP_ATOMIC), 0);
	for (unsigned i = 0; i < WORKERS; i++)
		cr_assert_eq(pthread_create(&thread[i], NULL, one_at_a_time, pool), 0);
	for (unsigned i = 0; i < WORKERS; i++) {
		cr_assert_eq(pthread_join(thread[i], &wrong), 0);
		cr_assert_eq((uintptr_t)wrong, 0);
	}
	cr_assert_eq(lab_free_bulk(pool, kept, 32 - WORKERS), 0);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	end_whole(pool);
}

/* Two threads free the same frame in the same instant: one of them is refused, always. */
struct race {
	struct lab_pool *pool;
	pthread_barrier_t barrier;
	void *frame;
	uint64_t freed;
};

static void *free_it(void *arg)
{
	struct race *race = arg;

	for (unsigned i = 0; i < 2000; i++) {
		pthread_barrier_wait(&race->barrier);
		if (lab_free(race->pool, race->frame) == 0)
			__atomic_fetch_add(&race->freed, 1, __ATOMIC_RELAXED);
		pthread_barrier_wait(&race->barrier);
	}
	return NULL;
}

Test(exact, of_two_frees_one_is_refused)
{
	struct race race = {.pool = small_pool(64, LAB_POOL_EXACT)};
	pthread_t thread[2];

	pthread_barrier_init(&race.barrier, NULL, 3);
	for (unsigned i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&thread[i], NULL, free_it, &race), 0);
	for (unsigned i = 0; i < 2000; i++) {
		race.frame = lab_alloc(race.pool, LAB_GFP_ATOMIC);
		pthread_barrier_wait(&race.barrier);
		pthread_barrier_wait(&race.barrier);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	cr_assert_eq(race.freed, 2000, "%llu", (unsigned long long)race.freed);
	end_whole(race.pool);
}

Test(exact, numbers_are_there_once_added)
{
	const struct lab_pool_config config = {
		.frames = 96, .flags = LAB_POOL_EXACT | LAB_POOL_NUMBERS | LAB_POOL_FALLBACK};
	struct lab_pool *pool = pool_of(&config);
	struct lab_pool_stats stats;
	void *frames[96];

	cr_assert_null(lab_alloc(pool, LAB_GFP_ATOMIC));
	cr_assert_eq(lab_numbers_add(pool, 3, 70), 0, "%s", lab_error_text());
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	cr_assert_eq(lab_numbers_add(pool, 72, 2), -EEXIST);
	cr_assert_eq(lab_alloc_burst(pool, frames, 96, LAB_GFP_ATOMIC), 70);
	for (unsigned i = 0; i < 70; i++)
		cr_assert(lab_frame_index(pool, frames[i]) - 3 < 70u);
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.held, 70);
	cr_assert_eq(stats.retired, 26);
	cr_assert_eq(lab_free_bulk(pool, frames, 70), 0);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* ---- processes ---- */

static struct lab_pool *exact_shared_pool(void)
{
	const struct lab_pool_config config = {.name = "shared",
					       .frames = FRAMES,
					       .page_size = LAB_PAGE_4K,
					       .lcores = 2,
					       .flags = LAB_POOL_SHARED | LAB_POOL_EXACT |
							LAB_POOL_FALLBACK};

	return pool_of(&config);
}

Test(exact_shared, a_killed_process_loses_nothing)
{
	struct lab_pool *pool = exact_shared_pool();
	struct other *other = other_start(other_holds);

	conserved(pool, 40, 8);
	other_kill(other);
	cr_assert_eq(lab_pool_reap(pool), 40);
	conserved(pool, 0, 8);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	cr_assert_eq(lab_device_absolve(pool, "device"), 8);
	end_whole(pool);
}

static void works(struct lab_pool *pool, struct other *other)
{
	void *frames[48];

	__atomic_store_n(&other->ready, 1, __ATOMIC_RELEASE);
	for (unsigned i = 0;; i++) {
		unsigned n = lab_alloc_burst(pool, frames, 1 + i % 48, LAB_GFP_ATOMIC);

		lab_free_bulk(pool, frames, n);
	}
}

Test(exact_shared, killed_anywhere)
{
	struct lab_pool *pool = exact_shared_pool();
	void *frames[16];

	srand(1);
	for (unsigned round = 0; round < 60; round++) {
		struct other *other = other_start(works);

		others_n = 0;
		for (unsigned i = 0; i < 1000; i++) {
			unsigned n = lab_alloc_burst(pool, frames, 16, LAB_GFP_ATOMIC);

			cr_assert_eq(lab_free_bulk(pool, frames, n), 0);
		}
		usleep((unsigned)rand() % 2000);
		other_kill(other);
		cr_assert_geq(lab_pool_reap(pool), 0);
		conserved(pool, 0, 0);
		cr_assert_eq(lab_pool_validate(pool), 0, "round %u: %s", round, lab_error_text());
		memset(other, 0, sizeof(*other));
	}
	end_whole(pool);
}
