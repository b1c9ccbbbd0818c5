/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The made-up machine's IOMMU: its account of every mapping, and what it holds against it. Knows
 * functions only so far as they are in a domain.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "fake-inside.h"

#define MAPPINGS 8192

/* A mapping. @pin: which pinning of pages it rests on, made for @pin_access. @stuck: an unmap of it
 * failed, as the test had asked for. */
struct entry {
	const struct lab_domain_priv *domain;
	struct lab_mapping m;
	uint64_t pin;
	unsigned pin_access;
	int stuck;
};

static struct entry entry[MAPPINGS];
static unsigned entries;
static uint64_t pins;

void fake_space_forget(const struct lab_domain_priv *d)
{
	for (unsigned i = 0; i < entries;) {
		if (entry[i].domain == d)
			entry[i] = entry[--entries];
		else
			i++;
	}
}

void fake_space_end(const struct lab_domain_priv *d)
{
	for (unsigned i = 0; i < entries; i++) {
		if (entry[i].domain == d && !entry[i].stuck)
			fake_wrong("0x%llx is still mapped when domain '%s' is closed",
				   (unsigned long long)entry[i].m.iova, d->name);
	}
	fake_space_forget(d);
}

int fake_limits(struct lab_domain_priv *d, struct lab_iommu_limits *limits)
{
	int err = fake_enter(FAKE_LIMITS), narrow = 0;
	unsigned used = 0;

	if (!fake_devices_in(d))
		fake_wrong("domain '%s' has no device that could say its limits", d->name);
	for (unsigned i = 0; i < entries; i++)
		used += entry[i].domain == d;
	for (unsigned i = 0; i < FAKE_DEVICES; i++)
		narrow |= fake.device[i].dev && fake.device[i].dev->domain == d &&
			  fake.device[i].narrow;
	if (!err) {
		limits->range = calloc(FAKE_RANGES, sizeof(*limits->range));
		if (!limits->range)
			err = -ENOMEM;
		for (unsigned i = 0; i < fake.ranges && !err; i++) {
			struct lab_iova_range r = fake.range[i];

			if (narrow && r.last > UINT32_MAX)
				r.last = UINT32_MAX;
			if (r.first <= r.last)
				limits->range[limits->count++] = r;
		}
		limits->page = fake.page;
		limits->entries = fake.entries ? fake.entries - used : 0;
	}
	return fake_leave_saying(err, FAKE_LIMITS);
}

/* 1 where there is memory, as the kernel finds out when it pins it. */
static int is_memory(const struct lab_mapping *m)
{
	return msync(m->addr, m->bytes, MS_ASYNC) == 0;
}

static void check_new(const struct lab_domain_priv *d, const struct lab_mapping *m)
{
	unsigned bits = d->address_bits ? d->address_bits : 64;
	uint64_t last = m->iova + m->bytes - 1;
	int inside = 0;

	if (!fake_devices_in(d))
		fake_wrong("0x%llx is mapped for no device", (unsigned long long)m->iova);
	if (!m->bytes || last < m->iova ||
	    (m->iova | m->bytes | (uintptr_t)m->addr) & (fake.page - 1))
		fake_wrong("0x%llx + 0x%llx for %p: not in whole pages",
			   (unsigned long long)m->iova, (unsigned long long)m->bytes, m->addr);
	if (!m->access || m->access & ~(unsigned)LAB_DMA_BOTH)
		fake_wrong("0x%llx: access 0x%x", (unsigned long long)m->iova, m->access);
	for (unsigned i = 0; i < fake.ranges; i++)
		inside |= m->iova >= fake.range[i].first && last <= fake.range[i].last;
	if (!inside || (bits < 64 && last >> bits))
		fake_wrong("0x%llx + 0x%llx is reserved or too wide", (unsigned long long)m->iova,
			   (unsigned long long)m->bytes);
	for (unsigned i = 0; i < FAKE_DEVICES; i++) {
		if (fake.device[i].dev && fake.device[i].dev->domain == d &&
		    fake.device[i].narrow && last > UINT32_MAX)
			fake_wrong("0x%llx is too wide for %s", (unsigned long long)m->iova,
				   fake.device[i].address);
	}
	if (!is_memory(m))
		fake_wrong("0x%llx: there is no memory at %p", (unsigned long long)m->iova,
			   m->addr);
}

/* Adds a mapping on the pages of @source, or on its own, as the kernel would: 0 or -errno. */
static int add(const struct lab_domain_priv *d, const struct lab_mapping *m,
	       const struct entry *source)
{
	unsigned used = 0;

	check_new(d, m);
	for (unsigned i = 0; i < entries; i++) {
		const struct lab_mapping *o = &entry[i].m;

		if (entry[i].domain != d)
			continue;
		used++;
		if (m->iova <= o->iova + o->bytes - 1 && o->iova <= m->iova + m->bytes - 1) {
			/* Behind a failed unmap the library knows no better. */
			if (!entry[i].stuck)
				fake_wrong("0x%llx + 0x%llx is mapped already",
					   (unsigned long long)m->iova,
					   (unsigned long long)m->bytes);
			return -EEXIST;
		}
	}
	if ((fake.entries && used >= fake.entries) || entries == MAPPINGS)
		return -ENOSPC;
	entry[entries++] = (struct entry){.domain = d,
					  .m = *m,
					  .pin = source ? source->pin : ++pins,
					  .pin_access = source ? source->pin_access : m->access};
	return 0;
}

int fake_map(struct lab_domain_priv *d, const struct lab_mapping *m)
{
	int err = fake_enter(FAKE_MAP);

	return fake_leave(err ? err : add(d, m, NULL));
}

int fake_share(struct lab_domain_priv *d, const struct lab_mapping *m, struct lab_domain_priv *from,
	       uint64_t from_iova)
{
	int err = fake_enter(FAKE_SHARE);
	const struct entry *source = NULL;

	for (unsigned i = 0; i < entries; i++) {
		if (entry[i].domain == from && entry[i].m.iova == from_iova)
			source = &entry[i];
	}
	if (from == d || !source || source->m.addr != m->addr || source->m.bytes != m->bytes)
		fake_wrong("0x%llx of domain '%s' is not what is to be shared",
			   (unsigned long long)from_iova, from->name);
	else if (m->access & ~source->pin_access & LAB_DMA_WRITE)
		fake_wrong("pages pinned for reading are shared for writing");
	return fake_leave(err ? err : add(d, m, source));
}

/* All of [iova, iova + bytes) must be whole mappings. */
int fake_unmap(struct lab_domain_priv *d, uint64_t iova, uint64_t bytes)
{
	int err = fake_enter(FAKE_UNMAP);
	uint64_t found = 0, last = iova + bytes - 1;

	if (!bytes || last < iova)
		fake_wrong("unmap of 0x%llx + 0x%llx", (unsigned long long)iova,
			   (unsigned long long)bytes);
	for (unsigned i = 0; i < entries; i++) {
		const struct lab_mapping *m = &entry[i].m;

		if (entry[i].domain != d || m->iova > last || m->iova + m->bytes - 1 < iova)
			continue;
		if (m->iova < iova || m->iova + m->bytes - 1 > last)
			fake_wrong("unmap of 0x%llx + 0x%llx splits a mapping",
				   (unsigned long long)iova, (unsigned long long)bytes);
		if (!is_memory(m))
			fake_wrong("the memory of 0x%llx went before its mapping",
				   (unsigned long long)m->iova);
		entry[i].stuck |= err != 0;
		found += m->bytes;
	}
	if (found != bytes)
		fake_wrong("unmap of 0x%llx + 0x%llx finds 0x%llx bytes", (unsigned long long)iova,
			   (unsigned long long)bytes, (unsigned long long)found);
	if (!err && found != bytes)
		err = -ENOENT;
	for (unsigned i = 0; i < entries && !err;) {
		if (entry[i].domain == d && entry[i].m.iova >= iova && entry[i].m.iova <= last)
			entry[i] = entry[--entries];
		else
			i++;
	}
	return fake_leave(err);
}

/* The sum of what @of says of each mapping of @domain, or of all. */
static uint64_t sum(const struct lab_domain *domain, uint64_t (*of)(const struct entry *e))
{
	const struct lab_domain_priv *d = (const struct lab_domain_priv *)domain;
	uint64_t n = 0;

	fake_lock();
	for (unsigned i = 0; i < entries; i++)
		n += !d || entry[i].domain == d ? of(&entry[i]) : 0;
	fake_leave(0);
	return n;
}

static uint64_t one(const struct entry *e)
{
	(void)e;
	return 1;
}

static uint64_t one_if_stuck(const struct entry *e)
{
	return (uint64_t)e->stuck;
}

static uint64_t bytes_of(const struct entry *e)
{
	return e->m.bytes;
}

/* Under the lock: of the first mapping that rests on these pages. */
static uint64_t bytes_if_first(const struct entry *e)
{
	for (const struct entry *before = entry; before < e; before++) {
		if (before->pin == e->pin)
			return 0;
	}
	return e->m.bytes;
}

unsigned fake_entries(const struct lab_domain *domain)
{
	return (unsigned)sum(domain, one);
}

unsigned fake_stuck(const struct lab_domain *domain)
{
	return (unsigned)sum(domain, one_if_stuck);
}

uint64_t fake_bytes(const struct lab_domain *domain)
{
	return sum(domain, bytes_of);
}

uint64_t fake_pinned(void)
{
	return sum(NULL, bytes_if_first);
}

void *fake_reach(const struct lab_domain *domain, uint64_t iova, uint64_t bytes, unsigned access)
{
	const struct lab_domain_priv *d = (const struct lab_domain_priv *)domain;
	char *addr = NULL;

	fake_lock();
	for (unsigned i = 0; i < entries; i++) {
		const struct lab_mapping *m = &entry[i].m;

		if (entry[i].domain == d && iova >= m->iova && iova - m->iova < m->bytes &&
		    bytes <= m->bytes - (iova - m->iova) && (m->access & access) == access)
			addr = (char *)m->addr + (iova - m->iova);
	}
	fake_leave(0);
	return addr;
}
