/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Frames leave circulation. A retired frame was held before: by who gives it up, or by this, which
 * pulled it out of the depot. So who is killed on the way held it, and is reaped; its mark, if it
 * had one, stays, and it is pulled again.
 *
 * The bytes and then the counter of what is retired, under the lock of the table of processes, so
 * that a reaper that counts the bytes does not get in between. That is why a free, which takes no
 * lock, retires nothing: it lets a marked frame go to the depot, and there it is found.
 */
#include <errno.h>
#include <signal.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_frame.h>
#include <labyrinth/lab_retire.h>

#include "breath.h"
#include "bundle.h"
#include "cache.h"
#include "doom.h"
#include "error.h"
#include "home.h"
#include "lcore.h"
#include "pool.h"
#include "pull.h"
#include "refusal.h"
#include "reserve.h"
#include "share/keeper.h"
#include "share/life.h"

#define AT_ONCE 64u

/* @wait: up to five seconds. Return: 0; or -EBUSY with a sentence. */
static int lock(struct lab_pool_priv *priv, int wait)
{
	/* What a pool's keeper holds of a hugepage that is to go is nobody's to retire. */
	lab_breath_hold(priv);
	if (!priv->keeper)
		return 0;
	lab_keeper_hold(priv);
	if (wait ? lab_life_wait(priv->fd[LAB_FD_LIFE], LAB_LIFE_TABLE) == 0
		 : lab_life_take(priv->fd[LAB_FD_LIFE], LAB_LIFE_TABLE))
		return 0;
	lab_keeper_let_go(priv);
	lab_breath_let_go(priv);
	return lab_fail(EBUSY,
			"nothing of pool '%s' can be retired now: another process is changing its "
			"table of processes%s",
			priv->name, wait ? " since five seconds; is one stopped?" : "");
}

static void unlock(struct lab_pool_priv *priv)
{
	if (priv->keeper) {
		lab_life_drop(priv->fd[LAB_FD_LIFE], LAB_LIFE_TABLE);
		lab_keeper_let_go(priv);
	}
	lab_breath_let_go(priv);
}

/* It has got the byte already. */
static void count_retired(struct lab_pool *pool, uint32_t frame)
{
	/* Relaxed: a counter. Who reaps a process that died before it makes it good. */
	__atomic_fetch_add(&pool->priv->shared->retired, 1, __ATOMIC_RELAXED);
	lab_doom_clear(pool, frame);
}

/* A frame that this process holds. By compare-and-swap, should another thread of it be just freeing
 * it: then one of the two is refused, or the frame is free and stays so. */
static int give_up(struct lab_pool *pool, struct lab_cache *c, uint32_t frame)
{
	uint8_t found = lab_load(&pool->state[frame]);

	if (LAB_HELD_HERE(c, found) &&
	    __atomic_compare_exchange_n(&pool->state[frame], &found, LAB_STATE_RETIRED, 0,
					__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return 1;
	return lab_bundle_leave(pool, c, frame, LAB_STATE_RETIRED) ||
	       lab_home_leave(pool, frame, LAB_STATE_RETIRED);
}

static int is_doomed(const void *arg, uint32_t frame)
{
	return lab_doom_is(arg, frame);
}

/* All that are marked, and in the depot or the reserve. */
static void capture(struct lab_pool *pool, struct lab_cache *c)
{
	void *frames[AT_ONCE];
	uint32_t got = AT_ONCE;

	while (got == AT_ONCE) {
		got = lab_pull(pool, c, is_doomed, pool, frames, AT_ONCE);
		got += lab_reserve_pull(pool, c, is_doomed, pool, frames + got, AT_ONCE - got);
		for (uint32_t i = 0; i < got; i++) {
			uint32_t frame = lab_frame_index(pool, frames[i]);

			/* Relaxed: it is held here, and nobody else knows of it. */
			lab_store(&pool->state[frame], (uint8_t)LAB_STATE_RETIRED);
			count_retired(pool, frame);
		}
	}
}

/* Marks of those whose byte says so already: somebody was killed between the two. */
static void tidy(struct lab_pool *pool)
{
	for (uint32_t i = 0; i < pool->frames; i++) {
		if (lab_load(&pool->state[i]) == LAB_STATE_RETIRED && lab_doom_is(pool, i))
			lab_doom_clear(pool, i);
	}
}

/* 0, or -errno with a sentence. */
static int check(const struct lab_pool *pool, const char *call)
{
	if (!pool)
		return lab_fail(EINVAL, "%s() needs a pool; NULL was passed", call);
	if (pool->priv->inherited || pool->priv->observer)
		return lab_refuse_child(pool);
	if (!pool->state || pool->priv->flags & LAB_POOL_NUMBERS)
		return lab_fail(ENOTSUP,
				"%s() refused: pool '%s' %s, so nothing of it can be retired", call,
				pool->priv->name,
				pool->state ? "has numbers and no memory"
					    : "is unprotected and does not know where a frame is");
	return 0;
}

/* Return: the caller's cache; or NULL with errno and a sentence. */
static struct lab_cache *begin(struct lab_pool *pool, const char *call)
{
	return check(pool, call) ? NULL : lab_lcore_self(pool);
}

/* 0; or -ENXIO with a sentence, of a hugepage that has gone. */
static int check_there(const struct lab_pool *pool, uint64_t frame)
{
	if (lab_breath_has(pool, (size_t)frame << LAB_FRAME_SHIFT))
		return 0;
	return lab_fail(ENXIO,
			"frame %llu of pool '%s' cannot be retired: its hugepage has gone back to "
			"the kernel",
			(unsigned long long)frame, pool->priv->name);
}

/* Return: how many of @n from @first on are retired. */
static int64_t count_in(const struct lab_pool *pool, uint32_t first, uint64_t n)
{
	int64_t all = 0;

	for (uint64_t i = first; i < first + n; i++)
		all += lab_load(&pool->state[i]) == LAB_STATE_RETIRED;
	return all;
}

int64_t lab_frame_retire(struct lab_pool *pool, void *frame)
{
	struct lab_cache *c = begin(pool, "lab_frame_retire");
	int err;
	uint32_t number;

	if (!c)
		return -errno;
	number = lab_frame_index(pool, frame);
	if (number != LAB_FRAME_NONE && check_there(pool, number))
		return -ENXIO;
	if (number == LAB_FRAME_NONE || lab_load(&pool->state[number]) == LAB_STATE_RETIRED)
		return lab_refuse_retire(pool, frame);
	err = lock(pool->priv, 1);
	if (err) {
		lab_doom_mark(pool, number, 1);
		return err;
	}
	/* Again, now that no hugepage goes. */
	if (lab_load(&pool->state[number]) == LAB_STATE_RETIRED) {
		unlock(pool->priv);
		return check_there(pool, number) ? -ENXIO : lab_refuse_retire(pool, frame);
	}
	if (give_up(pool, c, number)) {
		count_retired(pool, number);
	} else {
		lab_doom_mark(pool, number, 1);
		capture(pool, c);
	}
	unlock(pool->priv);
	return count_in(pool, number, 1);
}

int64_t lab_segment_retire(struct lab_pool *pool, const void *addr)
{
	struct lab_cache *c = begin(pool, "lab_segment_retire");
	int err;
	uint64_t off, n;
	unsigned shift;

	if (!c)
		return -errno;
	off = (uint64_t)((uintptr_t)addr - (uintptr_t)pool->base);
	if (off >= pool->bytes)
		return lab_refuse_retire(pool, addr);
	shift = pool->priv->arena.seg_shift;
	off = off >> shift << shift >> LAB_FRAME_SHIFT;
	n = (uint64_t)1 << (shift - LAB_FRAME_SHIFT);
	if (check_there(pool, off))
		return -ENXIO;
	for (uint64_t i = off; i < off + n; i++) {
		if (lab_load(&pool->state[i]) != LAB_STATE_RETIRED)
			lab_doom_mark(pool, i, 1);
	}
	err = lock(pool->priv, 1);
	if (err)
		return err;
	capture(pool, c);
	unlock(pool->priv);
	return count_in(pool, (uint32_t)off, n);
}

int64_t lab_retire_pending(struct lab_pool *pool)
{
	struct lab_cache *c = begin(pool, "lab_retire_pending");

	if (!c)
		return -errno;
	if (lab_doom_count(pool) && lock(pool->priv, 0) == 0) {
		capture(pool, c);
		tidy(pool);
		unlock(pool->priv);
	}
	return (int64_t)lab_doom_count(pool);
}

int lab_memory_failure(const void *siginfo)
{
	const siginfo_t *info = siginfo;

	if (!info || info->si_signo != SIGBUS ||
	    (info->si_code != BUS_MCEERR_AR && info->si_code != BUS_MCEERR_AO))
		return 0;
	return lab_doom_at(info->si_addr, (unsigned)info->si_addr_lsb);
}
