/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Marks on frames that are to leave circulation as soon as they can be had: a bit a frame, in the
 * shared tables. Anybody marks, from a signal's handler too; a mark changes nothing for who has the
 * frame. Knows where the pools of this process lie, and nothing of how a frame is had.
 */
#ifndef DOOM_H
#define DOOM_H

#include "pool.h"

/** lab_doom_mark() - @n frames from @first on, as far as there are so many. Async-signal-safe. */
void lab_doom_mark(struct lab_pool *pool, uint64_t first, uint64_t n);

/** lab_doom_is() - 1 if a frame is marked. */
static inline int lab_doom_is(const struct lab_pool *pool, uint32_t frame)
{
	/* Relaxed: a wish, which is looked at again and again. */
	return __atomic_load_n(&pool->priv->doomed[frame / 64], __ATOMIC_RELAXED) >> frame % 64 & 1;
}

/** lab_doom_clear() - it is retired. */
void lab_doom_clear(struct lab_pool *pool, uint32_t frame);

/** lab_doom_count() - how many are marked: one load where none ever was. */
uint64_t lab_doom_count(struct lab_pool *pool);

/** lab_doom_at() - mark the pages that 2^@shift bytes at @address lie in, of whichever pool of this
 * process they are. Async-signal-safe. Return: 1, or 0 if they are of none. */
int lab_doom_at(const void *address, unsigned shift);

/** lab_doom_know() - lab_doom_at() finds this pool from now on. */
void lab_doom_know(struct lab_pool *pool);

/** lab_doom_forget() - not any more, and nobody is in its tables by that way. */
void lab_doom_forget(struct lab_pool *pool);

/** lab_doom_after_fork() - in a child, which has none of them. */
void lab_doom_after_fork(void);

#endif
