/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * NUMA placement through libnuma. On a kernel without NUMA there is one node, 0, and nothing to do.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include <numa.h>
#include <numaif.h>

#include "error.h"
#include "numa_node.h"

static int have_numa(void)
{
	return numa_available() >= 0;
}

int lab_numa_check(int node)
{
	int last = have_numa() ? numa_max_node() : 0;

	if (node < 0 || node > last ||
	    (have_numa() && !numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned)node)))
		return lab_fail(
			EINVAL,
			"node %d cannot be used: this machine's nodes with memory are in 0..%d",
			node, last);
	return 0;
}

int lab_numa_is_there(void)
{
	return have_numa();
}

unsigned lab_numa_nodes(int *node, unsigned n)
{
	struct bitmask *allowed = have_numa() ? numa_get_mems_allowed() : NULL;
	unsigned found = 0;

	for (int i = 0; allowed && i <= numa_max_node(); i++) {
		if (!numa_bitmask_isbitset(allowed, (unsigned)i) ||
		    !numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned)i))
			continue;
		if (found < n)
			node[found] = i;
		found++;
	}
	if (allowed)
		numa_free_nodemask(allowed);
	if (found)
		return found;
	if (n)
		node[0] = 0;
	return 1;
}

int lab_numa_distance(int from, int to)
{
	int distance = have_numa() && from != to ? numa_distance(from, to) : 0;

	return distance > 0 ? distance : from == to ? 10 : 255;
}

int lab_numa_local(void)
{
	int cpu = sched_getcpu();
	int node = have_numa() && cpu >= 0 ? numa_node_of_cpu(cpu) : 0;

	return node < 0 ? 0 : node;
}

int lab_numa_place(void *addr, size_t bytes, int node, int strict)
{
	struct bitmask *mask;
	long rc;
	int err;

	if (!have_numa())
		return 0;
	mask = numa_allocate_nodemask();
	if (!mask)
		return lab_fail(ENOMEM, "no memory for a NUMA node mask");
	numa_bitmask_setbit(mask, (unsigned)node);
	/* The kernel reads one bit less than it is told. */
	rc = mbind(addr, bytes, strict ? MPOL_BIND : MPOL_PREFERRED, mask->maskp, mask->size + 1,
		   0);
	err = errno;
	numa_free_nodemask(mask);
	if (rc < 0 && strict)
		return lab_fail(err,
				"cannot bind %zu MiB to node %d (%s): see the process's cpuset "
				"and numactl --show",
				bytes >> 20, node, strerror(err));
	return 0; /* a preference that the kernel declines (seccomp, cpuset) is no failure */
}

int lab_numa_node_of(const void *addr)
{
	int node = 0;

	if (!have_numa() || get_mempolicy(&node, NULL, 0, (void *)(unsigned long)addr,
					  MPOL_F_NODE | MPOL_F_ADDR) < 0)
		return 0;
	return node;
}
