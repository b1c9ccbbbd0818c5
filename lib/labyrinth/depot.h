/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The depot: magazines in lock-free stacks. Knows item numbers (of frames, or of blocks of frames)
 * and nothing of what they mean, who owns them, or which lcore asks.
 *
 * A stack's head is one 64-bit word: bits 0-23 the top magazine's number + 1 (0: empty), bits 24-63
 * a tag that each pop increments. A stalled pop whose compare-and-swap would succeed wrongly (ABA)
 * needs the tag to come round to the very same value: 2^40 pops, a thousand
 * thousand million, while the thread sleeps between two instructions.
 *
 * Nobody waits: a thread stopped anywhere holds at most the magazines it has popped.
 */
#ifndef DEPOT_H
#define DEPOT_H

#include <stddef.h>
#include <stdint.h>

#include <labyrinth/lab_layout.h>

/** What a stack's magazines contain. */
enum lab_depot_stack {
	LAB_DEPOT_BLOCKS,         /* full magazines of block numbers */
	LAB_DEPOT_LOOSE,          /* full magazines of frame numbers */
	LAB_DEPOT_BLOCKS_PARTIAL, /* not full: what lcores left behind */
	LAB_DEPOT_LOOSE_PARTIAL,
	LAB_DEPOT_EMPTY,
	LAB_DEPOT_STACKS
};

/** struct lab_magazine - a fixed array of numbers. A thread owns it between pop and push. */
struct lab_magazine {
	uint32_t next;  /* the one below it in its stack, + 1 */
	uint32_t count; /* items in use */
	uint32_t item[];
};

/**
 * struct lab_depot - offsets and numbers only, so that another process may map it elsewhere.
 * @head: one stack a pair of cache lines (the adjacent-line prefetcher fetches pairs).
 * @capacity: frames that a full magazine stands for, and the length of item[].
 * @stride: bytes from one magazine to the next.
 * @magazines: how many.
 * @offset: of the first one, from this struct.
 */
struct lab_depot {
	struct {
		uint64_t word;
		uint64_t pad[15];
	} head[LAB_DEPOT_STACKS];
	uint32_t capacity;
	uint32_t stride;
	uint32_t magazines;
	uint32_t pad;
	uint64_t offset;
} __attribute__((aligned(128)));

#define LAB_DEPOT_MAX_MAGAZINES ((1u << 24) - 1)

/** Empty magazines that an lcore keeps back, so that a refill's serves the next flush. */
#define LAB_SPARE_MAGAZINES 2

/**
 * lab_depot_need() - how many magazines never run out: one for every `capacity` frames (full ones),
 * and for each lcore its spares, one in its hands, and what it may leave behind partly filled.
 */
static inline uint64_t lab_depot_need(uint64_t frames, uint32_t capacity, uint32_t lcores)
{
	return (frames + capacity - 1) / capacity + (uint64_t)lcores * (LAB_SPARE_MAGAZINES + 4) +
	       8;
}

/** lab_depot_stride() - bytes of one magazine. */
static inline uint32_t lab_depot_stride(uint32_t capacity)
{
	return (uint32_t)((sizeof(struct lab_magazine) + capacity * sizeof(uint32_t) + 15) & ~15ul);
}

/** lab_depot_init() - make all magazines empty. @mags: @count of them, @stride bytes each, zeroed.
 */
void lab_depot_init(struct lab_depot *depot, void *mags, uint32_t count, uint32_t capacity,
		    uint32_t stride);

static inline struct lab_magazine *lab_depot_magazine(struct lab_depot *depot, uint32_t number)
{
	return (struct lab_magazine *)((char *)depot + depot->offset +
				       (uint64_t)number * depot->stride);
}

/** lab_depot_pop() - take the top magazine. Return: it, owned by the caller, or NULL. */
struct lab_magazine *lab_depot_pop(struct lab_depot *depot, enum lab_depot_stack stack);

/** lab_depot_push() - put a magazine that the caller owns. */
void lab_depot_push(struct lab_depot *depot, enum lab_depot_stack stack, struct lab_magazine *mag);

/** lab_depot_number() - a magazine's number. */
static inline uint32_t lab_depot_number(struct lab_depot *depot, const struct lab_magazine *mag)
{
	return (uint32_t)(((uint64_t)((const char *)mag - (char *)depot) - depot->offset) /
			  depot->stride);
}

#endif
