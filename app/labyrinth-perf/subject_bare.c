/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A floor, not an allocator: one array of pointers a lane, as a stack, shared with nobody. What it
 * takes is what moving the pointers costs; no pool that threads share can be faster.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lane.h"
#include "subject.h"

struct bare_stack {
	void **frame;
	uint64_t len;
} __attribute__((aligned(64)));

struct bare {
	struct bare_stack lane[LANES_MAX];
};

static inline bool subj_alloc(struct lane *lane, void **frame)
{
	struct bare_stack *stack = &((struct bare *)lane->pool)->lane[lane->id];

	if (!stack->len)
		return false;
	*frame = stack->frame[--stack->len];
	return true;
}

static inline bool subj_free(struct lane *lane, void *frame)
{
	struct bare_stack *stack = &((struct bare *)lane->pool)->lane[lane->id];

	stack->frame[stack->len++] = frame;
	return true;
}

static inline bool subj_alloc_bulk(struct lane *lane, void **frames, unsigned n)
{
	struct bare_stack *stack = &((struct bare *)lane->pool)->lane[lane->id];

	if (stack->len < n)
		return false;
	stack->len -= n;
	memcpy(frames, stack->frame + stack->len, n * sizeof(*frames));
	return true;
}

static inline bool subj_free_bulk(struct lane *lane, void **frames, unsigned n)
{
	struct bare_stack *stack = &((struct bare *)lane->pool)->lane[lane->id];

	memcpy(stack->frame + stack->len, frames, n * sizeof(*frames));
	stack->len += n;
	return true;
}

static inline uint64_t subj_iova(struct lane *lane, void *frame)
{
	return (uintptr_t)frame;
}

static inline uint64_t subj_iova_any(struct lane *lane, void *frame)
{
	return (uintptr_t)frame;
}

#include "loops.h"

static void bare_close(void *pool)
{
	struct bare *bare = pool;

	for (unsigned i = 0; i < LANES_MAX; i++)
		free(bare->lane[i].frame);
	free(bare);
}

/* The frames are numbers that nobody dereferences: no loop touches a frame. */
static void *bare_open(const struct subject *subject, uint64_t frames, bool hugepages, char *why,
		       size_t why_size)
{
	struct bare *bare = aligned_alloc(64, sizeof(*bare));

	if (!bare)
		goto out;
	memset(bare, 0, sizeof(*bare));
	for (unsigned i = 0; i < LANES_MAX; i++) {
		struct bare_stack *stack = &bare->lane[i];

		stack->frame = calloc(frames, sizeof(*stack->frame));
		if (!stack->frame) {
			bare_close(bare);
			goto out;
		}
		for (stack->len = 0; stack->len < frames; stack->len++)
			stack->frame[stack->len] = (void *)((stack->len + 1) * FRAME_BYTES);
	}
	return bare;
out:
	snprintf(why, why_size, "no memory for the array of %llu pointers",
		 (unsigned long long)frames);
	return NULL;
}

const struct subject subject_bare = {
	.name = "bare-array",
	.about = "a floor, not an allocator: an array of pointers that no thread shares",
	.loops = &subj_loops,
	.open = bare_open,
	.close = bare_close,
};
