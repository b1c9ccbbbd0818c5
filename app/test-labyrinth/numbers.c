/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools of numbers; and what else a program needs that puts Labyrinth behind an interface of its
 * own: drained lcores, names of threads, a place to attach at, the pools of the process.
 */
#include <pthread.h>

#include "cache.h"
#include "pool.h"
#include "shared.h"

TestSuite(numbers, .timeout = 60, .init = shared_begin);

static struct lab_pool *numbers_pool(uint64_t n, uint32_t flags)
{
	struct lab_pool_config config = {.name = "shared",
					 .frames = n,
					 .cache_frames = 64,
					 .lcores = flags & LAB_POOL_SHARED ? 2 : 0,
					 .flags = flags | LAB_POOL_NUMBERS | LAB_POOL_FALLBACK};

	return pool_of(&config);
}

static void has_so_many(struct lab_pool *pool, uint64_t n)
{
	struct lab_pool_stats stats;

	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.retired, lab_pool_frames(pool) - n, "%llu are retired",
		     (unsigned long long)stats.retired);
	conserved(pool, 0, 0);
	allocatable_once(pool, n);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
}

Test(numbers, there_are_none_before_they_are_added)
{
	struct lab_pool *pool = numbers_pool(FRAMES, 0);
	size_t bytes = 1;

	cr_assert_null(lab_pool_memory(pool, &bytes));
	cr_assert_eq(bytes, 0);
	cr_assert_null(lab_pool_fallback(pool));
	cr_assert_null(lab_alloc(pool, 0));
	has_so_many(pool, 0);
	/* By whole blocks, by parts of some, and one. */
	cr_assert_eq(lab_numbers_add(pool, 0, 320), 0, "%s", lab_error_text());
	has_so_many(pool, 320);
	cr_assert_eq(lab_numbers_add(pool, 333, 100), 0, "%s", lab_error_text());
	has_so_many(pool, 420);
	cr_assert_eq(lab_numbers_add(pool, FRAMES - 1, 1), 0, "%s", lab_error_text());
	cr_assert_eq(lab_numbers_add(pool, 7, 0), 0);
	has_so_many(pool, 421);
	cr_assert_eq(lab_pool_destroy(pool), 0);
	shared_end();
}

Test(numbers, what_is_allocated_is_a_number)
{
	struct lab_pool *pool = numbers_pool(FRAMES, 0);
	void *frame;

	cr_assert_eq(lab_numbers_add(pool, 40, 1), 0);
	frame = lab_alloc(pool, LAB_GFP_ATOMIC | LAB_GFP_EXCLUSIVE);
	cr_assert_eq(lab_frame_index(pool, frame), 40);
	cr_assert_eq(lab_frame_at(pool, 40), frame);
	/* There is nothing there to be written. */
	cr_assert_eq(lab_free(pool, lab_frame_at(pool, 41)), -EPERM);
	cr_assert_eq(lab_free(pool, frame), 0);
	cr_assert_eq(lab_free(pool, frame), -EALREADY);
	cr_assert_null(lab_alloc(pool, LAB_GFP_ZERO));
	cr_assert_eq(lab_pool_destroy(pool), 0);
	shared_end();
}

Test(numbers, mistakes_are_named)
{
	struct lab_pool *pool = numbers_pool(FRAMES, 0), *frames = small_pool(64, 0);

	cr_assert_eq(lab_numbers_add(NULL, 0, 1), -EINVAL);
	text_has("NULL", NULL);
	cr_assert_eq(lab_numbers_add(frames, 0, 1), -EINVAL);
	text_has("memory of its own", "LAB_POOL_NUMBERS", NULL);
	cr_assert_eq(lab_numbers_add(pool, FRAMES, 1), -EINVAL);
	text_has("room for numbers below 2048", NULL);
	cr_assert_eq(lab_numbers_add(pool, UINT32_MAX, UINT32_MAX), -EINVAL);
	cr_assert_eq(lab_numbers_add(pool, 100, 10), 0);
	cr_assert_eq(lab_numbers_add(pool, 91, 10), -EEXIST);
	text_has("has number 100 already", NULL);
	has_so_many(pool, 10);
	cr_assert_eq(lab_pool_destroy(pool), 0);
	cr_assert_eq(lab_pool_destroy(frames), 0);
	shared_end();
}

/* ---- with others ---- */

static void use_them(struct lab_pool *pool, struct other *other)
{
	void *frames[64];

	other->number[1] = lab_numbers_add(pool, 512, 512) == 0;
	other->number[0] = lab_alloc_burst(pool, frames, 64, 0);
	lab_free_bulk(pool, frames, 32);
}

Test(numbers, processes_share_them)
{
	struct lab_pool *pool = numbers_pool(FRAMES, LAB_POOL_SHARED);
	struct other *other;

	cr_assert_eq(lab_numbers_add(pool, 0, 512), 0, "%s", lab_error_text());
	other = other_start(use_them);
	cr_assert_eq(other->number[0], 64);
	cr_assert_eq(other->number[1], 1);
	conserved(pool, 32, 0);
	other_kill(other);
	lab_pool_reap(pool);
	has_so_many(pool, 1024);
	cr_assert_eq(lab_pool_destroy(pool), 0);
	shared_end();
}

/* As lab_numbers_add() is when it is killed between its stores. */
static void add_some(struct lab_pool *pool, struct other *other)
{
	uint8_t held = LAB_STATE_HELD(lab_lcore_register(pool, "other"));

	for (uint32_t i = 64; i < 100; i++)
		pool->state[i] = held;
	(void)other;
}

static void add_on_and_on(struct lab_pool *pool, struct other *other)
{
	/* Says that it is ready before it is done, so that it is killed in the middle. */
	__atomic_store_n(&other->ready, 1, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < FRAMES; i += 8)
		lab_numbers_add(pool, i, 8);
}

Test(numbers, a_kill_in_the_middle_loses_none)
{
	struct lab_pool *pool = numbers_pool(FRAMES, LAB_POOL_SHARED);
	struct other *other = other_start(add_some);

	other_kill(other);
	cr_assert_geq(lab_pool_reap(pool), 0);
	has_so_many(pool, 36);
	/* The rest can be added. */
	cr_assert_eq(lab_numbers_add(pool, 99, 2), -EEXIST);
	cr_assert_eq(lab_numbers_add(pool, 100, 28), 0);
	has_so_many(pool, 64);
	cr_assert_eq(lab_pool_destroy(pool), 0);
	shared_end();
}

Test(numbers, a_kill_at_any_time_loses_none)
{
	for (unsigned i = 0; i < 12; i++) {
		struct lab_pool *pool = numbers_pool(FRAMES, LAB_POOL_SHARED);
		struct lab_pool_stats stats;
		struct other *other;

		others_n = 0;
		others[0].ready = 0;
		other = other_start(add_on_and_on);
		usleep(i * 20);
		other_kill(other);
		lab_pool_reap(pool);
		lab_pool_stats(pool, &stats);
		has_so_many(pool, FRAMES - stats.retired);
		for (uint32_t n = 0; n < FRAMES; n++)
			lab_numbers_add(pool, n, 1);
		has_so_many(pool, FRAMES);
		cr_assert_eq(lab_pool_destroy(pool), 0);
	}
	shared_end();
}

/* ---- lcores ---- */

Test(numbers, a_drained_lcore_keeps_nothing_back)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	struct lab_lcore_stats stats;
	void *frame;
	int lcore;

	lab_lcore_drain(pool); /* it has none yet */
	frame = lab_alloc(pool, 0);
	lcore = lab_lcore_register(pool, NULL);
	cr_assert_eq(lab_lcore_stats(pool, (unsigned)lcore, &stats), 0);
	cr_assert_gt(stats.cached, 0);
	lab_lcore_drain(pool);
	cr_assert_eq(lab_lcore_stats(pool, (unsigned)lcore, &stats), 0);
	cr_assert_eq(stats.cached, 0);
	cr_assert_eq(stats.active, 1);
	cr_assert_eq(lab_lcore_register(pool, NULL), lcore);
	conserved(pool, 1, 0);
	cr_assert_eq(lab_free(pool, frame), 0);
	end_whole(pool);
	shared_end();
}

static int nameless;

static void name_it(char name[16])
{
	if (!nameless)
		snprintf(name, 16, "worker-7");
}

static void named(struct lab_pool *pool, const char *name)
{
	struct lab_lcore_stats stats;
	int lcore = lab_lcore_register(pool, NULL);

	cr_assert_eq(lab_lcore_stats(pool, (unsigned)lcore, &stats), 0);
	cr_assert_str_eq(stats.name, name);
	cr_assert_eq(lab_lcore_unregister(pool), 0);
}

Test(numbers, threads_are_called_as_the_program_says)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);

	named(pool, "lcore-1");
	lab_lcore_set_namer(name_it);
	named(pool, "worker-7");
	nameless = 1;
	named(pool, "lcore-1");
	lab_lcore_set_namer(NULL);
	named(pool, "lcore-1");
	end_whole(pool);
	shared_end();
}

/* ---- where, and which ---- */

#define WANTED ((void *)(uintptr_t)0x200000000000)

static void attach_there(void *unused)
{
	struct lab_attach_config config = {
		.name = "shared", .lcores = 1, .flags = LAB_POOL_FALLBACK, .address = WANTED};
	struct lab_pool *pool = lab_pool_attach(&config);
	void *frame, *taken;

	(void)unused;
	CHILD_EXPECT(pool && pool->base == WANTED);
	frame = lab_alloc(pool, LAB_GFP_ZERO);
	CHILD_EXPECT(frame >= WANTED && lab_free(pool, frame) == 0);
	CHILD_EXPECT(lab_pool_destroy(pool) == 0);
	/* Where something is already nothing is put. */
	taken = mmap(WANTED, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		     0);
	CHILD_EXPECT(taken == WANTED);
	CHILD_EXPECT(!lab_pool_attach(&config));
	CHILD_EXPECT(errno == EEXIST && lab_error_text()[0]);
	/* Nor off a page's boundary. */
	munmap(taken, 4096);
	config.address = (char *)WANTED + 1;
	CHILD_EXPECT(!lab_pool_attach(&config));
}

Test(numbers, a_pool_can_be_attached_at_an_address)
{
	struct lab_pool *pool;

	pool = shared_pool(0);
	elsewhere(attach_there);
	end_whole(pool);
	shared_end();
}

Test(numbers, the_pools_of_the_process)
{
	struct lab_pool *all[LAB_MAX_POOLS], *first, *second, *seen;
	unsigned n;

	cr_assert_eq(lab_pool_each(all), 0);
	first = small_pool(64, 0);
	second = shared_pool(0);
	seen = lab_pool_observe("shared", NULL);
	cr_assert_not_null(seen, "%s", lab_error_text());
	n = lab_pool_each(all);
	cr_assert_eq(n, 2);
	cr_assert((all[0] == first && all[1] == second) || (all[0] == second && all[1] == first));
	cr_assert_eq(lab_pool_destroy(seen), 0);
	cr_assert_eq(lab_pool_destroy(first), 0);
	cr_assert_eq(lab_pool_each(all), 1);
	cr_assert_eq(all[0], second);
	end_whole(second);
	cr_assert_eq(lab_pool_each(all), 0);
	shared_end();
}
