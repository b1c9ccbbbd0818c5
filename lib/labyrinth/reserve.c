/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Frames in and out of the reserve. Each place of it is a magazine of one, in the set LOOSE if it
 * has a frame and in EMPTY if not; it is moved, announced and reaped as any other (hand.h).
 */
#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_frame.h>

#include "bulk.h"
#include "bundle.h"
#include "cache.h"
#include "hand.h"
#include "reserve.h"

void lab_reserve_fill(struct lab_depot *reserve, uint64_t first)
{
	for (uint32_t i = 0; i < reserve->magazines; i++) {
		struct lab_magazine *place = lab_depot_pop(reserve, LAB_DEPOT_EMPTY, 0);

		place->item[0] = (uint32_t)first + lab_depot_number(reserve, place);
		place->count = 1;
		lab_depot_push(reserve, LAB_DEPOT_LOOSE, place);
	}
}

/* ---- pressure ---- */

/* lab_cache.pressed: the reserve lacks frames; or the cache is to be emptied, too. Any such value
 * makes loose_max 0, see lab_cache_set_blocks(). */
#define LACKING  1
#define RECALLED 2

static uint64_t *word_of(struct lab_pool *pool, uint32_t lcore)
{
	return &pool->priv->shared->pressed[lcore / 64];
}

/* The lcore's next free goes the slow way. Relaxed: a hint that its owner may overwrite just now;
 * see reserve.h. */
static void press(struct lab_pool *pool, uint32_t lcore, uint8_t how)
{
	struct lab_cache *c = lab_pool_cache(pool, lcore);

	lab_store(&c->pressed, how);
	lab_store(&c->loose_max, 0u);
}

/* The bits of the pool's lcores in one of the words. */
static uint64_t lcores_in(const struct lab_pool *pool, uint32_t word)
{
	uint32_t end = pool->priv->max_lcores + 1, first = word * 64;
	uint64_t bits = end <= first ? 0 : end - first >= 64 ? ~0ull : (1ull << (end - first)) - 1;

	return word ? bits : bits & ~1ull; /* there is no lcore 0 */
}

/* Each lcore that is not pressed yet, which in the long run is none: a load or two. */
void lab_reserve_press(struct lab_pool *pool)
{
	for (uint32_t word = 0; word <= LAB_MAX_LCORES / 64; word++) {
		uint64_t *pressed = &pool->priv->shared->pressed[word];
		uint64_t wanted = lcores_in(pool, word), fresh;

		if ((lab_load(pressed) & wanted) == wanted)
			continue;
		/* It decides who presses them. Acquire: pairs with lab_reserve_release(), or the
		 * cache's words could be said here first and be cleared by it then. */
		fresh = wanted & ~__atomic_fetch_or(pressed, wanted, __ATOMIC_ACQUIRE);
		for (; fresh; fresh &= fresh - 1)
			press(pool, word * 64 + (uint32_t)__builtin_ctzll(fresh), LACKING);
	}
}

void lab_reserve_forget(struct lab_pool *pool)
{
	/* Relaxed: who is pressed already is pressed once more by the next one who takes. */
	for (uint32_t word = 0; word <= LAB_MAX_LCORES / 64; word++)
		lab_store(&pool->priv->shared->pressed[word], 0u);
}

void lab_reserve_recall(struct lab_pool *pool)
{
	for (uint32_t lcore = 1; lcore <= pool->priv->max_lcores; lcore++) {
		/* Acquire: as in lab_reserve_press(). */
		__atomic_fetch_or(word_of(pool, lcore), (uint64_t)1 << (lcore % 64),
				  __ATOMIC_ACQUIRE);
		press(pool, lcore, RECALLED);
	}
}

void lab_reserve_release(struct lab_pool *pool, struct lab_cache *c)
{
	lab_store(&c->pressed, 0);
	lab_cache_set_blocks(c, c->blocks);
	/*
	 * Last, and so release: who takes a frame meanwhile finds the lcore pressed, and the next
	 * one presses it. The other way round an lcore could be left with its bit set and its
	 * cache's words clear, which nobody would press again.
	 */
	__atomic_fetch_and(word_of(pool, c->lcore), ~((uint64_t)1 << (c->lcore % 64)),
			   __ATOMIC_RELEASE);
}

/* ---- out ---- */

/* The frame of a place that this lcore has goes to its cache. */
static int refill_from(struct lab_pool *pool, struct lab_cache *c, struct lab_magazine *place)
{
	struct lab_depot *reserve = &pool->priv->reserve;
	uint32_t len = lab_cache_len(c);

	if (lab_unlikely(place->count != 1 || place->item[0] >= pool->frames)) {
		lab_hand_set_aside(pool, place);
		return 0;
	}
	lab_hand_begin_refill(reserve, c, place, 0);
	c->objs[len] = lab_frame_at(pool, place->item[0]);
	lab_store(&c->foreign, len + 1);
	lab_cache_set_len(c, len + 1);
	lab_hand_end_refill(c, place);
	lab_depot_push(reserve, LAB_DEPOT_EMPTY, place);
	return 1;
}

int lab_reserve_refill(struct lab_pool *pool, struct lab_cache *c)
{
	struct lab_depot *reserve = &pool->priv->reserve;
	struct lab_magazine *place;
	int got;

	if (!reserve->magazines)
		return 0;
	place = lab_depot_pop_thoroughly(reserve, LAB_DEPOT_LOOSE, c->lcore);
	got = place && refill_from(pool, c, place);
	/* Of an empty one, too: whoever emptied it may have been killed before he said so. */
	lab_reserve_press(pool);
	return got;
}

/* The frame that a place just gave becomes this lcore's, if it is still a wanted one: another may
 * have got into the place after it was looked at. It goes back then. */
static uint32_t take_wanted(struct lab_pool *pool, struct lab_cache *c,
			    int (*wanted)(const void *arg, uint32_t frame), const void *arg,
			    void **frame)
{
	uint32_t len = lab_cache_len(c) - 1, number = lab_frame_index(pool, c->objs[len]);

	if (!wanted(arg, number)) {
		lab_reserve_top_up(pool, c);
		return 0;
	}
	if (lab_unlikely(lab_load(&pool->state[number]) != LAB_STATE_DEPOT)) {
		lab_cache_set_len(c, len);
		lab_cache_drop(pool, c, number);
		return 0;
	}
	*frame = c->objs[len];
	lab_store(&pool->state[number], LAB_STATE_HELD(c->lcore));
	lab_store_release(&c->word, c->word + LAB_WORD_ALLOC);
	return 1;
}

/* What the reserve lacks, out of the depot as far as that has it; the rest is what others free. */
static void fill_up(struct lab_pool *pool, struct lab_cache *c)
{
	lab_reserve_press(pool);
	while (lab_load(&c->pressed) && lab_cache_refill(pool, c))
		lab_reserve_top_up(pool, c);
	lab_cache_drain(pool, c);
}

uint32_t lab_reserve_pull(struct lab_pool *pool, struct lab_cache *c,
			  int (*wanted)(const void *arg, uint32_t frame), const void *arg,
			  void **frames, uint32_t most)
{
	struct lab_depot *reserve = &pool->priv->reserve;
	uint32_t got = 0, claimed = 0;

	for (uint32_t i = 0; i < reserve->magazines && got < most; i++) {
		uint32_t frame = lab_reserve_peek(pool, i);
		struct lab_magazine *place;

		if (frame == LAB_FRAME_NONE || !wanted(arg, frame))
			continue;
		place = lab_depot_claim(reserve, i, c->lcore);
		if (!place || !refill_from(pool, c, place))
			continue;
		claimed++;
		got += take_wanted(pool, c, wanted, arg, frames + got);
	}
	if (claimed)
		fill_up(pool, c);
	return got;
}

/* ---- in ---- */

/* The newest loose frame of the cache; 0 if an entry was not true, and was dropped instead. */
static int put(struct lab_pool *pool, struct lab_cache *c, struct lab_magazine *place)
{
	uint32_t len = lab_cache_len(c) - 1;
	uint32_t frame = lab_frame_index(pool, c->objs[len]);
	uint8_t *state = pool->state ? &pool->state[frame] : NULL;

	if (state && lab_load(state) != c->freed &&
	    (lab_load(state) != LAB_STATE_DEPOT || len >= c->foreign)) {
		lab_cache_set_len(c, len);
		lab_cache_drop(pool, c, frame);
		return 0;
	}
	/* In the order of a flush (cache.c), for who is killed on the way. */
	lab_store(&place->item[0], frame);
	lab_store_release(&place->count, 1u);
	if (state)
		lab_store(state, LAB_STATE_DEPOT);
	lab_store(&c->foreign, c->foreign > len ? len : c->foreign);
	lab_cache_set_len(c, len);
	lab_store_release(&c->after, c->flushed + 1);
	return 1;
}

/* 1 if the cache has a loose frame now. */
static int have_loose(struct lab_pool *pool, struct lab_cache *c)
{
	while (!lab_cache_len(c) && c->blocks)
		lab_cache_split(pool, c);
	return lab_cache_len(c) != 0;
}

void lab_reserve_top_up(struct lab_pool *pool, struct lab_cache *c)
{
	struct lab_depot *reserve = &pool->priv->reserve;

	while (have_loose(pool, c)) {
		struct lab_magazine *place = lab_depot_pop(reserve, LAB_DEPOT_EMPTY, c->lcore);
		int done;

		if (!place) {
			lab_reserve_release(pool, c);
			return;
		}
		lab_hand_begin_flush(reserve, c, place, 0);
		done = put(pool, c, place);
		lab_hand_end_flush(reserve, c, place, done ? LAB_DEPOT_LOOSE : LAB_DEPOT_EMPTY);
	}
}

void lab_reserve_relieve(struct lab_pool *pool, struct lab_cache *c)
{
	int recalled = lab_load(&c->pressed) == RECALLED;

	lab_reserve_top_up(pool, c);
	if (!recalled)
		return;
	lab_cache_drain(pool, c);
	/* Once; what the reserve may lack still, the next free gives. */
	if (lab_load(&c->pressed))
		lab_store(&c->pressed, LACKING);
}

uint32_t lab_reserve_peek(const struct lab_pool *pool, uint32_t place)
{
	const struct lab_magazine *mag = lab_depot_magazine(&pool->priv->reserve, place);
	uint32_t frame;

	/* Acquire: pairs with the push; of a place that somebody else has meanwhile it is a guess.
	 */
	if (__atomic_load_n(&mag->where, __ATOMIC_ACQUIRE) != LAB_DEPOT_LOOSE)
		return LAB_FRAME_NONE;
	frame = lab_load(&mag->item[0]);
	return frame < pool->frames ? frame : LAB_FRAME_NONE;
}

uint64_t lab_reserve_count(const struct lab_pool *pool)
{
	const struct lab_depot *reserve = &pool->priv->reserve;
	uint64_t n = 0;

	/* Relaxed: a count that is old at once, and follows no number. */
	for (uint32_t i = 0; i < reserve->magazines; i++)
		n += lab_load(&lab_depot_magazine(reserve, i)->where) == LAB_DEPOT_LOOSE;
	return n;
}
