/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool that breathes on one of two nodes: what comes is that node's, and goes back to it; and
 * where that has none left nothing comes from the other. Where frames lie is asked of the kernel.
 */
#include <errno.h>
#include <inttypes.h>
#include <numaif.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "../net/tap.h"
#include "breathing.h"

static struct breathing breath;

/* Of what is held, how many frames are not on that node. */
static unsigned elsewhere(int node)
{
	static int status[MOST];
	unsigned n = 0;

	/* Without nodes it moves nothing and says where each page is. */
	guest_must_be(move_pages(0, breath.held, breath.frame, NULL, status, 0), 0, "move_pages");
	for (unsigned i = 0; i < breath.held; i++)
		n += status[i] != node;
	if (n)
		tap_note("%u of %u frames are not on node %d", n, breath.held, node);
	return n;
}

static void run_on(int node)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(node, &set); /* processor n is node n's: devtools/vm.sh */
	guest_must_be(sched_setaffinity(0, sizeof(set), &set), 0, "affinity");
}

/* To @units, or until the first step that does not. Return: what that gave. */
static int64_t grow_to(uint64_t units)
{
	int64_t did = 1;

	breathing_take(&breath);
	while (breathing_units(&breath) < units && did > 0) {
		did = lab_keeper_step(breath.pool);
		breathing_take(&breath);
	}
	return did;
}

static void comes_and_goes(int node)
{
	int64_t before[2] = {hugepages(0), hugepages(1)};
	char name[96];
	unsigned left;

	/* The keeper's thread may run anywhere: here, on the other node. */
	run_on(!node);
	breathing_make(&breath, LAB_NODE(node), LAB_POOL_STEPPED);
	guest_must_be(grow_to(UNITS) > 0, 1, "growth");
	snprintf(name, sizeof(name), "node %d: all of %u hugepages lie there", node, UNITS);
	tap_ok(breathing_kept(&breath, NULL, UNITS) && elsewhere(node) == 0, name);
	snprintf(name, sizeof(name), "node %d: they come from its own", node);
	tap_ok(hugepages(node) == before[node] - (int64_t)UNITS &&
		       hugepages(!node) == before[!node],
	       name);
	breathing_free(&breath, 0);
	guest_must_be(breathing_settle(&breath), 0, "the last step");
	left = (unsigned)breathing_units(&breath);
	snprintf(name, sizeof(name), "node %d: what goes is that node's again", node);
	tap_ok(left < UNITS && hugepages(node) == before[node] - (int64_t)left &&
		       hugepages(!node) == before[!node],
	       name);
	guest_must_be(grow_to(UNITS) > 0, 1, "growth");
	snprintf(name, sizeof(name), "node %d: what comes again as well", node);
	tap_ok(elsewhere(node) == 0 && hugepages(node) == before[node] - (int64_t)UNITS, name);
	snprintf(name, sizeof(name), "node %d: no frame and no hugepage is lost", node);
	tap_ok(breathing_end(&breath) && hugepages(node) == before[node], name);
}

static void none_left(int node)
{
	int64_t before[2] = {hugepages(0), hugepages(1)}, did;
	const struct lab_pool_config config = {.name = "hog",
					       .frames = (uint64_t)(before[node] - 3) * UNIT,
					       .page_size = LAB_PAGE_2M,
					       .node = LAB_NODE(node),
					       .reserve = LAB_NONE};
	struct lab_pool *hog = guest_must(lab_pool_create(&config), "all but 3 of a node");
	char name[96], sentence[224];

	run_on(!node);
	snprintf(sentence, sizeof(sentence),
		 "needs 1 hugepages of 2 MiB on node %d and 0 are free: as root, echo %" PRId64
		 " > /sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages",
		 node, before[node] + 1, node);
	breathing_make(&breath, LAB_NODE(node), LAB_POOL_STEPPED);
	did = grow_to(UNITS);
	snprintf(name, sizeof(name), "node %d has none left: it says which file to write", node);
	if (tap_ok(guest_refused(did, ENOMEM, sentence), name))
		tap_note("%s", lab_error_text());
	snprintf(name, sizeof(name), "node %d has none left: none of the other's comes", node);
	tap_ok(breathing_kept(&breath, NULL, 3) && elsewhere(node) == 0 && hugepages(node) == 0 &&
		       hugepages(!node) == before[!node],
	       name);
	breathing_free(&breath, 1);
	breathing_take(&breath);
	snprintf(name, sizeof(name), "node %d has none left: the pool goes on", node);
	tap_ok(breathing_kept(&breath, NULL, 3), name);
	guest_must_be(lab_pool_destroy(hog), 0, "destroy");
	breathing_wait();
	did = grow_to(UNITS);
	snprintf(name, sizeof(name), "node %d has some again: it grows there", node);
	tap_ok(did > 0 && breathing_kept(&breath, NULL, UNITS) && elsewhere(node) == 0, name);
	snprintf(name, sizeof(name), "node %d: no frame and no hugepage is lost", node);
	tap_ok(breathing_end(&breath) && hugepages(node) == before[node], name);
}

int main(void)
{
	for (int node = 0; node < 2; node++) {
		comes_and_goes(node);
		none_left(node);
	}
	return tap_done();
}
