/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * One frame a packet, out of the reserve's reach (LAB_GFP_NOWAIT): what waits here for an
 * acknowledgement may wait for long. Where there is none, the heap, and tx.c copies.
 */
#include "frame_memory.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <labyrinth/labyrinth.h>
#include <lwip/sys.h>

static struct lab_pool *pool;
static uint32_t most, taken;

void lab_lwip_memory_from(struct lab_pool *from, uint32_t limit)
{
	if (!taken)
		pool = from;
	most = from == pool ? limit : 0;
}

void lab_lwip_memory_end(uint32_t gone)
{
	most = 0; /* what is still taken goes back where it came from */
	taken -= gone;
	if (!taken)
		pool = NULL;
}

void *lab_lwip_malloc(size_t bytes)
{
	void *frame = NULL;

	if (lab_likely(pool && bytes <= LAB_FRAME_SIZE && taken < most))
		frame = lab_alloc(pool, LAB_GFP_NOWAIT);
	if (lab_unlikely(!frame))
		return malloc(bytes);
	taken++;
	return frame;
}

void *lab_lwip_calloc(size_t n, size_t bytes)
{
	return calloc(n, bytes); /* no packet: these are never cleared */
}

void lab_lwip_free(void *memory)
{
	if (pool && lab_frame_index(pool, memory) != LAB_FRAME_NONE) {
		lab_free(pool, memory);
		if (!--taken && !most)
			pool = NULL;
	} else {
		free(memory);
	}
}

uint32_t lab_lwip_memory_frames(void)
{
	return taken;
}

/* Milliseconds, for lwIP's timers. */
u32_t sys_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u32_t)t.tv_sec * 1000u + (u32_t)(t.tv_nsec / 1000000);
}
