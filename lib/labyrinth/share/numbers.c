/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Numbers that a pool has from now on. Until then their bytes say "retired"; they become the
 * calling lcore's, as if it held them, and are freed. A process that is killed in between holds
 * them, and is reaped.
 */
#include <errno.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_frame.h>
#include <labyrinth/lab_numbers.h>

#include "cache.h"
#include "error.h"
#include "lcore.h"
#include "pool.h"
#include "share/keeper.h"
#include "share/life.h"

static int check(const struct lab_pool *pool, uint32_t first, uint32_t n)
{
	if (!(pool->priv->flags & LAB_POOL_NUMBERS))
		return lab_fail(EINVAL,
				"pool '%s' has memory of its own: only one that is made with "
				"LAB_POOL_NUMBERS is given numbers",
				pool->priv->name);
	if ((uint64_t)first + n > pool->frames)
		return lab_fail(EINVAL, "pool '%s' has room for numbers below %llu, not for %llu",
				pool->priv->name, (unsigned long long)pool->frames,
				(unsigned long long)first + n - 1);
	for (uint64_t i = first; i < (uint64_t)first + n; i++) {
		if (lab_load(&pool->state[i]) != LAB_STATE_RETIRED)
			return lab_fail(EEXIST, "pool '%s' has number %llu already",
					pool->priv->name, (unsigned long long)i);
	}
	return 0;
}

static void hold(struct lab_pool *pool, struct lab_cache *c, uint32_t first, uint32_t n)
{
	for (uint64_t i = first; i < (uint64_t)first + n; i++)
		lab_store(&pool->state[i], LAB_STATE_HELD(c->lcore));
	/* Relaxed: a counter. Who reaps a process that died before it makes it good. */
	__atomic_fetch_sub(&pool->priv->shared->retired, n, __ATOMIC_RELAXED);
}

static int give(struct lab_pool *pool, uint32_t first, uint32_t n)
{
	void *frames[LAB_BLOCK_FRAMES];
	int err = 0;

	while (n && !err) {
		/* Up to the next multiple of 32, so that whole blocks go as such. */
		uint32_t step = LAB_BLOCK_FRAMES - first % LAB_BLOCK_FRAMES;

		step = step < n ? step : n;
		for (uint32_t i = 0; i < step; i++)
			frames[i] = lab_frame_at(pool, first + i);
		err = lab_free_bulk(pool, frames, step);
		first += step;
		n -= step;
	}
	return err;
}

/* Alone with the table of processes: who reaps counts what is retired. */
static int add(struct lab_pool *pool, struct lab_cache *c, uint32_t first, uint32_t n)
{
	struct lab_pool_priv *priv = pool->priv;
	int err = 0;

	if (priv->keeper) {
		lab_keeper_hold(priv);
		if (lab_life_wait(priv->fd[LAB_FD_LIFE], LAB_LIFE_TABLE))
			err = lab_fail(EBUSY,
				       "pool '%s' cannot be given numbers: another process has "
				       "been changing its table of processes for five seconds; is "
				       "one stopped?",
				       priv->name);
	}
	if (!err)
		err = check(pool, first, n);
	if (!err)
		hold(pool, c, first, n);
	if (priv->keeper) {
		if (err != -EBUSY)
			lab_life_drop(priv->fd[LAB_FD_LIFE], LAB_LIFE_TABLE);
		lab_keeper_let_go(priv);
	}
	return err;
}

int lab_numbers_add(struct lab_pool *pool, uint32_t first, uint32_t n)
{
	struct lab_cache *c;
	int err;

	if (!pool)
		return lab_fail(EINVAL, "lab_numbers_add() needs a pool; NULL was passed");
	c = lab_lcore_self(pool);
	if (!c)
		return -errno;
	err = add(pool, c, first, n);
	return err ? err : give(pool, first, n);
}
