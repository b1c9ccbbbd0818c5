/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Whether a pool's tables agree with each other: reads all of them, changes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_frame.h>
#include <labyrinth/lab_stats.h>

#include "breath.h"
#include "bundle.h"
#include "cache.h"
#include "depot.h"
#include "error.h"
#include "frame_table.h"
#include "home.h"
#include "pool.h"
#include "refusal.h"
#include "share/process.h"
#include "site.h"

/* @listed: by frame, how many entries anywhere list it. @in_depot: frames in the depot's sets. */
struct survey {
	const struct lab_pool *pool;
	const char *name;
	uint8_t *listed;
	uint64_t in_depot;
};

/* For list_frame(): the frame is one of a bundle. No frame's state is that. */
#define IN_BUNDLE LAB_STATE_BUNDLED

/* A frame that a list has, and what its state must be: @state or @other. */
static int list_frame(struct survey *s, uint64_t frame, uint8_t state, uint8_t other,
		      const char *where, unsigned number)
{
	uint8_t found;

	if (frame >= s->pool->frames)
		return lab_fail(EUCLEAN, "pool '%s': %s %u lists frame %llu of %llu", s->name,
				where, number, (unsigned long long)frame,
				(unsigned long long)s->pool->frames);
	/* Of a bundle the caller has seen that the frame is in it; any other list has loose frames.
	 */
	found = other == IN_BUNDLE ? lab_frame_state(s->pool, frame)
				   : lab_load(&s->pool->state[frame]);
	if (found != state && found != other)
		return lab_fail(EUCLEAN,
				"pool '%s': %s %u lists frame %llu, whose state is %u and not %u",
				s->name, where, number, (unsigned long long)frame, found, state);
	if (s->listed[frame]++)
		return lab_fail(EUCLEAN,
				"pool '%s': %s %u lists frame %llu, which is listed already",
				s->name, where, number, (unsigned long long)frame);
	return 0;
}

/* A block or a bundle that a list has. */
static int list_entry(struct survey *s, uint32_t entry, uint8_t state, const char *where,
		      unsigned number)
{
	const struct lab_bundle *bundle;
	int err = 0;

	if (!(entry & LAB_BUNDLE)) {
		for (unsigned i = 0; i < LAB_BLOCK_FRAMES && !err; i++)
			err = list_frame(s, ((uint64_t)entry << LAB_BLOCK_SHIFT) + i, state, state,
					 where, number);
		return err;
	}
	entry &= ~LAB_BUNDLE;
	if (entry >= s->pool->bundles->magazines)
		return lab_fail(EUCLEAN, "pool '%s': %s %u lists bundle %u of %u", s->name, where,
				number, entry, s->pool->bundles->magazines);
	bundle = lab_bundle_at(s->pool, entry);
	if (bundle->where != LAB_MAGAZINE_LISTED || bundle->left != LAB_BLOCK_FRAMES)
		return lab_fail(
			EUCLEAN,
			"pool '%s': %s %u lists bundle %u, which is at %u and has %u frames",
			s->name, where, number, entry, bundle->where, bundle->left);
	for (unsigned i = 0; i < LAB_BLOCK_FRAMES && !err; i++) {
		uint32_t frame = bundle->frame[i];

		if (frame < s->pool->frames &&
		    (s->pool->state[frame] != LAB_STATE_BUNDLED || s->pool->home[frame] != entry))
			return lab_fail(EUCLEAN,
					"pool '%s': bundle %u lists frame %u, which is not in it",
					s->name, entry, frame);
		err = list_frame(s, frame, state, IN_BUNDLE, where, number);
	}
	return err;
}

static int survey_magazine(struct survey *s, uint32_t number)
{
	const struct lab_pool *pool = s->pool;
	const struct lab_depot *depot = pool->depot;
	const struct lab_magazine *mag = lab_depot_magazine(depot, number);
	int lcore = LAB_MAGAZINE_LCORE(mag->where), err = 0;
	uint32_t most;

	if (lcore >= 0) {
		const struct lab_cache *c = lcore ? lab_pool_cache(pool, (unsigned)lcore) : NULL;

		if (!c || (unsigned)lcore > pool->priv->max_lcores ||
		    (c->spare[0] != number + 1 && c->spare[1] != number + 1) || mag->count)
			return lab_fail(
				EUCLEAN,
				"pool '%s': magazine %u with %u entries is in the hands of lcore "
				"%d, which does not know of it",
				s->name, number, mag->count, lcore);
		return 0;
	}
	if (mag->where >= LAB_DEPOT_SETS)
		return lab_fail(EUCLEAN, "pool '%s': magazine %u is nowhere (%u)", s->name, number,
				mag->where);
	most = depot->capacity;
	if (lab_depot_has_blocks(mag->where))
		most = depot->capacity >> LAB_BLOCK_SHIFT;
	if (mag->count > most || (mag->where == LAB_DEPOT_EMPTY && mag->count))
		return lab_fail(EUCLEAN, "pool '%s': magazine %u has %u entries, in set %u",
				s->name, number, mag->count, mag->where);
	if (!lab_depot_is_shown(depot, mag))
		return lab_fail(EUCLEAN, "pool '%s': the map of set %u does not show magazine %u",
				s->name, mag->where, number);
	for (uint32_t i = 0; i < mag->count && !err && pool->state; i++)
		err = lab_depot_has_blocks(mag->where)
			      ? list_entry(s, mag->item[i], LAB_STATE_DEPOT, "magazine", number)
			      : list_frame(s, mag->item[i], LAB_STATE_DEPOT, LAB_STATE_DEPOT,
					   "magazine", number);
	s->in_depot +=
		lab_depot_has_blocks(mag->where) ? mag->count << LAB_BLOCK_SHIFT : mag->count;
	return err;
}

/* Without caches: what is in the set is "the depot's", and nothing else is. */
static int survey_exact(struct survey *s, uint32_t number)
{
	const struct lab_magazine *mag = lab_depot_magazine(s->pool->depot, number);

	if (mag->where != LAB_DEPOT_EMPTY)
		return LAB_MAGAZINE_LCORE(mag->where) >= 0
			       ? 0
			       : lab_fail(EUCLEAN, "pool '%s': frame %u is nowhere (%u)", s->name,
					  number, mag->where);
	if (!lab_depot_is_shown(s->pool->depot, mag))
		return lab_fail(EUCLEAN, "pool '%s': the map does not show frame %u, which is free",
				s->name, number);
	s->in_depot++;
	return list_frame(s, number, LAB_STATE_DEPOT, LAB_STATE_DEPOT, "the set at", number);
}

/* A place of the reserve has a frame, or none. */
static int survey_place(struct survey *s, uint32_t number)
{
	const struct lab_depot *reserve = &s->pool->priv->reserve;
	const struct lab_magazine *place = lab_depot_magazine(reserve, number);

	if ((place->where != LAB_DEPOT_LOOSE && place->where != LAB_DEPOT_EMPTY) ||
	    place->count != (place->where == LAB_DEPOT_LOOSE))
		return lab_fail(
			EUCLEAN,
			"pool '%s': place %u of the reserve is nowhere (%u), with %u frames",
			s->name, number, place->where, place->count);
	if (!lab_depot_is_shown(reserve, place))
		return lab_fail(
			EUCLEAN,
			"pool '%s': the map of set %u does not show place %u of the reserve",
			s->name, place->where, number);
	s->in_depot += place->count;
	if (!place->count || !s->pool->state)
		return 0;
	return list_frame(s, place->item[0], LAB_STATE_DEPOT, LAB_STATE_DEPOT,
			  "the reserve's place", number);
}

static int survey_cache(struct survey *s, unsigned lcore)
{
	const struct lab_pool *pool = s->pool;
	const struct lab_cache *c = lab_pool_cache(pool, lcore);
	uint32_t len = lab_cache_len(c);
	int err = 0, process = lab_process_of(pool->priv->shared, lcore);
	/* It lists addresses of its process's. */
	uint64_t base = process < 0 ? 0 : pool->priv->shared->process[process].base;

	if (len + (c->blocks << LAB_BLOCK_SHIFT) > c->limit || c->blocks > 32 ||
	    (!c->pressed && c->loose_max != c->limit - (c->blocks << LAB_BLOCK_SHIFT)) || c->moving)
		return lab_fail(
			EUCLEAN,
			"pool '%s': the cache of lcore %u has %u frames and %u blocks of %u, "
			"%u to be filled, and moves %u",
			s->name, lcore, len, c->blocks, c->limit, c->loose_max, c->moving);
	for (uint32_t i = 0; i < len && !err && pool->state; i++)
		err = list_frame(s, ((uint64_t)(uintptr_t)c->objs[i] - base) >> LAB_FRAME_SHIFT,
				 c->freed, i < c->foreign ? LAB_STATE_DEPOT : c->freed,
				 "the cache of lcore", lcore);
	for (uint32_t i = 0; i < c->blocks && !err && pool->state; i++)
		err = list_entry(s, c->block[i], c->freed, "the cache of lcore", lcore);
	return err;
}

static int survey_bundle(struct survey *s, uint32_t number)
{
	const struct lab_bundle *bundle = lab_bundle_at(s->pool, number);

	uint32_t in_it = 0;

	for (unsigned i = 0; i < LAB_BLOCK_FRAMES && bundle->where == LAB_MAGAZINE_LISTED; i++) {
		uint32_t frame = bundle->frame[i];

		in_it += frame < s->pool->frames && s->pool->state[frame] == LAB_STATE_BUNDLED &&
			 s->pool->home[frame] == number;
	}
	if (bundle->where == LAB_MAGAZINE_LISTED && bundle->left && in_it == bundle->left)
		return 0;
	if (bundle->where == LAB_MAGAZINE_LISTED)
		return lab_fail(EUCLEAN, "pool '%s': bundle %u in use has %u frames, and says %u",
				s->name, number, in_it, bundle->left);
	if (bundle->where != LAB_DEPOT_EMPTY)
		return lab_fail(EUCLEAN, "pool '%s': bundle %u is nowhere (%u)", s->name, number,
				bundle->where);
	if (!lab_depot_is_shown(s->pool->bundles,
				(const struct lab_magazine *)(const void *)bundle))
		return lab_fail(EUCLEAN, "pool '%s': no map shows bundle %u", s->name, number);
	return 0;
}

/* A free frame is listed once, any other not at all. */
static int survey_frame(struct survey *s, uint64_t frame)
{
	uint8_t byte = s->pool->state[frame], state;

	if (byte == LAB_STATE_BUNDLED && s->pool->home[frame] >= s->pool->bundles->magazines)
		return lab_fail(EUCLEAN, "pool '%s': frame %llu is in bundle %u of %u", s->name,
				(unsigned long long)frame, s->pool->home[frame],
				s->pool->bundles->magazines);
	state = lab_frame_state(s->pool, frame);
	if (s->listed[frame] == lab_state_is_free(state))
		return 0;
	return lab_fail(EUCLEAN, "pool '%s': frame %llu is %s, and listed %u times", s->name,
			(unsigned long long)frame, lab_state_is_free(state) ? "free" : "not free",
			s->listed[frame]);
}

/* ---- who has what: processes, lcores, devices, sites ---- */

/* Each process has a range of lcores, and these say so; no two have the same. */
static int survey_process(const struct survey *s, unsigned number)
{
	const struct lab_shared *shared = s->pool->priv->shared;
	const struct lab_process *p = &shared->process[number];
	unsigned end = (unsigned)p->first + p->lcores;

	if (lab_load(&p->state) == LAB_PROCESS_FREE)
		return 0;
	if (p->state == LAB_PROCESS_STUCK)
		return lab_fail(EUCLEAN, "pool '%s': process %u is dead and could not be reaped",
				s->name, p->pid);
	if (!p->first || !p->lcores || end > s->pool->priv->max_lcores + 1)
		return lab_fail(EUCLEAN, "pool '%s': process %u has %u lcores from %u of %u on",
				s->name, p->pid, p->lcores, p->first, s->pool->priv->max_lcores);
	for (unsigned lcore = p->first; lcore < end; lcore++) {
		int owner = lab_process_of(shared, lcore);
		uint32_t says = lab_load(&shared->slot[lcore].process);

		if (owner != (int)number)
			return lab_fail(EUCLEAN,
					"pool '%s': two processes have lcore %u: %u and %u",
					s->name, lcore, shared->process[owner].pid, p->pid);
		/* In a pool that is not shared nobody asks. */
		if (says && says != p->id)
			return lab_fail(EUCLEAN,
					"pool '%s': lcore %u is process %u's, and says that it is "
					"that of id %u",
					s->name, lcore, p->pid, says);
	}
	return 0;
}

static int survey_device(const struct survey *s, unsigned number, uint64_t lent)
{
	const struct lab_slot *device = &s->pool->priv->shared->device[number];
	uint32_t quarantined = lab_load(&device->quarantined);

	if (lab_load(&device->absolver))
		return lab_fail(EUCLEAN, "pool '%s': somebody is still absolving device %u",
				s->name, number);
	if (lent && !lab_load(&device->taken))
		return lab_fail(EUCLEAN,
				"pool '%s': %llu frames are lent to device %u, and there "
				"is none",
				s->name, (unsigned long long)lent, number);
	if (quarantined && quarantined != lent)
		return lab_fail(
			EUCLEAN,
			"pool '%s': device %u has %u frames in quarantine, and is lent %llu",
			s->name, number, quarantined, (unsigned long long)lent);
	return 0;
}

/* What a process's lcores have lent is what its devices have, but for what is in quarantine. */
static int survey_lent(const struct survey *s, const struct lab_process *p,
		       const uint64_t by_state[256])
{
	const struct lab_shared *shared = s->pool->priv->shared;
	int64_t counted = 0, lent = 0;

	if (lab_load(&p->state) == LAB_PROCESS_FREE)
		return 0;
	for (unsigned i = 0; i < LAB_MAX_DEVICES; i++) {
		if (lab_load(&shared->device[i].taken) == p->id &&
		    !lab_load(&shared->device[i].quarantined))
			lent += (int64_t)by_state[LAB_STATE_LENT(i)];
	}
	for (unsigned lcore = p->first; lcore < (unsigned)p->first + p->lcores; lcore++) {
		const struct lab_cache *c = lab_pool_cache(s->pool, lcore);

		counted += (int64_t)(c->lent - c->taken);
	}
	if (counted == lent)
		return 0;
	return lab_fail(
		EUCLEAN,
		"pool '%s': devices of process %u have %lld frames, and its counters say %lld",
		s->name, p->pid, (long long)lent, (long long)counted);
}

/* Nobody has a frame by an lcore that no process has. */
static int survey_strays(const struct survey *s, const uint64_t by_state[256])
{
	for (unsigned lcore = 1; lcore <= LAB_MAX_LCORES; lcore++) {
		uint64_t n = by_state[LAB_STATE_FREED(lcore)] + by_state[LAB_STATE_HELD(lcore)];

		if (n && (lcore > s->pool->priv->max_lcores ||
			  lab_process_of(s->pool->priv->shared, lcore) < 0))
			return lab_fail(
				EUCLEAN,
				"pool '%s': %llu frames name lcore %u, which no process has",
				s->name, (unsigned long long)n, lcore);
	}
	return 0;
}

/* A site that is in use is that of a frame whose home[] leads back to it. */
static int survey_site(const struct survey *s, uint32_t number)
{
	const struct lab_site *site = lab_site_at(s->pool->priv, number);
	uint32_t frame = lab_load(&site->frame) - 1, id = lab_load(&site->process);

	if (!id && frame == UINT32_MAX)
		return 0;
	if (frame < s->pool->frames && s->pool->home[frame] == (number | LAB_HOME_SITE) &&
	    lab_load(&s->pool->priv->shared->process[id % LAB_MAX_PROCESSES].id) == id)
		return 0;
	return lab_fail(EUCLEAN, "pool '%s': site %u of process id %u is in use for no frame",
			s->name, number, id);
}

static int survey_owners(const struct survey *s)
{
	const struct lab_pool *pool = s->pool;
	uint64_t by_state[256] = {0};
	int err = 0;

	for (uint64_t i = 0; i < pool->frames; i++)
		by_state[lab_frame_state(pool, i)]++;
	for (unsigned i = 0; i < LAB_MAX_DEVICES && !err; i++)
		err = survey_device(s, i, by_state[LAB_STATE_LENT(i)]);
	for (unsigned i = 0; i < LAB_MAX_PROCESSES && !err; i++)
		err = survey_lent(s, &pool->priv->shared->process[i], by_state);
	if (!err)
		err = survey_strays(s, by_state);
	for (uint32_t i = 0; i < pool->priv->plan.sites && !err; i++)
		err = survey_site(s, i);
	return err;
}

static int survey(struct survey *s)
{
	const struct lab_pool *pool = s->pool;
	int exact = (pool->priv->flags & LAB_POOL_EXACT) != 0, err = 0;
	struct lab_pool_stats stats;
	uint64_t counted;

	/* First: the caches list addresses of the processes that have them. */
	for (unsigned i = 0; i < LAB_MAX_PROCESSES && !err; i++)
		err = survey_process(s, i);
	for (uint32_t i = 0; i < pool->depot->magazines && !err; i++)
		err = exact ? survey_exact(s, i) : survey_magazine(s, i);
	for (uint32_t i = 0; i < pool->priv->reserve.magazines && !err; i++)
		err = survey_place(s, i);
	for (unsigned lcore = 1; lcore <= pool->priv->max_lcores && !err; lcore++)
		err = survey_cache(s, lcore);
	for (uint32_t i = 0; pool->state && i < pool->bundles->magazines && !err; i++)
		err = survey_bundle(s, i);
	for (uint64_t f = 0; pool->state && f < pool->frames && !err; f++)
		err = survey_frame(s, f);
	if (!err && pool->state)
		err = survey_owners(s);
	if (err)
		return err;
	lab_pool_stats(pool, &stats);
	counted = pool->state ? lab_frame_table_count_state(pool->state, pool->frames,
							    LAB_STATE_RETIRED)
			      : 0;
	counted -= pool->state ? lab_load(&pool->priv->shared->absent) : 0;
	if (counted != stats.retired)
		return lab_fail(
			EUCLEAN, "pool '%s': %llu frames are retired, and its counter says %llu",
			s->name, (unsigned long long)counted, (unsigned long long)stats.retired);
	/* Not stats.free, which is cut to what can be. */
	counted = exact ? stats.free : lab_pool_began_with(pool) + stats.flushed - stats.refilled;
	if (counted != s->in_depot)
		return lab_fail(EUCLEAN,
				"pool '%s': the depot has %llu frames, and its counters say %lld",
				s->name, (unsigned long long)s->in_depot, (long long)counted);
	return 0;
}

int lab_pool_validate(const struct lab_pool *pool)
{
	struct survey s = {.pool = pool};
	int err;

	if (!pool)
		return lab_fail(EINVAL, "lab_pool_validate() needs a pool; NULL was passed");
	if (pool->priv->inherited)
		return lab_refuse_child(pool);
	s.name = pool->priv->name;
	s.listed = calloc(pool->frames, 1);
	if (!s.listed)
		return lab_fail(ENOMEM, "no memory to survey the %llu frames of pool '%s'",
				(unsigned long long)pool->frames, s.name);
	lab_breath_hold(pool->priv);
	err = survey(&s);
	lab_breath_let_go(pool->priv);
	free(s.listed);
	return err;
}
