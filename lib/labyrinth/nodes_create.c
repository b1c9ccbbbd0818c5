/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Sets of pools: which nodes get a member and how much of it, one range of addresses for all of
 * them, all or nothing; and their end. Knows pools from outside; knows nothing of who allocates.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "config.h"
#include "error.h"
#include "fault.h"
#include "nodes.h"
#include "numa_node.h"
#include "pool.h"

/* A member's part of a count that is for all; at least 1, since 0 would be the default. */
static uint64_t part(uint64_t count, uint64_t frames, uint64_t total)
{
	if (count >> 63 || !total) /* LAB_PERCENT(), LAB_NONE; or there is nothing to be parted */
		return count;
	return (uint64_t)(((unsigned __int128)count * frames + total - 1) / total);
}

static uint64_t sum_of(const struct lab_nodes_machine *machine)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < machine->count; i++)
		total += machine->frames[i];
	return total;
}

/* The configuration of the i-th member, and its name. */
static int member_config(const struct lab_pool_config *config,
			 const struct lab_nodes_machine *machine, unsigned i, const char *set,
			 struct lab_pool_config *out, char name[LAB_NAME_MAX])
{
	uint64_t frames = machine->frames[i], total = sum_of(machine);
	int len = snprintf(name, LAB_NAME_MAX, "%s.%d", set, machine->node[i]);

	if (len >= LAB_NAME_MAX)
		return lab_fail(EINVAL,
				"name '%.40s' is too long: with the number of node %d behind it "
				"it would have %d characters, at most %d",
				set, machine->node[i], len, LAB_NAME_MAX - 1);
	*out = *config;
	out->name = name;
	out->frames = frames;
	out->node = machine->bind[i];
	out->reserve = part(config->reserve, frames, total);
	out->min = part(config->min, frames, total);
	out->low = part(config->low, frames, total);
	out->high = part(config->high, frames, total);
	out->min_frames = part(config->min_frames, frames, total);
	out->max_frames = part(config->max_frames, frames, total);
	return 0;
}

/* What all members have room in: the power of two that holds the largest that one may become. */
static int room(const struct lab_pool_config *config, const struct lab_nodes_machine *machine,
		const char *set, size_t *bytes)
{
	char name[LAB_NAME_MAX];
	struct lab_pool_config member, whole;
	uint64_t most;

	*bytes = LAB_FRAME_SIZE;
	for (unsigned i = 0; i < machine->count; i++) {
		int err = member_config(config, machine, i, set, &member, name);

		if (!err)
			err = lab_config_complete(&member, &whole);
		if (err)
			return err;
		most = lab_config_bounds(&whole).max << LAB_FRAME_SHIFT;
		while (*bytes < most || *bytes < whole.page_size)
			*bytes <<= 1;
	}
	return 0;
}

/* Takes apart what there is, and keeps the sentence's errno. */
static void undo(struct lab_nodes_priv *priv)
{
	int err = errno;

	while (priv->nodes.count)
		lab_pool_destroy(priv->nodes.member[--priv->nodes.count]);
	if (priv->range.base)
		lab_arena_destroy(&priv->range);
	free(priv);
	errno = err;
}

static int make_members(struct lab_nodes_priv *priv, const struct lab_pool_config *config,
			const struct lab_nodes_machine *machine, const char *set)
{
	struct lab_nodes *nodes = &priv->nodes;
	struct lab_arena_request range = {.owner = set};
	int err = room(config, machine, set, &range.page_size);

	if (err)
		return err;
	range.bytes = range.page_size * machine->count;
	err = lab_arena_reserve(&priv->range, &range);
	if (err) {
		priv->range.base = NULL;
		return err;
	}
	nodes->base = priv->range.base;
	nodes->shift = priv->range.seg_shift;
	for (unsigned i = 0; i < machine->count; i++) {
		char *address = nodes->base + ((size_t)i << nodes->shift);
		struct lab_pool_config member;
		char name[LAB_NAME_MAX];

		err = member_config(config, machine, i, set, &member, name);
		if (err)
			return err;
		nodes->member[i] = lab_pool_create_at(&member, address);
		if (!nodes->member[i])
			return -errno;
		priv->number[i] = machine->node[i];
		nodes->count = i + 1;
	}
	return 0;
}

struct lab_nodes *lab_nodes_create_on(const struct lab_pool_config *config,
				      const struct lab_nodes_machine *machine)
{
	static unsigned sets;
	struct lab_nodes_priv *priv = lab_fault_create() ? NULL : aligned_alloc(64, sizeof(*priv));
	char set[LAB_NAME_MAX];

	if (!priv) {
		lab_fail(ENOMEM, "no memory for a set of %u pools", machine->count);
		return NULL;
	}
	memset(priv, 0, sizeof(*priv));
	/* Relaxed: a counter that only makes names differ. */
	snprintf(set, sizeof(set), "nodes-%u", __atomic_add_fetch(&sets, 1, __ATOMIC_RELAXED));
	if (make_members(priv, config, machine,
			 config->name && *config->name ? config->name : set)) {
		undo(priv);
		return NULL;
	}
	for (int from = 0; from < LAB_NODES_ROWS - 1; from++)
		lab_nodes_fill_row(priv, from, machine->distance);
	return &priv->nodes;
}

static int add_node(struct lab_nodes_machine *machine, int node, uint64_t frames)
{
	if (machine->count == LAB_NODES_MAX)
		return lab_fail(E2BIG,
				"node %d is one too many: a set has at most %d nodes, so say in "
				"frames which ones",
				node, LAB_NODES_MAX);
	machine->node[machine->count] = node;
	machine->bind[machine->count] = lab_numa_is_there() ? LAB_NODE(node) : LAB_NODE_ANY;
	machine->frames[machine->count++] = frames;
	return 0;
}

/* In equal parts wherever there is memory. */
static int all_nodes(struct lab_nodes_machine *machine, const struct lab_pool_config *config)
{
	int node[LAB_NODES_MAX + 1], err = 0;
	unsigned n = lab_numa_nodes(node, LAB_NODES_MAX + 1);

	for (unsigned i = 0; i < n && !err; i++)
		err = add_node(machine, node[i], config->frames / n + (config->frames % n != 0));
	return err;
}

static int these_nodes(struct lab_nodes_machine *machine, const struct lab_pool_config *config,
		       const uint64_t *frames, unsigned n)
{
	uint64_t total = 0;
	int err = 0;

	for (unsigned node = 0; node < n && !err; node++) {
		if (!frames[node])
			continue;
		if (frames[node] > LAB_CONFIG_MAX_FRAMES)
			return lab_fail(EINVAL,
					"frames of node %u is %" PRIu64
					": a pool has at most %" PRIu64,
					node, frames[node], LAB_CONFIG_MAX_FRAMES);
		if (node >= LAB_NODES_ROWS - 2 || (err = lab_numa_check((int)node)))
			return err ? err
				   : lab_fail(EINVAL,
					      "node %u cannot be one of a set: at most node %d",
					      node, LAB_NODES_ROWS - 3);
		err = add_node(machine, (int)node, frames[node]);
		total += frames[node];
	}
	if (!err && !total)
		err = lab_fail(EINVAL,
			       "frames is 0 for each of %u nodes: say how many frames of "
			       "%u bytes each node shall have",
			       n, LAB_FRAME_SIZE);
	if (!err && config->frames && config->frames != total)
		err = lab_fail(EINVAL,
			       "frames is %" PRIu64 " in all and %" PRIu64
			       " by node: leave the former 0, or make it their sum",
			       config->frames, total);
	return err;
}

struct lab_nodes *lab_nodes_create(const struct lab_pool_config *config, const uint64_t *frames,
				   unsigned n)
{
	struct lab_nodes_machine machine = {.distance = lab_numa_distance};
	const uint32_t never = LAB_POOL_SHARED | LAB_POOL_NUMBERS;

	if (!config) {
		lab_fail(EINVAL, "lab_nodes_create() needs a configuration; NULL was passed");
		return NULL;
	}
	if (config->flags & never) {
		lab_fail(EINVAL,
			 "%s is for single pools: a set of nodes belongs to one process and has "
			 "memory",
			 config->flags & LAB_POOL_SHARED ? "LAB_POOL_SHARED" : "LAB_POOL_NUMBERS");
		return NULL;
	}
	if (config->node != LAB_NODE_ANY) {
		lab_fail(EINVAL,
			 "node is set, and a set has several: say by node number how many frames "
			 "each one gets");
		return NULL;
	}
	if (frames ? these_nodes(&machine, config, frames, n) : all_nodes(&machine, config))
		return NULL;
	return lab_nodes_create_on(config, &machine);
}

int64_t lab_nodes_destroy(struct lab_nodes *nodes)
{
	struct lab_nodes_priv *priv = lab_nodes_priv(nodes);
	int inherited;
	int64_t held = 0;

	if (!nodes)
		return 0;
	for (unsigned i = 0; i < nodes->count; i++) {
		int err = lab_pool_may_go(nodes->member[i]);

		if (err)
			return err;
	}
	inherited = nodes->member[0]->priv->inherited;
	while (nodes->count) {
		int64_t lost = lab_pool_destroy(nodes->member[nodes->count - 1]);

		if (lost < 0) /* a device got frames meanwhile: its memory must stay */
			return lost;
		held += lost;
		nodes->count--;
	}
	/* A child of fork() has other things there by now. */
	if (!inherited)
		lab_arena_destroy(&priv->range);
	free(priv);
	return held;
}
