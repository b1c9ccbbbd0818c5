/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool grows and shrinks, and its reserve is emptied and filled, while threads allocate, write to
 * their frames and free them, on their own lcore or on another's. A frame with two owners, or one
 * that has no memory any more, is a race that ThreadSanitizer reports, or a fault.
 */
#include <stdlib.h>

#include "net/tap.h"
#include "work.h"

#include <labyrinth/labyrinth.h>

#define THREADS 3u
#define UNIT    512u
#define MOST    (10 * UNIT)
#define STEPS   30000u

struct user {
	struct lab_pool *pool;
	pthread_t thread;
	uint64_t random;
	uint64_t got, atomic, wrong;
};

/* What one thread has freed for another: a frame at a time. */
static void *left;

static void sign(struct user *u, void *const *frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		*(uint64_t *)frames[i] = (uint64_t)(uintptr_t)frames[i] ^ (uintptr_t)u;
}

static void give_back(struct user *u, void **frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		u->wrong +=
			*(uint64_t *)frames[i] != ((uint64_t)(uintptr_t)frames[i] ^ (uintptr_t)u);
	u->wrong += lab_free_bulk(u->pool, frames, n) != 0;
}

static void *use(void *arg)
{
	struct user *u = arg;
	void **frame = calloc(MOST + 64, sizeof(*frame));
	unsigned n = 0, most = MOST;

	for (unsigned step = 0; step < STEPS; step++) {
		unsigned want = 1 + random_below(&u->random, 48), got;
		lab_gfp_t gfp = random_below(&u->random, 3) ? LAB_GFP_NOWAIT : LAB_GFP_ATOMIC;

		if (step % 5000 == 0)
			most = most == MOST ? 16 : MOST;
		if (n + want <= most && random_below(&u->random, most == MOST ? 3 : 2)) {
			got = lab_alloc_burst(u->pool, frame + n, want, gfp);
			sign(u, frame + n, got);
			n += got;
			u->got += got;
			u->atomic += gfp == LAB_GFP_ATOMIC && got;
		} else if (n) {
			want = want < n ? want : n;
			n -= want;
			give_back(u, frame + n, want);
		}
		/* One of these goes by way of another thread. */
		if (n && random_below(&u->random, 8) == 0) {
			void *other = __atomic_exchange_n(&left, frame[--n], __ATOMIC_ACQ_REL);

			if (other)
				u->wrong += lab_free(u->pool, other) != 0;
		}
	}
	give_back(u, frame, n);
	free(frame);
	return NULL;
}

int main(void)
{
	const struct lab_pool_config config = {.name = "hammer",
					       .frames = UNIT,
					       .max_frames = MOST,
					       .page_size = LAB_PAGE_4K,
					       .reserve = 64,
					       .min = 64,
					       .low = UNIT / 2,
					       .high = 2 * UNIT,
					       .max_lcores = 8,
					       .flags = LAB_POOL_FALLBACK};
	struct lab_pool *pool = lab_pool_create(&config);
	struct user user[THREADS] = {0};
	struct lab_keeper_stats stats;
	uint64_t wrong = 0, seed = random_seed();

	if (!pool) {
		printf("Bail out! %s\n", lab_error_text());
		return EXIT_FAILURE;
	}
	tap_note("seed %llu", (unsigned long long)seed);
	for (unsigned i = 0; i < THREADS; i++) {
		user[i].pool = pool;
		user[i].random = seed + 2 * i;
		pthread_create(&user[i].thread, NULL, use, &user[i]);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(user[i].thread, NULL);
		wrong += user[i].wrong;
		tap_note("thread %u: %llu frames", i, (unsigned long long)user[i].got);
	}
	if (left)
		wrong += lab_free(pool, left) != 0;
	tap_ok(wrong == 0, "nobody has another's frame");
	lab_keeper_stats(pool, &stats);
	tap_note("%llu hugepages came, %llu went", (unsigned long long)stats.grown,
		 (unsigned long long)stats.shrunk);
	tap_ok(stats.grown > 4, "it breathes");
	tap_ok(lab_pool_validate(pool) == 0, "the pool is whole");
	tap_ok(lab_pool_destroy(pool) == 0, "and can go");
	return tap_done();
}
