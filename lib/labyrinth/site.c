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

/* An entry that nobody has. It is the process's before anything else is written: if that is killed
 * on the way, its reaper finds the entry by it. */
static struct lab_site *take(const struct lab_pool_priv *priv, uint32_t start)
{
	for (uint32_t i = 0; i < TRIES; i++) {
		struct lab_site *site = lab_site_at(priv, (start + i) % priv->plan.sites);
		uint32_t nobody = 0;

		/* Acquire: see lab_site_clear(). */
		if (__atomic_compare_exchange_n(&site->process, &nobody,
						priv->shared->process[priv->slot].id, 0,
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
	struct lab_site *site = take(priv, start);

	if (!site)
		return -1;
	lab_store(&site->lcore, c->lcore);
	lab_store(&site->since, (uint64_t)time(NULL));
	lab_store(&site->address, (uint64_t)(uintptr_t)address);
	/* Release: who finds a frame finds what is said of it. */
	lab_store_release(&site->frame, frame + 1);
	return site - lab_site_at(priv, 0);
}

void lab_site_forget(const struct lab_pool_priv *priv, uint32_t process)
{
	for (uint32_t i = 0; i < priv->plan.sites; i++) {
		struct lab_site *site = lab_site_at(priv, i);

		if (lab_load(&site->process) != process)
			continue;
		lab_store(&site->frame, 0u);
		lab_store_release(&site->process, 0u);
	}
}
