/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools that breathe: they grow and shrink by the watermarks, give back what holds no frame in use,
 * and say why the rest stays. On ordinary pages, whose unit is 2 MiB, and on hugepages where there
 * are some.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

#include "test.h"
#include "work.h"

#define UNIT 512u
#define MOST (32 * UNIT)

static struct lab_pool_config breathing(uint64_t min, uint64_t frames, uint64_t max)
{
	return (struct lab_pool_config){.name = "breath",
					.frames = frames,
					.min_frames = min,
					.max_frames = max,
					.page_size = LAB_PAGE_4K,
					.reserve = 64,
					.min = 64,
					.low = UNIT / 2,
					.high = 2 * UNIT,
					.max_lcores = 8,
					.flags = LAB_POOL_FALLBACK | LAB_POOL_STEPPED};
}

static void is_whole(const struct lab_pool *pool, uint64_t total, uint64_t held)
{
	struct lab_pool_stats s, census;

	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	lab_pool_stats(pool, &s);
	cr_assert_eq(s.total, total, "%llu in all", (unsigned long long)s.total);
	cr_assert_eq(s.held, held, "%llu held", (unsigned long long)s.held);
	cr_assert_eq(s.free + s.cached + s.held + s.lent + s.retired, s.total);
	cr_assert_eq(s.allocs - s.frees + s.dropped, s.held + s.lent + s.retired);
	cr_assert_eq(lab_pool_census(pool, &census), 0);
	cr_assert_eq(census.total, s.total);
	cr_assert_eq(census.free, s.free);
	cr_assert_eq(census.held, s.held);
	cr_assert_eq(census.retired, s.retired);
}

static uint64_t total_of(const struct lab_pool *pool)
{
	struct lab_pool_stats s;

	lab_pool_stats(pool, &s);
	return s.total;
}

/* Steps until nothing is to be done. Return: units that came, or went. */
static int64_t settle(struct lab_pool *pool)
{
	int64_t all = 0, n;

	do {
		n = lab_keeper_step(pool);
		cr_assert_geq(n, 0, "%s", lab_error_text());
		all += n;
	} while (n);
	return all;
}

static void fill(void *const *frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memset(frames[i], (int)i, LAB_FRAME_SIZE);
}

static void in_and_out(struct lab_pool_config config)
{
	struct lab_pool *pool = pool_of(&config);
	static void *frame[MOST];
	uint64_t random = 3;
	unsigned n = 0;

	cr_assert(lab_pool_breathes(pool));
	is_whole(pool, 2 * UNIT, 0);
	while (n < MOST - 2 * UNIT) {
		unsigned got = lab_alloc_burst(pool, frame + n, 32, LAB_GFP_NOWAIT);

		cr_assert_eq(got, 32, "of %llu", (unsigned long long)total_of(pool));
		fill(frame + n, got);
		n += got;
		settle(pool);
	}
	is_whole(pool, total_of(pool), n);
	cr_assert_geq(total_of(pool), n);
	for (unsigned i = n; i > 1; i--) {
		unsigned at = random_below(&random, i);
		void *swap = frame[at];

		frame[at] = frame[i - 1];
		frame[i - 1] = swap;
	}
	while (n) {
		n--;
		cr_assert_eq(lab_free(pool, frame[n]), 0);
		if (n % 100 == 0)
			settle(pool);
	}
	lab_lcore_drain(pool);
	settle(pool);
	cr_assert_leq(total_of(pool), 3 * UNIT + UNIT / 2);
	is_whole(pool, total_of(pool), 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

Test(breath, in_and_out_on_ordinary_pages)
{
	in_and_out(breathing(2 * UNIT, 2 * UNIT, MOST));
}

/* The reserve's frames are of the hugepages that go first: it gets others for all of them. */
Test(breath, the_reserve_stays_full)
{
	struct lab_pool_config config = breathing(2 * UNIT, 16 * UNIT, 16 * UNIT);
	struct lab_pool_stats s;
	struct lab_pool *pool;

	config.reserve = 2 * UNIT;
	pool = pool_of(&config);
	cr_assert_geq(settle(pool), 8);
	lab_pool_stats(pool, &s);
	cr_assert_eq(s.reserved, 2 * UNIT, "%llu", (unsigned long long)s.reserved);
	is_whole(pool, total_of(pool), 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* Between the marks nothing comes and nothing goes. */
Test(breath, between_the_marks_it_rests)
{
	struct lab_pool_config config = breathing(UNIT, 4 * UNIT, MOST);
	struct lab_pool *pool = pool_of(&config);
	static void *frame[MOST];

	/* 2048 - 64 are free, above high: one goes. */
	cr_assert_eq(settle(pool), 1);
	is_whole(pool, 3 * UNIT, 0);
	cr_assert_eq(lab_alloc_bulk(pool, frame, UNIT, LAB_GFP_NOWAIT), 0);
	cr_assert_eq(settle(pool), 0);
	cr_assert_eq(lab_free_bulk(pool, frame, UNIT), 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* The signal that writing there gives, or 0. */
static sigjmp_buf back;

static void on_fault(int number)
{
	siglongjmp(back, number);
}

static int writing_to(char *where)
{
	int number = sigsetjmp(back, 1);

	if (number)
		return number;
	signal(SIGSEGV, on_fault);
	*(volatile char *)where = 1;
	return 0;
}

/* What went is not there any more, and what came is. */
Test(breath, what_went_is_out_of_reach)
{
	struct lab_pool_config config = breathing(UNIT, 4 * UNIT, 4 * UNIT);
	struct lab_pool *pool = pool_of(&config);
	char *last = (char *)lab_pool_memory(pool, NULL) + (4 * UNIT - 1) * LAB_FRAME_SIZE;

	settle(pool);
	cr_assert_eq(total_of(pool), 3 * UNIT);
	cr_assert_eq(lab_free(pool, last), -EPERM, "%s", lab_error_text());
	cr_assert_eq(lab_frame_retire(pool, last), -ENXIO);
	cr_assert_eq(lab_segment_retire(pool, last), -ENXIO);
	text_has("has gone back", NULL);
	cr_assert_eq(writing_to(last), SIGSEGV);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* A hugepage of which frames are in use stays, and one of which some lie in a cache; the keeper
 * says so, and asks for the latter. */
Test(breath, it_says_why_some_stay)
{
	struct lab_pool_config config = breathing(UNIT, 8 * UNIT, 8 * UNIT);
	struct lab_pool *pool = pool_of(&config);
	static void *frame[MOST];
	struct lab_keeper_stats s;

	cr_assert_eq(lab_alloc_bulk(pool, frame, 8 * UNIT - 64, LAB_GFP_NOWAIT), 0);
	cr_assert_eq(lab_keeper_stats(pool, &s), 0);
	cr_assert_eq(s.hugepages, 8);
	cr_assert_eq(s.in_use, 8);
	/* All but one frame in each of two. */
	for (unsigned i = 0; i < 8 * UNIT - 64; i++) {
		uint32_t number = lab_frame_index(pool, frame[i]);

		if (number != 6 * UNIT + 5 && number != 3 * UNIT + 7)
			cr_assert_eq(lab_free(pool, frame[i]), 0);
	}
	cr_assert_eq(lab_keeper_stats(pool, &s), 0);
	cr_assert_eq(s.in_use, 2);
	cr_assert_gt(s.cached, 0);
	cr_assert_eq(s.idle + s.cached + s.in_use, 8);
	settle(pool); /* asks the lcores */
	/* Its next free empties the cache. */
	for (unsigned i = 0; i < 3; i++) {
		usleep(60000);
		settle(pool);
		cr_assert_eq(lab_free(pool, lab_alloc(pool, LAB_GFP_NOWAIT)), 0);
	}
	settle(pool);
	cr_assert_eq(lab_keeper_stats(pool, &s), 0);
	cr_assert_eq(s.in_use, 2);
	cr_assert_leq(s.hugepages, 4, "%llu", (unsigned long long)s.hugepages);
	is_whole(pool, s.hugepages * UNIT, 2);
	cr_assert_eq(lab_free(pool, lab_frame_at(pool, 6 * UNIT + 5)), 0);
	cr_assert_eq(lab_free(pool, lab_frame_at(pool, 3 * UNIT + 7)), 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* Bad memory: the keeper finds what was marked, says so, and its hugepage stays. */
Test(breath, it_retires_what_is_marked)
{
	struct lab_pool_config config = breathing(UNIT, 4 * UNIT, 4 * UNIT);
	struct lab_pool *pool = pool_of(&config);
	void *frame = lab_alloc(pool, 0);
	struct lab_keeper_stats s;
	struct lab_pool_stats stats;

	cr_assert_not_null(frame);
	cr_assert_eq(lab_segment_retire(pool, frame), 0, "it is held, and marked");
	cr_assert_eq(lab_free(pool, frame), 0);
	lab_lcore_drain(pool);
	settle(pool);
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.retired, 1);
	settle(pool);
	cr_assert_eq(lab_keeper_stats(pool, &s), 0);
	cr_assert_eq(s.retired, 1);
	cr_assert_eq(s.in_use, 0);
	is_whole(pool, s.hugepages * UNIT, 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* After a random order has scattered them over all hugepages, nine of ten that hold no frame in use
 * go, the reserve's own included. */
Test(breath, shrinks_after_a_random_order)
{
	struct lab_pool_config config = breathing(UNIT, MOST, MOST);
	struct lab_pool *pool = pool_of(&config);
	static void *frame[MOST + 1];
	static uint8_t used[MOST / UNIT];
	uint64_t random = 11;
	unsigned n = 0, held = 0, empty = 0;
	struct lab_keeper_stats s;

	while ((frame[n] = lab_alloc(pool, LAB_GFP_ATOMIC)))
		n++;
	cr_assert_eq(n, MOST);
	for (unsigned i = n; i > 1; i--) {
		unsigned at = random_below(&random, i);
		void *swap = frame[at];

		frame[at] = frame[i - 1];
		frame[i - 1] = swap;
	}
	/* One in twenty stays, in some of the hugepages. */
	for (unsigned i = 0; i < n; i++) {
		unsigned unit = lab_frame_index(pool, frame[i]) / UNIT;

		if (unit % 3 == 1 && held < n / 20) {
			used[unit] = 1;
			frame[held++] = frame[i];
		} else {
			cr_assert_eq(lab_free(pool, frame[i]), 0);
		}
	}
	for (unsigned i = 0; i < MOST / UNIT; i++)
		empty += !used[i];
	lab_lcore_drain(pool);
	settle(pool);
	cr_assert_eq(lab_keeper_stats(pool, &s), 0);
	/* high is two hugepages, and these stay. */
	cr_assert_geq(s.shrunk, (empty - 3) * 9 / 10, "%llu of %u", (unsigned long long)s.shrunk,
		      empty);
	is_whole(pool, s.hugepages * UNIT, held);
	cr_assert_eq(lab_free_bulk(pool, frame, held), 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/*
 * As much is freed as is allocated, a few frames at a time: what a ring of a device's has, and what
 * its thread's cache has, goes round between them and never sees the depot.
 */
struct circuit {
	struct lab_pool *pool;
	uint32_t stop, full;
	uint64_t seed;
};

static void *go_round(void *arg)
{
	static void *frame[MOST];
	struct circuit *c = arg;
	unsigned n = 0, ring = 128, burst = 32;

	while (n < MOST - 64)
		n += lab_alloc_burst(c->pool, frame + n, 32, 0);
	for (unsigned i = n; i > 1; i--) {
		unsigned at = random_below(&c->seed, i);
		void *swap = frame[at];

		frame[at] = frame[i - 1];
		frame[i - 1] = swap;
	}
	while (n > ring)
		cr_assert_eq(lab_free(c->pool, frame[--n]), 0);
	__atomic_store_n(&c->full, 1, __ATOMIC_RELEASE);
	for (unsigned i = 0; !__atomic_load_n(&c->stop, __ATOMIC_RELAXED); i = (i + burst) % ring) {
		cr_assert_eq(lab_free_bulk(c->pool, frame + i, burst), 0);
		cr_assert_eq(lab_alloc_burst(c->pool, frame + i, burst, 0), burst);
		usleep(500);
	}
	cr_assert_eq(lab_free_bulk(c->pool, frame, n), 0);
	return NULL;
}

Test(breath, shrinks_beside_steady_traffic, .timeout = 60)
{
	struct lab_pool_config config = breathing(UNIT, MOST, MOST);
	struct circuit c = {.seed = 5};
	pthread_t thread;

	c.pool = pool_of(&config);
	pthread_create(&thread, NULL, go_round, &c);
	while (!__atomic_load_n(&c.full, __ATOMIC_ACQUIRE))
		usleep(1000);
	/* Two hugepages that are free, as many as ring and cache fill, and one more. */
	for (unsigned i = 0; i < 2000 && total_of(c.pool) > 6 * UNIT; i++) {
		settle(c.pool);
		usleep(10000);
	}
	cr_assert_leq(total_of(c.pool), 6 * UNIT, "%llu", (unsigned long long)total_of(c.pool));
	__atomic_store_n(&c.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	is_whole(c.pool, total_of(c.pool), 0);
	cr_assert_eq(lab_pool_destroy(c.pool), 0);
}

/* A thread of the keeper's own, and threads that allocate beside it: nobody gets a frame twice, and
 * none that is not there. */
struct busy {
	struct lab_pool *pool;
	uint32_t stop;
	uint32_t most; /* that it holds */
	uint64_t seed;
};

static void *be_busy(void *arg)
{
	struct busy *b = arg;
	void *frame[3000];
	unsigned n = 0;

	while (!__atomic_load_n(&b->stop, __ATOMIC_RELAXED)) {
		unsigned want = 1 + random_below(&b->seed, 64);
		unsigned most = __atomic_load_n(&b->most, __ATOMIC_RELAXED);

		if (n + want <= most && random_below(&b->seed, 2)) {
			unsigned got = lab_alloc_burst(b->pool, frame + n, want, 0);

			for (unsigned i = 0; i < got; i++)
				*(void **)frame[n + i] = frame[n + i];
			n += got;
		} else if (n) {
			want = want < n ? want : n;
			for (unsigned i = 0; i < want; i++) {
				unsigned at = random_below(&b->seed, n);
				void *one = frame[at];

				cr_assert_eq(*(void **)one, one);
				frame[at] = frame[--n];
				cr_assert_eq(lab_free(b->pool, one), 0);
			}
		}
	}
	cr_assert_eq(lab_free_bulk(b->pool, frame, n), 0);
	return NULL;
}

Test(breath, beside_threads_that_work, .timeout = 60)
{
	struct lab_pool_config config = breathing(UNIT, 2 * UNIT, MOST);
	struct lab_keeper_stats s;
	struct busy b[3];
	pthread_t thread[3];
	struct lab_pool *pool;

	config.flags = LAB_POOL_FALLBACK;
	pool = pool_of(&config);
	for (unsigned i = 0; i < 3; i++) {
		b[i] = (struct busy){.pool = pool, .seed = i + 1, .most = 3000};
		pthread_create(&thread[i], NULL, be_busy, &b[i]);
	}
	for (unsigned phase = 0; phase < 10; phase++) {
		usleep(200000);
		for (unsigned i = 0; i < 3; i++)
			__atomic_store_n(&b[i].most, phase % 2 ? 3000 : 64, __ATOMIC_RELAXED);
	}
	for (unsigned i = 0; i < 3; i++)
		__atomic_store_n(&b[i].stop, 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	cr_assert_eq(lab_keeper_stats(pool, &s), 0);
	cr_assert_gt(s.grown, 5, "%llu came, %llu failed: %s", (unsigned long long)s.grown,
		     (unsigned long long)s.failed, s.why);
	usleep(300000);
	cr_assert_leq(total_of(pool), 4 * UNIT, "it shrinks by itself: %llu",
		      (unsigned long long)total_of(pool));
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* ---- LAB_GFP_KERNEL ---- */

Test(breath, a_kernel_caller_grows_the_pool)
{
	struct lab_pool_config config = breathing(UNIT, UNIT, 4 * UNIT);
	static void *frame[MOST];
	struct lab_pool *pool;
	unsigned n = 0;

	config.timeout_ms = 20;
	pool = pool_of(&config);
	while (n < 4 * UNIT - 64) {
		frame[n] = lab_alloc(pool, LAB_GFP_KERNEL);
		cr_assert_not_null(frame[n++], "%s", lab_error_text());
	}
	is_whole(pool, 4 * UNIT, n);
	cr_assert_null(lab_alloc(pool, LAB_GFP_KERNEL));
	text_has("within 20 ms", "it has max_frames: raise that", NULL);
	cr_assert_eq(lab_free_bulk(pool, frame, n), 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* Under min frames it grows before it takes one, though there are some. */
Test(breath, a_kernel_caller_grows_it_under_min)
{
	struct lab_pool_config config = breathing(UNIT, UNIT, 4 * UNIT);
	struct lab_pool *pool = pool_of(&config);
	static void *frame[UNIT];
	unsigned n = UNIT - 64 - 63; /* beside a reserve of 64 */
	void *one;

	cr_assert_eq(lab_alloc_bulk(pool, frame, n, LAB_GFP_NOWAIT), 0);
	lab_lcore_drain(pool);
	one = lab_alloc(pool, LAB_GFP_NOWAIT);
	cr_assert_not_null(one);
	cr_assert_eq(lab_free(pool, one), 0);
	lab_lcore_drain(pool);
	is_whole(pool, UNIT, n);
	one = lab_alloc(pool, LAB_GFP_KERNEL);
	cr_assert_not_null(one, "%s", lab_error_text());
	is_whole(pool, 2 * UNIT, n + 1);
	cr_assert_eq(lab_free(pool, one), 0);
	cr_assert_eq(lab_free_bulk(pool, frame, n), 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* A run that is not there in a pool that has frames enough. */
Test(breath, a_run_grows_the_pool)
{
	struct lab_pool_config config = breathing(UNIT, UNIT, 2 * UNIT);
	struct lab_pool *pool = pool_of(&config);
	void *one = lab_alloc(pool, 0), *run;

	cr_assert_not_null(one);
	run = lab_alloc_pages(pool, 9, LAB_GFP_KERNEL);
	cr_assert_not_null(run, "%s", lab_error_text());
	is_whole(pool, 2 * UNIT, UNIT + 1);
	cr_assert_null(lab_alloc_pages(pool, 9, LAB_GFP_KERNEL));
	text_has("no run of 512", NULL);
	cr_assert_eq(lab_free_pages(pool, run, 9), 0);
	cr_assert_eq(lab_free(pool, one), 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* ---- the rate ---- */

/* 10 MiB a second is a unit each 200 ms, both ways, however much is wanted. */
Test(breath, no_faster_than_it_may)
{
	struct lab_pool_config config = breathing(UNIT, UNIT, MOST);
	struct lab_pool *pool;
	double began;

	config.low = 8 * UNIT;
	config.high = 12 * UNIT;
	config.grow_rate = 10;
	pool = pool_of(&config);
	began = seconds_now();
	cr_assert_eq(lab_keeper_step(pool), 1, "%s", lab_error_text());
	while (total_of(pool) < 4 * UNIT)
		cr_assert_geq(lab_keeper_step(pool), 0, "%s", lab_error_text());
	cr_assert_geq(seconds_now() - began, 0.4);
	cr_assert_eq(lab_pool_destroy(pool), 0);

	config = breathing(UNIT, 8 * UNIT, 8 * UNIT);
	config.grow_rate = 10;
	pool = pool_of(&config);
	began = seconds_now();
	while (total_of(pool) > 5 * UNIT)
		cr_assert_geq(lab_keeper_step(pool), 0, "%s", lab_error_text());
	cr_assert_geq(seconds_now() - began, 0.4);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* ---- what cannot be ---- */

static void grow_beyond_the_machine(void)
{
	int64_t have = lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY);
	struct lab_pool_config config;
	struct lab_keeper_stats s;
	struct lab_pool *pool;
	void *frame;

	config = breathing(2 * UNIT, 2 * UNIT, (uint64_t)(have + 8) * UNIT);
	config.page_size = LAB_PAGE_2M;
	config.flags = LAB_POOL_STEPPED;
	config.low = (uint64_t)(have + 4) * UNIT;
	config.high = (uint64_t)(have + 6) * UNIT;
	pool = pool_of(&config);
	while (lab_keeper_step(pool) > 0)
		;
	cr_assert_eq(lab_keeper_stats(pool, &s), 0);
	cr_assert_eq(s.hugepages, (uint64_t)have);
	cr_assert_eq(s.failed, 1);
	cr_assert(strstr(s.why, "pool 'breath' needs 1 hugepages of 2 MiB and 0 are free"), "%s",
		  s.why);
	cr_assert(strstr(s.why, "nr_hugepages"), "%s", s.why);
	frame = lab_alloc(pool, LAB_GFP_NOWAIT);
	cr_assert_not_null(frame, "it goes on as it is");
	cr_assert_eq(lab_free(pool, frame), 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
	cr_assert_eq(lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY), have);
}

/* One after the other: they count the machine's. */
Test(breath, on_hugepages, .timeout = 60)
{
	struct lab_pool_config config = breathing(2 * UNIT, 2 * UNIT, MOST);
	int64_t before = lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY);

	skip_without_hugepages(LAB_PAGE_2M, MOST / UNIT);
	config.page_size = LAB_PAGE_2M;
	config.flags = LAB_POOL_STEPPED;
	in_and_out(config);
	cr_assert_eq(lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY), before);
	grow_beyond_the_machine();
}

Test(breath, a_pool_that_keeps_its_size_has_no_keeper)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	struct lab_keeper_stats s;

	cr_assert(!lab_pool_breathes(pool));
	cr_assert_eq(lab_keeper_step(pool), -ENOTSUP);
	text_has("'test'", "keeps its size", "min_frames", NULL);
	cr_assert_eq(lab_keeper_stats(pool, &s), -ENOTSUP);
	cr_assert_eq(lab_keeper_step(NULL), -EINVAL);
	end_whole(pool);
}

static void step_in_child(void *arg)
{
	struct lab_keeper_stats s;

	CHILD_EXPECT(lab_keeper_step(arg) == -EPERM);
	CHILD_EXPECT(lab_keeper_stats(arg, &s) == -EPERM);
}

Test(breath, a_child_of_fork_has_no_keeper)
{
	struct lab_pool_config config = breathing(UNIT, 2 * UNIT, MOST);
	struct lab_pool *pool;

	config.flags = LAB_POOL_FALLBACK;
	pool = pool_of(&config);
	in_child(step_in_child, pool);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* What the keeper takes from the reserve is no allocation of the program's. */
Test(breath, the_keeper_is_not_sampled)
{
	struct lab_pool_config config = breathing(UNIT, 8 * UNIT, 8 * UNIT);
	struct lab_site_stats site[8];
	struct lab_pool *pool;

	config.sample = 1;
	pool = pool_of(&config);
	settle(pool);
	cr_assert_lt(total_of(pool), 8 * UNIT);
	cr_assert_eq(lab_pool_sites(pool, site, 8), 0);
	is_whole(pool, total_of(pool), 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* Growth that fails on purpose: the pool goes on, and the next time is not at once. */
Test(breath, growth_fails_on_purpose)
{
	struct lab_pool_config config = breathing(UNIT, UNIT, MOST);
	struct lab_fault fault = {.nth = 1};
	struct lab_keeper_stats s;
	struct lab_pool *pool = pool_of(&config);
	static void *frame[UNIT];

	cr_assert_eq(lab_alloc_bulk(pool, frame, UNIT - 64, LAB_GFP_NOWAIT), 0);
	cr_assert_eq(lab_fault_set(pool, LAB_FAULT_GROW, &fault), 0);
	cr_assert_eq(lab_keeper_step(pool), -ENOMEM);
	text_has("'breath'", "cannot grow", "injected", NULL);
	cr_assert_eq(lab_keeper_step(pool), 0);
	is_whole(pool, UNIT, UNIT - 64);
	usleep(1100000);
	cr_assert_gt(lab_keeper_step(pool), 0);
	cr_assert_eq(lab_keeper_stats(pool, &s), 0);
	cr_assert_eq(s.failed, 1);
	cr_assert(strstr(s.why, "injected"), "%s", s.why);
	cr_assert_eq(lab_free_bulk(pool, frame, UNIT - 64), 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/* Memory that failed goes with its hugepage; what comes to its address later is not marked. */
Test(breath, marks_go_with_their_hugepage)
{
	struct lab_pool_config config = breathing(UNIT, 4 * UNIT, 4 * UNIT);
	struct lab_pool *pool = pool_of(&config);
	siginfo_t failure = {.si_signo = SIGBUS, .si_code = BUS_MCEERR_AO};
	static void *frame[MOST];
	struct lab_pool_stats stats;
	unsigned n = 0;

	failure.si_addr = lab_frame_at(pool, 3 * UNIT + 5);
	failure.si_addr_lsb = LAB_FRAME_SHIFT;
	cr_assert_eq(lab_memory_failure(&failure), 1);
	cr_assert_eq(lab_keeper_step(pool), 1);
	is_whole(pool, 3 * UNIT, 0);
	while (n < 4 * UNIT - 64) {
		frame[n] = lab_alloc(pool, LAB_GFP_KERNEL);
		cr_assert_not_null(frame[n++], "%s", lab_error_text());
	}
	cr_assert_eq(lab_retire_pending(pool), 0);
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.retired, 0);
	cr_assert_eq(lab_free_bulk(pool, frame, n), 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}
