/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Owners of frames, and how a frame passes from one to another. A frame that is held belongs to a
 * process: any of its threads may free it, lend it, or pass it on. In a pool with LAB_POOL_BOUND it
 * belongs to one lcore. A frame that is lent belongs to a device.
 */
#ifndef LAB_OWNER_H
#define LAB_OWNER_H

#include "lab_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum lab_owner_kind - what kind of owner.
 * @LAB_OWNER_NONE: nobody: the frame is free.
 * @LAB_OWNER_PROCESS: a process of the pool, by lab_process_id().
 * @LAB_OWNER_LCORE: an lcore, and so the process that it is of.
 * @LAB_OWNER_DEVICE: a device, by lab_device_register().
 */
enum lab_owner_kind {
	LAB_OWNER_NONE,
	LAB_OWNER_PROCESS,
	LAB_OWNER_LCORE,
	LAB_OWNER_DEVICE,
};

/** struct lab_owner - an owner. @id: of its kind; see there. */
struct lab_owner {
	enum lab_owner_kind kind;
	uint32_t id;
};

static inline struct lab_owner lab_owner_process(uint32_t id)
{
	struct lab_owner owner = {LAB_OWNER_PROCESS, id};

	return owner;
}

static inline struct lab_owner lab_owner_lcore(unsigned lcore)
{
	struct lab_owner owner = {LAB_OWNER_LCORE, lcore};

	return owner;
}

static inline struct lab_owner lab_owner_device(int device)
{
	struct lab_owner owner = {LAB_OWNER_DEVICE, (uint32_t)device};

	return owner;
}

/** lab_process_id() - the calling process's, in this pool: for other processes to transfer frames
 * to. No other process of the pool ever had it or will have it. */
uint32_t lab_process_id(const struct lab_pool *pool);

/** lab_process_is_active() - 1 if a process of the pool with this id has not left, and has not been
 * found dead. */
int lab_process_is_active(const struct lab_pool *pool, uint32_t id);

/**
 * lab_transfer() - pass frames on to another owner.
 * @pool: an exclusive pool.
 * @to: a process, an lcore of any process of the pool, or a device of this process (for which this
 *	is lab_lend()).
 * @frames: array of @n pointers to frames that the caller owns.
 * @n: how many.
 *
 * What is transferred to another process is there for any of its threads. How that learns which
 * frames they are (their numbers, see lab_frame_index()) is the program's own affair: a ring in
 * memory that they share, a socket. Should the caller be killed on the way between the two, the
 * frames are not lost: see lab_reclaim().
 *
 * If the new owner dies during the call, the frames go back to the pool, as they do if it dies
 *after it; either way they are not the caller's any more.
 *
 * Return: how many of the first frames were transferred. Less than @n means that frames[returned]
 * was refused, or all were because there is no such owner (errno ESRCH), and why is in
 * lab_error_text(); it and those behind it are the caller's as before.
 *
 * Thread-safe for different frames; never sleeps, no system call.
 */
unsigned lab_transfer(struct lab_pool *pool, struct lab_owner to, void *const *frames, unsigned n);

/**
 * lab_accept() - hold, on this lcore, frames that were transferred to this process.
 * @pool: a shared pool.
 * @frames: array of @n pointers.
 * @n: how many.
 *
 * Not needed before a frame is used, freed, lent or passed on. But a frame can be accepted once for
 * each time that it was transferred, and not by two threads: who reads frames' numbers from a ring
 * that a killed process may have left in disorder accepts them first. And what has been accepted is
 * safe from lab_reclaim().
 *
 * Return: how many of the first frames were accepted. frames[returned] was not there: it is free,
 * or another's, or has been accepted before; why is in lab_error_text().
 *
 * Thread-safe; never sleeps, no system call.
 */
unsigned lab_accept(struct lab_pool *pool, void *const *frames, unsigned n);

/**
 * lab_reclaim() - free what was transferred to this process by processes that have gone since, and
 * has not been accepted.
 * @pool: a shared pool.
 *
 * In a pool with LAB_POOL_COMMON also what processes that are gone still hold: the caller knows
 * that nobody uses that any more.
 *
 * The frames that a killed process had transferred, but had not told of. The caller has accepted
 * all that it was told of by processes that are gone. Reaps the dead first.
 *
 * Return: how many frames are free now; or -EINVAL, or -ENOSPC: the thread can have no lcore.
 * Thread-safe; may sleep. A pass over the frame table.
 */
int64_t lab_reclaim(struct lab_pool *pool);

/**
 * lab_frame_owner() - who owns a frame now.
 * @pool: an exclusive pool, or one that is only looked at.
 * @frame: its number.
 *
 * Return: the lcore that holds it; the process, if none of its threads has it yet; the device that
 * it is lent to; or LAB_OWNER_NONE. A snapshot; thread-safe, never sleeps.
 */
struct lab_owner lab_frame_owner(const struct lab_pool *pool, uint32_t frame);

#ifdef __cplusplus
}
#endif
#endif
