/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The table of sampled frames.
 */
#include <time.h>

#include <labyrinth/lab_alloc.h>

#include "site.h"

/* How many entries are tried before a sample is given up. */
#define TRIES 8

/* An entry for a frame: marked as the lcore's before it is filled in. */
static struct lab_site *take(const struct lab_pool_priv *priv, uint32_t frame, uint32_t start)
{
	for (uint32_t i = 0; i < TRIES; i++) {
		struct lab_site *site = lab_site_at(priv, (start + i) % priv->plan.sites);
		uint32_t expected = 0;

		/* Acquire: see lab_site_clear(). */
		if (__atomic_compare_exchange_n(&site->frame, &expected, frame + 1, 0,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return site;
	}
	return NULL;
}

int64_t lab_site_add(const struct lab_pool_priv *priv, const struct lab_cache *c, uint32_t frame,
		     const void *address)
{
	/* Spread by what was allocated so far, so that lcores seldom try the same. */
	uint32_t start = (uint32_t)(c->word >> LAB_LEN_BITS) * 64 + c->lcore * 97;
	struct lab_site *site = take(priv, frame, start);

	if (!site)
		return -1;
	lab_store(&site->process, priv->shared->process[priv->slot].id);
	lab_store(&site->lcore, c->lcore);
	lab_store(&site->since, (uint64_t)time(NULL));
	lab_store(&site->address, (uint64_t)(uintptr_t)address);
	return site - lab_site_at(priv, 0);
}

void lab_site_forget(const struct lab_pool_priv *priv, uint32_t process)
{
	for (uint32_t i = 0; i < priv->plan.sites; i++) {
		const struct lab_site *site = lab_site_at(priv, i);
		uint32_t frame = lab_load(&site->frame);

		if (frame && lab_load(&site->process) == process)
			lab_site_clear(priv, i, frame - 1);
	}
}
