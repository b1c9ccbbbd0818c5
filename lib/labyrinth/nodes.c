/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool for each NUMA node: asked in the order of distance, given back to, counted. Knows pools
 * from outside and where they lie; knows nothing of magazines, and not how a set is made.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include <labyrinth/lab_stats.h>

#include "error.h"
#include "nodes.h"
#include "pool.h"

__thread uint32_t lab_tls_node __attribute__((tls_model("initial-exec")));

/* ---- threads and their nodes ---- */

int lab_nodes_here(int node)
{
	unsigned cpu, found = 0;

	if (node < 0)
		return lab_fail(EINVAL,
				"node is %d: use LAB_NODE(n) for node n, or LAB_NODE_ANY for that "
				"of the calling CPU",
				node);
	if (node == LAB_NODE_ANY)
		node = LAB_NODE(getcpu(&cpu, &found) == 0 ? (int)found : 0);
	lab_tls_node = node < LAB_NODES_ROWS - 1 ? (uint32_t)node : LAB_NODES_ROWS - 1;
	return node;
}

void lab_nodes_fill_row(struct lab_nodes_priv *priv, int from, int (*distance)(int from, int to))
{
	struct lab_nodes_row *row = &priv->nodes.row[LAB_NODE(from)];
	int far[LAB_NODES_MAX] = {0};

	for (unsigned i = 0; i < priv->nodes.count; i++) {
		int to = priv->number[i];
		int key = to == from ? -1
				     : distance(from, to) * LAB_NODES_ROWS +
					       (to - from + LAB_NODES_ROWS) % LAB_NODES_ROWS;
		unsigned at = i;

		for (; at && far[at - 1] > key; at--) {
			far[at] = far[at - 1];
			row->order[at] = row->order[at - 1];
		}
		far[at] = key;
		row->order[at] = (uint8_t)i;
	}
	row->local = priv->nodes.member[row->order[0]];
	row->own = far[0] == -1;
}

struct lab_pool *lab_nodes_pool(const struct lab_nodes *nodes, int node)
{
	if (node == LAB_NODE_ANY)
		return lab_nodes_row(nodes)->local;
	for (unsigned i = 0; i < nodes->count; i++) {
		if (LAB_NODE(lab_nodes_priv(nodes)->number[i]) == node)
			return nodes->member[i];
	}
	return NULL;
}

/* ---- the other nodes' turn ---- */

/* One round over the members from the `first` nearest on; taken[] counts by member. */
static unsigned ask(struct lab_nodes *nodes, const struct lab_nodes_row *row, unsigned first,
		    void **frames, unsigned n, lab_gfp_t gfp, unsigned *taken)
{
	unsigned got = 0;

	for (unsigned k = first; k < nodes->count && got < n; k++) {
		unsigned more =
			lab_alloc_burst(nodes->member[row->order[k]], frames + got, n - got, gfp);

		taken[row->order[k]] += more;
		got += more;
	}
	return got;
}

/* 0, or why the nearest member refuses the call as such: asked for nothing, it still looks at the
 * flags and gives the thread its lcore. */
static int refused(struct lab_pool *local, lab_gfp_t gfp)
{
	int before = errno, err;
	void *none;

	errno = 0;
	lab_alloc_burst(local, &none, 0, gfp);
	err = errno;
	errno = before;
	return -err;
}

static void count_remote(struct lab_nodes *nodes, const struct lab_nodes_row *row,
			 const unsigned *taken)
{
	struct lab_nodes_counters *counters = lab_nodes_priv(nodes)->counters;

	for (unsigned k = 1; k < nodes->count; k++) {
		unsigned frames = taken[row->order[k]];

		if (!frames)
			continue;
		__atomic_fetch_add(&counters[row->order[k]].remote, frames, __ATOMIC_RELAXED);
		__atomic_fetch_add(&counters[row->order[0]].away, frames, __ATOMIC_RELAXED);
	}
}

static void put_back(struct lab_nodes *nodes, void **frames, unsigned n, const unsigned *taken)
{
	lab_nodes_free_bulk(nodes, frames, n);
	for (unsigned i = 0; i < nodes->count; i++) {
		if (taken[i])
			__atomic_fetch_add(&lab_nodes_priv(nodes)->counters[i].unused, taken[i],
					   __ATOMIC_RELAXED);
	}
}

/*
 * Everybody's ordinary frames by distance; then, as the caller permits, everybody's reserve by
 * distance, or waiting on the local node. Returns how many came, or -errno: none then. `first` is 1
 * where the nearest has just said that it has none.
 */
static int64_t collect(struct lab_nodes *nodes, unsigned first, void **frames, unsigned n,
		       lab_gfp_t gfp, int all)
{
	const struct lab_nodes_row *row = lab_nodes_row(nodes);
	lab_gfp_t like = gfp & ~(LAB_GFP_HOW | LAB_GFP_THISNODE);
	unsigned taken[LAB_NODES_MAX] = {0};
	unsigned got;
	int err = refused(row->local, gfp & ~LAB_GFP_THISNODE);

	if (err)
		return err;
	got = ask(nodes, row, first, frames, n, like | LAB_GFP_NOWAIT, taken);
	if (got < n && !(gfp & (LAB_GFP_NOWAIT | LAB_GFP_KERNEL))) {
		got += ask(nodes, row, 0, frames + got, n - got, like | LAB_GFP_ATOMIC, taken);
	} else if (got < n && (gfp & LAB_GFP_KERNEL) && (all || !got)) {
		/* The rest of a bulk; or of a burst, for which it is worth to wait for one. */
		unsigned rest = all ? n - got : 1;

		err = lab_alloc_bulk(row->local, frames + got, rest, like | LAB_GFP_KERNEL);
		got += err ? 0 : rest;
	}
	if (all && got < n) {
		put_back(nodes, frames, got, taken);
		return err ? err : -ENOMEM;
	}
	count_remote(nodes, row, taken);
	return got;
}

void *lab_nodes_alloc_slow(struct lab_nodes *nodes, lab_gfp_t gfp)
{
	void *frame = NULL;
	int64_t got = collect(nodes, 1, &frame, 1, gfp, 1);

	if (lab_unlikely(got < 0 && got != -ENOMEM))
		errno = (int)-got;
	return got == 1 ? frame : NULL;
}

int lab_nodes_alloc_bulk_slow(struct lab_nodes *nodes, void **frames, unsigned n, lab_gfp_t gfp)
{
	int64_t got = collect(nodes, 0, frames, n, gfp, 1);

	return got < 0 ? (int)got : 0;
}

unsigned lab_nodes_alloc_burst(struct lab_nodes *nodes, void **frames, unsigned n, lab_gfp_t gfp)
{
	const struct lab_nodes_row *row = lab_nodes_row(nodes);
	unsigned got;
	int64_t more;

	if ((gfp & LAB_GFP_THISNODE) && !row->own)
		return 0;
	got = lab_alloc_burst(row->local, frames, n, lab_nodes_first_try(gfp));
	if (lab_likely(got == n) || (gfp & LAB_GFP_THISNODE))
		return got;
	/* Nobody waits for more who has some. */
	if (got && (gfp & LAB_GFP_KERNEL))
		gfp = lab_nodes_first_try(gfp);
	more = collect(nodes, 1, frames + got, n - got, gfp, 0);
	if (lab_unlikely(more < 0 && !got))
		errno = (int)-more;
	return more < 0 ? got : got + (unsigned)more;
}

/* Of nobody: an exclusive member says so and counts it. */
static int free_outside(struct lab_nodes *nodes, void *frame)
{
	struct lab_pool *first = nodes->member[0];

	if (first->state || first->priv->inherited)
		return lab_free(first, frame);
	return lab_fail(EFAULT, "free of %p refused: it lies outside the pools '%s' to '%s'", frame,
			first->priv->name, nodes->member[nodes->count - 1]->priv->name);
}

int lab_nodes_free_bulk_slow(struct lab_nodes *nodes, void *const *frames, unsigned n)
{
	int first = 0;

	for (unsigned i = 0, run; i < n; i += run) {
		struct lab_pool *pool = lab_nodes_pool_of(nodes, frames[i]);
		int err;

		for (run = 1; pool && i + run < n; run++) {
			if (lab_nodes_pool_of(nodes, frames[i + run]) != pool)
				break;
		}
		err = pool ? lab_free_bulk(pool, frames + i, run) : free_outside(nodes, frames[i]);
		first = first ? first : err;
	}
	return first;
}

/* ---- statistics ---- */

static void add(struct lab_node_stats *sum, const struct lab_node_stats *s)
{
	sum->total += s->total;
	sum->free += s->free;
	sum->cached += s->cached;
	sum->held += s->held;
	sum->lent += s->lent;
	sum->local += s->local;
	sum->remote += s->remote;
	sum->away += s->away;
}

void lab_nodes_stats(const struct lab_nodes *nodes, struct lab_nodes_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->count = nodes->count;
	for (unsigned i = 0; i < nodes->count; i++) {
		const struct lab_nodes_counters *c = &lab_nodes_priv(nodes)->counters[i];
		struct lab_node_stats *s = &stats->node[i];
		struct lab_pool_stats pool;
		/* Before the allocations: these are counted first when a frame is handed out. */
		uint64_t remote = lab_load(&c->remote), other = remote + lab_load(&c->unused);

		lab_pool_stats(nodes->member[i], &pool);
		s->node = LAB_NODE(lab_nodes_priv(nodes)->number[i]);
		s->total = pool.total;
		s->free = pool.free;
		s->cached = pool.cached;
		s->held = pool.held;
		s->lent = pool.lent;
		s->local = pool.allocs > other ? pool.allocs - other : 0;
		s->remote = remote;
		s->away = lab_load(&c->away);
		add(&stats->sum, s);
	}
}
