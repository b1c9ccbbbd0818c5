/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The backend that every kernel with VFIO has: container, group, TYPE1v2. Also its mode without an
 * IOMMU, which shares all but the mapping. Linux' order is: attach the first group, set the IOMMU's
 * type, map, open the device (Documentation/driver-api/vfio.rst).
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "error.h"
#include "vfio.h"

#ifndef VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL
#define VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL 3 /* Linux 5.10 */
#endif

/** struct lab_vfio_group - an IOMMU group whose functions are in the domain. */
struct lab_vfio_group {
	struct lab_vfio_group *next;
	int number;
	int fd;
	unsigned devices;
};

static const char load_vfio[] = "the kernel has no VFIO, or it is not loaded: modprobe vfio-pci";

static int open_container(struct lab_domain_priv *d, int extension, const char *what)
{
	int fd = lab_vfio_open_node("/dev/vfio/vfio", "VFIO's containers", load_vfio);
	int version;

	if (fd < 0)
		return fd;
	version = ioctl(fd, VFIO_GET_API_VERSION);
	if (version != VFIO_API_VERSION || ioctl(fd, VFIO_CHECK_EXTENSION, extension) != 1) {
		close(fd);
		if (version != VFIO_API_VERSION)
			return lab_fail(ENOTSUP, "VFIO speaks version %d here, not %d", version,
					VFIO_API_VERSION);
		return lab_fail(ENOTSUP, "VFIO has no %s here: %s", what,
				extension == VFIO_NOIOMMU_IOMMU
					? "as root, modprobe vfio "
					  "enable_unsafe_noiommu_mode=1, on a kernel with "
					  "CONFIG_VFIO_NOIOMMU"
					: "modprobe vfio_iommu_type1");
	}
	d->fd = fd;
	return 0;
}

static int type1_open(struct lab_domain_priv *d)
{
	return open_container(d, VFIO_TYPE1v2_IOMMU, "TYPE1v2 IOMMU");
}

static int noiommu_open(struct lab_domain_priv *d)
{
	return open_container(d, VFIO_NOIOMMU_IOMMU, "mode without an IOMMU");
}

static void type1_close(struct lab_domain_priv *d)
{
	close(d->fd);
	d->fd = -1;
}

static void type1_abandon(struct lab_domain_priv *d)
{
	for (const struct lab_vfio_group *g = d->groups; g; g = g->next)
		close(g->fd);
	close(d->fd);
}

/* A fresh group becomes part of the container, whose type the first one sets. */
static int join(struct lab_domain_priv *d, const struct lab_device *dev, int fd)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	int type = d->ops->physical ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU;

	if (ioctl(fd, VFIO_GROUP_GET_STATUS, &status) < 0)
		return lab_fail(errno, "IOMMU group %d of %s does not answer (%s)", dev->pci.group,
				dev->pci.address, strerror(errno));
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return lab_fail(
			EPERM,
			"IOMMU group %d of %s is not viable: bind every function in "
			"/sys/kernel/iommu_groups/%d/devices to vfio-pci (devtools/bind.sh)",
			dev->pci.group, dev->pci.address, dev->pci.group);
	if (ioctl(fd, VFIO_GROUP_SET_CONTAINER, &d->fd) < 0)
		return lab_fail(errno,
				"IOMMU group %d of %s cannot join domain '%s' (%s): another IOMMU "
				"needs another domain",
				dev->pci.group, dev->pci.address, d->name, strerror(errno));
	if (d->groups || ioctl(d->fd, VFIO_SET_IOMMU, type) == 0)
		return 0;
	if (errno == EPERM)
		return d->ops->physical ? lab_fail(EPERM,
						   "%s cannot be used: without an IOMMU that takes "
						   "CAP_SYS_RAWIO (root)",
						   dev->pci.address)
					: lab_vfio_no_remapping(&dev->pci, "vfio_iommu_type1");
	return lab_fail(errno, "the IOMMU of %s cannot be used (%s)", dev->pci.address,
			strerror(errno));
}

static struct lab_vfio_group *get_group(struct lab_domain_priv *d, const struct lab_device *dev)
{
	const char *kind = d->ops->physical ? "noiommu-" : "";
	struct lab_vfio_group *g;
	char path[64], what[64];
	int err;

	for (g = d->groups; g; g = g->next) {
		if (g->number == dev->pci.group)
			return g;
	}
	g = calloc(1, sizeof(*g));
	if (!g) {
		lab_fail(ENOMEM, "no memory for an IOMMU group");
		return NULL;
	}
	g->number = dev->pci.group;
	snprintf(path, sizeof(path), "/dev/vfio/%s%d", kind, g->number);
	snprintf(what, sizeof(what), "the IOMMU group of %s", dev->pci.address);
	g->fd = lab_vfio_open_node(
		path, what,
		d->ops->physical ? "only functions that are behind no IOMMU, and bound to "
				   "vfio-pci in no-IOMMU mode, have one"
				 : load_vfio);
	if (g->fd < 0) {
		if (g->fd == -EBUSY)
			lab_vfio_in_use(&dev->pci);
		free(g);
		return NULL;
	}
	err = join(d, dev, g->fd);
	if (err) {
		close(g->fd); /* leaves the container as well */
		free(g);
		errno = -err;
		return NULL;
	}
	g->next = d->groups;
	d->groups = g;
	return g;
}

static void put_group(struct lab_domain_priv *d, struct lab_vfio_group *g)
{
	struct lab_vfio_group **link = &d->groups;

	if (g->devices)
		return;
	while (*link != g)
		link = &(*link)->next;
	*link = g->next;
	close(g->fd);
	free(g);
}

static int type1_attach(struct lab_domain_priv *d, struct lab_device *dev)
{
	int err = lab_pci_ready(&dev->pci, !d->ops->physical);

	if (err)
		return err;
	dev->group = get_group(d, dev);
	if (!dev->group)
		return -errno;
	dev->fd = ioctl(dev->group->fd, VFIO_GROUP_GET_DEVICE_FD, dev->pci.address);
	if (dev->fd < 0) {
		err = errno == EBUSY ? lab_vfio_in_use(&dev->pci)
				     : lab_fail(errno, "%s cannot be opened through VFIO (%s)",
						dev->pci.address, strerror(errno));
		put_group(d, dev->group);
		return err;
	}
	dev->group->devices++;
	return 0;
}

static void type1_detach(struct lab_domain_priv *d, struct lab_device *dev)
{
	close(dev->fd);
	dev->fd = -1;
	dev->group->devices--;
	put_group(d, dev->group);
	dev->group = NULL;
}

/* The capability @id of an info structure, or NULL. */
static const void *capability(const struct vfio_iommu_type1_info *info, unsigned id)
{
	uint32_t at = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;

	while (at && at + sizeof(struct vfio_info_cap_header) <= info->argsz) {
		const struct vfio_info_cap_header *header = (const void *)((const char *)info + at);

		if (header->id == id)
			return header;
		at = header->next;
	}
	return NULL;
}

static int read_caps(const struct vfio_iommu_type1_info *info, struct lab_iommu_limits *limits)
{
	/* struct vfio_iommu_type1_info_dma_avail of Linux 5.10: a header, and how many are left */
	const struct {
		struct vfio_info_cap_header header;
		uint32_t avail;
	} *dma = capability(info, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	const struct vfio_iommu_type1_info_cap_iova_range *iova =
		capability(info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);

	limits->entries = dma ? dma->avail : 0;
	limits->page = info->flags & VFIO_IOMMU_INFO_PGSIZES && info->iova_pgsizes
			       ? info->iova_pgsizes & -info->iova_pgsizes
			       : 4096;
	/* Before Linux 5.4 the kernel did not tell; then all but what no IOMMU lacks. */
	limits->count = iova && iova->nr_iovas ? iova->nr_iovas : 1;
	limits->range = calloc(limits->count, sizeof(*limits->range));
	if (!limits->range)
		return -ENOMEM;
	limits->range[0].last = ((uint64_t)1 << 39) - 1;
	for (uint32_t i = 0; iova && i < iova->nr_iovas; i++) {
		limits->range[i].first = iova->iova_ranges[i].start;
		limits->range[i].last = iova->iova_ranges[i].end;
	}
	return 0;
}

static int type1_limits(struct lab_domain_priv *d, struct lab_iommu_limits *limits)
{
	struct vfio_iommu_type1_info probe = {.argsz = sizeof(probe)}, *info;
	int err;

	if (ioctl(d->fd, VFIO_IOMMU_GET_INFO, &probe) < 0)
		return lab_fail(errno, "the IOMMU of domain '%s' does not say what it can (%s)",
				d->name, strerror(errno));
	info = calloc(1, probe.argsz);
	if (!info)
		return lab_fail(ENOMEM, "no memory to ask the IOMMU");
	info->argsz = probe.argsz;
	err = ioctl(d->fd, VFIO_IOMMU_GET_INFO, info) < 0 ? -errno : read_caps(info, limits);
	free(info);
	if (err)
		return lab_fail(-err, "the IOMMU of domain '%s' does not say what it can (%s)",
				d->name, strerror(-err));
	return 0;
}

static int type1_map(struct lab_domain_priv *d, const struct lab_mapping *m)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = (m->access & LAB_DMA_READ ? VFIO_DMA_MAP_FLAG_READ : 0) |
			 (m->access & LAB_DMA_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)m->addr,
		.iova = m->iova,
		.size = m->bytes};

	return ioctl(d->fd, VFIO_IOMMU_MAP_DMA, &map) < 0 ? -errno : 0;
}

static int type1_unmap(struct lab_domain_priv *d, uint64_t iova, uint64_t bytes)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = iova, .size = bytes};

	if (ioctl(d->fd, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0)
		return -errno;
	/* It says how much it found to unmap. */
	return unmap.size == bytes ? 0 : -ENOENT;
}

static int noiommu_limits(struct lab_domain_priv *d, struct lab_iommu_limits *limits)
{
	limits->range = calloc(1, sizeof(*limits->range));
	if (!limits->range)
		return lab_fail(ENOMEM, "no memory to describe domain '%s'", d->name);
	limits->range->last = UINT64_MAX;
	limits->count = 1;
	limits->page = 4096;
	return 0;
}

const struct lab_iommu_ops lab_type1_ops = {
	.name = "type1",
	.forgetful = 1,
	.find = lab_pci_read,
	.open = type1_open,
	.close = type1_close,
	.abandon = type1_abandon,
	.attach = type1_attach,
	.detach = type1_detach,
	.limits = type1_limits,
	.map = type1_map,
	.unmap = type1_unmap,
	.describe = lab_vfio_describe,
	.reset = lab_vfio_reset,
	.irqs = lab_vfio_irqs,
	.irq_unmask = lab_vfio_irq_unmask,
};

const struct lab_iommu_ops lab_noiommu_ops = {
	.name = "noiommu",
	.physical = 1,
	.find = lab_pci_read,
	.open = noiommu_open,
	.close = type1_close,
	.abandon = type1_abandon,
	.attach = type1_attach,
	.detach = type1_detach,
	.limits = noiommu_limits,
	.describe = lab_vfio_describe,
	.reset = lab_vfio_reset,
	.irqs = lab_vfio_irqs,
	.irq_unmask = lab_vfio_irq_unmask,
};
