/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The inside of a pool's breath, for the two files that it consists of: how units come and go
 * (breath.c), and when (breath_keeper.c).
 */
#ifndef BREATH_INSIDE_H
#define BREATH_INSIDE_H

#include <pthread.h>
#include <time.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_keeper.h>

#include "arena.h"
#include "breath.h"

/* Units that one round adds or removes at most: so it does not hold many frames at a time. */
#define AT_ONCE 8u

/* lab_breath.there: a unit has memory; it is to go; its frames are set apart. */
enum { ABSENT, PRESENT, GOING, SPARSE };

/* Of a unit: what its frames are. */
struct tally {
	uint32_t depot; /* in the depot, or in the reserve */
	uint32_t free;  /* by their bytes, wherever they are */
	uint32_t retired;
};

/**
 * struct lab_breath - @lock guards all of it, but that @stop and @there may be looked at without.
 * @wake: the thread is to look at @stop; or it has its lcore (@ready).
 * @request: of a unit. @shift: log2 of its frames. @units: of the largest size.
 * @rate: MiB a second, or 0. @there: by unit. @tally: by unit, as of the last count.
 * @frames: room for AT_ONCE units' frames.
 * @next, @retry, @recalled, @sorted: in nanoseconds of the monotonic clock, before which nothing
 *	comes or goes (the rate), nothing comes (a failure), caches are left alone, nothing is
 *	sorted.
 * @sort_every: how long until the next sort. @sort_seen: stats.shrunk at the last one.
 * @stats: what is counted on the way; the rest of it is filled in for who asks.
 */
struct lab_breath {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	int has_thread, ready, stop;
	struct lab_arena_request request;
	unsigned shift;
	uint32_t units;
	uint32_t rate;
	uint8_t *there;
	struct tally *tally;
	void **frames;
	uint64_t next, retry, recalled, sorted;
	uint64_t sort_every, sort_seen;
	struct lab_keeper_stats stats;
};

static inline uint64_t lab_breath_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline uint32_t unit_frames(const struct lab_breath *b)
{
	return 1u << b->shift;
}

static inline size_t unit_bytes(const struct lab_breath *b)
{
	return (size_t)LAB_FRAME_SIZE << b->shift;
}

static inline uint64_t lab_breath_present(const struct lab_pool_priv *priv)
{
	return priv->pool.frames - lab_load(&priv->shared->absent);
}

/** lab_breath_grow() - up to @n units more, the lowest. Under the locks, as the next two. Return:
 * how many; or -errno if there is not one. */
int64_t lab_breath_grow(struct lab_pool_priv *priv, const struct lab_mapper *mapper, uint64_t n);

/** lab_breath_shrink() - up to @n units less; where none is idle, frames are sorted so that up to
 * @surplus become so. Return: how many; or -errno. */
int64_t lab_breath_shrink(struct lab_pool_priv *priv, const struct lab_mapper *mapper, uint64_t n,
			  uint64_t surplus);

/** lab_breath_count() - fill in the tallies. */
void lab_breath_count(struct lab_pool_priv *priv);

#endif
