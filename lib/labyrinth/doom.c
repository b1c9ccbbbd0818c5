/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The marks, and the way from an address to them without a lock.
 */
#include <sched.h>

#include <labyrinth/lab_alloc.h>

#include "doom.h"

/* This process's pools; and how many handlers are looking at them. */
static struct lab_pool *known[LAB_MAX_POOLS];
static uint32_t looking;

void lab_doom_mark(struct lab_pool *pool, uint64_t first, uint64_t n)
{
	struct lab_pool_priv *priv = pool->priv;

	for (uint64_t i = first; i < first + n && i < pool->frames; i++)
		/* Sequentially consistent, with the flag: see lab_doom_count(). */
		__atomic_fetch_or(&priv->doomed[i / 64], (uint64_t)1 << (i % 64), __ATOMIC_SEQ_CST);
	__atomic_store_n(&priv->shared->doomed, 1, __ATOMIC_SEQ_CST);
}

void lab_doom_clear(struct lab_pool *pool, uint32_t frame)
{
	/* Relaxed: its byte says "retired", which nobody changes any more. */
	__atomic_fetch_and(&pool->priv->doomed[frame / 64], ~((uint64_t)1 << (frame % 64)),
			   __ATOMIC_RELAXED);
}

static uint64_t count(const struct lab_pool *pool)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < (pool->frames + 63) / 64; i++)
		n += (uint64_t)__builtin_popcountll(
			__atomic_load_n(&pool->priv->doomed[i], __ATOMIC_SEQ_CST));
	return n;
}

uint64_t lab_doom_count(struct lab_pool *pool)
{
	uint32_t *flag = &pool->priv->shared->doomed;
	uint64_t n;

	if (!lab_load(flag))
		return 0;
	n = count(pool);
	if (n)
		return n;
	/* Who marks sets the bit and then the flag; here the flag is cleared and then the bits are
	 * read: one of the two sees the other. */
	__atomic_store_n(flag, 0, __ATOMIC_SEQ_CST);
	n = count(pool);
	if (n)
		__atomic_store_n(flag, 1, __ATOMIC_SEQ_CST);
	return n;
}

/* The hardware's page is what the kernel takes away: of a hugepage all of it. */
static int mark_in(struct lab_pool *pool, uintptr_t address, unsigned shift)
{
	uintptr_t off;

	if (shift < pool->priv->arena.seg_shift)
		shift = pool->priv->arena.seg_shift;
	off = address - (uintptr_t)pool->base;
	if (off >= pool->bytes || !pool->state)
		return 0;
	off = shift < 63 ? off >> shift << shift : 0;
	lab_doom_mark(pool, off >> LAB_FRAME_SHIFT,
		      shift < 63 ? (uint64_t)1 << (shift - LAB_FRAME_SHIFT) : pool->frames);
	return 1;
}

int lab_doom_at(const void *address, unsigned shift)
{
	int found = 0;

	/* Sequentially consistent, and so are the pointers: see lab_doom_forget(). */
	__atomic_fetch_add(&looking, 1, __ATOMIC_SEQ_CST);
	for (unsigned id = 0; id < LAB_MAX_POOLS && !found; id++) {
		struct lab_pool *pool = __atomic_load_n(&known[id], __ATOMIC_SEQ_CST);

		found = pool && mark_in(pool, (uintptr_t)address, shift);
	}
	__atomic_fetch_sub(&looking, 1, __ATOMIC_SEQ_CST);
	return found;
}

void lab_doom_know(struct lab_pool *pool)
{
	__atomic_store_n(&known[pool->id], pool, __ATOMIC_SEQ_CST);
}

void lab_doom_after_fork(void)
{
	/* A thread that was in a handler is not in the child. */
	__atomic_store_n(&looking, 0, __ATOMIC_SEQ_CST);
	for (unsigned id = 0; id < LAB_MAX_POOLS; id++)
		__atomic_store_n(&known[id], NULL, __ATOMIC_SEQ_CST);
}

void lab_doom_forget(struct lab_pool *pool)
{
	__atomic_store_n(&known[pool->id], NULL, __ATOMIC_SEQ_CST);
	/*
	 * A handler counts itself and then reads the pointer; here the pointer is cleared and then
	 * the count is read: one that has the pointer is waited for. It takes no lock, and does not
	 * wait itself; and one that interrupted this very thread has ended.
	 */
	while (__atomic_load_n(&looking, __ATOMIC_SEQ_CST))
		sched_yield();
}
