/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * oversubscribed: 8 lanes on 2 CPUs, so that the kernel stops lanes in the middle of a call.
 * Method:
 *
 * Each lane allocates bursts of 32 until it holds 1024, and frees them by 32, so that half of the
 * calls need the part that all share. Bounded by time, not by frames: an allocator that waits for a
 * stopped thread is a hundred times slower here. Two phases of equal length: the first counts
 * frames (millions a second, all lanes together); the second times each bulk call, from the end of
 * the one before it, for p99.9 and p99.99 over all calls of all lanes.
 *
 * -scrambled: see case_burst.c.
 */
#include <string.h>

#include "bench.h"

bool round_oversubscribed(const struct bench *bench, const struct bench_case *c,
			  const struct subject *subject, void *pool, double *out, char *why,
			  size_t why_size)
{
	const double seconds = bench->quick ? 0.06 : 0.25;
	struct histogram h;
	uint64_t frames = 0;
	double took;

	/* a lane's first calls: caches filled, code and tables warm */
	team_run_for(bench->team, LANES_MAX, subject->loops->crowd, 0.02);
	for (unsigned i = 0; i < LANES_MAX; i++)
		team_lane(bench->team, i)->frames = 0;
	took = team_run_for(bench->team, LANES_MAX, subject->loops->crowd, seconds);
	if (!bench_ok(bench, c, subject, why, why_size))
		return false;
	for (unsigned i = 0; i < LANES_MAX; i++)
		frames += team_lane(bench->team, i)->frames;
	out[0] = (double)frames / 2 / took / 1e6; /* counted at both ends */

	team_run_for(bench->team, LANES_MAX, subject->loops->crowd_timed, seconds);
	if (!bench_ok(bench, c, subject, why, why_size))
		return false;
	bench_merge(bench, LANES_MAX, &h);
	out[1] = bench_percentile(bench, &h, 0.999);
	out[2] = bench_percentile(bench, &h, 0.9999);
	return true;
}
