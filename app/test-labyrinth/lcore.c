/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Threads and their slots: taken, named, left, and too few.
 */
#include "test.h"
#include "work.h"

TestSuite(lcore, .timeout = 60);

static struct lab_lcore_stats stats_of(const struct lab_pool *pool, unsigned lcore)
{
	struct lab_lcore_stats stats;

	cr_assert_eq(lab_lcore_stats(pool, lcore, &stats), 0);
	return stats;
}

static unsigned lcores_in_use(const struct lab_pool *pool)
{
	struct lab_pool_stats stats;

	lab_pool_stats(pool, &stats);
	return stats.lcores;
}

Test(lcore, explicit_and_by_name)
{
	struct lab_pool *pool = small_pool(64, 0);

	cr_assert_eq(lab_lcore_id(pool), 0);
	cr_assert_eq(lcores_in_use(pool), 0);
	cr_assert_eq(lab_lcore_register(pool, NULL), 1);
	cr_assert_eq(lab_lcore_id(pool), 1);
	cr_assert_eq(stats_of(pool, 1).active, 1);
	cr_assert_str_eq(stats_of(pool, 1).name, "lcore-1");
	cr_assert_eq(lab_lcore_register(pool, "poller"), 1, "the slot is kept");
	cr_assert_str_eq(stats_of(pool, 1).name, "poller");
	cr_assert_eq(lab_lcore_register(pool, NULL), 1);
	cr_assert_str_eq(stats_of(pool, 1).name, "poller");
	cr_assert_eq(lab_lcore_register(pool, "a name that is too long"), 1);
	cr_assert_str_eq(stats_of(pool, 1).name, "a name that is ");
	cr_assert_eq(lcores_in_use(pool), 1);
	cr_assert_eq(lab_lcore_unregister(pool), 0);
	cr_assert_eq(lab_lcore_id(pool), 0);
	cr_assert_eq(stats_of(pool, 1).active, 0);
	errno = 0;
	cr_assert_eq(lab_lcore_unregister(pool), -ENOENT);
	cr_assert_eq(errno, ENOENT);
	text_has("no lcore", "'test'", NULL);
	end_whole(pool);
}

Test(lcore, statistics_of_a_slot_that_is_not)
{
	struct lab_pool *pool = small_pool(64, 0);
	struct lab_lcore_stats stats;

	cr_assert_eq(lab_pool_max_lcores(pool), 32);
	cr_assert_eq(lab_lcore_stats(pool, 32, &stats), 0);
	cr_assert_eq(lab_lcore_stats(pool, 0, &stats), -ENOENT);
	cr_assert_eq(lab_lcore_stats(pool, 33, &stats), -ENOENT);
	text_has("1..32", "33", NULL);
	end_whole(pool);
}

/* Any first call registers. */
static struct {
	struct lab_pool *pool;
	void *frame[40];
	int device;
	unsigned call;
	int ok;
} first;

static void *first_call(void *arg)
{
	void *out[40];

	switch (first.call) {
	case 0:
		first.ok = (first.frame[0] = lab_alloc(first.pool, LAB_GFP_ATOMIC)) != NULL;
		break;
	case 1:
		first.ok = lab_free(first.pool, first.frame[0]) == 0;
		break;
	case 2:
		first.ok = lab_alloc_bulk(first.pool, first.frame, 40, 0) == 0;
		break;
	case 3:
		first.ok = lab_free_bulk(first.pool, first.frame, 40) == 0;
		break;
	case 4:
		first.ok = lab_alloc_burst(first.pool, first.frame, 40, 0) == 40;
		break;
	case 5:
		first.ok = lab_lend(first.pool, first.device, first.frame, 40) == 40;
		break;
	case 6:
		first.ok = lab_take_back(first.pool, first.device, first.frame, 40) == 40;
		break;
	case 7:
		first.ok = lab_free_bulk(first.pool, first.frame, 40) == 0;
		break;
	case 8:
		first.ok = lab_alloc_bulk(first.pool, out, 32, 0) == 0 &&
			   lab_free_bulk(first.pool, out, 32) == 0;
		break;
	default:
		out[0] = lab_alloc(first.pool, LAB_GFP_ZERO);
		first.ok = out[0] && lab_free(first.pool, out[0]) == 0;
	}
	first.ok = first.ok && lab_lcore_id(first.pool) == 1;
	return NULL;
}

Test(lcore, implicit_with_any_first_call)
{
	FOR_BOTH_MODES(flags)
	{
		first.pool = small_pool(FRAMES, flags);
		first.device = lab_device_register(first.pool, "nic");
		for (first.call = 0; first.call < 10; first.call++) {
			pthread_t thread;

			first.ok = 0;
			cr_assert_eq(pthread_create(&thread, NULL, first_call, NULL), 0);
			pthread_join(thread, NULL);
			cr_assert_eq(first.ok, 1, "call %u: %s", first.call, lab_error_text());
			cr_assert_eq(lcores_in_use(first.pool), 0, "its slot is free again");
		}
		end_whole(first.pool);
	}
}

Test(lcore, unregistering_returns_the_cache_and_not_what_is_held)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);
		struct lab_pool_stats stats;
		void *frame[100];

		cr_assert_eq(lab_alloc_bulk(pool, frame, 100, 0), 0);
		cr_assert_eq(lab_free_bulk(pool, frame, 50), 0);
		lab_pool_stats(pool, &stats);
		cr_assert_gt(stats.cached, 0);
		cr_assert_eq(lab_lcore_unregister(pool), 0);
		lab_pool_stats(pool, &stats);
		cr_assert_eq(stats.cached, 0);
		cr_assert_eq(stats.free, FRAMES - 50);
		conserved(pool, 50, 0);
		cr_assert_eq(lab_free_bulk(pool, frame + 50, 50), 0, "any thread may free them");
		end_whole(pool);
	}
}

/* Threads that hold their slots until told to go. */
struct holder {
	struct lab_pool *pool;
	pthread_t thread;
	int lcore;
	uint32_t go;
	int unregister;
};

static void *hold(void *arg)
{
	struct holder *holder = arg;
	int lcore = lab_lcore_register(holder->pool, "holder");
	void *frame = lab_alloc(holder->pool, LAB_GFP_ATOMIC);

	if (frame)
		lab_free(holder->pool, frame);
	__atomic_store_n(&holder->lcore, lcore, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&holder->go, __ATOMIC_ACQUIRE))
		usleep(200);
	if (holder->unregister)
		lab_lcore_unregister(holder->pool);
	return NULL;
}

static void start_holder(struct holder *holder, struct lab_pool *pool)
{
	holder->pool = pool;
	cr_assert_eq(pthread_create(&holder->thread, NULL, hold, holder), 0);
	while (!__atomic_load_n(&holder->lcore, __ATOMIC_ACQUIRE))
		usleep(100);
}

static void end_holder(struct holder *holder)
{
	__atomic_store_n(&holder->go, 1, __ATOMIC_RELEASE);
	pthread_join(holder->thread, NULL);
}

Test(lcore, slots_are_used_again)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);

	for (int round = 0; round < 6; round++) {
		struct holder a = {.unregister = round & 1}, b = {.unregister = round & 2};

		start_holder(&a, pool);
		start_holder(&b, pool);
		cr_assert_eq(a.lcore, 1);
		cr_assert_eq(b.lcore, 2);
		cr_assert_eq(lcores_in_use(pool), 2);
		end_holder(&a);
		cr_assert_eq(lcores_in_use(pool), 1);
		end_holder(&b);
		cr_assert_eq(lcores_in_use(pool), 0);
	}
	end_whole(pool);
}

static void *without_a_slot(void *arg)
{
	struct lab_pool *pool = ((void **)arg)[0];
	void *frame = ((void **)arg)[1], *out[40];
	int device = 0, ok = 1;

	errno = 0;
	ok &= lab_lcore_register(pool, "late") == -ENOSPC && errno == ENOSPC;
	ok &= strstr(lab_error_text(), "all 2 lcore slots of pool 'test' are taken") != NULL;
	ok &= strstr(lab_error_text(), "raise max_lcores (at most 96)") != NULL;
	ok &= strstr(lab_error_text(), "lab_lcore_unregister()") != NULL;
	errno = 0;
	ok &= lab_alloc(pool, LAB_GFP_ATOMIC) == NULL && errno == ENOSPC;
	ok &= lab_alloc_bulk(pool, out, 32, 0) == -ENOSPC;
	ok &= lab_alloc_bulk(pool, out, 1, 0) == -ENOSPC;
	errno = 0;
	ok &= lab_alloc_burst(pool, out, 40, 0) == 0 && errno == ENOSPC;
	ok &= lab_free(pool, frame) == -ENOSPC;
	ok &= lab_free_bulk(pool, &frame, 1) == -ENOSPC;
	ok &= lab_lend(pool, device, &frame, 1) == 0;
	ok &= lab_lcore_id(pool) == 0;
	return ok ? arg : NULL;
}

Test(lcore, a_full_table)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool_config config = {.name = "test",
						 .frames = FRAMES,
						 .page_size = LAB_PAGE_4K,
						 .max_lcores = 2,
						 .flags = flags | LAB_POOL_FALLBACK};
		struct lab_pool *pool = pool_of(&config);
		struct holder holder = {0};
		void *frame = lab_alloc(pool, LAB_GFP_ATOMIC), *arg[2] = {pool, frame}, *ok;
		pthread_t thread;

		lab_device_register(pool, "nic");
		start_holder(&holder, pool);
		cr_assert_eq(holder.lcore, 2);
		cr_assert_eq(pthread_create(&thread, NULL, without_a_slot, arg), 0);
		pthread_join(thread, &ok);
		cr_assert_not_null(ok, "a thread without a slot was not told");
		conserved(pool, 1, 0);
		end_holder(&holder);
		cr_assert_eq(lab_free(pool, frame), 0);
		end_whole(pool);
	}
}

Test(lcore, as_many_as_a_pool_can_have)
{
	struct lab_pool_config config = {.frames = 64 * 1024,
					 .page_size = LAB_PAGE_4K,
					 .max_lcores = LAB_MAX_LCORES,
					 .flags = LAB_POOL_FALLBACK};
	struct holder holder[LAB_MAX_LCORES];
	struct lab_pool *pool = pool_of(&config);

	memset(holder, 0, sizeof(holder));
	for (int i = 0; i < LAB_MAX_LCORES; i++) {
		start_holder(&holder[i], pool);
		cr_assert_eq(holder[i].lcore, i + 1);
	}
	cr_assert_eq(lab_lcore_register(pool, NULL), -ENOSPC);
	text_has("all 96 lcore slots", NULL);
	conserved(pool, 0, 0);
	for (int i = 0; i < LAB_MAX_LCORES; i++)
		end_holder(&holder[i]);
	end_whole(pool);
}

/* A thread in two pools, one of which goes, and whose place a third one takes. */
static struct {
	struct lab_pool *going, *staying, *coming;
	struct gate gate;
	unsigned wrong;
} crossing;

static void *cross(void *arg)
{
	void *frame[40];

	for (int i = 0; i < 2; i++) {
		struct lab_pool *pool = i ? crossing.staying : crossing.going;

		crossing.wrong += lab_alloc_bulk(pool, frame, 40, 0) != 0;
		crossing.wrong += lab_free_bulk(pool, frame, 40) != 0;
	}
	gate_pass(&crossing.gate);
	gate_pass(&crossing.gate); /* now `going` is gone and `coming` is there */
	crossing.wrong += lab_lcore_id(crossing.staying) != 1;
	crossing.wrong += lab_lcore_id(crossing.coming) != 0;
	crossing.wrong += lab_alloc_bulk(crossing.staying, frame, 40, 0) != 0;
	crossing.wrong += lab_free_bulk(crossing.staying, frame, 40) != 0;
	crossing.wrong += lab_alloc_bulk(crossing.coming, frame, 40, 0) != 0;
	crossing.wrong += lab_frame_index(crossing.coming, frame[0]) == LAB_FRAME_NONE;
	crossing.wrong += lab_free_bulk(crossing.coming, frame, 40) != 0;
	return NULL;
}

Test(lcore, a_pool_goes_while_its_threads_live)
{
	pthread_t thread;

	crossing.gate.threads = 2;
	crossing.going = small_pool(FRAMES, 0);
	crossing.staying = small_pool(FRAMES, LAB_POOL_UNPROTECTED);
	cr_assert_eq(pthread_create(&thread, NULL, cross, NULL), 0);
	gate_pass(&crossing.gate);
	cr_assert_eq(lab_pool_destroy(crossing.going), 0);
	crossing.coming = small_pool(FRAMES, 0);
	gate_pass(&crossing.gate);
	pthread_join(thread, NULL);
	cr_assert_eq(crossing.wrong, 0);
	end_whole(crossing.staying);
	end_whole(crossing.coming);
}

/* Many threads that live for a few calls. */
static void *short_life(void *arg)
{
	struct lab_pool *pool = arg;
	uint64_t random = (uint64_t)(uintptr_t)&random ^ random_seed();
	void *frame[200];
	unsigned n = 1 + random_below(&random, 200);

	if (lab_alloc_bulk(pool, frame, n, LAB_GFP_ATOMIC) == 0)
		lab_free_bulk(pool, frame, n);
	if (n & 1)
		lab_lcore_unregister(pool);
	return NULL;
}

Test(lcore, a_thousand_short_threads)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);

		for (unsigned i = 0; i < 1000 / 8; i++) {
			pthread_t thread[8];

			for (unsigned t = 0; t < 8; t++)
				cr_assert_eq(pthread_create(&thread[t], NULL, short_life, pool), 0);
			for (unsigned t = 0; t < 8; t++)
				pthread_join(thread[t], NULL);
		}
		cr_assert_eq(lcores_in_use(pool), 0);
		end_whole(pool);
	}
}
