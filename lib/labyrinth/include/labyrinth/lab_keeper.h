/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The keeper of a pool that breathes: it grows the pool by hugepages when few frames are free, and
 * gives idle hugepages back to the kernel when many are. On ordinary pages it goes by 2 MiB of
 * them, which are called hugepages here, too. Control path: calls here may sleep.
 *
 * A pool whose min_frames or max_frames differs from its frames has a control thread, which takes
 * one of its lcores; or none with LAB_POOL_STEPPED: then the application calls lab_keeper_step()
 * where it suits it. No data path ever waits for it.
 */
#ifndef LAB_KEEPER_H
#define LAB_KEEPER_H

#include <stdint.h>

#include "lab_error.h"
#include "lab_pool.h"

#ifdef __cplusplus
extern "C" {
#endif

/** lab_pool_breathes() - 1 if the pool may grow or shrink. Thread-safe; does not sleep. */
int lab_pool_breathes(const struct lab_pool *pool);

/**
 * lab_keeper_step() - one round of the keeper's work: grow, or shrink, if the watermarks ask for it
 * and grow_rate allows it; by eight hugepages at most. Where frames are to go and no hugepage is
 * idle, it asks the lcores for what they cache and sorts (see the guide).
 * @pool: a pool that breathes. With or without a thread of its own.
 *
 * Where there is something to do the calling thread takes an lcore of the pool, and its cache is
 * drained. Frames that are marked as bad, and are free by now, are retired (lab_retire.h).
 *
 * Return: how many hugepages came, or went; 0: nothing was to be done, or nothing could be yet; or
 * -errno with a sentence, and the pool goes on as it is: -ENOMEM (the machine has no hugepage left:
 * the text says which sysctl), -EPERM (the kernel tells physical addresses no more), or what a
 * domain said that cannot map it; after each of these it is not tried again for a second, and steps
 * return 0. -ENOSPC (no lcore is left for the thread), -ENOTSUP (the pool keeps its size), -EINVAL
 * (no pool), -EPERM (in a child of fork()).
 *
 * Thread-safe; may sleep.
 */
int64_t lab_keeper_step(struct lab_pool *pool);

/**
 * struct lab_keeper_stats - what a pool that breathes consists of, and why it does not shrink.
 * Counts of hugepages (of 2 MiB where the pool lies on ordinary pages).
 * @hugepages: that it has now; the sum of the next four.
 * @idle: all of their frames are in the depot or in the reserve: they go when more than `high`
 *	frames are free and more than min_frames would be left.
 * @cached: all of their frames are free, and some lie in caches of lcores. The keeper asks for
 *	these while more than `high` are free, and a thread gives them at its next free; or by
 *	lab_lcore_drain(), or at its end.
 * @retired: some of their frames are out of circulation, all others are free.
 * @in_use: frames of theirs are held or lent.
 * @grown, @shrunk: that came, and went, ever.
 * @failed: times that the pool could not grow, mostly because the machine had no hugepage left, or
 *	that a domain did not let an idle hugepage go.
 * @why: the sentence of the last time; empty if there was none.
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
 * lab_keeper_stats() - what the pool's hugepages are now: a pass over the frame table and the
 * depot. Beside those who work some frames are counted where they just were.
 * @pool: a pool that breathes.
 * @stats: filled in; zero after an error.
 *
 * Return: 0; or -errno with a sentence: -ENOTSUP (the pool keeps its size), -EINVAL (a NULL).
 * Thread-safe; may sleep.
 */
int lab_keeper_stats(struct lab_pool *pool, struct lab_keeper_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
