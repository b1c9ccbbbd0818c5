/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * How long a LAB_GFP_KERNEL caller waits for frames, and what is done for him meanwhile. The only
 * part of an allocation that sleeps; knows the clock and the pool's own means to grow.
 */
#ifndef PATIENCE_H
#define PATIENCE_H

#include "pool.h"

/** struct lab_patience - of one call. All zero at its beginning. */
struct lab_patience {
	uint64_t until;  /* in nanoseconds of the monotonic clock */
	uint64_t nap_ns; /* how long it sleeps next */
};

/** lab_patience_can() - 1 if the pool may ever have so many frames for him; 0 with a sentence. */
int lab_patience_can(const struct lab_pool *pool, unsigned wanted);

/**
 * lab_patience_prepare() - before a LAB_GFP_KERNEL caller takes frames: where fewer than `min` are
 * free, the pool grows.
 */
void lab_patience_prepare(struct lab_pool *pool);

/**
 * lab_patience_lasts() - there were too few: grow the pool, or sleep a while.
 * Return: 1, try again; 0: the time is over, and lab_error_text() says so.
 */
int lab_patience_lasts(struct lab_pool *pool, struct lab_patience *patience, unsigned wanted);

#endif
