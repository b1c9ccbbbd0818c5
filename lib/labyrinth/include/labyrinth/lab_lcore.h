/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Lcores: a thread's slot in a pool, and with it a cache of its own. Any thread may have one.
 */
#ifndef LAB_LCORE_H
#define LAB_LCORE_H

#include "lab_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * lab_lcore_register() - give the calling thread a slot and a cache in a pool.
 * @pool: the pool.
 * @name: up to 15 characters for messages and statistics; NULL gives "lcore-N".
 *
 * A thread that allocates or frees without it is registered at its first call (which takes that
 * call longer), so this is for naming a thread and for paying in advance.
 * Registering twice keeps the slot and takes the new name. The slot is released by
 * lab_lcore_unregister(), or when the thread ends.
 *
 * Return: the lcore, 1..LAB_MAX_LCORES (unlike DPDK's, which begin at 0: here 0 is no lcore);
 * -ENOSPC when all max_lcores slots are taken; -EPERM in a child of fork().
 *
 * Lock-free, no system call.
 */
int lab_lcore_register(struct lab_pool *pool, const char *name);

/**
 * lab_lcore_unregister() - return the calling thread's cached frames to the depot, and its slot.
 * @pool: the pool.
 *
 * Frames that the thread *holds* stay held: any thread may free them.
 *
 * Return: 0, or -ENOENT if the thread has no slot.
 *
 * Lock-free, no system call.
 */
int lab_lcore_unregister(struct lab_pool *pool);

/**
 * lab_lcore_drain() - return the calling thread's cached frames to the depot, and keep its slot.
 * @pool: the pool.
 *
 * For a thread that will not need them for a while, where others may.
 *
 * Lock-free, no system call.
 */
void lab_lcore_drain(struct lab_pool *pool);

/**
 * lab_lcore_set_namer() - how threads are called that nobody has named.
 * @namer: is called on such a thread, on the data path, when it gets its slot in a pool; writes at
 *	most 15 characters and a zero, or an empty text for "lcore-N". Must not sleep. NULL for
 *	none. It is for whoever knows threads by another name, as DPDK does.
 *
 * Thread-safe.
 */
void lab_lcore_set_namer(void (*namer)(char name[16]));

/** lab_lcore_id() - the calling thread's lcore in @pool, 1..LAB_MAX_LCORES; 0 if it has none. */
static inline unsigned lab_lcore_id(const struct lab_pool *pool)
{
	return lab_shown_cache(pool)->lcore;
}

#ifdef __cplusplus
}
#endif
#endif
