/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * QEMU's edu device as a DMA engine: it copies between memory and a small buffer of its own. Knows
 * one device and its frames; the smallest example of a driver. (QEMU, docs/specs/edu.)
 */
#ifndef LAB_EDU_H
#define LAB_EDU_H

#include <stdint.h>

#include <labyrinth/lab_device.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Most bytes of one transfer. The device's buffer has 4096, but QEMU before 9.0 ends with "hardware
 * error" at a transfer that touches the last of them; halves of a frame keep clear of it.
 */
#define LAB_EDU_MAX 2048u

/** How long a transfer may take, in milliseconds. QEMU lets each take 100. */
#define LAB_EDU_TIMEOUT_MS 2000

/** Flags of lab_edu_start(). */
#define LAB_EDU_FROM_MEMORY 0u /* memory -> the device's buffer */
#define LAB_EDU_TO_MEMORY   2u /* the device's buffer -> memory */
#define LAB_EDU_IRQ         4u /* and an interrupt at the end */

/** struct lab_edu - an open edu device; opaque. */
struct lab_edu;

/**
 * lab_edu_open() - open an edu device.
 * @domain: the domain that it is to be in; must outlive the device. Its IOVAs must fit the device's
 *	mask (QEMU's property dma_mask): lab_domain_config.address_bits.
 * @address: "0000:00:05.0".
 *
 * Return: the device, owned by the caller until lab_edu_close(); or NULL with errno and a sentence:
 * ENODEV (another kind of device), ETIMEDOUT (it is busy and stays so), and the errors of
 * lab_device_open().
 *
 * May sleep: a transfer that an earlier program began is waited for.
 */
struct lab_edu *lab_edu_open(struct lab_domain *domain, const char *address);

/** lab_edu_close() - lab_device_close(), with its return values; NULL does nothing. */
int64_t lab_edu_close(struct lab_edu *edu);

/** lab_edu_device() - the device below, owned by @edu: for interrupts, BARs, configuration. */
struct lab_device *lab_edu_device(struct lab_edu *edu);

/**
 * lab_edu_start() - begin a transfer between memory and the start of the device's buffer.
 * @edu: the device.
 * @flags: LAB_EDU_FROM_MEMORY or LAB_EDU_TO_MEMORY; and LAB_EDU_IRQ.
 * @iova: the memory, as the device sees it. The IOMMU judges it, not this call. The device does not
 *	tell a transfer that was refused from one that was done.
 * @bytes: 1 to LAB_EDU_MAX.
 *
 * The frames at @iova are lent to lab_edu_device() by the caller, until lab_edu_poll() says done.
 *
 * Return: 0; -EINVAL; -EBUSY (the last transfer still runs); -ENODEV (the device is gone).
 *
 * One thread at a time for each device. Never sleeps, no system call.
 */
int lab_edu_start(struct lab_edu *edu, unsigned flags, uint64_t iova, uint32_t bytes);

/** lab_edu_poll() - 1: the transfer is done; 0: it runs; -ENODEV. Never sleeps. */
int lab_edu_poll(struct lab_edu *edu);

/** lab_edu_wait() - sleep until it is done: 0; -ETIMEDOUT after LAB_EDU_TIMEOUT_MS; -ENODEV. */
int lab_edu_wait(struct lab_edu *edu);

/**
 * lab_edu_irq_ack() - after an interrupt: let the next one come.
 * Return: what it was for: 0x100 for a transfer, else what was written to the register "raise".
 */
uint32_t lab_edu_irq_ack(struct lab_edu *edu);

/**
 * lab_edu_copy() - copy a frame through the device.
 * @edu: the device.
 * @pool: the pool of both frames, mapped in the device's domain.
 * @to: a frame that the caller holds.
 * @from: likewise.
 *
 * Both are lent to the device and taken back at the end.
 *
 * Return: 0; or -errno with a sentence. After -ETIMEDOUT or -ENODEV the device may still write:
 * both frames stay lent to it, until lab_edu_close().
 *
 * One thread at a time for each device; sleeps.
 */
int lab_edu_copy(struct lab_edu *edu, struct lab_pool *pool, void *to, void *from);

#ifdef __cplusplus
}
#endif
#endif
