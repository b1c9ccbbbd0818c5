/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * PCI functions in sysfs (Documentation/ABI/testing/sysfs-bus-pci and sysfs-kernel-iommu_groups).
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "pci.h"

#define SYSFS_DEVICES "/sys/bus/pci/devices"

/* The last component of the link DEVICES/address/name, or "". */
static void read_link(const char *address, const char *name, char *buf, size_t len)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t n;

	buf[0] = 0;
	snprintf(path, sizeof(path), SYSFS_DEVICES "/%s/%s", address, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = 0;
	slash = strrchr(target, '/');
	snprintf(buf, len, "%.*s", (int)len - 1, slash ? slash + 1 : target);
}

static long read_number(const char *address, const char *name, long missing)
{
	char path[PATH_MAX], line[32];
	long value = missing;
	FILE *f;

	snprintf(path, sizeof(path), SYSFS_DEVICES "/%s/%s", address, name);
	f = fopen(path, "re");
	if (!f)
		return missing;
	if (fgets(line, sizeof(line), f))
		value = strtol(line, NULL, 0);
	fclose(f);
	return value;
}

/* The VFIO character device, a folder's only entry: DEVICES/address/vfio-dev/vfio0. */
static void read_cdev(struct lab_pci *pci)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), SYSFS_DEVICES "/%s/vfio-dev", pci->address);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (!strncmp(entry->d_name, "vfio", 4))
			snprintf(pci->cdev, sizeof(pci->cdev), "%.31s", entry->d_name);
	}
	closedir(dir);
}

static int refuse_form(const char *address)
{
	return lab_fail(EINVAL,
			"\"%.40s\" is not a PCI address; they look like 0000:00:05.0 (lspci -D "
			"lists them)",
			address);
}

int lab_pci_read(const char *address, struct lab_pci *pci)
{
	unsigned domain = 0, bus, slot, function;
	int end = 0;
	char group[16];

	memset(pci, 0, sizeof(*pci));
	if (!address)
		return lab_fail(EINVAL, "a PCI address was expected, like 0000:00:05.0; NULL came");
	/* sscanf() would also take spaces, signs and "0x". */
	if (address[strspn(address, "0123456789abcdefABCDEF:.")])
		return refuse_form(address);
	if (sscanf(address, "%x:%x:%x.%x%n", &domain, &bus, &slot, &function, &end) != 4 ||
	    address[end]) {
		domain = 0;
		end = 0;
		if (sscanf(address, "%x:%x.%x%n", &bus, &slot, &function, &end) != 3 ||
		    address[end])
			return refuse_form(address);
	}
	if (bus > 0xff || slot > 0x1f || function > 7 || domain > 0xffffff)
		return lab_fail(EINVAL, "\"%.40s\": no PCI function has such an address", address);
	snprintf(pci->address, sizeof(pci->address), "%04x:%02x:%02x.%x", domain, bus, slot,
		 function);
	if (!lab_pci_present(pci))
		return lab_fail(ENODEV,
				"there is no PCI function %s; lspci -D lists those that there are",
				pci->address);
	read_link(pci->address, "driver", pci->driver, sizeof(pci->driver));
	read_link(pci->address, "iommu_group", group, sizeof(group));
	pci->group = isdigit((unsigned char)group[0]) ? atoi(group) : -1;
	pci->vendor = (uint16_t)read_number(pci->address, "vendor", 0xffff);
	pci->device = (uint16_t)read_number(pci->address, "device", 0xffff);
	pci->class_code = (uint32_t)read_number(pci->address, "class", 0);
	pci->node = (int)read_number(pci->address, "numa_node", -1);
	read_cdev(pci);
	return 0;
}

int lab_pci_present(const struct lab_pci *pci)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), SYSFS_DEVICES "/%s", pci->address);
	return access(path, F_OK) == 0;
}

/* vfio-pci itself, or a variant driver such as mlx5_vfio_pci. */
static int is_vfio(const char *driver)
{
	return strstr(driver, "vfio") != NULL;
}

/* Drivers that leave DMA to the user; bridges have pcieport. See vfio_dev_viable() in Linux. */
static int is_tolerated(const char *driver)
{
	return !*driver || is_vfio(driver) || !strcmp(driver, "pci-stub") ||
	       !strcmp(driver, "pcieport");
}

static int check_group(const struct lab_pci *pci)
{
	char path[PATH_MAX], driver[32], others[256] = "", bind[256] = "";
	size_t len = 0, bind_len = 0;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), SYSFS_DEVICES "/%s/iommu_group/devices", pci->address);
	dir = opendir(path);
	if (!dir)
		return 0; /* the kernel checks it as well, with less to say */
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, pci->address))
			continue;
		read_link(entry->d_name, "driver", driver, sizeof(driver));
		if (is_tolerated(driver) || len > sizeof(others) - 80)
			continue;
		len += (size_t)snprintf(others + len, sizeof(others) - len,
					"%s%.15s, same group, now on driver %s", len ? "; " : "",
					entry->d_name, driver);
		bind_len += (size_t)snprintf(bind + bind_len, sizeof(bind) - bind_len, " %.15s",
					     entry->d_name);
	}
	closedir(dir);
	if (!len)
		return 0;
	return lab_fail(EPERM,
			"%s cannot be used alone: also bind %s (IOMMU group %d): "
			"devtools/bind.sh vfio%s",
			pci->address, others, pci->group, bind);
}

/* In no-IOMMU mode vfio-pci makes up a group for the function, of this name (vfio_group_type). */
static int is_made_up(const struct lab_pci *pci)
{
	char path[PATH_MAX], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), SYSFS_DEVICES "/%s/iommu_group/name", pci->address);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (!fgets(name, sizeof(name), f))
		name[0] = 0;
	fclose(f);
	return !strncmp(name, "vfio-noiommu", 12);
}

int lab_pci_ready(const struct lab_pci *pci, int isolated)
{
	if (isolated && (pci->group < 0 || is_made_up(pci)))
		return lab_fail(
			ENODEV,
			"%s is behind no IOMMU: switch VT-d or AMD-Vi on in the firmware and boot "
			"with intel_iommu=on; or ask for the backend \"noiommu\" by name, which "
			"lets the device write anywhere",
			pci->address);
	if (!isolated && pci->group < 0)
		return lab_fail(ENODEV,
				"%s is not open to no-IOMMU mode: as root, echo Y "
				">/sys/module/vfio/parameters/enable_unsafe_noiommu_mode, then "
				"devtools/bind.sh vfio %s",
				pci->address, pci->address);
	if (!is_vfio(pci->driver)) {
		if (access("/sys/bus/pci/drivers/vfio-pci", F_OK))
			return lab_fail(
				ENODEV,
				"the kernel's driver vfio-pci is not loaded: modprobe vfio-pci, "
				"then devtools/bind.sh vfio %s",
				pci->address);
		return lab_fail(ENODEV,
				"%s is %s%s, and vfio-pci must have it: devtools/bind.sh vfio %s",
				pci->address, *pci->driver ? "on driver " : "on no driver",
				pci->driver, pci->address);
	}
	return isolated ? check_group(pci) : 0;
}
