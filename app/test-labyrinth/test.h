/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the Criterion suites share: pools that need no hugepages, checks that every pool must pass,
 * and a child process to do what a test must not do itself. Knows the public headers only, unless
 * TEST_BASE_BULK asks for the bursts that a CPU without AVX2 would get.
 */
#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <labyrinth/labyrinth.h>

#ifdef TEST_BASE_BULK
#include "bulk.h"
#include "pool.h"
#endif

/* AddressSanitizer maps, faults and calls the kernel for itself, and answers mlock() without asking
 * the kernel: what counts those must skip. */
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifndef UNDER_ASAN
#define UNDER_ASAN 0
#endif

/* Frames of the usual test pool: more than one lcore's cache holds, and whole blocks. */
#define FRAMES 2048u
/* Those of it that only LAB_GFP_ATOMIC gets: 2 * sqrt(2048), in whole blocks. */
#define RESERVE 64u

#define FOR_BOTH_MODES(flags) \
	for (uint32_t flags = 0; flags <= LAB_POOL_UNPROTECTED; flags += LAB_POOL_UNPROTECTED)

static inline const char *mode_name(uint32_t flags)
{
	return flags & LAB_POOL_UNPROTECTED ? "unprotected" : "exclusive";
}

static inline struct lab_pool *pool_of(const struct lab_pool_config *config)
{
	struct lab_pool *pool = lab_pool_create(config);

	cr_assert_not_null(pool, "%s", lab_error_text());
#ifdef TEST_BASE_BULK
	if (pool->state) {
		pool->priv->bulk = &lab_bulk_base;
		pool->alloc_bulk = lab_bulk_base.alloc_bulk;
		pool->free_bulk = lab_bulk_base.free_bulk;
	}
#endif
	return pool;
}

/* On ordinary pages; LAB_POOL_FALLBACK also keeps RLIMIT_MEMLOCK out of it. */
static inline struct lab_pool *small_pool(uint64_t frames, uint32_t flags)
{
	struct lab_pool_config config = {.name = "test",
					 .frames = frames,
					 .page_size = LAB_PAGE_4K,
					 .flags = flags | LAB_POOL_FALLBACK};

	return pool_of(&config);
}

/* The same, with all of it for everybody. */
static inline struct lab_pool *pool_without_reserve(uint64_t frames, uint32_t flags)
{
	struct lab_pool_config config = {.name = "test",
					 .frames = frames,
					 .page_size = LAB_PAGE_4K,
					 .reserve = LAB_NONE,
					 .flags = flags | LAB_POOL_FALLBACK};

	return pool_of(&config);
}

static inline void skip_without_hugepages(size_t size, int64_t pages)
{
	int64_t have = lab_hugepage_free(size, LAB_NODE_ANY);

	if (have < pages)
		cr_skip_test("needs %lld free hugepages of %zu MiB, there are %lld",
			     (long long)pages, size >> 20, (long long)(have < 0 ? 0 : have));
}

static inline void skip_under_asan(void)
{
	if (UNDER_ASAN)
		cr_skip_test("AddressSanitizer itself would be measured");
}

static inline void skip_unless_root(void)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
}

/* The sentence of the last error contains all of these (a list that NULL ends). */
static inline void text_has(const char *part, ...)
{
	va_list parts;

	va_start(parts, part);
	for (; part; part = va_arg(parts, const char *))
		cr_assert(strstr(lab_error_text(), part), "\"%s\" is not in \"%s\"", part,
			  lab_error_text());
	va_end(parts);
}

/* The promise of conservation, at a quiet point: by the counters, and by the frames themselves. */
static inline void conserved(const struct lab_pool *pool, uint64_t held, uint64_t lent)
{
	struct lab_pool_stats stats, census;

	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.free + stats.cached + stats.held + stats.lent + stats.retired,
		     stats.total);
	cr_assert_eq(stats.total, lab_pool_frames(pool));
	cr_assert_eq(stats.held, held, "%llu held, not %llu", (unsigned long long)stats.held,
		     (unsigned long long)held);
	cr_assert_eq(stats.lent, lent, "%llu lent, not %llu", (unsigned long long)stats.lent,
		     (unsigned long long)lent);
	if (!lab_pool_exclusive(pool))
		return;
	cr_assert_eq(lab_pool_census(pool, &census), 0);
	cr_assert_eq(census.total, stats.total);
	cr_assert_eq(census.free, stats.free, "depot: %llu by census, %llu by counters",
		     (unsigned long long)census.free, (unsigned long long)stats.free);
	cr_assert_eq(census.cached, stats.cached, "caches: %llu by census, %llu by counters",
		     (unsigned long long)census.cached, (unsigned long long)stats.cached);
	cr_assert_eq(census.held, held);
	cr_assert_eq(census.lent, lent);
	cr_assert_eq(census.retired, stats.retired);
}

/* Marks each frame's number in @seen; none may be marked already. */
static inline void mark_once(const struct lab_pool *pool, void *const *frames, unsigned n,
			     uint8_t *seen)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t number = lab_frame_index(pool, frames[i]);

		cr_assert_neq(number, LAB_FRAME_NONE, "%p is no frame of the pool", frames[i]);
		cr_assert_eq(seen[number]++, 0, "frame %u came twice", number);
	}
}

/* Takes all that this thread can get, expects @count different frames, and gives them back. */
static inline void allocatable_once(struct lab_pool *pool, uint64_t count)
{
	uint64_t frames = lab_pool_frames(pool);
	void **all = calloc(frames + 64, sizeof(*all));
	uint8_t *seen = calloc(frames, 1);
	unsigned got = lab_alloc_burst(pool, all, (unsigned)frames + 64, LAB_GFP_ATOMIC);

	cr_assert_eq(got, count, "%u frames came, not %llu", got, (unsigned long long)count);
	mark_once(pool, all, got, seen);
	cr_assert_eq(lab_free_bulk(pool, all, got), 0);
	free(seen);
	free(all);
}

/* Lets all frames come back in bursts of 32, scattered over the pool, so that they travel as
 * bundles from then on. Returns how many do. */
static inline unsigned scatter(struct lab_pool *pool)
{
	uint32_t frames = (uint32_t)lab_pool_frames(pool), bundled = 0;
	void **frame = calloc(2 * (size_t)frames, sizeof(*frame)), **mixed = frame + frames;

	for (unsigned round = 0; round < 8; round++) {
		for (uint32_t i = 0; i < frames; i += 32)
			cr_assert_eq(lab_alloc_bulk(pool, frame + i, 32, 0), 0);
		for (uint32_t i = 0; i < frames; i++)
			mixed[i] = frame[round ? i : i * 1001 % frames];
		for (uint32_t i = 0; i < frames; i += 32)
			cr_assert_eq(lab_free_bulk(pool, mixed + i, 32), 0);
	}
	free(frame);
	for (uint32_t i = 0; i < frames; i++)
		bundled += pool->state[i] == LAB_STATE_BUNDLED;
	return bundled;
}

/* Nothing is held, all come out once, and the memory goes back. */
static inline void end_whole(struct lab_pool *pool)
{
	conserved(pool, 0, 0);
	allocatable_once(pool, lab_pool_frames(pool));
	conserved(pool, 0, 0);
	cr_assert_eq(lab_pool_destroy(pool), 0);
}

/*
 * A child of fork(), for what would end the test. It says why it failed through a shared page, in
 * words: in_child() asserts that it did not.
 */
static inline char *child_words(void)
{
	static char *words;

	if (!words)
		words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return words;
}

#define CHILD_EXPECT(condition)                                                            \
	do {                                                                               \
		if (!(condition)) {                                                        \
			snprintf(child_words(), 4096, "%s:%d: %s; errno %d, text \"%s\"",  \
				 __FILE__, __LINE__, #condition, errno, lab_error_text()); \
			_exit(1);                                                          \
		}                                                                          \
	} while (0)

/* Returns the child's wait status. */
static inline int status_of_child(void (*body)(void *), void *arg)
{
	int status;
	pid_t pid;

	child_words()[0] = '\0';
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		body(arg);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static inline void in_child(void (*body)(void *), void *arg)
{
	int status = status_of_child(body, arg);

	cr_assert_eq(status, 0, "child: wait status 0x%x: %s", status, child_words());
}

#endif
