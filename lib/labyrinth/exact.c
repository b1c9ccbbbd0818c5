/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Frames one by one, out of the depot's only set and back.
 */
#include <errno.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_frame.h>

#include "cache.h"
#include "common.h"
#include "depot.h"
#include "error.h"
#include "exact.h"
#include "home.h"
#include "lcore.h"
#include "refusal.h"

/* ---- out ---- */

/* One frame, or NULL: there is none. */
static void *take_one(struct lab_pool *pool, struct lab_cache *c)
{
	struct lab_magazine *mag;

	if (lab_unlikely(lab_fault_hit(pool->priv, LAB_FAULT_REFILL)))
		return NULL;
	while ((mag = lab_depot_pop_thoroughly(pool->depot, LAB_DEPOT_EMPTY, c->lcore))) {
		uint32_t frame = lab_depot_number(pool->depot, mag);

		if (lab_likely(lab_load(&pool->state[frame]) == LAB_STATE_DEPOT)) {
			/* Relaxed: the word is this lcore's, and the byte with it. */
			lab_store(&pool->state[frame], LAB_STATE_HELD(c->lcore));
			return lab_frame_at(pool, frame);
		}
		/* Somebody has overwritten the tables; the frame is where its byte says. */
		lab_cache_drop(pool, c, frame);
	}
	return NULL;
}

static unsigned take(struct lab_pool *pool, struct lab_cache *c, void **frames, unsigned n)
{
	unsigned got = 0;

	while (got < n && (frames[got] = take_one(pool, c)))
		got++;
	lab_store(&c->refilled, c->refilled + got);
	return got;
}

static int alloc_bulk(struct lab_pool *pool, struct lab_cache *c, void **frames, unsigned n,
		      uint32_t gfp)
{
	return lab_alloc_bulk_slow(pool, frames, n, gfp);
}

/* ---- in ---- */

void lab_exact_put(struct lab_pool *pool, uint32_t frame, unsigned lcore)
{
	struct lab_magazine *mag = lab_depot_magazine(pool->depot, frame);

	/* Relaxed: until it is pushed nobody but a reaper looks at it, and that has the lcore's
	 * process's lock. */
	lab_store(&mag->where, LAB_MAGAZINE_OF(lcore));
	/* Release: who reads "the depot's" finds the word that names this lcore, or a later one. */
	lab_store_release(&pool->state[frame], LAB_STATE_DEPOT);
	lab_depot_push(pool->depot, LAB_DEPOT_EMPTY, mag);
}

/* 1 if the frame was this process's to free, and is "free, mine" now. */
static int claim(struct lab_pool *pool, struct lab_cache *c, uint32_t frame)
{
	uint8_t found;

	if (lab_unlikely(frame == LAB_FRAME_NONE))
		return 0;
	found = lab_load(&pool->state[frame]);
	/* Relaxed: one of several frees of the frame wins. What was done with it before is the
	 * program's to order, and the push releases it. */
	if (lab_likely(LAB_HELD_HERE(c, found)) &&
	    __atomic_compare_exchange_n(&pool->state[frame], &found, c->freed, 0, __ATOMIC_RELAXED,
					__ATOMIC_RELAXED))
		return 1;
	return lab_home_leave(pool, frame, c->freed) || lab_common_leave(pool, frame, c->freed);
}

static int free_bulk(struct lab_pool *pool, struct lab_cache *c, void *const *frames, unsigned n)
{
	unsigned freed = 0;
	int err = 0;

	c = lab_lcore_self(pool); /* the caller may have had none yet */
	if (lab_unlikely(!c))
		return -errno;
	for (unsigned i = 0; i < n; i++) {
		uint32_t frame = lab_frame_index(pool, frames[i]);

		if (lab_likely(claim(pool, c, frame))) {
			lab_exact_put(pool, frame, c->lcore);
			freed++;
		} else {
			int refused = lab_refuse_free(pool, frames[i]);

			err = err ? err : refused;
		}
	}
	lab_store(&c->flushed, c->flushed + freed);
	return err;
}

const struct lab_bulk lab_bulk_exact = {
	.take = take,
	.alloc_bulk = alloc_bulk,
	.free_bulk = free_bulk,
};

/* ---- after a death ---- */

int lab_exact_mend(struct lab_pool *pool, uint32_t frame, unsigned lcore)
{
	struct lab_magazine *mag = lab_depot_magazine(pool->depot, frame);
	uint32_t expected = LAB_MAGAZINE_OF(lcore);

	/*
	 * The byte first, then the word. A frame whose byte says "the depot's" while its word names
	 * a dead lcore is nobody's: whoever frees one names itself in the word before the byte says
	 * so (acquire, with the release in lab_exact_put()). Release: as a push.
	 */
	if (__atomic_load_n(&pool->state[frame], __ATOMIC_ACQUIRE) != LAB_STATE_DEPOT ||
	    !__atomic_compare_exchange_n(&mag->where, &expected, (uint32_t)LAB_DEPOT_EMPTY, 0,
					 __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return 0;
	return 1;
}
