/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Runs of frames. A look at the depot gives a map, a bit for each frame that is there; in it a run
 * is chosen, and pulled. If somebody was quicker with one of its frames, what was got goes back,
 * and the next one is tried.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_frame.h>
#include <labyrinth/lab_pages.h>
#include <labyrinth/lab_stats.h>

#include "bundle.h"
#include "cache.h"
#include "error.h"
#include "lcore.h"
#include "pool.h"
#include "pull.h"
#include "refusal.h"

#define BITS 64u

/* After so many that others had before, it is looked again; and so many times. */
#define TRIES 32u
#define LOOKS 3u

/* @map: a bit for each frame that was in the depot, padded with zeros. */
struct view {
	const struct lab_pool *pool;
	uint64_t *map;
	uint64_t words;
};

/* What is wanted of lab_pull(). */
struct run {
	uint32_t first, n;
};

unsigned lab_pages_max_order(const struct lab_pool *pool)
{
	unsigned shift = pool->priv->arena.seg_shift;

	return (shift < LAB_DELTA_SHIFT ? LAB_DELTA_SHIFT : shift) - LAB_FRAME_SHIFT;
}

static void note(void *arg, uint32_t frame)
{
	struct view *view = arg;

	view->map[frame / BITS] |= (uint64_t)1 << (frame % BITS);
}

static void look(struct view *view)
{
	memset(view->map, 0, view->words * sizeof(view->map[0]));
	lab_pull_look(view->pool, note, view);
}

/* 1 if all of 2^@order frames from @first on, a multiple of that, are there. */
static int has(const struct view *view, uint64_t first, unsigned order)
{
	uint64_t n = (uint64_t)1 << order, word = first / BITS;

	if (first + n > view->pool->frames)
		return 0;
	if (n < BITS)
		return !(~view->map[word] >> (first % BITS) & (((uint64_t)1 << n) - 1));
	for (uint64_t i = 0; i < n / BITS; i++) {
		if (~view->map[word + i])
			return 0;
	}
	return 1;
}

/* How many of 2^@order frames from @first on are there. */
static uint64_t count(const struct view *view, uint64_t first, unsigned order)
{
	uint64_t n = 0, words = ((uint64_t)1 << order) / BITS;

	for (uint64_t i = first / BITS; i < first / BITS + words && i < view->words; i++)
		n += (uint64_t)__builtin_popcountll(view->map[i]);
	return n;
}

/* The order of the largest run that a run is part of. */
static unsigned whole_order(const struct view *view, uint64_t first, unsigned order)
{
	unsigned max = lab_pages_max_order(view->pool);

	while (order < max && has(view, first >> (order + 1) << (order + 1), order + 1))
		order++;
	return order;
}

/* The run of a hugepage from @from on that breaks up the least; LAB_FRAME_NONE: there is none. */
static uint32_t choose_in(const struct view *view, uint64_t from, unsigned order)
{
	unsigned max = lab_pages_max_order(view->pool), least = max + 1;
	uint64_t n = (uint64_t)1 << order, end = from + ((uint64_t)1 << max);
	uint32_t best = LAB_FRAME_NONE;

	for (uint64_t first = from; first < end && first < view->pool->frames && least > order;
	     first += n) {
		unsigned whole = has(view, first, order) ? whole_order(view, first, order) : least;

		if (whole >= least)
			continue;
		least = whole;
		best = (uint32_t)first;
	}
	return best;
}

/* Out of the hugepage that has the fewest, so that others stay whole. */
static uint32_t choose(const struct view *view, unsigned order)
{
	unsigned max = lab_pages_max_order(view->pool);
	uint64_t fewest = UINT64_MAX;
	uint32_t best = LAB_FRAME_NONE;

	for (uint64_t from = 0; from < view->pool->frames; from += (uint64_t)1 << max) {
		uint64_t have = count(view, from, max);
		uint32_t run;

		if (have >= fewest || have < (uint64_t)1 << order)
			continue;
		run = choose_in(view, from, order);
		if (run == LAB_FRAME_NONE)
			continue;
		best = run;
		fewest = have;
	}
	return best;
}

static int is_of_run(const void *arg, uint32_t frame)
{
	const struct run *run = arg;

	return frame - run->first < run->n;
}

/* The frames of a run, all or none. */
static int take(struct lab_pool *pool, struct lab_cache *c, const struct run *run, void **frames)
{
	uint32_t got = lab_pull(pool, c, is_of_run, run, frames, run->n);

	if (got == run->n)
		return 1;
	lab_free_bulk(pool, frames, got);
	return 0;
}

static void forget(struct view *view, const struct run *run)
{
	for (uint32_t i = 0; i < run->n; i++)
		view->map[(run->first + i) / BITS] &= ~((uint64_t)1 << ((run->first + i) % BITS));
}

static void *fail(struct view *view, struct lab_cache *c, unsigned order)
{
	const char *name = view->pool->priv->name;
	struct lab_pool_stats stats;
	uint64_t n = 0, longest = 0;

	lab_store(&c->misses, c->misses + 1);
	look(view);
	for (uint64_t i = 0; i < view->words; i++)
		n += (uint64_t)__builtin_popcountll(view->map[i]);
	for (int k = (int)lab_pages_max_order(view->pool); k >= 0 && !longest; k--)
		longest = choose(view, (unsigned)k) == LAB_FRAME_NONE ? 0 : (uint64_t)1 << k;
	lab_pool_stats(view->pool, &stats);
	lab_fail(ENOMEM,
		 "no run of %llu contiguous frames in pool '%s': %llu frames are free, the longest "
		 "run is %llu%s, %llu lie in caches of lcores, which lab_lcore_drain() empties",
		 1ull << order, name, (unsigned long long)n, (unsigned long long)longest,
		 longest >> order ? " (others were quicker each time)" : "",
		 (unsigned long long)stats.cached);
	return NULL;
}

static void *search(struct lab_pool *pool, struct lab_cache *c, unsigned order, struct view *view,
		    void **frames)
{
	struct lab_pool_priv *priv = pool->priv;
	struct run run = {.n = 1u << order};

	if (!(priv->flags & LAB_POOL_EXACT))
		lab_cache_drain(pool, c);
	for (unsigned i = 0; i < LOOKS; i++) {
		look(view);
		for (unsigned k = 0; k < TRIES; k++) {
			run.first = choose(view, order);
			if (run.first == LAB_FRAME_NONE)
				break;
			if (take(pool, c, &run, frames))
				return lab_frame_at(pool, run.first);
			forget(view, &run);
		}
		/* A hugepage more has a run of any order. Once: against those who are quicker it
		 * does not help. */
		if (i == 0 && priv->grow)
			priv->grow(priv);
	}
	return fail(view, c, order);
}

/* Before anything else is looked at. */
static int check(const struct lab_pool *pool, const char *call, unsigned order)
{
	if (!pool)
		return lab_fail(EINVAL, "%s() needs a pool; NULL was passed", call);
	if (pool->priv->inherited || pool->priv->observer)
		return lab_refuse_child(pool);
	if (!pool->state || pool->priv->flags & LAB_POOL_NUMBERS)
		return lab_fail(ENOTSUP,
				"%s() refused: pool '%s' %s; make one without "
				"LAB_POOL_UNPROTECTED and LAB_POOL_NUMBERS",
				call, pool->priv->name,
				pool->state ? "has numbers and no memory"
					    : "is unprotected and does not know where a frame is");
	if (order > lab_pages_max_order(pool))
		return lab_fail(EINVAL,
				"%s() refused: order %u is more than %u, a hugepage of pool '%s'",
				call, order, lab_pages_max_order(pool), pool->priv->name);
	return 0;
}

static int check_flags(const struct lab_pool *pool, lab_gfp_t gfp)
{
	const lab_gfp_t may = LAB_GFP_KERNEL | LAB_GFP_EXCLUSIVE | LAB_GFP_ZERO | LAB_GFP_THISNODE;

	if (!(gfp & ~may))
		return 0;
	if (gfp & (LAB_GFP_ATOMIC | LAB_GFP_NOWAIT))
		return lab_fail(EINVAL,
				"lab_alloc_pages() from pool '%s' refused: it looks through the "
				"whole depot, so LAB_GFP_ATOMIC and LAB_GFP_NOWAIT cannot be had; "
				"take the run beforehand, with LAB_GFP_KERNEL or 0",
				pool->priv->name);
	return lab_fail(EINVAL, "lab_alloc_pages() from pool '%s' refused: flag 0x%x is not known",
			pool->priv->name, gfp & ~may);
}

void *lab_alloc_pages(struct lab_pool *pool, unsigned order, lab_gfp_t gfp)
{
	struct view view = {.pool = pool};
	struct lab_cache *c;
	void **frames, *run = NULL;

	if (check(pool, "lab_alloc_pages", order) || check_flags(pool, gfp))
		return NULL;
	c = lab_lcore_self(pool);
	if (!c)
		return NULL;
	view.words = (pool->frames + BITS - 1) / BITS;
	view.map = malloc(view.words * sizeof(view.map[0]));
	frames = malloc(sizeof(*frames) << order);
	if (view.map && frames)
		run = search(pool, c, order, &view, frames);
	else
		lab_fail(ENOMEM, "no memory to look for a run in the %llu frames of pool '%s'",
			 (unsigned long long)pool->frames, pool->priv->name);
	free(frames);
	free(view.map);
	if (run && gfp & LAB_GFP_ZERO)
		memset(run, 0, (size_t)LAB_FRAME_SIZE << order);
	return run;
}

/* 1 if the caller may free it. */
static int is_held(const struct lab_pool *pool, const struct lab_cache *c, uint32_t frame)
{
	uint8_t state = lab_frame_state(pool, frame);

	return LAB_HELD_HERE(c, state) ||
	       (pool->priv->home && state == LAB_STATE_HELD(pool->priv->home)) ||
	       (pool->priv->flags & LAB_POOL_COMMON && LAB_STATE_IS_HELD(state));
}

int lab_free_pages(struct lab_pool *pool, void *frame, unsigned order)
{
	int err = check(pool, "lab_free_pages", order);
	void *next[LAB_BLOCK_FRAMES];
	struct lab_cache *c;
	uint32_t first, n;

	if (err)
		return err;
	c = lab_lcore_self(pool);
	if (!c)
		return -errno;
	first = lab_frame_index(pool, frame);
	n = 1u << order;
	if (first == LAB_FRAME_NONE)
		return lab_refuse_free(pool, frame);
	if (first % n || first + n > pool->frames)
		return lab_fail(EINVAL,
				"lab_free_pages() refused: frame %u of pool '%s' is not the first "
				"of a run of %u",
				first, pool->priv->name, n);
	/* All or none. Another thread of the program's may free one in between: then that one is
	 * refused below, as twice freed. */
	for (uint32_t i = 0; i < n; i++) {
		if (!is_held(pool, c, first + i))
			return lab_refuse_free(pool, lab_frame_at(pool, first + i));
	}
	/* By the block, so that it goes back as blocks. */
	for (uint32_t i = 0, step; i < n; i += step) {
		int refused;

		step = n - i < LAB_BLOCK_FRAMES ? n - i : LAB_BLOCK_FRAMES;
		for (uint32_t k = 0; k < step; k++)
			next[k] = lab_frame_at(pool, first + i + k);
		refused = lab_free_bulk(pool, next, step);
		err = err ? err : refused;
	}
	return err;
}
