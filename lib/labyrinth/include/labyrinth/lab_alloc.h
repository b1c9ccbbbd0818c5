/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The data path: allocate and free frames. Everything here makes no system call, takes no lock,
 * never page-faults and never waits for another thread, but for allocations with LAB_GFP_KERNEL,
 * which may sleep. A hit in the lcore's cache is inlined; devtools/instructions.limits says how
 * many instructions that is, and a test holds it to that.
 */
#ifndef LAB_ALLOC_H
#define LAB_ALLOC_H

#include <stddef.h>
#include <string.h>

#include "lab_gfp.h"
#include "lab_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * labyrinth_void_alloc_page_gfp_atomic_exclusive() - a page, now or never, with one owner.
 * @pool: an exclusive pool.
 *
 * lab_alloc(pool, LAB_GFP_ATOMIC | LAB_GFP_EXCLUSIVE) as one exported symbol, for callers that
 * cannot inline C. The guide explains the name word by word.
 *
 * Return: a frame of LAB_FRAME_SIZE bytes, aligned to its size, owned by the caller until
 * lab_free(); or NULL at once: the pool has no frame (no errno is set), or is unprotected (errno
 * ENOTSUP).
 *
 * Thread-safe; never sleeps, never makes a system call.
 */
void *labyrinth_void_alloc_page_gfp_atomic_exclusive(struct lab_pool *pool);

/* The slow paths: cache empty or full, first call of a thread, flags, refusals. */
void *lab_alloc_slow(struct lab_pool *pool, lab_gfp_t gfp);
int lab_alloc_bulk_slow(struct lab_pool *pool, void **frames, unsigned n, lab_gfp_t gfp);
int lab_free_slow(struct lab_pool *pool, void *frame);
int lab_free_bulk_slow(struct lab_pool *pool, void *const *frames, unsigned n);

/** lab_alloc_burst() - as many frames as there are, up to @n.
 * @pool: the pool.
 * @frames: receives the pointers.
 * @n: most wanted.
 * @gfp: flags, LAB_GFP_*.
 *
 * Return: how many were allocated, 0..@n. 0 also for a refused call; then lab_error_text() says
 * why. With LAB_GFP_KERNEL it waits until there is at least one.
 */
unsigned lab_alloc_burst(struct lab_pool *pool, void **frames, unsigned n, lab_gfp_t gfp);

/*
 * Other threads read a cache's counters (statistics), so its words are stored as relaxed atomics:
 * plain moves that the compiler may not tear. The state byte is stored before the word (release): a
 * thread killed in between leaves a frame whose byte says who has it, and the byte is the truth.
 */
#define lab_store(p, v)         __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define lab_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define lab_load(p)             __atomic_load_n((p), __ATOMIC_RELAXED)

/* 1 if a byte says that the frame is held by one whose frames this lcore may give away. */
#define LAB_HELD_HERE(cache, state) ((uint8_t)((state) - (cache)->held_first) < (cache)->held_count)

/* Flags that change nothing for a hit in an exclusive pool. EXCLUSIVE is tested where it matters.
 */
#define LAB_GFP_FAST \
	(LAB_GFP_ATOMIC | LAB_GFP_NOWAIT | LAB_GFP_EXCLUSIVE | LAB_GFP_ZERO | LAB_GFP_THISNODE)

/**
 * lab_alloc() - allocate one frame.
 * @pool: the pool.
 * @gfp: flags, LAB_GFP_*; a constant lets the compiler drop what it does not ask for.
 *
 * Return: the frame, owned by the caller until lab_free(); or NULL at once: there is none (errno
 * untouched), or the call was refused (errno EINVAL, ENOTSUP, ENOSPC; EPERM in a child of fork();
 * see lab_error_text()). With LAB_GFP_KERNEL there was none in all the time that it may wait (errno
 * ENOMEM).
 *
 * Thread-safe; never sleeps, but with LAB_GFP_KERNEL.
 */
static inline void *lab_alloc(struct lab_pool *pool, lab_gfp_t gfp)
{
	struct lab_cache *c = lab_shown_cache(pool);
	uint64_t word = c->word, len = word & LAB_LEN_MASK;
	void *frame;

	/* A pool of numbers has nothing to be zeroed. */
	if (lab_unlikely(len == 0 || (gfp & ~LAB_GFP_FAST) || lab_gfp_contradicts(gfp) ||
			 ((gfp & LAB_GFP_ZERO) && !pool->bytes)))
		return lab_alloc_slow(pool, gfp);
	frame = c->objs[len - 1];
	if (pool->table) {
		uint8_t *state = (uint8_t *)pool->table + ((uintptr_t)frame >> LAB_FRAME_SHIFT);
		uint8_t freed = c->freed, found = lab_load(state);

		/* Freed here, or straight from the depot. */
		if (found != freed && lab_unlikely(found != LAB_STATE_DEPOT || len > c->foreign))
			return lab_alloc_slow(pool, gfp);
		lab_store(state, (uint8_t)(freed + LAB_MAX_LCORES));
	} else if (gfp & LAB_GFP_EXCLUSIVE) {
		return lab_alloc_slow(pool, gfp);
	}
	lab_store_release(&c->word, word + LAB_WORD_ALLOC);
	if (gfp & LAB_GFP_ZERO)
		memset(frame, 0, LAB_FRAME_SIZE);
	return frame;
}

/**
 * lab_free() - return one frame.
 * @pool: the pool that it came from.
 * @frame: a frame that the caller holds.
 *
 * Return: 0; or, in an exclusive pool, why the call was refused, with nothing changed: -EALREADY
 * (it is free already), -EBUSY (lent to a device), -EXDEV (of another pool), -EINVAL (a pointer
 * into the middle of a frame), -EFAULT (in no pool), -EPERM (retired); or -ENOSPC when the thread
 * has no lcore and all slots are taken. An unprotected pool believes the caller.
 *
 * Thread-safe; never sleeps.
 */
static inline int lab_free(struct lab_pool *pool, void *frame)
{
	struct lab_cache *c = lab_shown_cache(pool);
	uint64_t word = c->word, len = word & LAB_LEN_MASK;

	if (lab_unlikely(len >= lab_load(&c->loose_max)))
		return lab_free_slow(pool, frame);
	if (pool->table) {
		uint64_t off = (uint64_t)((uintptr_t)frame - (uintptr_t)pool->base);
		uint64_t index = off >> LAB_FRAME_SHIFT | off << (64 - LAB_FRAME_SHIFT);
		uint8_t *state = (uint8_t *)pool->table + ((uintptr_t)frame >> LAB_FRAME_SHIFT);

		if (lab_unlikely(index >= pool->frames) ||
		    lab_unlikely(!LAB_HELD_HERE(c, lab_load(state))))
			return lab_free_slow(pool, frame);
		lab_store(state, c->freed);
		if (lab_unlikely(len < c->foreign))
			lab_store(&c->foreign, (uint32_t)len);
	}
	c->objs[len] = frame;
	lab_store_release(&c->word, word + 1);
	return 0;
}

/**
 * lab_alloc_bulk() - allocate @n frames or none.
 * @pool: the pool.
 * @frames: receives the pointers; undefined when none were allocated.
 * @n: how many; not bounded by the cache.
 * @gfp: flags, LAB_GFP_*.
 *
 * Return: 0 (all @n are the caller's), -ENOMEM (fewer are free: none was taken), or -EINVAL,
 * -ENOTSUP, -ENOSPC as in lab_alloc().
 *
 * Thread-safe; never sleeps, but with LAB_GFP_KERNEL. (n - 1 below: none at all goes the slow way,
 * where a thread that has no cache yet is told from one that has.)
 */
static inline int lab_alloc_bulk(struct lab_pool *pool, void **frames, unsigned n, lab_gfp_t gfp)
{
	struct lab_cache *c = lab_shown_cache(pool);
	uint64_t word = c->word, len = word & LAB_LEN_MASK;

	if (lab_unlikely(lab_gfp_contradicts(gfp)))
		return lab_alloc_bulk_slow(pool, frames, n, gfp);
	if (pool->table)
		return pool->alloc_bulk(pool, c, frames, n, gfp);
	if (lab_unlikely((uint64_t)n - 1 >= len ||
			 (gfp & ~(LAB_GFP_ATOMIC | LAB_GFP_NOWAIT | LAB_GFP_THISNODE))))
		return lab_alloc_bulk_slow(pool, frames, n, gfp);
	memcpy(frames, &c->objs[len - n], n * sizeof(*frames));
	lab_store(&c->word, word + n * LAB_WORD_ALLOC);
	return 0;
}

/**
 * lab_free_bulk() - return @n frames.
 * @pool: the pool that they came from.
 * @frames: the pointers; not changed.
 * @n: how many.
 *
 * Each frame is checked as in lab_free(). One that is refused stays where it was; all others are
 * freed.
 *
 * Return: 0 (all were freed), or the error of the first that was refused; lab_error_text() is that
 * of the last one.
 *
 * Thread-safe; never sleeps.
 */
static inline int lab_free_bulk(struct lab_pool *pool, void *const *frames, unsigned n)
{
	struct lab_cache *c = lab_shown_cache(pool);
	uint64_t word = c->word, len = word & LAB_LEN_MASK;

	if (pool->table)
		return pool->free_bulk(pool, c, frames, n);
	if (lab_unlikely(len + n - 1 >= lab_load(&c->loose_max)))
		return lab_free_bulk_slow(pool, frames, n);
	memcpy(&c->objs[len], frames, n * sizeof(*frames));
	lab_store(&c->word, word + n);
	return 0;
}

#ifdef __cplusplus
}
#endif
#endif
