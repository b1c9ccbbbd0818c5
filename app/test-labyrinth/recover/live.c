/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A live pool for info.py to look at: two processes that hold, lend and cache frames, and rest. For
 * each line on its standard input it prints what it knows of the pool; "work" makes both processes
 * work, and say whether they could; "take N" makes it hold N frames more than at rest.
 *
 *	live NAME
 */
#include <inttypes.h>

#include "../work.h"
#include "crew.h"

#define FRAMES 2048u

static struct lab_pool *pool;
static const char *name;
static void *frames[256]; /* the first ones are lent */
static int device;

static void have(unsigned held, unsigned lent)
{
	device = lab_device_register(pool, "device");
	if (lab_alloc_bulk(pool, frames, held + lent + 20, 0) ||
	    lab_lend(pool, device, frames, lent) != lent ||
	    lab_note_sending(pool, device, lent / 4) ||
	    lab_free_bulk(pool, frames + lent + held, 20))
		crew->member[0].failed++;
}

static void work(void)
{
	void *burst[64];

	for (unsigned i = 0; i < 1000; i++) {
		if (lab_alloc_bulk(pool, burst, 64, 0) || lab_free_bulk(pool, burst, 64))
			crew->member[0].failed++;
	}
}

static void take(unsigned n)
{
	static void *more[64];
	static unsigned have_more;

	lab_free_bulk(pool, more, have_more);
	have_more = n < 64 ? n : 64;
	if (lab_alloc_bulk(pool, more, have_more, 0))
		crew->member[0].failed++;
}

static void second(unsigned me, uint64_t unused)
{
	const struct lab_attach_config config = {
		.name = name, .lcores = 1, .flags = LAB_POOL_FALLBACK};

	(void)unused;
	lab_pool_destroy(pool); /* the parent's handle */
	pool = lab_pool_attach(&config);
	if (!pool)
		crew->member[0].failed++;
	else
		have(30, 5);
	for (uint32_t done = 0;;) {
		__atomic_store_n(&crew->member[me].paused, ++done, __ATOMIC_RELEASE);
		while (__atomic_load_n(&crew->order, __ATOMIC_ACQUIRE) < done)
			usleep(200);
		if (pool)
			work();
	}
}

static void print(void)
{
	struct lab_pool_stats stats, census;

	lab_pool_stats(pool, &stats);
	lab_pool_census(pool, &census);
	printf("{\"pid\": [%d, %d], \"failed\": %u, \"total\": %" PRIu64 ", \"free\": %" PRIu64
	       ", \"cached\": %" PRIu64 ", \"held\": %" PRIu64 ", \"lent\": %" PRIu64
	       ", \"retired\": %" PRIu64 ", \"allocs\": %" PRIu64 ", \"frees\": %" PRIu64
	       ", \"refilled\": %" PRIu64 ", \"flushed\": %" PRIu64 ", \"misses\": %" PRIu64
	       ", \"by_counters\": %d, \"in_order\": %d}\n",
	       (int)getpid(), (int)crew_pid[0], crew->member[0].failed, census.total, census.free,
	       census.cached, census.held, census.lent, census.retired, stats.allocs, stats.frees,
	       stats.refilled, stats.flushed, stats.misses,
	       stats.held == census.held && stats.lent == census.lent && stats.free == census.free,
	       lab_pool_validate(pool) == 0);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const struct lab_pool_config config = {.name = argc > 1 ? argv[1] : "live",
					       .frames = FRAMES,
					       .page_size = LAB_PAGE_4K,
					       .cache_frames = 64,
					       .max_lcores = 16,
					       .lcores = 1,
					       .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};
	char line[64];

	name = config.name;
	if (!crew_begin() || !(pool = lab_pool_create(&config))) {
		fprintf(stderr, "%s\n", lab_error_text());
		return EXIT_FAILURE;
	}
	have(40, 8);
	crew_start(0, second, 0);
	while (__atomic_load_n(&crew->member[0].paused, __ATOMIC_ACQUIRE) < 1)
		usleep(200);
	printf("%s\n", crew_dir);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (strcmp(line, "work\n") == 0) {
			uint32_t order = crew->order + 1;

			__atomic_store_n(&crew->order, order, __ATOMIC_RELEASE);
			work();
			while (__atomic_load_n(&crew->member[0].paused, __ATOMIC_ACQUIRE) <= order)
				usleep(200);
		}
		if (strncmp(line, "take ", 5) == 0)
			take((unsigned)strtoul(line + 5, NULL, 10));
		print();
	}
	crew_kill(0);
	lab_pool_reap(pool);
	lab_device_absolve(pool, "device");
	lab_take_back(pool, device, frames, 8);
	lab_pool_destroy(pool);
	crew_end();
	return EXIT_SUCCESS;
}
