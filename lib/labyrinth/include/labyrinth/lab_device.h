/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * PCI functions in user space, through VFIO: opened by address, reached through their BARs, and
 * lent the frames that they may touch. What drivers are written on.
 */
#ifndef LAB_DEVICE_H
#define LAB_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "lab_domain.h"
#include "lab_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/** struct lab_device - an open PCI function; opaque. */
struct lab_device;

/**
 * enum lab_device_status - whether a device is still there.
 * @LAB_DEVICE_PRESENT: it is.
 * @LAB_DEVICE_LEAVING: the kernel asks for it: it is about to be unplugged, or another driver is to
 *	have it, and waits until it is closed.
 * @LAB_DEVICE_GONE: it has been pulled out, or has failed for good: its registers read all ones.
 */
enum lab_device_status {
	LAB_DEVICE_PRESENT,
	LAB_DEVICE_LEAVING,
	LAB_DEVICE_GONE,
};

/**
 * struct lab_device_info - what a device is.
 * @address: "0000:00:05.0".
 * @vendor: PCI vendor.
 * @device: PCI device.
 * @class_code: PCI class, subclass and interface: 0x020000 is Ethernet.
 * @node: LAB_NODE(n) of the NUMA node it is attached to, or LAB_NODE_ANY.
 * @irqs: most interrupts that lab_device_irq_enable() can give.
 * @can_reset: 1 if the kernel knows a way to reset it.
 */
struct lab_device_info {
	char address[16];
	uint16_t vendor;
	uint16_t device;
	uint32_t class_code;
	int node;
	uint32_t irqs;
	int can_reset;
};

/**
 * lab_device_open() - take a PCI function and put it into a domain.
 * @domain: its address space; must outlive the device.
 * @address: "0000:00:05.0", or "00:05.0" in PCI domain 0.
 *
 * The function must be bound to vfio-pci (devtools/bind.sh does it), and so must be all others of
 * its IOMMU group. It is reset where it can be, and bus mastering is off. In a premapped domain
 * every pool of the process is mapped now. Frames that an earlier device of this process with the
 * same address had left in quarantine are freed once the reset is confirmed.
 *
 * Return: the device, owned by the caller until lab_device_close(); or NULL with errno, a sentence
 * that says what to do, and everything as it was: EINVAL (not an address), ENODEV (no such
 * function, no IOMMU, or not bound to vfio-pci), EBUSY (in use by another process), EPERM (the
 * group is not viable: the text names what else to bind; or the platform lacks interrupt
 * remapping), EACCES (no permission on the node), and the errors of lab_domain_map_pool().
 *
 * Thread-safe; may sleep. Starts a thread that waits for the kernel's requests.
 */
struct lab_device *lab_device_open(struct lab_domain *domain, const char *address);

/**
 * lab_device_close() - switch bus mastering off, reset the device, take back what it had, close it.
 * @dev: a device that no thread is using any more; NULL is allowed and does nothing.
 *
 * Frames that are still lent to it are taken back only if the reset is confirmed or the device is
 * gone: the calling thread holds them then. Otherwise they stay lent, in quarantine, and counted as
 * such (lab_pool_stats.quarantined); opening the device again, successfully reset, frees them.
 *
 * Return: how many frames were taken back; or -EBUSY: the device is closed, and frames are in
 * quarantine (the text says how many and why); or -ENOSPC, and the device is still open: the thread
 * can have no lcore in a pool.
 *
 * May sleep.
 */
int64_t lab_device_close(struct lab_device *dev);

/** lab_device_info() - what the device is. Thread-safe; no system call. */
void lab_device_info(const struct lab_device *dev, struct lab_device_info *info);

/** lab_device_name() - its address, "0000:00:05.0"; valid as long as the device. */
const char *lab_device_name(const struct lab_device *dev);

/** lab_device_domain() - its domain. */
struct lab_domain *lab_device_domain(const struct lab_device *dev);

/**
 * lab_device_status() - whether the device is still there.
 *
 * Drivers ask it where they poll, and report ENODEV upwards when it is not
 * LAB_DEVICE_PRESENT; the program then closes the device.
 *
 * Thread-safe; never sleeps: reads a word that the device's thread keeps up to date.
 */
enum lab_device_status lab_device_status(const struct lab_device *dev);

/**
 * lab_device_fd() - a descriptor that polls readable (POLLIN) once the status is not
 * LAB_DEVICE_PRESENT, for programs that sleep. Owned by the device; only to be polled.
 */
int lab_device_fd(const struct lab_device *dev);

/**
 * lab_device_bar() - a memory BAR, mapped.
 * @dev: the device.
 * @bar: 0 to 5.
 * @bytes: receives its size; may be NULL.
 *
 * Mapped on the first call, unmapped by lab_device_close(). Access it by lab_mmio_*().
 *
 * Return: its first byte; or NULL with errno and a sentence: EINVAL, ENOENT (no such BAR, or one of
 * I/O ports), ENODEV (the device is gone), or mmap's errors.
 *
 * Thread-safe; may sleep.
 */
void *lab_device_bar(struct lab_device *dev, unsigned bar, size_t *bytes);

/**
 * lab_device_config_read() - read PCI configuration space.
 * @dev: the device.
 * @offset: 0 to 4095.
 * @buf: receives @len bytes.
 * @len: 1, 2 or 4.
 *
 * Return: 0; -EINVAL; -ENODEV when the device is gone.
 */
int lab_device_config_read(struct lab_device *dev, unsigned offset, void *buf, unsigned len);

/** lab_device_config_write() - the reverse. */
int lab_device_config_write(struct lab_device *dev, unsigned offset, const void *buf, unsigned len);

/**
 * lab_device_bus_master() - let the device start transfers, or stop it.
 *
 * Off, it can neither read nor write memory, nor send MSI interrupts. Also switches on (never off)
 * its answering to memory accesses.
 *
 * Return: 0, read back; -ENODEV when the device is gone; -EIO when it does not take the value.
 */
int lab_device_bus_master(struct lab_device *dev, int on);

/**
 * lab_device_reset() - put the device's own registers into the state that they have after power-on.
 *
 * Configuration space is afterwards as it was before, bus mastering included: the kernel restores
 * it. Switch bus mastering off first to be sure that the device stays quiet.
 *
 * Return: 0: confirmed by the kernel; -ENOTSUP: it knows no way for this device; -ENODEV: gone;
 * -EIO: it failed.
 */
int lab_device_reset(struct lab_device *dev);

/**
 * lab_device_irq_enable() - receive interrupts through eventfds: for those who do not poll.
 * @dev: the device.
 * @n: how many: vectors 0 to @n - 1. MSI-X is taken where there are enough, then MSI, then the
 *	single INTx.
 *
 * Replaces what was enabled before.
 *
 * Return: 0; -EINVAL: more than lab_device_info.irqs; or what the kernel says, with a sentence.
 */
int lab_device_irq_enable(struct lab_device *dev, unsigned n);

/** lab_device_irq_disable() - the reverse; their descriptors are closed. */
int lab_device_irq_disable(struct lab_device *dev);

/** lab_device_irq_fd() - the eventfd of a vector, owned by the device; -ENOENT if it is not
 * enabled. */
int lab_device_irq_fd(const struct lab_device *dev, unsigned vector);

/**
 * lab_device_irq_unmask() - after an interrupt was handled: let the next one come. Needed for INTx,
 * which the kernel masks when it arrives; does nothing for MSI and MSI-X.
 */
int lab_device_irq_unmask(struct lab_device *dev);

/**
 * lab_device_lend() - pass frames that the caller holds to a device.
 * @dev: the device.
 * @pool: a pool that is mapped in the device's domain.
 * @frames: array of @n pointers.
 * @n: how many.
 * @iova: receives the frames' addresses for the device; may be NULL.
 *
 * While lent, a free or a second lend of the frame is refused.
 *
 * Return: how many of the first frames are lent now. Less than @n means that frames[returned] was
 * refused, and why is in errno and lab_error_text(); it and those behind it are as they were.
 *
 * Thread-safe for different frames. Never sleeps and makes no system call, except in a strict
 * domain.
 */
unsigned lab_device_lend(struct lab_device *dev, struct lab_pool *pool, void *const *frames,
			 unsigned n, uint64_t *iova);

/**
 * lab_device_take_back() - the reverse: the device is done with the frames, the caller holds them.
 *
 * In a strict domain frames that follow each other in the array and in memory are unmapped by one
 * system call. Return value and properties are lab_device_lend()'s.
 */
unsigned lab_device_take_back(struct lab_device *dev, struct lab_pool *pool, void *const *frames,
			      unsigned n);

/**
 * lab_device_note_sending() - say how many of the frames of a pool that are lent to a device are
 * there to be sent. As lab_note_sending(), which says what for.
 *
 * Return: 0; -EPERM: the pool is not mapped in the device's domain; -EINVAL: no pool.
 */
int lab_device_note_sending(struct lab_device *dev, struct lab_pool *pool, uint32_t n);

/**
 * lab_mmio_read32() and kin - access to a register of a BAR, in this width, once, and in program
 * order with other such accesses. What was stored to memory before lab_mmio_write*() is visible to
 * the device when the write arrives (x86-64 keeps stores in order; elsewhere by the release fence);
 * what is loaded from memory after lab_mmio_read*() is at least as new as the value read.
 */
static inline uint32_t lab_mmio_read32(const volatile void *bar, uint32_t offset)
{
	uint32_t value = *(const volatile uint32_t *)((const volatile char *)bar + offset);

	/* Acquire: descriptors that the register announces are read after it. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return value;
}

/** lab_mmio_read64() - see lab_mmio_read32(). */
static inline uint64_t lab_mmio_read64(const volatile void *bar, uint32_t offset)
{
	uint64_t value = *(const volatile uint64_t *)((const volatile char *)bar + offset);

	__atomic_thread_fence(__ATOMIC_ACQUIRE); /* as above */
	return value;
}

/** lab_mmio_write32() - see lab_mmio_read32(). */
static inline void lab_mmio_write32(volatile void *bar, uint32_t offset, uint32_t value)
{
	/* Release: descriptors written before are in memory before the doorbell rings. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*(volatile uint32_t *)((volatile char *)bar + offset) = value;
}

/** lab_mmio_write64() - see lab_mmio_read32(). */
static inline void lab_mmio_write64(volatile void *bar, uint32_t offset, uint64_t value)
{
	__atomic_thread_fence(__ATOMIC_RELEASE); /* as above */
	*(volatile uint64_t *)((volatile char *)bar + offset) = value;
}

#ifdef __cplusplus
}
#endif
#endif
