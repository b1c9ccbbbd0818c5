/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The depot's level.
 */
#include <labyrinth/lab_alloc.h>

#include "reserve.h"
#include "watermark.h"

uint64_t lab_watermark_free(const struct lab_pool *pool)
{
	int64_t n = (int64_t)(lab_pool_began_with(pool) - lab_reserve_count(pool));

	for (unsigned lcore = 1; lcore <= pool->priv->max_lcores; lcore++) {
		const struct lab_cache *c = lab_pool_cache(pool, lcore);

		n += (int64_t)(lab_load(&c->flushed) - lab_load(&c->refilled));
	}
	return n < 0 ? 0 : (uint64_t)n;
}
