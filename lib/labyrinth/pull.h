/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Chosen frames out of the depot, for the control path: whoever wants these frames and no others
 * (a run of neighbours, a bad one, those of a hugepage that is to go). Nobody is stopped for it,
 * and nobody waits.
 */
#ifndef PULL_H
#define PULL_H

#include <labyrinth/lab_pool.h>

struct lab_cache;

/** lab_pull_fn - 1 if frame number @frame is wanted. Called beside those who work, also for frames
 * that are then found to be elsewhere. */
typedef int lab_pull_fn(const void *arg, uint32_t frame);

/**
 * lab_pull() - take all frames out of the depot that are wanted.
 * @pool: an exclusive pool; of any other nothing is taken.
 * @c: the caller's cache, whose lcore holds the frames afterwards. It is drained.
 * @wanted: which, with @arg.
 * @frames: receives the pointers, in no order. @most: there is room for so many, and no more are
 *	taken.
 *
 * One pass over the magazines, one magazine in hand at a time: others find fewer frames by so many
 * meanwhile, and all but the wanted are in the depot afterwards. What lies in the caches of others,
 * or in their hands just then, is not found. Blocks and bundles that had a wanted frame are taken
 * apart.
 *
 * Whoever is killed on the way leaves what a killed refill, allocation or drain does.
 *
 * Return: how many frames. Counted as allocations.
 */
uint32_t lab_pull(struct lab_pool *pool, struct lab_cache *c, lab_pull_fn *wanted, const void *arg,
		  void **frames, uint32_t most);

/** lab_pull_ordinary() - likewise, but not out of the set that is taken last (LAB_DEPOT_SPARSE). */
uint32_t lab_pull_ordinary(struct lab_pool *pool, struct lab_cache *c, lab_pull_fn *wanted,
			   const void *arg, void **frames, uint32_t most);

/**
 * lab_pull_look() - which frames the depot has, without taking any.
 * @seen: called for each, with @arg. Beside those who work some may be elsewhere already, or be
 *	shown twice or not at all.
 */
void lab_pull_look(const struct lab_pool *pool, void (*seen)(void *arg, uint32_t frame), void *arg);

#endif
