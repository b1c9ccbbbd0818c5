/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Several NUMA nodes as one: a pool for each, in one range of addresses. Allocations are served by
 * the calling thread's node first and then by the others in the order of their distance; a frame
 * goes back to its own node, whoever frees it.
 *
 * The data path (alloc, free, bulk, burst) is that of lab_alloc.h with the thread's node in front:
 * no system call, no lock. A hit costs a few instructions more than in a single pool.
 */
#ifndef LAB_NODES_H
#define LAB_NODES_H

#include <errno.h>
#include <stdint.h>

#include "lab_alloc.h"
#include "lab_gfp.h"
#include "lab_layout.h"
#include "lab_pool.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Most nodes of one set; each takes one of the process's LAB_MAX_POOLS. */
#define LAB_NODES_MAX 16
/** Rows of the table of threads' nodes: 0 is "not looked up yet", the last one any node from 254.
 */
#define LAB_NODES_ROWS 256

/**
 * struct lab_nodes_row - where a thread of one node goes. Read by the inlined calls, like
 * lab_layout.h not for programs.
 * @local: the nearest member.
 * @own: 1 if that is of the thread's very node.
 * @order: all members, from the nearest to the farthest.
 */
struct lab_nodes_row {
	struct lab_pool *local;
	uint32_t own;
	uint32_t pad;
	uint8_t order[LAB_NODES_MAX];
};

/**
 * struct lab_nodes - a set of pools. Constant after creation.
 * @base: of the range; aligned to 2^@shift.
 * @shift: log2 of the room for one member: frame f is of member (f - base) >> shift.
 * @count: of members.
 * @member: the pools, by ascending node number.
 * @row: by lab_tls_node.
 */
struct lab_nodes {
	char *base;
	unsigned shift;
	unsigned count;
	struct lab_pool *member[LAB_NODES_MAX];
	struct lab_nodes_row row[LAB_NODES_ROWS];
};

/** lab_tls_node - the calling thread's node number + 1, or 0: not looked up yet. */
extern __thread uint32_t lab_tls_node __attribute__((tls_model("initial-exec")));

/**
 * lab_nodes_create() - make a pool on each of several NUMA nodes.
 * @config: what to make, as for lab_pool_create(). Its name is the set's: the members are NAME.0,
 *	NAME.1 ... by node number; NULL gives "nodes-N". Its frames, min_frames, max_frames, and
 *	reserve, min, low and high where they are counts, are those of all nodes together; each
 *	member gets its part, rounded up. All else holds for each member. Its node must be
 *	LAB_NODE_ANY; LAB_POOL_SHARED and LAB_POOL_NUMBERS are refused.
 * @frames: how many frames each node gets, by node number; a node with 0 has no member. @config's
 *	frames is then 0 or their sum. NULL: @config's frames in equal parts on all nodes whose
 *	memory this process may use (see its cpuset).
 * @n: how many numbers @frames has; 0 with NULL.
 *
 * All nodes or none: a node that is short of hugepages is an error that names it, and nothing is
 * left. The addresses of all members are one range, with room after each one up to a power of two,
 * in which nothing is mapped.
 *
 * Return: the set, owned by the caller until lab_nodes_destroy(); or NULL with the errno of
 * lab_pool_create(), or E2BIG: there are more than LAB_NODES_MAX nodes.
 *
 * Thread-safe; may sleep.
 */
struct lab_nodes *lab_nodes_create(const struct lab_pool_config *config, const uint64_t *frames,
				   unsigned n);

/**
 * lab_nodes_destroy() - give all members' memory back to the kernel.
 * @nodes: a set that no thread is using any more; NULL is allowed and does nothing.
 *
 * Return: 0; or the number of frames that were still held (they are gone now); or -EBUSY, and all
 * members live on, when one of them cannot be destroyed: see lab_pool_destroy().
 *
 * Thread-safe against other sets and pools; may sleep.
 */
int64_t lab_nodes_destroy(struct lab_nodes *nodes);

/**
 * lab_nodes_here() - say which node the calling thread runs on, for all sets of the process.
 * @node: LAB_NODE(n); or LAB_NODE_ANY: that of the CPU it is running on now.
 *
 * A thread's first allocation does the latter by itself. It is not repeated: a thread that moves
 * to another node's CPU afterwards goes on being served by the first one, until it calls this.
 *
 * Return: the thread's node as LAB_NODE(n), or -EINVAL if @node is negative.
 *
 * Affects the calling thread only. Never sleeps, and asks the kernel through the vDSO where there
 * is one for that (x86-64).
 */
int lab_nodes_here(int node);

/* The slow paths: another node's turn, frames of several nodes, refusals. */
void *lab_nodes_alloc_slow(struct lab_nodes *nodes, lab_gfp_t gfp);
int lab_nodes_alloc_bulk_slow(struct lab_nodes *nodes, void **frames, unsigned n, lab_gfp_t gfp);
int lab_nodes_free_bulk_slow(struct lab_nodes *nodes, void *const *frames, unsigned n);

/* The calling thread's row. */
static inline const struct lab_nodes_row *lab_nodes_row(const struct lab_nodes *nodes)
{
	if (lab_unlikely(lab_tls_node == 0))
		lab_nodes_here(LAB_NODE_ANY);
	return &nodes->row[lab_tls_node];
}

/* The first try: on the local node outside its reserve, since the next node's ordinary frames come
 * before it; the call as it is where no other node may follow. A contradiction is left to be
 * refused. */
static inline lab_gfp_t lab_nodes_first_try(lab_gfp_t gfp)
{
	if ((gfp & LAB_GFP_THISNODE) || lab_gfp_contradicts(gfp))
		return gfp & ~LAB_GFP_THISNODE;
	return (gfp & ~LAB_GFP_HOW) | LAB_GFP_NOWAIT;
}

/**
 * lab_nodes_alloc() - allocate one frame, from the nearest node that has one.
 * @nodes: the set.
 * @gfp: flags, LAB_GFP_*. LAB_GFP_ATOMIC (or 0) takes any node's ordinary frames before any node's
 *	reserve. LAB_GFP_KERNEL takes any node's ordinary frames before it waits, on the local node.
 *	LAB_GFP_THISNODE: from the calling thread's node or not at all; a thread of a node without a
 *	member gets none.
 *
 * Return: the frame, owned by the caller until lab_nodes_free(); or NULL as lab_alloc(). The call
 * is refused (ENOSPC) if the thread cannot have an lcore in the nearest member; a farther one in
 * which it cannot have one is passed over.
 *
 * Thread-safe; sleeps only with LAB_GFP_KERNEL.
 */
static inline void *lab_nodes_alloc(struct lab_nodes *nodes, lab_gfp_t gfp)
{
	const struct lab_nodes_row *row = lab_nodes_row(nodes);
	void *frame;

	if ((gfp & LAB_GFP_THISNODE) && !row->own)
		return NULL;
	frame = lab_alloc(row->local, lab_nodes_first_try(gfp));
	if (lab_likely(frame != NULL) || (gfp & LAB_GFP_THISNODE))
		return frame;
	return lab_nodes_alloc_slow(nodes, gfp);
}

/**
 * lab_nodes_alloc_bulk() - allocate @n frames or none; from the local node, if it has all of them.
 * @nodes: the set.
 * @frames: receives the pointers; undefined when none were allocated. They may be of several nodes.
 * @n: how many.
 * @gfp: flags, as in lab_nodes_alloc().
 *
 * Return: 0, or the error of lab_alloc_bulk().
 *
 * Thread-safe; sleeps only with LAB_GFP_KERNEL.
 */
static inline int lab_nodes_alloc_bulk(struct lab_nodes *nodes, void **frames, unsigned n,
				       lab_gfp_t gfp)
{
	const struct lab_nodes_row *row = lab_nodes_row(nodes);
	int err;

	if ((gfp & LAB_GFP_THISNODE) && !row->own)
		return n ? -ENOMEM : 0;
	err = lab_alloc_bulk(row->local, frames, n, lab_nodes_first_try(gfp));
	if (lab_likely(err == 0) || (gfp & LAB_GFP_THISNODE))
		return err;
	return lab_nodes_alloc_bulk_slow(nodes, frames, n, gfp);
}

/**
 * lab_nodes_alloc_burst() - as many frames as there are, up to @n, the nearest ones first.
 * @nodes, @frames, @gfp: as in lab_nodes_alloc_bulk().
 * @n: most wanted.
 *
 * Return: how many were allocated, 0..@n. 0 also for a refused call.
 *
 * Thread-safe; sleeps only with LAB_GFP_KERNEL.
 */
unsigned lab_nodes_alloc_burst(struct lab_nodes *nodes, void **frames, unsigned n, lab_gfp_t gfp);

/**
 * lab_nodes_pool_of() - the member that a frame is of, to lend or translate it.
 *
 * Return: the pool; or NULL if @frame lies outside the set's range. (In the room behind a member's
 * frames it is that member, which refuses it.) Data path.
 */
static inline struct lab_pool *lab_nodes_pool_of(const struct lab_nodes *nodes, const void *frame)
{
	uintptr_t i = ((uintptr_t)frame - (uintptr_t)nodes->base) >> nodes->shift;

	return lab_likely(i < nodes->count) ? nodes->member[i] : NULL;
}

/**
 * lab_nodes_free() - return one frame to its node.
 *
 * It goes into the calling thread's cache for that node, on whichever node the thread runs, so that
 * no memory drifts from node to node.
 *
 * Return: as lab_free(). A pointer outside the range is refused (and counted by the first member).
 *
 * Thread-safe; never sleeps.
 */
static inline int lab_nodes_free(struct lab_nodes *nodes, void *frame)
{
	struct lab_pool *pool = lab_nodes_pool_of(nodes, frame);

	if (lab_unlikely(!pool))
		return lab_nodes_free_bulk_slow(nodes, &frame, 1);
	return lab_free(pool, frame);
}

/**
 * lab_nodes_free_bulk() - return @n frames to their nodes.
 * @nodes: the set.
 * @frames: the pointers, of any nodes; not changed. Frames of one node beside each other go back in
 *	one step.
 * @n: how many.
 *
 * Return: as lab_free_bulk().
 *
 * Thread-safe; never sleeps.
 */
static inline int lab_nodes_free_bulk(struct lab_nodes *nodes, void *const *frames, unsigned n)
{
	uintptr_t differ = 0;

	/* The base is aligned, so that members differ in the bits from the shift up. */
	for (unsigned i = 1; i < n && nodes->count > 1; i++)
		differ |= (uintptr_t)frames[i] ^ (uintptr_t)frames[0];
	if (lab_unlikely(n == 0 || differ >> nodes->shift || !lab_nodes_pool_of(nodes, frames[0])))
		return lab_nodes_free_bulk_slow(nodes, frames, n);
	return lab_free_bulk(lab_nodes_pool_of(nodes, frames[0]), frames, n);
}

/**
 * lab_nodes_pool() - the member of a node, for a device or thread that belongs there, or to look at
 * it. Its frames are an ordinary pool's; only lab_pool_destroy() is not for it.
 * @nodes: the set.
 * @node: LAB_NODE(n); or LAB_NODE_ANY: the nearest one of the calling thread.
 *
 * Return: the pool, which lives as long as the set; or NULL if that node has none. Data path.
 */
struct lab_pool *lab_nodes_pool(const struct lab_nodes *nodes, int node);

/** lab_nodes_count() - how many members the set has, for walking them. */
static inline unsigned lab_nodes_count(const struct lab_nodes *nodes)
{
	return nodes->count;
}

/** lab_nodes_member() - the @i-th member, 0 to lab_nodes_count() - 1. */
static inline struct lab_pool *lab_nodes_member(const struct lab_nodes *nodes, unsigned i)
{
	return nodes->member[i];
}

/**
 * struct lab_node_stats - one node's member, and who was served by it. Counts of frames.
 * @node: LAB_NODE(n); in a sum LAB_NODE_ANY.
 * @total, @free, @cached, @held, @lent: as in struct lab_pool_stats.
 * @local: handed out to threads whose nearest member it is, or by lab_alloc() from
 *	lab_nodes_pool(). The kernel's numa_hit.
 * @remote: handed out to other threads, whose nearest member had none. The kernel's numa_miss.
 * @away: what threads whose nearest member it is got from others. The kernel's numa_foreign.
 */
struct lab_node_stats {
	int node;
	uint64_t total;
	uint64_t free;
	uint64_t cached;
	uint64_t held;
	uint64_t lent;
	uint64_t local;
	uint64_t remote;
	uint64_t away;
};

/**
 * struct lab_nodes_stats - all nodes.
 * @count: of entries in @node.
 * @sum: of them; its remote equals its away at a quiet point.
 * @node: by ascending node number.
 */
struct lab_nodes_stats {
	unsigned count;
	struct lab_node_stats sum;
	struct lab_node_stats node[LAB_NODES_MAX];
};

/**
 * lab_nodes_stats() - a snapshot. lab_pool_stats() of a member says more of it.
 *
 * Thread-safe, never sleeps, disturbs no data path. Beside working threads local and remote of a
 * node may differ by what is just being handed out.
 */
void lab_nodes_stats(const struct lab_nodes *nodes, struct lab_nodes_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
