/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Runs, and the tables that lead to them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "objects.h"

/* Pieces that the addresses are divided into: of 2 MiB, as hugepages are, unless there would be too
 * many of them. */
#define GRANULE_SHIFT 21
#define GRANULES_MAX  (1u << 16)

/* Modulo 2^32, of an odd number: each step doubles the bits that are right. */
static uint32_t invert(uint32_t odd)
{
	uint32_t inverse = odd;

	for (unsigned i = 0; i < 4; i++)
		inverse *= 2 - odd * inverse;
	return inverse;
}

int objects_init(struct objects *o, uint32_t stride, uint32_t capacity, int socket)
{
	memset(o, 0, sizeof(*o));
	o->stride = stride;
	o->shift = (uint32_t)__builtin_ctz(stride);
	o->inverse = invert(stride >> o->shift);
	o->capacity = capacity;
	o->of_block = rte_zmalloc_socket("labyrinth", (capacity / 32 + 1) * sizeof(*o->of_block), 0,
					 socket);
	return o->of_block ? 0 : -ENOMEM;
}

void objects_free(struct objects *o)
{
	rte_free(o->run);
	rte_free(o->of_block);
	rte_free(o->by_address);
	rte_free(o->granule);
	memset(o, 0, sizeof(*o));
}

static uintptr_t end_of(const struct objects *o, const struct run *r)
{
	return r->base + (uintptr_t)r->count * o->stride;
}

static int make_room(struct objects *o)
{
	uint32_t room = o->room ? 2 * o->room : 64;
	struct run *run;

	if (o->runs < o->room)
		return 0;
	run = rte_realloc(o->run, room * sizeof(*run), 0);
	if (!run)
		return -ENOMEM;
	o->run = run;
	o->room = room;
	return 0;
}

/* How many places the last run leaves out if it goes on from @from: the one across the border, if
 * any. NO_NUMBER if it cannot: whatever has room for an object in between may yet become a chunk.
 */
static uint32_t gap_to(const struct objects *o, uintptr_t from)
{
	const struct run *last = o->runs ? &o->run[o->runs - 1] : NULL;

	if (!last || from < end_of(o, last) || from - end_of(o, last) >= o->stride)
		return NO_NUMBER;
	return from != end_of(o, last);
}

static int begin_run(struct objects *o, uintptr_t base)
{
	if (make_room(o))
		return -ENOMEM;
	o->run[o->runs++] = (struct run){.base = base, .first = o->count, .count = 0};
	return 0;
}

static uint32_t fitting(const struct objects *o, uintptr_t from, uintptr_t to, uint32_t most)
{
	return from < to ? (uint32_t)RTE_MIN((to - from) / o->stride, (uint64_t)most) : 0;
}

/* The last run goes on behind a gap. */
static int extend(struct objects *o, uint32_t gap, uint32_t n, uintptr_t *first, uint32_t *number)
{
	struct run *run = &o->run[o->runs - 1];

	*number = o->count + gap;
	*first = end_of(o, run) + (uintptr_t)gap * o->stride;
	run->count += gap + n;
	o->count += gap + n;
	o->only.count = 0;
	/* Release: who finds it stale finds the run. */
	__atomic_store_n(&o->stale, 1, __ATOMIC_RELEASE);
	return (int)n;
}

/* Whether it is worth leaving out what lies across a border, for one run instead of two. */
static int is_worth(uint32_t on_grid, uint32_t otherwise)
{
	return on_grid == otherwise || on_grid >= 16;
}

int objects_add(struct objects *o, uintptr_t from, uintptr_t to, uint32_t most, uintptr_t *first,
		uint32_t *number)
{
	uint32_t room = o->capacity - o->count, gap = gap_to(o, from), n;
	uint32_t all = fitting(o, from, to, most);

	if (all == 0)
		return 0;
	if (gap != NO_NUMBER) {
		n = fitting(o, end_of(o, &o->run[o->runs - 1]) + (uintptr_t)gap * o->stride, to,
			    most);
		/* What is still to come must find numbers, too. */
		if (is_worth(n, all) && gap + most <= room)
			return extend(o, gap, n, first, number);
	}
	if (all > room || begin_run(o, from))
		return -ENOMEM;
	return extend(o, 0, all, first, number);
}

static void list_by_number(struct objects *o)
{
	uint32_t run = 0;

	for (uint32_t number = 0; number < o->count; number += 32) {
		while (number - o->run[run].first >= o->run[run].count)
			run++;
		o->of_block[number / 32] = run;
	}
}

static int compare_bases(const void *one, const void *other, void *runs)
{
	const struct run *run = runs;
	uintptr_t a = run[*(const uint32_t *)one].base, b = run[*(const uint32_t *)other].base;

	return a < b ? -1 : a > b;
}

static int list_by_address(struct objects *o)
{
	rte_free(o->by_address);
	o->by_address = rte_malloc("labyrinth", o->runs * sizeof(*o->by_address), 0);
	if (!o->by_address)
		return -ENOMEM;
	for (uint32_t i = 0; i < o->runs; i++)
		o->by_address[i] = i;
	qsort_r(o->by_address, o->runs, sizeof(*o->by_address), compare_bases, o->run);
	return 0;
}

static int list_granules(struct objects *o)
{
	uintptr_t span;
	uint32_t next = 0;

	o->lowest = o->run[o->by_address[0]].base;
	span = end_of(o, &o->run[o->by_address[o->runs - 1]]) - o->lowest;
	o->granule_shift = GRANULE_SHIFT;
	while (span >> o->granule_shift >= GRANULES_MAX)
		o->granule_shift++;
	o->granules = (uint32_t)(span >> o->granule_shift) + 1;
	rte_free(o->granule);
	o->granule = rte_malloc("labyrinth", (o->granules + 1) * sizeof(*o->granule), 0);
	if (!o->granule)
		return -ENOMEM;
	for (uint32_t g = 0; g <= o->granules; g++) {
		uintptr_t start = o->lowest + ((uintptr_t)g << o->granule_shift);

		while (next < o->runs && end_of(o, &o->run[o->by_address[next]]) <= start)
			next++;
		o->granule[g] = next;
	}
	return 0;
}

int objects_settle(struct objects *o)
{
	int err = 0;

	rte_spinlock_lock(&o->lock);
	if (o->stale && o->runs) {
		list_by_number(o);
		err = list_by_address(o);
		if (!err)
			err = list_granules(o);
		/* Release: who finds them in order, or the only run's length, finds the rest. */
		if (!err)
			__atomic_store_n(&o->stale, 0, __ATOMIC_RELEASE);
		o->only.base = o->run[0].base;
		if (!err && o->runs == 1)
			__atomic_store_n(&o->only.count, o->run[0].count, __ATOMIC_RELEASE);
	}
	rte_spinlock_unlock(&o->lock);
	return err;
}

const struct run *objects_find(const struct objects *o, uintptr_t address)
{
	uint64_t g = (uint64_t)(address - o->lowest) >> o->granule_shift;
	uint32_t low, high;

	if (g >= o->granules)
		return NULL;
	/* The last one that begins at the address or before it, of those that reach into its piece.
	 */
	low = o->granule[g];
	high = RTE_MIN(o->granule[g + 1] + 1, o->runs);
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (o->run[o->by_address[middle]].base <= address)
			low = middle;
		else
			high = middle;
	}
	return low < o->runs ? &o->run[o->by_address[low]] : NULL;
}
