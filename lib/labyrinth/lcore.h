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

/** lab_lcore_know_pool() - a pool that is about to be made: a child of fork() closes its
 * descriptors, from the first one on. */
void lab_lcore_know_pool(struct lab_pool *pool);

/** lab_lcore_show_pool() - it is complete: others may find it. */
void lab_lcore_show_pool(struct lab_pool *pool);

/** lab_lcore_pools() - the pools that are complete now. Return: how many. */
unsigned lab_lcore_pools(struct lab_pool *pool[LAB_MAX_POOLS]);

/** lab_lcore_hide_pool() - at destruction: no thread's TLS entry points into the pool any more. */
void lab_lcore_hide_pool(struct lab_pool *pool);

/** lab_lcore_hide_caches() - after LAB_FAULT_ALLOC was armed or disarmed: no thread's calls are
 * inlined from now on, or all are again. */
void lab_lcore_hide_caches(struct lab_pool *pool);

/** lab_lcore_forget_pool() - it has no descriptors any more. */
void lab_lcore_forget_pool(struct lab_pool *pool);

#endif
