/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * To leave a home; and to come there for being sampled. Sampling costs the inlined hits nothing: an
 * lcore looks whether it is time when it comes to the slow path anyhow, which a program that keeps
 * frames does again and again.
 */
#include <labyrinth/lab_frame.h>

#include "bundle.h"
#include "cache.h"
#include "home.h"
#include "site.h"

int lab_home_leave(struct lab_pool *pool, uint64_t frame, uint8_t to)
{
	struct lab_pool_priv *priv = pool->priv;
	uint8_t expected = LAB_STATE_HELD(priv->home);
	uint32_t why;

	if (!priv->home || lab_load(&pool->state[frame]) != expected)
		return 0;
	why = lab_load(&pool->home[frame]);
	/* Acquire: the frame may come from another process. */
	if (!__atomic_compare_exchange_n(&pool->state[frame], &expected, to, 0, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return 0;
	if (why & LAB_HOME_SITE)
		lab_site_clear(priv, why & ~LAB_HOME_SITE, (uint32_t)frame);
	return 1;
}

static void note(struct lab_pool *pool, struct lab_cache *c, void *frame, const void *address)
{
	struct lab_pool_priv *priv = pool->priv;
	uint32_t index = lab_frame_index(pool, frame);
	int64_t number = lab_site_add(priv, c, index, address);

	if (number < 0)
		return;
	/* One of a bundle, or of a block that could go back whole, goes singly from here on. */
	if (!lab_bundle_leave(pool, c, index, LAB_STATE_HELD(c->lcore)) &&
	    !LAB_HELD_HERE(c, lab_load(&pool->state[index]))) {
		lab_site_clear(priv, (uint32_t)number, index);
		return;
	}
	lab_home_put(pool, index, (uint32_t)number | LAB_HOME_SITE, LAB_STATE_HELD(priv->home));
}

void lab_home_sample(struct lab_pool *pool, struct lab_cache *c, void *const *frames, unsigned n,
		     const void *address)
{
	uint64_t allocs = c->word >> LAB_LEN_BITS;

	if (!n || !pool->state || !pool->priv->home || allocs - c->sampled < pool->priv->sample)
		return;
	lab_store(&c->sampled, allocs);
	note(pool, c, frames[n - 1], address);
}
