/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The keeper of a pool that breathes: it grows the pool by hugepages when few frames are free, and
 * gives idle hugepages back to the kernel when many are. Control path: every call here may sleep.
 *
 * A pool made with min_frames or max_frames has one control thread, or none with LAB_POOL_STEPPED:
 * then the application calls lab_keeper_step() where it suits it. No data path ever waits for it.
 */
#ifndef LAB_KEEPER_H
#define LAB_KEEPER_H

#include <stdint.h>

#include "lab_pool.h"

#ifdef __cplusplus
extern "C" {
#endif

/** lab_pool_breathes() - 1 if the pool may grow or shrink. */
int lab_pool_breathes(const struct lab_pool *pool);

/**
 * lab_keeper_step() - one round of the keeper's work: grow, or shrink, if the watermarks ask for it
 * and grow_rate allows it, and go on with what waits (frames that are to be retired).
 *
 * Return: hugepages that the pool has more now, or less (negative); 0: nothing was to be done; or
 * -errno with a sentence, and the pool goes on as it is: -ENOMEM (the machine has no hugepage
 * left: the text says which sysctl), or what a domain's mapping gave.
 *
 * Thread-safe; may sleep.
 */
int64_t lab_keeper_step(struct lab_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
