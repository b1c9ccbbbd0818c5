/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Memory fails, as far as the kernel is concerned (MADV_HWPOISON): while a frame of it is held and
 * read, while all of it is free, and with a process that wants to know at once.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <labyrinth/labyrinth.h>

#include "../net/tap.h"

#define FRAMES 2048u /* four hugepages */

static struct lab_pool *pool;
static sigjmp_buf give_up;
static volatile sig_atomic_t told, was_ours, code, lsb;

/* The one of lab_retire.h. */
static void on_bus(int number, siginfo_t *info, void *context)
{
	(void)context;
	told++;
	code = info->si_code;
	lsb = info->si_addr_lsb;
	was_ours = lab_memory_failure(info);
	if (was_ours) {
		if (info->si_code == BUS_MCEERR_AO)
			return;
		siglongjmp(give_up, 1);
	}
	signal(number, SIG_DFL);
	raise(number);
}

/* Return: 1 if it could be read, 0 if it failed. */
static int reads(const volatile char *at)
{
	if (sigsetjmp(give_up, 1))
		return 0;
	(void)*at;
	return 1;
}

/* Some kernels tell who injects the failure at once, as if it had read it. */
static int poison(void *at)
{
	told = 0;
	if (sigsetjmp(give_up, 1))
		return 1;
	if (madvise(at, LAB_FRAME_SIZE, MADV_HWPOISON) == 0)
		return 1;
	tap_note("MADV_HWPOISON: %s", strerror(errno));
	return 0;
}

static int retired_are(uint64_t retired, uint64_t held)
{
	struct lab_pool_stats stats, census;

	lab_pool_stats(pool, &stats);
	lab_pool_census(pool, &census);
	if (stats.retired == retired && stats.held == held && census.retired == retired &&
	    census.held == held && stats.free + stats.cached + held + retired == FRAMES &&
	    lab_pool_validate(pool) == 0)
		return 1;
	tap_note("%" PRIu64 " retired, %" PRIu64 " held (%s)", stats.retired, stats.held,
		 lab_error_text());
	return 0;
}

/* All the others are there, and can be written to. */
static int rest_works(unsigned n)
{
	static void *frame[FRAMES];
	unsigned got = lab_alloc_burst(pool, frame, FRAMES, 0);

	for (unsigned i = 0; i < got; i++)
		memset(frame[i], (int)i, LAB_FRAME_SIZE);
	if (got != n)
		tap_note("%u frames came, not %u", got, n);
	return lab_free_bulk(pool, frame, got) == 0 && got == n;
}

int main(void)
{
	const struct lab_pool_config config = {
		.name = "failing", .frames = FRAMES, .page_size = LAB_PAGE_2M};
	struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
	char *run, *held;

	sigaction(SIGBUS, &action, NULL);
	pool = lab_pool_create(&config);
	if (!tap_ok(pool != NULL, "a pool on hugepages")) {
		tap_note("%s", lab_error_text());
		return tap_done();
	}

	/* One frame of the hugepage is held, and read. */
	held = lab_alloc(pool, 0);
	memset(held, 1, LAB_FRAME_SIZE);
	tap_ok(poison(held), "memory of a held frame fails");
	tap_ok(!reads(held) && told && was_ours == 1 && code == BUS_MCEERR_AR,
	       "who reads it is told so, and goes on");
	tap_note("si_addr_lsb is %d", (int)lsb);
	lab_lcore_drain(pool);
	tap_ok(lab_retire_pending(pool) == 1 && retired_are(511, 1),
	       "all others of the hugepage are retired");
	tap_ok(lab_frame_retire(pool, held) == 1 && lab_retire_pending(pool) == 0 &&
		       retired_are(512, 0),
	       "and this one, when it is given up");
	tap_ok(rest_works(FRAMES - 512), "all other hugepages' frames are in use");

	/* Nobody holds anything of it; somebody reads all the same. */
	run = lab_alloc_pages(pool, 9, 0);
	tap_ok(run && lab_free_pages(pool, run, 9) == 0, "a whole hugepage, and free again");
	lab_lcore_drain(pool);
	tap_ok(poison(run) && !reads(run + 100 * LAB_FRAME_SIZE) && told,
	       "a free one fails: all of it does");
	tap_ok(lab_retire_pending(pool) == 0 && retired_are(1024, 0), "all of it is retired");
	tap_ok(rest_works(FRAMES - 1024), "the rest goes on");

	/* Whoever wants to know at once. */
	prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
	run = lab_alloc_pages(pool, 9, 0);
	tap_ok(run && poison(run) && told == 1 && was_ours == 1,
	       "before anybody reads it, if so asked");
	tap_note("si_code is %s", code == BUS_MCEERR_AO ? "BUS_MCEERR_AO" : "BUS_MCEERR_AR");
	tap_ok(lab_retire_pending(pool) == 512 && lab_free_pages(pool, run, 9) == 0 &&
		       (lab_lcore_drain(pool), lab_retire_pending(pool) == 0) &&
		       retired_are(1536, 0),
	       "what was held is retired when it has been freed");
	tap_ok(rest_works(FRAMES - 1536), "one hugepage is left");
	tap_ok(lab_pool_destroy(pool) == 0, "nothing is lost");
	return tap_done();
}
