/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Plans where each table lies, fills them in, and points a handle at them.
 */
#include <string.h>

#include "bulk.h"
#include "bundle.h"
#include "cache.h"
#include "config.h"
#include "exact.h"
#include "hand.h"
#include "reserve.h"
#include "site.h"
#include "tables.h"

static uint64_t align_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) & ~(to - 1);
}

static const struct lab_bulk *pick_bulk(void)
{
#ifdef LAB_HAVE_AVX2
	if (__builtin_cpu_supports("avx2"))
		return &lab_bulk_avx2;
#endif
	return &lab_bulk_base;
}

/* A table of @bytes goes to the end of what is planned. Return: its offset. */
static uint64_t place(struct lab_plan *plan, uint64_t bytes)
{
	uint64_t at = plan->bytes;

	plan->bytes = align_up(at + bytes, 128);
	return at;
}

void lab_tables_plan(struct lab_plan *plan, const struct lab_head *head)
{
	int exclusive = !(head->flags & LAB_POOL_UNPROTECTED);
	int exact = (head->flags & LAB_POOL_EXACT) != 0;
	uint64_t frames = head->frames;
	uint64_t steps = (frames << LAB_FRAME_SHIFT >> LAB_DELTA_SHIFT) + 1;
	/* Enough to bundle every frame; beyond what their numbers reach, some frames stay loose. */
	int alone = exclusive && !exact && !(head->flags & LAB_POOL_COMMON);
	uint64_t bundles = alone ? frames >> LAB_BLOCK_SHIFT : 0;

	memset(plan, 0, sizeof(*plan));
	plan->frames = frames;
	plan->exclusive = (uint32_t)exclusive;
	plan->sets = exact ? 1 : LAB_DEPOT_SETS;
	plan->max_lcores = head->max_lcores;
	plan->capacity = lab_config_capacity(head->cache_frames, head->flags);
	plan->magazines = (uint32_t)lab_config_magazines(frames, head->cache_frames, head->flags,
							 head->max_lcores);
	plan->bundles =
		(uint32_t)(bundles < LAB_DEPOT_MAX_MAGAZINES ? bundles : LAB_DEPOT_MAX_MAGAZINES);
	plan->sites = head->sample ? LAB_SITES : 0;
	place(plan, sizeof(struct lab_shared));
	plan->state = place(plan, exclusive ? frames : 0);
	plan->cache = place(plan, (uint64_t)head->max_lcores * sizeof(struct lab_cache));
	plan->phys = place(plan, steps * sizeof(uint64_t));
	plan->home = place(plan, exclusive ? frames * sizeof(uint32_t) : 0);
	plan->bundle = place(plan, (uint64_t)plan->bundles * LAB_BUNDLE_BYTES);
	plan->magazine = place(plan, (uint64_t)plan->magazines * lab_depot_stride(plan->capacity));
	plan->bundle_map = place(plan, lab_depot_map_bytes(plan->bundles, 1));
	plan->map = place(plan, lab_depot_map_bytes(plan->magazines, plan->sets));
	plan->site = place(plan, plan->sites * sizeof(struct lab_site));
	plan->places = (uint32_t)head->reserve;
	plan->reserve = place(plan, (uint64_t)plan->places * lab_depot_stride(1));
	plan->reserve_map = place(plan, lab_depot_map_bytes(plan->places, LAB_DEPOT_LOOSE + 1));
	plan->doomed = place(plan, exclusive ? (frames + 63) / 64 * sizeof(uint64_t) : 0);
	plan->bytes = align_up(plan->bytes, 4096);
}

/* All frames into the depot, so that the lowest come out first. */
static void fill_depot(struct lab_depot *depot, uint64_t frames, int exclusive)
{
	uint32_t unit = exclusive ? LAB_BLOCK_SHIFT : 0;
	uint64_t items = frames >> unit, per = depot->capacity >> unit;

	for (uint64_t first = 0; first < items; first += per) {
		uint64_t end = first + per < items ? first + per : items;
		struct lab_magazine *mag = lab_depot_pop(depot, LAB_DEPOT_EMPTY, 0);
		int full = end - first == per;

		/* Caches take from the end of what a magazine gave them. */
		mag->count = (uint32_t)(end - first);
		for (uint32_t i = 0; i < mag->count; i++)
			mag->item[i] = (uint32_t)(end - 1 - i);
		if (unit)
			lab_depot_push(depot, full ? LAB_DEPOT_BLOCKS : LAB_DEPOT_BLOCKS_PARTIAL,
				       mag);
		else
			lab_depot_push(depot, full ? LAB_DEPOT_LOOSE : LAB_DEPOT_LOOSE_PARTIAL,
				       mag);
	}
}

/* None is in a set: they are its creator's. */
static void withhold(const struct lab_depot *depot)
{
	for (uint32_t i = 0; i < depot->magazines; i++)
		lab_depot_magazine(depot, i)->where = LAB_MAGAZINE_OF(0);
}

/* What is there: the last of it to the reserve, whole blocks to the depot. */
static void fill_frames(struct lab_pool_priv *priv, uint64_t began)
{
	uint64_t ordinary = began - priv->plan.places;

	fill_depot(&priv->depot, ordinary, (int)priv->plan.exclusive);
	lab_reserve_fill(&priv->reserve, ordinary);
	if (priv->pool.state)
		memset(priv->pool.state + began, LAB_STATE_RETIRED, priv->plan.frames - began);
	priv->shared->absent = priv->plan.frames - began;
}

static void fill_in(struct lab_pool_priv *priv, const struct lab_head *head)
{
	uint32_t cache_frames = head->cache_frames;

	for (uint32_t lcore = 1; lcore <= priv->plan.max_lcores; lcore++)
		lab_cache_init(&priv->cache[lcore - 1], lcore, cache_frames);
	lab_depot_fill(&priv->bundles);
	lab_depot_fill(&priv->reserve);
	if (priv->flags & LAB_POOL_NUMBERS) {
		/* Until lab_numbers_add(). */
		memset(priv->pool.state, LAB_STATE_RETIRED, priv->plan.frames);
		priv->shared->retired = priv->plan.frames;
	}
	/* Without caches magazines are the frames themselves. */
	if (priv->flags & LAB_POOL_NUMBERS && priv->flags & LAB_POOL_EXACT)
		withhold(&priv->depot);
	else
		lab_depot_fill(&priv->depot);
	if (!(priv->flags & (LAB_POOL_NUMBERS | LAB_POOL_EXACT)))
		fill_frames(priv, head->began);
}

void lab_tables_point_at(struct lab_pool_priv *priv, void *tables)
{
	const struct lab_plan *plan = &priv->plan;
	struct lab_pool *pool = &priv->pool;
	char *mem = tables;

	priv->shared = tables;
	priv->cache = (struct lab_cache *)(void *)(mem + plan->cache);
	priv->max_lcores = plan->max_lcores;
	lab_depot_point_at(&priv->bundles, mem + plan->bundle, mem + plan->bundle_map, 1,
			   plan->bundles, LAB_BLOCK_FRAMES, LAB_BUNDLE_BYTES);
	lab_depot_point_at(&priv->depot, mem + plan->magazine, mem + plan->map, plan->sets,
			   plan->magazines, plan->capacity, lab_depot_stride(plan->capacity));
	lab_depot_point_at(&priv->reserve, mem + plan->reserve, mem + plan->reserve_map,
			   LAB_DEPOT_LOOSE + 1, plan->places, 1, lab_depot_stride(1));
	priv->reserve.mark = LAB_MOVING_RESERVE;
	pool->depot = &priv->depot;
	if (!plan->exclusive)
		return;
	pool->state = (uint8_t *)mem + plan->state;
	pool->table = (uintptr_t)pool->state - ((uintptr_t)pool->base >> LAB_FRAME_SHIFT);
	priv->bulk = plan->sets == 1 ? &lab_bulk_exact : pick_bulk();
	pool->alloc_bulk = plan->sites ? lab_sampled_alloc_bulk : priv->bulk->alloc_bulk;
	pool->free_bulk = priv->bulk->free_bulk;
	priv->doomed = (uint64_t *)(void *)(mem + plan->doomed);
	pool->bundles = &priv->bundles;
	pool->home = (uint32_t *)(void *)(mem + plan->home);
}

/* ---- translation ---- */

/* One physical address for each 2 MiB. Return: 1, or 0 if they are not known. */
static int read_phys(const struct lab_arena *arena, uint64_t *phys)
{
	uint64_t steps = arena->bytes >> LAB_DELTA_SHIFT;
	unsigned per;

	if (arena->seg_shift < LAB_DELTA_SHIFT || lab_arena_phys(arena, phys))
		return 0;
	per = arena->seg_shift - LAB_DELTA_SHIFT;
	/* One address a segment, at the front of the table: spread it from the back. */
	for (uint64_t i = steps; i-- > 0;)
		phys[i] = phys[i >> per] + ((i & ((1ull << per) - 1)) << LAB_DELTA_SHIFT);
	return 1;
}

static uint64_t *phys_of(const struct lab_pool_priv *priv)
{
	return (uint64_t *)(void *)((char *)priv->shared + priv->plan.phys);
}

int lab_tables_learn(struct lab_pool_priv *priv, size_t at, size_t bytes)
{
	const struct lab_arena part = {
		.base = priv->arena.base + at, .bytes = bytes, .seg_shift = priv->arena.seg_shift};
	uint64_t *phys = phys_of(priv), first = at >> LAB_DELTA_SHIFT;

	if (!read_phys(&part, phys + first))
		return 0;
	for (uint64_t i = first; i < first + (bytes >> LAB_DELTA_SHIFT); i++)
		priv->delta[i] =
			phys[i] - (uint64_t)(uintptr_t)priv->pool.base - (i << LAB_DELTA_SHIFT);
	return 1;
}

/* What to add to this process's addresses: to make them physical, and to make them a device's. */
static int make_translation(struct lab_pool_priv *priv, const struct lab_head *head, int must_lock)
{
	const uint64_t *phys = phys_of(priv);
	struct lab_pool *pool = &priv->pool;
	uint64_t steps = (pool->bytes >> LAB_DELTA_SHIFT) + 1, *delta;
	void *map;
	int err;

	priv->delta_bytes = align_up(2 * steps * sizeof(uint64_t), 4096);
	err = lab_metadata_map(priv->name, priv->delta_bytes, must_lock, -1, &map);
	if (err)
		return err;
	priv->delta = delta = map;
	for (uint64_t i = 0; head->phys_known && i + 1 < steps; i++)
		delta[i] = phys[i] - (uint64_t)(uintptr_t)pool->base - (i << LAB_DELTA_SHIFT);
	pool->phys_delta = head->phys_known ? delta : NULL;
	/* Without known or wanted physical addresses, devices see virtual ones: nothing to add. */
	pool->iova_delta =
		pool->phys_delta && !(head->flags & LAB_POOL_IOVA_VA) ? delta : delta + steps;
	return 0;
}

void lab_tables_describe(struct lab_pool_priv *priv, const struct lab_head *head)
{
	lab_tables_plan(&priv->plan, head);
	priv->meta_bytes = priv->plan.bytes;
	priv->flags = head->flags;
	priv->sample = head->sample;
	priv->cache_frames = head->cache_frames;
}

static int map_tables(struct lab_pool_priv *priv, const struct lab_head *head, int must_lock)
{
	void *map;
	int err;

	err = lab_metadata_map(priv->name, priv->meta_bytes, must_lock, priv->fd[LAB_FD_TABLES],
			       &map);
	if (err)
		return err;
	lab_tables_point_at(priv, map);
	return 0;
}

static int finish_map(struct lab_pool_priv *priv, const struct lab_head *head, int must_lock)
{
	int err = make_translation(priv, head, must_lock);

	if (err)
		lab_metadata_unmap(priv->shared, priv->meta_bytes);
	return err;
}

int lab_tables_create(struct lab_pool_priv *priv, struct lab_head *head, int must_lock)
{
	struct lab_arena there = priv->arena;
	int err;

	lab_tables_describe(priv, head);
	if (head->flags & LAB_POOL_SHARED) {
		priv->fd[LAB_FD_TABLES] = lab_metadata_memfd(priv->name, priv->meta_bytes);
		if (priv->fd[LAB_FD_TABLES] < 0)
			return priv->fd[LAB_FD_TABLES];
	}
	err = map_tables(priv, head, must_lock);
	if (err)
		return err;
	fill_in(priv, head);
	there.bytes = head->began << LAB_FRAME_SHIFT;
	head->phys_known = (uint32_t)read_phys(&there, phys_of(priv));
	priv->shared->head = *head;
	return finish_map(priv, head, must_lock);
}

int lab_tables_attach(struct lab_pool_priv *priv, const struct lab_head *head, int must_lock)
{
	int err;

	lab_tables_describe(priv, head);
	err = map_tables(priv, head, must_lock);
	return err ? err : finish_map(priv, head, must_lock);
}

void lab_tables_destroy(struct lab_pool_priv *priv)
{
	lab_metadata_unmap(priv->delta, priv->delta_bytes);
	lab_metadata_unmap(priv->shared, priv->meta_bytes);
}
