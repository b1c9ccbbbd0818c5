/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Failures on purpose, so that a program's error paths can be tested. Always there, off by default;
 * while it is off a hit costs nothing, and a slow path one test of a word.
 */
#ifndef LAB_FAULT_H
#define LAB_FAULT_H

#include <stdint.h>

#include "lab_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum lab_fault_point - what can be made to fail. What fails looks like the real thing to whoever
 * called.
 * @LAB_FAULT_ALLOC: an allocation call, whatever it would have found: NULL, -ENOMEM, or a burst of
 *	0. It counts as a miss, and errno stays as it was. Calls for no frames are not counted.
 * @LAB_FAULT_REFILL: a cache's visit to the depot, which then seems empty; in a pool without caches
 *	each frame's.
 * @LAB_FAULT_GROW: a pool's growth by a hugepage.
 * @LAB_FAULT_MAP: a mapping for devices: of a pool in a domain, or of a lent frame in a strict one.
 *	Without a pool (NULL): of a run. errno is ENOMEM, and the sentence says "injected".
 * @LAB_FAULT_CREATE: a step of a creation that asks the system for something: memory for a handle,
 *	a range of addresses, pages, tables, a file, a lock, a thread. The process's, of no pool.
 *	errno is ENOMEM.
 */
enum lab_fault_point {
	LAB_FAULT_ALLOC,
	LAB_FAULT_REFILL,
	LAB_FAULT_GROW,
	LAB_FAULT_MAP,
	LAB_FAULT_CREATE,
	LAB_FAULT_POINTS
};

/**
 * struct lab_fault - when. Both may be set.
 * @nth: the n-th call from now on fails, once; 0: none.
 * @every: each so-many-th does, counted from now on; 0: none.
 */
struct lab_fault {
	uint64_t nth;
	uint64_t every;
};

/**
 * lab_fault_set() - make a point fail from now on, or no more.
 * @pool: of this process; NULL for LAB_FAULT_CREATE, and for LAB_FAULT_MAP of runs.
 * @point: what is to fail.
 * @fault: when, counted anew; NULL, or zeros, for never.
 *
 * It is for the calling process: other processes of a shared pool have their own. While
 * LAB_FAULT_ALLOC is set, also after its nth has come, no allocation or free of the pool is
 * inlined.
 *
 * The environment can do the same, when a pool is created or attached to: LABYRINTH_FAULT is a list
 * of POINT:nth=N or POINT:every=N (or both, after a comma) separated by semicolons, where POINT is
 * alloc, refill, grow, map or create; with NAME/ in front it is for the pool of that name alone. A
 * program that runs with more rights than its caller takes nothing from it.
 *
 * Return: 0, -EINVAL (no such point; or one that needs a pool, or has none), -EPERM (in a child of
 * fork()) or -EROFS (the pool is only observed).
 *
 * Thread-safe for different points; threads may be using the pool. May sleep.
 */
int lab_fault_set(struct lab_pool *pool, enum lab_fault_point point, const struct lab_fault *fault);

/**
 * lab_fault_count() - how many failures were injected at a point so far.
 * @pool: as in lab_fault_set().
 * @point: which.
 *
 * Return: the number; 0 for a point that there is not. Thread-safe, never sleeps.
 */
uint64_t lab_fault_count(const struct lab_pool *pool, enum lab_fault_point point);

#ifdef __cplusplus
}
#endif
#endif
