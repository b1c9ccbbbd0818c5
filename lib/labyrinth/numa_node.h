/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * NUMA nodes: which there are, where the caller runs, how memory is put on one. Knows libnuma only.
 */
#ifndef NUMA_NODE_H
#define NUMA_NODE_H

#include <stddef.h>

/** lab_numa_check() - 0 if node number @node exists and has memory, else -EINVAL and a sentence. */
int lab_numa_check(int node);

/** lab_numa_local() - the node of the calling CPU; 0 on a machine without NUMA. */
int lab_numa_local(void);

/**
 * lab_numa_nodes() - the nodes whose memory this process may use, in ascending order.
 * @node: receives the first @n.
 *
 * Return: how many there are; 1, node 0, on a machine without NUMA.
 */
unsigned lab_numa_nodes(int *node, unsigned n);

/** lab_numa_is_there() - 0 on a machine without NUMA, where memory cannot be bound to a node. */
int lab_numa_is_there(void);

/** lab_numa_distance() - from node to node, as the firmware says: 10 is local, 255 unknown. */
int lab_numa_distance(int from, int to);

/**
 * lab_numa_place() - say where pages of a range go, before they are touched.
 * @addr: start, page-aligned.
 * @bytes: length.
 * @node: node number.
 * @strict: 1: from this node or not at all; 0: preferred.
 *
 * Return: 0, or -errno with a sentence.
 */
int lab_numa_place(void *addr, size_t bytes, int node, int strict);

/** lab_numa_node_of() - the node that a touched address lies on; 0 if the kernel does not tell. */
int lab_numa_node_of(const void *addr);

#endif
