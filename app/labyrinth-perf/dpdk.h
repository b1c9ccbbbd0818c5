/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Starting and stopping DPDK's EAL in this process. Without DPDK in the build all of it does
 * nothing.
 */
#ifndef PERF_DPDK_H
#define PERF_DPDK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef PERF_DPDK
/* cpu: where the main lcore goes. megabytes: used without hugepages only. False: why says it. */
bool dpdk_start(int cpu, bool hugepages, uint64_t megabytes, char *why, size_t why_size);
void dpdk_stop(void);
/* On each lane: an lcore id, and with it a cache in every rte_mempool. False: none is left. */
bool dpdk_thread_enter(void);
void dpdk_thread_leave(void);
const char *dpdk_version(void);
#else
static inline bool dpdk_start(int cpu, bool hugepages, uint64_t megabytes, char *why,
			      size_t why_size)
{
	return true;
}

static inline void dpdk_stop(void)
{
}

static inline bool dpdk_thread_enter(void)
{
	return true;
}

static inline void dpdk_thread_leave(void)
{
}

static inline const char *dpdk_version(void)
{
	return NULL;
}
#endif

#endif
