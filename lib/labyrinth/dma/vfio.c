/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * VFIO's device descriptor (linux/vfio.h, Documentation/driver-api/vfio.rst).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "error.h"
#include "vfio.h"

_Static_assert((int)LAB_IRQ_INTX == VFIO_PCI_INTX_IRQ_INDEX &&
		       (int)LAB_IRQ_MSI == VFIO_PCI_MSI_IRQ_INDEX &&
		       (int)LAB_IRQ_MSIX == VFIO_PCI_MSIX_IRQ_INDEX &&
		       (int)LAB_IRQ_ERR == VFIO_PCI_ERR_IRQ_INDEX &&
		       (int)LAB_IRQ_REQ == VFIO_PCI_REQ_IRQ_INDEX,
	       "enum lab_irq_kind is in VFIO's order");

static int region(struct lab_device *dev, unsigned index, struct vfio_region_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);
	info->index = index;
	return ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, info) < 0 ? -errno : 0;
}

int lab_vfio_describe(struct lab_device *dev)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	struct vfio_region_info r = {0};
	int err = 0;

	if (ioctl(dev->fd, VFIO_DEVICE_GET_INFO, &info) < 0)
		err = -errno;
	else if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
		return lab_fail(ENODEV, "%s is no PCI device to VFIO", dev->pci.address);
	dev->can_reset = (info.flags & VFIO_DEVICE_FLAGS_RESET) != 0;
	if (!err)
		err = region(dev, VFIO_PCI_CONFIG_REGION_INDEX, &r);
	dev->config_offset = r.offset;
	dev->config_bytes = r.size;
	for (unsigned i = 0; i < LAB_BARS && !err; i++) {
		err = region(dev, VFIO_PCI_BAR0_REGION_INDEX + i, &r);
		/* I/O ports cannot be mapped, and count as no BAR. */
		if (!err && r.flags & VFIO_REGION_INFO_FLAG_MMAP) {
			dev->bar[i].offset = r.offset;
			dev->bar[i].bytes = r.size;
		}
	}
	for (unsigned i = 0; i < LAB_IRQ_KINDS && !err; i++) {
		struct vfio_irq_info irq = {.argsz = sizeof(irq), .index = i};

		/* Not every function has every kind: the kernel then says EINVAL. */
		if (i < info.num_irqs && ioctl(dev->fd, VFIO_DEVICE_GET_IRQ_INFO, &irq) == 0 &&
		    irq.flags & VFIO_IRQ_INFO_EVENTFD)
			dev->irq_count[i] = irq.count;
	}
	if (err)
		return lab_fail(-err,
				"%s cannot be described by VFIO (%s): the kernel log may say "
				"why",
				dev->pci.address, strerror(-err));
	return 0;
}

int lab_vfio_reset(struct lab_device *dev)
{
	return ioctl(dev->fd, VFIO_DEVICE_RESET) < 0 ? -errno : 0;
}

int lab_vfio_irqs(struct lab_device *dev, enum lab_irq_kind kind, unsigned n, const int *fds)
{
	size_t size = sizeof(struct vfio_irq_set) + n * sizeof(*fds);
	struct vfio_irq_set *set = calloc(1, size);
	int err;

	if (!set)
		return -ENOMEM;
	set->argsz = (uint32_t)size;
	set->flags = VFIO_IRQ_SET_ACTION_TRIGGER |
		     (n ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
	set->index = kind;
	set->count = n;
	if (n)
		memcpy(set->data, fds, n * sizeof(*fds));
	err = ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, set) < 0 ? -errno : 0;
	free(set);
	return err;
}

int lab_vfio_irq_unmask(struct lab_device *dev)
{
	struct vfio_irq_set set = {.argsz = sizeof(set),
				   .flags = VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_DATA_NONE,
				   .index = VFIO_PCI_INTX_IRQ_INDEX,
				   .count = 1};

	return ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &set) < 0 ? -errno : 0;
}

int lab_vfio_open_node(const char *path, const char *what, const char *absent)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return lab_fail(ENODEV, "there is no %s for %s: %s", path, what, absent);
	case EPERM:
		return lab_fail(EACCES,
				"this process may not open %s for %s whoever owns it: without an "
				"IOMMU that takes CAP_SYS_RAWIO (root), in a container the "
				"runtime's list of devices",
				path, what);
	case EACCES:
		return lab_fail(
			EACCES,
			"no permission to open %s for %s: chown it to this user, or install "
			"config/60-labyrinth-vfio.rules and join its group",
			path, what);
	case EBUSY:
		return lab_fail(EBUSY, "%s, for %s, is in use by another process or domain", path,
				what);
	default:
		return lab_fail(errno, "%s cannot be opened for %s (%s)", path, what,
				strerror(errno));
	}
}

int lab_vfio_no_remapping(const struct lab_pci *pci, const char *module)
{
	return lab_fail(EPERM,
			"the IOMMU refuses %s: the platform has no interrupt remapping; switch it "
			"on in the firmware (VT-d), or accept that a device can raise any "
			"interrupt: as root, echo 1 "
			">/sys/module/%s/parameters/allow_unsafe_interrupts",
			pci->address, module);
}

int lab_vfio_in_use(const struct lab_pci *pci)
{
	return lab_fail(EBUSY,
			"%s is in use already, or another function of its IOMMU group is: end the "
			"program that has it, or close it there (fuser -v /dev/vfio/* "
			"/dev/vfio/devices/* shows who)",
			pci->address);
}
