/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Runs are taken out of a pool, and bad frames, while threads allocate, write to their frames, lend
 * and free them. A frame with two owners is a race that ThreadSanitizer reports.
 */
#include <signal.h>
#include <stdlib.h>

#include "net/tap.h"
#include "random-user.h"

#define THREADS 3u
#define STEPS   12000u
#define BAD     64u /* at most */

static struct random_user user[THREADS];
static uint32_t stop;

struct puller {
	struct lab_pool *pool;
	unsigned runs, bad, wrong;
};

static void take_run(struct puller *p, uint64_t *random)
{
	unsigned order = random_below(random, 8);
	uint64_t *run = lab_alloc_pages(p->pool, order, 0);
	size_t words = (size_t)LAB_FRAME_SIZE / 8 << order;

	if (!run)
		return;
	for (size_t i = 0; i < words; i += LAB_FRAME_SIZE / 8)
		run[i] = i;
	for (size_t i = 0; i < words; i += LAB_FRAME_SIZE / 8)
		p->wrong += run[i] != i;
	p->wrong += lab_free_pages(p->pool, run, order) != 0;
	p->runs++;
}

static void fail_one(struct puller *p, uint64_t *random)
{
	uint32_t frame = random_below(random, (uint32_t)lab_pool_frames(p->pool));
	siginfo_t info = {.si_signo = SIGBUS, .si_code = BUS_MCEERR_AO};

	info.si_addr = lab_frame_at(p->pool, frame);
	info.si_addr_lsb = LAB_FRAME_SHIFT;
	p->wrong += lab_memory_failure(&info) != 1;
	p->wrong += lab_retire_pending(p->pool) < 0;
	p->bad++;
}

static void *puller(void *arg)
{
	struct puller *p = arg;
	uint64_t random = random_seed();

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		take_run(p, &random);
		if (p->bad < BAD && random_below(&random, 4) == 0)
			fail_one(p, &random);
	}
	lab_lcore_unregister(p->pool);
	return NULL;
}

static void hammer(const char *name, uint64_t frames, uint32_t cache, uint32_t flags)
{
	struct lab_pool_config config = {.frames = frames,
					 .page_size = LAB_PAGE_4K,
					 .cache_frames = cache,
					 .flags = flags | LAB_POOL_FALLBACK};
	struct crowd crowd = {.pool = lab_pool_create(&config), .steps = STEPS};
	struct puller p = {.pool = crowd.pool};
	struct lab_pool_stats stats;
	void **all = calloc(frames, sizeof(*all));
	pthread_t thread;
	char what[96];

	if (!tap_ok(crowd.pool != NULL, name)) {
		tap_note("%s", lab_error_text());
		free(all);
		return;
	}
	stop = 0;
	pthread_create(&thread, NULL, puller, &p);
	random_crowd(&crowd, user, THREADS, random_seed());
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	snprintf(what, sizeof(what), "%s: nobody finds anything wrong", name);
	if (!tap_ok(crowd.wrong == 0 && p.wrong == 0, what))
		tap_note("%u times, first: %s; %u runs (%s)", crowd.wrong, crowd.first_wrong,
			 p.wrong, lab_error_text());
	snprintf(what, sizeof(what), "%s: runs come, and what is bad goes", name);
	lab_lcore_drain(crowd.pool);
	tap_ok(p.runs > 0 && p.bad > 0 && lab_retire_pending(crowd.pool) == 0, what);
	lab_pool_stats(crowd.pool, &stats);
	snprintf(what, sizeof(what), "%s: no frame is lost", name);
	tap_ok(stats.held == 0 && stats.lent == 0 && stats.dropped == 0 && stats.retired > 0 &&
		       lab_pool_validate(crowd.pool) == 0 &&
		       lab_alloc_burst(crowd.pool, all, (unsigned)frames, 0) ==
			       frames - stats.retired &&
		       lab_free_bulk(crowd.pool, all, (unsigned)(frames - stats.retired)) == 0 &&
		       lab_pool_destroy(crowd.pool) == 0,
	       what);
	tap_note("%u runs, %u retired", p.runs, (unsigned)stats.retired);
	free(all);
}

int main(void)
{
	hammer("exclusive", 2048, 512, 0);
	hammer("exclusive, small caches", 1024, 64, 0);
	hammer("without caches", 1024, 0, LAB_POOL_EXACT);
	return tap_done();
}
