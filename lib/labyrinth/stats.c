/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Statistics. Only allocations are counted on the hot path; everything else follows from what moved
 * between caches and depot, so that the parts of a snapshot always add up to the whole.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_stats.h>

#include "bundle.h"
#include "cache.h"
#include "error.h"
#include "frame_table.h"
#include "pool.h"
#include "refusal.h"
#include "reserve.h"

unsigned lab_pool_max_lcores(const struct lab_pool *pool)
{
	return pool->priv->max_lcores;
}

/* Counters only grow, by their one writer; a snapshot reads each once. */
static void read_cache(const struct lab_cache *c, struct lab_lcore_stats *s)
{
	uint64_t word = lab_load(&c->word);

	s->cached = (word & LAB_LEN_MASK) + ((uint64_t)lab_load(&c->blocks) << LAB_BLOCK_SHIFT);
	s->allocs = word >> LAB_LEN_BITS;
	s->misses = lab_load(&c->misses);
	s->refilled = lab_load(&c->refilled);
	s->flushed = lab_load(&c->flushed);
	s->dropped = lab_load(&c->dropped);
	s->lent = lab_load(&c->lent);
	s->taken_back = lab_load(&c->taken);
	for (unsigned k = 0; k < LAB_REFUSED_KINDS; k++)
		s->refused[k] = lab_load(&c->refused[k]);
	/* What came in (refilled + frees) went out or is still there. */
	s->frees = s->allocs + s->cached + s->flushed + s->dropped - s->refilled;
	if ((int64_t)s->frees < 0)
		s->frees = 0; /* a refill in progress: counted, not yet in the cache */
}

int lab_lcore_stats(const struct lab_pool *pool, unsigned lcore, struct lab_lcore_stats *stats)
{
	char name[LAB_LABEL_MAX];

	if (!pool || !stats)
		return lab_fail(EINVAL,
				"lab_lcore_stats() needs a pool and a place for the statistics");
	if (lcore < 1 || lcore > pool->priv->max_lcores)
		return lab_fail(ENOENT, "pool '%s' has lcores 1..%u, not %u", pool->priv->name,
				pool->priv->max_lcores, lcore);
	memset(stats, 0, sizeof(*stats));
	if (pool->priv->inherited)
		return 0;
	read_cache(lab_pool_cache(pool, lcore), stats);
	stats->active = lab_load(&pool->priv->shared->slot[lcore].taken) != 0;
	snprintf(stats->name, sizeof(stats->name), "%.15s",
		 lab_label_get(&pool->priv->shared->slot[lcore].name, name));
	return 0;
}

/* At most what is left, at least nothing. */
static uint64_t cut(int64_t part, uint64_t *rest)
{
	uint64_t n = part < 0 ? 0 : (uint64_t)part > *rest ? *rest : (uint64_t)part;

	*rest -= n;
	return n;
}

/* The state does not tell depot and caches apart: all that is free counts as free. */
static void count_states(const struct lab_pool *pool, struct lab_pool_stats *census)
{
	uint64_t by_state[256] = {0};

	for (uint64_t i = 0; i < pool->frames; i++)
		by_state[lab_frame_state(pool, i)]++;
	uint64_t absent = lab_load(&pool->priv->shared->absent);

	census->total = pool->frames - absent;
	census->free = by_state[LAB_STATE_DEPOT];
	census->retired = by_state[LAB_STATE_RETIRED];
	census->retired -= census->retired < absent ? census->retired : absent;
	census->cached = census->held = census->lent = 0;
	for (unsigned s = 1; s < LAB_STATE_RETIRED; s++) {
		if (lab_state_is_free((uint8_t)s))
			census->free += by_state[s];
		else if (LAB_STATE_IS_HELD((uint8_t)s))
			census->held += by_state[s];
		else
			census->lent += by_state[s];
	}
}

void lab_pool_stats(const struct lab_pool *pool, struct lab_pool_stats *st)
{
	const struct lab_shared *shared = pool->priv->shared;
	uint64_t rest;
	int64_t lent = 0;

	memset(st, 0, sizeof(*st));
	if (pool->priv->inherited)
		return;
	for (unsigned k = 0; k < LAB_REFUSED_KINDS; k++)
		st->refused[k] = lab_load(&shared->refused_nowhere[k]);
	st->reaped_processes = lab_load(&shared->reaped_processes);
	st->reaped_frames = lab_load(&shared->reaped_frames);
	for (unsigned lcore = 1; lcore <= pool->priv->max_lcores; lcore++) {
		struct lab_lcore_stats s;

		read_cache(lab_pool_cache(pool, lcore), &s);
		st->cached += s.cached;
		st->allocs += s.allocs;
		st->frees += s.frees;
		st->misses += s.misses;
		st->refilled += s.refilled;
		st->flushed += s.flushed;
		st->dropped += s.dropped;
		lent += (int64_t)(s.lent - s.taken_back);
		for (unsigned k = 0; k < LAB_REFUSED_KINDS; k++)
			st->refused[k] += s.refused[k];
		st->lcores += lab_load(&shared->slot[lcore].taken);
	}
	for (unsigned i = 0; i < LAB_MAX_DEVICES; i++)
		st->quarantined += lab_load(&shared->device[i].quarantined);
	/*
	 * While lcores work their counters are read at different instants, and a duplicate counts
	 * until it is dropped; the parts are then cut to what is left, so that they add up in every
	 * snapshot. Not the lent ones: nobody may overlook those.
	 */
	st->total = rest = pool->frames - lab_load(&shared->absent);
	st->retired = cut((int64_t)lab_load(&shared->retired), &rest);
	st->free = lab_pool_began_with(pool) + st->flushed - st->refilled;
	st->lent = cut(lent + (int64_t)st->quarantined, &rest);
	st->cached = cut((int64_t)st->cached, &rest);
	st->free = cut((int64_t)st->free, &rest);
	st->held = rest;
	st->grown = lab_load(&shared->grown);
	st->shrunk = lab_load(&shared->shrunk);
	/* What came was freed without having been handed out, what went the reverse. */
	st->frees -= st->grown < st->frees ? st->grown : st->frees;
	st->allocs -= st->shrunk < st->allocs ? st->shrunk : st->allocs;
	st->reserved = lab_reserve_count(pool);
	/* Without caches nothing moves by the magazine, and each frame's byte is looked at. */
	if (pool->priv->flags & LAB_POOL_EXACT)
		count_states(pool, st);
}

void lab_pool_depot_stats(const struct lab_pool *pool, struct lab_depot_stats *st)
{
	const struct lab_depot *depot = pool->depot, *bundles = pool->bundles;
	uint32_t in[LAB_DEPOT_SETS] = {0};

	memset(st, 0, sizeof(*st));
	if (pool->priv->inherited)
		return;
	st->capacity = depot->capacity;
	st->magazines = depot->magazines;
	for (uint32_t i = 0; i < depot->magazines; i++) {
		uint32_t where = lab_load(&lab_depot_magazine(depot, i)->where);

		if (where < LAB_DEPOT_SETS)
			in[where]++;
		else
			st->in_hands++;
	}
	st->empty = in[LAB_DEPOT_EMPTY];
	st->blocks = in[LAB_DEPOT_BLOCKS];
	st->loose = in[LAB_DEPOT_LOOSE];
	st->blocks_partial = in[LAB_DEPOT_BLOCKS_PARTIAL];
	st->loose_partial = in[LAB_DEPOT_LOOSE_PARTIAL];
	st->sparse = in[LAB_DEPOT_SPARSE];
	st->bundles = bundles ? bundles->magazines : 0;
	for (uint32_t i = 0; i < st->bundles; i++)
		st->bundles_used += lab_load(&lab_bundle_at(pool, i)->where) != LAB_DEPOT_EMPTY;
}

int lab_pool_census(const struct lab_pool *pool, struct lab_pool_stats *census)
{
	if (!pool || !census)
		return lab_fail(EINVAL,
				"lab_pool_census() needs a pool and a place for the counts");
	memset(census, 0, sizeof(*census));
	if (pool->priv->inherited)
		return lab_refuse_child(pool);
	if (!pool->state)
		return lab_fail(ENOTSUP, "pool '%s' is unprotected and keeps no table to count",
				pool->priv->name);
	count_states(pool, census);
	for (unsigned lcore = 1; lcore <= pool->priv->max_lcores; lcore++) {
		struct lab_lcore_stats s;

		read_cache(lab_pool_cache(pool, lcore), &s);
		census->cached += s.cached;
	}
	if (census->cached > census->free)
		census->cached = census->free; /* not a quiet point */
	census->free -= census->cached;
	return 0;
}
