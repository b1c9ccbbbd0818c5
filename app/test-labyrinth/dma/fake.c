/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The made-up machine's calls. Each is one critical section of its own lock, so that threads of a
 * strict domain can be let loose on it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"
#include "fake.h"

#define MAPPINGS    8192
#define EVENTS      64
#define COMMAND     4 /* PCI Local Bus Specification 3.0, 6.2.2 */
#define BAR_OFFSET  FAKE_CONFIG_BYTES
#define MEMFD_BYTES (FAKE_CONFIG_BYTES + FAKE_BAR_BYTES)

struct fake_machine fake;

/* A mapping; @stuck: an unmap of it failed, as the test had asked for. */
struct entry {
	const struct lab_domain_priv *domain;
	struct lab_mapping m;
	int shared;
	int stuck;
};

/* The kernel's reference on somebody's eventfd. */
struct event {
	const struct lab_device *dev;
	enum lab_irq_kind kind;
	unsigned vector;
	int fd;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry entry[MAPPINGS];
static unsigned entries;
static struct event event[EVENTS];
static unsigned events;
static enum fake_op fail_op, failed_op;
static unsigned fail_in;
static int fail_error, failed;

__attribute__((format(printf, 1, 2))) static void wrong(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!fake.wrong++)
		vsnprintf(fake.first_wrong, sizeof(fake.first_wrong), format, args);
	va_end(args);
}

const char *fake_op_name(enum fake_op op)
{
	static const char *const name[FAKE_OPS] = {
		"find",     "open",  "attach", "limits",     "map",   "unmap",  "share",
		"describe", "reset", "irqs",   "irq_unmask", "close", "detach", "abandon"};

	return op < FAKE_OPS ? name[op] : "any";
}

/* Counts a call; 0, or -errno if it is the one that is to fail. */
static int enter(enum fake_op op)
{
	pthread_mutex_lock(&lock);
	fake.calls[op]++;
	if (!fail_in || (fail_op != op && (fail_op != FAKE_ANY || op >= FAKE_CAN_FAIL)) ||
	    --fail_in)
		return 0;
	failed = 1;
	failed_op = op;
	return -fail_error;
}

static int leave(int err)
{
	pthread_mutex_unlock(&lock);
	return err;
}

/* For those calls that owe a sentence. */
static int leave_saying(int err, enum fake_op op)
{
	leave(0);
	return err ? lab_fail(-err, "the machine fails to %s as it was told to", fake_op_name(op))
		   : 0;
}

/* ---- functions ---- */

struct fake_device *fake_device(const char *address)
{
	for (unsigned i = 0; i < FAKE_DEVICES; i++) {
		if (address && !strcmp(fake.device[i].address, address))
			return &fake.device[i];
	}
	return NULL;
}

static struct fake_device *device_of(const struct lab_device *dev)
{
	struct fake_device *f = fake_device(dev->pci.address);

	if (!f || f->dev != dev)
		wrong("a call for %s, which is not open", dev->pci.address);
	return f;
}

static unsigned devices_in(const struct lab_domain_priv *d)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_DEVICES; i++)
		n += fake.device[i].dev && fake.device[i].dev->domain == d;
	return n;
}

static int fake_find(const char *address, struct lab_pci *pci)
{
	int err = enter(FAKE_FIND);
	const struct fake_device *f = fake_device(address);

	memset(pci, 0, sizeof(*pci));
	if (!err && f) {
		memcpy(pci->address, f->address, sizeof(pci->address));
		pci->vendor = 0x1234;
		pci->device = 0x5678;
		pci->class_code = 0x020000;
		pci->node = -1;
		pci->group = (int)(f - fake.device);
	}
	leave_saying(err, FAKE_FIND);
	if (!err && !f)
		err = lab_fail(ENODEV, "there is no PCI function \"%.20s\" here",
			       address ? address : "NULL");
	return err;
}

static int fake_attach(struct lab_domain_priv *d, struct lab_device *dev)
{
	int err = enter(FAKE_ATTACH), fd = -1;
	struct fake_device *f = fake_device(dev->pci.address);

	if (!err && f->dev)
		wrong("%s is attached twice", f->address);
	if (d->fd < 0)
		wrong("%s is attached to a domain that is not open", f->address);
	if (!err) {
		fd = f->deaf ? open("/dev/zero", O_RDWR | O_CLOEXEC)
			     : memfd_create("fake-device", MFD_CLOEXEC);
		if (fd < 0 || (!f->deaf && (ftruncate(fd, MEMFD_BYTES) ||
					    pwrite(fd, &f->command, sizeof(f->command), COMMAND) !=
						    sizeof(f->command))))
			abort();
		dev->fd = fd;
		f->dev = dev;
	}
	return leave_saying(err, FAKE_ATTACH);
}

/* The kernel drops its references with the device. */
static void forget_events(const struct lab_device *dev, enum lab_irq_kind kind)
{
	for (unsigned i = 0; i < events;) {
		if (event[i].dev == dev && (kind == LAB_IRQ_KINDS || event[i].kind == kind)) {
			close(event[i].fd);
			event[i] = event[--events];
		} else {
			i++;
		}
	}
}

static void forget_mappings(const struct lab_domain_priv *d)
{
	for (unsigned i = 0; i < entries;) {
		if (entry[i].domain == d)
			entry[i] = entry[--entries];
		else
			i++;
	}
}

static void fake_detach(struct lab_domain_priv *d, struct lab_device *dev)
{
	struct fake_device *f;

	enter(FAKE_DETACH);
	f = device_of(dev);
	if (f) {
		if (pread(dev->fd, &f->command, sizeof(f->command), COMMAND) != sizeof(f->command))
			f->command = UINT16_MAX;
		f->dev = NULL;
	}
	close(dev->fd);
	dev->fd = -1;
	forget_events(dev, LAB_IRQ_KINDS);
	if (d->ops->forgetful && !devices_in(d))
		forget_mappings(d);
	leave(0);
}

static int fake_describe(struct lab_device *dev)
{
	int err = enter(FAKE_DESCRIBE);
	const struct fake_device *f = device_of(dev);

	if (!err && f) {
		dev->config_offset = 0;
		dev->config_bytes = FAKE_CONFIG_BYTES;
		dev->bar[0].offset = BAR_OFFSET;
		dev->bar[0].bytes = FAKE_BAR_BYTES;
		memcpy(dev->irq_count, f->irqs, sizeof(f->irqs));
		dev->can_reset = f->can_reset;
	}
	return leave_saying(err, FAKE_DESCRIBE);
}

static int fake_reset(struct lab_device *dev)
{
	int err = enter(FAKE_RESET);
	struct fake_device *f = device_of(dev);

	if (!f->can_reset)
		wrong("%s cannot be reset, and is", f->address);
	if (!err && f->reset_busy) {
		f->reset_busy--;
		err = -EAGAIN;
	}
	if (!err)
		err = f->reset_result;
	f->resets += !err;
	return leave(err);
}

static int fake_irqs(struct lab_device *dev, enum lab_irq_kind kind, unsigned n, const int *fds)
{
	int err = enter(FAKE_IRQS);
	const struct fake_device *f = device_of(dev);

	if (kind >= LAB_IRQ_KINDS || n > f->irqs[kind])
		wrong("%s has no %u interrupts of kind %d", f->address, n, (int)kind);
	if (!err && events + n > EVENTS)
		err = -ENOSPC;
	if (!err)
		forget_events(dev, kind);
	for (unsigned i = 0; i < n && !err; i++) {
		/* What is no open eventfd cannot be duplicated. */
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			wrong("%s: interrupt %u has no descriptor", f->address, i);
		event[events++] = (struct event){dev, kind, i, fd};
	}
	return leave(err);
}

static int fake_irq_unmask(struct lab_device *dev)
{
	int err = enter(FAKE_IRQ_UNMASK);
	struct fake_device *f = device_of(dev);

	f->unmasked += !err;
	return leave(err);
}

/* ---- address spaces ---- */

static int fake_open(struct lab_domain_priv *d)
{
	int err = enter(FAKE_OPEN);

	if (!err) {
		d->fd = memfd_create("fake-domain", MFD_CLOEXEC);
		if (d->fd < 0)
			abort();
	}
	return leave_saying(err, FAKE_OPEN);
}

static void fake_close(struct lab_domain_priv *d)
{
	enter(FAKE_CLOSE);
	if (devices_in(d))
		wrong("domain '%s' is closed under %u devices", d->name, devices_in(d));
	for (unsigned i = 0; i < entries; i++) {
		if (entry[i].domain == d && !entry[i].stuck)
			wrong("0x%llx is still mapped when domain '%s' is closed",
			      (unsigned long long)entry[i].m.iova, d->name);
	}
	forget_mappings(d);
	close(d->fd);
	d->fd = -1;
	leave(0);
}

/* In the child: the parent's references are not its own. */
static void fake_abandon(struct lab_domain_priv *d)
{
	enter(FAKE_ABANDON);
	for (unsigned i = 0; i < events; i++) {
		if (event[i].dev->domain == d)
			close(event[i].fd);
	}
	close(d->fd);
	leave(0);
}

static int fake_limits(struct lab_domain_priv *d, struct lab_iommu_limits *limits)
{
	int err = enter(FAKE_LIMITS), narrow = 0;
	unsigned used = 0;

	if (!devices_in(d))
		wrong("domain '%s' has no device that could say its limits", d->name);
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
	return leave_saying(err, FAKE_LIMITS);
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

	if (!devices_in(d))
		wrong("0x%llx is mapped for no device", (unsigned long long)m->iova);
	if (!m->bytes || last < m->iova ||
	    (m->iova | m->bytes | (uintptr_t)m->addr) & (fake.page - 1))
		wrong("0x%llx + 0x%llx for %p: not in whole pages", (unsigned long long)m->iova,
		      (unsigned long long)m->bytes, m->addr);
	if (!m->access || m->access & ~(unsigned)LAB_DMA_BOTH)
		wrong("0x%llx: access 0x%x", (unsigned long long)m->iova, m->access);
	for (unsigned i = 0; i < fake.ranges; i++)
		inside |= m->iova >= fake.range[i].first && last <= fake.range[i].last;
	if (!inside || (bits < 64 && last >> bits))
		wrong("0x%llx + 0x%llx is reserved or too wide", (unsigned long long)m->iova,
		      (unsigned long long)m->bytes);
	for (unsigned i = 0; i < FAKE_DEVICES; i++) {
		if (fake.device[i].dev && fake.device[i].dev->domain == d &&
		    fake.device[i].narrow && last > UINT32_MAX)
			wrong("0x%llx is too wide for %s", (unsigned long long)m->iova,
			      fake.device[i].address);
	}
	if (!is_memory(m))
		wrong("0x%llx: there is no memory at %p", (unsigned long long)m->iova, m->addr);
}

/* Adds a mapping, as the kernel would: 0 or -errno. */
static int add(const struct lab_domain_priv *d, const struct lab_mapping *m, int shared)
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
				wrong("0x%llx + 0x%llx is mapped already",
				      (unsigned long long)m->iova, (unsigned long long)m->bytes);
			return -EEXIST;
		}
	}
	if ((fake.entries && used >= fake.entries) || entries == MAPPINGS)
		return -ENOSPC;
	entry[entries++] = (struct entry){.domain = d, .m = *m, .shared = shared};
	return 0;
}

static int fake_map(struct lab_domain_priv *d, const struct lab_mapping *m)
{
	int err = enter(FAKE_MAP);

	return leave(err ? err : add(d, m, 0));
}

static int fake_share(struct lab_domain_priv *d, const struct lab_mapping *m,
		      struct lab_domain_priv *from, uint64_t from_iova)
{
	int err = enter(FAKE_SHARE);
	const struct entry *source = NULL;

	for (unsigned i = 0; i < entries; i++) {
		if (entry[i].domain == from && entry[i].m.iova == from_iova)
			source = &entry[i];
	}
	if (from == d || !source || source->m.addr != m->addr || source->m.bytes != m->bytes)
		wrong("0x%llx of domain '%s' is not what is to be shared",
		      (unsigned long long)from_iova, from->name);
	else if (source->shared)
		wrong("a share of a share");
	else if (m->access & ~source->m.access & LAB_DMA_WRITE)
		wrong("pages pinned for reading are shared for writing");
	return leave(err ? err : add(d, m, 1));
}

/* All of [iova, iova + bytes) must be whole mappings. */
static int fake_unmap(struct lab_domain_priv *d, uint64_t iova, uint64_t bytes)
{
	int err = enter(FAKE_UNMAP);
	uint64_t found = 0, last = iova + bytes - 1;

	if (!bytes || last < iova)
		wrong("unmap of 0x%llx + 0x%llx", (unsigned long long)iova,
		      (unsigned long long)bytes);
	for (unsigned i = 0; i < entries; i++) {
		const struct lab_mapping *m = &entry[i].m;

		if (entry[i].domain != d || m->iova > last || m->iova + m->bytes - 1 < iova)
			continue;
		if (m->iova < iova || m->iova + m->bytes - 1 > last)
			wrong("unmap of 0x%llx + 0x%llx splits a mapping", (unsigned long long)iova,
			      (unsigned long long)bytes);
		if (!is_memory(m))
			wrong("the memory of 0x%llx went before its mapping",
			      (unsigned long long)m->iova);
		entry[i].stuck |= err != 0;
		found += m->bytes;
	}
	if (found != bytes)
		wrong("unmap of 0x%llx + 0x%llx finds 0x%llx bytes", (unsigned long long)iova,
		      (unsigned long long)bytes, (unsigned long long)found);
	if (!err && found != bytes)
		err = -ENOENT;
	for (unsigned i = 0; i < entries && !err;) {
		if (entry[i].domain == d && entry[i].m.iova >= iova && entry[i].m.iova <= last)
			entry[i] = entry[--entries];
		else
			i++;
	}
	return leave(err);
}

#define COMMON_OPS                                                                          \
	.find = fake_find, .open = fake_open, .close = fake_close, .abandon = fake_abandon, \
	.attach = fake_attach, .detach = fake_detach, .limits = fake_limits,                \
	.describe = fake_describe, .reset = fake_reset, .irqs = fake_irqs,                  \
	.irq_unmask = fake_irq_unmask

const struct lab_iommu_ops fake_keeping_ops = {
	.name = "keeping", COMMON_OPS, .map = fake_map, .unmap = fake_unmap, .share = fake_share};
const struct lab_iommu_ops fake_forgetful_ops = {
	.name = "forgetful", .forgetful = 1, COMMON_OPS, .map = fake_map, .unmap = fake_unmap};
const struct lab_iommu_ops fake_physical_ops = {.name = "physical", .physical = 1, COMMON_OPS};

/* ---- what tests ask and do ---- */

void fake_power_on(void)
{
	static const struct fake_machine x86 = {
		.device = {{.address = FAKE_NIC,
			    .can_reset = 1,
			    .irqs = {1, 4, 16, 1, 1},
			    .command = 0x0007},
			   {.address = FAKE_DISK, .can_reset = 1, .irqs = {1, 0, 0, 0, 1}}},
		.range = {{0, 0xfedfffff}, {0xfef00000, ((uint64_t)1 << 48) - 1}},
		.ranges = 2,
		.page = 4096};

	if (entries || events)
		abort();
	fake = x86;
	fail_in = 0;
	failed = 0;
}

void fake_fail(enum fake_op op, unsigned k, int err)
{
	pthread_mutex_lock(&lock);
	fail_op = op;
	fail_in = k;
	fail_error = err;
	failed = 0;
	leave(0);
}

int fake_failed(void)
{
	int was;

	pthread_mutex_lock(&lock);
	was = failed;
	failed = 0;
	fail_in = 0;
	return leave(was);
}

enum fake_op fake_last_failed(void)
{
	return failed_op;
}

/* The sum of what @of says of each mapping of @domain, or of all. */
static uint64_t sum(const struct lab_domain *domain, uint64_t (*of)(const struct entry *e))
{
	const struct lab_domain_priv *d = (const struct lab_domain_priv *)domain;
	uint64_t n = 0;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < entries; i++)
		n += !d || entry[i].domain == d ? of(&entry[i]) : 0;
	leave(0);
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

static uint64_t bytes_if_own(const struct entry *e)
{
	return e->shared ? 0 : e->m.bytes;
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
	return sum(NULL, bytes_if_own);
}

void *fake_reach(const struct lab_domain *domain, uint64_t iova, uint64_t bytes, unsigned access)
{
	const struct lab_domain_priv *d = (const struct lab_domain_priv *)domain;
	char *addr = NULL;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < entries; i++) {
		const struct lab_mapping *m = &entry[i].m;

		if (entry[i].domain == d && iova >= m->iova && iova - m->iova < m->bytes &&
		    bytes <= m->bytes - (iova - m->iova) && (m->access & access) == access)
			addr = (char *)m->addr + (iova - m->iova);
	}
	leave(0);
	return addr;
}

int fake_fire(const char *address, enum lab_irq_kind kind, unsigned vector)
{
	const struct fake_device *f = fake_device(address);
	const uint64_t once = 1;
	int heard = 0;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < events; i++) {
		if (event[i].dev == f->dev && event[i].kind == kind && event[i].vector == vector)
			heard += write(event[i].fd, &once, sizeof(once)) == sizeof(once);
	}
	return leave(heard);
}

void fake_pull_out(const char *address)
{
	if (ftruncate(fake_device(address)->dev->fd, 0))
		abort();
}

uint16_t fake_command(const char *address)
{
	uint16_t command;

	if (pread(fake_device(address)->dev->fd, &command, sizeof(command), COMMAND) !=
	    sizeof(command))
		abort();
	return command;
}

void fake_set_command(const char *address, uint16_t command)
{
	if (pwrite(fake_device(address)->dev->fd, &command, sizeof(command), COMMAND) !=
	    sizeof(command))
		abort();
}
