/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Units come, and go. Under the pool's lock of this, which no data path takes.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_frame.h>
#include <labyrinth/lab_keeper.h>

#include "breath.h"
#include "bundle.h"
#include "cache.h"
#include "error.h"
#include "frame_table.h"
#include "lcore.h"
#include "pull.h"
#include "reserve.h"
#include "segment.h"
#include "tables.h"
#include "watermark.h"

/* How soon the keeper looks again: near a watermark, and elsewhere. */
#define SOON_MS  1
#define LATER_MS 10
/* Units that one round adds or removes at most: so it does not hold many frames at a time. */
#define AT_ONCE 8u
/* After the machine had no memory: how long nobody asks it again. */
#define RETRY_NS 1000000000ull
/* How often lcores are asked for what lies in their caches. */
#define RECALL_NS 50000000ull
/* And how often frames of hugepages that few use are set apart. */
#define SORT_NS 50000000ull

/* lab_breath.there: a unit has memory; it is to go; its frames are set apart. */
enum { ABSENT, PRESENT, GOING, SPARSE };

/* Of a unit: what its frames are. */
struct tally {
	uint32_t depot; /* in the depot, or in the reserve */
	uint32_t free;  /* by their bytes, wherever they are */
	uint32_t retired;
};

/**
 * struct lab_breath - @lock guards all of it. @request: of a unit. @shift: log2 of its frames.
 * @there: by unit. @frames: room for AT_ONCE units' frames.
 */
struct lab_breath {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	int has_thread, ready, stop;
	struct lab_arena_request request;
	unsigned shift;
	uint32_t units;
	uint32_t rate;
	uint8_t *there;
	struct tally *tally;
	void **frames;
	uint64_t next, retry, recalled, sorted; /* not before: by the rate; after a failure; ... */
	struct lab_keeper_stats stats;
};

/* Release to publish, acquire to use: set once. */
static const struct lab_mapper *mapper_of_all;

void lab_breath_set_mapper(const struct lab_mapper *mapper)
{
	__atomic_store_n(&mapper_of_all, mapper, __ATOMIC_RELEASE);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint32_t unit_frames(const struct lab_breath *b)
{
	return 1u << b->shift;
}

static size_t unit_bytes(const struct lab_breath *b)
{
	return (size_t)LAB_FRAME_SIZE << b->shift;
}

static uint64_t present(const struct lab_pool_priv *priv)
{
	return priv->pool.frames - lab_load(&priv->shared->absent);
}

/* ---- more ---- */

/* A unit's frames become the lcore's, as if it held them, and are freed. */
static int hand_out(struct lab_pool_priv *priv, struct lab_cache *c, uint32_t unit)
{
	uint64_t first = (uint64_t)unit << priv->breath->shift;
	uint64_t end = first + unit_frames(priv->breath);
	void *frames[LAB_BLOCK_FRAMES];
	int err = 0;

	for (uint64_t i = first; i < end; i++)
		lab_store(&priv->pool.state[i], LAB_STATE_HELD(c->lcore));
	/* Relaxed: a counter. The frames themselves go out through magazines. */
	__atomic_fetch_sub(&priv->shared->absent, end - first, __ATOMIC_RELAXED);
	lab_store(&priv->shared->grown, priv->shared->grown + (end - first));
	for (; first < end && !err; first += LAB_BLOCK_FRAMES) {
		for (unsigned i = 0; i < LAB_BLOCK_FRAMES; i++)
			frames[i] = lab_frame_at(&priv->pool, (uint32_t)(first + i));
		err = lab_free_bulk(&priv->pool, frames, LAB_BLOCK_FRAMES);
	}
	lab_cache_drain(&priv->pool, c);
	return err;
}

static int add_unit(struct lab_pool_priv *priv, struct lab_cache *c, const struct lab_mapper *m,
		    uint32_t unit)
{
	struct lab_breath *b = priv->breath;
	size_t at = (size_t)unit * unit_bytes(b);
	int err = lab_fault_hit(priv, LAB_FAULT_GROW)
			  ? lab_fail(ENOMEM, "pool '%s' cannot grow: injected", priv->name)
			  : lab_segment_add(&priv->arena, &b->request, at);

	if (err)
		return err;
	if (priv->shared->head.phys_known && !lab_tables_learn(priv, at, unit_bytes(b)))
		err = lab_fail(EPERM,
			       "pool '%s' cannot grow: the kernel tells physical addresses no more",
			       priv->name);
	if (!err && m)
		err = m->add(&priv->pool, at, unit_bytes(b));
	if (err) {
		lab_segment_remove(&priv->arena, at, unit_bytes(b));
		return err;
	}
	b->there[unit] = PRESENT;
	b->stats.grown++;
	return hand_out(priv, c, unit);
}

static int64_t failed(struct lab_breath *b, int err)
{
	b->stats.failed++;
	b->retry = now_ns() + RETRY_NS;
	snprintf(b->stats.why, sizeof(b->stats.why), "%s", lab_error_text());
	return err;
}

/* Up to @n units more, the lowest. Return: how many; or -errno if there is not one. */
static int64_t grow(struct lab_pool_priv *priv, const struct lab_mapper *m, uint64_t n)
{
	struct lab_breath *b = priv->breath;
	struct lab_cache *c = lab_lcore_self(&priv->pool);
	int64_t done = 0;

	if (!c)
		return -errno;
	for (uint32_t unit = 0; unit < b->units && (uint64_t)done < n; unit++) {
		int err;

		if (b->there[unit])
			continue;
		err = add_unit(priv, c, m, unit);
		if (err)
			return done ? done : failed(b, err);
		done++;
	}
	return done;
}

/* ---- less ---- */

static void count_depot(void *arg, uint32_t frame)
{
	struct lab_breath *b = arg;

	b->tally[frame >> b->shift].depot++;
}

static void count_all(struct lab_pool_priv *priv)
{
	struct lab_breath *b = priv->breath;
	const struct lab_depot *reserve = &priv->reserve;

	memset(b->tally, 0, b->units * sizeof(*b->tally));
	lab_pull_look(&priv->pool, count_depot, b);
	for (uint32_t i = 0; i < reserve->magazines; i++) {
		uint32_t frame = lab_reserve_peek(&priv->pool, i);

		if (frame != LAB_FRAME_NONE)
			count_depot(b, frame);
	}
	for (uint64_t f = 0; f < priv->pool.frames; f++) {
		uint8_t state = lab_frame_state(&priv->pool, f);

		b->tally[f >> b->shift].free += lab_state_is_free(state);
		b->tally[f >> b->shift].retired += state == LAB_STATE_RETIRED;
	}
}

static int is_going(const void *arg, uint32_t frame)
{
	const struct lab_breath *b = arg;

	return b->there[frame >> b->shift] == GOING;
}

/* Up to @n units whose frames are all in the depot, the highest: they are to go. */
static uint32_t choose(struct lab_breath *b, uint64_t n)
{
	uint32_t chosen = 0;

	for (uint32_t unit = b->units; unit-- > 0 && chosen < n;) {
		if (b->there[unit] && b->tally[unit].depot >= unit_frames(b)) {
			b->there[unit] = GOING;
			chosen++;
		}
	}
	return chosen;
}

/* Its frames are held, all of them: nobody else knows of any. */
static int remove_unit(struct lab_pool_priv *priv, const struct lab_mapper *m, uint32_t unit)
{
	struct lab_breath *b = priv->breath;
	size_t at = (size_t)unit * unit_bytes(b);
	int err = m ? m->remove(&priv->pool, at, unit_bytes(b)) : 0;

	if (err)
		return err;
	memset(priv->pool.state + ((uint64_t)unit << b->shift), LAB_STATE_RETIRED, unit_frames(b));
	__atomic_fetch_add(&priv->shared->absent, unit_frames(b), __ATOMIC_RELAXED);
	lab_store(&priv->shared->shrunk, priv->shared->shrunk + unit_frames(b));
	lab_segment_remove(&priv->arena, at, unit_bytes(b));
	b->there[unit] = ABSENT;
	b->stats.shrunk++;
	return 0;
}

/* What was pulled goes with its unit if all of that was, and back to the depot if not. */
static int64_t let_go(struct lab_pool_priv *priv, const struct lab_mapper *m, struct lab_cache *c,
		      uint32_t n)
{
	struct lab_breath *b = priv->breath;
	uint32_t kept = 0;
	int64_t gone = 0;

	memset(b->tally, 0, b->units * sizeof(*b->tally));
	for (uint32_t i = 0; i < n; i++)
		count_depot(b, lab_frame_index(&priv->pool, b->frames[i]));
	for (uint32_t unit = 0; unit < b->units; unit++) {
		if (b->there[unit] != GOING)
			continue;
		b->there[unit] = PRESENT;
		if (b->tally[unit].depot == unit_frames(b) && remove_unit(priv, m, unit) == 0)
			gone++;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (b->there[lab_frame_index(&priv->pool, b->frames[i]) >> b->shift])
			b->frames[kept++] = b->frames[i];
	}
	lab_free_bulk(&priv->pool, b->frames, kept);
	lab_cache_drain(&priv->pool, c);
	return gone;
}

/* Frames that are free and lie in caches would let units go, too. */
static void recall(struct lab_pool_priv *priv)
{
	struct lab_breath *b = priv->breath;
	uint64_t now = now_ns();

	for (uint32_t unit = 0; unit < b->units && now >= b->recalled; unit++) {
		if (b->there[unit] && b->tally[unit].free >= unit_frames(b) &&
		    b->tally[unit].depot < unit_frames(b)) {
			lab_reserve_recall(&priv->pool);
			b->recalled = now + RECALL_NS;
		}
	}
}

static int is_sparse(const void *arg, uint32_t frame)
{
	const struct lab_breath *b = arg;

	return b->there[frame >> b->shift] == SPARSE;
}

/* The one of which most frames are in the depot, but not all of them. */
static uint32_t emptiest(const struct lab_breath *b)
{
	uint32_t best = b->units, most = 0;

	for (uint32_t unit = 0; unit < b->units; unit++) {
		if (b->there[unit] == PRESENT && b->tally[unit].depot > most) {
			most = b->tally[unit].depot;
			best = unit;
		}
	}
	return best;
}

/*
 * No hugepage is idle, and more are free than need be: what is free of those that fewest use goes
 * where it is taken last, so that the others fill up and these become idle as frames come back.
 */
static void sort(struct lab_pool_priv *priv, struct lab_cache *c, uint64_t n)
{
	struct lab_breath *b = priv->breath;
	uint64_t now = now_ns();
	uint32_t got, unit;

	if (now < b->sorted)
		return;
	b->sorted = now + SORT_NS;
	for (; n-- && (unit = emptiest(b)) < b->units;)
		b->there[unit] = SPARSE;
	got = lab_pull_ordinary(&priv->pool, c, is_sparse, b, b->frames, AT_ONCE * unit_frames(b));
	/* One by one: so they stay loose. */
	for (uint32_t i = 0; i < got; i++) {
		lab_free(&priv->pool, b->frames[i]);
		if (i + 1 == got || lab_cache_len(c) >= priv->plan.capacity)
			lab_cache_set_apart(&priv->pool, c);
	}
	for (unit = 0; unit < b->units; unit++)
		b->there[unit] = b->there[unit] == SPARSE ? PRESENT : b->there[unit];
}

/* Up to @n units less. Return: how many; or -errno. */
static int64_t shrink(struct lab_pool_priv *priv, const struct lab_mapper *m, uint64_t n)
{
	struct lab_breath *b = priv->breath;
	struct lab_cache *c = lab_lcore_self(&priv->pool);
	uint32_t most = AT_ONCE * unit_frames(b), got;

	if (!c)
		return -errno;
	count_all(priv);
	if (choose(b, n) == 0) {
		recall(priv);
		sort(priv, c, n);
		return 0;
	}
	got = lab_pull(&priv->pool, c, is_going, b, b->frames, most);
	got += lab_reserve_pull(&priv->pool, c, is_going, b, b->frames + got, most - got);
	return let_go(priv, m, c, got);
}

/* ---- when ---- */

/* How many units the rate allows now, at most @n. */
static uint64_t allowed(struct lab_breath *b, uint64_t n)
{
	uint64_t now = now_ns(), each;

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
	uint64_t free = lab_watermark_free(&priv->pool), have = present(priv), n;

	if (free < head->low && have < priv->pool.frames && now_ns() >= b->retry) {
		/* To the middle between the marks. */
		n = ((head->low + head->high) / 2 - free + unit_frames(b) - 1) >> b->shift;
		n = allowed(b, n);
		return n ? grow(priv, m, n) : 0;
	}
	if (free > head->high && have > head->least) {
		n = (free - head->high) >> b->shift;
		if (n > (have - head->least) >> b->shift)
			n = (have - head->least) >> b->shift;
		n = allowed(b, n);
		return n ? shrink(priv, m, n) : 0;
	}
	return 0;
}

static const struct lab_mapper *enter(struct lab_breath *b)
{
	const struct lab_mapper *m = __atomic_load_n(&mapper_of_all, __ATOMIC_ACQUIRE);

	if (m)
		m->lock();
	pthread_mutex_lock(&b->lock);
	return m;
}

static void leave(struct lab_breath *b, const struct lab_mapper *m)
{
	pthread_mutex_unlock(&b->lock);
	if (m)
		m->unlock();
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
	if (!priv->breath)
		return lab_fail(ENOTSUP,
				"pool '%s' keeps its size: it was made without min_frames and "
				"max_frames",
				priv->name);
	m = enter(priv->breath);
	n = round_of(priv, m);
	leave(priv->breath, m);
	return n;
}

/* For a LAB_GFP_KERNEL caller: one unit now, whatever the rate. */
static int64_t grow_at_once(struct lab_pool_priv *priv)
{
	const struct lab_mapper *m = enter(priv->breath);
	int64_t n = now_ns() < priv->breath->retry ? 0 : grow(priv, m, 1);

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
		int soon = did > 0 ||
			   (free < priv->shared->head.high && present(priv) < priv->pool.frames);
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
	err = pthread_create(&b->thread, NULL, begin, priv);
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
	struct lab_breath *b = calloc(1, sizeof(*b));
	size_t unit = request->page_size < LAB_PAGE_2M ? LAB_PAGE_2M : request->page_size;
	pthread_condattr_t attr;
	int err;

	if (b) {
		b->shift = (unsigned)__builtin_ctzll(unit) - LAB_FRAME_SHIFT;
		b->units = (uint32_t)(priv->pool.frames >> b->shift);
		b->there = calloc(b->units, 1);
		b->tally = calloc(b->units, sizeof(*b->tally));
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
	b = pool->priv->breath;
	if (!b)
		return lab_fail(ENOTSUP, "pool '%s' keeps its size: it has no keeper's statistics",
				pool->priv->name);
	m = enter(b);
	count_all(pool->priv);
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
