/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * DPDK's EAL in this process: one main lcore that sleeps, and an lcore id for each of our threads.
 */
#include "dpdk.h"

#include <stdio.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_version.h>

bool dpdk_start(int cpu, bool hugepages, uint64_t megabytes, char *why, size_t why_size)
{
	char lcores[32], memory[32];
	/* physical addresses where they may be known, as in Labyrinth's pools */
	char *iova = geteuid() == 0 ? "--iova-mode=pa" : "--iova-mode=va";
	/* no -m: memory comes and goes with each pool, so that its creation costs what it costs */
	char *with_hugepages[] = {"labyrinth-perf",
				  "--in-memory",
				  "--no-pci",
				  "--no-telemetry",
				  "--log-level=error",
				  "--lcores",
				  lcores,
				  iova,
				  NULL};
	char *without[] = {"labyrinth-perf",    "--no-huge",   "--no-pci", "--no-telemetry",
			   "--log-level=error", "--no-shconf", "-m",       memory,
			   "--lcores",          lcores,        NULL};
	char **argv = hugepages ? with_hugepages : without;
	int argc = 0;

	snprintf(lcores, sizeof(lcores), "0@%d", cpu);
	snprintf(memory, sizeof(memory), "%llu", (unsigned long long)megabytes);
	while (argv[argc])
		argc++;
	if (rte_eal_init(argc, argv) < 0) {
		snprintf(why, why_size, "DPDK's EAL did not start: %s", rte_strerror(rte_errno));
		return false;
	}
	return true;
}

void dpdk_stop(void)
{
	rte_eal_cleanup();
}

bool dpdk_thread_enter(void)
{
	return rte_thread_register() == 0;
}

void dpdk_thread_leave(void)
{
	rte_thread_unregister();
}

const char *dpdk_version(void)
{
	return rte_version();
}
