/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A magazine in the hands of an lcore. The order of the stores is for who is killed between two of
 * them; doc/internals.md has it in one piece.
 */
#include <errno.h>

#include <labyrinth/lab_alloc.h>

#include "hand.h"
#include "pool.h"
#include "refusal.h"

/* How often a search is repeated for what must be there (see lab_depot_need()), while others move
 * magazines about. */
#define LOOKS_SURE 1000

static struct lab_magazine *find_empty(struct lab_pool *pool, struct lab_cache *c)
{
	struct lab_magazine *mag = NULL;

	for (unsigned i = LAB_SPARE_MAGAZINES; i-- > 0;) {
		if (c->spare[i]) {
			uint32_t number = c->spare[i] - 1;

			c->spare[i] = 0;
			return lab_depot_magazine(pool->depot, number);
		}
	}
	for (unsigned look = 0; look < LOOKS_SURE && !mag; look++)
		mag = lab_depot_pop(pool->depot, LAB_DEPOT_EMPTY, c->lcore);
	return mag;
}

struct lab_magazine *lab_hand_empty(struct lab_pool *pool, struct lab_cache *c)
{
	struct lab_magazine *mag = find_empty(pool, c);

	/* Somebody has overwritten it. */
	if (lab_unlikely(mag && mag->count))
		lab_store(&mag->count, 0u);
	return mag;
}

/* Frames that a magazine stands for. */
static uint32_t frames_of(const struct lab_magazine *mag, int blocks)
{
	return blocks ? mag->count << LAB_BLOCK_SHIFT : mag->count;
}

int lab_hand_is_sound(const struct lab_pool *pool, const struct lab_magazine *mag, int blocks)
{
	uint32_t most = blocks ? pool->depot->capacity >> LAB_BLOCK_SHIFT : pool->depot->capacity;
	uint32_t limit = (uint32_t)pool->frames - 1, count = mag->count, wrong = 0;

	if (lab_unlikely(count > most))
		return 0;
	for (uint32_t i = 0; !blocks && i < count; i++)
		wrong |= mag->item[i] > limit;
	for (uint32_t i = 0; blocks && i < count; i++) {
		uint32_t entry = mag->item[i];

		wrong |= entry & LAB_BUNDLE ? (entry & ~LAB_BUNDLE) >= pool->bundles->magazines
					    : entry > limit >> LAB_BLOCK_SHIFT;
	}
	return !wrong;
}

void lab_hand_set_aside(struct lab_pool *pool, const struct lab_magazine *mag)
{
	int saved = errno; /* as in lab_report_duplicate() */

	lab_report_damage(pool, lab_depot_number(pool->depot, mag));
	errno = saved;
}

void lab_hand_begin_refill(const struct lab_depot *depot, struct lab_cache *c,
			   const struct lab_magazine *mag, int blocks)
{
	lab_store(&c->after, c->refilled + frames_of(mag, blocks));
	lab_store_release(&c->moving,
			  LAB_MOVING_IN | depot->mark | (lab_depot_number(depot, mag) + 1));
}

void lab_hand_end_refill(struct lab_cache *c, struct lab_magazine *mag)
{
	lab_store_release(&c->refilled, c->after);
	lab_store_release(&mag->count, 0u);
	lab_store_release(&c->moving, 0u);
}

void lab_hand_begin_flush(const struct lab_depot *depot, struct lab_cache *c,
			  struct lab_magazine *mag, int blocks)
{
	lab_store(&mag->where, LAB_MAGAZINE_OF(c->lcore) | (blocks ? LAB_MAGAZINE_BLOCKS : 0));
	lab_store(&c->had, frames_of(mag, blocks));
	lab_store(&c->after, c->flushed);
	lab_store_release(&c->moving, depot->mark | (lab_depot_number(depot, mag) + 1));
}

void lab_hand_end_flush(struct lab_depot *depot, struct lab_cache *c, struct lab_magazine *mag,
			enum lab_depot_set set)
{
	lab_depot_push(depot, set, mag);
	lab_store_release(&c->flushed, c->after);
	lab_store_release(&c->moving, 0u);
}

void lab_hand_keep(struct lab_pool *pool, struct lab_cache *c, struct lab_magazine *mag)
{
	for (unsigned i = 0; i < LAB_SPARE_MAGAZINES; i++) {
		if (!c->spare[i]) {
			c->spare[i] = lab_depot_number(pool->depot, mag) + 1;
			return;
		}
	}
	lab_depot_push(pool->depot, LAB_DEPOT_EMPTY, mag);
}
