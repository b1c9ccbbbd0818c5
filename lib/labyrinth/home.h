/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A process's home: the lcore of frames that are the process's, and no thread's yet. What other
 * processes give it is there, and what is sampled (site.h). No cache may take such a frame by its
 * inlined path; here is the slow one. Meanwhile home[], which otherwise says what bundle a frame is
 * in, says why it is here: who gave it | LAB_HOME_GIVEN, or the number of its site | LAB_HOME_SITE.
 * Neither is ever a bundle's number.
 */
#ifndef HOME_H
#define HOME_H

#include <labyrinth/lab_alloc.h>

#include "pool.h"

#define LAB_HOME_SITE  0x80000000u
#define LAB_HOME_GIVEN 0x40000000u
_Static_assert(LAB_DEPOT_MAX_MAGAZINES < LAB_HOME_GIVEN, "bundles have as many numbers at most");

/** lab_home_given() - what home[] says of a frame that process @id gave. */
static inline uint32_t lab_home_given(uint32_t id)
{
	return LAB_HOME_GIVEN | (id & (LAB_HOME_GIVEN - 1));
}

/** lab_home_put() - a frame that the caller owns is at a home: @why it is there, @held is that
 * lcore's state. */
static inline void lab_home_put(struct lab_pool *pool, uint64_t frame, uint32_t why, uint8_t held)
{
	lab_store(&pool->home[frame], why);
	/* Release: whoever finds it there finds why. */
	lab_store_release(&pool->state[frame], held);
}

/**
 * lab_home_leave() - step a frame that is at the process's home away from it.
 * @to: its new state.
 *
 * Return: 1; or 0, with nothing changed: it is not there. The compare-and-swap makes one of several
 * threads the one that has it.
 */
int lab_home_leave(struct lab_pool *pool, uint64_t frame, uint8_t to);

/**
 * lab_home_sample() - the slow path of an allocation: if it is time, note where the frames come to.
 * @frames: @n that the caller's lcore holds now.
 * @address: in the code of the caller.
 */
void lab_home_sample(struct lab_pool *pool, struct lab_cache *cache, void *const *frames,
		     unsigned n, const void *address);

#endif
