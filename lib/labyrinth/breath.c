/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Units come, and go.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <labyrinth/lab_frame.h>

#include "breath_inside.h"
#include "bundle.h"
#include "cache.h"
#include "error.h"
#include "frame_table.h"
#include "lcore.h"
#include "pull.h"
#include "reserve.h"
#include "segment.h"
#include "tables.h"

/* After the machine had no memory: how long nobody asks it again. */
#define RETRY_NS 1000000000ull
/* How often lcores are asked for what lies in their caches. */
#define RECALL_NS 50000000ull
/* And how often frames of hugepages that few use are set apart. */
#define SORT_NS      20000000ull
#define SORT_MOST_NS 1000000000ull

/* ---- more ---- */

/* A unit's frames become the lcore's, as if it held them, and are freed. */
static int hand_out(struct lab_pool_priv *priv, struct lab_cache *c, uint32_t unit)
{
	uint64_t first = (uint64_t)unit << priv->breath->shift;
	uint64_t end = first + unit_frames(priv->breath);
	void *frames[LAB_BLOCK_FRAMES];
	int err = 0;

	for (uint64_t i = first; i < end; i++)
		lab_store(&priv->pool.state[i], LAB_STATE_HELD(c->lcore));
	/* Relaxed: a counter. The frames themselves go out through magazines. */
	__atomic_fetch_sub(&priv->shared->absent, end - first, __ATOMIC_RELAXED);
	lab_store(&priv->shared->grown, priv->shared->grown + (end - first));
	for (; first < end && !err; first += LAB_BLOCK_FRAMES) {
		for (unsigned i = 0; i < LAB_BLOCK_FRAMES; i++)
			frames[i] = lab_frame_at(&priv->pool, (uint32_t)(first + i));
		err = lab_free_bulk(&priv->pool, frames, LAB_BLOCK_FRAMES);
	}
	lab_cache_drain(&priv->pool, c);
	return err;
}

static int add_unit(struct lab_pool_priv *priv, struct lab_cache *c, const struct lab_mapper *m,
		    uint32_t unit)
{
	struct lab_breath *b = priv->breath;
	size_t at = (size_t)unit * unit_bytes(b);
	int err = lab_fault_hit(priv, LAB_FAULT_GROW)
			  ? lab_fail(ENOMEM, "pool '%s' cannot grow: injected", priv->name)
			  : lab_segment_add(&priv->arena, &b->request, at);

	if (err)
		return err;
	if (priv->shared->head.phys_known && !lab_tables_learn(priv, at, unit_bytes(b)))
		err = lab_fail(EPERM,
			       "pool '%s' cannot grow: the kernel tells physical addresses no more",
			       priv->name);
	if (!err && m)
		err = m->add(&priv->pool, at, unit_bytes(b));
	if (err) {
		lab_segment_remove(&priv->arena, at, unit_bytes(b));
		return err;
	}
	lab_store(&b->there[unit], (uint8_t)PRESENT);
	b->stats.grown++;
	return hand_out(priv, c, unit);
}

/* For who asks why. */
static void remember(struct lab_breath *b)
{
	b->stats.failed++;
	snprintf(b->stats.why, sizeof(b->stats.why), "%s", lab_error_text());
}

static int64_t failed(struct lab_breath *b, int err)
{
	remember(b);
	b->retry = lab_breath_now() + RETRY_NS;
	return err;
}

int64_t lab_breath_grow(struct lab_pool_priv *priv, const struct lab_mapper *m, uint64_t n)
{
	struct lab_breath *b = priv->breath;
	struct lab_cache *c = lab_lcore_self(&priv->pool);
	int64_t done = 0;

	if (!c)
		return -errno;
	for (uint32_t unit = 0; unit < b->units && (uint64_t)done < n; unit++) {
		int err;

		if (b->there[unit])
			continue;
		err = add_unit(priv, c, m, unit);
		if (err)
			return done ? done : failed(b, err);
		done++;
	}
	return done;
}

/* ---- less ---- */

static void count_depot(void *arg, uint32_t frame)
{
	struct lab_breath *b = arg;

	b->tally[frame >> b->shift].depot++;
}

void lab_breath_count(struct lab_pool_priv *priv)
{
	struct lab_breath *b = priv->breath;
	const struct lab_depot *reserve = &priv->reserve;

	memset(b->tally, 0, b->units * sizeof(*b->tally));
	lab_pull_look(&priv->pool, count_depot, b);
	for (uint32_t i = 0; i < reserve->magazines; i++) {
		uint32_t frame = lab_reserve_peek(&priv->pool, i);

		if (frame != LAB_FRAME_NONE)
			count_depot(b, frame);
	}
	for (uint64_t f = 0; f < priv->pool.frames; f++) {
		uint8_t state = lab_frame_state(&priv->pool, f);

		b->tally[f >> b->shift].free += lab_state_is_free(state);
		b->tally[f >> b->shift].retired += state == LAB_STATE_RETIRED;
	}
}

static int is_going(const void *arg, uint32_t frame)
{
	const struct lab_breath *b = arg;

	return b->there[frame >> b->shift] == GOING;
}

/* Up to @n units whose frames are all in the depot, the highest: they are to go. */
static uint32_t choose(struct lab_breath *b, uint64_t n)
{
	uint32_t chosen = 0;

	for (uint32_t unit = b->units; unit-- > 0 && chosen < n;) {
		if (b->there[unit] && b->tally[unit].depot >= unit_frames(b)) {
			lab_store(&b->there[unit], (uint8_t)GOING);
			chosen++;
		}
	}
	return chosen;
}

/* Its frames are held, all of them: nobody else knows of any. */
static int remove_unit(struct lab_pool_priv *priv, const struct lab_mapper *m, uint32_t unit)
{
	struct lab_breath *b = priv->breath;
	size_t at = (size_t)unit * unit_bytes(b);
	int err = m ? m->remove(&priv->pool, at, unit_bytes(b)) : 0;

	if (err)
		return err;
	memset(priv->pool.state + ((uint64_t)unit << b->shift), LAB_STATE_RETIRED, unit_frames(b));
	/* Relaxed: a counter. */
	__atomic_fetch_add(&priv->shared->absent, unit_frames(b), __ATOMIC_RELAXED);
	lab_store(&priv->shared->shrunk, priv->shared->shrunk + unit_frames(b));
	lab_segment_remove(&priv->arena, at, unit_bytes(b));
	lab_store(&b->there[unit], (uint8_t)ABSENT);
	b->stats.shrunk++;
	return 0;
}

/* What was pulled goes with its unit if all of that was, and back to the depot if not. */
static int64_t let_go(struct lab_pool_priv *priv, const struct lab_mapper *m, struct lab_cache *c,
		      uint32_t n)
{
	struct lab_breath *b = priv->breath;
	uint32_t kept = 0;
	int64_t gone = 0;

	memset(b->tally, 0, b->units * sizeof(*b->tally));
	for (uint32_t i = 0; i < n; i++)
		count_depot(b, lab_frame_index(&priv->pool, b->frames[i]));
	for (uint32_t unit = 0; unit < b->units; unit++) {
		if (b->there[unit] != GOING)
			continue;
		lab_store(&b->there[unit], (uint8_t)PRESENT);
		if (b->tally[unit].depot != unit_frames(b))
			continue;
		if (remove_unit(priv, m, unit) == 0)
			gone++;
		else
			remember(b);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (b->there[lab_frame_index(&priv->pool, b->frames[i]) >> b->shift])
			b->frames[kept++] = b->frames[i];
	}
	lab_free_bulk(&priv->pool, b->frames, kept);
	lab_cache_drain(&priv->pool, c);
	return gone;
}

/* Frames that are free and lie in caches would let units go, too. */
static void recall(struct lab_pool_priv *priv)
{
	struct lab_breath *b = priv->breath;
	uint64_t now = lab_breath_now();

	for (uint32_t unit = 0; unit < b->units && now >= b->recalled; unit++) {
		if (b->there[unit] && b->tally[unit].free >= unit_frames(b) &&
		    b->tally[unit].depot < unit_frames(b)) {
			lab_reserve_recall(&priv->pool);
			b->recalled = now + RECALL_NS;
		}
	}
}

static int is_sparse(const void *arg, uint32_t frame)
{
	const struct lab_breath *b = arg;

	return b->there[frame >> b->shift] == SPARSE;
}

/* The one of which most frames are in the depot, but not all of them. */
static uint32_t emptiest(const struct lab_breath *b)
{
	uint32_t best = b->units, most = 0;

	for (uint32_t unit = 0; unit < b->units; unit++) {
		if (b->there[unit] == PRESENT && b->tally[unit].depot > most) {
			most = b->tally[unit].depot;
			best = unit;
		}
	}
	return best;
}

/* Of units that few use: their free frames, as far as they are not set apart already. Return: 1 if
 * there may be more. */
static int set_apart(struct lab_pool_priv *priv, struct lab_cache *c)
{
	struct lab_breath *b = priv->breath;
	uint32_t most = AT_ONCE * unit_frames(b);
	uint32_t got = lab_pull_ordinary(&priv->pool, c, is_sparse, b, b->frames, most);

	/* One by one: so they stay loose. */
	for (uint32_t i = 0; i < got; i++) {
		lab_free(&priv->pool, b->frames[i]);
		if (i + 1 == got || lab_cache_len(c) >= priv->plan.capacity)
			lab_cache_set_apart(&priv->pool, c);
	}
	return got == most;
}

/*
 * No hugepage is idle, and more are free than need be: what is free of those that fewest use goes
 * where it is taken last, so that the others fill up and these become idle as frames come back. As
 * long as none does, this is done less and less often.
 */
static void sort(struct lab_pool_priv *priv, struct lab_cache *c, uint64_t surplus)
{
	struct lab_breath *b = priv->breath;
	uint64_t now = lab_breath_now();
	uint32_t unit;

	if (now < b->sorted)
		return;
	for (; surplus-- && (unit = emptiest(b)) < b->units;)
		lab_store(&b->there[unit], (uint8_t)SPARSE);
	if (set_apart(priv, c) || b->sort_seen != b->stats.shrunk || !b->sort_every)
		b->sort_every = SORT_NS;
	else if (b->sort_every < SORT_MOST_NS)
		b->sort_every += b->sort_every / 4;
	b->sort_seen = b->stats.shrunk;
	b->sorted = now + b->sort_every;
	/* What lies in caches is sorted the next time. */
	lab_reserve_recall(&priv->pool);
	for (unit = 0; unit < b->units; unit++)
		if (b->there[unit] == SPARSE)
			lab_store(&b->there[unit], (uint8_t)PRESENT);
}

int64_t lab_breath_shrink(struct lab_pool_priv *priv, const struct lab_mapper *m, uint64_t n,
			  uint64_t surplus)
{
	struct lab_breath *b = priv->breath;
	struct lab_cache *c = lab_lcore_self(&priv->pool);
	uint32_t most = AT_ONCE * unit_frames(b), got;

	if (!c)
		return -errno;
	lab_breath_count(priv);
	if (choose(b, n) == 0) {
		recall(priv);
		sort(priv, c, surplus);
		return 0;
	}
	got = lab_pull(&priv->pool, c, is_going, b, b->frames, most);
	got += lab_reserve_pull(&priv->pool, c, is_going, b, b->frames + got, most - got);
	return let_go(priv, m, c, got);
}
