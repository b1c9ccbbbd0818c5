/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Forming bundles, taking them apart, and frames that leave one.
 */
#include "bundle.h"
#include "cache.h"
#include "frame_table.h"
#include "pool.h"

_Static_assert(sizeof(struct lab_bundle) == LAB_BUNDLE_BYTES,
	       "the pool lays out the table by this");

/* How many flushes pass before a lcore whose bundles were broken forms new ones. */
#define REST 16

/* Nobody else has it: its frames have left, or were never in it. */
static void put_back(struct lab_pool *pool, struct lab_cache *c, struct lab_bundle *bundle)
{
	lab_store(&bundle->where, LAB_MAGAZINE_OF(c->lcore));
	lab_store(&bundle->state, LAB_STATE_DEPOT);
	lab_depot_push(pool->bundles, LAB_DEPOT_EMPTY, (struct lab_magazine *)(void *)bundle);
}

int lab_bundle_form(struct lab_pool *pool, struct lab_cache *c, const uint32_t *frame,
		    uint32_t *entry)
{
	struct lab_magazine *mag = lab_depot_pop(pool->bundles, LAB_DEPOT_EMPTY, c->lcore);
	struct lab_bundle *bundle = (struct lab_bundle *)(void *)mag;
	uint32_t number;

	if (!mag)
		return 0;
	number = lab_depot_number(pool->bundles, mag);
	lab_store(&bundle->state, c->freed);
	lab_store(&bundle->left, LAB_BLOCK_FRAMES);
	for (unsigned i = 0; i < LAB_BLOCK_FRAMES; i++) {
		bundle->frame[i] = frame[i];
		lab_store(&pool->home[frame[i]], number);
		/* Release: whoever reads the byte finds the home, and a bundle that is free. */
		lab_store_release(&pool->state[frame[i]], (uint8_t)LAB_STATE_BUNDLED);
	}
	/* Release: if this lcore is killed before, what it began is found by the descriptor's word.
	 */
	lab_store_release(&bundle->where, LAB_MAGAZINE_LISTED);
	*entry = number | LAB_BUNDLE;
	return 1;
}

void lab_bundle_dissolve(struct lab_pool *pool, struct lab_cache *c, uint32_t entry)
{
	struct lab_bundle *bundle = lab_bundle_at(pool, entry & ~LAB_BUNDLE);
	uint32_t len = lab_cache_len(c);

	if (lab_unlikely(lab_load(&bundle->state) != c->freed)) {
		/* The bundle is another's: this entry is the trace of a whole bundle freed twice in
		 * one instant. Its owner has the frames, and the descriptor. */
		for (unsigned i = 0; i < LAB_BLOCK_FRAMES; i++)
			lab_cache_drop(pool, c, bundle->frame[i]);
		return;
	}
	for (unsigned i = LAB_BLOCK_FRAMES; i-- > 0;) {
		uint32_t frame = bundle->frame[i];

		if (lab_unlikely(lab_load(&pool->state[frame]) != LAB_STATE_BUNDLED ||
				 lab_bundle_of(pool, frame) != bundle)) {
			lab_cache_drop(pool, c, frame); /* it left: likewise */
			continue;
		}
		lab_store(&pool->state[frame], c->freed);
		c->objs[len++] = lab_frame_at(pool, frame);
	}
	lab_cache_set_len(c, len);
	put_back(pool, c, bundle);
}

int lab_bundle_move(struct lab_pool *pool, uint32_t entry, uint8_t from, uint8_t to)
{
	struct lab_bundle *bundle = lab_bundle_at(pool, entry & ~LAB_BUNDLE);

	if (lab_likely(lab_bundle_is(bundle, from))) {
		lab_store(&bundle->state, to);
		return 1;
	}
	/* Not whole: to be taken apart by one lcore, even if two list it. Here it is this one's
	 * already; from the depot it must become so. Relaxed: the magazine's word has ordered
	 * everything else. */
	if (from == LAB_STATE_DEPOT)
		__atomic_compare_exchange_n(&bundle->state, &from, to, 0, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
	return 0;
}

int lab_bundle_leave(struct lab_pool *pool, struct lab_cache *c, uint64_t frame, uint8_t to)
{
	uint8_t *state = &pool->state[frame], expected = LAB_STATE_BUNDLED;
	struct lab_bundle *bundle;

	/* Acquire: pairs with the release in lab_bundle_form(), for home and bundle. */
	if (__atomic_load_n(state, __ATOMIC_ACQUIRE) != LAB_STATE_BUNDLED)
		return 0;
	bundle = lab_bundle_of(pool, frame);
	if (!bundle || !LAB_HELD_HERE(c, lab_load(&bundle->state)))
		return 0;
	/* Relaxed: one of several frees of this frame wins; what was done with the frame before is
	 * the program's to order, as with any byte. */
	if (!__atomic_compare_exchange_n(state, &expected, to, 0, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED))
		return 0;
	lab_store(&c->broken, REST);
	/* Acquire and release: the last one out reuses the descriptor after all others have read
	 * it. */
	if (__atomic_sub_fetch(&bundle->left, 1, __ATOMIC_ACQ_REL) == 0)
		put_back(pool, c, bundle);
	return 1;
}
