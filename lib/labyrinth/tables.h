/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool's tables: one mapping of numbers and offsets, which means the same at any address. What
 * depends on the address, the translation tables, is in a mapping of the process's own.
 */
#ifndef TABLES_H
#define TABLES_H

#include "pool.h"

/** lab_tables_plan() - where each table of a pool lies that @head describes. */
void lab_tables_plan(struct lab_plan *plan, const struct lab_head *head);

/** lab_tables_describe() - a handle learns what its pool is like. */
void lab_tables_describe(struct lab_pool_priv *priv, const struct lab_head *head);

/**
 * lab_tables_create() - map, fill in and lock the tables of a pool whose arena is there, with all
 * frames in the depot.
 * @head: complete but for @phys_known and @magic. With LAB_POOL_SHARED the tables get a memfd.
 * @must_lock: fail if they cannot be locked in memory.
 *
 * Return: 0; or -errno with a sentence, and nothing is left mapped.
 */
int lab_tables_create(struct lab_pool_priv *priv, struct lab_head *head, int must_lock);

/** lab_tables_attach() - map the tables of another process's pool, checked, behind LAB_FD_TABLES.
 */
int lab_tables_attach(struct lab_pool_priv *priv, const struct lab_head *head, int must_lock);

/** lab_tables_point_at() - point a handle, whose plan is made, into tables. */
void lab_tables_point_at(struct lab_pool_priv *priv, void *tables);

/** lab_tables_learn() - the physical addresses of memory that is there now, where these are known.
 * @at, @bytes: of the arena. Return: 1, or 0 if the kernel does not tell. */
int lab_tables_learn(struct lab_pool_priv *priv, size_t at, size_t bytes);

/** lab_tables_destroy() - unmap them. */
void lab_tables_destroy(struct lab_pool_priv *priv);

#endif
