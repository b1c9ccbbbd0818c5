/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Bursts of an exclusive pool: the checked data path between a cache and the caller. Compiled once
 * for the baseline instruction set and once for AVX2, as LAB_BULK. Frames travel as whole blocks
 * where they can: 32 contiguous pointers are generated or compared instead of copied, and their 32
 * state bytes are four words. Loose frames are checked one by one, in the same pass that moves
 * them, which also finds a frame that stands twice in one burst.
 *
 * Cost of a burst of 32, in cache: a block 4 + 4 words of state and 32 pointers each way; loose 32
 * bytes each way.
 */
#include <errno.h>

#include <labyrinth/lab_alloc.h>

#include "bulk.h"
#include "bundle.h"
#include "cache.h"
#include "common.h"
#include "frame_table.h"
#include "home.h"
#include "lanes.h"
#include "lcore.h"
#include "pool.h"
#include "refusal.h"
#include "reserve.h"

static inline uint64_t number_of(const struct lab_pool *pool, const void *frame)
{
	uint64_t off = (uint64_t)((uintptr_t)frame - (uintptr_t)pool->base);

	return off >> LAB_FRAME_SHIFT | off << (64 - LAB_FRAME_SHIFT);
}

/* Pop entries above `floor`, at most n: those from the depot, or those that this lcore freed. */
LAB_INLINE unsigned pop_loose(struct lab_pool *pool, struct lab_cache *c, void **frames, unsigned n,
			      uint32_t floor, int foreign)
{
	const uint8_t freed = c->freed, held = (uint8_t)(freed + LAB_MAX_LCORES);
	uint8_t *table = (uint8_t *)pool->table;
	uint32_t len = lab_cache_len(c), most = len - floor < n ? len - floor : n;
	void *const *top = c->objs + len;
	unsigned got = 0, dropped = 0;

#pragma GCC unroll 4
	while (got + dropped < most) {
		void *frame = *--top;
		uint8_t *state = table + ((uintptr_t)frame >> LAB_FRAME_SHIFT);
		uint8_t found = lab_load(state);

		if (lab_unlikely(found != (foreign ? LAB_STATE_DEPOT : freed))) {
			lab_cache_drop(pool, c, (uint32_t)number_of(pool, frame));
			dropped++;
			continue;
		}
		lab_store(state, held);
		frames[got++] = frame;
	}
	lab_cache_set_len(c, len - got - dropped);
	return got;
}

static unsigned take_loose(struct lab_pool *pool, struct lab_cache *c, void **frames, unsigned n)
{
	unsigned got = 0;

	if (lab_cache_len(c) > c->foreign)
		got = pop_loose(pool, c, frames, n, c->foreign, 0);
	if (got < n && lab_cache_len(c) <= c->foreign)
		got += pop_loose(pool, c, frames + got, n - got, 0, 1);
	return got;
}

/* The newest block or bundle of the cache to the caller. 0 if it is not wholly this lcore's. */
LAB_INLINE int take_block(struct lab_pool *pool, struct lab_cache *c, void **frames)
{
	const uint64_t base = (uint64_t)(uintptr_t)pool->base;
	uint32_t last = c->blocks - 1, entry = c->block[last];

	if (entry & LAB_BUNDLE) {
		struct lab_bundle *bundle = lab_bundle_at(pool, entry & ~LAB_BUNDLE);

		if (lab_unlikely(!lab_bundle_is(bundle, c->freed)))
			return 0;
		lab_store(&bundle->state, (uint8_t)(c->freed + LAB_MAX_LCORES));
		lab_lanes_generate_listed(frames, bundle->frame, base, (uint32_t)pool->frames - 1);
	} else {
		uint64_t number = (uint64_t)entry << LAB_BLOCK_SHIFT;
		lab_lane diff, held = LAB_SPLAT(c->freed + LAB_MAX_LCORES);

		lab_state_load(pool->state + number, &diff);
		diff ^= LAB_SPLAT(c->freed);
		if (lab_unlikely(!lab_lane_zero(&diff)))
			return 0;
		lab_state_store(pool->state + number, &held);
		lab_lanes_generate(frames, base + (number << LAB_FRAME_SHIFT));
	}
	lab_cache_set_blocks(c, last);
	return 1;
}

static __attribute__((noinline)) unsigned take(struct lab_pool *pool, struct lab_cache *c,
					       void **frames, unsigned n)
{
	unsigned got = 0;

	while (n - got >= LAB_BLOCK_FRAMES && c->blocks && take_block(pool, c, frames + got))
		got += LAB_BLOCK_FRAMES;
	while (got < n) {
		if (!lab_cache_len(c)) {
			if (!c->blocks)
				break;
			lab_cache_split(pool, c);
		}
		got += take_loose(pool, c, frames + got, n - got);
	}
	return got;
}

/* 1 if the next 32 pointers are a block or bundle, held as a whole, that is in the cache now.
 * Otherwise (several owners, or one that must be refused) nothing has changed, and they go singly.
 */
LAB_INLINE int give_block(struct lab_pool *pool, struct lab_cache *c, void *const *frames)
{
	uint64_t number = number_of(pool, frames[0]);
	uint32_t blocks = c->blocks, entry;
	uint8_t owner;

	if (lab_unlikely(number >= pool->frames))
		return 0;
	owner = lab_load(&pool->state[number]);
	if (owner == LAB_STATE_BUNDLED) {
		uint32_t home = lab_load(&pool->home[number]);
		struct lab_bundle *bundle;
		lab_lane diff = {0};

		if (lab_unlikely(home >= pool->bundles->magazines))
			return 0;
		bundle = lab_bundle_at(pool, home);
		owner = lab_load(&bundle->state);
		if (lab_unlikely(!LAB_HELD_HERE(c, owner)) ||
		    lab_unlikely(lab_load(&bundle->left) != LAB_BLOCK_FRAMES))
			return 0;
		lab_lanes_differ_listed(frames, bundle->frame, (uint64_t)(uintptr_t)pool->base,
					&diff);
		if (lab_unlikely(!lab_lane_zero(&diff)))
			return 0;
		lab_store(&bundle->state, c->freed);
		entry = home | LAB_BUNDLE;
	} else {
		lab_lane diff, freed = LAB_SPLAT(c->freed);

		if (lab_unlikely(number & (LAB_BLOCK_FRAMES - 1)) ||
		    lab_unlikely(!LAB_HELD_HERE(c, owner)))
			return 0;
		lab_state_load(pool->state + number, &diff);
		diff ^= LAB_SPLAT(owner);
		lab_lanes_differ(frames, &diff);
		if (lab_unlikely(!lab_lane_zero(&diff)))
			return 0;
		lab_state_store(pool->state + number, &freed);
		entry = (uint32_t)(number >> LAB_BLOCK_SHIFT);
	}
	c->block[blocks] = entry;
	lab_cache_set_blocks(c, blocks + 1);
	return 1;
}

/*
 * The newest 32 loose frames came back by one call. When many did, and bundles were not broken of
 * late, they will go out and come back together again: as a bundle, for one state instead of 32.
 */
static inline void came_in_bulk(struct lab_pool *pool, struct lab_cache *c)
{
	lab_store(&c->in_bulk, c->in_bulk + LAB_BLOCK_FRAMES);
	if (c->in_bulk > pool->depot->capacity && !c->broken)
		lab_cache_bundle_newest(pool, c);
}

/* One whose byte does not say that this lcore may free it: it may be in a bundle, or at home, or
 * another process's where that does not matter. */
static __attribute__((noinline)) int give_odd(struct lab_pool *pool, struct lab_cache *c,
					      const void *frame, uint64_t number)
{
	if (number < pool->frames &&
	    (lab_bundle_leave(pool, c, number, c->freed) ||
	     lab_home_leave(pool, number, c->freed) || lab_common_leave(pool, number, c->freed)))
		return 0;
	return lab_refuse_free(pool, frame);
}

static int give_loose(struct lab_pool *pool, struct lab_cache *c, void *const *frames, unsigned n)
{
	const uint8_t freed = c->freed;
	const uint64_t total = pool->frames;
	const uintptr_t base = (uintptr_t)pool->base;
	uint8_t *state = pool->state;
	void **top = c->objs + lab_cache_len(c);
	int err = 0;

	lab_cache_own_from_here(c);

#pragma GCC unroll 4
	for (unsigned i = 0; i < n; i++) {
		uint64_t off = (uint64_t)((uintptr_t)frames[i] - base);
		uint64_t number = off >> LAB_FRAME_SHIFT | off << (64 - LAB_FRAME_SHIFT);

		if (lab_likely(number < total) &&
		    lab_likely(LAB_HELD_HERE(c, lab_load(&state[number])))) {
			lab_store(&state[number], freed);
			*top++ = frames[i];
		} else {
			int refused = give_odd(pool, c, frames[i], number);

			if (!refused)
				*top++ = frames[i];
			err = err ? err : refused;
		}
	}
	lab_cache_set_len(c, (uint32_t)(top - c->objs));
	if (n == LAB_BLOCK_FRAMES && !err)
		came_in_bulk(pool, c);
	return err;
}

static __attribute__((noinline)) int give(struct lab_pool *pool, struct lab_cache *c,
					  void *const *frames, unsigned n)
{
	int err = 0;

	c = lab_lcore_self(pool); /* the caller may have had none yet */
	if (lab_unlikely(!c))
		return -errno;
	while (n) {
		unsigned step = n < LAB_BLOCK_FRAMES ? n : LAB_BLOCK_FRAMES;
		int refused = 0;

		if (lab_unlikely(lab_cache_len(c) + step > lab_load(&c->loose_max)))
			refused = lab_cache_make_room(pool, c, step);
		if (lab_unlikely(refused))
			return refused;
		if (step < LAB_BLOCK_FRAMES || !give_block(pool, c, frames)) {
			refused = give_loose(pool, c, frames, step);
			err = err ? err : refused;
		}
		frames += step;
		n -= step;
	}
	if (lab_unlikely(lab_load(&c->pressed)))
		lab_reserve_relieve(pool, c);
	return err;
}

/* Flags that need no pass over the frames, and no check in an exclusive pool. */
#define NO_PASS (LAB_GFP_ATOMIC | LAB_GFP_NOWAIT | LAB_GFP_THISNODE | LAB_GFP_EXCLUSIVE)

static __attribute__((noinline)) int alloc_any(struct lab_pool *pool, struct lab_cache *c,
					       void **frames, unsigned n, lab_gfp_t gfp)
{
	unsigned got;

	if (!n)
		return 0;
	if (lab_unlikely(gfp & ~NO_PASS) || lab_unlikely(lab_cache_count(c) < n))
		return lab_alloc_bulk_slow(pool, frames, n, gfp);
	got = take(pool, c, frames, n);
	if (lab_unlikely(got < n)) { /* dropped duplicates made it fewer */
		give(pool, c, frames, got);
		return lab_alloc_bulk_slow(pool, frames, n, gfp);
	}
	lab_cache_count_allocs(c, n);
	return 0;
}

/* One block, or loose frames, in cache: the commonest bursts of a driver go straight. */
static int alloc_bulk(struct lab_pool *pool, struct lab_cache *c, void **frames, unsigned n,
		      lab_gfp_t gfp)
{
	if (lab_unlikely(gfp & ~NO_PASS))
		return lab_alloc_bulk_slow(pool, frames, n, gfp);
	if (n == LAB_BLOCK_FRAMES && c->blocks) {
		if (lab_unlikely(!take_block(pool, c, frames)))
			return alloc_any(pool, c, frames, n, gfp);
	} else if (n - 1 < lab_cache_len(c) && (n < LAB_BLOCK_FRAMES || !c->blocks)) {
		unsigned got = take_loose(pool, c, frames, n);

		if (lab_unlikely(got < n)) { /* a duplicate was dropped */
			give(pool, c, frames, got);
			return alloc_any(pool, c, frames, n, gfp);
		}
	} else {
		return alloc_any(pool, c, frames, n, gfp);
	}
	lab_cache_count_allocs(c, n);
	return 0;
}

static int free_bulk(struct lab_pool *pool, struct lab_cache *c, void *const *frames, unsigned n)
{
	if (lab_likely(n - 1 < LAB_BLOCK_FRAMES &&
		       lab_cache_len(c) + n <= lab_load(&c->loose_max))) {
		if (n == LAB_BLOCK_FRAMES && give_block(pool, c, frames))
			return 0;
		return give_loose(pool, c, frames, n);
	}
	return give(pool, c, frames, n);
}

const struct lab_bulk LAB_BULK = {
	.take = take,
	.alloc_bulk = alloc_bulk,
	.free_bulk = free_bulk,
};
