/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Refill, flush and drain. In an exclusive pool a frame's byte follows it at each step (cache of
 * this lcore <-> depot), and an entry whose byte says otherwise is dropped as a duplicate.
 */
#include <errno.h>
#include <string.h>

#include <labyrinth/lab_alloc.h>

#include "cache.h"
#include "depot.h"
#include "error.h"
#include "frame_table.h"
#include "lanes.h"
#include "pool.h"
#include "refusal.h"

void lab_cache_init(struct lab_cache *c, unsigned lcore, uint32_t frames)
{
	c->lcore = lcore;
	c->limit = frames * 3 / 2;
	c->loose_max = c->limit;
	c->cached = LAB_STATE_CACHED(lcore);
	/* Any lcore of this process may free what any other allocated. */
	c->held_lo = LAB_STATE_HELD_FIRST;
	c->held_n = LAB_MAX_LCORES;
}

static struct lab_magazine *empty_magazine(struct lab_pool *pool, struct lab_cache *c)
{
	for (unsigned i = LAB_SPARE_MAGAZINES; i-- > 0;) {
		if (c->spare[i]) {
			uint32_t number = c->spare[i] - 1;

			c->spare[i] = 0;
			return lab_depot_magazine(pool->depot, number);
		}
	}
	return lab_depot_pop(pool->depot, LAB_DEPOT_EMPTY);
}

static void keep_empty(struct lab_pool *pool, struct lab_cache *c, struct lab_magazine *mag)
{
	for (unsigned i = 0; i < LAB_SPARE_MAGAZINES; i++) {
		if (!c->spare[i]) {
			c->spare[i] = lab_depot_number(pool->depot, mag) + 1;
			return;
		}
	}
	lab_depot_push(pool->depot, LAB_DEPOT_EMPTY, mag);
}

static void *frame_of(const struct lab_pool *pool, uint32_t number)
{
	return pool->base + ((uint64_t)number << LAB_FRAME_SHIFT);
}

static void drop(struct lab_pool *pool, struct lab_cache *c, uint32_t frame)
{
	lab_put(&c->dropped, c->dropped + 1);
	lab_report_duplicate(pool, frame);
}

/* One frame from state `from`, or a dropped entry. */
static int move_frame(struct lab_pool *pool, struct lab_cache *c, uint32_t frame, uint8_t from,
		      uint8_t to)
{
	if (lab_unlikely(lab_get(&pool->state[frame]) != from)) {
		drop(pool, c, frame);
		return 0;
	}
	lab_put(&pool->state[frame], to);
	return 1;
}

/* The same for many; entries that are dropped close up. Return: how many are left. */
static uint32_t move_frames(struct lab_pool *pool, struct lab_cache *c, uint32_t *frame, uint32_t n,
			    uint8_t from, uint8_t to)
{
	uint8_t *state = pool->state;
	uint32_t i = 0, kept;

	for (; i < n && lab_likely(lab_get(&state[frame[i]]) == from); i++)
		lab_put(&state[frame[i]], to);
	for (kept = i; lab_unlikely(i < n); i++) {
		frame[kept] = frame[i];
		kept += (uint32_t)move_frame(pool, c, frame[i], from, to);
	}
	return kept;
}

static void refill_loose(struct lab_pool *pool, struct lab_cache *c, struct lab_magazine *mag)
{
	uint32_t len = lab_cache_len(c), kept = mag->count;

	if (pool->state)
		kept = move_frames(pool, c, mag->item, kept, LAB_STATE_DEPOT, c->cached);
	lab_frames_from_numbers(c->objs + len, mag->item, kept, pool->base);
	lab_cache_set_len(c, len + kept);
	lab_put(&c->refilled, c->refilled + mag->count);
}

static void refill_blocks(struct lab_pool *pool, struct lab_cache *c,
			  const struct lab_magazine *mag)
{
	uint32_t count = mag->count, blocks = c->blocks, len = lab_cache_len(c);
	const uint64_t cached = lab_block_word(c->cached);

	/* The bytes were last written by the lcore that flushed: fetch them all at once. */
	for (uint32_t i = 0; i < count; i++)
		__builtin_prefetch(lab_block_state(pool, mag->item[i]), 1);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t first = mag->item[i] << LAB_BLOCK_SHIFT;

		if (lab_likely(lab_block_move(lab_block_state(pool, mag->item[i]),
					      lab_block_word(LAB_STATE_DEPOT), cached))) {
			c->block[blocks++] = mag->item[i];
			continue;
		}
		for (uint32_t f = first; f < first + LAB_BLOCK_FRAMES; f++) {
			c->objs[len] = frame_of(pool, f);
			len += (uint32_t)move_frame(pool, c, f, LAB_STATE_DEPOT, c->cached);
		}
	}
	lab_cache_set_len(c, len);
	lab_cache_set_blocks(c, blocks);
	lab_put(&c->refilled, c->refilled + ((uint64_t)count << LAB_BLOCK_SHIFT));
}

int lab_cache_refill(struct lab_pool *pool, struct lab_cache *c)
{
	static const enum lab_depot_stack order[] = {LAB_DEPOT_BLOCKS, LAB_DEPOT_LOOSE,
						     LAB_DEPOT_BLOCKS_PARTIAL,
						     LAB_DEPOT_LOOSE_PARTIAL};

	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		struct lab_magazine *mag = lab_depot_pop(pool->depot, order[i]);

		if (!mag)
			continue;
		if (order[i] == LAB_DEPOT_BLOCKS || order[i] == LAB_DEPOT_BLOCKS_PARTIAL)
			refill_blocks(pool, c, mag);
		else
			refill_loose(pool, c, mag);
		keep_empty(pool, c, mag);
		return 1;
	}
	return 0;
}

/* Append the oldest loose frames to a magazine, up to its capacity. */
static void flush_loose(struct lab_pool *pool, struct lab_cache *c, struct lab_magazine *mag)
{
	uint32_t room = pool->depot->capacity - mag->count, *item = mag->item + mag->count;
	uint32_t len = lab_cache_len(c), n = len < room ? len : room, kept = n;

	lab_numbers_from_frames(item, c->objs, n, pool->base);
	if (pool->state)
		kept = move_frames(pool, c, item, n, c->cached, LAB_STATE_DEPOT);
	lab_put(&c->flushed, c->flushed + kept);
	mag->count += kept;
	memmove(c->objs, c->objs + n, (len - n) * sizeof(c->objs[0]));
	lab_cache_set_len(c, len - n);
}

/* Append the oldest blocks. One that is not wholly this cache's becomes loose frames first. */
static void flush_blocks(struct lab_pool *pool, struct lab_cache *c, struct lab_magazine *mag)
{
	uint32_t room = (pool->depot->capacity >> LAB_BLOCK_SHIFT) - mag->count;
	uint32_t n = c->blocks < room ? c->blocks : room, kept = mag->count, len = lab_cache_len(c);
	const uint64_t cached = lab_block_word(c->cached);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t first = c->block[i] << LAB_BLOCK_SHIFT;

		if (lab_likely(lab_block_move(lab_block_state(pool, c->block[i]), cached,
					      lab_block_word(LAB_STATE_DEPOT)))) {
			mag->item[kept++] = c->block[i];
			continue;
		}
		for (uint32_t f = first; f < first + LAB_BLOCK_FRAMES; f++) {
			c->objs[len] = frame_of(pool, f);
			len += (uint32_t)move_frame(pool, c, f, c->cached, c->cached);
		}
	}
	lab_put(&c->flushed, c->flushed + ((uint64_t)(kept - mag->count) << LAB_BLOCK_SHIFT));
	mag->count = kept;
	memmove(c->block, c->block + n, (c->blocks - n) * sizeof(c->block[0]));
	lab_cache_set_len(c, len);
	lab_cache_set_blocks(c, c->blocks - n);
}

static int flush(struct lab_pool *pool, struct lab_cache *c)
{
	struct lab_magazine *mag = empty_magazine(pool, c);

	if (lab_unlikely(!mag))
		return lab_fail(ENOBUFS,
				"pool '%s' has no empty magazine left: a bug of the library",
				pool->priv->name);
	mag->count = 0;
	/*
	 * One of the two fills a magazine: with fewer than a magazine's worth of each there are
	 * fewer than 2 * capacity = the cache's size in all, and then half the size is free room.
	 */
	if (lab_cache_len(c) >= pool->depot->capacity) {
		flush_loose(pool, c, mag);
		lab_depot_push(pool->depot, LAB_DEPOT_LOOSE, mag);
	} else {
		flush_blocks(pool, c, mag);
		lab_depot_push(pool->depot, LAB_DEPOT_BLOCKS, mag);
	}
	return 0;
}

int lab_cache_make_room(struct lab_pool *pool, struct lab_cache *c, uint32_t frames)
{
	int err = 0;

	while (!err && lab_cache_count(c) + frames > c->limit)
		err = flush(pool, c);
	return err;
}

/* A magazine for what is left of one kind: a partly filled one if there is any, so that few exist.
 */
static struct lab_magazine *drain_magazine(struct lab_pool *pool, struct lab_cache *c,
					   enum lab_depot_stack partial)
{
	struct lab_magazine *mag = lab_depot_pop(pool->depot, partial);

	if (!mag) {
		mag = empty_magazine(pool, c);
		if (mag)
			mag->count = 0;
	}
	return mag;
}

void lab_cache_drain(struct lab_pool *pool, struct lab_cache *c)
{
	const uint32_t frames = pool->depot->capacity, blocks = frames >> LAB_BLOCK_SHIFT;
	struct lab_magazine *mag;

	/* Blocks first: one that cannot go whole becomes loose frames. */
	while (c->blocks && (mag = drain_magazine(pool, c, LAB_DEPOT_BLOCKS_PARTIAL))) {
		flush_blocks(pool, c, mag);
		lab_depot_push(pool->depot,
			       mag->count == blocks ? LAB_DEPOT_BLOCKS : LAB_DEPOT_BLOCKS_PARTIAL,
			       mag);
	}
	while (lab_cache_len(c) && (mag = drain_magazine(pool, c, LAB_DEPOT_LOOSE_PARTIAL))) {
		flush_loose(pool, c, mag);
		lab_depot_push(pool->depot,
			       mag->count == frames ? LAB_DEPOT_LOOSE : LAB_DEPOT_LOOSE_PARTIAL,
			       mag);
	}
	for (unsigned i = 0; i < LAB_SPARE_MAGAZINES; i++) {
		if (c->spare[i])
			lab_depot_push(pool->depot, LAB_DEPOT_EMPTY,
				       lab_depot_magazine(pool->depot, c->spare[i] - 1));
		c->spare[i] = 0;
	}
}

void lab_cache_split(struct lab_pool *pool, struct lab_cache *c)
{
	uint32_t first = c->block[c->blocks - 1] << LAB_BLOCK_SHIFT, len = lab_cache_len(c);

	/* Highest first: single allocations then come in ascending order. */
	for (uint32_t i = LAB_BLOCK_FRAMES; i-- > 0;)
		c->objs[len++] = frame_of(pool, first + i);
	lab_cache_set_blocks(c, c->blocks - 1);
	lab_cache_set_len(c, len);
}
