/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Handles.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena.h"
#include "error.h"
#include "handle.h"
#include "lcore.h"
#include "place.h"

struct lab_pool_priv *lab_handle_new(const char *name)
{
	struct lab_pool_priv *priv;
	int id;

	if (lab_faults_read_process())
		return NULL;
	priv = lab_fault_create() ? NULL : aligned_alloc(64, (sizeof(*priv) + 63) & ~(size_t)63);
	if (!priv) {
		lab_fail(ENOMEM, "no memory for a pool's handle");
		return NULL;
	}
	memset(priv, 0, sizeof(*priv));
	for (unsigned i = 0; i < LAB_FDS; i++)
		priv->fd[i] = -1;
	priv->arena.fd = -1;
	priv->pool.priv = priv;
	id = lab_place_claim(name, priv->name);
	if (id < 0) {
		free(priv);
		return NULL;
	}
	priv->pool.id = (uint32_t)id;
	if (lab_faults_read(&priv->faults, priv->name)) {
		lab_place_release(id);
		free(priv);
		return NULL;
	}
	return priv;
}

void lab_handle_know_arena(struct lab_pool_priv *priv, uint32_t flags)
{
	priv->pool.base = priv->arena.base;
	priv->pool.frames = priv->arena.bytes >> LAB_FRAME_SHIFT;
	/* None that a device could have an address of. */
	priv->pool.bytes = flags & LAB_POOL_NUMBERS ? 0 : priv->arena.bytes;
	priv->pool.node = (uint32_t)priv->arena.node;
}

void lab_handle_free(struct lab_pool_priv *priv)
{
	int err = errno;

	/* A child of fork() closes its copies, or it would keep the locks: so not while there may
	 * be one that knows only half of it. */
	lab_arena_before_fork();
	for (unsigned i = 0; i < LAB_FDS; i++) {
		if (priv->fd[i] >= 0)
			close(priv->fd[i]);
		priv->fd[i] = -1;
	}
	lab_arena_after_fork();
	lab_lcore_forget_pool(&priv->pool);
	lab_place_release((int)priv->pool.id);
	free(priv);
	errno = err;
}
