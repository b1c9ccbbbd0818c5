/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A histogram of TSC cycles with 32 buckets to each power of two (3 % wide), so that millions of
 * calls can be kept without a system call or an allocation. It knows cycles, not nanoseconds.
 */
#ifndef PERF_HISTOGRAM_H
#define PERF_HISTOGRAM_H

#include <stdint.h>

#define HIST_SUB_SHIFT 5
#define HIST_SUB       (1u << HIST_SUB_SHIFT)
#define HIST_BUCKETS   (42u * HIST_SUB)

struct histogram {
	uint64_t count[HIST_BUCKETS];
};

static inline void histogram_add(struct histogram *h, uint64_t cycles)
{
	unsigned shift = 0;
	uint64_t bucket;

	if (cycles >= 2 * HIST_SUB)
		shift = 63 - HIST_SUB_SHIFT - (unsigned)__builtin_clzll(cycles);
	bucket = shift * HIST_SUB + (cycles >> shift);
	h->count[bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1]++;
}

/* The middle of a bucket, in cycles. */
static inline double histogram_value(unsigned bucket)
{
	unsigned shift = bucket < 2 * HIST_SUB ? 0 : bucket / HIST_SUB - 1;
	uint64_t low = (uint64_t)(bucket - shift * HIST_SUB) << shift;

	return (double)low + (double)(((uint64_t)1 << shift) - 1) / 2;
}

static inline void histogram_merge(struct histogram *into, const struct histogram *from)
{
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		into->count[i] += from->count[i];
}

/* The cycles that a share of all calls stayed within; 0 for an empty histogram. */
static inline double histogram_percentile(const struct histogram *h, double share)
{
	uint64_t total = 0, seen = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		total += h->count[i];
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += h->count[i];
		if (seen && (double)seen >= share * (double)total)
			return histogram_value(i);
	}
	return 0;
}

#endif
