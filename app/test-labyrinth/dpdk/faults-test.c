/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Failures on purpose under DPDK: allocations of a mempool, and each step of making one. A failed
 *get takes nothing, and what could not be made can be made afterwards.
 *
 *	faults-test --in-memory -m 64 -l 0 --no-pci [-- --ops NAME]
 */
#include <string.h>

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <labyrinth/lab_rte.h>
#include <labyrinth/labyrinth.h>

#include "../net/tap.h"
#include "census.h"
#include "ground.h"

#define OBJECTS 1023u
#define TRIES   300u
#define STEPS   60u

static const char *ops;

/* Gets and puts; those that fail are the injected ones, and no others. */
static void test_allocations(void)
{
	struct rte_mempool *mp = ground_mempool("subject", ops, OBJECTS, 0, true);
	struct lab_pool *pool = lab_rte_mempool_pool(mp);
	const struct lab_fault fault = {.every = 3};
	unsigned failed = 0, wrong = 0;
	void *held[40];

	lab_fault_set(pool, LAB_FAULT_ALLOC, &fault);
	for (unsigned i = 0; i < TRIES; i++) {
		unsigned n = 1 + i % 40;

		if (rte_mempool_get_bulk(mp, held, n)) {
			failed++;
			continue;
		}
		rte_mempool_put_bulk(mp, held, n);
		wrong += rte_mempool_avail_count(mp) != mp->populated_size;
	}
	tap_ok(failed && !wrong && lab_fault_count(pool, LAB_FAULT_ALLOC) >= failed,
	       "every third allocation fails, and takes nothing");
	lab_fault_set(pool, LAB_FAULT_ALLOC, NULL);
	tap_note("%u of %u calls failed", failed, TRIES);
	tap_ok(census_whole(mp) && lab_pool_validate(pool) == 0, "then the mempool is whole");
	ground_discard(mp);
}

static struct rte_mempool *make(void)
{
	if (strcmp(ops, "frames") == 0)
		return lab_rte_pktmbuf_pool_create("made", OBJECTS, 0, 0, SOCKET_ID_ANY, 0);
	return rte_pktmbuf_pool_create_by_ops("made", OBJECTS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					      SOCKET_ID_ANY, ops);
}

/* The n-th step fails, until none is left. */
static void test_creation(void)
{
	struct rte_mempool *mp = NULL;
	unsigned pools, failed = 0, left = 0;
	struct lab_pool *before[LAB_MAX_POOLS];

	pools = lab_pool_each(before);
	for (uint64_t nth = 1; !mp && nth <= STEPS; nth++) {
		const struct lab_fault fault = {.nth = nth};

		lab_fault_set(NULL, LAB_FAULT_CREATE, &fault);
		mp = make();
		lab_fault_set(NULL, LAB_FAULT_CREATE, NULL);
		failed += !mp;
		left += !mp && (rte_mempool_lookup("made") || lab_pool_each(before) != pools);
	}
	tap_note("%u steps failed", failed);
	tap_ok(mp && failed && !left, "each step of a creation fails once, and nothing is left");
	tap_ok(mp && census_whole(mp), "then the mempool is made, and whole");
	if (mp)
		ground_discard(mp);
}

int main(int argc, char **argv)
{
	int own = ground_init(argc, argv, 100);

	ops = ground_option(argc - own, argv + own, "--ops", LAB_RTE_OPS);
	test_allocations();
	test_creation();
	return tap_done();
}
