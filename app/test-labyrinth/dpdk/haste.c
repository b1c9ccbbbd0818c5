/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * For LD_PRELOAD: a DPDK program believes that time passes ten times as fast as it does. Its
 * mempool_perf_autotest measures some hundreds of cases for five seconds each; so it takes half a
 * second for each, and every rate that it prints is a tenth of the true one.
 */
#include <dlfcn.h>
#include <stdint.h>

#define TIMES 10

uint64_t rte_get_tsc_hz(void);

uint64_t rte_get_tsc_hz(void)
{
	uint64_t (*real)(void);

	*(void **)&real = dlsym(RTLD_NEXT, "rte_get_tsc_hz");
	return real() / TIMES;
}
