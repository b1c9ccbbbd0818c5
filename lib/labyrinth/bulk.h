/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The checked data path's bursts, in one variant for each instruction set. Called by the cache's
 * own lcore only.
 */
#ifndef BULK_H
#define BULK_H

#include <labyrinth/lab_layout.h>

/**
 * struct lab_bulk - one variant.
 * @take: up to @n frames from the cache alone (no refill, not counted). Returns how many.
 * @alloc_bulk: lab_alloc_bulk() of an exclusive pool.
 * @free_bulk: lab_free_bulk() of an exclusive pool.
 */
struct lab_bulk {
	unsigned (*take)(struct lab_pool *pool, struct lab_cache *cache, void **frames, unsigned n);
	int (*alloc_bulk)(struct lab_pool *pool, struct lab_cache *cache, void **frames, unsigned n,
			  uint32_t gfp);
	int (*free_bulk)(struct lab_pool *pool, struct lab_cache *cache, void *const *frames,
			 unsigned n);
};

extern const struct lab_bulk lab_bulk_base;
#ifdef LAB_HAVE_AVX2
extern const struct lab_bulk lab_bulk_avx2;
#endif

/** lab_sampled_alloc_bulk() - the alloc_bulk of a pool that samples allocation sites. */
int lab_sampled_alloc_bulk(struct lab_pool *pool, struct lab_cache *cache, void **frames,
			   unsigned n, uint32_t gfp);

#endif
