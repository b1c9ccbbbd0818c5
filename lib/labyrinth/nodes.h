/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The inside of a set of pools, and how one is made on nodes that are given: those of the machine,
 * or a test's.
 */
#ifndef NODES_H
#define NODES_H

#include <labyrinth/lab_nodes.h>

#include "arena.h"

/**
 * struct lab_nodes_counters - of one member. On a line of its own: threads of any node add to it.
 * @remote: frames handed out to threads that have a nearer member.
 * @away: frames that threads which have it as their nearest got elsewhere.
 * @unused: frames that a bulk call took and gave back, because there were not enough in all.
 *
 * Relaxed in all uses: each is a sum that nothing else depends on.
 */
struct lab_nodes_counters {
	uint64_t remote;
	uint64_t away;
	uint64_t unused;
} __attribute__((aligned(64)));

/** struct lab_nodes_priv - the whole of a set. @number: the members' nodes. @range: addresses
 * alone; the members' arenas lie inside. */
struct lab_nodes_priv {
	struct lab_nodes nodes; /* first, so that one free serves both */
	int number[LAB_NODES_MAX];
	struct lab_arena range;
	struct lab_nodes_counters counters[LAB_NODES_MAX];
};

static inline struct lab_nodes_priv *lab_nodes_priv(const struct lab_nodes *nodes)
{
	return (struct lab_nodes_priv *)(uintptr_t)nodes;
}

/**
 * lab_nodes_fill_row() - where threads of node @from go: to members by distance. Of equally near
 * ones the next higher number comes first, so that nodes that run out do not all turn to the same.
 */
void lab_nodes_fill_row(struct lab_nodes_priv *priv, int from, int (*distance)(int from, int to));

/**
 * struct lab_nodes_machine - the nodes to make members on.
 * @count: how many, 1 to LAB_NODES_MAX.
 * @node: their numbers, ascending: the members' names, and which threads they are local to.
 * @bind: where each member's memory shall really come from, as lab_pool_config.node.
 * @frames: of each.
 * @distance: from a thread's node to a member's.
 */
struct lab_nodes_machine {
	unsigned count;
	int node[LAB_NODES_MAX];
	int bind[LAB_NODES_MAX];
	uint64_t frames[LAB_NODES_MAX];
	int (*distance)(int from, int to);
};

/** lab_nodes_create_on() - lab_nodes_create() on these nodes. Of @config, frames is ignored. */
struct lab_nodes *lab_nodes_create_on(const struct lab_pool_config *config,
				      const struct lab_nodes_machine *machine);

#endif
