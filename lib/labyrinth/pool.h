/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The inside of a pool handle, for the library's own files.
 */
#ifndef POOL_H
#define POOL_H

#include <stdint.h>
#include <string.h>

#include <labyrinth/lab_error.h>
#include <labyrinth/lab_pool.h>

#include "arena.h"
#include "depot.h"

/**
 * struct lab_label - a name that one thread writes while others read it: words stored and loaded
 * whole, so that a reader at worst sees the beginning of one name and the end of another.
 */
struct lab_label {
	uint64_t word[4];
};
#define LAB_LABEL_MAX sizeof(struct lab_label)

/** lab_label_set() - write a name, cut to @size - 1 characters. */
static inline void lab_label_set(struct lab_label *label, const char *name, size_t size)
{
	struct lab_label text = {{0}};

	memcpy(text.word, name, strnlen(name, size - 1));
	for (unsigned i = 0; i < 4; i++)
		__atomic_store_n(&label->word[i], text.word[i], __ATOMIC_RELAXED);
}

/** lab_label_get() - a copy of a name. Return: @buf. */
static inline const char *lab_label_get(const struct lab_label *label, char buf[LAB_LABEL_MAX])
{
	struct lab_label text;

	for (unsigned i = 0; i < 4; i++)
		text.word[i] = __atomic_load_n(&label->word[i], __ATOMIC_RELAXED);
	memcpy(buf, &text, sizeof(text));
	return buf;
}

/** struct lab_slot - one lcore's, or one device's, entry in the pool's shared tables. */
struct lab_slot {
	uint32_t taken; /* 1 while a thread, or a device, has it */
	/* of a device: frames that it may still reach although nobody drives it any more */
	uint32_t quarantined;
	struct lab_label name;
};

/**
 * struct lab_shared - the pool's shared state: numbers and offsets, no pointers. The frame table,
 * the magazines and the bundles, which follow it in one mapping, hold none either; the caches do,
 * of the process that they belong to.
 */
struct lab_shared {
	struct lab_depot depot;
	struct lab_depot bundles;
	struct lab_slot slot[LAB_MAX_LCORES + 1]; /* by lcore; [0] is not used */
	struct lab_slot device[LAB_MAX_DEVICES];
	uint64_t refused_nowhere[LAB_REFUSED_KINDS]; /* by threads without an lcore */
};

/** struct lab_pool_priv - this process's side of it. */
struct lab_pool_priv {
	struct lab_pool pool; /* the public handle; first, so that one free serves both */
	struct lab_arena arena;
	struct lab_shared *shared;
	const struct lab_bulk *bulk; /* the bursts of an exclusive pool, for this CPU */
	size_t meta_bytes;
	struct lab_cache *cache; /* [lcore - 1], 1..max_lcores */
	uint32_t max_lcores;
	uint32_t domains; /* IOMMU domains that map the frames; an atomic */
	int inherited; /* 1 in a child of fork(), which has this handle and no memory behind it */
	char name[LAB_NAME_MAX];
	char fallback[LAB_ERROR_TEXT_MAX + 128];
	void (*on_refusal)(struct lab_pool *pool, const struct lab_refusal *refusal, void *arg);
	void *on_refusal_arg;
	/* Where each lcore's thread keeps its pointer to the cache, to be cleared at destruction.
	 */
	struct lab_cache **tls[LAB_MAX_LCORES + 1];
};

static inline struct lab_cache *lab_pool_cache(const struct lab_pool *pool, unsigned lcore)
{
	return &pool->priv->cache[lcore - 1];
}

#endif
