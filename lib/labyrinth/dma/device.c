/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Devices: opened into a domain, reached through BARs and configuration space, and closed so that
 * no frame comes back that the device could still write.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <labyrinth/lab_hugepage.h>
#include <labyrinth/lab_stats.h>

#include "domain.h"
#include "error.h"
#include "lcore.h"
#include "lend.h"
#include "pool.h"
#include "space.h"
#include "watch.h"

/* PCI Local Bus Specification 3.0, 6.2.2: the command register */
#define PCI_COMMAND        4
#define PCI_COMMAND_MEMORY 2u
#define PCI_COMMAND_MASTER 4u

/* How long a device that the kernel is removing may take to leave the bus, once it is closed. */
#define LEAVE_MS 3000
/* The kernel answers EAGAIN while somebody else has the device's lock. */
#define RESET_TRIES 10

static void sleep_ms(unsigned ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&t, NULL);
}

static int fail_gone(struct lab_device *dev)
{
	lab_watch_gone(dev);
	return lab_fail(ENODEV, "%s is gone: close it", dev->pci.address);
}

/* ---- configuration space ---- */

static int check_config(const struct lab_device *dev, unsigned offset, unsigned len)
{
	int err = lab_space_usable(dev->domain);

	if (err)
		return err;
	if ((len != 1 && len != 2 && len != 4) || offset % len ||
	    (uint64_t)offset + len > dev->config_bytes)
		return lab_fail(
			EINVAL,
			"%s: %u bytes at 0x%x are not in its configuration space of %" PRIu64
			" bytes, or not aligned",
			dev->pci.address, len, offset, dev->config_bytes);
	return 0;
}

int lab_device_config_read(struct lab_device *dev, unsigned offset, void *buf, unsigned len)
{
	int err = check_config(dev, offset, len);

	if (err)
		return err;
	if (pread(dev->fd, buf, len, (off_t)(dev->config_offset + offset)) != (ssize_t)len)
		return fail_gone(dev);
	return 0;
}

int lab_device_config_write(struct lab_device *dev, unsigned offset, const void *buf, unsigned len)
{
	int err = check_config(dev, offset, len);

	if (err)
		return err;
	if (pwrite(dev->fd, buf, len, (off_t)(dev->config_offset + offset)) != (ssize_t)len)
		return fail_gone(dev);
	return 0;
}

int lab_device_bus_master(struct lab_device *dev, int on)
{
	uint16_t command, back;
	int err = lab_device_config_read(dev, PCI_COMMAND, &command, sizeof(command));

	if (err)
		return err;
	if (command == UINT16_MAX)
		return fail_gone(dev);
	command |= PCI_COMMAND_MEMORY;
	command = on ? command | PCI_COMMAND_MASTER : command & (uint16_t)~PCI_COMMAND_MASTER;
	err = lab_device_config_write(dev, PCI_COMMAND, &command, sizeof(command));
	if (!err)
		err = lab_device_config_read(dev, PCI_COMMAND, &back, sizeof(back));
	if (err)
		return err;
	if (back == UINT16_MAX)
		return fail_gone(dev);
	if (!(back & PCI_COMMAND_MASTER) != !on)
		return lab_fail(EIO, "%s does not switch bus mastering %s", dev->pci.address,
				on ? "on" : "off");
	return 0;
}

int lab_device_reset(struct lab_device *dev)
{
	int err = lab_space_usable(dev->domain);

	if (err)
		return err;
	if (lab_device_status(dev) == LAB_DEVICE_GONE)
		return fail_gone(dev);
	if (!dev->can_reset)
		return lab_fail(
			ENOTSUP,
			"%s cannot be reset: the kernel knows no way (see reset_method in its "
			"sysfs folder)",
			dev->pci.address);
	err = -EAGAIN;
	for (int i = 0; i < RESET_TRIES && err == -EAGAIN; i++) {
		/* Whoever removes the device keeps the lock until it is closed. */
		if (i && lab_device_status(dev) != LAB_DEVICE_PRESENT)
			break;
		if (i)
			sleep_ms(10);
		err = dev->domain->ops->reset(dev);
	}
	if (err)
		return lab_fail(err == -ENODEV ? ENODEV : EIO, "%s was not reset (%s)",
				dev->pci.address, strerror(-err));
	return 0;
}

/* ---- open ---- */

static int refuse_twice(const struct lab_pci *pci)
{
	for (const struct lab_domain_priv *d = lab_space_list(); d; d = d->next) {
		for (const struct lab_device *dev = d->devices; dev; dev = dev->next) {
			if (!strcmp(dev->pci.address, pci->address))
				return lab_fail(
					EBUSY, "%s is open in this process already, in domain '%s'",
					pci->address, d->name);
		}
	}
	return 0;
}

/* What an earlier device of this address left behind is safe now. */
static int absolve(struct lab_device *dev)
{
	struct lab_pool *pool[LAB_MAX_POOLS];
	unsigned n = lab_lcore_pools(pool);
	int was_reset = 0;

	for (unsigned i = 0; i < n; i++) {
		struct lab_pool_stats stats;

		lab_pool_stats(pool[i], &stats);
		if (!stats.quarantined)
			continue;
		if (!was_reset && lab_device_reset(dev))
			return 0; /* they stay where they are */
		was_reset = 1;
		if (lab_device_absolve(pool[i], dev->pci.address) < 0)
			return -errno;
	}
	return 0;
}

static int settle(struct lab_domain_priv *d, struct lab_device *dev)
{
	int err = lab_watch_start(dev);

	if (!err)
		err = lab_device_bus_master(dev, 0);
	if (!err)
		err = absolve(dev);
	if (!err)
		err = lab_domain_admit(d, dev);
	if (!err && d->mode == LAB_DOMAIN_PREMAPPED)
		err = lab_domain_premap(d);
	return err;
}

static int open_locked(struct lab_domain_priv *d, struct lab_device *dev)
{
	int err = lab_space_usable(d);

	if (!err)
		err = refuse_twice(&dev->pci);
	if (!err)
		err = lab_space_attach(d, dev);
	if (err)
		return err;
	err = d->ops->describe(dev);
	if (!err)
		err = settle(d, dev);
	if (err) {
		lab_watch_stop(dev);
		lab_domain_dismiss(dev);
		lab_space_detach(d, dev);
		lab_watch_free(dev->watch);
	}
	return err;
}

struct lab_device *lab_device_open(struct lab_domain *domain, const char *address)
{
	struct lab_domain_priv *d = (struct lab_domain_priv *)domain;
	struct lab_device *dev;
	int err;

	if (!d) {
		lab_fail(EINVAL, "lab_device_open() needs a domain; NULL was passed");
		return NULL;
	}
	dev = calloc(1, sizeof(*dev));
	if (!dev) {
		lab_fail(ENOMEM, "no memory for a device");
		return NULL;
	}
	dev->domain = d;
	dev->fd = -1;
	for (unsigned id = 0; id < LAB_MAX_POOLS; id++)
		dev->number[id] = -1;
	err = d->ops->find(address, &dev->pci);
	if (!err) {
		lab_dma_lock();
		err = open_locked(d, dev);
		lab_dma_unlock();
	}
	if (err) {
		free(dev);
		errno = -err;
		return NULL;
	}
	return dev;
}

/* ---- close ---- */

/* 1 if the device cannot write any more: bus mastering is off, to which a reset returns, and the
 * kernel has reset it; or it is not there. */
static int is_harmless(struct lab_device *dev)
{
	int off = lab_device_bus_master(dev, 0) == 0; /* finds out if the device is gone */

	if (lab_device_status(dev) == LAB_DEVICE_GONE)
		return 1;
	return lab_device_reset(dev) == 0 && off;
}

/* A strict domain's frames are out of reach at once, whatever the device does. Return: how many are
 * not, because the kernel would not: other devices of the domain reach them still. */
static unsigned unmap_lent(struct lab_device *dev)
{
	const struct lab_domain_priv *d = dev->domain;
	unsigned failed = 0;

	for (unsigned id = 0; id < LAB_MAX_POOLS && d->mode == LAB_DOMAIN_STRICT; id++) {
		struct lab_pool *pool = d->map[id].pool;
		int number = dev->number[id];

		for (uint32_t i = 0; number >= 0; i++) {
			i = lab_lend_next(pool, number, i);
			if (i == LAB_FRAME_NONE)
				break;
			failed += lab_space_unmap_frames(
					  dev->domain,
					  lab_domain_iova(&d->domain, pool, lab_frame_at(pool, i)),
					  1, pool->priv->name) != 0;
		}
	}
	return failed;
}

static int need_lcores(const struct lab_device *dev)
{
	for (unsigned id = 0; id < LAB_MAX_POOLS; id++) {
		struct lab_pool *pool = dev->domain->map[id].pool;

		if (dev->number[id] < 0)
			continue;
		if (lab_lend_next(pool, dev->number[id], 0) != LAB_FRAME_NONE &&
		    !lab_lcore_self(pool))
			return -errno;
	}
	return 0;
}

/* After the descriptor is closed: a device that the kernel was removing leaves the bus. */
static int has_left(const struct lab_device *dev)
{
	for (unsigned ms = 0; ms < LEAVE_MS; ms += 10) {
		if (!lab_pci_present(&dev->pci))
			return 1;
		sleep_ms(10);
	}
	return 0;
}

/* Return: how many frames, of those that were taken back, or else of those in quarantine. */
static int64_t settle_frames(struct lab_device *dev, int harmless)
{
	int64_t frames = 0;

	for (unsigned id = 0; id < LAB_MAX_POOLS; id++) {
		struct lab_pool *pool = dev->domain->map[id].pool;

		if (dev->number[id] < 0)
			continue;
		frames += harmless ? lab_lend_recall(pool, dev->number[id])
				   : (int64_t)lab_lend_quarantine(pool, dev->number[id]);
	}
	return frames;
}

static void unmap_bars(struct lab_device *dev)
{
	for (unsigned i = 0; i < LAB_BARS; i++) {
		if (dev->bar[i].addr)
			munmap(dev->bar[i].addr, dev->bar[i].bytes);
	}
}

static int64_t close_locked(struct lab_device *dev)
{
	struct lab_domain_priv *d = dev->domain;
	unsigned reached;
	int leaving, harmless;
	int64_t frames;

	lab_device_irq_disable(dev);
	harmless = is_harmless(dev);
	/* Last: until now the kernel may have asked for the device. */
	lab_watch_stop(dev);
	leaving = lab_device_status(dev) == LAB_DEVICE_LEAVING;
	reached = unmap_lent(dev);
	unmap_bars(dev);
	lab_space_detach(d, dev);
	if (!harmless && leaving)
		harmless = has_left(dev);
	frames = settle_frames(dev, harmless && !reached);
	lab_domain_dismiss(dev);
	if (harmless && !reached)
		return frames;
	if (!frames)
		return 0;
	return lab_fail(EBUSY,
			"%s was closed, but %s: %" PRId64
			" frames that it had stay in quarantine until it is opened and reset, or "
			"the process ends",
			dev->pci.address,
			harmless ? "some frames could not be unmapped" : "not reset", frames);
}

int64_t lab_device_close(struct lab_device *dev)
{
	int64_t frames = 0;

	if (!dev)
		return 0;
	if (dev->domain->inherited) {
		lab_device_irq_disable(dev); /* this process's descriptors of them */
	} else {
		lab_dma_lock();
		frames = need_lcores(dev);
		if (!frames)
			frames = close_locked(dev);
		else
			dev = NULL; /* still open */
		lab_dma_unlock();
	}
	if (dev) {
		lab_watch_free(dev->watch);
		free(dev);
	}
	return frames;
}

/* ---- what it is ---- */

void lab_device_info(const struct lab_device *dev, struct lab_device_info *info)
{
	unsigned irqs = 0;

	memset(info, 0, sizeof(*info));
	memcpy(info->address, dev->pci.address, sizeof(info->address));
	info->vendor = dev->pci.vendor;
	info->device = dev->pci.device;
	info->class_code = dev->pci.class_code;
	info->node = dev->pci.node >= 0 ? LAB_NODE(dev->pci.node) : LAB_NODE_ANY;
	for (int kind = LAB_IRQ_INTX; kind <= LAB_IRQ_MSIX; kind++) {
		if (dev->irq_count[kind] > irqs)
			irqs = dev->irq_count[kind];
	}
	info->irqs = irqs;
	info->can_reset = dev->can_reset;
}

const char *lab_device_name(const struct lab_device *dev)
{
	return dev->pci.address;
}

struct lab_domain *lab_device_domain(const struct lab_device *dev)
{
	return &dev->domain->domain;
}

void *lab_device_bar(struct lab_device *dev, unsigned bar, size_t *bytes)
{
	struct lab_bar *b;
	void *addr;

	if (bar >= LAB_BARS) {
		lab_fail(EINVAL, "%s: BARs are 0 to %d, not %u", dev->pci.address, LAB_BARS - 1,
			 bar);
		return NULL;
	}
	if (lab_space_usable(dev->domain))
		return NULL;
	b = &dev->bar[bar];
	if (!b->bytes) {
		lab_fail(ENOENT, "%s has no memory BAR %u that can be mapped", dev->pci.address,
			 bar);
		return NULL;
	}
	if (lab_device_status(dev) == LAB_DEVICE_GONE) {
		fail_gone(dev);
		return NULL;
	}
	lab_dma_lock();
	if (!b->addr) {
		addr = mmap(NULL, b->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, dev->fd,
			    (off_t)b->offset);
		/* A child must not keep the device open through it. */
		if (addr != MAP_FAILED && madvise(addr, b->bytes, MADV_DONTFORK) == 0)
			b->addr = addr;
		else
			lab_fail(errno, "%s: BAR %u cannot be mapped (%s)", dev->pci.address, bar,
				 strerror(errno));
		if (addr != MAP_FAILED && !b->addr)
			munmap(addr, b->bytes);
	}
	lab_dma_unlock();
	if (bytes)
		*bytes = b->bytes;
	return b->addr;
}
