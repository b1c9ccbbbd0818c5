/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The made-up machine's functions, and the calls that a test counts, lets fail, or makes itself.
 * Each is one critical section of the machine's lock, so that threads of a strict domain can be let
 * loose on it.
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
#include "fake-inside.h"

#define EVENTS      64
#define COMMAND     4 /* PCI Local Bus Specification 3.0, 6.2.2 */
#define BAR_OFFSET  FAKE_CONFIG_BYTES
#define MEMFD_BYTES (FAKE_CONFIG_BYTES + FAKE_BAR_BYTES)

struct fake_machine fake;

/* The kernel's reference on somebody's eventfd. */
struct event {
	const struct lab_device *dev;
	enum lab_irq_kind kind;
	unsigned vector;
	int fd;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct event event[EVENTS];
static unsigned events;
static enum fake_op fail_op, failed_op;
static unsigned fail_in;
static int fail_error, failed;

void fake_wrong(const char *format, ...)
{
	va_list args;

	if (fake.wrong++)
		return;
	va_start(args, format);
	/* clang-tidy 14 overlooks va_start() here.
	 * NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
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

void fake_lock(void)
{
	pthread_mutex_lock(&lock);
}

/* Counts a call; 0, or -errno if it is the one that is to fail. */
int fake_enter(enum fake_op op)
{
	fake_lock();
	fake.calls[op]++;
	if (!fail_in || (fail_op != op && (fail_op != FAKE_ANY || op >= FAKE_CAN_FAIL)) ||
	    --fail_in)
		return 0;
	failed = 1;
	failed_op = op;
	return -fail_error;
}

int fake_leave(int err)
{
	pthread_mutex_unlock(&lock);
	return err;
}

/* For those calls that owe a sentence. */
int fake_leave_saying(int err, enum fake_op op)
{
	fake_leave(0);
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
		fake_wrong("a call for %s, which is not open", dev->pci.address);
	return f;
}

unsigned fake_devices_in(const struct lab_domain_priv *d)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_DEVICES; i++)
		n += fake.device[i].dev && fake.device[i].dev->domain == d;
	return n;
}

static int fake_find(const char *address, struct lab_pci *pci)
{
	int err = fake_enter(FAKE_FIND);
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
	fake_leave_saying(err, FAKE_FIND);
	if (!err && !f)
		err = lab_fail(ENODEV, "there is no PCI function \"%.20s\" here",
			       address ? address : "NULL");
	return err;
}

static int fake_attach(struct lab_domain_priv *d, struct lab_device *dev)
{
	int err = fake_enter(FAKE_ATTACH), fd = -1;
	struct fake_device *f = fake_device(dev->pci.address);

	if (!err && f->dev)
		fake_wrong("%s is attached twice", f->address);
	if (d->fd < 0)
		fake_wrong("%s is attached to a domain that is not open", f->address);
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
	return fake_leave_saying(err, FAKE_ATTACH);
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

static void fake_detach(struct lab_domain_priv *d, struct lab_device *dev)
{
	struct fake_device *f;

	fake_enter(FAKE_DETACH);
	f = device_of(dev);
	if (f) {
		if (pread(dev->fd, &f->command, sizeof(f->command), COMMAND) != sizeof(f->command))
			f->command = UINT16_MAX;
		f->dev = NULL;
	}
	close(dev->fd);
	dev->fd = -1;
	forget_events(dev, LAB_IRQ_KINDS);
	if (d->ops->forgetful && !fake_devices_in(d))
		fake_space_forget(d);
	fake_leave(0);
}

static int fake_describe(struct lab_device *dev)
{
	int err = fake_enter(FAKE_DESCRIBE);
	const struct fake_device *f = device_of(dev);

	if (!err && f) {
		dev->config_offset = 0;
		dev->config_bytes = FAKE_CONFIG_BYTES;
		dev->bar[0].offset = BAR_OFFSET;
		dev->bar[0].bytes = FAKE_BAR_BYTES;
		memcpy(dev->irq_count, f->irqs, sizeof(f->irqs));
		dev->can_reset = f->can_reset;
	}
	return fake_leave_saying(err, FAKE_DESCRIBE);
}

static int fake_reset(struct lab_device *dev)
{
	int err = fake_enter(FAKE_RESET);
	struct fake_device *f = device_of(dev);

	if (!f->can_reset)
		fake_wrong("%s cannot be reset, and is", f->address);
	if (!err && f->reset_busy) {
		f->reset_busy--;
		err = -EAGAIN;
	}
	if (!err)
		err = f->reset_result;
	f->resets += !err;
	return fake_leave(err);
}

static int fake_irqs(struct lab_device *dev, enum lab_irq_kind kind, unsigned n, const int *fds)
{
	int err = fake_enter(FAKE_IRQS);
	const struct fake_device *f = device_of(dev);

	if (kind >= LAB_IRQ_KINDS || n > f->irqs[kind])
		fake_wrong("%s has no %u interrupts of kind %d", f->address, n, (int)kind);
	if (!err && events + n > EVENTS)
		err = -ENOSPC;
	if (!err)
		forget_events(dev, kind);
	for (unsigned i = 0; i < n && !err; i++) {
		/* What is no open eventfd cannot be duplicated. */
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			fake_wrong("%s: interrupt %u has no descriptor", f->address, i);
		event[events++] = (struct event){dev, kind, i, fd};
	}
	return fake_leave(err);
}

static int fake_irq_unmask(struct lab_device *dev)
{
	int err = fake_enter(FAKE_IRQ_UNMASK);
	struct fake_device *f = device_of(dev);

	f->unmasked += !err;
	return fake_leave(err);
}

/* ---- address spaces ---- */

static int fake_open(struct lab_domain_priv *d)
{
	int err = fake_enter(FAKE_OPEN);

	if (!err) {
		d->fd = memfd_create("fake-domain", MFD_CLOEXEC);
		if (d->fd < 0)
			abort();
	}
	return fake_leave_saying(err, FAKE_OPEN);
}

static void fake_close(struct lab_domain_priv *d)
{
	fake_enter(FAKE_CLOSE);
	if (fake_devices_in(d))
		fake_wrong("domain '%s' is closed under %u devices", d->name, fake_devices_in(d));
	fake_space_end(d);
	close(d->fd);
	d->fd = -1;
	fake_leave(0);
}

/* In the child: the parent's references are not its own. */
static void fake_abandon(struct lab_domain_priv *d)
{
	fake_enter(FAKE_ABANDON);
	for (unsigned i = 0; i < events; i++) {
		if (event[i].dev->domain == d)
			close(event[i].fd);
	}
	close(d->fd);
	fake_leave(0);
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

	if (events || fake_entries(NULL))
		abort();
	fake = x86;
	fail_in = 0;
	failed = 0;
}

void fake_fail(enum fake_op op, unsigned k, int err)
{
	fake_lock();
	fail_op = op;
	fail_in = k;
	fail_error = err;
	failed = 0;
	fake_leave(0);
}

int fake_failed(void)
{
	int was;

	fake_lock();
	was = failed;
	failed = 0;
	fail_in = 0;
	return fake_leave(was);
}

enum fake_op fake_last_failed(void)
{
	return failed_op;
}

int fake_fire(const char *address, enum lab_irq_kind kind, unsigned vector)
{
	const struct fake_device *f = fake_device(address);
	const uint64_t once = 1;
	int heard = 0;

	fake_lock();
	for (unsigned i = 0; i < events; i++) {
		if (event[i].dev == f->dev && event[i].kind == kind && event[i].vector == vector)
			heard += write(event[i].fd, &once, sizeof(once)) == sizeof(once);
	}
	return fake_leave(heard);
}

void fake_stick(const char *address)
{
	/* What is written goes to the end of the file, wherever it was meant to go. */
	if (fcntl(fake_device(address)->dev->fd, F_SETFL, O_APPEND))
		abort();
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
