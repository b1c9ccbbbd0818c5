/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Cases on lcores that do not exchange frames. Method, the same for all:
 *
 * A lane (a thread pinned to one CPU) runs the loop for an eighth of its steps to warm up, then for
 * all of them, timed by CLOCK_MONOTONIC as a whole. The figure is nanoseconds for one frame
 * allocated and freed. No frame's memory is touched.
 *
 *  ping           one frame allocated, then freed.
 *  burst-N        N frames by one bulk call, freed by one bulk call in the same order. 32 and 256
 *                 stay in a cache of 512; 1024 does not.
 *  held-1024      bulk calls of 32 until 1024 are held, then freed by 32 in the same order: twice
 *                 the cache, so that half of the calls need the shared part.
 *  random-8192    one by one: 8192 allocated, then freed in a random order that all subjects
 *                 share. It scrambles its own pool, hence no variant.
 *  random-burst   a driver's RX ring: bursts of 1..64 frames, sizes drawn at random, enter a ring
 *                 of descriptors and leave it, oldest first, in other sizes drawn at random; about
 *                 1024 are in the ring.
 *  two-lcores     held-1024 on two CPUs at once, each lane with frames of its own. The lanes start
 *                 together; the figure is the mean of the two lanes' times.
 *
 * -scrambled: before each round one lane takes all frames of the pool one by one and frees them one
 * by one in random order. Without it the pool is as it was created, or as the case itself left it.
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"

bool round_usual(const struct bench *bench, const struct bench_case *c,
		 const struct subject *subject, void *pool, double *out, char *why, size_t why_size)
{
	loop_fn loop, loops[LANES_MAX];
	double sum = 0;

	memcpy(&loop, (const char *)subject->loops + c->loop, sizeof(loop));
	for (unsigned i = 0; i < c->lanes; i++) {
		loops[i] = loop;
		team_lane(bench->team, i)->n = c->n;
		team_lane(bench->team, i)->steps = c->steps;
	}
	team_run_timed(bench->team, c->lanes, loops, c->steps / 8 + 1);
	if (!bench_ok(bench, c, subject, why, why_size))
		return false;
	for (unsigned i = 0; i < c->lanes; i++) {
		const struct lane *lane = team_lane(bench->team, i);

		sum += lane->ns / (double)lane->frames;
	}
	out[0] = sum / c->lanes;
	return true;
}
