/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The pools of this process on DPDK's telemetry socket:
 *
 *   /labyrinth/list            names
 *   /labyrinth/pool,NAME       totals and counters
 *   /labyrinth/lcores,NAME     by lcore that a thread has, or has had
 *   /labyrinth/owners,NAME     who holds, caches, or was lent how many frames, since when
 *   /labyrinth/leaks,NAME      where held frames were allocated, of a pool that samples
 *   /labyrinth/reclaim,NAME    lab_reclaim(): who asks for it knows that nobody uses what the dead
 * held
 *
 * For each, the mempool's name will do, too.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_telemetry.h>

#include <labyrinth/labyrinth.h>

#include "side.h"

#define SITES_MAX 16

typedef struct rte_tel_data data_t;

static const char *mempool_name(const struct lab_pool *pool)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		if (sides[i].key && sides[i].pool == pool)
			return sides[i].mempool;
	}
	return "";
}

static struct lab_pool *find(const char *name)
{
	struct lab_pool *pools[LAB_MAX_POOLS];
	unsigned n = lab_pool_each(pools);

	for (unsigned i = 0; name && i < n; i++) {
		if (strcmp(lab_pool_name(pools[i]), name) == 0 ||
		    strcmp(mempool_name(pools[i]), name) == 0)
			return pools[i];
	}
	return NULL;
}

/* @then with a pool that stays meanwhile. */
static int with_pool(const char *name, data_t *d, int (*then)(struct lab_pool *pool, data_t *d))
{
	struct lab_pool *pool;
	int err;

	side_hold();
	pool = find(name);
	err = pool ? then(pool, d) : -ENOENT;
	side_let_go();
	return err;
}

static int on_list(const char *cmd __rte_unused, const char *params __rte_unused, data_t *d)
{
	struct lab_pool *pools[LAB_MAX_POOLS];
	unsigned n;

	side_hold();
	n = lab_pool_each(pools);
	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	for (unsigned i = 0; i < n; i++)
		rte_tel_data_add_array_string(d, lab_pool_name(pools[i]));
	side_let_go();
	return 0;
}

static int tell_pool(struct lab_pool *pool, data_t *d)
{
	struct lab_pool_stats s;
	uint64_t refused = 0;

	lab_pool_stats(pool, &s);
	for (unsigned i = 0; i < LAB_REFUSED_KINDS; i++)
		refused += s.refused[i];
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "name", lab_pool_name(pool));
	rte_tel_data_add_dict_string(d, "mempool", mempool_name(pool));
	rte_tel_data_add_dict_u64(d, "total", s.total);
	rte_tel_data_add_dict_u64(d, "free", s.free);
	rte_tel_data_add_dict_u64(d, "cached", s.cached);
	rte_tel_data_add_dict_u64(d, "held", s.held);
	rte_tel_data_add_dict_u64(d, "lent", s.lent);
	rte_tel_data_add_dict_u64(d, "quarantined", s.quarantined);
	rte_tel_data_add_dict_u64(d, "retired", s.retired);
	rte_tel_data_add_dict_u64(d, "allocs", s.allocs);
	rte_tel_data_add_dict_u64(d, "frees", s.frees);
	rte_tel_data_add_dict_u64(d, "misses", s.misses);
	rte_tel_data_add_dict_u64(d, "refilled", s.refilled);
	rte_tel_data_add_dict_u64(d, "flushed", s.flushed);
	rte_tel_data_add_dict_u64(d, "dropped", s.dropped);
	rte_tel_data_add_dict_u64(d, "refused", refused);
	rte_tel_data_add_dict_u64(d, "double_frees", s.refused[LAB_REFUSED_DOUBLE_FREE]);
	rte_tel_data_add_dict_u64(d, "reaped_processes", s.reaped_processes);
	rte_tel_data_add_dict_u64(d, "reaped_frames", s.reaped_frames);
	rte_tel_data_add_dict_u64(d, "lcores", s.lcores);
	rte_tel_data_add_dict_u64(d, "beside_bytes", lab_pool_metadata_bytes(pool));
	return 0;
}

static int on_pool(const char *cmd __rte_unused, const char *params, data_t *d)
{
	return with_pool(params, d, tell_pool);
}

/* A part of an answer, by a key that no other part has. */
static data_t *start_part(void)
{
	data_t *part = rte_tel_data_alloc();

	if (part)
		rte_tel_data_start_dict(part);
	return part;
}

static int tell_lcores(struct lab_pool *pool, data_t *d)
{
	struct lab_lcore_stats s;
	char key[16];

	rte_tel_data_start_dict(d);
	for (unsigned i = 1; i <= lab_pool_max_lcores(pool); i++) {
		data_t *part;

		if (lab_lcore_stats(pool, i, &s) || (!s.active && !s.allocs && !s.frees))
			continue;
		part = start_part();
		if (!part)
			return -ENOMEM;
		rte_tel_data_add_dict_string(part, "name", s.name);
		rte_tel_data_add_dict_int(part, "active", s.active);
		rte_tel_data_add_dict_u64(part, "cached", s.cached);
		rte_tel_data_add_dict_u64(part, "allocs", s.allocs);
		rte_tel_data_add_dict_u64(part, "frees", s.frees);
		rte_tel_data_add_dict_u64(part, "misses", s.misses);
		rte_tel_data_add_dict_u64(part, "refilled", s.refilled);
		rte_tel_data_add_dict_u64(part, "flushed", s.flushed);
		snprintf(key, sizeof(key), "%u", i);
		rte_tel_data_add_dict_container(d, key, part, 0);
	}
	return 0;
}

static int on_lcores(const char *cmd __rte_unused, const char *params, data_t *d)
{
	return with_pool(params, d, tell_lcores);
}

static void add_holder(data_t *d, const struct lab_holder *h)
{
	static const char *const kinds[] = {"none", "process", "lcore", "device"};
	data_t *part = start_part();
	char key[32];

	if (!part)
		return;
	rte_tel_data_add_dict_string(part, "name", h->name);
	rte_tel_data_add_dict_u64(part, "pid", h->pid);
	rte_tel_data_add_dict_int(part, "active", h->active);
	rte_tel_data_add_dict_u64(part, "since", h->since);
	rte_tel_data_add_dict_u64(part, "held", h->held);
	rte_tel_data_add_dict_u64(part, "cached", h->cached);
	rte_tel_data_add_dict_u64(part, "lent", h->lent);
	rte_tel_data_add_dict_u64(part, "receiving", h->receiving);
	rte_tel_data_add_dict_u64(part, "sending", h->sending);
	snprintf(key, sizeof(key), "%s_%u", kinds[h->owner.kind], h->owner.id);
	rte_tel_data_add_dict_container(d, key, part, 0);
}

static int tell_owners(struct lab_pool *pool, data_t *d)
{
	struct lab_holder holders[LAB_HOLDERS_MAX];
	int n = lab_pool_holders(pool, holders, LAB_HOLDERS_MAX);

	if (n < 0)
		return n;
	rte_tel_data_start_dict(d);
	for (int i = 0; i < n; i++)
		add_holder(d, &holders[i]);
	return 0;
}

static int on_owners(const char *cmd __rte_unused, const char *params, data_t *d)
{
	return with_pool(params, d, tell_owners);
}

static int tell_leaks(struct lab_pool *pool, data_t *d)
{
	struct lab_site_stats sites[SITES_MAX];
	int n = lab_pool_sites(pool, sites, SITES_MAX);
	char key[320];

	if (n < 0)
		return n;
	rte_tel_data_start_dict(d);
	for (int i = 0; i < n; i++) {
		data_t *part = start_part();

		if (!part)
			return -ENOMEM;
		rte_tel_data_add_dict_string(part, "module", sites[i].module);
		rte_tel_data_add_dict_u64(part, "offset", sites[i].offset);
		rte_tel_data_add_dict_u64(part, "pid", sites[i].pid);
		rte_tel_data_add_dict_u64(part, "samples", sites[i].samples);
		rte_tel_data_add_dict_u64(part, "oldest", sites[i].oldest);
		rte_tel_data_add_dict_u64(part, "newest", sites[i].newest);
		snprintf(key, sizeof(key), "site_%d", i);
		rte_tel_data_add_dict_container(d, key, part, 0);
	}
	return 0;
}

static int on_leaks(const char *cmd __rte_unused, const char *params, data_t *d)
{
	return with_pool(params, d, tell_leaks);
}

static int tell_reclaim(struct lab_pool *pool, data_t *d)
{
	int64_t n = lab_reclaim(pool);

	/* The socket's thread needs no cache. */
	lab_lcore_unregister(pool);
	if (n < 0)
		return (int)n;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_u64(d, "freed", (uint64_t)n);
	return 0;
}

static int on_reclaim(const char *cmd __rte_unused, const char *params, data_t *d)
{
	return with_pool(params, d, tell_reclaim);
}

RTE_INIT(labyrinth_telemetry)
{
	rte_telemetry_register_cmd("/labyrinth/list", on_list,
				   "Names of this process's Labyrinth pools. No parameters");
	rte_telemetry_register_cmd("/labyrinth/pool", on_pool,
				   "Frames and counters of a pool. Parameters: its name, or its "
				   "mempool's");
	rte_telemetry_register_cmd(
		"/labyrinth/lcores", on_lcores,
		"Counters by lcore. Parameters: a pool's name, or its mempool's");
	rte_telemetry_register_cmd("/labyrinth/owners", on_owners,
				   "Who has how many frames. Parameters: a pool's name, or its "
				   "mempool's");
	rte_telemetry_register_cmd("/labyrinth/leaks", on_leaks,
				   "Where held frames were allocated, in a pool that samples. "
				   "Parameters: a pool's name, or its mempool's");
	rte_telemetry_register_cmd("/labyrinth/reclaim", on_reclaim,
				   "Free what dead processes held that nobody uses any more. "
				   "Parameters: a pool's name, or its mempool's");
}
