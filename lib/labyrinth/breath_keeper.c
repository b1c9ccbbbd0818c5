/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * When a pool grows and shrinks: by the watermarks, the rate, and a thread. Under the pool's lock
 * of this, which no data path takes.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <labyrinth/lab_retire.h>

#include "breath_inside.h"
#include "error.h"
#include "fault.h"
#include "lcore.h"
#include "refusal.h"
#include "watermark.h"

/* How soon the keeper looks again: near a watermark, and elsewhere. */
#define SOON_MS  1
#define LATER_MS 10

/* Release to publish, acquire to use: set once. */
static const struct lab_mapper *mapper_of_all;

void lab_breath_set_mapper(const struct lab_mapper *mapper)
{
	__atomic_store_n(&mapper_of_all, mapper, __ATOMIC_RELEASE);
}

/* ---- when ---- */

/* How many units the rate allows now, at most @n. */
static uint64_t allowed(struct lab_breath *b, uint64_t n)
{
	uint64_t now = lab_breath_now(), each;

	if (n > AT_ONCE)
		n = AT_ONCE;
	if (!b->rate || !n)
		return n;
	if (now < b->next)
		return 0;
	each = unit_bytes(b) * 1000 / b->rate * 1000 / 1048576 * 1000;
	b->next = now + each;
	return 1;
}

static int64_t round_of(struct lab_pool_priv *priv, const struct lab_mapper *m)
{
	const struct lab_head *head = &priv->shared->head;
	struct lab_breath *b = priv->breath;
	uint64_t free = lab_watermark_free(&priv->pool), have = lab_breath_present(priv), n,
		 surplus;

	if (free < head->low && have < priv->pool.frames && lab_breath_now() >= b->retry) {
		/* To the middle between the marks. */
		n = ((head->low + head->high) / 2 - free + unit_frames(b) - 1) >> b->shift;
		n = allowed(b, n);
		return n ? lab_breath_grow(priv, m, n) : 0;
	}
	if (free > head->high && have > head->least) {
		surplus = (free - head->high) >> b->shift;
		if (surplus > (have - head->least) >> b->shift)
			surplus = (have - head->least) >> b->shift;
		n = allowed(b, surplus);
		return n ? lab_breath_shrink(priv, m, n, surplus) : 0;
	}
	return 0;
}

static void leave(struct lab_breath *b, const struct lab_mapper *m)
{
	pthread_mutex_unlock(&b->lock);
	if (m)
		m->unlock();
}

static const struct lab_mapper *enter(struct lab_breath *b)
{
	for (;;) {
		const struct lab_mapper *m = __atomic_load_n(&mapper_of_all, __ATOMIC_ACQUIRE);

		if (m)
			m->lock();
		pthread_mutex_lock(&b->lock);
		/* Who maps looks at the units under this lock, after the mapper was set: one that
		 * is not here yet knows of none. */
		if (m == __atomic_load_n(&mapper_of_all, __ATOMIC_ACQUIRE))
			return m;
		leave(b, m);
	}
}

int lab_pool_breathes(const struct lab_pool *pool)
{
	return pool->priv->breath != NULL;
}

int64_t lab_keeper_step(struct lab_pool *pool)
{
	const struct lab_mapper *m;
	struct lab_pool_priv *priv;
	int64_t n;

	if (!pool)
		return lab_fail(EINVAL, "lab_keeper_step() needs a pool; NULL was passed");
	priv = pool->priv;
	if (priv->inherited || priv->observer)
		return lab_refuse_child(pool);
	if (!priv->breath)
		return lab_fail(ENOTSUP,
				"pool '%s' keeps its size: it was made without min_frames and "
				"max_frames",
				priv->name);
	m = enter(priv->breath);
	n = round_of(priv, m);
	leave(priv->breath, m);
	if (lab_load(&priv->shared->doomed))
		lab_retire_pending(pool);
	return n;
}

/* For a LAB_GFP_KERNEL caller: one unit now, whatever the rate. */
static int64_t grow_at_once(struct lab_pool_priv *priv)
{
	const struct lab_mapper *m = enter(priv->breath);
	int64_t n = lab_breath_now() < priv->breath->retry ? 0 : lab_breath_grow(priv, m, 1);

	leave(priv->breath, m);
	return n;
}

/* ---- the thread ---- */

static void *keep(void *arg)
{
	struct lab_pool_priv *priv = arg;
	struct lab_breath *b = priv->breath;
	int64_t did = 0;

	while (!__atomic_load_n(&b->stop, __ATOMIC_RELAXED)) {
		uint64_t free = lab_watermark_free(&priv->pool);
		int soon = did > 0 || (free < priv->shared->head.high &&
				       lab_breath_present(priv) < priv->pool.frames);
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += (soon ? SOON_MS : LATER_MS) * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_lock(&b->lock);
		if (!b->stop)
			pthread_cond_timedwait(&b->wake, &b->lock, &until);
		pthread_mutex_unlock(&b->lock);
		did = lab_keeper_step(&priv->pool);
		did = did < 0 ? 0 : did;
	}
	return NULL;
}

static void *begin(void *arg)
{
	struct lab_pool_priv *priv = arg;

	lab_lcore_register(&priv->pool, "keeper");
	pthread_mutex_lock(&priv->breath->lock);
	priv->breath->ready = 1;
	pthread_cond_signal(&priv->breath->wake);
	pthread_mutex_unlock(&priv->breath->lock);
	return keep(arg);
}

/* The program's signals are for its own threads. */
static int start_thread(struct lab_pool_priv *priv)
{
	struct lab_breath *b = priv->breath;
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = lab_fault_create() ? ENOMEM : pthread_create(&b->thread, NULL, begin, priv);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return lab_fail(err, "pool '%s' cannot have its keeper's thread (%s)", priv->name,
				strerror(err));
	b->has_thread = 1;
	/* It has its lcore before the program's threads take all of them. */
	pthread_mutex_lock(&b->lock);
	while (!b->ready)
		pthread_cond_wait(&b->wake, &b->lock);
	pthread_mutex_unlock(&b->lock);
	pthread_setname_np(b->thread, "lab-keeper");
	return 0;
}

static void discard(struct lab_breath *b)
{
	if (!b)
		return;
	free(b->there);
	free(b->tally);
	free(b->frames);
	free(b);
}

int lab_breath_start(struct lab_pool_priv *priv, const struct lab_arena_request *request,
		     uint32_t rate)
{
	struct lab_breath *b = lab_fault_create() ? NULL : calloc(1, sizeof(*b));
	size_t unit = request->page_size < LAB_PAGE_2M ? LAB_PAGE_2M : request->page_size;
	pthread_condattr_t attr;
	int err;

	if (b) {
		b->shift = (unsigned)__builtin_ctzll(unit) - LAB_FRAME_SHIFT;
		b->units = (uint32_t)(priv->pool.frames >> b->shift);
		b->there = calloc(b->units, 1);
		b->tally = lab_fault_create() ? NULL : calloc(b->units, sizeof(*b->tally));
		b->frames = calloc((size_t)AT_ONCE << b->shift, sizeof(*b->frames));
	}
	if (!b || !b->there || !b->tally || !b->frames) {
		discard(b);
		return lab_fail(ENOMEM, "no memory for the keeper of pool '%s'", priv->name);
	}
	b->request = *request;
	b->request.owner = priv->name;
	b->request.bytes = unit;
	b->rate = rate;
	memset(b->there, PRESENT, priv->shared->head.began >> b->shift);
	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->wake, &attr);
	pthread_condattr_destroy(&attr);
	priv->breath = b;
	priv->grow = grow_at_once;
	err = priv->flags & LAB_POOL_STEPPED ? 0 : start_thread(priv);
	if (err)
		lab_breath_stop(priv);
	return err;
}

void lab_breath_stop(struct lab_pool_priv *priv)
{
	struct lab_breath *b = priv->breath;

	if (!b)
		return;
	if (b->has_thread) {
		pthread_mutex_lock(&b->lock);
		__atomic_store_n(&b->stop, 1, __ATOMIC_RELAXED);
		pthread_cond_signal(&b->wake);
		pthread_mutex_unlock(&b->lock);
		pthread_join(b->thread, NULL);
	}
	pthread_cond_destroy(&b->wake);
	pthread_mutex_destroy(&b->lock);
	priv->grow = NULL;
	priv->breath = NULL;
	discard(b);
}

/* ---- for others ---- */

void lab_breath_hold(struct lab_pool_priv *priv)
{
	if (priv->breath)
		pthread_mutex_lock(&priv->breath->lock);
}

void lab_breath_let_go(struct lab_pool_priv *priv)
{
	if (priv->breath)
		pthread_mutex_unlock(&priv->breath->lock);
}

int lab_breath_has(const struct lab_pool *pool, size_t at)
{
	const struct lab_breath *b = pool->priv->breath;

	/* Relaxed: it may come or go at any time. */
	return !b || lab_load(&b->there[at / unit_bytes(b)]) != ABSENT;
}

int lab_breath_each(struct lab_pool *pool, int (*each)(void *arg, size_t at, size_t bytes),
		    void *arg)
{
	struct lab_breath *b = pool->priv->breath;
	int err = 0;

	if (!b)
		return each(arg, 0, pool->bytes);
	pthread_mutex_lock(&b->lock);
	for (uint32_t unit = 0; unit < b->units && !err; unit++) {
		if (b->there[unit])
			err = each(arg, (size_t)unit * unit_bytes(b), unit_bytes(b));
	}
	pthread_mutex_unlock(&b->lock);
	return err;
}

int lab_keeper_stats(struct lab_pool *pool, struct lab_keeper_stats *stats)
{
	const struct lab_mapper *m;
	struct lab_breath *b;

	if (!pool || !stats)
		return lab_fail(EINVAL,
				"lab_keeper_stats() needs a pool and a place for the statistics");
	memset(stats, 0, sizeof(*stats));
	if (pool->priv->inherited || pool->priv->observer)
		return lab_refuse_child(pool);
	b = pool->priv->breath;
	if (!b)
		return lab_fail(ENOTSUP, "pool '%s' keeps its size: it has no keeper's statistics",
				pool->priv->name);
	m = enter(b);
	lab_breath_count(pool->priv);
	*stats = b->stats;
	for (uint32_t unit = 0; unit < b->units; unit++) {
		const struct tally *t = &b->tally[unit];

		if (!b->there[unit])
			continue;
		stats->hugepages++;
		if (t->depot >= unit_frames(b))
			stats->idle++;
		else if (t->free >= unit_frames(b))
			stats->cached++;
		else if (t->free + t->retired >= unit_frames(b))
			stats->retired++;
		else
			stats->in_use++;
	}
	leave(b, m);
	return 0;
}
