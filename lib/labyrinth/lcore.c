/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Lcore slots. Claiming one is a compare-and-swap, so that a first call on the data path may do it.
 */
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <labyrinth/lab_alloc.h>

#include "arena.h"
#include "cache.h"
#include "doom.h"
#include "error.h"
#include "lcore.h"
#include "pool.h"
#include "refusal.h"
#include "reserve.h"

/* Threads without an lcore share this one: nothing is in it, nothing fits in, nothing is freed by
 * it. */
static struct lab_cache no_cache;

#define N4  &no_cache, &no_cache, &no_cache, &no_cache
#define N16 N4, N4, N4, N4
__thread struct lab_cache *lab_tls_cache[LAB_MAX_POOLS]
	__attribute__((tls_model("initial-exec"))) = {N16, N16};
_Static_assert(LAB_MAX_POOLS == 32, "the initialiser above fills 32 entries");

/*
 * While allocations are to fail on purpose each thread has, in place of its cache, the beginning of
 * one that is as empty as no_cache but names the lcore: every call comes the slow way, and finds
 * the cache by that. One for each lcore, whatever the pool; written before it is first shown, and
 * never given back, for a thread may still be reading it. Of a cache it has all that is inlined, up
 * to the lcore.
 */
struct stand_in {
	char line[2][64];
} __attribute__((aligned(64)));
_Static_assert(offsetof(struct lab_cache, lcore) + sizeof(uint32_t) <= sizeof(struct stand_in),
	       "a stand-in says what lcore it is");

static struct stand_in stand_in[LAB_MAX_LCORES + 1];

static struct lab_cache *stand_in_of(unsigned lcore)
{
	return (struct lab_cache *)(void *)&stand_in[lcore];
}

/* The cache that a thread's pointer stands for; NULL if it has none. Only a cache frees. */
static inline struct lab_cache *real(const struct lab_pool *pool, struct lab_cache *shown)
{
	if (lab_likely(shown->freed))
		return shown;
	return shown->lcore ? lab_pool_cache(pool, shown->lcore) : NULL;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int key_error;

/* How the program calls its threads; see lab_lcore_set_namer(). */
static void (*namer)(char name[16]);

/* The handle of each pool of this process, for a thread's end; guarded by lock. */
static struct lab_pool *pool_of_id[LAB_MAX_POOLS];

static void release(struct lab_pool *pool, struct lab_cache *cache)
{
	unsigned lcore = cache->lcore;

	if (lab_load(&cache->pressed))
		lab_reserve_top_up(pool, cache);
	lab_cache_drain(pool, cache);
	/* Relaxed: lab_lcore_hide_caches() may be at it, and finds either. */
	lab_store(&lab_tls_cache[pool->id], &no_cache);
	lab_store(&pool->priv->tls[lcore], NULL);
	/* Release: the next owner of the slot (acquire in claim) sees the emptied cache. */
	__atomic_store_n(&pool->priv->shared->slot[lcore].taken, 0, __ATOMIC_RELEASE);
}

static void on_thread_end(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	for (unsigned id = 0; id < LAB_MAX_POOLS; id++) {
		struct lab_cache *cache =
			pool_of_id[id] ? real(pool_of_id[id], lab_shown_cache(pool_of_id[id]))
				       : NULL;

		if (cache)
			release(pool_of_id[id], cache);
	}
	pthread_mutex_unlock(&lock);
}

/* A lock of the parent's would outlive it in the child's copy. */
static void close_descriptors(struct lab_pool_priv *priv)
{
	for (unsigned i = 0; i < LAB_FDS; i++) {
		if (priv->fd[i] >= 0)
			close(priv->fd[i]);
		priv->fd[i] = -1;
	}
	if (priv->arena.fd >= 0)
		close(priv->arena.fd);
	priv->arena.fd = -1;
}

/*
 * A child of fork() has the handles but not the memory (MADV_DONTFORK). Its one thread forgets its
 * caches, and every slow path that it then takes ends in claim(), which refuses.
 */
static void after_fork_in_child(void)
{
	lab_doom_after_fork();
	for (unsigned id = 0; id < LAB_MAX_POOLS; id++) {
		lab_tls_cache[id] = &no_cache;
		if (!pool_of_id[id])
			continue;
		close_descriptors(pool_of_id[id]->priv);
		pool_of_id[id]->priv->inherited = 1;
		pool_of_id[id]->state = NULL;
		pool_of_id[id]->table = 0;
		/* No translation either: the tables are not there. */
		pool_of_id[id]->bytes = 0;
		pool_of_id[id]->frames = 0;
		pool_of_id[id] = NULL;
	}
	/* The lock may have been held by a thread that the child does not have. */
	pthread_mutex_init(&lock, NULL);
	lab_arena_after_fork();
}

static void make_key(void)
{
	key_error = pthread_key_create(&thread_end, on_thread_end);
	if (!key_error)
		key_error = pthread_atfork(lab_arena_before_fork, lab_arena_after_fork,
					   after_fork_in_child);
}

/*
 * Early, while keys are plenty: glibc keeps the first 32 keys' values inside the thread itself, and
 * then pthread_setspecific() on the data path allocates nothing.
 */
__attribute__((constructor)) static void make_key_early(void)
{
	for (uint32_t lcore = 1; lcore <= LAB_MAX_LCORES; lcore++)
		memcpy((char *)&stand_in[lcore] + offsetof(struct lab_cache, lcore), &lcore,
		       sizeof(lcore));
	pthread_once(&once, make_key);
}

int lab_lcore_watch_threads(void)
{
	pthread_once(&once, make_key);
	if (key_error)
		return lab_fail(key_error,
				"no thread-specific key is left in this process (%s): "
				"threads could not be noticed when they end",
				strerror(key_error));
	return 0;
}

static void name_slot(struct lab_slot *slot, unsigned lcore)
{
	/* Acquire: pairs with the release in lab_lcore_set_namer(), for what the function reads. */
	void (*named)(char name[16]) = __atomic_load_n(&namer, __ATOMIC_ACQUIRE);
	char name[16] = "";

	if (named)
		named(name);
	if (!name[0])
		snprintf(name, sizeof(name), "lcore-%u", lcore);
	lab_label_set(&slot->name, name, sizeof(name));
}

/*
 * The thread's pointer, for all to see, and its cache in it, or what stands in for that. Against
 * lab_lcore_hide_caches(), which changes what is to be shown and then looks at the pointers, all of
 * it is sequentially consistent: either this finds the change, or that finds this pointer, and
 * finds in it what is stored here.
 */
static void show(struct lab_pool *pool, struct lab_cache *cache)
{
	struct lab_pool_priv *priv = pool->priv;
	struct lab_cache **pointer = &lab_tls_cache[pool->id];
	uint32_t armed, now;

	__atomic_store_n(&priv->tls[cache->lcore], pointer, __ATOMIC_SEQ_CST);
	now = __atomic_load_n(&priv->faults.armed, __ATOMIC_SEQ_CST);
	do {
		armed = now;
		__atomic_store_n(pointer,
				 armed & LAB_FAULT_BIT(LAB_FAULT_ALLOC) ? stand_in_of(cache->lcore)
									: cache,
				 __ATOMIC_SEQ_CST);
		now = __atomic_load_n(&priv->faults.armed, __ATOMIC_SEQ_CST);
	} while (lab_unlikely(now != armed));
}

static struct lab_cache *claim(struct lab_pool *pool)
{
	struct lab_pool_priv *priv = pool->priv;

	if (lab_unlikely(priv->inherited || priv->observer)) {
		lab_refuse_child(pool);
		return NULL;
	}
	for (unsigned lcore = priv->first; lcore <= priv->last; lcore++) {
		uint32_t *taken = &priv->shared->slot[lcore].taken;
		uint32_t expected = 0;
		struct lab_cache *cache;

		/* Acquire: see the cache as its last owner left it (release in release()). */
		if (lab_load(taken) ||
		    !__atomic_compare_exchange_n(taken, &expected, 1, 0, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		/* A thread whose end nobody would notice must not keep a slot. */
		if (pthread_setspecific(thread_end, &no_cache)) {
			__atomic_store_n(taken, 0, __ATOMIC_RELEASE);
			lab_fail(ENOMEM,
				 "this thread's end could not be noticed: no memory for its key");
			return NULL;
		}
		cache = lab_pool_cache(pool, lcore);
		name_slot(&priv->shared->slot[lcore], lcore);
		lab_store(&priv->shared->slot[lcore].since, (uint64_t)time(NULL));
		show(pool, cache);
		return cache;
	}
	lab_fail(ENOSPC,
		 "all %u lcore slots of pool '%s'%s are taken: raise %s (at most %u), or let "
		 "threads that are done call lab_lcore_unregister()",
		 priv->last + 1 - priv->first, priv->name,
		 lab_pool_is_shared(priv) ? " that are this process's" : "",
		 lab_pool_is_shared(priv) ? "lcores" : "max_lcores", LAB_MAX_LCORES);
	return NULL;
}

struct lab_cache *lab_lcore_self(struct lab_pool *pool)
{
	struct lab_cache *cache = real(pool, lab_shown_cache(pool));

	return lab_likely(cache != NULL) ? cache : claim(pool);
}

int lab_lcore_register(struct lab_pool *pool, const char *name)
{
	struct lab_cache *cache;

	if (!pool)
		return lab_fail(EINVAL, "lab_lcore_register() needs a pool; NULL was passed");
	cache = lab_lcore_self(pool);
	if (!cache)
		return -errno;
	if (name)
		lab_label_set(&pool->priv->shared->slot[cache->lcore].name, name, 16);
	return (int)cache->lcore;
}

int lab_lcore_unregister(struct lab_pool *pool)
{
	struct lab_cache *cache;

	if (!pool)
		return lab_fail(EINVAL, "lab_lcore_unregister() needs a pool; NULL was passed");
	cache = real(pool, lab_shown_cache(pool));
	if (!cache)
		return lab_fail(ENOENT, "this thread has no lcore in pool '%s'", pool->priv->name);
	release(pool, cache);
	return 0;
}

void lab_lcore_drain(struct lab_pool *pool)
{
	struct lab_cache *cache = real(pool, lab_shown_cache(pool));

	if (!cache)
		return;
	if (lab_load(&cache->pressed))
		lab_reserve_top_up(pool, cache);
	lab_cache_drain(pool, cache);
}

void lab_lcore_set_namer(void (*function)(char name[16]))
{
	/* Release: see name_slot(). */
	__atomic_store_n(&namer, function, __ATOMIC_RELEASE);
}

void lab_lcore_know_pool(struct lab_pool *pool)
{
	pthread_mutex_lock(&lock);
	pool_of_id[pool->id] = pool;
	pthread_mutex_unlock(&lock);
}

void lab_lcore_show_pool(struct lab_pool *pool)
{
	pthread_mutex_lock(&lock);
	pool->priv->made = 1;
	lab_doom_know(pool);
	pthread_mutex_unlock(&lock);
}

unsigned lab_lcore_pools(struct lab_pool *pool[LAB_MAX_POOLS])
{
	unsigned n = 0;

	pthread_mutex_lock(&lock);
	for (unsigned id = 0; id < LAB_MAX_POOLS; id++) {
		if (pool_of_id[id] && pool_of_id[id]->priv->made)
			pool[n++] = pool_of_id[id];
	}
	pthread_mutex_unlock(&lock);
	return n;
}

void lab_lcore_hide_pool(struct lab_pool *pool)
{
	struct lab_pool_priv *priv = pool->priv;

	/* Excludes a thread that ends just now, and would drain its cache into the pool. */
	pthread_mutex_lock(&lock);
	for (unsigned lcore = 1; lcore <= priv->max_lcores; lcore++) {
		if (lab_load(&priv->tls[lcore]))
			lab_store(priv->tls[lcore], &no_cache);
	}
	priv->made = 0;
	lab_doom_forget(pool);
	pthread_mutex_unlock(&lock);
}

/* By compare-and-swap: the thread may have left the lcore, and another may have it. */
static void swap(struct lab_cache **pointer, struct lab_cache *old, struct lab_cache *new)
{
	__atomic_compare_exchange_n(pointer, &old, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/*
 * The lock keeps another call of this out, the pool's end, and the end of any thread that has had
 * an lcore, which comes through on_thread_end() even if it has none any more: so a pointer that was
 * found here stays one. A thread that registers meanwhile: see show(). One that gives its lcore up
 * meanwhile points to no_cache before or after, and then nothing is swapped, or what was is
 * overwritten. One that is in the middle of a call goes on with the cache that it has found; it is
 * its own either way.
 */
void lab_lcore_hide_caches(struct lab_pool *pool)
{
	struct lab_pool_priv *priv = pool->priv;
	int hide;

	pthread_mutex_lock(&lock);
	hide = (__atomic_load_n(&priv->faults.armed, __ATOMIC_SEQ_CST) &
		LAB_FAULT_BIT(LAB_FAULT_ALLOC)) != 0;
	for (unsigned lcore = 1; lcore <= priv->max_lcores; lcore++) {
		struct lab_cache **pointer = __atomic_load_n(&priv->tls[lcore], __ATOMIC_SEQ_CST);
		struct lab_cache *cache = lab_pool_cache(pool, lcore);

		if (pointer && hide)
			swap(pointer, cache, stand_in_of(lcore));
		else if (pointer)
			swap(pointer, stand_in_of(lcore), cache);
	}
	pthread_mutex_unlock(&lock);
}

void lab_lcore_forget_pool(struct lab_pool *pool)
{
	pthread_mutex_lock(&lock);
	pool_of_id[pool->id] = NULL;
	pthread_mutex_unlock(&lock);
}
