/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools: put together from arena, frame table, depot and caches, and taken apart again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <labyrinth/lab_frame.h>
#include <labyrinth/lab_stats.h>

#include "breath.h"
#include "config.h"
#include "error.h"
#include "handle.h"
#include "lcore.h"
#include "lend.h"
#include "numa_node.h"
#include "place.h"
#include "pool.h"
#include "report.h"
#include "segment.h"
#include "share/name.h"
#include "share/process.h"
#include "share/share.h"
#include "tables.h"

static void say_fallback(struct lab_pool_priv *priv, const char *why)
{
	snprintf(priv->fallback, sizeof(priv->fallback),
		 "on ordinary pages, without lasting physical addresses and with more TLB misses, "
		 "because %s",
		 why);
}

/* Of a pool that breathes: all addresses, and memory for the first of them. */
static int make_memory(struct lab_pool_priv *priv, const struct lab_pool_config *config,
		       const struct lab_arena_request *request)
{
	struct lab_arena_request all = *request;
	int err;

	if (!lab_config_breathes(config))
		return lab_arena_create(&priv->arena, request);
	all.bytes = lab_config_bounds(config).max << LAB_FRAME_SHIFT;
	err = lab_arena_reserve(&priv->arena, &all);
	if (err)
		return err;
	err = lab_segment_add(&priv->arena, request, 0);
	if (err)
		lab_arena_destroy(&priv->arena);
	else
		priv->arena.node = lab_numa_node_of(priv->arena.base);
	return err;
}

static int make_arena(struct lab_pool_priv *priv, struct lab_pool_config *config, void *address)
{
	struct lab_arena_request request = {.owner = priv->name,
					    .bytes = lab_config_round(config) << LAB_FRAME_SHIFT,
					    .page_size = config->page_size,
					    .node = config->node,
					    .dump = (config->flags & LAB_POOL_DUMP) != 0,
					    .shared = (config->flags & LAB_POOL_SHARED) != 0,
					    .address = address,
					    .inside = address != NULL};
	int err;

	if (config->flags & LAB_POOL_NUMBERS)
		return lab_arena_reserve(&priv->arena, &request);
	err = make_memory(priv, config, &request);
	if (!err || !(config->flags & LAB_POOL_FALLBACK) || config->page_size == LAB_PAGE_4K)
		return err;
	say_fallback(priv, lab_error_text());
	config->page_size = LAB_PAGE_4K;
	/* Fewer frames, now that no hugepage is to be filled: do the marks still fit? */
	err = lab_config_complete(config, config);
	if (err)
		return err;
	request.page_size = LAB_PAGE_4K;
	request.bytes = lab_config_round(config) << LAB_FRAME_SHIFT;
	return make_memory(priv, config, &request);
}

/* Unlike that of any other pool: when it was made, and by whom. */
static uint64_t make_key(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return ((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec) ^ (uint64_t)getpid()
										     << 44;
}

static int make_tables(struct lab_pool_priv *priv, const struct lab_pool_config *config,
		       gid_t group)
{
	struct lab_bounds bounds = lab_config_bounds(config);
	struct lab_marks marks = lab_config_marks(config);
	struct lab_head head = {.layout = LAB_LAYOUT,
				.flags = config->flags & ~(uint32_t)LAB_POOL_FALLBACK,
				.frames = priv->pool.frames,
				.seg_shift = priv->arena.seg_shift,
				.cache_frames = config->cache_frames,
				.max_lcores = config->max_lcores,
				.sample = config->sample,
				.node = priv->pool.node,
				.key = make_key(),
				.since = (uint64_t)time(NULL),
				.group = (uint32_t)group,
				.timeout_ms = config->timeout_ms,
				.began = lab_config_round(config),
				.least = bounds.min,
				.reserve = marks.reserve,
				.min = marks.min,
				.low = marks.low,
				.high = marks.high};

	memcpy(head.name, priv->name, sizeof(head.name));
	return lab_tables_create(priv, &head, !(config->flags & LAB_POOL_FALLBACK));
}

/* Before anything is made: a name that is taken is the commonest mistake. */
static int claim_name(struct lab_pool_priv *priv, const struct lab_pool_config *config,
		      gid_t *group)
{
	int err = 0;

	if (!(config->flags & LAB_POOL_SHARED))
		return 0;
	err = lab_name_check(config->name);
	if (!err)
		err = lab_share_group(config->group, group);
	if (err)
		return err;
	/* A child of fork() that inherited it unseen would keep the name. */
	lab_arena_before_fork();
	err = lab_name_claim(config->name, *group, priv->dir);
	priv->fd[LAB_FD_NAME] = err < 0 ? -1 : err;
	lab_arena_after_fork();
	return err < 0 ? err : 0;
}

static int start_breath(struct lab_pool_priv *priv, const struct lab_pool_config *config)
{
	const struct lab_arena_request request = {.page_size = config->page_size,
						  .node = config->node,
						  .dump = (config->flags & LAB_POOL_DUMP) != 0};

	return lab_breath_start(priv, &request, config->grow_rate);
}

struct lab_pool *lab_pool_create(const struct lab_pool_config *config)
{
	return lab_pool_create_at(config, NULL);
}

struct lab_pool *lab_pool_create_at(const struct lab_pool_config *user_config, void *address)
{
	struct lab_pool_config config;
	struct lab_pool_priv *priv;
	gid_t group = (gid_t)-1;

	if (lab_config_complete(user_config, &config) || lab_lcore_watch_threads())
		return NULL;
	priv = lab_handle_new(config.name);
	if (!priv)
		return NULL;
	priv->on_refusal = config.on_refusal;
	priv->on_refusal_arg = config.on_refusal_arg;
	if (user_config->page_size == 0 && config.page_size == LAB_PAGE_4K &&
	    !(config.flags & LAB_POOL_NUMBERS))
		say_fallback(priv, "this kernel has no hugepages");
	lab_lcore_know_pool(&priv->pool);
	if (claim_name(priv, &config, &group))
		goto free_handle;
	if (make_arena(priv, &config, address))
		goto free_name;
	lab_handle_know_arena(priv, config.flags);
	if (make_tables(priv, &config, group))
		goto free_arena;
	if (!(config.flags & LAB_POOL_SHARED))
		lab_process_alone(priv);
	else if (lab_share_found(priv, config.lcores, group))
		goto free_tables;
	if (lab_config_breathes(&config) && start_breath(priv, &config))
		goto free_tables;
	lab_place_publish((int)priv->pool.id, priv->arena.base, priv->arena.bytes);
	lab_lcore_show_pool(&priv->pool);
	return &priv->pool;

free_tables:
	lab_tables_destroy(priv);
free_arena:
	lab_arena_destroy(&priv->arena);
free_name:
	if (priv->fd[LAB_FD_NAME] >= 0)
		lab_name_leave(priv->dir, priv->name, priv->fd[LAB_FD_NAME]);
	priv->fd[LAB_FD_NAME] = -1;
free_handle:
	lab_handle_free(priv);
	return NULL;
}

/* Whether devices may still write to frames that would go. */
static int refuse_lent(const struct lab_pool_priv *priv)
{
	struct lab_pool_stats stats;
	uint64_t lent;

	lab_pool_stats(&priv->pool, &stats);
	lent = lab_pool_is_shared(priv) ? lab_lend_count(&priv->pool) : stats.lent;
	/* Those of others are theirs to care for, as long as there are others. */
	if (stats.quarantined && !(lab_pool_is_shared(priv) && lab_process_others(priv)))
		return lab_fail(
			EBUSY,
			"pool '%s' cannot be destroyed: %llu frames are in quarantine, because a "
			"device that had them was closed and could not be reset, or its process "
			"died; open it again, or lab_device_absolve() it",
			priv->name, (unsigned long long)stats.quarantined);
	if (lent)
		return lab_fail(
			EBUSY,
			"pool '%s' cannot be destroyed: %llu frames are lent to devices, which "
			"may still write; close the devices first",
			priv->name, (unsigned long long)lent);
	/* Acquire: pairs with the release of the last domain that let the pool go. */
	if (__atomic_load_n(&priv->domains, __ATOMIC_ACQUIRE))
		return lab_fail(EBUSY,
				"pool '%s' cannot be destroyed: %u domains map it for devices; "
				"lab_domain_unmap_pool() first",
				priv->name, priv->domains);
	return 0;
}

/* What the process still held. It is found by itself, or by who reaps. */
static int64_t let_go(struct lab_pool_priv *priv)
{
	struct lab_pool_stats stats;

	/* Before the count of what is held: no thread that ends is emptying its cache then. */
	lab_lcore_hide_pool(&priv->pool);
	if (lab_pool_is_shared(priv))
		return lab_share_leave(priv, lab_report_leaks);
	lab_pool_stats(&priv->pool, &stats);
	if (stats.held)
		lab_report_leaks(&priv->pool);
	return (int64_t)stats.held;
}

int lab_pool_may_go(const struct lab_pool *pool)
{
	return pool->priv->inherited || pool->priv->observer ? 0 : refuse_lent(pool->priv);
}

int64_t lab_pool_destroy(struct lab_pool *pool)
{
	struct lab_pool_priv *priv;
	int64_t held;
	int err;

	if (!pool)
		return 0;
	priv = pool->priv;
	if (priv->inherited) {
		lab_handle_free(priv);
		return 0;
	}
	if (priv->observer) {
		lab_metadata_unmap(priv->shared, priv->meta_bytes);
		lab_handle_free(priv);
		return 0;
	}
	err = refuse_lent(priv);
	if (err)
		return err;
	lab_breath_stop(priv);
	held = let_go(priv);
	if (held)
		lab_fail(0, "pool '%s' was destroyed while %llu frames were held", priv->name,
			 (unsigned long long)held);
	lab_tables_destroy(priv);
	lab_arena_destroy(&priv->arena);
	lab_handle_free(priv);
	return held;
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
	return pool->priv->meta_bytes + pool->priv->delta_bytes + sizeof(*pool->priv);
}

void *lab_pool_memory(const struct lab_pool *pool, size_t *bytes)
{
	int none = (pool->priv->flags & LAB_POOL_NUMBERS) != 0;

	if (bytes)
		*bytes = none ? 0 : pool->priv->arena.bytes;
	return none ? NULL : pool->base;
}

unsigned lab_pool_each(struct lab_pool *pools[LAB_MAX_POOLS])
{
	return lab_lcore_pools(pools);
}
