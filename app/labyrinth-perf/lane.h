/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A lane is one pinned thread's share of a measurement: what a hot loop reads (pool, sizes, arrays)
 * and what it reports (frames, misses, times). It knows no allocator.
 */
#ifndef PERF_LANE_H
#define PERF_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"

#define BURST        32u   /* frames of an ordinary burst */
#define HELD_FRAMES  1024u /* held by a lane "beyond the cache" (512, which may hold 768) */
#define RANDOM_HELD  8192u /* held by the cases in random order */
#define FIFO_SLOTS   8192u /* descriptors of the imitated RX ring; FIFO_HELD of them are in use */
#define FIFO_HELD    1024u
#define RANDOM_BURST 64u /* largest random burst */
#define RELAY_BURSTS 32u /* bursts that fit between RX lane and TX lane */
#define LANES_MAX    8u

/* Bursts on their way from the RX lane to the TX lane: one producer, one consumer. */
struct relay {
	uint64_t head __attribute__((aligned(64))); /* bursts written; RX's */
	uint64_t tail_seen;                         /* RX's last look at tail */
	uint64_t tail __attribute__((aligned(64))); /* bursts consumed; TX's */
	uint64_t head_seen;                         /* TX's last look at head */
	void *burst[RELAY_BURSTS][BURST] __attribute__((aligned(64)));
};

/* Orders that all subjects share; made once, from a fixed seed. */
struct orders {
	uint16_t random[RANDOM_HELD];     /* a permutation */
	uint8_t fifo_alloc[FIFO_SLOTS];   /* burst sizes that add up to FIFO_SLOTS */
	uint8_t fifo_free[FIFO_SLOTS];    /* others that do so as well */
	unsigned fifo_allocs, fifo_frees; /* how many sizes these are */
};

struct lane {
	/* read by the loops */
	void *pool;
	uint64_t steps; /* how often to go round */
	unsigned id;    /* 0..LANES_MAX - 1 */
	unsigned n;     /* frames of a burst, where the case has one */
	void **held;    /* room for held_max frames */
	uint64_t held_max;
	const struct orders *orders;
	struct relay *relay;
	bool *stop; /* set from outside, or by a lane that failed: finish soon */

	/* written by the loops */
	uint64_t frames; /* frames allocated and freed */
	uint64_t held_n; /* frames in held[] that loop_take() left there */
	uint64_t check;  /* a sum that keeps the compiler honest */
	bool failed;     /* a call failed that must not: the figure is void */
	double ns;       /* time of the timed part */
	struct histogram hist;
} __attribute__((aligned(128)));

/* What the compiler may not see through: the frame is used, and memory may have changed. */
#define keep(frame) __asm__ volatile("" : : "r"(frame) : "memory")

static inline bool lane_stopped(const struct lane *lane)
{
	return __atomic_load_n(lane->stop, __ATOMIC_RELAXED);
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/* Cycles. The fences keep the timed call between two readings. */
static inline uint64_t cycles_fenced(void)
{
#if defined(__x86_64__)
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
#else
	uint64_t now;

	__asm__ volatile("isb; mrs %0, cntvct_el0; isb" : "=r"(now) : : "memory");
	return now;
#endif
}

#endif
