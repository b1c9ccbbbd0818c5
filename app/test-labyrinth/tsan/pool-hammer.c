/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool under ThreadSanitizer: threads allocate, write to their frames, pass them on, lend and
 * free them, and come and go, while one more thread reads statistics and asks for what lies in
 * caches. A frame with two owners is a
 * race that it reports.
 */
#include <stdlib.h>

#include "net/tap.h"
#include "pool.h"
#include "random-user.h"
#include "reserve.h"

#define THREADS 4u
#define STEPS   15000u

static struct random_user user[THREADS];
static uint32_t stop;

struct reader {
	struct lab_pool *pool;
	unsigned snapshots, wrong;
};

static void *reader(void *arg)
{
	struct reader *r = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct lab_pool_stats s;
		struct lab_lcore_stats lcore;

		lab_pool_stats(r->pool, &s);
		r->wrong += s.free + s.cached + s.held + s.lent + s.retired != s.total;
		lab_lcore_stats(r->pool, 1 + r->snapshots % 4, &lcore);
		lab_pool_census(r->pool, &s);
		if (r->snapshots++ % 16 == 0 && !(r->pool->priv->flags & LAB_POOL_EXACT))
			lab_reserve_recall(r->pool);
		sched_yield();
	}
	return NULL;
}

static void hammer(const char *name, uint64_t frames, uint32_t cache, uint32_t flags)
{
	struct lab_pool_config config = {.frames = frames,
					 .page_size = LAB_PAGE_4K,
					 .cache_frames = cache,
					 .flags = flags | LAB_POOL_FALLBACK};
	struct crowd crowd = {.pool = lab_pool_create(&config), .steps = STEPS};
	struct reader r = {.pool = crowd.pool};
	uint64_t seed = random_seed();
	struct lab_pool_stats stats;
	char what[80];
	pthread_t thread;
	void **all = calloc(frames + 1, sizeof(*all));

	if (!tap_ok(crowd.pool != NULL, name)) {
		tap_note("%s", lab_error_text());
		free(all);
		return;
	}
	stop = 0;
	pthread_create(&thread, NULL, reader, &r);
	random_crowd(&crowd, user, THREADS, seed);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	snprintf(what, sizeof(what), "%s: nobody finds anything wrong", name);
	if (!tap_ok(crowd.wrong == 0, what))
		tap_note("seed 0x%llx: %u times, first: %s (%s)", (unsigned long long)seed,
			 crowd.wrong, crowd.first_wrong, lab_error_text());
	snprintf(what, sizeof(what), "%s: all %u snapshots add up", name, r.snapshots);
	tap_ok(r.wrong == 0 && r.snapshots > 0, what);
	lab_pool_stats(crowd.pool, &stats);
	snprintf(what, sizeof(what), "%s: no frame is lost", name);
	tap_ok(stats.held == 0 && stats.lent == 0 && stats.dropped == 0 &&
		       lab_alloc_burst(crowd.pool, all, (unsigned)frames + 1, 0) == frames &&
		       lab_free_bulk(crowd.pool, all, (unsigned)frames) == 0 &&
		       lab_pool_destroy(crowd.pool) == 0,
	       what);
	free(all);
}

int main(void)
{
	hammer("exclusive", 2048, 512, 0);
	hammer("exclusive, small caches", 512, 64, 0);
	hammer("without caches", 512, 0, LAB_POOL_EXACT);
	hammer("unprotected", 2048, 512, LAB_POOL_UNPROTECTED);
	hammer("unprotected, small caches", 512, 64, LAB_POOL_UNPROTECTED);
	return tap_done();
}
