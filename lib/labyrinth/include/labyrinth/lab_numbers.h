/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools of numbers, for objects that lie in memory of somebody else's: of another size than a
 * frame, or placed by another library. All that a pool does is there (caches, owners, refusals,
 * sharing, reaping, statistics), but for the memory.
 *
 * A pool that is made with LAB_POOL_NUMBERS hands out "frames" at which nothing can be read or
 * written: addresses in a range that is kept free for it. lab_frame_index() gives the number of one
 * and lab_frame_at() the reverse; what object a number stands for is the program's to know. There
 * are no physical addresses, LAB_GFP_ZERO is refused, and no domain maps such a pool.
 *
 * It starts without any number: all are retired until lab_numbers_add(). In its statistics that is
 * a free of each, so that there allocs - frees + dropped is held + lent less the numbers added; no
 * number is retired again.
 */
#ifndef LAB_NUMBERS_H
#define LAB_NUMBERS_H

#include <stdint.h>

#include "lab_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * lab_numbers_add() - from now on the pool has these numbers, and they are free.
 * @pool: made with LAB_POOL_NUMBERS.
 * @first: the first one.
 * @n: how many, one behind the other.
 *
 * Return: 0; or -EINVAL (the pool is of another kind, or has room for fewer), -EEXIST (it has one
 * of them already), -EBUSY (another process has been changing the pool's table of processes for
 * five seconds), -ENOSPC (the thread can have no lcore), and nothing has changed. Numbers are not
 * taken out again.
 *
 * Thread-safe for different numbers; may sleep.
 */
int lab_numbers_add(struct lab_pool *pool, uint32_t first, uint32_t n);

#ifdef __cplusplus
}
#endif
#endif
