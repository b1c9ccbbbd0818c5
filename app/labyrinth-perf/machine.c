/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the machine is and has. See machine.h.
 */
#include "machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "histogram.h"
#include "lane.h"
#include "team.h"

static void look_cpu_model(struct machine *machine)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	char line[256], *value;

	snprintf(machine->cpu_model, sizeof(machine->cpu_model), "unknown CPU");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		value = strchr(line, ':');
		if (!value || strncmp(line, "model name", 10))
			continue;
		value += 1 + strspn(value + 1, " \t");
		value[strcspn(value, "\n")] = 0;
		snprintf(machine->cpu_model, sizeof(machine->cpu_model), "%.127s", value);
		break;
	}
	fclose(file);
}

static void look_cpus(struct machine *machine)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		if (machine->cpus_n < 2)
			machine->cpus[machine->cpus_n] = cpu;
		machine->cpus_n++;
	}
}

/* The clock's rate over 20 ms, and the median of what reading it twice takes. */
static void look_clock(struct machine *machine)
{
	struct timespec t = {.tv_nsec = 20000000};
	static struct histogram h;
	double ns = now_ns();
	uint64_t then = cycles_fenced(), now;

	nanosleep(&t, NULL);
	now = cycles_fenced();
	machine->cycles_per_ns = (double)(now - then) / (now_ns() - ns);
	for (unsigned i = 0; i < 100000; i++) {
		then = cycles_fenced();
		now = cycles_fenced();
		histogram_add(&h, now - then);
	}
	machine->cycles_overhead = histogram_percentile(&h, 0.5);
}

void machine_look(struct machine *machine)
{
	struct utsname name;
	time_t now = time(NULL);

	memset(machine, 0, sizeof(*machine));
	look_cpu_model(machine);
	look_cpus(machine);
	look_clock(machine);
	uname(&name);
	snprintf(machine->kernel, sizeof(machine->kernel), "%s %s", name.sysname, name.release);
	strftime(machine->date, sizeof(machine->date), "%Y-%m-%d %H:%M UTC", gmtime(&now));
}

static uint64_t read_count(const char *name)
{
	char path[128];
	unsigned long long count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-2048kB/%s", name);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (fscanf(file, "%llu", &count) != 1)
		count = 0;
	fclose(file);
	return count;
}

uint64_t machine_hugepages(void)
{
	uint64_t free = read_count("free_hugepages");
	uint64_t promised = read_count("resv_hugepages");

	return free > promised ? free - promised : 0;
}

uint64_t machine_hugepages_total(void)
{
	return read_count("nr_hugepages");
}
