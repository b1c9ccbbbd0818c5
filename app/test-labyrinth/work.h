/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What tests with several threads share: random numbers that a seed repeats, a barrier that spins
 * so that threads leave it within nanoseconds, and a mailbox for passing frames on. Knows no test
 * framework.
 */
#ifndef WORK_H
#define WORK_H

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <time.h>

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016). */
static inline uint32_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * 0x2545f4914f6cdd1dull) >> 32);
}

/* A number in 0..n-1. */
static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(((uint64_t)random_next(state) * n) >> 32);
}

static inline uint64_t random_seed(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return ((uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec) | 1;
}

static inline double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Puts the calling thread on the @which-th CPU that it may use, so that two that are to meet in one
 * instant do not share one. On a machine with fewer it changes nothing. */
static inline void pin_to(unsigned which)
{
	cpu_set_t may, one;

	if (sched_getaffinity(0, sizeof(may), &may) != 0 || CPU_COUNT(&may) <= (int)which)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &may) || which-- != 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

/* All threads leave together; they yield after a while, for machines with fewer CPUs. */
struct gate {
	uint32_t threads;
	uint32_t arrived;
	uint32_t round;
};

static inline void gate_pass(struct gate *gate)
{
	uint32_t round = __atomic_load_n(&gate->round, __ATOMIC_ACQUIRE);

	if (__atomic_add_fetch(&gate->arrived, 1, __ATOMIC_ACQ_REL) == gate->threads) {
		__atomic_store_n(&gate->arrived, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&gate->round, round + 1, __ATOMIC_RELEASE);
		return;
	}
	for (unsigned spins = 0; __atomic_load_n(&gate->round, __ATOMIC_ACQUIRE) == round;
	     spins++) {
		if (spins > 2000)
			sched_yield();
	}
}

/* A last-in first-out store of pointers that any thread puts into and takes from. */
#define MAILBOX_ROOM 256
struct mailbox {
	pthread_mutex_t lock;
	unsigned count;
	void *item[MAILBOX_ROOM];
};

static inline int mailbox_put(struct mailbox *box, void *item)
{
	int done = 0;

	pthread_mutex_lock(&box->lock);
	if (box->count < MAILBOX_ROOM) {
		box->item[box->count++] = item;
		done = 1;
	}
	pthread_mutex_unlock(&box->lock);
	return done;
}

static inline void *mailbox_take(struct mailbox *box)
{
	void *item = NULL;

	pthread_mutex_lock(&box->lock);
	if (box->count)
		item = box->item[--box->count];
	pthread_mutex_unlock(&box->lock);
	return item;
}

#endif
