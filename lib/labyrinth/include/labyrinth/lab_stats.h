/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Statistics, which always add up: total = free + cached + held + lent + retired in every snapshot
 * (each part is derived from the same set of counters), and equals a count of the frames themselves
 * at every quiet point (lab_pool_census()).
 */
#ifndef LAB_STATS_H
#define LAB_STATS_H

#include <stdint.h>

#include "lab_pool.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct lab_pool_stats - a pool's frames and what happened to them. Counts of frames, except where
 * said.
 * @total: all that there are now.
 * @free: in the depot, the reserve included.
 * @reserved: of the free ones, those in the reserve, which only LAB_GFP_ATOMIC gets.
 * @cached: in caches of lcores, free for that lcore.
 * @held: allocated.
 * @lent: with devices.
 * @quarantined: of the lent ones, those of devices that were closed and could not be reset.
 * @retired: out of circulation: see lab_retire.h. They were allocated, and never freed.
 * @allocs: handed out since creation.
 * @frees: returned since creation, duplicates included: allocs - frees + dropped = held +
 *	lent + retired at a quiet point, as long as no process was reaped (and see lab_numbers.h).
 * @misses: allocation calls that found too few frames.
 * @refilled: moved from the depot to a cache.
 * @flushed: moved from a cache to the depot.
 * @dropped: duplicate entries found and forgotten (LAB_DROPPED_DUPLICATE).
 * @refused: calls refused, by enum lab_refusal_kind.
 * @reaped_processes: of a shared pool: processes that died and were reaped.
 * @reaped_frames: what they had held, cached or been moving.
 * @grown, @shrunk: of a pool that breathes: frames that came and went since creation; they count
 *	neither as frees nor as allocations here, but do so for the keeper's lcore, which gives them
 *	and takes them.
 * @lcores: slots in use now (a count of threads).
 */
struct lab_pool_stats {
	uint64_t total;
	uint64_t free;
	uint64_t reserved;
	uint64_t cached;
	uint64_t held;
	uint64_t lent;
	uint64_t quarantined;
	uint64_t retired;
	uint64_t allocs;
	uint64_t frees;
	uint64_t misses;
	uint64_t refilled;
	uint64_t flushed;
	uint64_t dropped;
	uint64_t refused[LAB_REFUSED_KINDS];
	uint64_t reaped_processes;
	uint64_t reaped_frames;
	uint64_t grown;
	uint64_t shrunk;
	uint32_t lcores;
};

/**
 * struct lab_lcore_stats - the same by lcore; a slot's counters go on over the threads that use it.
 * At a quiet point refilled + frees = flushed + allocs + cached + dropped; frees is derived from
 * that, so beside a working lcore it may step back by what is just being moved.
 * @name: of the slot's present (or last) thread.
 * @active: 1 while a thread has the slot.
 * @lent, @taken_back: their difference is lent now; what went into quarantine counts as taken back.
 */
struct lab_lcore_stats {
	char name[16];
	int active;
	uint64_t cached;
	uint64_t allocs;
	uint64_t frees;
	uint64_t misses;
	uint64_t refilled;
	uint64_t flushed;
	uint64_t dropped;
	uint64_t lent;
	uint64_t taken_back;
	uint64_t refused[LAB_REFUSED_KINDS];
};

/**
 * lab_pool_stats() - a snapshot of the pool's statistics.
 *
 * Thread-safe, never sleeps, disturbs no data path (it reads the lcores' counters).
 */
void lab_pool_stats(const struct lab_pool *pool, struct lab_pool_stats *stats);

/**
 * lab_lcore_stats() - a snapshot of one lcore's statistics.
 * Return: 0, or -ENOENT if @lcore is not in 1..max_lcores.
 */
int lab_lcore_stats(const struct lab_pool *pool, unsigned lcore, struct lab_lcore_stats *stats);

/** lab_pool_max_lcores() - how many slots the pool has, for walking them (1..this). */
unsigned lab_pool_max_lcores(const struct lab_pool *pool);

/**
 * struct lab_depot_stats - where a pool's magazines are.
 * @capacity: frames that a full one stands for.
 * @magazines: in all.
 * @blocks, @loose: full ones, of blocks and bundles, or of loose frames.
 * @blocks_partial, @loose_partial: partly filled ones.
 * @sparse: of a pool that breathes: loose frames of hugepages that are to become idle, which are
 *	taken last.
 * @empty: as it says.
 * @in_hands: of lcores, which are moving them or keep them for the next flush.
 * @bundles: descriptors in all, and @bundles_used.
 */
struct lab_depot_stats {
	uint32_t capacity;
	uint32_t magazines;
	uint32_t blocks;
	uint32_t loose;
	uint32_t blocks_partial;
	uint32_t loose_partial;
	uint32_t sparse;
	uint32_t empty;
	uint32_t in_hands;
	uint32_t bundles;
	uint32_t bundles_used;
};

/** lab_pool_depot_stats() - a snapshot of the depot: a pass over its magazines. Thread-safe. */
void lab_pool_depot_stats(const struct lab_pool *pool, struct lab_depot_stats *stats);

/**
 * lab_pool_census() - count the frames by their state bytes, one by one. (How many of the free ones
 * lie in caches is the caches' own count.)
 * @pool: an exclusive pool.
 * @census: only total, free, cached, held, lent and retired are set; the rest is zero.
 *
 * Return: 0, or -ENOTSUP for an unprotected pool, which keeps no such table. A pass over the frame
 * table. Exact at a quiet point.
 */
int lab_pool_census(const struct lab_pool *pool, struct lab_pool_stats *census);

/**
 * lab_pool_validate() - check that all of a pool's tables agree: each free frame is listed once, in
 * the depot or in a cache, as its state says, any other nowhere; each magazine is in one place; the
 * counters say what is there.
 *
 * At a quiet point only: beside working lcores it meets frames on their way. Return: 0; or
 * -EUCLEAN, and lab_error_text() names the first thing that is wrong; or -ENOMEM. May sleep.
 */
int lab_pool_validate(const struct lab_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
