/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * pipeline: frames allocated on one lcore and freed on another. Method:
 *
 * The RX lane (first CPU) allocates bursts of 32 by bulk calls, straight into the slots of a
 * single-producer single-consumer ring of 32 bursts; the TX lane (second CPU) frees them out of the
 * slots by bulk calls. Each side keeps the other's position until it runs out, so that the ring
 * costs about as little as one can: what is measured is the allocator's part. After a warm-up both
 * start together. The figures are the TX lane's time by frame, and the same as millions of frames a
 * second. It depends on how far apart the two CPUs are: hyperthreads of one core pass bursts
 * several times faster than two cores do, and a virtual machine may be moved between the two.
 *
 * -scrambled: see case_burst.c.
 */
#include "bench.h"

bool round_pipeline(const struct bench *bench, const struct bench_case *c,
		    const struct subject *subject, void *pool, double *out, char *why,
		    size_t why_size)
{
	const loop_fn loops[] = {subject->loops->rx, subject->loops->tx};
	const struct lane *tx = team_lane(bench->team, 1);

	team_lane(bench->team, 0)->steps = c->steps;
	team_lane(bench->team, 1)->steps = c->steps;
	team_run_timed(bench->team, 2, loops, c->steps / 8 + 1);
	if (!bench_ok(bench, c, subject, why, why_size))
		return false;
	out[0] = tx->ns / (double)tx->frames;
	out[1] = 1e3 / out[0];
	return true;
}
