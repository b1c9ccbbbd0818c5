/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A mempool with Labyrinth's ops has two sides: what all processes of the DPDK program share, which
 * mp->pool_data points to, and each process's own, its handle of the pool. A process that did not
 * create the mempool gets its side at its first use of it.
 */
#ifndef SIDE_H
#define SIDE_H

#include <rte_mempool.h>

#include <labyrinth/labyrinth.h>

#include "objects.h"
#include "slot.h"

/**
 * struct common - what all processes share of a mempool.
 * @key: unlike any other mempool's that had or will have the slot.
 * @slot: of each process's table of sides.
 * @frames: 1: the objects lie in the pool's own frames, which somebody else made, and destroys.
 * @pid: of the process that made it.
 * @lcores: how many a process that attaches takes for its threads.
 * @memory: of the pool's frames, which are there in each process; NULL for a pool of numbers.
 * @refused: how often anything was; for the log.
 * @mempool: its name, and @pool: the pool's, by which others attach; "" if they cannot.
 */
struct common {
	uint64_t key;
	uint32_t slot;
	uint32_t frames;
	uint32_t pid;
	uint32_t lcores;
	uint32_t refused;
	void *memory;
	struct objects objects;
	char mempool[RTE_MEMPOOL_NAMESIZE];
	char pool[LAB_NAME_MAX];
};

/** struct side - this process's. @key: of the mempool that it belongs to, or 0. @mempool: its name,
 * which is here even if the mempool has gone. */
struct side {
	uint64_t key;
	struct lab_pool *pool;
	struct common *common;
	char mempool[RTE_MEMPOOL_NAMESIZE];
};

extern struct side sides[SLOTS];

static inline struct common *common_of(const struct rte_mempool *mp)
{
	return mp->pool_data;
}

/** side_attach() - get a side. Return: the pool; or NULL, and the log says why. May sleep. */
struct lab_pool *side_attach(struct common *common) __attribute__((cold));

/** side_pool() - this process's handle of the pool, or NULL. */
static inline struct lab_pool *side_pool(struct common *common)
{
	const struct side *side = &sides[common->slot];

	/* Acquire: who finds the key finds the pool. */
	if (likely(__atomic_load_n(&side->key, __ATOMIC_ACQUIRE) == common->key))
		return side->pool;
	return side_attach(common);
}

/** side_create() - both sides of a new mempool: the pool is made as the mempool is.
 * Return: 0; or a negative errno, and the log says why. */
int side_create(struct rte_mempool *mp);

/** side_destroy() - the reverse. */
void side_destroy(struct rte_mempool *mp);

/** side_shares() - 1 if there may be other processes of this DPDK program. */
int side_shares(void);

/** side_pool_name() - what the pool of a mempool is called, unlike any other: the files that it is
 * found by are called so, for all DPDK programs of the machine. */
void side_pool_name(const char *mempool, char name[LAB_NAME_MAX]);

/** side_note_failure() - say likewise that objects were lost, or could not be had, for a reason
 * that is in lab_error_text(). */
void side_note_failure(struct common *common, const char *what);

/** side_hold(), side_let_go() - no mempool is freed meanwhile. */
void side_hold(void);
void side_let_go(void);

/** side_keep() - LAB_POOL_KEEP if the environment asks for it, else 0. */
uint32_t side_keep(void);

/** side_note_foreign() - say likewise that a pointer was given back that is no object. */
void side_note_foreign(struct common *common, const void *object);

/** side_on_refusal() - for lab_pool_config.on_refusal: says it in EAL's log, the first times and
 * then each time that there are twice as many. */
void side_on_refusal(struct lab_pool *pool, const struct lab_refusal *refusal, void *unused);

/** side_lcores() - how many lcores a process takes for its threads: EAL's, and some for others. */
unsigned side_lcores(void);

/** side_max_lcores() - how many a pool has. */
unsigned side_max_lcores(void);

/** side_set_cache() - the cache of a mempool of @n objects becomes the pool's: of that size, or
 * none at all (LAB_POOL_EXACT) where none is wanted, or one could hold too much of the mempool. */
void side_set_cache(struct lab_pool_config *config, unsigned cache_size, unsigned n);

#endif
