/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the kernel says of this process: its mappings, descriptors and hugepages. Knows /proc only.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <dirent.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/** struct mapping - one entry of /proc/self/smaps. @flags is VmFlags, with spaces around each. */
struct mapping {
	uintptr_t start;
	uintptr_t end;
	char name[256];
	char flags[520];
};

/* The mapping that contains @addr; 0 if there is none. */
static inline int find_mapping(const void *addr, struct mapping *m)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512];
	int inside = 0;

	while (f && fgets(line, sizeof(line), f)) {
		uintptr_t start, end;
		char name[256] = "";

		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %*s %255[^\n]", &start,
			   &end, name) >= 2) {
			inside = start <= (uintptr_t)addr && (uintptr_t)addr < end;
			if (inside) {
				m->start = start;
				m->end = end;
				memcpy(m->name, name, sizeof(name));
			}
		} else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			snprintf(m->flags, sizeof(m->flags), "%s ", line + 8);
			fclose(f);
			return 1;
		}
	}
	if (f)
		fclose(f);
	return 0;
}

static inline int mapping_has(const struct mapping *m, const char *flag)
{
	char wanted[8];

	snprintf(wanted, sizeof(wanted), " %s ", flag);
	return strstr(m->flags, wanted) != NULL;
}

/** struct holdings - what a leak would raise. */
struct holdings {
	unsigned descriptors;
	unsigned mappings;
	uint64_t address_kib;
	uint64_t hugetlb_kib;
	uint64_t locked_kib;
};

static inline struct holdings holdings_now(void)
{
	struct holdings h = {0};
	char line[512];
	DIR *fds = opendir("/proc/self/fd");
	FILE *f;

	while (fds && readdir(fds))
		h.descriptors++;
	if (fds)
		closedir(fds);
	f = fopen("/proc/self/maps", "re");
	while (f && fgets(line, sizeof(line), f))
		h.mappings++;
	if (f)
		fclose(f);
	f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmSize: %" SCNu64, &h.address_kib) != 1 &&
		    sscanf(line, "HugetlbPages: %" SCNu64, &h.hugetlb_kib) != 1)
			sscanf(line, "VmLck: %" SCNu64, &h.locked_kib);
	}
	if (f)
		fclose(f);
	return h;
}

/* Nothing was left behind. Under AddressSanitizer the heap maps memory as it likes. */
static inline int holdings_same(const struct holdings *a, const struct holdings *b, int heap_moves)
{
	return a->descriptors == b->descriptors && a->hugetlb_kib == b->hugetlb_kib &&
	       (heap_moves || (a->mappings == b->mappings && a->address_kib == b->address_kib &&
			       a->locked_kib == b->locked_kib));
}

/* How many open descriptors lead to a name that contains @part. */
static inline unsigned descriptors_to(const char *part)
{
	DIR *fds = opendir("/proc/self/fd");
	unsigned found = 0;
	struct dirent *entry;

	while (fds && (entry = readdir(fds)) != NULL) {
		char path[300], target[300] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		if (readlink(path, target, sizeof(target) - 1) > 0)
			found += strstr(target, part) != NULL;
	}
	if (fds)
		closedir(fds);
	return found;
}

#endif
