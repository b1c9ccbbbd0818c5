/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Wrong frees of one frame in an exclusive pool: each is refused by name, and changes nothing.
 */
#include <pthread.h>

#include "refusals.h"

TestSuite(ownership, .timeout = 60);

#define REFUSED(call, ...)                                                            \
	do {                                                                          \
		struct before before_ = before_call(pool, &seen);                     \
		int rc_ = (call);                                                     \
		refused(pool, &seen, &before_, rc_, &(struct expected){__VA_ARGS__}); \
	} while (0)

Test(ownership, double_free_of_a_frame_in_the_own_cache)
{
	struct seen seen;
	struct lab_pool *pool = watched_pool("rx", &seen);
	void *frame;

	lab_lcore_register(pool, "worker");
	frame = lab_alloc(pool, LAB_GFP_ATOMIC);
	cr_assert_eq(lab_free(pool, frame), 0);
	for (int again = 0; again < 3; again++) {
		REFUSED(lab_free(pool, frame), EALREADY, LAB_REFUSED_DOUBLE_FREE, frame,
			lab_frame_index(pool, frame), "free of frame",
			"it is free, in the cache of lcore 1 (worker)");
		text_has("by lcore 1 (worker)", NULL);
		REFUSED(lab_free_bulk(pool, &frame, 1), EALREADY, LAB_REFUSED_DOUBLE_FREE, frame,
			lab_frame_index(pool, frame), "free of frame",
			"it is free, in the cache of lcore 1 (worker)");
	}
	end_whole(pool);
}

/* In the depot and in the cache, by each number. */
Test(ownership, free_of_every_frame_that_was_never_handed_out)
{
	struct seen seen;
	struct lab_pool *pool = watched_pool("rx", &seen);
	void *one = lab_alloc(pool, LAB_GFP_ATOMIC);
	struct lab_pool_stats stats;

	lab_pool_stats(pool, &stats);
	cr_assert(stats.free > 0 && stats.cached > 0);
	for (uint32_t i = 0; i < FRAMES; i++) {
		void *frame = lab_frame_at(pool, i);

		if (frame != one)
			REFUSED(lab_free(pool, frame), EALREADY, LAB_REFUSED_DOUBLE_FREE, frame, i,
				"free of frame", "it is free");
	}
	cr_assert_eq(lab_free(pool, one), 0);
	end_whole(pool);
}

/* Freed, flushed to the depot by what came after it, and freed again. */
Test(ownership, double_free_of_a_frame_that_was_flushed)
{
	struct seen seen;
	struct lab_pool *pool = watched_pool("rx", &seen);
	struct lab_pool_stats stats;
	void *frame[FRAMES];

	cr_assert_eq(lab_alloc_bulk(pool, frame, FRAMES, LAB_GFP_ATOMIC), 0);
	for (unsigned i = 0; i < FRAMES; i++)
		cr_assert_eq(lab_free(pool, frame[i]), 0);
	lab_pool_stats(pool, &stats);
	cr_assert_gt(stats.flushed, 0);
	for (unsigned i = 0; i < FRAMES; i += 7)
		REFUSED(lab_free(pool, frame[i]), EALREADY, LAB_REFUSED_DOUBLE_FREE, frame[i],
			lab_frame_index(pool, frame[i]), "free of frame", "it is free, in the ");
	end_whole(pool);
}

struct other_thread {
	struct lab_pool *pool;
	void *frame;
	int rc;
};

static void *free_elsewhere(void *arg)
{
	struct other_thread *other = arg;

	lab_lcore_register(other->pool, "other");
	other->rc = lab_free(other->pool, other->frame);
	return NULL;
}

static void *hold_and_free(void *arg)
{
	struct other_thread *other = arg;

	lab_lcore_register(other->pool, "other");
	other->rc = lab_free(other->pool, other->frame);
	/* Stays, so that the frame stays in its cache, until told. */
	while (!__atomic_load_n(&other->frame, __ATOMIC_ACQUIRE))
		usleep(100);
	__atomic_store_n(&other->frame, NULL, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&other->frame, __ATOMIC_ACQUIRE))
		usleep(100);
	return NULL;
}

Test(ownership, double_free_by_two_threads_one_after_another)
{
	struct seen seen;
	struct lab_pool *pool = watched_pool("rx", &seen);
	void *frame = lab_alloc(pool, LAB_GFP_ATOMIC);
	struct other_thread other = {.pool = pool, .frame = frame, .rc = -1};
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, hold_and_free, &other), 0);
	while (__atomic_load_n(&other.frame, __ATOMIC_ACQUIRE))
		usleep(100);
	cr_assert_eq(other.rc, 0, "any thread may free what another allocated");
	REFUSED(lab_free(pool, frame), EALREADY, LAB_REFUSED_DOUBLE_FREE, frame,
		lab_frame_index(pool, frame), "free of frame",
		"it is free, in the cache of lcore 2 (other)");
	__atomic_store_n(&other.frame, frame, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	/* Its thread has ended: now the frame is in the depot, and still free. */
	REFUSED(lab_free(pool, frame), EALREADY, LAB_REFUSED_DOUBLE_FREE, frame,
		lab_frame_index(pool, frame), "free of frame", "it is free, in the depot");
	end_whole(pool);
}

Test(ownership, the_second_thread_is_refused_too)
{
	struct seen seen;
	struct lab_pool *pool = watched_pool("rx", &seen);
	struct other_thread other = {.pool = pool, .frame = lab_alloc(pool, 0)};
	pthread_t thread;

	cr_assert_eq(lab_free(pool, other.frame), 0);
	cr_assert_eq(pthread_create(&thread, NULL, free_elsewhere, &other), 0);
	pthread_join(thread, NULL);
	cr_assert_eq(other.rc, -EALREADY);
	cr_assert_eq(seen.calls, 1);
	cr_assert_eq(seen.last.lcore, 2);
	cr_assert(strstr(seen.text, "by lcore 2 (other) refused"), "%s", seen.text);
	cr_assert(strstr(seen.text, "free, in the cache of lcore 1 (lcore-1)"), "%s", seen.text);
	end_whole(pool);
}

Test(ownership, frame_of_another_pool)
{
	struct seen seen;
	struct lab_pool *pool = watched_pool("rx", &seen), *other = small_pool(64, 0);
	void *frame = lab_alloc(other, LAB_GFP_ATOMIC);
	char owner[64];

	snprintf(owner, sizeof(owner), "it is frame %u of pool 'test', not of pool 'rx'",
		 lab_frame_index(other, frame));
	REFUSED(lab_free(pool, frame), EXDEV, LAB_REFUSED_OTHER_POOL, frame, LAB_FRAME_NONE,
		"free of 0x", owner);
	conserved(other, 1, 0);
	/* Into the middle of it is no better; and once that pool is gone, it is nobody's. */
	REFUSED(lab_free(pool, (char *)frame + 8), EXDEV, LAB_REFUSED_OTHER_POOL, (char *)frame + 8,
		LAB_FRAME_NONE, "free of 0x", owner);
	cr_assert_eq(lab_free(other, frame), 0);
	end_whole(other);
	REFUSED(lab_free(pool, frame), EFAULT, LAB_REFUSED_OUTSIDE, frame, LAB_FRAME_NONE,
		"free of 0x", "in no pool of this process");
	end_whole(pool);
}

Test(ownership, pointer_into_a_frame)
{
	static const unsigned inside[] = {1, 8, 63, 64, 1024, 2048, 4088, 4095};
	struct seen seen;
	struct lab_pool *pool = watched_pool("rx", &seen);
	char *frame = lab_alloc(pool, LAB_GFP_ATOMIC);
	char owner[80];

	for (unsigned i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		uint32_t number = lab_frame_index(pool, frame);

		snprintf(owner, sizeof(owner), "it lies %u bytes inside frame %u of pool 'rx'",
			 inside[i], number);
		REFUSED(lab_free(pool, frame + inside[i]), EINVAL, LAB_REFUSED_INSIDE,
			frame + inside[i], number, "free of 0x", owner);
		text_has("pass the frame's first byte", NULL);
	}
	cr_assert_eq(lab_free(pool, frame), 0);
	end_whole(pool);
}

Test(ownership, pointer_outside_any_pool)
{
	struct seen seen;
	struct lab_pool *pool = watched_pool("rx", &seen);
	char *base = lab_pool_memory(pool, NULL), *heap = malloc(8192);
	void *outside[] = {&seen,
			   heap,
			   (void *)(((uintptr_t)heap + 4095) & ~(uintptr_t)4095),
			   NULL,
			   base - 1,
			   base - LAB_FRAME_SIZE,
			   base + FRAMES * (size_t)LAB_FRAME_SIZE,
			   base + FRAMES * (size_t)LAB_FRAME_SIZE + 64,
			   (void *)(uintptr_t)-4096,
			   (void *)(uintptr_t)-1};
	void *one = lab_alloc(pool, LAB_GFP_ATOMIC);

	for (unsigned i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		REFUSED(lab_free(pool, outside[i]), EFAULT, LAB_REFUSED_OUTSIDE, outside[i],
			LAB_FRAME_NONE, "free of ",
			outside[i] ? "in no pool of this process" : "NULL");
	free(heap);
	cr_assert_eq(lab_free(pool, one), 0);
	end_whole(pool);
}

/* The first call of a thread may be a wrong one. */
static void *wrong_from_the_start(void *arg)
{
	struct other_thread *other = arg;

	other->rc = lab_free(other->pool, other->frame);
	return NULL;
}

Test(ownership, a_thread_whose_first_call_is_wrong)
{
	struct seen seen;
	struct lab_pool *pool = watched_pool("rx", &seen);
	struct other_thread other = {.pool = pool, .frame = lab_frame_at(pool, 5)};
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, wrong_from_the_start, &other), 0);
	pthread_join(thread, NULL);
	cr_assert_eq(other.rc, -EALREADY);
	cr_assert_eq(seen.calls, 1);
	end_whole(pool);
}

/* A retired frame is nobody's; this version retires none by itself. */
Test(ownership, retired_frame)
{
	struct seen seen;
	struct lab_pool *pool = watched_pool("rx", &seen);
	void *frame = lab_alloc(pool, LAB_GFP_ATOMIC);
	uint32_t number = lab_frame_index(pool, frame);
	uint8_t held = pool->state[number];

	pool->state[number] = LAB_STATE_RETIRED;
	REFUSED(lab_free(pool, frame), EPERM, LAB_REFUSED_RETIRED, frame, number, "free of frame",
		"it is retired");
	pool->state[number] = held;
	cr_assert_eq(lab_free(pool, frame), 0);
	end_whole(pool);
}

/* Refusals cost the pool nothing, however many. */
Test(ownership, a_storm_of_refusals)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	struct lab_pool_stats stats;
	void *frame = lab_alloc(pool, LAB_GFP_ATOMIC);

	cr_assert_eq(lab_free(pool, frame), 0);
	for (unsigned i = 0; i < 20000; i++)
		cr_assert_eq(lab_free(pool, frame), -EALREADY);
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.refused[LAB_REFUSED_DOUBLE_FREE], 20000);
	cr_assert_eq(stats.allocs, 1);
	cr_assert_eq(stats.frees, 1);
	end_whole(pool);
}
