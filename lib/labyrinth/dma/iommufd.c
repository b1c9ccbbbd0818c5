/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The backend of newer kernels: iommufd and VFIO's character device for each function. All domains
 * of the process share one /dev/iommu, so that they can share pinned pages. The structures are
 * linux/iommufd.h's and Linux 6.6's additions to linux/vfio.h, which Debian 12 does not carry.
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

/* Commands are numbered from 0x80; each structure begins with its own size. */
enum {
	DESTROY = _IO(';', 0x80),
	IOAS_ALLOC = _IO(';', 0x81),
	IOAS_COPY = _IO(';', 0x83),
	IOAS_IOVA_RANGES = _IO(';', 0x84),
	IOAS_MAP = _IO(';', 0x85),
	IOAS_UNMAP = _IO(';', 0x86),
	DEVICE_BIND_IOMMUFD = _IO(VFIO_TYPE, VFIO_BASE + 18),
	DEVICE_ATTACH_IOMMUFD_PT = _IO(VFIO_TYPE, VFIO_BASE + 19),
};

/* Flags of IOAS_MAP and IOAS_COPY */
#define FIXED_IOVA 1u
#define WRITEABLE  2u
#define READABLE   4u

struct destroy {
	uint32_t size, id;
};
struct ioas_alloc {
	uint32_t size, flags, out_ioas_id;
};
struct ioas_copy {
	uint32_t size, flags, dst_ioas_id, src_ioas_id;
	uint64_t length, dst_iova, src_iova;
};
struct ioas_iova_ranges {
	uint32_t size, ioas_id, num_iovas, reserved;
	uint64_t allowed_iovas, out_iova_alignment;
};
struct ioas_map {
	uint32_t size, flags, ioas_id, reserved;
	uint64_t user_va, length, iova;
};
struct ioas_unmap {
	uint32_t size, ioas_id;
	uint64_t iova, length;
};
struct bind_iommufd {
	uint32_t argsz, flags;
	int32_t iommufd;
	uint32_t out_devid;
};
struct attach_iommufd_pt {
	uint32_t argsz, flags, pt_id;
};

/* The process's /dev/iommu and how many domains use it; under the control path's lock. */
static int shared_fd = -1;
static unsigned shared_users;

static void release(void)
{
	if (--shared_users == 0) {
		close(shared_fd);
		shared_fd = -1;
	}
}

static int iommufd_open(struct lab_domain_priv *d)
{
	struct ioas_alloc alloc = {.size = sizeof(alloc)};

	if (!shared_users) {
		shared_fd = lab_vfio_open_node("/dev/iommu", "IOMMU address spaces",
					       "the kernel has no iommufd (CONFIG_IOMMUFD, Linux "
					       "6.2): use the backend \"type1\"");
		if (shared_fd < 0)
			return shared_fd;
	}
	shared_users++;
	if (ioctl(shared_fd, IOAS_ALLOC, &alloc) < 0) {
		int err = lab_fail(errno, "iommufd gives no address space for domain '%s' (%s)",
				   d->name, strerror(errno));

		release();
		return err;
	}
	d->fd = shared_fd;
	d->ioas = alloc.out_ioas_id;
	return 0;
}

static void iommufd_close(struct lab_domain_priv *d)
{
	struct destroy destroy = {.size = sizeof(destroy), .id = d->ioas};

	ioctl(d->fd, DESTROY, &destroy);
	d->fd = -1;
	release();
}

static void iommufd_abandon(struct lab_domain_priv *d)
{
	(void)d;
	/* Once for all domains. */
	if (shared_users) {
		close(shared_fd);
		shared_fd = -1;
		shared_users = 0;
	}
}

/* errno is what the kernel said to it. */
static int explain_bind(const struct lab_pci *pci)
{
	switch (errno) {
	case EBUSY:
		return lab_vfio_in_use(pci);
	case EINVAL:
		/* Of a device that another descriptor has bound, and of such an IOMMU. */
		return lab_fail(EBUSY,
				"%s is in use already (fuser -v /dev/vfio/* /dev/vfio/devices/* "
				"shows who); if "
				"by nobody, its IOMMU does not keep caches coherent, which iommufd "
				"needs: use the backend \"type1\"",
				pci->address);
	case EPERM:
		return lab_vfio_no_remapping(pci, "iommufd");
	default:
		return lab_fail(errno, "%s cannot be bound to iommufd (%s)", pci->address,
				strerror(errno));
	}
}

static int bind_and_attach(struct lab_domain_priv *d, struct lab_device *dev)
{
	struct bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = d->fd};
	struct attach_iommufd_pt attach = {.argsz = sizeof(attach), .pt_id = d->ioas};

	if (ioctl(dev->fd, DEVICE_BIND_IOMMUFD, &bind) < 0)
		return explain_bind(&dev->pci);
	if (ioctl(dev->fd, DEVICE_ATTACH_IOMMUFD_PT, &attach) == 0)
		return 0;
	if (errno == EADDRINUSE)
		return lab_fail(
			EADDRINUSE,
			"%s reserves addresses that domain '%s' uses already: open it before "
			"mapping pools, or in a domain of its own",
			dev->pci.address, d->name);
	return lab_fail(errno, "%s cannot join domain '%s' (%s)", dev->pci.address, d->name,
			strerror(errno));
}

static int iommufd_attach(struct lab_domain_priv *d, struct lab_device *dev)
{
	char path[64], what[64];
	int err = lab_pci_ready(&dev->pci, 1);

	if (err)
		return err;
	if (!*dev->pci.cdev)
		return lab_fail(ENODEV,
				"%s has no VFIO character device (CONFIG_VFIO_DEVICE_CDEV, Linux "
				"6.6): use the backend \"type1\"",
				dev->pci.address);
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", dev->pci.cdev);
	snprintf(what, sizeof(what), "%s", dev->pci.address);
	dev->fd = lab_vfio_open_node(path, what, "udev has not made the node, or it is elsewhere");
	if (dev->fd < 0)
		return dev->fd;
	err = bind_and_attach(d, dev);
	if (err) {
		close(dev->fd);
		dev->fd = -1;
	}
	return err;
}

static void iommufd_detach(struct lab_domain_priv *d, struct lab_device *dev)
{
	(void)d;
	close(dev->fd); /* detaches and unbinds as well */
	dev->fd = -1;
}

static int iommufd_limits(struct lab_domain_priv *d, struct lab_iommu_limits *limits)
{
	/* The kernel's own structure has this shape: inclusive first and last. */
	struct ioas_iova_ranges ask = {.size = sizeof(ask), .ioas_id = d->ioas};
	int err = 0;

	/* With room for none it answers EMSGSIZE and how many there are. */
	if (ioctl(d->fd, IOAS_IOVA_RANGES, &ask) < 0 && errno != EMSGSIZE)
		err = errno;
	if (!err) {
		limits->range = calloc(ask.num_iovas ? ask.num_iovas : 1, sizeof(*limits->range));
		ask.allowed_iovas = (uintptr_t)limits->range;
		if (!limits->range)
			err = ENOMEM;
		else if (ioctl(d->fd, IOAS_IOVA_RANGES, &ask) < 0)
			err = errno;
	}
	if (err) {
		free(limits->range);
		limits->range = NULL;
		return lab_fail(err, "the IOMMU of domain '%s' does not say what it can (%s)",
				d->name, strerror(err));
	}
	limits->count = ask.num_iovas;
	limits->page = ask.out_iova_alignment > 4096 ? ask.out_iova_alignment : 4096;
	return 0;
}

static uint32_t flags_of(unsigned access)
{
	return FIXED_IOVA | (access & LAB_DMA_READ ? READABLE : 0) |
	       (access & LAB_DMA_WRITE ? WRITEABLE : 0);
}

static int iommufd_map(struct lab_domain_priv *d, const struct lab_mapping *m)
{
	struct ioas_map map = {.size = sizeof(map),
			       .flags = flags_of(m->access),
			       .ioas_id = d->ioas,
			       .user_va = (uintptr_t)m->addr,
			       .length = m->bytes,
			       .iova = m->iova};

	return ioctl(d->fd, IOAS_MAP, &map) < 0 ? -errno : 0;
}

static int iommufd_unmap(struct lab_domain_priv *d, uint64_t iova, uint64_t bytes)
{
	struct ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = d->ioas, .iova = iova, .length = bytes};

	if (ioctl(d->fd, IOAS_UNMAP, &unmap) < 0)
		return -errno;
	return unmap.length == bytes ? 0 : -ENOENT;
}

static int iommufd_share(struct lab_domain_priv *d, const struct lab_mapping *m,
			 struct lab_domain_priv *from, uint64_t from_iova)
{
	struct ioas_copy copy = {.size = sizeof(copy),
				 .flags = flags_of(m->access),
				 .dst_ioas_id = d->ioas,
				 .src_ioas_id = from->ioas,
				 .length = m->bytes,
				 .dst_iova = m->iova,
				 .src_iova = from_iova};

	return ioctl(d->fd, IOAS_COPY, &copy) < 0 ? -errno : 0;
}

const struct lab_iommu_ops lab_iommufd_ops = {
	.name = "iommufd",
	.counts_by_user = 1,
	.find = lab_pci_read,
	.open = iommufd_open,
	.close = iommufd_close,
	.abandon = iommufd_abandon,
	.attach = iommufd_attach,
	.detach = iommufd_detach,
	.limits = iommufd_limits,
	.map = iommufd_map,
	.unmap = iommufd_unmap,
	.share = iommufd_share,
	.describe = lab_vfio_describe,
	.reset = lab_vfio_reset,
	.irqs = lab_vfio_irqs,
	.irq_unmask = lab_vfio_irq_unmask,
};
