/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Bundles: any 32 frames that came back together, remembered so that they can travel together
 * again. One state stands for all 32; their own bytes say only "in a bundle" and are not written
 * while the bundle stays whole. Where frames are scattered over the pool that saves a cache line
 * each.
 *
 * A bundle is whole while `left` is 32. A frame may leave it (a single free, a lend): its byte is
 * stepped by compare-and-swap, because others may leave at the same time, and `left` counts down;
 * the one that makes it 0 puts the descriptor back. A bundle that is free belongs to the one cache
 * or magazine that lists it.
 */
#ifndef BUNDLE_H
#define BUNDLE_H

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_frame.h>
#include <labyrinth/lab_layout.h>

#include "depot.h"

/**
 * struct lab_bundle - its first two words are a magazine's, so that a depot can keep the unused
 * ones: @where says LAB_MAGAZINE_LISTED while the bundle is in use.
 * @left: frames whose byte still says LAB_STATE_BUNDLED with this bundle as home.
 * @state: LAB_STATE_FREED() or LAB_STATE_HELD(), of all that are left.
 */
struct lab_bundle {
	uint32_t where;
	uint32_t left;
	uint8_t state;
	uint8_t pad[7];
	uint32_t frame[LAB_BLOCK_FRAMES];
};

/** Bytes of a descriptor: four and a half a frame. */
#define LAB_BUNDLE_BYTES 144u

static inline struct lab_bundle *lab_bundle_at(const struct lab_pool *pool, uint32_t number)
{
	return (struct lab_bundle *)(void *)lab_depot_magazine(pool->bundles, number);
}

/**
 * lab_bundle_of() - the bundle of a frame whose byte said that it is in one.
 *
 * Return: NULL if home[] names none. It is read once, because somebody else's frame may leave its
 * bundle meanwhile, and be given to a home (home.h); or somebody has overwritten it.
 */
static inline struct lab_bundle *lab_bundle_of(const struct lab_pool *pool, uint64_t frame)
{
	uint32_t number = lab_load(&pool->home[frame]);

	return lab_likely(number < pool->bundles->magazines) ? lab_bundle_at(pool, number) : NULL;
}

/** lab_bundle_is() - 1 if the bundle is whole and in state @state. */
static inline int lab_bundle_is(const struct lab_bundle *bundle, uint8_t state)
{
	return lab_load(&bundle->state) == state && lab_load(&bundle->left) == LAB_BLOCK_FRAMES;
}

/** lab_frame_state() - a frame's state, wherever it is written. */
static inline uint8_t lab_frame_state(const struct lab_pool *pool, uint64_t frame)
{
	uint8_t state = lab_load(&pool->state[frame]);
	const struct lab_bundle *bundle;

	/* Beside those who work a frame may just have left its bundle: then look again. */
	for (unsigned i = 0; i < 8 && state == LAB_STATE_BUNDLED; i++) {
		bundle = lab_bundle_of(pool, frame);
		if (bundle)
			return lab_load(&bundle->state);
		state = lab_load(&pool->state[frame]);
	}
	/* Nobody has such a bundle: somebody has overwritten the tables. */
	return state == LAB_STATE_BUNDLED ? LAB_STATE_RETIRED : state;
}

/**
 * lab_bundle_form() - make a bundle, free, of 32 frames that this lcore has.
 * @frame: their numbers; every byte has been checked.
 * @entry: receives what block[] lists.
 * Return: 1, or 0 if all descriptors are in use.
 */
int lab_bundle_form(struct lab_pool *pool, struct lab_cache *cache, const uint32_t *frame,
		    uint32_t *entry);

/** lab_bundle_move() - step a bundle between a cache and the depot. Return: 1; or 0, it is to be
 * dissolved by the cache's lcore: it is not whole, or another has it. */
int lab_bundle_move(struct lab_pool *pool, uint32_t entry, uint8_t from, uint8_t to);

/** lab_bundle_is_sound() - 1 if it lists frames that there are; another process may have written
 * it. */
static inline int lab_bundle_is_sound(const struct lab_pool *pool, uint32_t entry)
{
	const struct lab_bundle *bundle = lab_bundle_at(pool, entry & ~LAB_BUNDLE);
	uint32_t wrong = 0, limit = (uint32_t)(pool->frames - 1);

	/* Above the limit, which is below 2^31, a number has the top bit set, or limit - number
	 * has: two instructions for several of them. */
	for (unsigned i = 0; i < LAB_BLOCK_FRAMES; i++)
		wrong |= bundle->frame[i] | (limit - bundle->frame[i]);
	return !(wrong >> 31);
}

/** lab_bundle_dissolve() - make a free bundle of this lcore loose frames of its cache. */
void lab_bundle_dissolve(struct lab_pool *pool, struct lab_cache *cache, uint32_t entry);

/**
 * lab_bundle_leave() - step one held frame out of its bundle.
 * @to: its new state.
 * Return: 1; or 0, with nothing changed: it is in no bundle, or not held.
 */
int lab_bundle_leave(struct lab_pool *pool, struct lab_cache *cache, uint64_t frame, uint8_t to);

#endif
