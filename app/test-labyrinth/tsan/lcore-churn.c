/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Slots under ThreadSanitizer: more threads than slots come and go, by call and by ending, in two
 * pools at once, and hand a slot's cache on without anything but the slot to order them. Meanwhile
 * allocations are told to fail, and not to: the pointers to their caches change under them.
 */
#include <errno.h>

#include <labyrinth/labyrinth.h>

#include "net/tap.h"
#include "work.h"

#define SLOTS   3u
#define THREADS 6u
#define LIVES   60u

static struct lab_pool *pool[2];
static uint32_t wrong, served, turned_away;

static void *live(void *arg)
{
	uint64_t random = random_seed() ^ (uintptr_t)&random;

	for (unsigned i = 0; i < 40; i++) {
		struct lab_pool *p = pool[random_below(&random, 2)];
		void *frame[200];
		unsigned n = 1 + random_below(&random, 200);
		int err = lab_alloc_bulk(p, frame, n, LAB_GFP_ATOMIC);

		if (err == -ENOSPC) {
			__atomic_add_fetch(&turned_away, 1, __ATOMIC_RELAXED);
			continue;
		}
		if (err == -ENOMEM)
			continue;
		for (unsigned f = 0; f < n; f++)
			*(unsigned *)frame[f] = i;
		if (err || lab_free_bulk(p, frame, n) != 0)
			__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&served, 1, __ATOMIC_RELAXED);
		if (random_below(&random, 4) == 0)
			lab_lcore_unregister(p);
	}
	return NULL;
}

static void *fault(void *arg)
{
	for (unsigned i = 0; !lab_load((uint32_t *)arg); i++) {
		const struct lab_fault fault = {.every = i % 3 * 7};

		if (lab_fault_set(pool[i % 2], LAB_FAULT_ALLOC, &fault))
			__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

int main(void)
{
	struct lab_pool_config config = {.frames = 1024,
					 .page_size = LAB_PAGE_4K,
					 .cache_frames = 64,
					 .max_lcores = SLOTS,
					 .flags = LAB_POOL_FALLBACK};
	struct lab_pool_stats stats;
	pthread_t faults;
	uint32_t stop = 0;

	pool[0] = lab_pool_create(&config);
	config.flags |= LAB_POOL_UNPROTECTED;
	pool[1] = lab_pool_create(&config);
	if (!tap_ok(pool[0] && pool[1], "two pools")) {
		tap_note("%s", lab_error_text());
		return tap_done();
	}
	pthread_create(&faults, NULL, fault, &stop);
	for (unsigned i = 0; i < LIVES; i++) {
		pthread_t thread[THREADS];

		for (unsigned t = 0; t < THREADS; t++)
			pthread_create(&thread[t], NULL, live, NULL);
		for (unsigned t = 0; t < THREADS; t++)
			pthread_join(thread[t], NULL);
	}
	lab_store(&stop, 1);
	pthread_join(faults, NULL);
	tap_ok(wrong == 0, "every call that was served was served rightly");
	tap_note("%u served, %u without a slot", served, turned_away);
	tap_ok(served > 0, "some were served");
	tap_ok(lab_fault_count(pool[0], LAB_FAULT_ALLOC) > 0, "some failed on purpose");
	for (unsigned i = 0; i < 2; i++) {
		lab_pool_stats(pool[i], &stats);
		tap_ok(stats.free == 1024 && stats.lcores == 0 && stats.dropped == 0,
		       "all frames are back in the depot, all slots are free");
		tap_ok(lab_pool_destroy(pool[i]) == 0, "the pool goes");
	}
	return tap_done();
}
