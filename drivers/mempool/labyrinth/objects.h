/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The objects of a mempool have numbers: those at equal distances from each other are a run. Memory
 * comes in chunks, within which it is contiguous for devices. Where chunks follow each other, which
 * is the rule, one run goes through all of them, and the places across their borders are left out:
 * so most mempools are one run, with some numbers that no object has. Knows addresses and numbers;
 * nothing of who owns an object.
 *
 * In memory that all processes of the DPDK program have at the same address.
 */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_spinlock.h>

/** struct run - places for objects at @base, @base + stride ..., numbers @first ... @first + @count
 * - 1. */
struct run {
	uintptr_t base;
	uint32_t first;
	uint32_t count;
};

#define NO_NUMBER UINT32_MAX

/**
 * struct objects - all runs of a mempool.
 * @only: its only run, in one cache line with all that the fast path needs; of no length if there
 *	are several, or if @stale.
 * @stride: bytes from one object to the next: 2^@shift times an odd number, and
 * @inverse: that odd number's inverse modulo 2^32. So a distance that is a multiple of the stride,
 *	shifted right by @shift, times @inverse is the object's place in its run; and one that is
 *	none is found out by multiplying back.
 * @count: numbers used up so far, those that no object has included. @capacity: most of them.
 * @runs: how many. @room: for how many there is memory.
 * @run: by number.
 * @of_block: by number / 32: the run of its first number.
 * @by_address: the runs in the order of their addresses.
 * @granule: by (address - @lowest) >> @granule_shift: the first of @by_address that ends behind the
 *	beginning of that piece; one more at the end.
 * @stale: 1: the three tables above have to be made anew.
 * @lock: by who does so.
 */
struct objects {
	struct run only;
	uint32_t stride;
	uint32_t shift;
	uint32_t inverse;
	uint32_t count;
	uint32_t capacity;
	uint32_t runs;
	uint32_t room;
	struct run *run;
	uint32_t *of_block;
	uint32_t *by_address;
	uint32_t *granule;
	uintptr_t lowest;
	uint32_t granules;
	uint32_t granule_shift;
	uint32_t stale;
	rte_spinlock_t lock;
};

/** objects_init() - none yet. @stride: a multiple of 8. Return: 0 or -ENOMEM. */
int objects_init(struct objects *objects, uint32_t stride, uint32_t capacity, int socket);

void objects_free(struct objects *objects);

/**
 * objects_add() - objects in a chunk.
 * @from: the first place where one may be. @to: where the last one must have ended, the header of
 *	the next one included.
 * @most: no more than these.
 * @first: receives the address of the first one.
 * @number: receives its number.
 *
 * Return: how many, behind each other and with numbers that follow each other; or -ENOMEM: no
 * memory for the tables, or no number is left.
 */
int objects_add(struct objects *objects, uintptr_t from, uintptr_t to, uint32_t most,
		uintptr_t *first, uint32_t *number);

/** objects_settle() - make the tables anew if need be. Return: 0 or -ENOMEM. */
int objects_settle(struct objects *objects);

/** objects_find() - the run that an address may be in, or NULL. */
const struct run *objects_find(const struct objects *objects, uintptr_t address);

/** run_place() - an object's place in a run; NO_NUMBER if it is none of the run's. */
static inline uint32_t run_place(const struct objects *o, const struct run *r, uintptr_t address)
{
	uint64_t distance = address - r->base;
	uint32_t place = (uint32_t)(distance >> o->shift) * o->inverse;

	return likely(place < r->count && (uint64_t)place * o->stride == distance) ? place
										   : NO_NUMBER;
}

/** objects_number() - an object's number, or NO_NUMBER. @near: the run of the one before, or NULL;
 * receives this one's. */
static inline uint32_t objects_number(const struct objects *o, const struct run **near,
				      const void *object)
{
	uintptr_t address = (uintptr_t)object;
	uint32_t place = *near ? run_place(o, *near, address) : NO_NUMBER;

	if (unlikely(place == NO_NUMBER)) {
		*near = objects_find(o, address);
		place = *near ? run_place(o, *near, address) : NO_NUMBER;
	}
	return likely(place != NO_NUMBER) ? (*near)->first + place : NO_NUMBER;
}

/** objects_at() - the object of a number below @count. @near: as above. */
static inline void *objects_at(const struct objects *o, const struct run **near, uint32_t number)
{
	const struct run *r = *near;

	if (unlikely(r == NULL || number - r->first >= r->count)) {
		r = &o->run[o->of_block[number >> 5]];
		while (number - r->first >= r->count)
			r++;
		*near = r;
	}
	return (void *)(r->base + (uintptr_t)(number - r->first) * o->stride);
}

#endif
