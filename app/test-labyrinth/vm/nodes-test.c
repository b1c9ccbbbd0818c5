/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A set of pools on a machine that has two nodes, one processor on each. Where frames lie is asked
 * of the kernel, frame by frame by get_mempolicy(2) and whole pools by move_pages(2); what was
 * taken from whom by its counters of hugepages.
 */
#include <errno.h>
#include <inttypes.h>
#include <numaif.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../net/tap.h"
#include "guest.h"

#define PAGES 8u /* of a member */
#define EACH  (PAGES * 512u)

static struct lab_nodes *nodes;
static void *frame[2][EACH + 1];

static int64_t pages(int node)
{
	return lab_hugepage_free(LAB_PAGE_2M, LAB_NODE(node));
}

/* How many of them the kernel says are on that node. */
static unsigned on(int node, void *const *frames, unsigned n)
{
	unsigned there = 0;

	for (unsigned i = 0; i < n; i++) {
		int found = -1;

		guest_must_be(get_mempolicy(&found, NULL, 0, frames[i], MPOL_F_NODE | MPOL_F_ADDR),
			      0, "get_mempolicy");
		there += found == node;
	}
	return there;
}

static void run_on(int node)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(node, &set); /* processor n is node n's: devtools/vm.sh */
	guest_must_be(pthread_setaffinity_np(pthread_self(), sizeof(set), &set), 0, "affinity");
}

static unsigned take(int node, unsigned n, lab_gfp_t gfp)
{
	unsigned got = 0;

	while (got < n && (frame[node][got] = lab_nodes_alloc(nodes, gfp)))
		got++;
	return got;
}

/* A thread that is bound to a node for all its life. */
struct worker {
	int node;
	void (*work)(int node);
};

static void *thread(void *arg)
{
	const struct worker *worker = arg;

	run_on(worker->node);
	worker->work(worker->node);
	return NULL;
}

static void on_node(int node, void (*work)(int node))
{
	struct worker worker = {node, work};
	pthread_t id;

	guest_must_be(pthread_create(&id, NULL, thread, &worker), 0, "a thread");
	pthread_join(id, NULL);
}

static struct lab_node_stats stats_of(int node)
{
	struct lab_nodes_stats stats;

	lab_nodes_stats(nodes, &stats);
	return stats.node[node];
}

static void counted(int node, uint64_t local, uint64_t remote, uint64_t away, const char *what)
{
	struct lab_node_stats s = stats_of(node);
	char name[96];

	snprintf(name, sizeof(name), "node %d: statistics: %s", node, what);
	if (!tap_ok(s.local == local && s.remote == remote && s.away == away, name))
		tap_note("local %" PRIu64 ", remote %" PRIu64 ", away %" PRIu64, s.local, s.remote,
			 s.away);
}

/* ---- what the threads do ---- */

static void gets_its_own(int node)
{
	char name[96];
	unsigned got = take(node, 1000, 0);

	snprintf(name, sizeof(name), "node %d: a thread bound to it gets its frames", node);
	tap_ok(got == 1000 && on(node, frame[node], got) == got, name);
	guest_must_be(lab_nodes_free_bulk(nodes, frame[node], got), 0, "free");
	guest_must_be(lab_nodes_alloc_bulk(nodes, frame[node], 1000, 0), 0, "bulk");
	snprintf(name, sizeof(name), "node %d: also in bulk", node);
	tap_ok(on(node, frame[node], 1000) == 1000, name);
	guest_must_be(lab_nodes_free_bulk(nodes, frame[node], 1000), 0, "free");
	counted(node, 2000, 0, 0, "all of them local");
}

static void moves(int node)
{
	void *one = lab_nodes_alloc(nodes, 0);

	guest_must_be(lab_nodes_free(nodes, one), 0, "free");
	run_on(!node);
	one = lab_nodes_alloc(nodes, 0);
	tap_ok(on(node, &one, 1), "a thread that moves goes on with its first node");
	guest_must_be(lab_nodes_free(nodes, one), 0, "free");
	tap_ok(lab_nodes_here(LAB_NODE_ANY) == LAB_NODE(!node), "until it says so");
	one = lab_nodes_alloc(nodes, 0);
	tap_ok(on(!node, &one, 1), "and gets the other's then");
	guest_must_be(lab_nodes_free(nodes, one), 0, "free");
}

static void runs_out(int node)
{
	void *one;
	unsigned got = take(node, EACH + 1, LAB_GFP_THISNODE);

	tap_ok(got == EACH && on(node, frame[node], got) == got,
	       "LAB_GFP_THISNODE: all frames of node 1, and none of another");
	tap_ok(stats_of(!node).held == 0, "though node 0 has all of its own");
	one = lab_nodes_alloc(nodes, 0);
	tap_ok(one && on(!node, &one, 1), "without the flag node 0's come then");
	guest_must_be(lab_nodes_free(nodes, one), 0, "free");
	/* A cache is not for others: what it has there is for this thread all the same. */
	got = lab_nodes_alloc_burst(nodes, frame[!node], EACH + 1, 0);
	tap_ok(got == EACH && on(!node, frame[!node], got) == got, "to the last");
	tap_ok(!lab_nodes_alloc(nodes, 0), "which is all there is");
}

/* Of node 1's, on node 0. */
static void frees_the_others(int node)
{
	guest_must_be(lab_nodes_free_bulk(nodes, frame[!node], EACH), 0, "free");
}

static void finds_them_again(int node)
{
	unsigned got = take(node, EACH, LAB_GFP_THISNODE);

	tap_ok(got == EACH && on(node, frame[node], got) == got,
	       "what was freed on node 0 is node 1's as before");
	guest_must_be(lab_nodes_free_bulk(nodes, frame[node], got), 0, "free");
}

static void gets_a_mixture(int node)
{
	unsigned n = EACH + 512;
	static void *mixed[EACH + 512];

	guest_must_be(lab_nodes_alloc_bulk(nodes, mixed, n, 0), 0, "a bulk over both");
	tap_ok(on(node, mixed, EACH) == EACH && on(!node, mixed + EACH, 512) == 512,
	       "a bulk that one node has not: its own first, the rest from the other");
	guest_must_be(lab_nodes_free_bulk(nodes, mixed, n), 0, "free");
}

/* ---- the machine's ---- */

static struct lab_nodes *made(const char *name, uint64_t frames, const uint64_t *by_node,
			      uint32_t flags)
{
	return lab_nodes_create(&(struct lab_pool_config){.name = name,
							  .frames = frames,
							  .page_size = LAB_PAGE_2M,
							  .reserve = LAB_NONE,
							  .flags = flags},
				by_node, by_node ? 2 : 0);
}

static void two_nodes(void)
{
	int64_t before[2] = {pages(0), pages(1)};

	nodes = guest_must(made("both", 2 * EACH, NULL, 0), "a set on both nodes");
	tap_ok(lab_nodes_count(nodes) == 2, "a set has a member on each node");
	for (int node = 0; node < 2; node++) {
		struct lab_pool *pool = lab_nodes_pool(nodes, LAB_NODE(node));
		char name[96];

		snprintf(name, sizeof(name), "node %d: its member lies there", node);
		tap_ok(pool && lab_pool_node(pool) == LAB_NODE(node) && guest_lies_on(pool, node),
		       name);
		snprintf(name, sizeof(name), "node %d: %u hugepages come from it", node, PAGES);
		tap_ok(pages(node) == before[node] - PAGES, name);
	}
	for (int node = 0; node < 2; node++)
		on_node(node, gets_its_own);
	on_node(0, moves);
	guest_must_be(lab_nodes_destroy(nodes), 0, "destroy");

	nodes = guest_must(made("both", 2 * EACH, NULL, 0), "a set on both nodes");
	on_node(1, runs_out);
	counted(1, EACH, 0, EACH + 1, "its threads got so many elsewhere");
	counted(0, 0, EACH + 1, 0, "all were for another's threads");
	guest_must_be(lab_nodes_free_bulk(nodes, frame[0], EACH), 0, "free");
	on_node(0, frees_the_others);
	on_node(1, finds_them_again);
	on_node(1, gets_a_mixture);
	for (int node = 0; node < 2; node++) {
		struct lab_pool *pool = lab_nodes_pool(nodes, LAB_NODE(node));
		char name[96];

		snprintf(name, sizeof(name), "node %d: nothing drifted, nothing is lost", node);
		tap_ok(guest_all_home(pool) && guest_lies_on(pool, node) &&
			       lab_pool_validate(pool) == 0,
		       name);
	}
	guest_must_be(lab_nodes_destroy(nodes), 0, "destroy");
	tap_ok(pages(0) == before[0] && pages(1) == before[1], "all hugepages are back");
}

static void unequal(void)
{
	const uint64_t frames[2] = {512, 2048}, one[2] = {0, 512};
	int64_t before[2] = {pages(0), pages(1)};

	nodes = guest_must(made("unequal", 0, frames, 0), "a set of 1 and 4 hugepages");
	tap_ok(pages(0) == before[0] - 1 && pages(1) == before[1] - 4,
	       "as many hugepages from each node as were asked for");
	guest_must_be(lab_nodes_destroy(nodes), 0, "destroy");

	nodes = guest_must(made("one", 0, one, 0), "a set on node 1 alone");
	run_on(0);
	lab_nodes_here(LAB_NODE_ANY);
	frame[0][0] = lab_nodes_alloc(nodes, 0);
	tap_ok(on(1, frame[0], 1) && !lab_nodes_alloc(nodes, LAB_GFP_THISNODE),
	       "a node without a member: its threads get the nearest one's, with THISNODE none");
	guest_must_be(lab_nodes_free(nodes, frame[0][0]), 0, "free");
	guest_must_be(lab_nodes_destroy(nodes), 0, "destroy");
}

static void short_of(int node)
{
	int64_t before[2] = {pages(0), pages(1)};
	char sentence[192];
	struct lab_pool *hog = lab_pool_create(
		&(struct lab_pool_config){.name = "hog",
					  .frames = (uint64_t)(before[node] - 1) * 512,
					  .page_size = LAB_PAGE_2M,
					  .node = LAB_NODE(node),
					  .reserve = LAB_NONE});
	struct lab_pool *pool;

	guest_must(hog, "all but one hugepage of a node");
	snprintf(sentence, sizeof(sentence),
		 "8 hugepages of 2 MiB on node %d and 1 are free: as root, echo %" PRId64
		 " > /sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages",
		 node, before[node] + PAGES - 1, node);
	errno = 0;
	tap_ok(!made("short", 2 * EACH, NULL, 0) && guest_refused(-errno, ENOMEM, sentence),
	       node ? "node 1 is short: an error that says which file to write"
		    : "node 0 is short: an error that says which file to write");
	tap_note("%s", lab_error_text());
	tap_ok(pages(node) == 1 && pages(!node) == before[!node], "and takes none from either");
	nodes = guest_must(made("short", 2 * EACH, NULL, LAB_POOL_FALLBACK), "falling back");
	pool = lab_nodes_pool(nodes, LAB_NODE(node));
	tap_ok(lab_pool_page_size(pool) == LAB_PAGE_4K && lab_pool_fallback(pool) &&
		       guest_lies_on(pool, node),
	       "as configured it falls back there, to that node's ordinary pages");
	pool = lab_nodes_pool(nodes, LAB_NODE(!node));
	tap_ok(lab_pool_page_size(pool) == LAB_PAGE_2M && guest_lies_on(pool, !node),
	       "and not on the other");
	guest_must_be(lab_nodes_destroy(nodes), 0, "destroy");
	guest_must_be(lab_pool_destroy(hog), 0, "destroy");
	tap_ok(pages(0) == before[0] && pages(1) == before[1], "all hugepages are back");
}

int main(void)
{
	two_nodes();
	unequal();
	short_of(0);
	short_of(1);
	return tap_done();
}
