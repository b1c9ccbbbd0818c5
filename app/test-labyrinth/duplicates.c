/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Two threads free one frame in the same instant: both may be believed, but the entry too many is
 * found, dropped and reported, and gives nothing. (The two windows of nanoseconds that the guide
 * names are beyond a test.)
 */
#include <stdatomic.h>

#include "refusals.h"
#include "work.h"

TestSuite(duplicates, .timeout = 60);

#define SMALL  256u
#define ROUNDS 10000

static struct {
	struct lab_pool *pool;
	struct gate gate;
	void *frame;
	int rc[2];
	atomic_uchar owners[SMALL];
	atomic_uint twice, handed_out;
	unsigned both;
} race;

static void take_all_and_return(unsigned self)
{
	void *mine[SMALL];
	unsigned got = 0, step;

	/* Singly, in bursts and by the block. */
	while (got < SMALL) {
		step = self ? lab_alloc_burst(race.pool, mine + got, SMALL - got < 32 ? 1 : 32, 0)
			    : 0;
		if (!step) {
			mine[got] = lab_alloc(race.pool, LAB_GFP_ATOMIC);
			step = mine[got] != NULL;
		}
		if (!step)
			break;
		got += step;
	}
	for (unsigned i = 0; i < got; i++) {
		uint32_t number = lab_frame_index(race.pool, mine[i]);

		if (number == LAB_FRAME_NONE || atomic_fetch_add(&race.owners[number], 1) != 0)
			atomic_fetch_add(&race.twice, 1);
	}
	atomic_fetch_add(&race.handed_out, got);
	gate_pass(&race.gate);
	for (unsigned i = 0; i < got; i++)
		atomic_store(&race.owners[lab_frame_index(race.pool, mine[i])], 0);
	if (lab_free_bulk(race.pool, mine, got) != 0)
		atomic_fetch_add(&race.twice, 1);
}

static void *freer(void *arg)
{
	unsigned self = arg != NULL;
	uint64_t random = 77 + self;
	uint8_t *state;
	void *own;

	pin_to(self);
	for (unsigned round = 0; round < ROUNDS; round++) {
		/* Whoever allocated it, the frame's line may lie with either. */
		if (self == (round & 1))
			race.frame = lab_alloc(race.pool, LAB_GFP_ATOMIC);
		gate_pass(&race.gate);
		own = race.frame;
		state = &race.pool->state[lab_frame_index(race.pool, own)];
		__atomic_load_n(state, __ATOMIC_RELAXED); /* now both CPUs have its line */
		gate_pass(&race.gate);
		/* The gate lets its last comer go first, by about a cache line's travel. */
		for (volatile unsigned wait = random_below(&random, 100); wait; wait--)
			;
		race.rc[self] = lab_free(race.pool, own);
		gate_pass(&race.gate);
		if (self)
			race.both += race.rc[0] == 0 && race.rc[1] == 0;
		else if (race.rc[0] != 0 && race.rc[1] != 0)
			atomic_fetch_add(&race.twice, 1000000);
		gate_pass(&race.gate);
		take_all_and_return(self);
		gate_pass(&race.gate);
	}
	lab_lcore_unregister(race.pool);
	return NULL;
}

Test(duplicates, freed_at_the_same_instant_and_never_handed_out_twice)
{
	struct lab_pool_config config = {.frames = SMALL,
					 .page_size = LAB_PAGE_4K,
					 .cache_frames = 64,
					 .flags = LAB_POOL_FALLBACK};
	struct lab_pool_stats stats;
	pthread_t thread;

	race.pool = pool_of(&config);
	race.gate.threads = 2;
	cr_assert_eq(pthread_create(&thread, NULL, freer, &race), 0);
	freer(NULL);
	pthread_join(thread, NULL);
	lab_pool_stats(race.pool, &stats);
	cr_log_info("%u of %u frees were believed twice, %llu entries dropped", race.both, ROUNDS,
		    (unsigned long long)stats.dropped);
	cr_assert_eq(race.twice, 0, "%u wrong", race.twice);
	cr_assert_eq(race.handed_out, SMALL * ROUNDS, "frames were lost or came twice");
	cr_assert_eq(stats.dropped, race.both, "%u doubly freed, %llu dropped", race.both,
		     (unsigned long long)stats.dropped);
	cr_assert_eq(stats.refused[LAB_DROPPED_DUPLICATE], race.both);
	cr_assert_eq(stats.refused[LAB_REFUSED_DOUBLE_FREE], ROUNDS - race.both);
	end_whole(race.pool);
}

/* Another thread, and what it frees as well. */
struct second {
	struct lab_pool *pool;
	void *frame;
	int rc;
	struct gate gate;
};

/* A frame leaves its bundle by compare-and-swap: of two frees at once exactly one is believed. */
static void *bundle_freer(void *arg)
{
	struct second *second = arg;

	pin_to(1);
	for (;;) {
		gate_pass(&second->gate);
		if (!second->frame)
			return NULL;
		second->rc = lab_free(second->pool, second->frame);
		gate_pass(&second->gate);
		lab_lcore_unregister(second->pool);
		gate_pass(&second->gate);
	}
}

Test(duplicates, a_bundled_frame_freed_at_the_same_instant)
{
	struct second second = {.pool = small_pool(1024, 0), .gate = {.threads = 2}};
	struct lab_pool *pool = second.pool;
	struct lab_pool_stats stats;
	void *frame[LAB_BLOCK_FRAMES];
	unsigned bundled = 0;
	pthread_t thread;
	int rc;

	cr_assert_eq(pthread_create(&thread, NULL, bundle_freer, &second), 0);
	pin_to(0);
	for (unsigned round = 0; round < 2000; round++) {
		scatter(pool);
		cr_assert_eq(lab_alloc_bulk(pool, frame, LAB_BLOCK_FRAMES, 0), 0);
		second.frame = frame[round % LAB_BLOCK_FRAMES];
		if (pool->state[lab_frame_index(pool, second.frame)] != LAB_STATE_BUNDLED) {
			cr_assert_eq(lab_free_bulk(pool, frame, LAB_BLOCK_FRAMES), 0);
			continue;
		}
		bundled++;
		gate_pass(&second.gate);
		rc = lab_free(pool, second.frame);
		gate_pass(&second.gate);
		cr_assert_eq(rc + second.rc, -EALREADY, "round %u: %d and %d", round, rc,
			     second.rc);
		gate_pass(&second.gate);
		frame[round % LAB_BLOCK_FRAMES] = frame[0];
		cr_assert_eq(lab_free_bulk(pool, frame + 1, LAB_BLOCK_FRAMES - 1), 0);
		if (round % 64 == 0)
			allocatable_once(pool, 1024);
		lab_lcore_unregister(pool);
	}
	second.frame = NULL;
	gate_pass(&second.gate);
	pthread_join(thread, NULL);
	cr_assert_gt(bundled, 50, "only %u rounds were about bundles", bundled);
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.dropped, 0);
	end_whole(pool);
}

/*
 * The race made by hand, so that it happens each time: the second free is shown the byte that it
 * would have read in that instant.
 */
static void *second_free(void *arg)
{
	struct second *second = arg;
	uint32_t number = lab_frame_index(second->pool, second->frame);

	lab_lcore_register(second->pool, "second");
	second->pool->state[number] = LAB_STATE_HELD(1);
	lab_free(second->pool, second->frame);
	gate_pass(&second->gate); /* now both have an entry */
	gate_pass(&second->gate); /* the first has looked at its own */
	lab_lcore_unregister(second->pool);
	return NULL;
}

/* How the first thread meets its entry. */
enum met { SINGLE, BURST, BULK, FLUSHED, DRAINED, WAYS };

Test(duplicates, each_way_to_meet_the_entry_too_many)
{
	for (enum met met = 0; met < WAYS; met++) {
		struct seen seen;
		struct lab_pool *pool = watched_pool("rx", &seen);
		struct second second = {.pool = pool, .gate = {.threads = 2}};
		struct lab_pool_stats stats;
		void *frame[FRAMES], *filler[900];
		pthread_t thread;
		uint32_t number;
		unsigned got = 0;

		cr_assert_eq(lab_alloc_bulk(pool, filler, 900, 0), 0);
		second.frame = lab_alloc(pool, LAB_GFP_ATOMIC);
		number = lab_frame_index(pool, second.frame);
		cr_assert_eq(lab_free(pool, second.frame), 0);
		cr_assert_eq(pthread_create(&thread, NULL, second_free, &second), 0);
		gate_pass(&second.gate);
		cr_assert_eq(pool->state[number], LAB_STATE_FREED(2));
		cr_assert_eq(seen.calls, 0);
		if (met == SINGLE) {
			frame[got++] = lab_alloc(pool, LAB_GFP_ATOMIC);
		} else if (met == BURST) {
			got = lab_alloc_burst(pool, frame, 5, LAB_GFP_ATOMIC);
		} else if (met == BULK) {
			cr_assert_eq(lab_alloc_bulk(pool, frame, 5, LAB_GFP_ATOMIC), 0);
			got = 5;
		} else if (met == FLUSHED) {
			for (unsigned i = 0; i < 900; i++)
				cr_assert_eq(lab_free(pool, filler[i]), 0);
		} else {
			cr_assert_eq(lab_lcore_unregister(pool), 0);
		}
		cr_assert_eq(seen.calls, 1, "way %d: %u reports", met, seen.calls);
		cr_assert_eq(seen.last.kind, LAB_DROPPED_DUPLICATE);
		cr_assert_eq(seen.last.frame, number);
		cr_assert(strstr(seen.text, "freed twice in the same instant"), "%s", seen.text);
		cr_assert(strstr(seen.text, "in the cache of lcore 2 (second)"), "%s", seen.text);
		for (unsigned i = 0; i < got; i++)
			cr_assert_neq(frame[i], second.frame, "way %d handed it out", met);
		lab_pool_stats(pool, &stats);
		cr_assert_eq(stats.dropped, 1);
		cr_assert_eq(stats.refused[LAB_DROPPED_DUPLICATE], 1);
		gate_pass(&second.gate);
		pthread_join(thread, NULL);
		cr_assert_eq(lab_free_bulk(pool, frame, got), 0);
		if (met != FLUSHED)
			cr_assert_eq(lab_free_bulk(pool, filler, 900), 0);
		end_whole(pool);
	}
}

/* A whole block, twice: 32 entries too many, none of them handed out. */
static void *second_free_of_a_block(void *arg)
{
	struct second *second = arg;
	uint32_t first = lab_frame_index(second->pool, second->frame);
	void *frame[LAB_BLOCK_FRAMES];

	lab_lcore_register(second->pool, "second");
	for (unsigned i = 0; i < LAB_BLOCK_FRAMES; i++) {
		second->pool->state[first + i] = LAB_STATE_HELD(1);
		frame[i] = lab_frame_at(second->pool, first + i);
	}
	lab_free_bulk(second->pool, frame, LAB_BLOCK_FRAMES);
	gate_pass(&second->gate);
	gate_pass(&second->gate);
	lab_lcore_unregister(second->pool);
	return NULL;
}

Test(duplicates, a_block_freed_twice)
{
	for (enum met met = 0; met < WAYS; met++) {
		struct lab_pool *pool = small_pool(FRAMES, 0);
		struct second second = {.pool = pool, .gate = {.threads = 2}};
		struct lab_pool_stats stats;
		void *block[LAB_BLOCK_FRAMES], *frame[LAB_BLOCK_FRAMES], *filler[900];
		pthread_t thread;

		cr_assert_eq(lab_alloc_bulk(pool, filler, 896, 0), 0);
		cr_assert_eq(lab_alloc_bulk(pool, block, LAB_BLOCK_FRAMES, 0), 0);
		cr_assert_eq(lab_frame_index(pool, block[0]) % LAB_BLOCK_FRAMES, 0);
		cr_assert_eq(lab_free_bulk(pool, block, LAB_BLOCK_FRAMES), 0);
		second.frame = block[0];
		cr_assert_eq(pthread_create(&thread, NULL, second_free_of_a_block, &second), 0);
		gate_pass(&second.gate);
		if (met == SINGLE) {
			cr_assert_not_null(frame[0] = lab_alloc(pool, LAB_GFP_ATOMIC));
			cr_assert_eq(lab_free(pool, frame[0]), 0);
		} else if (met == BURST || met == BULK) {
			if (met == BURST)
				cr_assert_eq(lab_alloc_burst(pool, frame, 32, 0), 32);
			else
				cr_assert_eq(lab_alloc_bulk(pool, frame, 32, 0), 0);
			for (unsigned i = 0; i < 32; i++)
				cr_assert(frame[i] < block[0] || frame[i] > block[31],
					  "way %d handed it out", met);
			cr_assert_eq(lab_free_bulk(pool, frame, 32), 0);
		} else if (met == FLUSHED) {
			cr_assert_eq(lab_free_bulk(pool, filler, 896), 0);
			cr_assert_eq(lab_alloc_bulk(pool, filler, 896, 0), 0);
		}
		cr_assert_eq(lab_lcore_unregister(pool), 0);
		gate_pass(&second.gate);
		pthread_join(thread, NULL);
		cr_assert_eq(lab_free_bulk(pool, filler, 896), 0);
		allocatable_once(pool, FRAMES);
		lab_pool_stats(pool, &stats);
		cr_assert_eq(stats.dropped, LAB_BLOCK_FRAMES, "way %d: %llu", met,
			     (unsigned long long)stats.dropped);
		end_whole(pool);
	}
}

/* Both lcores have an entry for the same 32 frames, and both allocate in the same instant. */
static struct {
	struct lab_pool *pool;
	struct gate gate;
	void *block[LAB_BLOCK_FRAMES];
	uint32_t owner[SMALL];
	unsigned twice, wrong;
} rush;

static void *rusher(void *arg)
{
	unsigned self = arg != NULL;
	void *frame[64];

	pin_to(self);
	for (unsigned round = 0; round < 600; round++) {
		unsigned n = round % 3 == 0 ? 1 : round % 3 == 1 ? 32 : 40, got;

		if (!self) {
			rush.pool = small_pool(SMALL, 0); /* new: its frames come as blocks */
			rush.wrong += lab_alloc_bulk(rush.pool, rush.block, 32, 0) != 0;
			rush.wrong += lab_free_bulk(rush.pool, rush.block, 32) != 0;
		}
		gate_pass(&rush.gate);
		if (self) {
			for (unsigned i = 0; i < 32; i++) {
				uint32_t number = lab_frame_index(rush.pool, rush.block[i]);

				/* As read before the first free's store. */
				rush.pool->state[number] = LAB_STATE_HELD(1);
			}
			rush.wrong += lab_free_bulk(rush.pool, rush.block, 32) != 0;
		}
		gate_pass(&rush.gate);
		got = n == 1 ? (frame[0] = lab_alloc(rush.pool, 0)) != NULL
			     : lab_alloc_burst(rush.pool, frame, n, 0);
		for (unsigned i = 0; i < got; i++) {
			uint32_t *owner = &rush.owner[lab_frame_index(rush.pool, frame[i])];

			if (__atomic_exchange_n(owner, 1 + self, __ATOMIC_RELAXED) != 0)
				__atomic_add_fetch(&rush.twice, 1, __ATOMIC_RELAXED);
		}
		gate_pass(&rush.gate);
		if (self)
			continue;
		memset(rush.owner, 0, sizeof(rush.owner));
		lab_pool_destroy(rush.pool);
	}
	return NULL;
}

Test(duplicates, a_block_freed_twice_and_allocated_at_once)
{
	pthread_t thread;

	rush.gate.threads = 2;
	cr_assert_eq(pthread_create(&thread, NULL, rusher, &rush), 0);
	rusher(NULL);
	pthread_join(thread, NULL);
	cr_assert_eq(rush.wrong, 0);
	cr_assert_eq(rush.twice, 0, "%u times a frame was handed out twice", rush.twice);
}

/*
 * The entry too many and, later, a rightful one in the same cache: the frame came back to the lcore
 * that had been too late. Both look true there; only one may go on to the depot, for there any two
 * lcores may take from it at once.
 */
Test(duplicates, a_late_entry_and_a_true_one_in_one_cache)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	struct lab_pool_stats stats;
	void *filler[900], *frame;

	cr_assert_eq(lab_alloc_bulk(pool, filler, 900, 0), 0);
	cr_assert_not_null(frame = lab_alloc(pool, LAB_GFP_ATOMIC));
	cr_assert_eq(lab_free(pool, frame), 0);
	pool->state[lab_frame_index(pool, frame)] = LAB_STATE_HELD(2);
	cr_assert_eq(lab_free(pool, frame), 0);
	for (unsigned i = 0; i < 900; i++)
		cr_assert_eq(lab_free(pool, filler[i]), 0);
	lab_lcore_unregister(pool);
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.free, FRAMES, "%llu entries in the depot for %u frames",
		     (unsigned long long)stats.free, FRAMES);
	cr_assert_eq(stats.dropped, 1);
	end_whole(pool);
}
