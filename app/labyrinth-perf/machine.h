/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the machine is and has: CPUs that may be used, clock, free hugepages, and a name for the
 * report. It knows no case and no subject.
 */
#ifndef PERF_MACHINE_H
#define PERF_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine {
	char cpu_model[128];
	char kernel[160];
	char date[32];
	unsigned cpus_n;        /* that this process may run on */
	int cpus[2];            /* the first two of them */
	double cycles_per_ns;   /* of the TSC */
	double cycles_overhead; /* of two fenced readings, one after the other */
};

void machine_look(struct machine *machine);

/* Free hugepages of 2 MiB that nothing else has been promised; 0 if the machine has none. */
uint64_t machine_hugepages(void);

/* All that the kernel holds in reserve, as in vm.nr_hugepages. */
uint64_t machine_hugepages_total(void);

#endif
