/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Where a stack that is built from source gets the memory of the packets that it sends: frames, as
 * long as there are enough, so that they are sent in place. Included by lwIP's options, so it knows
 * C alone.
 */
#ifndef FRAME_MEMORY_H
#define FRAME_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct lab_pool;

/**
 * lab_lwip_memory_from() - take frames of @pool from now on, @most at a time. Of one pool at a
 * time: while lwIP has frames of another, it takes none.
 */
void lab_lwip_memory_from(struct lab_pool *pool, uint32_t most);

/** lab_lwip_memory_end() - take no more. @gone frames that lwIP had are somebody else's to free. */
void lab_lwip_memory_end(uint32_t gone);

/** lab_lwip_malloc() and kin - the C library's, but what fits into a frame is one where possible.
 * On the stack's thread only. */
void *lab_lwip_malloc(size_t bytes);
void *lab_lwip_calloc(size_t n, size_t bytes);
void lab_lwip_free(void *memory);

/** lab_lwip_memory_frames() - how many frames lwIP has as memory now. */
uint32_t lab_lwip_memory_frames(void);

#endif
