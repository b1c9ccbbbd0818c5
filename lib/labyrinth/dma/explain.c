/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Finds out what was short, and how much of it would do: reads what the kernel counts, and tries
 * wider addresses.
 */
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <labyrinth/lab_alloc.h>

#include "error.h"
#include "explain.h"

#define CAP_IPC_LOCK 14 /* linux/capability.h */

/* ---- RLIMIT_MEMLOCK ---- */

/* What /proc says of a process: whose it is, what it may, and how much memory it holds in place. */
struct process {
	unsigned user;
	uint64_t capabilities;
	uint64_t locked; /* KiB, by mlock() and type1 */
	uint64_t pinned; /* KiB, by iommufd and others */
};

static struct process read_process(const char *status)
{
	struct process p = {.user = UINT32_MAX};
	char line[256];
	FILE *f = fopen(status, "re");

	while (f && fgets(line, sizeof(line), f)) {
		/* Each line is one of them, or none. */
		if (sscanf(line, "Uid: %u", &p.user) != 1 &&
		    sscanf(line, "CapEff: %" SCNx64, &p.capabilities) != 1 &&
		    sscanf(line, "VmLck: %" SCNu64, &p.locked) != 1)
			(void)sscanf(line, "VmPin: %" SCNu64, &p.pinned);
	}
	if (f)
		fclose(f);
	return p;
}

/* KiB that all processes of a user have pinned, so far as /proc shows them. */
static uint64_t pinned_by(unsigned user)
{
	uint64_t sum = 0;
	glob_t found;

	if (glob("/proc/[0-9]*/status", GLOB_NOSORT, NULL, &found))
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct process p = read_process(found.gl_pathv[i]);

		sum += p.user == user ? p.pinned : 0;
	}
	globfree(&found);
	return sum;
}

/* 0 if the limit is not what refused @bytes. */
static int explain_memlock(const struct lab_domain_priv *d, uint64_t bytes, const char *what)
{
	struct process self = read_process("/proc/self/status");
	int by_user = d->ops->counts_by_user;
	uint64_t need = (by_user ? pinned_by(self.user) : self.locked) + ((bytes + 1023) >> 10);
	struct rlimit r;

	if (getrlimit(RLIMIT_MEMLOCK, &r) || r.rlim_cur == RLIM_INFINITY ||
	    self.capabilities >> CAP_IPC_LOCK & 1 || need <= (uint64_t)r.rlim_cur >> 10)
		return 0;
	return lab_fail(ENOMEM,
			"%s cannot be pinned for domain '%s': RLIMIT_MEMLOCK is %" PRIu64
			" KiB and %" PRIu64 " KiB are needed%s: ulimit -l %" PRIu64
			", limits.d, or CAP_IPC_LOCK",
			what, d->name, (uint64_t)r.rlim_cur >> 10, need,
			by_user ? ", with what the user's other processes have pinned" : "", need);
}

/* ---- mappings ---- */

int lab_explain_map(struct lab_domain_priv *d, const struct lab_mapping *m, unsigned wanted,
		    const char *what, int err)
{
	uint64_t entries = lab_load(&d->stats.entries), limit = lab_load(&d->stats.entry_limit);
	int said;

	switch (err) {
	case ENOMEM:
		said = explain_memlock(d, m->bytes * wanted, what);
		if (said)
			return said;
		break;
	case ENOSPC:
		return lab_fail(
			ENOSPC,
			"%s cannot be mapped in domain '%s': it has %" PRIu64
			" mappings, needs %u more, and the kernel allows %" PRIu64
			": %swrite %" PRIu64
			" or more to /sys/module/vfio_iommu_type1/parameters/dma_entry_limit "
			"and open the domain again",
			what, d->name, entries, wanted, limit,
			d->mode == LAB_DOMAIN_STRICT ? "lend fewer frames at a time, or " : "",
			entries + wanted);
	case EEXIST:
	case EADDRINUSE:
		return lab_fail(err,
				"%s cannot be mapped in domain '%s': 0x%" PRIx64 " is in use there",
				what, d->name, m->iova);
	default:
		break;
	}
	return lab_fail(
		err, "%s, %" PRIu64 " KiB, cannot be mapped at 0x%" PRIx64 " in domain '%s' (%s)",
		what, m->bytes >> 10, m->iova, d->name, strerror(err));
}

/* ---- addresses ---- */

int lab_explain_full(struct lab_domain_priv *d, uint64_t bytes, uint64_t align, const char *what)
{
	struct lab_iommu_limits limits = {0};
	unsigned bits = 0;
	char advice[96];

	if (d->address_bits && d->ops->limits(d, &limits) == 0)
		bits = lab_iova_bits(&d->space, limits.range, limits.count, limits.page, bytes,
				     align);
	free(limits.range);
	if (bits)
		snprintf(advice, sizeof(advice), "%u address_bits would do, or a smaller pool",
			 bits);
	else
		snprintf(advice, sizeof(advice),
			 "the IOMMU reaches no further; use a smaller pool, or another domain");
	return lab_fail(ENOSPC,
			"%s needs %" PRIu64 " KiB of addresses beside each other, and domain "
			"'%s' has none left below 0x%" PRIx64 ": %s",
			what, bytes >> 10, d->name, lab_iova_last(&d->space), advice);
}

int lab_explain_narrow(struct lab_domain_priv *d, const struct lab_iommu_limits *limits)
{
	unsigned bits = lab_iova_bits(&d->space, limits->range, limits->count, limits->page,
				      limits->page, limits->page);

	if (!bits)
		return lab_fail(EINVAL,
				"domain '%s': its IOMMU and devices leave no address to use",
				d->name);
	return lab_fail(EINVAL,
			"domain '%s': no IOVA of %u bits is usable; the fewest address_bits that "
			"work are %u",
			d->name, d->address_bits, bits);
}
