/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * translate, translate-any: from a frame's pointer to the address that a device uses. Method:
 *
 * A lane takes 8192 frames, puts them in random order and translates one after the other; the
 * figure is nanoseconds by translation, as throughput (the processor may overlap them). Taking and
 * giving back is not timed.
 *
 *  translate      what each library has for an object of its pool: lab_frame_iova() and
 *                 rte_mempool_virt2iova(), which reads the header in front of the object.
 *  translate-any  what each has for any address of its memory: lab_frame_iova() again, and
 *                 rte_mem_virt2iova(), which asks the kernel where addresses are physical ones.
 */
#include "bench.h"

bool round_translate(const struct bench *bench, const struct bench_case *c,
		     const struct subject *subject, void *pool, double *out, char *why,
		     size_t why_size)
{
	struct lane *lane = team_lane(bench->team, 0);
	bool ok;

	lane->steps = RANDOM_HELD;
	team_run(bench->team, 1, subject->loops->take);
	ok = round_usual(bench, c, subject, pool, out, why, why_size);
	team_run(bench->team, 1, subject->loops->give);
	return ok;
}
