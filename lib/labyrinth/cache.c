/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Refill, flush and drain. In an exclusive pool a flush hands over only what its bytes say was
 * freed on this lcore, and marks it as the depot's, so that no frame gets there twice; other
 * entries are dropped. A refill leaves loose frames' bytes alone, so that a frame that crosses to
 * another lcore costs its cache line there only once; a block's 32 bytes, or a bundle's state, are
 * claimed at once.
 */
#include <errno.h>
#include <string.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_frame.h>

#include "bundle.h"
#include "cache.h"
#include "depot.h"
#include "error.h"
#include "fault.h"
#include "frame_table.h"
#include "hand.h"
#include "lanes.h"
#include "pool.h"
#include "refusal.h"

void lab_cache_init(struct lab_cache *c, unsigned lcore, uint32_t frames)
{
	c->lcore = lcore;
	c->limit = frames * 3 / 2;
	c->loose_max = c->limit;
	c->freed = LAB_STATE_FREED(lcore);
	c->held_first = LAB_STATE_HELD_FIRST;
	c->held_count = LAB_MAX_LCORES;
}

/* How often a search is repeated that found nothing while others moved magazines about. One that
 * finds nothing has cost a word or two of each set's summary. */
#define LOOKS 4

static void *frame_of(const struct lab_pool *pool, uint32_t number)
{
	return pool->base + ((uint64_t)number << LAB_FRAME_SHIFT);
}

void lab_cache_drop(struct lab_pool *pool, struct lab_cache *c, uint32_t frame)
{
	lab_store(&c->dropped, c->dropped + 1);
	lab_report_duplicate(pool, frame);
}

static void refill_loose(struct lab_pool *pool, struct lab_cache *c, const struct lab_magazine *mag)
{
	uint32_t len = lab_cache_len(c) + mag->count;

	lab_frames_from_numbers(c->objs + lab_cache_len(c), mag->item, mag->count, pool->base);
	lab_store(&c->foreign, len);
	lab_cache_set_len(c, len);
}

/* A block whose bytes disagree, or a bundle that is not whole: its frames become loose ones of this
 * lcore, one by one. `from`: what the byte of a frame that is ours says. */
static __attribute__((cold)) void break_block(struct lab_pool *pool, struct lab_cache *c,
					      uint32_t entry, uint8_t from)
{
	uint32_t first = entry << LAB_BLOCK_SHIFT, len;

	lab_cache_own_from_here(c);
	if (entry & LAB_BUNDLE) {
		if (lab_bundle_is_sound(pool, entry))
			lab_bundle_dissolve(pool, c, entry);
		else
			lab_report_damage(pool, LAB_FRAME_NONE);
		return;
	}
	len = lab_cache_len(c);
	for (uint32_t f = first; f < first + LAB_BLOCK_FRAMES; f++) {
		if (lab_load(&pool->state[f]) != from) {
			lab_cache_drop(pool, c, f);
			continue;
		}
		lab_store(&pool->state[f], c->freed);
		c->objs[len++] = frame_of(pool, f);
	}
	lab_cache_set_len(c, len);
}

/* Step a listed block or bundle from one state to another. 0 if its frames do not agree. */
static int move_block(struct lab_pool *pool, uint32_t entry, uint8_t from, uint8_t to)
{
	return entry & LAB_BUNDLE ? lab_bundle_move(pool, entry, from, to)
				  : lab_block_move(lab_block_state(pool, entry),
						   lab_block_word(from), lab_block_word(to));
}

static inline int is_sound(const struct lab_pool *pool, uint32_t entry)
{
	return !(entry & LAB_BUNDLE) || lab_bundle_is_sound(pool, entry);
}

static void refill_blocks(struct lab_pool *pool, struct lab_cache *c,
			  const struct lab_magazine *mag)
{
	uint32_t count = mag->count, blocks = c->blocks;

	/* The states were last written by the lcore that freed: fetch them all at once. */
	for (uint32_t i = 0; i < count; i++) {
		uint32_t entry = mag->item[i];

		__builtin_prefetch(entry & LAB_BUNDLE
					   ? (void *)lab_bundle_at(pool, entry & ~LAB_BUNDLE)
					   : (void *)lab_block_state(pool, entry),
				   1);
	}
	for (uint32_t i = 0; i < count; i++) {
		/* Who overwrites a bundle's numbers later gets frames by them all the same, if
		 * not his own: lab_lanes_generate_listed(). To look there again would cost each
		 * burst a sixth more. */
		if (lab_likely(is_sound(pool, mag->item[i])) &&
		    lab_likely(move_block(pool, mag->item[i], LAB_STATE_DEPOT, c->freed)))
			c->block[blocks++] = mag->item[i];
		else
			break_block(pool, c, mag->item[i], LAB_STATE_DEPOT);
	}
	lab_cache_set_blocks(c, blocks);
}

int lab_cache_refill_with(struct lab_pool *pool, struct lab_cache *c, struct lab_magazine *mag,
			  int blocks)
{
	if (lab_unlikely(!lab_hand_is_sound(pool, mag, blocks))) {
		lab_hand_set_aside(pool, mag);
		return 0;
	}
	lab_hand_begin_refill(pool->depot, c, mag, blocks);
	if (blocks)
		refill_blocks(pool, c, mag);
	else
		refill_loose(pool, c, mag);
	lab_hand_end_refill(c, mag);
	lab_hand_keep(pool, c, mag);
	return 1;
}

int lab_cache_refill(struct lab_pool *pool, struct lab_cache *c)
{
	enum { KINDS = 5 };
	static const enum lab_depot_set order[KINDS] = {LAB_DEPOT_BLOCKS, LAB_DEPOT_LOOSE,
							LAB_DEPOT_BLOCKS_PARTIAL,
							LAB_DEPOT_LOOSE_PARTIAL, LAB_DEPOT_SPARSE};

	if (lab_unlikely(lab_fault_hit(pool->priv, LAB_FAULT_REFILL)))
		return 0;
	for (unsigned i = 0; i < LOOKS * KINDS; i++) {
		enum lab_depot_set set = order[i % KINDS];
		struct lab_magazine *mag = lab_depot_pop(pool->depot, set, c->lcore);

		if (mag &&
		    lab_likely(lab_cache_refill_with(pool, c, mag, lab_depot_has_blocks(set))))
			return 1;
	}
	return 0;
}

/* 1 if an entry is true: freed here, or straight from the depot. */
static inline int is_true(const struct lab_pool *pool, const struct lab_cache *c, uint32_t frame,
			  int foreign)
{
	uint8_t found = lab_load(&pool->state[frame]);

	return lab_likely(found == c->freed) || (foreign && found == LAB_STATE_DEPOT);
}

/* Hand the true entries of `n`, whose first `foreign` came from there, to the depot. Return: how
 * many. */
static uint32_t to_depot(struct lab_pool *pool, struct lab_cache *c, uint32_t *frame, uint32_t n,
			 uint32_t foreign)
{
	uint8_t *state = pool->state, freed = c->freed;
	uint32_t kept, i = 0;

	/* By far the commonest: all of them were freed here. */
	for (; i < n && lab_likely(lab_load(&state[frame[i]]) == freed); i++)
		lab_store(&state[frame[i]], LAB_STATE_DEPOT);
	for (kept = i; i < n; i++) {
		frame[kept] = frame[i];
		if (lab_likely(is_true(pool, c, frame[i], i < foreign))) {
			lab_store(&state[frame[i]], LAB_STATE_DEPOT);
			kept++;
		} else {
			lab_cache_drop(pool, c, frame[i]);
		}
	}
	return kept;
}

/*
 * The oldest `n` loose frames leave objs[]. Those above them that came from the depot have nothing
 * but this list to say where they are, so each is written to its new place before its old one is
 * overwritten: in ascending order, one store at a time, which memmove() does not promise.
 */
static void close_gap(struct lab_cache *c, uint32_t n)
{
	uint32_t len = lab_cache_len(c), i = 0;

	for (; n + i < len && n + i < c->foreign; i++)
		lab_store_release(&c->objs[i], c->objs[n + i]);
	memmove(c->objs + i, c->objs + n + i, (len - n - i) * sizeof(c->objs[0]));
	lab_store(&c->foreign, c->foreign > n ? c->foreign - n : 0);
	lab_cache_set_len(c, len - n);
}

/*
 * Append the oldest loose frames to a magazine, up to its capacity. At no instant is a frame
 * without a trace of this lcore: the magazine, which is its own, lists them before their bytes say
 * that they are the depot's, and is pushed when the cache lists them no more.
 */
static void flush_loose(struct lab_pool *pool, struct lab_cache *c, struct lab_magazine *mag)
{
	uint32_t had = mag->count, room = pool->depot->capacity - had, *item = mag->item + had;
	uint32_t len = lab_cache_len(c), n = len < room ? len : room, kept = n;

	lab_numbers_from_frames(item, c->objs, n, pool->base);
	lab_store_release(&mag->count, had + n);
	if (pool->state)
		kept = to_depot(pool, c, item, n, c->foreign);
	lab_store(&mag->count, had + kept);
	close_gap(c, n);
	lab_store_release(&c->after, c->flushed + kept);
}

/* Likewise the oldest blocks. One that is not wholly this lcore's becomes loose frames instead. */
static void flush_blocks(struct lab_pool *pool, struct lab_cache *c, struct lab_magazine *mag)
{
	uint32_t had = mag->count, room = (pool->depot->capacity >> LAB_BLOCK_SHIFT) - had;
	uint32_t n = c->blocks < room ? c->blocks : room, kept = had;

	for (uint32_t i = 0; i < n; i++) {
		mag->item[kept] = c->block[i];
		lab_store_release(&mag->count, kept + 1);
		if (lab_likely(move_block(pool, c->block[i], c->freed, LAB_STATE_DEPOT)))
			kept++;
		else
			break_block(pool, c, c->block[i], c->freed);
	}
	lab_store(&mag->count, kept);
	memmove(c->block, c->block + n, (c->blocks - n) * sizeof(c->block[0]));
	lab_cache_set_blocks(c, c->blocks - n);
	lab_store_release(&c->after, c->flushed + ((uint64_t)(kept - had) << LAB_BLOCK_SHIFT));
}

/*
 * Make a block of 32 loose frames that are contiguous, or else a bundle: the entry for block[]. 0
 * if one of them is not true (left to the flush, which drops it), or no bundle is to be had.
 */
static int group(struct lab_pool *pool, struct lab_cache *c, uint32_t at, uint32_t *entry)
{
	uint32_t number[LAB_BLOCK_FRAMES], in_order = 1;

	lab_numbers_from_frames(number, c->objs + at, LAB_BLOCK_FRAMES, pool->base);
	for (uint32_t i = 0; i < LAB_BLOCK_FRAMES; i++) {
		if (!is_true(pool, c, number[i], at + i < c->foreign))
			return 0;
		in_order &= number[i] == number[0] + i;
	}
	if (!in_order || number[0] % LAB_BLOCK_FRAMES)
		return lab_bundle_form(pool, c, number, entry);
	for (uint32_t i = 0; i < LAB_BLOCK_FRAMES; i++)
		lab_store(&pool->state[number[i]], c->freed);
	*entry = number[0] >> LAB_BLOCK_SHIFT;
	return 1;
}

void lab_cache_bundle_newest(struct lab_pool *pool, struct lab_cache *c)
{
	uint32_t len = lab_cache_len(c) - LAB_BLOCK_FRAMES, entry;

	if (len < c->foreign || !group(pool, c, len, &entry))
		return;
	lab_cache_set_len(c, len);
	c->block[c->blocks] = entry;
	lab_cache_set_blocks(c, c->blocks + 1);
}

/* The same for the oldest, a magazine's worth, so that they leave as they came. */
static void regroup(struct lab_pool *pool, struct lab_cache *c)
{
	uint32_t blocks = c->blocks, done = 0;

	while (done < pool->depot->capacity && group(pool, c, done, &c->block[blocks])) {
		done += LAB_BLOCK_FRAMES;
		blocks++;
	}
	lab_cache_set_blocks(c, blocks);
	close_gap(c, done);
}

static int flush(struct lab_pool *pool, struct lab_cache *c)
{
	struct lab_magazine *mag = lab_hand_empty(pool, c);

	if (lab_unlikely(!mag))
		return lab_fail(ENOBUFS,
				"pool '%s' has no empty magazine left: a bug of the library",
				pool->priv->name);
	if (lab_cache_len(c) >= pool->depot->capacity) {
		if (c->broken)
			lab_store(&c->broken, c->broken - 1);
		else if (pool->state && c->in_bulk >= pool->depot->capacity / 2)
			regroup(pool, c);
		lab_store(&c->in_bulk, 0);
	}
	/*
	 * One of the two fills a magazine: with fewer than a magazine's worth of each there are
	 * fewer than 2 * capacity = the cache's size in all, and then half the size is free room.
	 */
	if (lab_cache_len(c) >= pool->depot->capacity) {
		lab_hand_begin_flush(pool->depot, c, mag, 0);
		flush_loose(pool, c, mag);
		lab_hand_end_flush(pool->depot, c, mag, LAB_DEPOT_LOOSE);
	} else {
		lab_hand_begin_flush(pool->depot, c, mag, 1);
		flush_blocks(pool, c, mag);
		lab_hand_end_flush(pool->depot, c, mag, LAB_DEPOT_BLOCKS);
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
					   enum lab_depot_set partial)
{
	struct lab_magazine *mag = NULL;

	for (unsigned look = 0; look < LOOKS && !mag; look++) {
		mag = lab_depot_pop(pool->depot, partial, c->lcore);
		if (mag &&
		    lab_unlikely(!lab_hand_is_sound(pool, mag, lab_depot_has_blocks(partial)))) {
			lab_hand_set_aside(pool, mag);
			mag = NULL;
		}
	}
	return mag ? mag : lab_hand_empty(pool, c);
}

void lab_cache_drain(struct lab_pool *pool, struct lab_cache *c)
{
	const uint32_t frames = pool->depot->capacity, blocks = frames >> LAB_BLOCK_SHIFT;
	struct lab_magazine *mag;

	/* Blocks first: one that cannot go whole becomes loose frames. */
	while (c->blocks && (mag = drain_magazine(pool, c, LAB_DEPOT_BLOCKS_PARTIAL))) {
		lab_hand_begin_flush(pool->depot, c, mag, 1);
		flush_blocks(pool, c, mag);
		lab_hand_end_flush(pool->depot, c, mag,
				   mag->count == blocks ? LAB_DEPOT_BLOCKS
							: LAB_DEPOT_BLOCKS_PARTIAL);
	}
	while (lab_cache_len(c) && (mag = drain_magazine(pool, c, LAB_DEPOT_LOOSE_PARTIAL))) {
		lab_hand_begin_flush(pool->depot, c, mag, 0);
		flush_loose(pool, c, mag);
		lab_hand_end_flush(pool->depot, c, mag,
				   mag->count == frames ? LAB_DEPOT_LOOSE
							: LAB_DEPOT_LOOSE_PARTIAL);
	}
	for (unsigned i = 0; i < LAB_SPARE_MAGAZINES; i++) {
		if (c->spare[i])
			lab_depot_push(pool->depot, LAB_DEPOT_EMPTY,
				       lab_depot_magazine(pool->depot, c->spare[i] - 1));
		c->spare[i] = 0;
	}
}

/* One of the set that has room left, or an empty one. */
static struct lab_magazine *sparse_magazine(struct lab_pool *pool, struct lab_cache *c)
{
	struct lab_depot *depot = pool->depot;

	for (uint32_t i = 0; i < depot->magazines; i++) {
		struct lab_magazine *mag = lab_depot_magazine(depot, i);

		/* Relaxed, both: a guess. */
		if (lab_load(&mag->where) != LAB_DEPOT_SPARSE ||
		    lab_load(&mag->count) >= depot->capacity)
			continue;
		mag = lab_depot_take(depot, LAB_DEPOT_SPARSE, i, c->lcore);
		if (!mag)
			continue;
		if (lab_likely(mag->count < depot->capacity && lab_hand_is_sound(pool, mag, 0)))
			return mag;
		lab_depot_push(depot, LAB_DEPOT_SPARSE, mag);
	}
	return lab_hand_empty(pool, c);
}

void lab_cache_set_apart(struct lab_pool *pool, struct lab_cache *c)
{
	struct lab_magazine *mag;

	while (lab_cache_len(c) && (mag = sparse_magazine(pool, c))) {
		lab_hand_begin_flush(pool->depot, c, mag, 0);
		flush_loose(pool, c, mag);
		lab_hand_end_flush(pool->depot, c, mag, LAB_DEPOT_SPARSE);
	}
}

void lab_cache_split(struct lab_pool *pool, struct lab_cache *c)
{
	uint32_t entry = c->block[c->blocks - 1], first = entry << LAB_BLOCK_SHIFT, len;

	lab_cache_set_blocks(c, c->blocks - 1);
	if (entry & LAB_BUNDLE ||
	    lab_unlikely(!lab_block_is(lab_block_state(pool, entry), lab_block_word(c->freed)))) {
		break_block(pool, c, entry, c->freed);
		return;
	}
	lab_cache_own_from_here(c);
	len = lab_cache_len(c);
	/* Highest first: single allocations then come in ascending order. */
	for (uint32_t i = LAB_BLOCK_FRAMES; i-- > 0;)
		c->objs[len++] = frame_of(pool, first + i);
	lab_cache_set_len(c, len);
}
