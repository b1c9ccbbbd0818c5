/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What both of VFIO's backends do alike: everything behind the device's own descriptor, and what is
 * said when a node cannot be opened. Knows ioctls on a device; no address space.
 */
#ifndef LAB_VFIO_H
#define LAB_VFIO_H

#include "iommu.h"

/** lab_vfio_describe(), lab_vfio_reset(), lab_vfio_irqs(), lab_vfio_irq_unmask() - see struct
 * lab_iommu_ops. */
int lab_vfio_describe(struct lab_device *dev);
int lab_vfio_reset(struct lab_device *dev);
int lab_vfio_irqs(struct lab_device *dev, enum lab_irq_kind kind, unsigned n, const int *fds);
int lab_vfio_irq_unmask(struct lab_device *dev);

/**
 * lab_vfio_open_node() - open a node in /dev.
 * @path: the node.
 * @what: what it is for, as in "group 12 of 0000:00:05.0".
 * @absent: what to do where there is no such node.
 *
 * Return: the descriptor, or -errno with a sentence: ENODEV where it is not there, EACCES where it
 * may not be opened, EBUSY where somebody else has it.
 */
int lab_vfio_open_node(const char *path, const char *what, const char *absent);

/** lab_vfio_no_remapping() - the sentence for EPERM of an IOMMU whose interrupts are not isolated;
 * @module has the parameter that lifts it. Return: -EPERM. */
int lab_vfio_no_remapping(const struct lab_pci *pci, const char *module);

/** lab_vfio_in_use() - the sentence for a device that another process, or domain, has. Return:
 * -EBUSY. */
int lab_vfio_in_use(const struct lab_pci *pci);

#endif
