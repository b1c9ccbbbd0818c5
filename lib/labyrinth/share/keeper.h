/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A shared pool's keeper: a thread in each of its processes that reaps those that died, and in one
 * of them answers those that want to attach. The only part of a pool that sleeps.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include <sys/types.h>

#include "pool.h"
#include "share/process.h"

/**
 * lab_keeper_start() - start it.
 * @group: whose members may attach; (gid_t)-1: only the same user.
 *
 * Return: 0; or -errno with a sentence. Others can attach when it returns, if this process is the
 * pool's first.
 */
int lab_keeper_start(struct lab_pool_priv *priv, gid_t group);

/** lab_keeper_stop() - end it, and wait for that. */
void lab_keeper_stop(struct lab_pool_priv *priv);

/** lab_keeper_hold(), lab_keeper_let_go() - no thread of this process reaps meanwhile, and the
 * caller may take the lock of the table of processes. */
void lab_keeper_hold(struct lab_pool_priv *priv);
void lab_keeper_let_go(struct lab_pool_priv *priv);

/** lab_keeper_reap() - reap now. Return: frames; or -errno with a sentence. */
int64_t lab_keeper_reap(struct lab_pool_priv *priv, enum lab_extent extent);

#endif
