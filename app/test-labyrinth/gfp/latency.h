/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * How long short calls take: a histogram of cycles with 16 steps an octave, so that what it says is
 * at most 6 % too high. Knows nothing of what is measured.
 */
#ifndef LATENCY_H
#define LATENCY_H

#include <stdint.h>
#include <string.h>
#include <time.h>

#define LATENCY_STEPS 16u

struct latency {
	uint64_t n;
	uint64_t max;
	uint32_t bucket[64 * LATENCY_STEPS];
};

/* Cycles. The fences keep the timed call between two readings; the two take some 20 ns. */
static inline uint64_t latency_clock(void)
{
#if defined(__x86_64__)
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
#else
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
#endif
}

static inline unsigned latency_bucket(uint64_t cycles)
{
	unsigned octave;

	if (cycles < LATENCY_STEPS)
		return (unsigned)cycles;
	octave = 63 - (unsigned)__builtin_clzll(cycles);
	return (octave - 3) * LATENCY_STEPS + (unsigned)(cycles >> (octave - 4)) % LATENCY_STEPS;
}

/* The most cycles that fall into a bucket. */
static inline uint64_t latency_bucket_end(unsigned bucket)
{
	unsigned octave = bucket / LATENCY_STEPS + 3;

	if (bucket < LATENCY_STEPS)
		return bucket;
	return ((uint64_t)(LATENCY_STEPS + bucket % LATENCY_STEPS + 1) << (octave - 4)) - 1;
}

/* One call, from latency_clock() before to latency_clock() behind it. */
static inline void latency_add(struct latency *l, uint64_t cycles)
{
	l->n++;
	l->bucket[latency_bucket(cycles)]++;
	if (cycles > l->max)
		l->max = cycles;
}

/* The cycles that @of_1000 in a thousand calls did not exceed; 0 without calls. */
static inline uint64_t latency_of(const struct latency *l, unsigned of_1000)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < 64 * LATENCY_STEPS; i++) {
		seen += l->bucket[i];
		if (seen && seen * 1000 >= l->n * of_1000)
			return latency_bucket_end(i) < l->max ? latency_bucket_end(i) : l->max;
	}
	return 0;
}

static inline void latency_clear(struct latency *l)
{
	memset(l, 0, sizeof(*l));
}

#endif
