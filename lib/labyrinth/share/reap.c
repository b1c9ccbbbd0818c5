/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Reaping, in two passes. A frame of the dead whose byte names one of its lcores is found by its
 * byte. Others are "the depot's" by their byte, and only a list says that they are not there: the
 * lower end of a cache, or a magazine in the hands of a dead lcore. The first pass gives all of
 * these a byte that names the dead lcore, and ends the lists; the second takes every frame whose
 * byte does. Nothing goes back to the depot before the first pass is over, so whoever has to repeat
 * it finds no listed frame that is the depot's truly.
 *
 * What a dead process wrote is not trusted: every number is checked before it is used.
 */
#include <errno.h>
#include <string.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_frame.h>

#include "bundle.h"
#include "cache.h"
#include "depot.h"
#include "error.h"
#include "exact.h"
#include "frame_table.h"
#include "hand.h"
#include "reserve.h"
#include "share/reap.h"
#include "site.h"

/* The lcore of the dead that a state names, or 0. */
static unsigned dead_lcore(const struct lab_shared *shared, const struct lab_process *dead,
			   uint8_t state)
{
	unsigned lcore = 0;

	if (state != LAB_STATE_DEPOT && lab_state_is_free(state))
		lcore = state;
	else if (LAB_STATE_IS_HELD(state))
		lcore = state - LAB_MAX_LCORES;
	return lcore && lab_process_owns(shared, dead, lcore) ? lcore : 0;
}

/* ---- the first pass ---- */

/* Relaxed, here and below: what orders this after the dead's last store is the lock that the kernel
 * took from it, and nobody else steps a frame that a list of the dead has. */
static void name_byte(uint8_t *state, uint8_t to)
{
	uint8_t expected = LAB_STATE_DEPOT;

	__atomic_compare_exchange_n(state, &expected, to, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static void name_frame(struct lab_pool *pool, uint64_t frame, uint8_t to)
{
	if (frame < pool->frames)
		name_byte(&pool->state[frame], to);
}

/* A number out of a magazine of the dead. */
static void name_item(struct lab_pool *pool, uint32_t item, int blocks, uint8_t to)
{
	uint64_t first = (uint64_t)item << LAB_BLOCK_SHIFT;

	if (!blocks) {
		name_frame(pool, item, to);
	} else if (item & LAB_BUNDLE) {
		uint32_t number = item & ~LAB_BUNDLE;

		if (number < pool->bundles->magazines)
			name_byte(&lab_bundle_at(pool, number)->state, to);
	} else {
		for (unsigned i = 0; i < LAB_BLOCK_FRAMES; i++)
			name_frame(pool, first + i, to);
	}
}

/* The magazine is the dead lcore's. Its frames came out of the depot: `refilled` counts them, once,
 * however often this is begun. */
static void empty_magazine(struct lab_pool *pool, struct lab_depot *depot, unsigned lcore,
			   struct lab_magazine *mag)
{
	struct lab_cache *c = lab_pool_cache(pool, lcore);
	int blocks = (lab_load(&mag->where) & LAB_MAGAZINE_BLOCKS) != 0;
	uint32_t capacity = depot->capacity >> (blocks ? LAB_BLOCK_SHIFT : 0);
	uint32_t count = mag->count < capacity ? mag->count : capacity;
	uint32_t announced = LAB_MOVING_IN | depot->mark | (lab_depot_number(depot, mag) + 1);

	if (count && c->moving != announced) {
		lab_store(&c->after, c->refilled + (blocks ? count << LAB_BLOCK_SHIFT : count));
		lab_store_release(&c->moving, announced);
	}
	if (c->moving == announced)
		lab_store_release(&c->refilled, c->after);
	for (uint32_t i = 0; i < count; i++)
		name_item(pool, mag->item[i], blocks, LAB_STATE_FREED(lcore));
	lab_store_release(&mag->count, 0u);
	if (c->moving == announced)
		lab_store_release(&c->moving, 0u);
	lab_depot_retire_hints(depot, mag);
	lab_depot_push(depot, LAB_DEPOT_EMPTY, mag);
}

/* A flush that was announced, and a refill whose magazine is in order already. */
static void finish_counting(struct lab_pool *pool, unsigned lcore)
{
	struct lab_cache *c = lab_pool_cache(pool, lcore);
	uint32_t mark = c->moving & LAB_MOVING_RESERVE;
	struct lab_depot *depot = mark ? &pool->priv->reserve : pool->depot;
	uint32_t number = (c->moving & LAB_MOVING_NUMBER) - 1;
	struct lab_magazine *mag;

	if (!c->moving || number >= depot->magazines)
		return;
	mag = lab_depot_magazine(depot, number);
	if (c->moving & LAB_MOVING_IN) {
		lab_store_release(&c->refilled, c->after);
		return;
	}
	if (LAB_MAGAZINE_LCORE(lab_load(&mag->where)) != (int)lcore) {
		/* It was pushed. */
		lab_store_release(&c->flushed, c->after);
		lab_store_release(&c->moving, 0u);
		return;
	}
	/* It was not: what it had before is as if it had been taken out, what was added never went
	 * in. */
	lab_store(&c->after, c->refilled + c->had);
	lab_store_release(&c->moving, LAB_MOVING_IN | mark | (number + 1));
	lab_store_release(&c->refilled, c->after);
}

/* Only those that came from the depot need it; see "foreign". */
static void name_cached(struct lab_pool *pool, const struct lab_process *dead, unsigned lcore)
{
	const struct lab_cache *c = lab_pool_cache(pool, lcore);
	uint32_t len = lab_cache_len(c), end = c->foreign < len ? c->foreign : len;

	for (uint32_t i = 0; i < end && i < LAB_CACHE_ROOM; i++)
		name_frame(pool, ((uint64_t)(uintptr_t)c->objs[i] - dead->base) >> LAB_FRAME_SHIFT,
			   LAB_STATE_FREED(lcore));
}

static void forget_cached(struct lab_pool *pool, unsigned lcore)
{
	struct lab_cache *c = lab_pool_cache(pool, lcore);

	/* Its constants, too: what the dead process left of them is not relied upon. */
	lab_cache_init(c, lcore, pool->priv->cache_frames);
	lab_store_release(&c->blocks, 0u);
	lab_cache_set_len(c, 0);
	c->foreign = c->in_bulk = c->broken = 0;
	c->spare[0] = c->spare[1] = 0;
	lab_store(&c->giving, 0u);
	lab_reserve_release(pool, c);
	lab_store_release(&c->moving, 0u);
}

static void take_magazines(struct lab_pool *pool, struct lab_depot *depot,
			   const struct lab_process *dead)
{
	for (uint32_t i = 0; i < depot->magazines; i++) {
		struct lab_magazine *mag = lab_depot_magazine(depot, i);
		int lcore = LAB_MAGAZINE_LCORE(lab_load(&mag->where));

		if (lcore > 0 && lab_process_owns(pool->priv->shared, dead, (unsigned)lcore))
			empty_magazine(pool, depot, (unsigned)lcore, mag);
	}
}

/*
 * A frame that a bundle of the dead lists, and that may have left it long ago and be in a bundle of
 * a survivor's now: home[] still says this one's number then until the survivor writes its own,
 * which it does before it writes the byte. So the byte is read first: a byte that says "bundled"
 * has its own bundle's number in home[], or a later one.
 *
 * Nothing changes between the two and the compare-and-swap if home[] says @number. Only who has the
 * descriptor writes that number (who gives a frame away, or samples it, writes one with a top bit,
 * see home.h), and that was the dead. So the byte that was read is of this bundle, too, and frames
 * leave a bundle by its holder's lcores only: the dead's. Who reaps has the dead's lock, alone.
 */
static void take_out(struct lab_pool *pool, uint32_t frame, uint32_t number, unsigned lcore)
{
	uint8_t expected = LAB_STATE_BUNDLED;

	/* Acquire: pairs with the release in lab_bundle_form(), for home[]. */
	if (__atomic_load_n(&pool->state[frame], __ATOMIC_ACQUIRE) == LAB_STATE_BUNDLED &&
	    lab_load(&pool->home[frame]) == number)
		__atomic_compare_exchange_n(&pool->state[frame], &expected, LAB_STATE_FREED(lcore),
					    0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* A bundle of the dead, or one that it was just making: its frames go singly from here on. */
static void dissolve(struct lab_pool *pool, struct lab_bundle *bundle, uint32_t number,
		     unsigned lcore)
{
	for (unsigned i = 0; i < LAB_BLOCK_FRAMES; i++) {
		if (bundle->frame[i] < pool->frames)
			take_out(pool, bundle->frame[i], number, lcore);
	}
	lab_store_release(&bundle->where, LAB_MAGAZINE_OF(lcore));
	lab_store(&bundle->left, 0u);
	lab_store(&bundle->state, LAB_STATE_DEPOT);
	lab_depot_retire_hints(pool->bundles, (struct lab_magazine *)(void *)bundle);
	lab_depot_push(pool->bundles, LAB_DEPOT_EMPTY, (struct lab_magazine *)(void *)bundle);
}

static void take_bundles(struct lab_pool *pool, const struct lab_process *dead)
{
	for (uint32_t i = 0; i < pool->bundles->magazines; i++) {
		struct lab_bundle *bundle = lab_bundle_at(pool, i);
		uint32_t where = lab_load(&bundle->where);
		int making = LAB_MAGAZINE_LCORE(where);
		unsigned lcore = 0;

		if (where == LAB_MAGAZINE_LISTED)
			lcore = dead_lcore(pool->priv->shared, dead, lab_load(&bundle->state));
		else if (making > 0 && lab_process_owns(pool->priv->shared, dead, (unsigned)making))
			lcore = (unsigned)making;
		if (lcore)
			dissolve(pool, bundle, i, lcore);
	}
}

/* Without caches: what it was just moving goes back to the set, all else has a byte that names it.
 */
static void mend_exact(struct lab_pool *pool, const struct lab_process *dead)
{
	for (uint32_t i = 0; i < pool->depot->magazines; i++) {
		int lcore =
			LAB_MAGAZINE_LCORE(lab_load(&lab_depot_magazine(pool->depot, i)->where));

		if (lcore > 0 && lab_process_has(dead, (unsigned)lcore))
			lab_exact_mend(pool, i, (unsigned)lcore);
	}
	lab_depot_mend(pool->depot);
}

static void name_all(struct lab_pool *pool, const struct lab_process *dead)
{
	unsigned end = dead->first + dead->lcores;

	if (pool->priv->flags & LAB_POOL_EXACT) {
		mend_exact(pool, dead);
		return;
	}
	for (unsigned lcore = dead->first; lcore < end; lcore++) {
		finish_counting(pool, lcore);
		name_cached(pool, dead, lcore);
	}
	take_magazines(pool, pool->depot, dead);
	take_magazines(pool, &pool->priv->reserve, dead);
	for (unsigned lcore = dead->first; lcore < end; lcore++)
		forget_cached(pool, lcore);
	take_bundles(pool, dead);
	/* What it had put into a set, without having got to the set's map. */
	lab_depot_mend(pool->depot);
	lab_depot_mend(pool->bundles);
	lab_depot_mend(&pool->priv->reserve);
	lab_reserve_forget(pool);
	/* It may have died with a frame of it, before it said that one is lacking. */
	if (lab_reserve_count(pool) < pool->priv->reserve.magazines)
		lab_reserve_press(pool);
}

/* ---- the second pass ---- */

/* Those of 32 frames that name an lcore of @whose. The compare-and-swap is for who is just giving
 * one of them away to the dead, sees that it is dead, and takes it back. Acquire: pairs with the
 * release of its byte, so that who has the lcore next knows of it (transfer.c). */
static uint32_t take_block(struct lab_pool *pool, const uint8_t *whose, struct lab_cache *c,
			   uint64_t first)
{
	uint32_t len = lab_cache_len(c), taken = len;

	for (uint64_t i = first; i < first + LAB_BLOCK_FRAMES; i++) {
		uint8_t state = lab_load(&pool->state[i]);

		if (whose[state] &&
		    __atomic_compare_exchange_n(&pool->state[i], &state, c->freed, 0,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			c->objs[taken++] = lab_frame_at(pool, i);
	}
	if (taken - len == LAB_BLOCK_FRAMES) {
		c->block[c->blocks] = (uint32_t)(first >> LAB_BLOCK_SHIFT);
		lab_cache_set_blocks(c, c->blocks + 1);
	} else {
		lab_cache_own_from_here(c);
		lab_cache_set_len(c, taken);
	}
	return taken - len;
}

/* The same without caches: the frames go back one by one. */
static int64_t take_exact(struct lab_pool *pool, const uint8_t *whose, unsigned lcore)
{
	int64_t all = 0;

	for (uint64_t i = 0; i < pool->frames; i++) {
		uint8_t state = lab_load(&pool->state[i]);

		if (!whose[state] ||
		    !__atomic_compare_exchange_n(&pool->state[i], &state, LAB_STATE_FREED(lcore), 0,
						 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		lab_exact_put(pool, (uint32_t)i, lcore);
		all++;
	}
	return all;
}

/* Which states name the process, those of @held frames too or not; and, with @strays, which name an
 * lcore that no process has. */
static void list_states(const struct lab_pool *pool, const struct lab_process *process, int strays,
			int held, uint8_t whose[256])
{
	memset(whose, 0, 256);
	for (unsigned lcore = 1; lcore <= pool->priv->max_lcores; lcore++) {
		uint8_t take = lab_process_owns(pool->priv->shared, process, lcore) ||
			       (strays && lab_process_is_lcore_free(pool->priv->shared, lcore));

		whose[LAB_STATE_FREED(lcore)] = take;
		whose[LAB_STATE_HELD(lcore)] = take && held;
	}
}

/* Through one of the process's own caches, which are empty now, and so back to the depot. Whoever
 * is killed here leaves the same that it found: bytes that name the process's lcores. */
static int64_t take_named(struct lab_pool *pool, struct lab_process *process, int strays, int held)
{
	struct lab_cache *c = lab_pool_cache(pool, process->first);
	uint8_t whose[256];
	int64_t all = 0;
	int err;

	list_states(pool, process, strays, held, whose);
	if (pool->priv->flags & LAB_POOL_EXACT)
		return take_exact(pool, whose, process->first);
	process->base = (uint64_t)(uintptr_t)pool->base;
	for (uint64_t i = 0; i < pool->frames; i += LAB_BLOCK_FRAMES) {
		err = lab_cache_make_room(pool, c, LAB_BLOCK_FRAMES);
		if (err)
			return err;
		all += take_block(pool, whose, c, i);
	}
	lab_cache_drain(pool, c);
	return all;
}

/*
 * One of the dead's devices, or one that it was just absolving (lend.c). Who absolves has
 * `absolver` alone, so it is counted only where nobody else can be doing that: where it was the
 * dead itself, or where nothing is in quarantine yet. What was in quarantine before has been
 * counted, and becomes less by absolving only.
 */
static void settle_device(struct lab_pool *pool, const struct lab_process *dead, int number)
{
	struct lab_slot *device = &pool->priv->shared->device[number];
	int absolving = lab_load(&device->absolver) == lab_load(&dead->id);
	int had = lab_load(&device->taken) == lab_load(&dead->id);
	uint32_t quarantined = lab_load(&device->quarantined);

	if (absolving ? had || quarantined : had && !quarantined) {
		quarantined = (uint32_t)lab_frame_table_count_state(pool->state, pool->frames,
								    LAB_STATE_LENT(number));
		lab_store(&device->quarantined, quarantined);
		/* Release: the slot's next owner sees it as this one left it. */
		if (!quarantined)
			lab_store_release(&device->taken, 0u);
	}
	/* Release: the next one who absolves the device finds it counted. */
	if (absolving)
		lab_store_release(&device->absolver, 0u);
}

/* Frames that the dead had lent stay so, until somebody knows of the device. From now on the device
 * counts them, and the dead's lcores do not: it may have died before it counted some. */
static void quarantine(struct lab_pool *pool, const struct lab_process *dead)
{
	unsigned end = dead->first + dead->lcores;

	for (int i = 0; i < LAB_MAX_DEVICES; i++)
		settle_device(pool, dead, i);
	for (unsigned lcore = dead->first; lcore < end; lcore++) {
		struct lab_cache *c = lab_pool_cache(pool, lcore);

		lab_store(&c->taken, lab_load(&c->lent));
	}
}

int64_t lab_reap_strays(struct lab_pool *pool, struct lab_process *process)
{
	unsigned end = process->first + process->lcores;

	/* They are in order, unless somebody has overwritten them. */
	for (unsigned lcore = process->first; lcore < end; lcore++)
		forget_cached(pool, lcore);
	return take_named(pool, process, 1, 1);
}

uint64_t lab_reap_count_held(const struct lab_pool *pool, const struct lab_process *process)
{
	uint64_t held = 0;

	for (uint64_t i = 0; i < pool->frames; i++) {
		uint8_t state = lab_frame_state(pool, i);

		held += LAB_STATE_IS_HELD(state) && dead_lcore(pool->priv->shared, process, state);
	}
	return held;
}

/* Whether a process's slot can be believed: each of its lcores says that it is this process's. */
static int is_whole(const struct lab_pool *pool, const struct lab_process *process)
{
	unsigned end = (unsigned)process->first + process->lcores;

	if (process->first == 0 || process->lcores == 0 || end > pool->priv->max_lcores + 1u)
		return 0;
	for (unsigned lcore = 1; lcore <= pool->priv->max_lcores; lcore++) {
		int says = lab_load(&pool->priv->shared->slot[lcore].process) == process->id;

		if (says != lab_process_has(process, lcore))
			return 0;
	}
	return 1;
}

/* Its lcores and its slot are free for another from here on. */
static void free_slot(struct lab_pool *pool, struct lab_process *dead)
{
	for (unsigned lcore = dead->first; lcore < (unsigned)dead->first + dead->lcores; lcore++)
		lab_store_release(&pool->priv->shared->slot[lcore].taken, 0u);
	lab_store_release(&dead->state, (uint32_t)LAB_PROCESS_FREE);
}

int64_t lab_reap_process(struct lab_pool *pool, struct lab_process *dead, int strays)
{
	struct lab_shared *shared = pool->priv->shared;
	int passed = lab_load(&shared->passed) || pool->priv->flags & LAB_POOL_KEEP;
	int64_t frames;

	if (!is_whole(pool, dead))
		return lab_fail(
			EUCLEAN,
			"pool '%s': a dead process had %u lcores from %u of %u on, and these say "
			"otherwise: something has overwritten the tables; it cannot be reaped",
			pool->priv->name, dead->lcores, dead->first, pool->priv->max_lcores);
	lab_store_release(&dead->state, (uint32_t)LAB_PROCESS_LEAVING);
	/* Who gives a frame to the dead stores the byte, and then reads the slot's state
	 * (transfer.c); here the state is stored, and then the bytes are read: one of the two sees
	 * the other. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	name_all(pool, dead);
	frames = take_named(pool, dead, strays, !passed);
	if (frames < 0)
		return frames;
	quarantine(pool, dead);
	/* It may have died between the bytes and the counter (numbers.c), which is put right under
	 * the table's lock. */
	if (strays)
		lab_store(&shared->retired, lab_frame_table_count_state(pool->state, pool->frames,
									LAB_STATE_RETIRED) -
						    lab_load(&shared->absent));
	lab_site_forget(pool->priv, lab_load(&dead->id));
	if (passed && lab_reap_count_held(pool, dead))
		lab_store_release(&dead->state, (uint32_t)LAB_PROCESS_GONE);
	else
		free_slot(pool, dead);
	return frames;
}

int64_t lab_reap_rest(struct lab_pool *pool, struct lab_process *gone, int all)
{
	int64_t frames = 0;

	if (all) {
		/* Through its own lists: should this process be killed meanwhile, they are looked
		 * at. */
		lab_store_release(&gone->state, (uint32_t)LAB_PROCESS_LEAVING);
		frames = take_named(pool, gone, 0, 1);
	} else if (lab_reap_count_held(pool, gone)) {
		return 0;
	}
	if (frames >= 0)
		free_slot(pool, gone);
	return frames < 0 ? 0 : frames;
}
