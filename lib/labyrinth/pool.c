/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools: put together from arena, frame table, depot and caches, and taken apart again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <labyrinth/lab_frame.h>
#include <labyrinth/lab_stats.h>

#include "bulk.h"
#include "bundle.h"
#include "cache.h"
#include "config.h"
#include "error.h"
#include "hugepage.h"
#include "lcore.h"
#include "place.h"
#include "pool.h"

static void say_fallback(struct lab_pool_priv *priv, const char *why)
{
	snprintf(priv->fallback, sizeof(priv->fallback),
		 "on ordinary pages, without lasting physical addresses and with more TLB misses, "
		 "because %s",
		 why);
}

static int make_arena(struct lab_pool_priv *priv, struct lab_pool_config *config)
{
	struct lab_arena_request request = {.owner = priv->name,
					    .bytes = lab_config_round(config) << LAB_FRAME_SHIFT,
					    .page_size = config->page_size,
					    .node = config->node,
					    .dump = (config->flags & LAB_POOL_DUMP) != 0};
	int err = lab_arena_create(&priv->arena, &request);

	if (!err || !(config->flags & LAB_POOL_FALLBACK) || config->page_size == LAB_PAGE_4K)
		return err;
	say_fallback(priv, lab_error_text());
	config->page_size = LAB_PAGE_4K;
	request.page_size = LAB_PAGE_4K;
	request.bytes = lab_config_round(config) << LAB_FRAME_SHIFT;
	return lab_arena_create(&priv->arena, &request);
}

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

/* What to add to virtual addresses to make them physical, for each 2 MiB. 0 if it is not known. */
static int read_phys(const struct lab_arena *arena, uint64_t *delta)
{
	uint64_t steps = arena->bytes >> LAB_DELTA_SHIFT;
	unsigned per = arena->seg_shift - LAB_DELTA_SHIFT;

	if (arena->seg_shift < LAB_DELTA_SHIFT || lab_arena_phys(arena, delta))
		return 0;
	/* One address a segment, at the front of the table: spread it from the back. */
	for (uint64_t i = steps; i-- > 0;) {
		uint64_t segment = i >> per;

		delta[i] = delta[segment] - (uint64_t)(uintptr_t)arena->base -
			   (segment << arena->seg_shift);
	}
	return 1;
}

/*
 * One mapping: shared | frame table | caches | translation tables | homes | bundles |
 * magazines.
 */
static int make_tables(struct lab_pool_priv *priv, const struct lab_pool_config *config)
{
	struct lab_pool *pool = &priv->pool;
	int exclusive = !(config->flags & LAB_POOL_UNPROTECTED);
	/* Half a cache a magazine where blocks and loose frames share the cache; see flush() in
	 * cache.c. */
	uint32_t capacity = lab_config_capacity(config);
	uint32_t magazines = (uint32_t)lab_depot_need(pool->frames, capacity, config->max_lcores);
	uint64_t steps = (pool->bytes >> LAB_DELTA_SHIFT) + 1;
	uint64_t table = align_up(sizeof(struct lab_shared), 128);
	uint64_t caches = align_up(table + (exclusive ? pool->frames : 0), 128);
	uint64_t phys = caches + (uint64_t)config->max_lcores * sizeof(struct lab_cache);
	uint64_t zero = phys + steps * sizeof(uint64_t);
	/* Enough to bundle every frame; beyond what their numbers reach, some frames stay loose. */
	uint64_t all = exclusive ? pool->frames >> LAB_BLOCK_SHIFT : 0;
	uint64_t bundles = all < LAB_DEPOT_MAX_MAGAZINES ? all : LAB_DEPOT_MAX_MAGAZINES;
	uint64_t home = align_up(zero + steps * sizeof(uint64_t), 128);
	uint64_t table_of_bundles =
		align_up(home + (exclusive ? pool->frames * sizeof(uint32_t) : 0), 128);
	uint64_t mags = align_up(table_of_bundles + bundles * LAB_BUNDLE_BYTES, 128);
	uint64_t *phys_delta;
	char *mem;
	void *map;
	int err;

	priv->meta_bytes = align_up(mags + (uint64_t)magazines * lab_depot_stride(capacity), 4096);
	err = lab_metadata_map(priv->name, priv->meta_bytes, !(config->flags & LAB_POOL_FALLBACK),
			       &map);
	if (err)
		return err;
	mem = map;
	priv->shared = map;
	priv->cache = (struct lab_cache *)(void *)(mem + caches);
	priv->max_lcores = config->max_lcores;
	for (uint32_t lcore = 1; lcore <= config->max_lcores; lcore++)
		lab_cache_init(&priv->cache[lcore - 1], lcore, config->cache_frames);
	pool->depot = &priv->shared->depot;
	pool->state = exclusive ? (uint8_t *)mem + table : NULL;
	if (exclusive) {
		pool->table = (uintptr_t)pool->state - ((uintptr_t)pool->base >> LAB_FRAME_SHIFT);
		priv->bulk = pick_bulk();
		pool->alloc_bulk = priv->bulk->alloc_bulk;
		pool->free_bulk = priv->bulk->free_bulk;
		pool->bundles = &priv->shared->bundles;
		pool->home = (uint32_t *)(void *)(mem + home);
		lab_depot_init(pool->bundles, mem + table_of_bundles, (uint32_t)bundles,
			       LAB_BLOCK_FRAMES, LAB_BUNDLE_BYTES);
	}
	lab_depot_init(pool->depot, mem + mags, magazines, capacity, lab_depot_stride(capacity));

	/* Without known or wanted physical addresses, devices see virtual ones: nothing to add. */
	phys_delta = (uint64_t *)(void *)(mem + phys);
	pool->phys_delta = read_phys(&priv->arena, phys_delta) ? phys_delta : NULL;
	pool->iova_delta = pool->phys_delta && !(config->flags & LAB_POOL_IOVA_VA)
				   ? phys_delta
				   : (uint64_t *)(void *)(mem + zero);
	return 0;
}

/* All frames into the depot, so that the lowest come out first. */
static void fill_depot(struct lab_pool *pool)
{
	uint32_t unit = pool->state ? LAB_BLOCK_SHIFT : 0;
	uint64_t items = pool->frames >> unit, per = pool->depot->capacity >> unit;

	for (uint64_t end = items; end > 0;) {
		uint64_t first = (end - 1) / per * per;
		struct lab_magazine *mag = lab_depot_pop(pool->depot, LAB_DEPOT_EMPTY);
		int full = end - first == per;

		/* Caches take from the end of what a magazine gave them. */
		mag->count = (uint32_t)(end - first);
		for (uint32_t i = 0; i < mag->count; i++)
			mag->item[i] = (uint32_t)(end - 1 - i);
		if (unit)
			lab_depot_push(pool->depot,
				       full ? LAB_DEPOT_BLOCKS : LAB_DEPOT_BLOCKS_PARTIAL, mag);
		else
			lab_depot_push(pool->depot,
				       full ? LAB_DEPOT_LOOSE : LAB_DEPOT_LOOSE_PARTIAL, mag);
		end = first;
	}
}

struct lab_pool *lab_pool_create(const struct lab_pool_config *user_config)
{
	struct lab_pool_config config;
	struct lab_pool_priv *priv;
	int id;

	if (lab_config_complete(user_config, &config) || lab_lcore_watch_threads())
		return NULL;
	priv = aligned_alloc(64, (size_t)align_up(sizeof(*priv), 64));
	if (!priv) {
		lab_fail(ENOMEM, "no memory for a pool's handle");
		return NULL;
	}
	memset(priv, 0, sizeof(*priv));
	priv->on_refusal = config.on_refusal;
	priv->on_refusal_arg = config.on_refusal_arg;
	id = lab_place_claim(config.name, priv->name);
	if (id < 0)
		goto free_handle;
	priv->pool.id = (uint32_t)id;
	if (user_config->page_size == 0 && config.page_size == LAB_PAGE_4K)
		say_fallback(priv, "this kernel has no hugepages");
	if (make_arena(priv, &config))
		goto free_place;
	priv->pool.priv = priv;
	priv->pool.base = priv->arena.base;
	priv->pool.frames = priv->arena.bytes >> LAB_FRAME_SHIFT;
	priv->pool.bytes = priv->arena.bytes;
	priv->pool.node = (uint32_t)priv->arena.node;
	if (make_tables(priv, &config))
		goto free_arena;
	fill_depot(&priv->pool);
	lab_place_publish(id, priv->arena.base, priv->arena.bytes);
	lab_lcore_know_pool(&priv->pool);
	return &priv->pool;

free_arena:
	lab_arena_destroy(&priv->arena);
free_place:
	lab_place_release(id);
free_handle:
	free(priv);
	return NULL;
}

int64_t lab_pool_destroy(struct lab_pool *pool)
{
	struct lab_pool_priv *priv;
	struct lab_pool_stats stats;

	if (!pool)
		return 0;
	priv = pool->priv;
	if (priv->inherited) {
		lab_place_release((int)pool->id);
		free(priv);
		return 0;
	}
	lab_pool_stats(pool, &stats);
	if (stats.quarantined)
		return lab_fail(
			EBUSY,
			"pool '%s' cannot be destroyed: %llu frames are in quarantine, because a "
			"device that had them was closed and could not be reset; open it again",
			priv->name, (unsigned long long)stats.quarantined);
	if (stats.lent)
		return lab_fail(
			EBUSY,
			"pool '%s' cannot be destroyed: %llu frames are lent to devices, which "
			"may still write; close the devices first",
			priv->name, (unsigned long long)stats.lent);
	/* Acquire: pairs with the release of the last domain that let the pool go. */
	if (__atomic_load_n(&priv->domains, __ATOMIC_ACQUIRE))
		return lab_fail(EBUSY,
				"pool '%s' cannot be destroyed: %u domains map it for devices; "
				"lab_domain_unmap_pool() first",
				priv->name, priv->domains);
	/* Before the count of what is held: no thread that ends is emptying its cache then. */
	lab_lcore_forget_pool(pool);
	lab_pool_stats(pool, &stats);
	if (stats.held)
		lab_fail(0, "pool '%s' was destroyed while %llu frames were held", priv->name,
			 (unsigned long long)stats.held);
	lab_place_release((int)pool->id);
	lab_metadata_unmap(priv->shared, priv->meta_bytes);
	lab_arena_destroy(&priv->arena);
	free(priv);
	return (int64_t)stats.held;
}

const char *lab_pool_name(const struct lab_pool *pool)
{
	return pool->priv->name;
}

size_t lab_pool_page_size(const struct lab_pool *pool)
{
	return (size_t)1 << pool->priv->arena.seg_shift;
}

const char *lab_pool_fallback(const struct lab_pool *pool)
{
	return pool->priv->fallback[0] ? pool->priv->fallback : NULL;
}

size_t lab_pool_metadata_bytes(const struct lab_pool *pool)
{
	return pool->priv->meta_bytes + sizeof(*pool->priv);
}

void *lab_pool_memory(const struct lab_pool *pool, size_t *bytes)
{
	if (bytes)
		*bytes = pool->priv->arena.bytes;
	return pool->base;
}
