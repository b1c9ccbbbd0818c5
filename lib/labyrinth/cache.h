/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * An lcore's cache against the depot: refill, flush, drain. Called by the cache's own lcore only.
 */
#ifndef CACHE_H
#define CACHE_H

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_layout.h>
#include <labyrinth/lab_pool.h>

struct lab_magazine;

/** lab_cache_init() - an empty cache of @frames for @lcore. */
void lab_cache_init(struct lab_cache *cache, unsigned lcore, uint32_t frames);

/** lab_cache_len() - loose frames in it. */
static inline uint32_t lab_cache_len(const struct lab_cache *c)
{
	return (uint32_t)(c->word & LAB_LEN_MASK);
}

/** lab_cache_set_len() - after objs[] and the state bytes were written (release, see lab_alloc.h).
 */
static inline void lab_cache_set_len(struct lab_cache *c, uint32_t len)
{
	lab_store_release(&c->word, (c->word & ~LAB_LEN_MASK) | len);
}

/** lab_cache_own_from_here() - before a frame of this lcore's own is added to objs[]. */
static inline void lab_cache_own_from_here(struct lab_cache *c)
{
	if (c->foreign > lab_cache_len(c))
		lab_store(&c->foreign, lab_cache_len(c));
}

/** lab_cache_set_blocks() - likewise for block[]. */
static inline void lab_cache_set_blocks(struct lab_cache *c, uint32_t blocks)
{
	/* 0 for an lcore that is pressed (reserve.h), without a branch. */
	lab_store(&c->loose_max,
		  (c->limit - (blocks << LAB_BLOCK_SHIFT)) & ((uint32_t)lab_load(&c->pressed) - 1));
	lab_store_release(&c->blocks, blocks);
}

/** lab_cache_count_allocs() - @n frames more were handed out. */
static inline void lab_cache_count_allocs(struct lab_cache *c, uint64_t n)
{
	lab_store(&c->word, c->word + (n << LAB_LEN_BITS));
}

static inline uint32_t lab_cache_count(const struct lab_cache *c)
{
	return lab_cache_len(c) + (c->blocks << LAB_BLOCK_SHIFT);
}

/** lab_cache_refill() - move one magazine from the depot into a cache that holds less than a block
 * of frames. Return: 1, or 0 if the depot is empty. */
int lab_cache_refill(struct lab_pool *pool, struct lab_cache *cache);

/** lab_cache_refill_with() - the same with a magazine that this lcore has taken out of the depot.
 * Return: 1; or 0, its numbers make no sense and it is set aside. */
int lab_cache_refill_with(struct lab_pool *pool, struct lab_cache *cache, struct lab_magazine *mag,
			  int blocks);

/** lab_cache_make_room() - move magazines' worth of the oldest frames out until @frames fit in.
 * @frames: at most a block. Return: 0, or -ENOBUFS (no empty magazine: cannot happen, see
 * lab_depot_need()). */
int lab_cache_make_room(struct lab_pool *pool, struct lab_cache *cache, uint32_t frames);

/** lab_cache_drain() - move everything to the depot. */
void lab_cache_drain(struct lab_pool *pool, struct lab_cache *cache);

/** lab_cache_set_apart() - move all loose frames to the depot's set that is taken last. */
void lab_cache_set_apart(struct lab_pool *pool, struct lab_cache *cache);

/** lab_cache_drop() - an entry for frame number @frame turned out to be a duplicate: forgotten. */
void lab_cache_drop(struct lab_pool *pool, struct lab_cache *cache, uint32_t frame)
	__attribute__((cold));

/** lab_cache_bundle_newest() - make the newest 32 loose frames, which this lcore freed, a bundle.
 */
void lab_cache_bundle_newest(struct lab_pool *pool, struct lab_cache *cache);

/** lab_cache_split() - turn the newest block or bundle into loose frames. */
void lab_cache_split(struct lab_pool *pool, struct lab_cache *cache);

#endif
