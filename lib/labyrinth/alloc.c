/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The data path behind the inlined hits: first calls, flags, refills, flushes, bursts. No system
 * call, no lock.
 */
#include <errno.h>
#include <string.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_frame.h>

#include "bulk.h"
#include "cache.h"
#include "error.h"
#include "home.h"
#include "lcore.h"
#include "patience.h"
#include "pool.h"
#include "refusal.h"
#include "reserve.h"

static int check_flags(const struct lab_pool *pool, lab_gfp_t gfp)
{
	if (lab_unlikely(gfp & ~LAB_GFP_KNOWN))
		return lab_fail(
			EINVAL,
			"allocation from pool '%s' refused: flag 0x%x is not known; known are "
			"LAB_GFP_ATOMIC, LAB_GFP_NOWAIT, LAB_GFP_KERNEL, LAB_GFP_EXCLUSIVE, "
			"LAB_GFP_ZERO and LAB_GFP_THISNODE",
			pool->priv->name, gfp & ~LAB_GFP_KNOWN);
	if (lab_unlikely(lab_gfp_contradicts(gfp)))
		return lab_fail(
			EINVAL,
			"allocation from pool '%s' refused:%s%s%s contradict each other: a caller "
			"sets one of them",
			pool->priv->name, gfp & LAB_GFP_ATOMIC ? " LAB_GFP_ATOMIC" : "",
			gfp & LAB_GFP_NOWAIT ? " LAB_GFP_NOWAIT" : "",
			gfp & LAB_GFP_KERNEL ? " LAB_GFP_KERNEL" : "");
	if (lab_unlikely((gfp & LAB_GFP_EXCLUSIVE) && !pool->state && !pool->priv->inherited))
		return lab_fail(ENOTSUP,
				"allocation from pool '%s' refused: LAB_GFP_EXCLUSIVE needs a pool "
				"made without LAB_POOL_UNPROTECTED",
				pool->priv->name);
	if (lab_unlikely((gfp & LAB_GFP_ZERO) && pool->priv->flags & LAB_POOL_NUMBERS))
		return lab_fail(ENOTSUP,
				"allocation from pool '%s' refused: LAB_GFP_ZERO needs memory, and "
				"this is a pool of numbers",
				pool->priv->name);
	return 0;
}

/* On purpose: as if the pool were exhausted. */
static inline int is_to_fail(struct lab_pool *pool, struct lab_cache *c, unsigned n, lab_gfp_t gfp)
{
	if (lab_likely(!n || !lab_fault_hit(pool->priv, LAB_FAULT_ALLOC)))
		return 0;
	lab_store(&c->misses, c->misses + 1);
	/* Who waits is told why in vain. */
	if (gfp & LAB_GFP_KERNEL)
		lab_fail(ENOMEM, "pool '%s' has no frame: injected", pool->priv->name);
	return 1;
}

/* From the cache alone. */
static unsigned take_cached(struct lab_pool *pool, struct lab_cache *c, void **frames, unsigned n)
{
	unsigned got, len;

	if (pool->state)
		return pool->priv->bulk->take(pool, c, frames, n);
	len = lab_cache_len(c);
	got = len < n ? len : n;
	if (got)
		memcpy(frames, &c->objs[len - got], got * sizeof(*frames));
	lab_cache_set_len(c, len - got);
	return got;
}

/* From the cache, and then the depot, magazine by magazine. Who must stay out of the reserve gives
 * it first what it lacks. */
static unsigned take_ordinary(struct lab_pool *pool, struct lab_cache *c, void **frames, unsigned n,
			      lab_gfp_t gfp)
{
	unsigned got = take_cached(pool, c, frames, n);

	while (got < n && !(pool->priv->flags & LAB_POOL_EXACT) && lab_cache_refill(pool, c)) {
		if (lab_unlikely(lab_load(&c->pressed) && gfp & (LAB_GFP_NOWAIT | LAB_GFP_KERNEL)))
			lab_reserve_top_up(pool, c);
		got += take_cached(pool, c, frames + got, n - got);
	}
	return got;
}

/* Then, one by one, from the reserve. */
static unsigned take(struct lab_pool *pool, struct lab_cache *c, void **frames, unsigned n,
		     lab_gfp_t gfp)
{
	unsigned got = take_ordinary(pool, c, frames, n, gfp);

	if (lab_likely(got == n) || gfp & (LAB_GFP_NOWAIT | LAB_GFP_KERNEL))
		return got;
	while (got < n && lab_reserve_refill(pool, c))
		got += take_cached(pool, c, frames + got, 1);
	return got;
}

static int give(struct lab_pool *pool, struct lab_cache *c, void *const *frames, unsigned n)
{
	if (pool->state)
		return pool->free_bulk(pool, c, frames, n);
	while (n) {
		unsigned step = n < LAB_BLOCK_FRAMES ? n : LAB_BLOCK_FRAMES;
		uint32_t len;
		int err = lab_cache_make_room(pool, c, step);

		if (lab_unlikely(err))
			return err;
		len = lab_cache_len(c);
		memcpy(&c->objs[len], frames, step * sizeof(*frames));
		lab_cache_set_len(c, len + step);
		frames += step;
		n -= step;
	}
	if (lab_unlikely(lab_load(&c->pressed)))
		lab_reserve_relieve(pool, c);
	return 0;
}

static void zero(void **frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memset(frames[i], 0, LAB_FRAME_SIZE);
}

/* At least @least frames, up to @n, for one who may sleep. */
static unsigned take_patiently(struct lab_pool *pool, struct lab_cache *c, void **frames,
			       unsigned n, unsigned least)
{
	struct lab_patience patience = {0};
	unsigned got;

	if (lab_unlikely(!lab_patience_can(pool, least)))
		return 0;
	lab_patience_prepare(pool);
	for (;;) {
		got = take(pool, c, frames, n, LAB_GFP_KERNEL);
		if (got >= least)
			return got;
		/* Not with the first half in hand, or in this lcore's cache, while another waits
		 * with the second. */
		give(pool, c, frames, got);
		if (!(pool->priv->flags & LAB_POOL_EXACT))
			lab_cache_drain(pool, c);
		if (!lab_patience_lasts(pool, &patience, least))
			return 0;
	}
}

/* `caller`: in the program's code, for a sample. */
static inline unsigned burst(struct lab_pool *pool, void **frames, unsigned n, lab_gfp_t gfp,
			     const void *caller)
{
	struct lab_cache *c;
	unsigned got;

	if (lab_unlikely(gfp & ~LAB_GFP_ATOMIC) && check_flags(pool, gfp))
		return 0;
	c = lab_lcore_self(pool);
	if (lab_unlikely(!c))
		return 0;
	if (lab_unlikely(is_to_fail(pool, c, n, gfp)))
		return 0;
	got = lab_unlikely(gfp & LAB_GFP_KERNEL) ? take_patiently(pool, c, frames, n, n != 0)
						 : take(pool, c, frames, n, gfp);
	lab_cache_count_allocs(c, got);
	if (lab_unlikely(got < n))
		lab_store(&c->misses, c->misses + 1);
	if (gfp & LAB_GFP_ZERO)
		zero(frames, got);
	if (lab_unlikely(pool->priv->sample))
		lab_home_sample(pool, c, frames, got, caller);
	return got;
}

unsigned lab_alloc_burst(struct lab_pool *pool, void **frames, unsigned n, lab_gfp_t gfp)
{
	return burst(pool, frames, n, gfp, __builtin_return_address(0));
}

int lab_sampled_alloc_bulk(struct lab_pool *pool, struct lab_cache *c, void **frames, unsigned n,
			   uint32_t gfp)
{
	int err = pool->priv->bulk->alloc_bulk(pool, c, frames, n, gfp);

	if (!err && n)
		lab_home_sample(pool, lab_lcore_self(pool), frames, n, __builtin_return_address(0));
	return err;
}

int lab_alloc_bulk_slow(struct lab_pool *pool, void **frames, unsigned n, lab_gfp_t gfp)
{
	struct lab_cache *c;
	unsigned got;
	int err = gfp & ~LAB_GFP_ATOMIC ? check_flags(pool, gfp) : 0;

	if (lab_unlikely(err))
		return err;
	c = lab_lcore_self(pool);
	if (lab_unlikely(!c))
		return -errno;
	if (lab_unlikely(is_to_fail(pool, c, n, gfp)))
		return -ENOMEM;
	got = lab_unlikely(gfp & LAB_GFP_KERNEL) ? take_patiently(pool, c, frames, n, n)
						 : take(pool, c, frames, n, gfp);
	if (lab_unlikely(got < n)) {
		lab_store(&c->misses, c->misses + 1);
		give(pool, c, frames, got);
		return -ENOMEM;
	}
	lab_cache_count_allocs(c, n);
	if (gfp & LAB_GFP_ZERO)
		zero(frames, n);
	return 0;
}

void *lab_alloc_slow(struct lab_pool *pool, lab_gfp_t gfp)
{
	void *frame;

	return burst(pool, &frame, 1, gfp, __builtin_return_address(0)) ? frame : NULL;
}

int lab_free_bulk_slow(struct lab_pool *pool, void *const *frames, unsigned n)
{
	struct lab_cache *c = lab_lcore_self(pool);

	return lab_likely(c) ? give(pool, c, frames, n) : -errno;
}

int lab_free_slow(struct lab_pool *pool, void *frame)
{
	return lab_free_bulk_slow(pool, &frame, 1);
}

void *labyrinth_void_alloc_page_gfp_atomic_exclusive(struct lab_pool *pool)
{
	const lab_gfp_t gfp = LAB_GFP_ATOMIC | LAB_GFP_EXCLUSIVE;
	struct lab_cache *c = lab_shown_cache(pool);
	void *frame;

	if (lab_unlikely(lab_load(&c->word) % (LAB_LEN_MASK + 1) == 0))
		return burst(pool, &frame, 1, gfp, __builtin_return_address(0)) ? frame : NULL;
	return lab_alloc(pool, gfp);
}
