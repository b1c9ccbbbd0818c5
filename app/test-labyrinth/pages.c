/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Runs of frames: of every order, out of fragmented pools, beside threads that work, and after a
 * process that held some was killed.
 */
#include "random-user.h"
#include "shared.h"

TestSuite(pages, .timeout = 60);

#define MANY 8192u

/* All its frames are there, and the caller's. */
static void is_run(const struct lab_pool *pool, void *run, unsigned order)
{
	uint32_t first = lab_frame_index(pool, run);

	cr_assert_not_null(run, "order %u: %s", order, lab_error_text());
	cr_assert_neq(first, LAB_FRAME_NONE);
	cr_assert_eq(first % (1u << order), 0);
	cr_assert_eq((uintptr_t)run % ((uintptr_t)LAB_FRAME_SIZE << order), 0);
	for (uint32_t i = 0; i < 1u << order; i++)
		cr_assert_eq(pool->state[first + i], LAB_STATE_HELD(lab_lcore_id(pool)));
	memset(run, 0x5a, (size_t)LAB_FRAME_SIZE << order);
}

static void valid(const struct lab_pool *pool)
{
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
}

Test(pages, every_order)
{
	struct lab_pool *pool = pool_without_reserve(MANY, 0);
	char *run;

	cr_assert_eq(lab_pages_max_order(pool), 9);
	for (unsigned order = 0; order <= 9; order++) {
		run = lab_alloc_pages(pool, order, order & 1 ? LAB_GFP_KERNEL : 0);
		is_run(pool, run, order);
		valid(pool);
		conserved(pool, 1u << order, 0);
		cr_assert_eq(lab_free_pages(pool, run, order), 0);
		conserved(pool, 0, 0);
		run = lab_alloc_pages(pool, order, LAB_GFP_ZERO | LAB_GFP_EXCLUSIVE);
		cr_assert_not_null(run);
		for (size_t i = 0; i < (size_t)LAB_FRAME_SIZE << order; i++)
			cr_assert_eq(run[i], 0);
		/* Frame by frame is as good. */
		for (unsigned i = 0; i < 1u << order; i++)
			cr_assert_eq(lab_free(pool, run + (size_t)i * LAB_FRAME_SIZE), 0);
		valid(pool);
	}
	end_whole(pool);
}

Test(pages, all_there_are_and_no_more)
{
	for (unsigned order = 0; order <= 9; order += 3) {
		struct lab_pool *pool = pool_without_reserve(2048, 0);
		unsigned n = 2048u >> order;
		static void *run[2048];

		for (unsigned i = 0; i < n; i++) {
			run[i] = lab_alloc_pages(pool, order, 0);
			is_run(pool, run[i], order);
		}
		valid(pool);
		errno = 0;
		cr_assert_null(lab_alloc_pages(pool, order, 0));
		cr_assert_eq(errno, ENOMEM);
		text_has("no run of", "0 frames are free", "the longest run is 0", NULL);
		for (unsigned i = 0; i < n; i++)
			cr_assert_eq(lab_free_pages(pool, run[i], order), 0);
		end_whole(pool);
	}
}

/* Every second frame of the pool is held: no run of two. Then every second of the first half only.
 */
Test(pages, fragments)
{
	struct lab_pool *pool = pool_without_reserve(2048, 0);
	static void *frame[2048];
	void *run;

	cr_assert_eq(lab_alloc_bulk(pool, frame, 2048, 0), 0);
	for (unsigned i = 0; i < 2048; i++) {
		if (lab_frame_index(pool, frame[i]) % 2)
			cr_assert_eq(lab_free(pool, frame[i]), 0);
	}
	cr_assert_null(lab_alloc_pages(pool, 1, 0));
	cr_assert_eq(errno, ENOMEM);
	text_has("no run of 2 contiguous frames in pool 'test'", "1024 frames are free",
		 "the longest run is 1,", "0 lie in caches", NULL);
	for (unsigned i = 0; i < 2048; i++) {
		uint32_t number = lab_frame_index(pool, frame[i]);

		if (number % 2 == 0 && number >= 1024)
			cr_assert_eq(lab_free(pool, frame[i]), 0);
	}
	run = lab_alloc_pages(pool, 9, 0);
	is_run(pool, run, 9);
	cr_assert_geq(lab_frame_index(pool, run), 1024);
	cr_assert_eq(lab_free_pages(pool, run, 9), 0);
	/* A single one comes from where few are: 512 of 1024 hugepages' frames are free there. */
	run = lab_alloc_pages(pool, 0, 0);
	is_run(pool, run, 0);
	cr_assert_lt(lab_frame_index(pool, run), 1024);
	cr_assert_eq(lab_free_pages(pool, run, 0), 0);
	valid(pool);
	conserved(pool, 512, 0);
	cr_assert_eq(lab_pool_destroy(pool), 512);
}

/* Small ones leave whole hugepages whole, and within one the larger runs. */
Test(pages, small_ones_share_a_hugepage)
{
	struct lab_pool *pool = pool_without_reserve(MANY, 0);
	uint8_t touched[MANY / 512] = {0};
	unsigned pages = 0;
	void *run[300];

	for (unsigned i = 0; i < 300; i++) {
		run[i] = lab_alloc_pages(pool, i % 2, 0);
		is_run(pool, run[i], i % 2);
		touched[lab_frame_index(pool, run[i]) / 512 % (MANY / 512)] = 1;
	}
	for (unsigned i = 0; i < MANY / 512; i++)
		pages += touched[i];
	cr_assert_eq(pages, 1, "450 frames were taken from %u hugepages", pages);
	for (unsigned i = 0; i < 300; i++)
		cr_assert_eq(lab_free_pages(pool, run[i], i % 2), 0);
	end_whole(pool);
}

/* Frames that travel as bundles are found as well. */
Test(pages, out_of_bundles)
{
	struct lab_pool *pool = pool_without_reserve(2048, 0);
	void *run[4];

	cr_assert_gt(scatter(pool), 1024);
	for (unsigned i = 0; i < 4; i++) {
		run[i] = lab_alloc_pages(pool, 9, 0);
		is_run(pool, run[i], 9);
	}
	valid(pool);
	for (unsigned i = 0; i < 4; i++)
		cr_assert_eq(lab_free_pages(pool, run[i], 9), 0);
	end_whole(pool);
}

static void expect(int64_t got, int err, const char *part)
{
	cr_assert_eq(got, -err, "%lld: %s", (long long)got, lab_error_text());
	cr_assert_eq(errno, err);
	text_has(part, NULL);
}

Test(pages, wrong_calls)
{
	struct lab_pool *pool = pool_without_reserve(2048, 0), *other = pool_without_reserve(64, 0);
	char *run = lab_alloc_pages(pool, 4, 0);

	cr_assert_not_null(run);
	cr_assert_null(lab_alloc_pages(NULL, 0, 0));
	text_has("needs a pool", NULL);
	cr_assert_null(lab_alloc_pages(pool, 10, 0));
	cr_assert_eq(errno, EINVAL);
	text_has("order 10 is more than 9", NULL);
	cr_assert_null(lab_alloc_pages(pool, 4000000000u, 0));
	cr_assert_null(lab_alloc_pages(pool, 1, LAB_GFP_ATOMIC));
	cr_assert_eq(errno, EINVAL);
	text_has("LAB_GFP_ATOMIC", "LAB_GFP_KERNEL or 0", NULL);
	cr_assert_null(lab_alloc_pages(pool, 1, LAB_GFP_NOWAIT));
	cr_assert_null(lab_alloc_pages(pool, 1, 1u << 20));
	text_has("0x100000 is not known", NULL);
	expect(lab_free_pages(NULL, run, 4), EINVAL, "needs a pool");
	expect(lab_free_pages(pool, run, 10), EINVAL, "order 10");
	expect(lab_free_pages(pool, run + LAB_FRAME_SIZE, 4), EINVAL,
	       "not the first of a run of 16");
	expect(lab_free_pages(pool, run + 5, 4), EINVAL, "inside frame");
	expect(lab_free_pages(pool, NULL, 4), EFAULT, "NULL");
	expect(lab_free_pages(other, run, 4), EXDEV, "of pool 'test'");
	/* Beyond it there are free ones: none is freed. */
	expect(lab_free_pages(pool, lab_frame_at(pool, lab_frame_index(pool, run) / 32 * 32), 5),
	       EALREADY, "free");
	conserved(pool, 16, 0);
	/* The first half, then all of it: the second half stays. */
	cr_assert_eq(lab_free_pages(pool, run, 3), 0);
	expect(lab_free_pages(pool, run, 4), EALREADY, "free");
	conserved(pool, 8, 0);
	cr_assert_eq(lab_free_pages(pool, run + 8 * (size_t)LAB_FRAME_SIZE, 3), 0);
	expect(lab_free_pages(pool, run, 3), EALREADY, "free");
	end_whole(other);
	end_whole(pool);
}

Test(pages, not_of_every_pool)
{
	struct lab_pool_config numbers = {
		.name = "numbers", .frames = 512, .flags = LAB_POOL_NUMBERS | LAB_POOL_FALLBACK};
	struct lab_pool *pool = pool_without_reserve(512, LAB_POOL_UNPROTECTED);
	void *frame = lab_alloc(pool, 0);

	cr_assert_null(lab_alloc_pages(pool, 0, 0));
	cr_assert_eq(errno, ENOTSUP);
	text_has("is unprotected", NULL);
	expect(lab_free_pages(pool, frame, 0), ENOTSUP, "is unprotected");
	cr_assert_eq(lab_free(pool, frame), 0);
	end_whole(pool);
	pool = pool_of(&numbers);
	cr_assert_null(lab_alloc_pages(pool, 0, 0));
	cr_assert_eq(errno, ENOTSUP);
	text_has("numbers and no memory", NULL);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

Test(pages, without_caches)
{
	struct lab_pool *pool = pool_without_reserve(2048, LAB_POOL_EXACT);
	void *run[4], *one;

	one = lab_alloc(pool, 0);
	for (unsigned i = 0; i < 3; i++) {
		run[i] = lab_alloc_pages(pool, 9, 0);
		is_run(pool, run[i], 9);
	}
	cr_assert_null(lab_alloc_pages(pool, 9, 0));
	text_has("511 frames are free", "the longest run is 256,", NULL);
	valid(pool);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_eq(lab_free_pages(pool, run[i], 9), 0);
	cr_assert_eq(lab_free(pool, one), 0);
	end_whole(pool);
}

/* ---- on hugepages ---- */

Test(pages, are_neighbours_physically)
{
	struct lab_pool_config config = {
		.name = "huge", .frames = 1024, .page_size = LAB_PAGE_2M, .reserve = LAB_NONE};
	struct lab_pool *pool;

	skip_without_hugepages(LAB_PAGE_2M, 2);
	skip_unless_root();
	pool = pool_of(&config);
	if (lab_frame_phys(pool, pool->base) == LAB_ADDR_NONE)
		cr_skip_test("physical addresses are not known here");
	for (unsigned order = 0; order <= 9; order++) {
		char *run = lab_alloc_pages(pool, order, 0);
		uint64_t phys;

		is_run(pool, run, order);
		phys = lab_frame_phys(pool, run);
		cr_assert_eq(phys % ((uint64_t)LAB_FRAME_SIZE << order), 0);
		for (uint64_t i = 0; i < 1u << order; i++)
			cr_assert_eq(lab_frame_phys(pool, run + i * LAB_FRAME_SIZE),
				     phys + i * LAB_FRAME_SIZE);
		cr_assert_eq(lab_free_pages(pool, run, order), 0);
	}
	end_whole(pool);
}

/* ---- beside others ---- */

static uint32_t stop, runs;

static void *taker(void *arg)
{
	struct lab_pool *pool = arg;
	uint64_t random = random_seed();
	uintptr_t wrong = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		unsigned order = random_below(&random, 8);
		uint64_t *run = lab_alloc_pages(pool, order, 0);
		size_t words = (size_t)LAB_FRAME_SIZE / 8 << order;

		if (!run)
			continue;
		for (size_t i = 0; i < words; i += 512)
			run[i] = (uintptr_t)&random + i;
		sched_yield();
		for (size_t i = 0; i < words; i += 512)
			wrong += run[i] != (uintptr_t)&random + i;
		wrong += lab_free_pages(pool, run, order) != 0;
		/* Relaxed: a counter. */
		__atomic_fetch_add(&runs, 1, __ATOMIC_RELAXED);
	}
	lab_lcore_unregister(pool);
	return (void *)wrong;
}

Test(pages, beside_threads_that_work)
{
	static struct random_user user[2];
	struct crowd crowd = {.pool = pool_without_reserve(4096, 0), .steps = 40000};
	pthread_t thread[2];
	void *wrong;

	for (unsigned i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, taker, crowd.pool);
	random_crowd(&crowd, user, 2, random_seed());
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(thread[i], &wrong);
		cr_assert_null(wrong);
	}
	cr_assert_eq(crowd.wrong, 0, "%s (%s)", crowd.first_wrong, lab_error_text());
	cr_assert_gt(runs, 0);
	valid(crowd.pool);
	end_whole(crowd.pool);
}

/* ---- and after a kill ---- */

static void holds_runs(struct lab_pool *pool, struct other *other)
{
	other->number[0] = lab_frame_index(pool, lab_alloc_pages(pool, 8, 0));
	other->number[1] = lab_frame_index(pool, lab_alloc_pages(pool, 3, 0));
}

Test(pages, of_the_dead_come_back, .init = shared_begin)
{
	struct lab_pool_config config = {.name = "shared",
					 .frames = 1024,
					 .page_size = LAB_PAGE_4K,
					 .reserve = LAB_NONE,
					 .lcores = 2,
					 .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};
	struct lab_pool *pool = pool_of(&config);
	struct other *other = other_start(holds_runs);

	cr_assert_neq(other->number[0], LAB_FRAME_NONE);
	cr_assert_neq(other->number[1], LAB_FRAME_NONE);
	conserved(pool, 256 + 8, 0);
	other_kill(other);
	lab_pool_reap(pool);
	valid(pool);
	conserved(pool, 0, 0);
	is_run(pool, lab_alloc_pages(pool, 9, 0), 9);
	is_run(pool, lab_alloc_pages(pool, 9, 0), 9);
	cr_assert_eq(lab_pool_destroy(pool), 1024);
	shared_end();
}
