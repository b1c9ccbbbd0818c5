/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * nowait, nowait-burst-32, atomic-reserve: what LAB_GFP_NOWAIT costs, and what the reserve does.
 * Labyrinth's pools only. Method:
 *
 *  nowait           ping with LAB_GFP_NOWAIT in place of 0, beside which it stands: the same loop,
 *                   compiled once more.
 *  nowait-burst-32  burst-32 likewise.
 *  atomic-reserve   one lane takes all that LAB_GFP_NOWAIT gives it, so that only the reserve has
 *                   frames; what is free is compared with what is reserved. Then it allocates one
 *                   frame with LAB_GFP_ATOMIC and frees it, as ping does: each comes out of the
 *                   reserve, after a look at the empty depot, and goes back into it. The figure is
 *                   nanoseconds for such a pair. What was taken before is given back, untimed.
 */
#include <labyrinth/labyrinth.h>

#include <stdio.h>

#include "bench.h"

static inline bool subj_alloc(struct lane *lane, void **frame)
{
	*frame = lab_alloc(lane->pool, LAB_GFP_NOWAIT);
	return *frame != NULL;
}

static inline bool subj_free(struct lane *lane, void *frame)
{
	return lab_free(lane->pool, frame) == 0;
}

static inline bool subj_alloc_bulk(struct lane *lane, void **frames, unsigned n)
{
	return lab_alloc_bulk(lane->pool, frames, n, LAB_GFP_NOWAIT) == 0;
}

static inline bool subj_free_bulk(struct lane *lane, void **frames, unsigned n)
{
	return lab_free_bulk(lane->pool, frames, n) == 0;
}

static inline uint64_t subj_iova(struct lane *lane, void *frame)
{
	return lab_frame_iova(lane->pool, frame);
}

static inline uint64_t subj_iova_any(struct lane *lane, void *frame)
{
	return lab_frame_iova(lane->pool, frame);
}

#include "loops.h"

bool round_nowait(const struct bench *bench, const struct bench_case *c,
		  const struct subject *subject, void *pool, double *out, char *why,
		  size_t why_size)
{
	struct subject nowait = *subject;

	nowait.loops = &subj_loops;
	return round_usual(bench, c, &nowait, pool, out, why, why_size);
}

/* True if nothing is free but what is reserved. */
static bool is_exhausted(void *pool, const struct bench_case *c, char *why, size_t why_size)
{
	struct lab_pool_stats st;

	lab_pool_stats(pool, &st);
	if (st.reserved && st.free == st.reserved && !st.cached)
		return true;
	snprintf(why, why_size,
		 "%s: %llu frames are free and %llu cached, %llu of them reserved, when only the "
		 "reserve was to have some; no figure",
		 c->name, (unsigned long long)st.free, (unsigned long long)st.cached,
		 (unsigned long long)st.reserved);
	return false;
}

bool round_atomic_reserve(const struct bench *bench, const struct bench_case *c,
			  const struct subject *subject, void *pool, double *out, char *why,
			  size_t why_size)
{
	bool ok;

	team_lane(bench->team, 0)->steps = UINT64_MAX;
	team_run(bench->team, 1, subj_loops.take);
	ok = is_exhausted(pool, c, why, why_size) &&
	     round_usual(bench, c, subject, pool, out, why, why_size) &&
	     is_exhausted(pool, c, why, why_size);
	team_run(bench->team, 1, subject->loops->give);
	return ok;
}
