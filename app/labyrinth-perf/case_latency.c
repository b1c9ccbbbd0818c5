/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * latency, latency-two-lcores: how long one call of one frame takes. Method:
 *
 * A lane allocates 1024 frames one by one, then frees them one by one: twice the cache, so that
 * about one call in 500 reaches the shared part, and p99.9 is such a call. Each call is timed alone
 * by the TSC between fences; the median cost of two readings with nothing between them is taken
 * off. The figures are p50, p99 and p99.9 over all calls, allocations and frees together. Buckets
 * are 3 % wide, and some processors' TSC advances in steps of 10 ns, which p50 then cannot resolve.
 * With two lcores both CPUs do so at once.
 */
#include "bench.h"

bool round_latency(const struct bench *bench, const struct bench_case *c,
		   const struct subject *subject, void *pool, double *out, char *why,
		   size_t why_size)
{
	const loop_fn loops[] = {subject->loops->latency, subject->loops->latency};
	struct histogram h;

	for (unsigned i = 0; i < c->lanes; i++)
		team_lane(bench->team, i)->steps = c->steps;
	team_run_timed(bench->team, c->lanes, loops, c->steps / 8 + 1);
	if (!bench_ok(bench, c, subject, why, why_size))
		return false;
	bench_merge(bench, c->lanes, &h);
	out[0] = bench_percentile(bench, &h, 0.5);
	out[1] = bench_percentile(bench, &h, 0.99);
	out[2] = bench_percentile(bench, &h, 0.999);
	return true;
}
