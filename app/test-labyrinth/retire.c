/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Bad memory leaves circulation: by the call and by a signal, held, free, cached, lent, bundled,
 * and of other processes. A pool of ordinary pages serves as well as hugepages: that a page failed
 * is only said here, and happens in the suite vm.
 */
#include <pthread.h>
#include <signal.h>

#include "breath.h"
#include "doom.h"
#include "lcore.h"
#include "pool.h"
#include "shared.h"
#include "site.h"
#include "work.h"

TestSuite(retire, .timeout = 60);

/* At a quiet point: so many are retired, and everything adds up. */
static void retired_are(const struct lab_pool *pool, uint64_t retired, uint64_t held, uint64_t lent)
{
	struct lab_pool_stats stats;

	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.retired, retired, "%llu are retired, not %llu",
		     (unsigned long long)stats.retired, (unsigned long long)retired);
	conserved(pool, held, lent);
	/* A dead process's lcores do not tell what they had freed. */
	if (!stats.reaped_processes)
		cr_assert_eq(stats.allocs - stats.frees + stats.dropped, held + lent + retired);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
}

static void refused(int64_t got, int err, const char *part)
{
	cr_assert_eq(got, -err, "%lld: %s", (long long)got, lab_error_text());
	text_has(part, NULL);
}

Test(retire, a_held_frame)
{
	FOR_BOTH_MODES(unused)
	{
		struct lab_pool *pool = pool_without_reserve(FRAMES, unused ? LAB_POOL_EXACT : 0);
		void *frame = lab_alloc(pool, 0);

		cr_assert_eq(lab_frame_retire(pool, frame), 1);
		retired_are(pool, 1, 0, 0);
		refused(lab_frame_retire(pool, frame), EALREADY, "it is retired");
		refused(lab_free(pool, frame), EPERM, "it is retired");
		retired_are(pool, 1, 0, 0);
		allocatable_once(pool, FRAMES - 1);
		retired_are(pool, 1, 0, 0);
		cr_assert_eq(lab_pool_destroy(pool), 0);
	}
}

Test(retire, a_free_frame)
{
	FOR_BOTH_MODES(unused)
	{
		struct lab_pool *pool = pool_without_reserve(FRAMES, unused ? LAB_POOL_EXACT : 0);

		for (uint32_t i = 0; i < FRAMES; i += 100)
			cr_assert_eq(lab_frame_retire(pool, lab_frame_at(pool, i)), 1);
		retired_are(pool, 21, 0, 0);
		refused(lab_free(pool, lab_frame_at(pool, 100)), EPERM, "it is retired");
		allocatable_once(pool, FRAMES - 21);
		cr_assert_eq(lab_pool_destroy(pool), 0);
	}
}

/* In the caller's own cache, too. */
Test(retire, a_cached_frame)
{
	struct lab_pool *pool = pool_without_reserve(FRAMES, 0);
	void *frame = lab_alloc(pool, 0);

	cr_assert_eq(lab_free(pool, frame), 0);
	cr_assert_eq(lab_frame_retire(pool, frame), 1);
	retired_are(pool, 1, 0, 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

Test(retire, frames_of_bundles)
{
	struct lab_pool *pool = pool_without_reserve(FRAMES, 0);
	void *frame[64];
	unsigned n = 0;

	cr_assert_gt(scatter(pool), FRAMES / 2);
	/* Free ones, and then held ones. */
	for (uint32_t i = 0; i < FRAMES && n < 5; i++) {
		if (pool->state[i] != LAB_STATE_BUNDLED)
			continue;
		cr_assert_eq(lab_frame_retire(pool, lab_frame_at(pool, i)), 1);
		n++;
	}
	retired_are(pool, 5, 0, 0);
	cr_assert_eq(lab_alloc_bulk(pool, frame, 64, 0), 0);
	for (unsigned i = 0; i < 64; i += 8)
		cr_assert_eq(lab_frame_retire(pool, frame[i]), 1);
	retired_are(pool, 13, 56, 0);
	for (unsigned i = 0; i < 64; i++) {
		if (i % 8)
			cr_assert_eq(lab_free(pool, frame[i]), 0);
		else
			refused(lab_free(pool, frame[i]), EPERM, "it is retired");
	}
	retired_are(pool, 13, 0, 0);
	allocatable_once(pool, FRAMES - 13);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* A sampled frame is held at its process's home. */
Test(retire, a_sampled_frame)
{
	struct lab_pool_config config = {.name = "sampled",
					 .frames = FRAMES,
					 .page_size = LAB_PAGE_4K,
					 .reserve = LAB_NONE,
					 .sample = 1,
					 .flags = LAB_POOL_FALLBACK};
	struct lab_pool *pool = pool_of(&config);
	void *frame[64];

	cr_assert_eq(lab_alloc_bulk(pool, frame, 64, 0), 0);
	for (unsigned i = 0; i < 64; i++)
		cr_assert_eq(lab_frame_retire(pool, frame[i]), 1);
	retired_are(pool, 64, 0, 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* Out of the reserve it is no allocation, and no sample of one. */
Test(retire, a_frame_of_the_reserve_of_a_sampled_pool)
{
	struct lab_pool_config config = {.name = "test",
					 .frames = FRAMES,
					 .page_size = LAB_PAGE_4K,
					 .sample = 1,
					 .flags = LAB_POOL_FALLBACK};
	struct lab_pool *pool = pool_of(&config);
	uint32_t sites = 0;

	for (uint32_t i = FRAMES - RESERVE; i < FRAMES; i++)
		cr_assert_eq(lab_frame_retire(pool, lab_frame_at(pool, i)), 1);
	for (uint32_t i = 0; i < pool->priv->plan.sites; i++)
		sites += lab_site_at(pool->priv, i)->frame != 0;
	cr_assert_eq(sites, 0, "%u sites", sites);
	retired_are(pool, RESERVE, 0, 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

struct retirer {
	struct lab_pool *pool;
	pthread_t thread;
	int64_t got;
	int err;
};

static struct retirer beside_the_keeper;

static void *retire_last(void *arg)
{
	struct retirer *r = arg;

	r->got = lab_frame_retire(r->pool, (char *)r->pool->base + r->pool->bytes - LAB_FRAME_SIZE);
	return NULL;
}

/* The keeper holds the frames of a hugepage, and is about to give it back. */
static int retire_meanwhile(struct lab_pool *pool, size_t at, size_t bytes)
{
	if (beside_the_keeper.pool || at + bytes != pool->bytes)
		return 0;
	beside_the_keeper.pool = pool;
	beside_the_keeper.err =
		pthread_create(&beside_the_keeper.thread, NULL, retire_last, &beside_the_keeper);
	usleep(100000);
	return 0;
}

static int never_mind(struct lab_pool *pool, size_t at, size_t bytes)
{
	(void)pool;
	(void)at;
	(void)bytes;
	return 0;
}

static void nothing(void)
{
}

Test(retire, a_frame_that_the_keeper_just_holds)
{
	static const struct lab_mapper mapper = {
		.lock = nothing, .unlock = nothing, .add = never_mind, .remove = retire_meanwhile};
	struct lab_pool_config config = {.name = "breath",
					 .frames = 8 * 512,
					 .min_frames = 512,
					 .page_size = LAB_PAGE_4K,
					 .low = 512,
					 .high = 1024,
					 .flags = LAB_POOL_FALLBACK | LAB_POOL_STEPPED};
	struct lab_pool *pool = pool_of(&config);
	struct lab_pool_stats stats;

	lab_breath_set_mapper(&mapper);
	cr_assert_gt(lab_keeper_step(pool), 0, "%s", lab_error_text());
	cr_assert_not_null(beside_the_keeper.pool);
	cr_assert_eq(beside_the_keeper.err, 0);
	pthread_join(beside_the_keeper.thread, NULL);
	/* It had gone by then. */
	cr_assert_eq(beside_the_keeper.got, -ENXIO, "%lld", (long long)beside_the_keeper.got);
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.retired, 0);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

Test(retire, a_lent_frame_when_it_is_back)
{
	struct lab_pool *pool = pool_without_reserve(FRAMES, 0);
	int device = lab_device_register(pool, "nic");
	void *frame[2];

	cr_assert_eq(lab_alloc_bulk(pool, frame, 2, 0), 0);
	cr_assert_eq(lab_lend(pool, device, frame, 2), 2);
	cr_assert_eq(lab_frame_retire(pool, frame[0]), 0);
	cr_assert_eq(lab_frame_retire(pool, frame[1]), 0);
	cr_assert_eq(lab_retire_pending(pool), 2);
	retired_are(pool, 0, 0, 2);
	cr_assert_eq(lab_take_back(pool, device, frame, 2), 2);
	/* One is freed, and found; the other its owner retires. */
	cr_assert_eq(lab_free(pool, frame[0]), 0);
	cr_assert_eq(lab_retire_pending(pool), 1);
	retired_are(pool, 1, 1, 0);
	cr_assert_eq(lab_frame_retire(pool, frame[1]), 1);
	cr_assert_eq(lab_retire_pending(pool), 0);
	retired_are(pool, 2, 0, 0);
	cr_assert_eq(lab_device_release(pool, device), 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* ---- in another thread's hands ---- */

static struct gate gate = {.threads = 2};
static void *theirs[2];

static void *keeps_two(void *arg)
{
	struct lab_pool *pool = arg;

	theirs[0] = lab_alloc(pool, 0);
	theirs[1] = lab_alloc(pool, 0);
	lab_free(pool, theirs[1]);
	gate_pass(&gate);
	gate_pass(&gate);
	lab_free(pool, theirs[0]);
	lab_lcore_drain(pool);
	gate_pass(&gate);
	gate_pass(&gate);
	return NULL;
}

Test(retire, what_another_thread_has)
{
	struct lab_pool *pool = pool_without_reserve(FRAMES, LAB_POOL_BOUND);
	pthread_t thread;

	pthread_create(&thread, NULL, keeps_two, pool);
	gate_pass(&gate);
	/* Held, and bound to that thread; and in its cache. */
	cr_assert_eq(lab_frame_retire(pool, theirs[0]), 0);
	cr_assert_eq(lab_frame_retire(pool, theirs[1]), 0);
	cr_assert_eq(lab_retire_pending(pool), 2);
	retired_are(pool, 0, 1, 0);
	gate_pass(&gate);
	gate_pass(&gate);
	cr_assert_eq(lab_retire_pending(pool), 0);
	retired_are(pool, 2, 0, 0);
	gate_pass(&gate);
	pthread_join(thread, NULL);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* ---- of hugepages, and by the signal ---- */

static siginfo_t failure(void *at, int code, short lsb)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGBUS;
	info.si_code = code;
	info.si_addr = at;
	info.si_addr_lsb = lsb;
	return info;
}

Test(retire, by_the_signal)
{
	struct lab_pool *pool = pool_without_reserve(FRAMES, 0),
			*other = pool_without_reserve(FRAMES, 0);
	void *held = lab_alloc(pool, 0);
	char *third = lab_frame_at(pool, 1000);
	siginfo_t info = failure(third + 5, BUS_MCEERR_AO, 12);

	lab_lcore_drain(pool);
	errno = 4711;
	cr_assert_eq(lab_memory_failure(&info), 1);
	/* It only marks. */
	retired_are(pool, 0, 1, 0);
	cr_assert_eq(lab_retire_pending(other), 0);
	cr_assert_eq(lab_retire_pending(pool), 0);
	cr_assert_eq(pool->state[1000], LAB_STATE_RETIRED);
	retired_are(pool, 1, 1, 0);
	/* A larger page: 64 KiB, and in it what is held. */
	info = failure(held, BUS_MCEERR_AR, 16);
	cr_assert_eq(lab_memory_failure(&info), 1);
	cr_assert_eq(errno, 4711);
	cr_assert_eq(lab_retire_pending(pool), 1);
	retired_are(pool, 16, 1, 0);
	cr_assert_eq(lab_frame_retire(pool, held), 1);
	retired_are(pool, 17, 0, 0);
	/* Said twice. */
	cr_assert_eq(lab_memory_failure(&info), 1);
	cr_assert_eq(lab_retire_pending(pool), 0);
	retired_are(pool, 17, 0, 0);
	retired_are(other, 0, 0, 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
	/* The pool is not there any more. */
	cr_assert_eq(lab_memory_failure(&info), 0);
	end_whole(other);
}

Test(retire, other_signals_are_not_its_business)
{
	struct lab_pool *pool = pool_without_reserve(FRAMES, 0);
	siginfo_t info = failure(pool->base, BUS_ADRERR, 12);

	cr_assert_eq(lab_memory_failure(NULL), 0);
	cr_assert_eq(lab_memory_failure(&info), 0);
	info = failure(&info, BUS_MCEERR_AR, 12);
	cr_assert_eq(lab_memory_failure(&info), 0);
	info = failure(pool->base + pool->bytes, BUS_MCEERR_AR, 12);
	cr_assert_eq(lab_memory_failure(&info), 0);
	info = failure(pool->base, BUS_MCEERR_AR, 12);
	info.si_signo = SIGSEGV;
	cr_assert_eq(lab_memory_failure(&info), 0);
	cr_assert_eq(lab_doom_count(pool), 0);
	end_whole(pool);
}

Test(retire, a_hugepage)
{
	struct lab_pool_config config = {
		.name = "huge", .frames = 1024, .page_size = LAB_PAGE_2M, .reserve = LAB_NONE};
	struct lab_pool *pool;
	void *held[8];

	skip_without_hugepages(LAB_PAGE_2M, 2);
	pool = pool_of(&config);
	cr_assert_eq(lab_alloc_bulk(pool, held, 8, 0), 0);
	cr_assert_eq(lab_segment_retire(pool, (char *)held[3] + 17), 504);
	retired_are(pool, 504, 8, 0);
	cr_assert_eq(lab_free_bulk(pool, held, 8), 0);
	cr_assert_eq(lab_retire_pending(pool), 0);
	retired_are(pool, 512, 0, 0);
	cr_assert_eq(lab_segment_retire(pool, held[0]), 512);
	allocatable_once(pool, 512);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

Test(retire, a_segment_of_ordinary_pages_is_a_page)
{
	struct lab_pool *pool = pool_without_reserve(FRAMES, 0);

	cr_assert_eq(lab_segment_retire(pool, pool->base + 12345), 1);
	cr_assert_eq(pool->state[3], LAB_STATE_RETIRED);
	retired_are(pool, 1, 0, 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* ---- wrong calls ---- */

Test(retire, wrong_calls)
{
	struct lab_pool_config numbers = {
		.name = "numbers", .frames = 512, .flags = LAB_POOL_NUMBERS | LAB_POOL_FALLBACK};
	struct lab_pool *pool = pool_without_reserve(FRAMES, 0),
			*other = pool_without_reserve(64, 0);
	struct lab_pool *bare = pool_without_reserve(64, LAB_POOL_UNPROTECTED),
			*count = pool_of(&numbers);

	refused(lab_frame_retire(NULL, pool->base), EINVAL, "needs a pool");
	refused(lab_segment_retire(NULL, pool->base), EINVAL, "needs a pool");
	refused(lab_retire_pending(NULL), EINVAL, "needs a pool");
	refused(lab_frame_retire(pool, NULL), EFAULT, "retirement of NULL refused");
	refused(lab_frame_retire(pool, pool->base + 1), EINVAL, "inside frame 0");
	refused(lab_frame_retire(pool, other->base), EXDEV, "frame 0 of pool 'test'");
	refused(lab_frame_retire(pool, &numbers), EFAULT, "in no pool");
	refused(lab_segment_retire(pool, &numbers), EFAULT, "in no pool");
	refused(lab_frame_retire(bare, bare->base), ENOTSUP, "is unprotected");
	refused(lab_segment_retire(bare, bare->base), ENOTSUP, "is unprotected");
	refused(lab_retire_pending(bare), ENOTSUP, "is unprotected");
	refused(lab_frame_retire(count, count->base), ENOTSUP, "numbers and no memory");
	retired_are(pool, 0, 0, 0);
	end_whole(bare);
	end_whole(other);
	cr_assert_eq(lab_pool_destroy(count), 0);
	end_whole(pool);
}

/* ---- shared pools ---- */

static void holds(struct lab_pool *pool, struct other *other)
{
	void *frame[8];

	if (lab_alloc_bulk(pool, frame, 8, 0))
		return;
	for (unsigned i = 0; i < 8; i++)
		other->number[i] = lab_frame_index(pool, frame[i]);
	/* It retires two of them itself. */
	lab_frame_retire(pool, frame[0]);
	lab_frame_retire(pool, frame[1]);
}

/* Marks wait for a frame until its process has died. */
Test(retire, of_another_process, .init = shared_begin)
{
	struct lab_pool_config config = {.name = "shared",
					 .frames = FRAMES,
					 .page_size = LAB_PAGE_4K,
					 .reserve = LAB_NONE,
					 .lcores = 2,
					 .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};
	struct lab_pool *pool = pool_of(&config);
	struct other *other = other_start(holds);
	unsigned waited = 0;

	cr_assert_eq(other->ready, 1, "%s", other->text);
	for (unsigned i = 2; i < 8; i++)
		cr_assert_eq(lab_frame_retire(pool, lab_frame_at(pool, other->number[i])), 0);
	retired_are(pool, 2, 6, 0);
	other_kill(other);
	lab_pool_reap(pool);
	/* The keeper does it. */
	while (lab_doom_count(pool) && waited++ < 100)
		usleep(20000);
	cr_assert_eq(lab_doom_count(pool), 0);
	usleep(150000);
	lab_lcore_drain(pool);
	retired_are(pool, 8, 0, 0);
	for (unsigned i = 0; i < 8; i++)
		cr_assert_eq(pool->state[other->number[i]], LAB_STATE_RETIRED);
	cr_assert_eq(lab_pool_destroy(pool), 0);
	shared_end();
}

/* Killed between the byte and the counter. */
static void dies_between(struct lab_pool *pool, struct other *other)
{
	void *frame = lab_alloc(pool, 0);

	other->number[0] = lab_frame_index(pool, frame);
	lab_doom_mark(pool, other->number[0], 1);
	pool->state[other->number[0]] = LAB_STATE_RETIRED;
}

Test(retire, the_reaper_counts_again, .init = shared_begin)
{
	struct lab_pool_config config = {.name = "shared",
					 .frames = FRAMES,
					 .page_size = LAB_PAGE_4K,
					 .reserve = LAB_NONE,
					 .lcores = 2,
					 .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};
	struct lab_pool *pool = pool_of(&config);
	struct other *other = other_start(dies_between);
	struct lab_pool_stats stats;

	other_kill(other);
	lab_pool_reap(pool);
	for (unsigned i = 0; i < 100 && lab_doom_count(pool); i++)
		usleep(20000);
	cr_assert_eq(lab_retire_pending(pool), 0);
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.retired, 1);
	conserved(pool, 0, 0);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	cr_assert_eq(lab_pool_destroy(pool), 0);
	shared_end();
}

/* It has taken a frame out of the reserve, and nobody knows yet that one is lacking. */
static void dies_with_a_place(struct lab_pool *pool, struct other *other)
{
	struct lab_cache *c = lab_lcore_self(pool);

	other->number[0] = lab_depot_claim(&pool->priv->reserve, 5, c->lcore) != NULL;
}

Test(retire, the_reaper_says_that_the_reserve_lacks_one, .init = shared_begin)
{
	struct lab_pool_config config = {.name = "shared",
					 .frames = FRAMES,
					 .page_size = LAB_PAGE_4K,
					 .lcores = 2,
					 .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};
	struct lab_pool *pool = pool_of(&config);
	struct other *other = other_start(dies_with_a_place);
	struct lab_pool_stats stats = {0};

	cr_assert_eq(other->number[0], 1);
	other_kill(other);
	lab_pool_reap(pool);
	for (unsigned i = 0; i < 100 && !stats.reaped_processes; i++) {
		usleep(20000);
		lab_pool_stats(pool, &stats);
	}
	cr_assert_eq(stats.reaped_processes, 1);
	cr_assert_eq(lab_free(pool, lab_alloc(pool, 0)), 0);
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.reserved, RESERVE, "%llu", (unsigned long long)stats.reserved);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	cr_assert_eq(lab_pool_destroy(pool), 0);
	shared_end();
}

static void child(void *arg)
{
	struct lab_pool *pool = arg;
	siginfo_t info = failure(pool->base, BUS_MCEERR_AR, 12);

	CHILD_EXPECT(lab_memory_failure(&info) == 0);
	CHILD_EXPECT(lab_frame_retire(pool, pool->base) == -EPERM);
	CHILD_EXPECT(lab_retire_pending(pool) == -EPERM);
}

Test(retire, not_in_a_child)
{
	struct lab_pool *pool = pool_without_reserve(FRAMES, 0);

	in_child(child, pool);
	end_whole(pool);
}

/* ---- beside threads that work ---- */

static uint32_t stop;

static void *works(void *arg)
{
	struct lab_pool *pool = arg;
	uint64_t random = random_seed();
	uintptr_t wrong = 0;
	void *frame[100];

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		unsigned n = lab_alloc_burst(pool, frame, 1 + random_below(&random, 100), 0);

		for (unsigned i = 0; i < n; i++)
			*(void **)frame[i] = &frame[i];
		for (unsigned i = 0; i < n; i++)
			wrong += *(void **)frame[i] != (void *)&frame[i];
		wrong += lab_free_bulk(pool, frame, n) != 0;
	}
	lab_lcore_unregister(pool);
	return (void *)wrong;
}

Test(retire, beside_threads_that_work)
{
	struct lab_pool *pool = pool_without_reserve(FRAMES, 0);
	pthread_t thread[3];
	void *wrong;

	for (unsigned i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, works, pool);
	for (uint32_t i = 0; i < FRAMES; i += 4) {
		siginfo_t info = failure(lab_frame_at(pool, i), BUS_MCEERR_AO, 12);

		cr_assert_eq(lab_memory_failure(&info), 1);
		if (i % 64 == 0)
			cr_assert_geq(lab_retire_pending(pool), 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(thread[i], &wrong);
		cr_assert_null(wrong);
	}
	cr_assert_eq(lab_retire_pending(pool), 0);
	retired_are(pool, FRAMES / 4, 0, 0);
	for (uint32_t i = 0; i < FRAMES; i += 4)
		cr_assert_eq(pool->state[i], LAB_STATE_RETIRED);
	allocatable_once(pool, FRAMES - FRAMES / 4);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}
