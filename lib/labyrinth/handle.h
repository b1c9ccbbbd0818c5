/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool's handle while it is being made or taken apart.
 */
#ifndef HANDLE_H
#define HANDLE_H

#include "pool.h"

/** lab_handle_new() - an empty handle with an identity in this process. @name: or NULL for
 * "pool-N". Return: NULL with a sentence. */
struct lab_pool_priv *lab_handle_new(const char *name);

/** lab_handle_know_arena() - its arena is there. @flags: of the pool. */
void lab_handle_know_arena(struct lab_pool_priv *priv, uint32_t flags);

/** lab_handle_free() - the reverse of lab_handle_new(); closes the descriptors. */
void lab_handle_free(struct lab_pool_priv *priv);

#endif
