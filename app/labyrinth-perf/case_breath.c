/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools that breathe: what their keeper costs, how fast they grow and shrink, and what a call feels
 * of it. Exclusive private pools only, which alone breathe. Method:
 *
 *  keeper     held-1024 in the case's pool, which keeps its size, and right after it in a pool as
 *             large that may grow to twice that, with its keeper's thread running, which looks and
 *             finds nothing to do. The figures are both, and their ratio.
 *  grow       a pool of 2 MiB grows to the size that "create" has, by lab_keeper_step() with no
 *             limit of its rate; in the same round, before it or after it in turns, the kernel
 *             populates as many bytes of plain memory (mmap, MADV_POPULATE_WRITE) by units of
 *             2 MiB, as the pool gets them. The figures are GiB a second of both, and the ratio.
 *  shrink     a pool of that size, all of it free, gives all but 2 MiB back, likewise; the figures
 *             are milliseconds, and GiB a second.
 *  -ordinary  the same on ordinary pages, a quarter as large.
 *
 *  breath-latency         single calls timed as "latency" does, by a lane that holds up to 1024, in
 *                         a pool that breathes and whose keeper does nothing; p50, p99, p99.9, the
 *                         worst call.
 *  breath-latency-grow    the same while another CPU makes the pool grow from 16 MiB to the size of
 *                         "create", as fast as it can; and the ratio of its p99.9 to that of a
 *                         quiet phase right before, in the same pool.
 *  breath-latency-shrink  the same while the pool shrinks.
 */
#include <labyrinth/labyrinth.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

/* As in case_pool.c. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB (21 << 26)
#endif

#define UNIT_BYTES  ((size_t)2 << 20)
#define UNIT_FRAMES (UNIT_BYTES / FRAME_BYTES)
/* Of the pools whose calls are timed, at their smallest: more than a lane holds and caches. */
#define LEAST_UNITS 8u
/* A pool that breathes beside a lane that works is done when that many steps found nothing to do,
 * or after that many seconds. */
#define IDLE_STEPS 50u
#define SECONDS    2.0

static bool has_hugepages(const struct bench *bench, const struct bench_case *c)
{
	return bench->hugepages && !c->ordinary;
}

/* Of a large pool, in whole units. */
static uint64_t units_of(const struct bench *bench, const struct bench_case *c)
{
	return bench->large_frames / UNIT_FRAMES / (c->ordinary ? 4 : 1);
}

static struct lab_pool *pool_of(const struct bench *bench, const struct bench_case *c,
				struct lab_pool_config *config, char *why, size_t why_size)
{
	struct lab_pool *pool;

	config->name = c->name;
	config->page_size = has_hugepages(bench, c) ? LAB_PAGE_2M : LAB_PAGE_4K;
	config->cache_frames = CACHE_FRAMES;
	pool = lab_pool_create(config);
	if (!pool)
		snprintf(why, why_size, "%s", lab_error_text());
	return pool;
}

/* From @least units on it grows to @most as soon as it may: hardly ever are as many free as low. */
static struct lab_pool *growing(const struct bench *bench, const struct bench_case *c,
				uint64_t least, uint64_t most, char *why, size_t why_size)
{
	struct lab_pool_config config = {
		.frames = least * UNIT_FRAMES,
		.max_frames = most * UNIT_FRAMES,
		.reserve = LAB_NONE,
		.min = LAB_NONE,
		.low = (most - 1) * UNIT_FRAMES,
		.high = most * UNIT_FRAMES,
		.flags = LAB_POOL_STEPPED,
	};

	return pool_of(bench, c, &config, why, why_size);
}

/* From @most it shrinks to @least. */
static struct lab_pool *shrinking(const struct bench *bench, const struct bench_case *c,
				  uint64_t least, uint64_t most, char *why, size_t why_size)
{
	struct lab_pool_config config = {
		.frames = most * UNIT_FRAMES,
		.min_frames = least * UNIT_FRAMES,
		.reserve = LAB_NONE,
		.min = LAB_NONE,
		.low = LAB_NONE,
		.high = UNIT_FRAMES,
		.flags = LAB_POOL_STEPPED,
	};

	return pool_of(bench, c, &config, why, why_size);
}

static void close_pool(struct lab_pool *pool)
{
	lab_lcore_unregister(pool);
	lab_pool_destroy(pool);
}

/* ---- keeper ---- */

bool round_keeper(const struct bench *bench, const struct bench_case *c,
		  const struct subject *subject, void *pool, double *out, char *why,
		  size_t why_size)
{
	struct lab_pool_config config = {.frames = bench->frames, .max_frames = 2 * bench->frames};
	struct lab_pool *breathes;
	double fixed;
	bool ok;

	if (!round_usual(bench, c, subject, pool, &fixed, why, why_size))
		return false;
	breathes = pool_of(bench, c, &config, why, why_size);
	if (!breathes)
		return false;
	team_reset(bench->team, breathes);
	ok = round_usual(bench, c, subject, breathes, out, why, why_size);
	team_each(bench->team, subject->leave, breathes);
	lab_pool_destroy(breathes);
	out[1] = fixed;
	out[2] = out[0] / fixed;
	return ok;
}

/* ---- grow, shrink ---- */

/* Nanoseconds to populate that many units, one by one; negative if it cannot be done. */
static double populate_ns(uint64_t units, bool hugepages)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | (hugepages ? MAP_HUGETLB | MAP_HUGE_2MB : 0);
	size_t bytes = units * UNIT_BYTES;
	double start = now_ns(), ns = -1;
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	size_t done = 0;

	if (at == MAP_FAILED)
		return -1;
	/* The pool's pages are ordinary ones, too, whatever the kernel does by itself. */
	if (!hugepages)
		madvise(at, bytes, MADV_NOHUGEPAGE);
	while (done < bytes && madvise(at + done, UNIT_BYTES, MADV_POPULATE_WRITE) == 0)
		done += UNIT_BYTES;
	if (done == bytes)
		ns = now_ns() - start;
	munmap(at, bytes);
	return ns;
}

/* Nanoseconds until the keeper has nothing to do any more; negative unless that made @units. */
static double breathe_ns(struct lab_pool *pool, uint64_t units, char *why, size_t why_size)
{
	double start = now_ns();
	uint64_t done = 0;
	int64_t n;

	while ((n = lab_keeper_step(pool)) > 0)
		done += (uint64_t)n;
	if (done == units)
		return now_ns() - start;
	snprintf(why, why_size, "%llu hugepages came or went, of %llu: %s",
		 (unsigned long long)done, (unsigned long long)units,
		 n ? lab_error_text() : "idle");
	return -1;
}

static double gib_per_s(uint64_t units, double ns)
{
	return (double)(units * UNIT_BYTES) / ((double)(1u << 30)) / (ns / 1e9);
}

static bool is_large_enough(uint64_t most, const struct bench_case *c, char *why, size_t why_size)
{
	if (most > 2 * LEAST_UNITS)
		return true;
	snprintf(why, why_size, "%s: a pool of %llu units of 2 MiB is too small", c->name,
		 (unsigned long long)most);
	return false;
}

bool round_grow(const struct bench *bench, const struct bench_case *c,
		const struct subject *subject, void *pool, double *out, char *why, size_t why_size)
{
	static bool plain_first;
	uint64_t most = units_of(bench, c), more = most - 1;
	struct lab_pool *breathes;
	double plain = 0, ns;

	if (!is_large_enough(most, c, why, why_size))
		return false;
	plain_first = !plain_first;
	if (plain_first)
		plain = populate_ns(more, has_hugepages(bench, c));
	breathes = growing(bench, c, 1, most, why, why_size);
	if (!breathes)
		return false;
	ns = breathe_ns(breathes, more, why, why_size);
	close_pool(breathes);
	if (ns < 0)
		return false;
	if (!plain_first)
		plain = populate_ns(more, has_hugepages(bench, c));
	if (plain < 0) {
		snprintf(why, why_size, "%s: cannot populate plain memory: %s", c->name,
			 strerror(errno));
		return false;
	}
	out[0] = gib_per_s(more, ns);
	out[1] = gib_per_s(more, plain);
	out[2] = out[0] / out[1];
	return true;
}

bool round_shrink(const struct bench *bench, const struct bench_case *c,
		  const struct subject *subject, void *pool, double *out, char *why,
		  size_t why_size)
{
	uint64_t most = units_of(bench, c), less = most - 1;
	struct lab_pool *breathes;
	double ns;

	if (!is_large_enough(most, c, why, why_size))
		return false;
	breathes = shrinking(bench, c, 1, most, why, why_size);
	if (!breathes)
		return false;
	ns = breathe_ns(breathes, less, why, why_size);
	close_pool(breathes);
	out[0] = ns / 1e6;
	out[1] = gib_per_s(less, ns);
	return ns >= 0;
}

/* ---- what a call feels of it ---- */

/* The steps of a warm-up are none. */
static void loop_step(struct lane *lane)
{
	double end = now_ns() + SECONDS * 1e9;
	unsigned idle = 0;

	if (!lane->steps)
		return;
	while (idle < IDLE_STEPS && now_ns() < end) {
		int64_t n = lab_keeper_step(lane->pool);

		idle = n > 0 ? 0 : idle + 1;
		lane->check += n > 0 ? (uint64_t)n : 0;
	}
	__atomic_store_n(lane->stop, true, __ATOMIC_RELAXED);
}

/* loop_latency() of loops.h, until told to stop, looking after each pass. */
static void loop_calls(struct lane *lane)
{
	uint64_t then, now;
	bool ok = true;

	for (uint64_t i = 0; i < lane->steps && ok && !lane_stopped(lane); i++) {
		unsigned at = 0;

		for (; at < HELD_FRAMES && ok; at++) {
			then = cycles_fenced();
			lane->held[at] = lab_alloc(lane->pool, LAB_GFP_ATOMIC);
			now = cycles_fenced();
			histogram_add(&lane->hist, now - then);
			ok = lane->held[at] != NULL;
		}
		for (at -= !ok; at > 0;) {
			at--;
			then = cycles_fenced();
			ok &= lab_free(lane->pool, lane->held[at]) == 0;
			now = cycles_fenced();
			histogram_add(&lane->hist, now - then);
		}
	}
	if (!ok)
		__atomic_store_n(&lane->failed, true, __ATOMIC_RELAXED);
}

/* p50, p99, p99.9 and the worst, of the first lane's calls. */
static bool calls(const struct bench *bench, const struct bench_case *c,
		  const struct subject *subject, unsigned lanes, double *out, char *why,
		  size_t why_size)
{
	const loop_fn loops[] = {loop_calls, loop_step};
	struct lane *lane = team_lane(bench->team, 0);

	lane->steps = lanes > 1 ? UINT64_MAX : c->steps;
	team_lane(bench->team, 1)->steps = 1;
	team_lane(bench->team, 1)->check = 0;
	team_run_timed(bench->team, lanes, loops, lanes > 1 ? 0 : c->steps / 8 + 1);
	if (!bench_ok(bench, c, subject, why, why_size))
		return false;
	out[0] = bench_percentile(bench, &lane->hist, 0.5);
	out[1] = bench_percentile(bench, &lane->hist, 0.99);
	out[2] = bench_percentile(bench, &lane->hist, 0.999);
	out[3] = bench_percentile(bench, &lane->hist, 1);
	return true;
}

bool round_breath_latency(const struct bench *bench, const struct bench_case *c,
			  const struct subject *subject, void *pool, double *out, char *why,
			  size_t why_size)
{
	uint64_t most = units_of(bench, c);
	struct lab_pool *breathes;
	double quiet[4];
	bool ok;

	if (!is_large_enough(most, c, why, why_size))
		return false;
	breathes = c->shrinks ? shrinking(bench, c, LEAST_UNITS, most, why, why_size)
			      : growing(bench, c, LEAST_UNITS, most, why, why_size);
	if (!breathes)
		return false;
	team_reset(bench->team, breathes);
	ok = calls(bench, c, subject, 1, quiet, why, why_size);
	if (ok && c->lanes > 1) {
		ok = calls(bench, c, subject, 2, out, why, why_size);
		out[4] = out[2] / quiet[2];
		/* What lies in the lane's cache may keep some. */
		if (ok && team_lane(bench->team, 1)->check < (most - LEAST_UNITS) / 2) {
			snprintf(why, why_size, "%s: %llu units came or went, of %llu; no figure",
				 c->name, (unsigned long long)team_lane(bench->team, 1)->check,
				 (unsigned long long)(most - LEAST_UNITS));
			ok = false;
		}
	} else {
		memcpy(out, quiet, sizeof(quiet));
	}
	team_each(bench->team, subject->leave, breathes);
	lab_pool_destroy(breathes);
	return ok;
}
