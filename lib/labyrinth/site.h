/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Sampled allocation sites: of one frame in so many, where in the program it was allocated and
 * when, as long as it is held. A sampled frame is held at its process's home (home.h), so that it
 * can be freed by the slow path only, which then forgets the site.
 */
#ifndef SITE_H
#define SITE_H

#include <labyrinth/lab_alloc.h>

#include "pool.h"

/** Most frames that are sampled at a time; further ones are not. */
#define LAB_SITES 4096u

static inline struct lab_site *lab_site_at(const struct lab_pool_priv *priv, uint32_t number)
{
	return (struct lab_site *)(void *)((char *)priv->shared + priv->plan.site) + number;
}

/** lab_site_clear() - the frame is not held any more. */
static inline void lab_site_clear(const struct lab_pool_priv *priv, uint32_t number, uint32_t frame)
{
	uint32_t expected = frame + 1;

	/* Relaxed: one of several that find it has it. Release: the entry's next user (acquire)
	 * writes after this. Who is killed between the two still has it. */
	if (number < priv->plan.sites &&
	    __atomic_compare_exchange_n(&lab_site_at(priv, number)->frame, &expected, 0, 0,
					__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		lab_store_release(&lab_site_at(priv, number)->process, 0u);
}

/** lab_site_forget() - a process is gone, and what it held with it. */
void lab_site_forget(const struct lab_pool_priv *priv, uint32_t process);

/** lab_site_add() - a frame that the caller holds is sampled. Return: its entry's number; or -1:
 * there is no room. */
int64_t lab_site_add(const struct lab_pool_priv *priv, const struct lab_cache *cache,
		     uint32_t frame, const void *address);

#endif
