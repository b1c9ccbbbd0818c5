/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool becomes shared, and a process leaves it.
 */
#ifndef SHARE_H
#define SHARE_H

#include <sys/types.h>

#include "pool.h"

/** lab_share_group() - a group's number; (gid_t)-1 for a @name of NULL. Return: 0 or -errno with a
 * sentence. */
int lab_share_group(const char *name, gid_t *group);

/**
 * lab_share_found() - others may attach from now on.
 * @priv: complete but for its process; its name has been claimed (LAB_FD_NAME).
 * @lcores: for this process's threads.
 *
 * Return: 0; or -errno with a sentence, and the caller takes the pool apart.
 */
int lab_share_found(struct lab_pool_priv *priv, uint32_t lcores, gid_t group);

/** lab_share_enter() - likewise, of a pool that others have: hold its name, join, keep. */
int lab_share_enter(struct lab_pool_priv *priv, uint32_t lcores);

/** lab_share_leave() - the calling process leaves: its keeper ends, what it has goes back.
 * @on_held: is called before that if it holds any. Return: how many frames it held. */
int64_t lab_share_leave(struct lab_pool_priv *priv, void (*on_held)(const struct lab_pool *));

#endif
