/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A magazine that seems to list a wanted frame is claimed, refilled from as any other, the wanted
 * frames are allocated, and the rest is drained. So each step is one that caches take anyway, and
 * the reaper knows what it leaves when it is cut short.
 *
 * Beside those who work: a magazine is this lcore's after one compare-and-swap, or it is passed
 * over. What its neighbours do with other magazines does not touch it. A frame that moves from a
 * magazine not yet looked at to one that was is missed; one that moves the other way may be looked
 * at twice, and is taken once.
 */
#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_frame.h>

#include "bundle.h"
#include "cache.h"
#include "depot.h"
#include "pool.h"
#include "pull.h"

/* @frames[@got..@most) is room. */
struct pull {
	struct lab_pool *pool;
	struct lab_cache *c;
	lab_pull_fn *wanted;
	const void *arg;
	void **frames;
	uint32_t got;
	uint32_t most;
	int ordinary; /* not what is set apart */
};

/* ---- a look at what somebody may be just taking away ---- */

/*
 * The owner of a magazine or a bundle writes its numbers by plain stores, and may do so while they
 * are read here: whoever has popped it since `where` was looked at. So what is read is a guess,
 * whole words each; it leads to no address before it was compared with a limit, and to no step
 * before the magazine was claimed. Of one that stays where it is meanwhile it is the truth: `where`
 * was acquired. The race detector is asked to look away.
 */
#define AT_A_GLANCE __attribute__((noinline, no_sanitize_thread))

AT_A_GLANCE static uint32_t peek(const uint32_t *word)
{
	return *(const volatile uint32_t *)word;
}

typedef int each_fn(void *arg, uint32_t frame);

static int each_of_entry(const struct lab_pool *pool, uint32_t entry, each_fn *each, void *arg)
{
	const struct lab_bundle *bundle = NULL;
	int stop = 0;

	if (entry & LAB_BUNDLE) {
		if ((entry & ~LAB_BUNDLE) >= pool->bundles->magazines)
			return 0;
		bundle = lab_bundle_at(pool, entry & ~LAB_BUNDLE);
	} else if (entry >= pool->frames >> LAB_BLOCK_SHIFT) {
		return 0;
	}
	for (uint32_t i = 0; i < LAB_BLOCK_FRAMES && !stop; i++) {
		uint32_t frame = bundle ? peek(&bundle->frame[i]) : (entry << LAB_BLOCK_SHIFT) + i;

		stop = frame < pool->frames && each(arg, frame);
	}
	return stop;
}

/* Calls @each for all that a magazine seems to list, until it says 1. Return: 1 if it did. */
static int each_of_magazine(const struct lab_pool *pool, uint32_t number, each_fn *each, void *arg)
{
	const struct lab_depot *depot = pool->depot;
	const struct lab_magazine *mag = lab_depot_magazine(depot, number);
	/* Acquire: pairs with the push, for the numbers. */
	uint32_t set = __atomic_load_n(&mag->where, __ATOMIC_ACQUIRE);
	uint32_t count, most = depot->capacity;
	int stop = 0;

	if (set == LAB_DEPOT_EMPTY || set >= depot->sets)
		return 0;
	if (lab_depot_has_blocks(set))
		most >>= LAB_BLOCK_SHIFT;
	count = peek(&mag->count);
	for (uint32_t i = 0; i < count && i < most && !stop; i++) {
		uint32_t item = peek(&mag->item[i]);

		if (lab_depot_has_blocks(set))
			stop = each_of_entry(pool, item, each, arg);
		else
			stop = item < pool->frames && each(arg, item);
	}
	return stop;
}

static int is_wanted(void *arg, uint32_t frame)
{
	const struct pull *p = arg;

	return p->wanted(p->arg, frame);
}

/* ---- what is in the cache, which is this lcore's ---- */

/* Blocks and bundles with a wanted frame become loose frames. The order of block[] is nobody's
 * business but this lcore's: its bytes, or the bundle's state, name it. */
static void split_wanted(struct pull *p)
{
	struct lab_cache *c = p->c;

	for (uint32_t i = c->blocks; i-- > 0;) {
		uint32_t entry = c->block[i];

		if (!each_of_entry(p->pool, entry, is_wanted, p))
			continue;
		c->block[i] = c->block[c->blocks - 1];
		c->block[c->blocks - 1] = entry;
		lab_cache_split(p->pool, c);
	}
}

/* Loose ones are allocated. */
static void take_loose(struct pull *p)
{
	struct lab_cache *c = p->c;

	for (uint32_t i = lab_cache_len(c); i-- > 0 && p->got < p->most;) {
		uint32_t frame = lab_frame_index(p->pool, c->objs[i]);
		uint8_t *state = &p->pool->state[frame];
		uint8_t expected = i < c->foreign ? LAB_STATE_DEPOT : c->freed;

		/* A byte that says something else belongs to a duplicate: the drain drops it. */
		if (!p->wanted(p->arg, frame) || lab_load(state) != expected)
			continue;
		lab_store(state, LAB_STATE_HELD(c->lcore));
		p->frames[p->got++] = c->objs[i];
		/*
		 * The last one takes its place, and is listed twice until the length says
		 * otherwise: so one that nothing but this list tells of (below `foreign`) is never
		 * without it. Release: the byte first. Either all of a cache that was empty are
		 * below `foreign`, or none, according to the magazine that they came from.
		 */
		lab_store_release(&c->objs[i], c->objs[lab_cache_len(c) - 1]);
		lab_store_release(&c->word, c->word + LAB_WORD_ALLOC);
	}
}

/* ---- pools without caches: each frame is its own magazine ---- */

static void pull_exact(struct pull *p)
{
	struct lab_pool *pool = p->pool;

	for (uint32_t frame = 0; frame < pool->frames && p->got < p->most; frame++) {
		if (lab_load(&pool->state[frame]) != LAB_STATE_DEPOT || !p->wanted(p->arg, frame) ||
		    !lab_depot_claim(pool->depot, frame, p->c->lcore))
			continue;
		/* As in an allocation (exact.c): the word is this lcore's, and the byte with it. */
		if (lab_load(&pool->state[frame]) != LAB_STATE_DEPOT) {
			lab_cache_drop(pool, p->c, frame);
			continue;
		}
		lab_store(&pool->state[frame], LAB_STATE_HELD(p->c->lcore));
		p->frames[p->got++] = lab_frame_at(pool, frame);
	}
	lab_store(&p->c->refilled, p->c->refilled + p->got);
	lab_cache_count_allocs(p->c, p->got);
}

static void pull_from(struct pull *p, uint32_t number)
{
	struct lab_magazine *mag;

	if (p->ordinary &&
	    lab_load(&lab_depot_magazine(p->pool->depot, number)->where) == LAB_DEPOT_SPARSE)
		return;
	if (!each_of_magazine(p->pool, number, is_wanted, p))
		return;
	mag = lab_depot_claim(p->pool->depot, number, p->c->lcore);
	if (!mag || !lab_cache_refill_with(p->pool, p->c, mag,
					   (lab_load(&mag->where) & LAB_MAGAZINE_BLOCKS) != 0))
		return;
	split_wanted(p);
	take_loose(p);
	lab_cache_drain(p->pool, p->c);
}

static uint32_t pull(struct pull *p)
{
	struct lab_pool *pool = p->pool;

	if (!pool->state)
		return 0;
	if (pool->priv->flags & LAB_POOL_EXACT) {
		pull_exact(p);
		return p->got;
	}
	lab_cache_drain(pool, p->c);
	/* It is not empty if no magazine could be had: a bug, or damaged tables. */
	for (uint32_t i = 0;
	     i < pool->depot->magazines && p->got < p->most && !lab_cache_count(p->c); i++)
		pull_from(p, i);
	return p->got;
}

uint32_t lab_pull(struct lab_pool *pool, struct lab_cache *c, lab_pull_fn *wanted, const void *arg,
		  void **frames, uint32_t most)
{
	struct pull p = {
		.pool = pool, .c = c, .wanted = wanted, .arg = arg, .frames = frames, .most = most};

	return pull(&p);
}

uint32_t lab_pull_ordinary(struct lab_pool *pool, struct lab_cache *c, lab_pull_fn *wanted,
			   const void *arg, void **frames, uint32_t most)
{
	struct pull p = {.pool = pool,
			 .c = c,
			 .wanted = wanted,
			 .arg = arg,
			 .frames = frames,
			 .most = most,
			 .ordinary = 1};

	return pull(&p);
}

/* ---- looking only ---- */

struct look {
	void (*seen)(void *arg, uint32_t frame);
	void *arg;
};

static int show(void *arg, uint32_t frame)
{
	const struct look *look = arg;

	look->seen(look->arg, frame);
	return 0;
}

void lab_pull_look(const struct lab_pool *pool, void (*seen)(void *arg, uint32_t frame), void *arg)
{
	struct look look = {.seen = seen, .arg = arg};

	if (!pool->state)
		return;
	if (!(pool->priv->flags & LAB_POOL_EXACT)) {
		for (uint32_t i = 0; i < pool->depot->magazines; i++)
			each_of_magazine(pool, i, show, &look);
		return;
	}
	for (uint32_t i = 0; i < pool->frames; i++) {
		if (lab_load(&pool->state[i]) == LAB_STATE_DEPOT)
			seen(arg, i);
	}
}
