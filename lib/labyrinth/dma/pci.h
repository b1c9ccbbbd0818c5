/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What sysfs says of a PCI function: who it is, which driver has it, and with whom it shares an
 * IOMMU group. Knows sysfs; opens no device.
 */
#ifndef LAB_PCI_H
#define LAB_PCI_H

#include <stdint.h>

/** "0000:00:05.0" with its terminating zero, and room for longer PCI domains. */
#define LAB_PCI_ADDRESS_MAX 16

/**
 * struct lab_pci - one function.
 * @address: as sysfs writes it.
 * @driver: the kernel driver bound to it, or "".
 * @cdev: name of its VFIO character device ("vfio0"), or "".
 * @vendor: PCI vendor.
 * @device: PCI device.
 * @class_code: class, subclass, interface.
 * @node: NUMA node, or -1.
 * @group: IOMMU group, or -1.
 */
struct lab_pci {
	char address[LAB_PCI_ADDRESS_MAX];
	char driver[32];
	char cdev[32];
	uint16_t vendor;
	uint16_t device;
	uint32_t class_code;
	int node;
	int group;
};

/**
 * lab_pci_read() - look a function up.
 * @address: "0000:00:05.0" or "00:05.0".
 * @pci: receives what sysfs says.
 *
 * Return: 0; -EINVAL (not an address) or -ENODEV (no such function), with a sentence.
 */
int lab_pci_read(const char *address, struct lab_pci *pci);

/** lab_pci_present() - 1 while the function is on the bus, as far as sysfs knows. */
int lab_pci_present(const struct lab_pci *pci);

/**
 * lab_pci_ready() - check what VFIO asks for before it hands out a function.
 * @pci: from lab_pci_read().
 * @isolated: 1: it must be in an IOMMU group.
 *
 * Return: 0; or with a sentence that says what to bind or to switch on: -ENODEV: no IOMMU, or not
 * bound to vfio-pci; -EPERM: another function of the group is with a driver that VFIO cannot
 * tolerate.
 */
int lab_pci_ready(const struct lab_pci *pci, int isolated);

#endif
