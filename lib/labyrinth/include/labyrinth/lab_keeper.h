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

#include "lab_error.h"
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

/**
 * struct lab_keeper_stats - what a pool that breathes consists of, and why it does not shrink.
 * Counts of hugepages (of 2 MiB where the pool lies on ordinary pages).
 * @hugepages: that it has now; the sum of the next four.
 * @idle: all of their frames are in the depot: they go as soon as more than `high` are free.
 * @cached: all of their frames are free, and some lie in caches. They stay until these lcores free
 *	or drain something: lab_lcore_drain(), or the end of the thread.
 * @retired: all of their frames are free or out of circulation.
 * @in_use: frames of theirs are held or lent.
 * @grown, @shrunk: that came, and went, ever.
 * @failed: times that the machine had none.
 * @why: the sentence of the last time.
 */
struct lab_keeper_stats {
	uint64_t hugepages;
	uint64_t idle;
	uint64_t cached;
	uint64_t retired;
	uint64_t in_use;
	uint64_t grown;
	uint64_t shrunk;
	uint64_t failed;
	char why[LAB_ERROR_TEXT_MAX];
};

/**
 * lab_keeper_stats() - a pass over the frame table and the depot. Beside those who work some frames
 * are counted where they just were.
 *
 * Return: 0, or -ENOTSUP: the pool keeps its size. Thread-safe; may sleep.
 */
int lab_keeper_stats(struct lab_pool *pool, struct lab_keeper_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
