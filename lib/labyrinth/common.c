/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Freeing what another process holds.
 */
#include <labyrinth/lab_alloc.h>

#include "common.h"
#include "pool.h"

int lab_common_leave(struct lab_pool *pool, uint64_t frame, uint8_t to)
{
	uint8_t found;

	if (!(pool->priv->flags & LAB_POOL_COMMON))
		return 0;
	found = lab_load(&pool->state[frame]);
	/* Acquire: the frame comes from another process. */
	if (!LAB_STATE_IS_HELD(found) ||
	    !__atomic_compare_exchange_n(&pool->state[frame], &found, to, 0, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return 0;
	/* Relaxed: it only ever becomes 1. A reaper that does not see it yet errs as one that came
	 * before. */
	if (!lab_load(&pool->priv->shared->passed))
		lab_store(&pool->priv->shared->passed, 1u);
	return 1;
}
