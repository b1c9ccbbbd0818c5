/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * How a pool grows and shrinks, by units: a hugepage, or 2 MiB of ordinary pages. An ordinary
 * client of the allocator does it: what comes is held by its lcore first and then freed; what goes
 * is pulled out of the depot, and held, until its memory is given back. So the data path knows
 * nothing of it.
 */
#ifndef BREATH_H
#define BREATH_H

#include "pool.h"

/**
 * struct lab_mapper - who else has to know of memory that comes and goes: the floors above. A unit
 * is added before its first frame is free, and removed when none is.
 * @lock, @unlock: taken before the pool's own lock.
 * @add, @remove: of @pool, @bytes from @at on. Return: 0; or -errno with a sentence, and nothing
 *	has changed.
 */
struct lab_mapper {
	void (*lock)(void);
	void (*unlock)(void);
	int (*add)(struct lab_pool *pool, size_t at, size_t bytes);
	int (*remove)(struct lab_pool *pool, size_t at, size_t bytes);
};

/** lab_breath_set_mapper() - once, before anything is mapped. */
void lab_breath_set_mapper(const struct lab_mapper *mapper);

/** lab_breath_start() - of a new pool that breathes, and that threads may use already: with a
 * thread, unless LAB_POOL_STEPPED. Return: 0, or -errno with a sentence. */
int lab_breath_start(struct lab_pool_priv *priv, const struct lab_arena_request *request,
		     uint32_t rate);

/** lab_breath_stop() - the thread ends; nothing comes or goes any more. */
void lab_breath_stop(struct lab_pool_priv *priv);

/** lab_breath_hold(), lab_breath_let_go() - nothing comes or goes meanwhile, and the keeper holds
 * no frame. Of any pool. */
void lab_breath_hold(struct lab_pool_priv *priv);
void lab_breath_let_go(struct lab_pool_priv *priv);

/** lab_breath_has() - 1 if there is memory at @at bytes from the pool's beginning. Of any pool. */
int lab_breath_has(const struct lab_pool *pool, size_t at);

/**
 * lab_breath_each() - all stretches that have memory now. Under the mapper's lock; nothing comes or
 * goes meanwhile. Of a pool that does not breathe: all of it.
 * Return: the first of @each's that is not 0; or 0.
 */
int lab_breath_each(struct lab_pool *pool, int (*each)(void *arg, size_t at, size_t bytes),
		    void *arg);

#endif
