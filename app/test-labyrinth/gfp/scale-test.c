/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The reserve and breathing at the size of a program's pool, on hugepages: control traffic in a
 * flood from every CPU; hugepages that go back to the kernel after a random order, with how long
 * that took and why the rest stayed; and a population that is replaced frame by frame, whose
 * hugepages become idle because those that few use are taken last.
 *
 *	scale-test [HUGEPAGES]
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <labyrinth/labyrinth.h>

#include "../net/tap.h"
#include "../work.h"

#define UNIT     512u
#define REPLIES  1000000u
#define DEADLINE 5.0 /* seconds for what takes some hundredths: never a race with the machine */

static uint64_t hugepages = 128;

static struct lab_pool *made(uint64_t min, uint64_t frames, uint64_t max)
{
	const struct lab_pool_config config = {
		.name = "scale", .frames = frames, .min_frames = min, .max_frames = max};
	struct lab_pool *pool = lab_pool_create(&config);

	if (!pool) {
		printf("Bail out! %s\n", lab_error_text());
		exit(EXIT_FAILURE);
	}
	return pool;
}

static void shuffle(void **frames, uint64_t n, uint64_t *random)
{
	for (uint64_t i = n; i > 1; i--) {
		uint64_t at = random_below(random, (uint32_t)i);
		void *swap = frames[at];

		frames[at] = frames[i - 1];
		frames[i - 1] = swap;
	}
}

/* ---- a flood ---- */

struct flood {
	struct lab_pool *pool;
	void **frame;
	uint64_t room, got;
	uint32_t stop;
};

/* All that it can get; now and then it lets some go, and takes them again. */
static void *be_greedy(void *arg)
{
	struct flood *f = arg;
	uint64_t n = 0, random = (uint64_t)(uintptr_t)f | 1;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		unsigned got = n + 32 <= f->room
				       ? lab_alloc_burst(f->pool, f->frame + n, 32, LAB_GFP_NOWAIT)
				       : 0;

		n += got;
		f->got += got;
		if (n > 64 && random_below(&random, 16) == 0) {
			n -= 64;
			lab_free_bulk(f->pool, f->frame + n, 64);
		}
	}
	lab_free_bulk(f->pool, f->frame, n);
	return NULL;
}

static void test_flood(void)
{
	uint64_t frames = hugepages * UNIT, lost = 0, replies = 0, random = 5, dug = 0, n_rx = 0;
	struct lab_pool *pool = made(0, frames, 0);
	void **rx = calloc(frames, sizeof(*rx));
	struct lab_pool_stats stats, now;
	struct flood f[3];
	pthread_t thread[3];
	void *reply[64];
	int bad = 0;

	lab_pool_stats(pool, &stats);
	for (unsigned i = 0; i < 3; i++) {
		f[i] = (struct flood){.pool = pool, .room = frames};
		f[i].frame = malloc(frames * sizeof(void *));
		pthread_create(&thread[i], NULL, be_greedy, &f[i]);
	}
	while (replies < REPLIES) {
		unsigned n = 1 + random_below(&random, 64), got = 0;

		/* This lcore receives, too: or the replies would live on what its cache has. */
		n_rx += lab_alloc_burst(pool, rx + n_rx, 32, LAB_GFP_NOWAIT);
		while (got < n && (reply[got] = lab_alloc(pool, LAB_GFP_ATOMIC)))
			got++;
		lost += n - got;
		replies += n;
		if (replies % 64 == 0) {
			lab_pool_stats(pool, &now);
			dug += now.reserved < stats.reserved;
		}
		bad |= lab_free_bulk(pool, reply, got);
	}
	for (unsigned i = 0; i < 3; i++)
		__atomic_store_n(&f[i].stop, 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(thread[i], NULL);
		free(f[i].frame);
	}
	bad |= lab_free_bulk(pool, rx, n_rx);
	free(rx);
	tap_note("a reserve of %llu frames of %llu; the flood took %llu frames beside %u replies",
		 (unsigned long long)stats.reserved, (unsigned long long)stats.total,
		 (unsigned long long)(f[0].got + f[1].got + f[2].got), REPLIES);
	tap_ok(dug > 0, "flood: the replies need the reserve");
	tap_ok(lost == 0 && !bad, "flood: of a million ATOMIC allocations none is lost");
	lab_pool_stats(pool, &stats);
	tap_ok(stats.held == 0 && lab_pool_validate(pool) == 0, "flood: the pool is whole");
	tap_ok(lab_pool_destroy(pool) == 0, "flood: it can be destroyed");
}

/* ---- a random order ---- */

static uint64_t total_of(const struct lab_pool *pool)
{
	struct lab_pool_stats stats;

	lab_pool_stats(pool, &stats);
	return stats.total;
}

static void say_why(struct lab_pool *pool)
{
	struct lab_keeper_stats s;

	if (lab_keeper_stats(pool, &s) == 0)
		tap_note("%llu hugepages: %llu with frames in use, %llu with frames in caches, "
			 "%llu idle, which high keeps",
			 (unsigned long long)s.hugepages, (unsigned long long)s.in_use,
			 (unsigned long long)s.cached, (unsigned long long)s.idle);
}

static void test_random_order(void)
{
	uint64_t frames = hugepages * UNIT, kept = frames / 20, used = 0, want, random = 9;
	int64_t before, back;
	struct lab_pool *pool = made(UNIT, frames, frames);
	void **frame = calloc(frames, sizeof(*frame));
	char *in_use = calloc(hugepages, 1);
	double began, took;
	uint64_t n = 0;

	while (n < frames && (frame[n] = lab_alloc(pool, LAB_GFP_ATOMIC)))
		n++;
	tap_ok(n == frames, "random order: all frames are had");
	for (uint64_t i = 0; i < kept; i++)
		in_use[lab_frame_index(pool, frame[i]) / UNIT] = 1;
	for (uint64_t i = 0; i < hugepages; i++)
		used += (uint64_t)in_use[i];
	before = lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY);
	shuffle(frame + kept, frames - kept, &random);
	for (uint64_t i = kept; i < frames; i++)
		lab_free(pool, frame[i]);
	lab_lcore_drain(pool);
	/* high keeps some idle ones. */
	want = (hugepages - used) * 9 / 10;
	began = seconds_now();
	do {
		usleep(1000);
		back = lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY) - before;
		took = seconds_now() - began;
	} while (back < (int64_t)want && took < DEADLINE);
	tap_note("%lld of the %llu hugepages that hold no frame in use went back within %.0f ms",
		 (long long)back, (unsigned long long)(hugepages - used), took * 1000);
	say_why(pool);
	tap_ok(back >= (int64_t)want, "random order: nine of ten that hold no frame go back");
	for (uint64_t i = 0; i < kept; i++)
		lab_free(pool, frame[i]);
	tap_ok(lab_pool_validate(pool) == 0 && lab_pool_destroy(pool) == 0,
	       "random order: the pool is whole");
	free(frame);
	free(in_use);
}

/* ---- a population whose frames are spread over all hugepages ---- */

static void test_population(void)
{
	uint64_t frames = hugepages * UNIT, kept = frames / 20, random = 13, n = 0;
	struct lab_pool *pool = made(UNIT, frames, frames);
	void **frame = calloc(frames, sizeof(*frame));
	uint64_t replaced = 0, at_first, at_last;
	int full = 1;
	double began;

	while (n < frames && (frame[n] = lab_alloc(pool, LAB_GFP_ATOMIC)))
		n++;
	shuffle(frame, frames, &random);
	for (uint64_t i = kept; i < n; i++)
		lab_free(pool, frame[i]);
	lab_lcore_drain(pool);
	usleep(200000);
	at_first = total_of(pool) / UNIT;
	tap_ok(at_first > hugepages * 9 / 10, "population: it is spread over all hugepages");
	say_why(pool);
	/* Many at a time, in a random order, go and others come, more than a cache holds, as with
	 * traffic in gusts. */
	began = seconds_now();
	do {
		shuffle(frame, kept, &random);
		for (uint64_t i = 0; i < kept / 2; i++)
			lab_free(pool, frame[i]);
		usleep(10000);
		for (uint64_t i = 0; i < kept / 2; i++)
			full &= (frame[i] = lab_alloc(pool, LAB_GFP_ATOMIC)) != NULL;
		replaced += kept / 2;
		usleep(10000);
		at_last = total_of(pool) / UNIT;
	} while (full && at_last > hugepages * 3 / 4 && seconds_now() - began < 3 * DEADLINE);
	tap_note("5 %% of the frames, in all of %llu hugepages; after %llu of them were replaced, "
		 "within %.1f s, in %llu",
		 (unsigned long long)at_first, (unsigned long long)replaced, seconds_now() - began,
		 (unsigned long long)at_last);
	say_why(pool);
	tap_ok(full && at_last <= hugepages * 3 / 4, "population: it draws together");
	for (uint64_t i = 0; i < kept; i++)
		lab_free(pool, frame[i]);
	tap_ok(lab_pool_validate(pool) == 0 && lab_pool_destroy(pool) == 0,
	       "population: the pool is whole");
	free(frame);
}

int main(int argc, char **argv)
{
	int64_t have = lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY);

	if (argc > 1)
		hugepages = strtoull(argv[1], NULL, 0);
	if (have < (int64_t)hugepages)
		tap_skip_all("too few hugepages of 2 MiB are free");
	test_flood();
	test_random_order();
	test_population();
	tap_ok(lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY) == have,
	       "as many hugepages are free as before");
	return tap_done();
}
