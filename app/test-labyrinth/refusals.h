/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What a refused call must look like: its error, sentence, counter and callback, and that nothing
 * else has changed.
 */
#ifndef REFUSALS_H
#define REFUSALS_H

#include "test.h"

/* The pool's callback writes here. */
struct seen {
	unsigned calls;
	struct lab_refusal last;
	char text[LAB_ERROR_TEXT_MAX];
	struct lab_pool *pool;
};

static inline void see(struct lab_pool *pool, const struct lab_refusal *refusal, void *arg)
{
	struct seen *seen = arg;

	seen->calls++;
	seen->pool = pool;
	seen->last = *refusal;
	snprintf(seen->text, sizeof(seen->text), "%s", refusal->text);
}

static inline struct lab_pool *watched_pool(const char *name, struct seen *seen)
{
	struct lab_pool_config config = {.name = name,
					 .frames = FRAMES,
					 .page_size = LAB_PAGE_4K,
					 .flags = LAB_POOL_FALLBACK,
					 .on_refusal = see,
					 .on_refusal_arg = seen};

	memset(seen, 0, sizeof(*seen));
	return pool_of(&config);
}

struct before {
	struct lab_pool_stats stats;
	uint8_t *state;
	unsigned calls;
};

static inline struct before before_call(struct lab_pool *pool, const struct seen *seen)
{
	struct before b = {.state = malloc(lab_pool_frames(pool) + 1), .calls = seen->calls};

	cr_assert_not_null(b.state);
	memcpy(b.state, pool->state, lab_pool_frames(pool));
	lab_pool_stats(pool, &b.stats);
	errno = 0;
	return b;
}

/* What the call should have said; see struct lab_refusal. */
struct expected {
	int err;
	enum lab_refusal_kind kind;
	const void *address;
	uint32_t frame;
	const char *attempt; /* how the sentence begins */
	const char *owner;   /* what it says of where the frame is */
};

/* The report of one refusal, whatever else the call did. */
static inline void reported(struct lab_pool *pool, const struct seen *seen,
			    const struct before *before, const struct expected *e)
{
	struct lab_pool_stats stats;
	char frame[32];

	lab_pool_stats(pool, &stats);
	cr_assert_eq(seen->calls, before->calls + 1, "%u reports", seen->calls - before->calls);
	cr_assert_eq(seen->pool, pool);
	cr_assert_eq(seen->last.kind, e->kind, "kind %d: %s", seen->last.kind, seen->text);
	cr_assert_eq(seen->last.address, e->address);
	cr_assert_eq(seen->last.frame, e->frame, "frame %u: %s", seen->last.frame, seen->text);
	cr_assert_eq(seen->last.lcore, lab_lcore_id(pool));
	if (e->frame != LAB_FRAME_NONE && e->kind != LAB_REFUSED_INSIDE &&
	    before->state[e->frame] != LAB_STATE_BUNDLED) {
		/* A free frame may have gone to the depot within the call that was refused it. */
		if (before->state[e->frame] <= LAB_STATE_FREE_LAST)
			cr_assert_leq(seen->last.state, LAB_STATE_FREE_LAST);
		else
			cr_assert_eq(seen->last.state, before->state[e->frame]);
	}
	cr_assert_str_eq(seen->text, lab_error_text());
	cr_assert_eq(strncmp(seen->text, e->attempt, strlen(e->attempt)), 0, "%s", seen->text);
	text_has("refused", lab_pool_name(pool), e->owner, NULL);
	if (e->frame != LAB_FRAME_NONE) {
		snprintf(frame, sizeof(frame), "frame %u ", e->frame);
		text_has(frame, NULL);
	}
	for (unsigned k = 0; k < LAB_REFUSED_KINDS; k++)
		cr_assert_eq(stats.refused[k], before->stats.refused[k] + (k == e->kind),
			     "counter %u", k);
}

/* A call that was refused, and did nothing else: not to one frame, not to one counter. */
static inline void refused(struct lab_pool *pool, const struct seen *seen, struct before *before,
			   int rc, const struct expected *e)
{
	struct lab_pool_stats stats;

	cr_assert_eq(rc, -e->err, "%d, not %d: %s", rc, -e->err, lab_error_text());
	cr_assert_eq(errno, e->err);
	reported(pool, seen, before, e);
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.free + stats.cached, before->stats.free + before->stats.cached);
	cr_assert_eq(stats.held, before->stats.held);
	cr_assert_eq(stats.lent, before->stats.lent);
	cr_assert_eq(stats.allocs, before->stats.allocs);
	cr_assert_eq(stats.frees, before->stats.frees);
	cr_assert_eq(stats.dropped, before->stats.dropped);
	/* A full cache makes room before it looks, and may note in the bytes how it grouped them.
	 */
	if (stats.flushed == before->stats.flushed)
		cr_assert_eq(memcmp(pool->state, before->state, lab_pool_frames(pool)), 0,
			     "a frame moved");
	free(before->state);
	before->state = NULL;
}

#endif
