/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Devices as owners: while a frame is lent to a device nobody may free it, lend it again or hand it
 * out. Drivers call this; programs that use a driver need not. Drivers of PCI functions call
 * lab_device_lend() and lab_device_take_back() of lab_device.h instead, which know the IOMMU.
 */
#ifndef LAB_LEND_H
#define LAB_LEND_H

#include "lab_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * lab_device_register() - name a device that frames of this pool will be lent to.
 * @pool: the pool.
 * @name: up to 31 characters, for messages ("af_xdp:eth0").
 *
 * In a shared pool only the process that has registered a device lends to it.
 *
 * Return: the device's number in this pool, 0..LAB_MAX_DEVICES - 1; -EINVAL without a name; -ENOSPC
 * when all are taken.
 *
 * Lock-free; no system call.
 */
int lab_device_register(struct lab_pool *pool, const char *name);

/**
 * lab_device_release() - forget a device.
 * @pool: the pool.
 * @device: from lab_device_register().
 *
 * The caller has taken back all that it lent; in an exclusive pool that is checked (a pass over the
 * frame table).
 *
 * Return: 0; -ENOENT: no such device; -EBUSY: frames are still lent to it, the text says how many.
 */
int lab_device_release(struct lab_pool *pool, int device);

/**
 * lab_device_absolve() - a device that nobody drives any more can write to no frame: free what it
 * still had.
 * @pool: the pool.
 * @name: of the device, as it was registered.
 *
 * Frames that were lent when their process died, or when their device was closed and could not be
 * reset, are in quarantine until this is called. lab_device_open() calls it once it has reset a PCI
 * function, and a shared pool's keepers do when a device whose name is a PCI address
 * ("0000:00:04.0") is not in sysfs any more. For other devices only the caller can know: that of an
 * AF_XDP socket is gone with the process that had it.
 *
 * Return: how many frames are free now; or -EINVAL, or -ENOSPC: the thread can have no lcore.
 * Thread-safe; a pass over the frame table for each device of the name.
 */
int64_t lab_device_absolve(struct lab_pool *pool, const char *name);

/**
 * lab_lend() - pass frames that the caller holds to a device.
 * @pool: the pool.
 * @device: from lab_device_register().
 * @frames: array of @n pointers.
 * @n: how many.
 *
 * Call it before the device can see the frames.
 *
 * Return: how many of the first frames are lent now. Less than @n means that frames[returned] was
 * refused, and why is in lab_error_text(); it and those behind it are as they were.
 *
 * Thread-safe for different frames; never sleeps, no system call.
 */
unsigned lab_lend(struct lab_pool *pool, int device, void *const *frames, unsigned n);

/**
 * lab_take_back() - the reverse: the device is done with the frames, the caller holds them again.
 *
 * Call it after the device has given the frames back. Arguments, return value and properties are
 * lab_lend()'s.
 */
unsigned lab_take_back(struct lab_pool *pool, int device, void *const *frames, unsigned n);

/**
 * lab_note_sending() - say how many of the frames lent to a device are there to be sent.
 * @pool: the pool.
 * @device: from lab_device_register().
 * @n: how many; all others that are lent to it are there to be received into. More than are lent
 *	counts as all.
 *
 * For who looks on: lab_pool_holders(), reports and labyrinth-info show the two apart from the
 * first such call on, until lab_device_release(). Nothing else depends on it. A driver calls it
 * behind a burst that has changed the number; one whose device has no such two sides need not.
 *
 * Return: 0; -ENOENT, -EPERM: no such device, or another process's. One store: never sleeps, no
 * system call; one thread at a time for each device.
 */
int lab_note_sending(struct lab_pool *pool, int device, uint32_t n);

#ifdef __cplusplus
}
#endif
#endif
