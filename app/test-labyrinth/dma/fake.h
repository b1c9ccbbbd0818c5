/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A machine with an IOMMU and PCI functions, made up: a backend that keeps its own account of every
 * mapping, holds what it is told against it, and fails when a test says so. Knows the seam of
 * dma/iommu.h and nothing of what is behind it; knows no test framework, so that programs under
 * ThreadSanitizer can use it too.
 */
#ifndef FAKE_H
#define FAKE_H

#include <labyrinth/labyrinth.h>

#include "dma/domain.h"

/** enum fake_op - the backend's calls, for counting them and for letting them fail. */
enum fake_op {
	FAKE_FIND,
	FAKE_OPEN,
	FAKE_ATTACH,
	FAKE_LIMITS,
	FAKE_MAP,
	FAKE_UNMAP,
	FAKE_SHARE,
	FAKE_DESCRIBE,
	FAKE_RESET,
	FAKE_IRQS,
	FAKE_IRQ_UNMASK,
	FAKE_CAN_FAIL, /* those above; those below return nothing */
	FAKE_CLOSE = FAKE_CAN_FAIL,
	FAKE_DETACH,
	FAKE_ABANDON,
	FAKE_OPS,
};

/** Any call that can fail, for fake_fail(). */
#define FAKE_ANY FAKE_OPS

/** No host has so many PCI domains: sysfs knows none of these functions. */
#define FAKE_NIC          "fa4e:00:01.0"
#define FAKE_DISK         "fa4e:00:02.0"

#define FAKE_DEVICES      4
#define FAKE_RANGES       8
#define FAKE_CONFIG_BYTES 4096
#define FAKE_BAR_BYTES    8192

/**
 * struct fake_device - a function; set before it is opened, but for @reset_result and @reset_busy.
 * @address: as sysfs writes it; "" ends the machine's list.
 * @can_reset: as VFIO_DEVICE_FLAGS_RESET says.
 * @reset_result: what a reset returns: 0 or -errno.
 * @reset_busy: so many resets return -EAGAIN first.
 * @irqs: interrupts of each kind.
 * @command: the command register when it is opened, and when it was closed.
 * @deaf: its configuration space reads zero, whatever is written.
 * @narrow: 1: it reaches 32 bits of addresses only.
 * @dev: the library's, while it is open.
 * @resets: how many resets came through.
 * @unmasked: how often INTx was unmasked.
 */
struct fake_device {
	char address[LAB_PCI_ADDRESS_MAX];
	int can_reset;
	int reset_result;
	unsigned reset_busy;
	unsigned irqs[LAB_IRQ_KINDS];
	uint16_t command;
	int deaf;
	int narrow;
	struct lab_device *dev;
	unsigned resets;
	unsigned unmasked;
};

/**
 * struct fake_machine - the one machine of the process.
 * @device: its functions.
 * @range: what the IOMMU can translate; @ranges entries.
 * @page: its smallest page.
 * @entries: most mappings of a domain; 0: no limit.
 * @calls: how many there were of each.
 * @wrong: how many times the library did what no kernel would let it do; @first_wrong says the
 *	first.
 */
struct fake_machine {
	struct fake_device device[FAKE_DEVICES];
	struct lab_iova_range range[FAKE_RANGES];
	unsigned ranges;
	uint64_t page;
	uint64_t entries;
	unsigned calls[FAKE_OPS];
	unsigned wrong;
	char first_wrong[256];
};

extern struct fake_machine fake;

/** One that keeps mappings without devices and shares pins, as iommufd does; one that forgets and
 * does not, as type1; and one without an IOMMU. */
extern const struct lab_iommu_ops fake_keeping_ops;
extern const struct lab_iommu_ops fake_forgetful_ops;
extern const struct lab_iommu_ops fake_physical_ops;

/** fake_power_on() - a NIC and a disk that can be reset, behind an IOMMU of 48 bits with the hole
 * for interrupts that x86 has (0xfee00000 to 0xfeefffff). Nothing may be open. */
void fake_power_on(void);

/** fake_device() - the function at an address. */
struct fake_device *fake_device(const char *address);

/** fake_fail() - the @k-th call of @op from now on (1 is the next) fails with @err, once. */
void fake_fail(enum fake_op op, unsigned k, int err);

/** fake_failed() - 1 if that call has come, and failed; also forgets what was asked. */
int fake_failed(void);

/** fake_stick() - an open function's command register keeps its value, whatever is written. */
void fake_stick(const char *address);

/** fake_op_name() - for messages. */
const char *fake_op_name(enum fake_op op);

/** fake_last_failed() - the call that failed last. */
enum fake_op fake_last_failed(void);

/** fake_entries() - how many mappings a domain has, or all domains together for NULL. */
unsigned fake_entries(const struct lab_domain *domain);

/** fake_stuck() - of those, how many have an unmap that failed as it was told to. */
unsigned fake_stuck(const struct lab_domain *domain);

/** fake_bytes() - how much of it is mapped. */
uint64_t fake_bytes(const struct lab_domain *domain);

/** fake_pinned() - how much memory they pin, shared pins counted once. */
uint64_t fake_pinned(void);

/**
 * fake_reach() - where a device's access goes.
 * @domain: the device's domain.
 * @iova: the address it uses.
 * @bytes: from there.
 * @access: what it does.
 *
 * Return: the memory; or NULL where the IOMMU would block it.
 */
void *fake_reach(const struct lab_domain *domain, uint64_t iova, uint64_t bytes, unsigned access);

/** fake_fire() - the kernel signals an interrupt of a device. Return: 0 if nobody listens. */
int fake_fire(const char *address, enum lab_irq_kind kind, unsigned vector);

/** fake_pull_out() - the device's registers do not answer any more. */
void fake_pull_out(const char *address);

/** fake_command() - an open device's command register. */
uint16_t fake_command(const char *address);

/** fake_set_command() - the device changes it. */
void fake_set_command(const char *address, uint16_t command);

#endif
