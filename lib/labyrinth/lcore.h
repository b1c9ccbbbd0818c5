/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Lcore slots: claim, release, thread end. Knows the pool's slot table and the thread's TLS entry;
 * uses the cache only to empty it.
 */
#ifndef LCORE_H
#define LCORE_H

#include <labyrinth/lab_lcore.h>

/** lab_lcore_self() - the caller's cache, registering the thread if need be. NULL with a sentence
 * and errno ENOSPC when all slots are taken, EPERM in a child of fork(). No system call. */
struct lab_cache *lab_lcore_self(struct lab_pool *pool);

/** lab_lcore_watch_threads() - make thread ends release slots. Idempotent; 0 or -errno. */
int lab_lcore_watch_threads(void);

/** lab_lcore_know_pool() - a new pool: threads that end release their slots in it. */
void lab_lcore_know_pool(struct lab_pool *pool);

/** lab_lcore_pools() - the pools that threads know now. Return: how many. */
unsigned lab_lcore_pools(struct lab_pool *pool[LAB_MAX_POOLS]);

/** lab_lcore_forget_pool() - at destruction: no thread's TLS entry points into the pool any more.
 */
void lab_lcore_forget_pool(struct lab_pool *pool);

#endif
