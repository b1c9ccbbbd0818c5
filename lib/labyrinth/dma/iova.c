/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * IOVA allocator: two sorted arrays, what can be used and what is taken; the lowest hole that fits.
 * A domain has some tens of entries (one a pool, one a run), so arrays beat trees.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iova.h"

static int insert(struct lab_iova_list *list, unsigned at, struct lab_iova_range range)
{
	if (list->count == list->room) {
		unsigned room = list->room ? 2 * list->room : 16;
		struct lab_iova_range *more = realloc(list->range, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		list->range = more;
		list->room = room;
	}
	memmove(&list->range[at + 1], &list->range[at], (list->count - at) * sizeof(range));
	list->range[at] = range;
	list->count++;
	return 0;
}

static int by_first(const void *a, const void *b)
{
	const struct lab_iova_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Sorts @list and joins ranges that touch. */
static void normalise(struct lab_iova_list *list)
{
	unsigned n = 0;

	if (!list->count)
		return;
	qsort(list->range, list->count, sizeof(*list->range), by_first);
	for (unsigned i = 1; i < list->count; i++) {
		struct lab_iova_range *last = &list->range[n], next = list->range[i];

		if (last->last == UINT64_MAX || next.first <= last->last + 1) {
			if (next.last > last->last)
				last->last = next.last;
		} else {
			list->range[++n] = next;
		}
	}
	list->count = n + 1;
}

static int inside(const struct lab_iova_list *list, struct lab_iova_range r)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (r.first >= list->range[i].first && r.last <= list->range[i].last)
			return 1;
	}
	return 0;
}

int lab_iova_limit(struct lab_iova_space *space, const struct lab_iova_range *range, unsigned count,
		   unsigned bits, uint64_t page)
{
	uint64_t top = bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
	struct lab_iova_list usable = {0};
	int err = 0;

	for (unsigned i = 0; i < count && !err; i++) {
		struct lab_iova_range r = range[i];
		uint64_t end;

		if (r.first < LAB_IOVA_MIN)
			r.first = LAB_IOVA_MIN;
		if (r.last > top)
			r.last = top;
		/* Whole pages only; @end is the first address behind the last one, 0 for 2^64. */
		if (r.first + page - 1 < r.first)
			continue;
		r.first = (r.first + page - 1) & ~(page - 1);
		end = (r.last + 1) & ~(page - 1);
		if (r.last < r.first || (end != 0 && end <= r.first))
			continue;
		r.last = end - 1;
		err = insert(&usable, usable.count, r);
	}
	normalise(&usable);
	if (!err && !usable.count)
		err = -EINVAL;
	for (unsigned i = 0; i < space->taken.count && !err; i++) {
		if (!inside(&usable, space->taken.range[i]))
			err = -EADDRINUSE;
	}
	if (err) {
		free(usable.range);
		return err;
	}
	free(space->usable.range);
	space->usable = usable;
	space->page = page;
	return 0;
}

/* 1 and *@at set, if @bytes fit between @from and @last; overflow counts as not fitting. */
static int fits(uint64_t from, uint64_t last, uint64_t bytes, uint64_t align, uint64_t *at)
{
	uint64_t first = (from + align - 1) & ~(align - 1);

	if (first < from || first > last || bytes - 1 > last - first)
		return 0;
	*at = first;
	return 1;
}

int lab_iova_take(struct lab_iova_space *space, uint64_t bytes, uint64_t align, uint64_t *iova)
{
	const struct lab_iova_list *taken = &space->taken;
	uint64_t page = space->page;
	unsigned next = 0; /* the first taken range that does not lie below the hole */

	if (!bytes || bytes + page - 1 < bytes)
		return -ENOSPC;
	bytes = (bytes + page - 1) & ~(page - 1);
	if (align < page)
		align = page;
	for (unsigned u = 0; u < space->usable.count; u++) {
		uint64_t from = space->usable.range[u].first, end = space->usable.range[u].last;

		for (;;) {
			int blocked = next < taken->count && taken->range[next].first <= end;
			uint64_t last = blocked ? taken->range[next].first - 1 : end;

			/* A hole of no length gives last = from - 1, which fits nothing. */
			if (last >= from && fits(from, last, bytes, align, iova)) {
				struct lab_iova_range r = {*iova, *iova + bytes - 1};

				return insert(&space->taken, next, r);
			}
			if (!blocked || taken->range[next].last >= end)
				break;
			from = taken->range[next++].last + 1;
		}
		/* The last one may reach to the end of this range, and is below the next one. */
		while (next < taken->count && taken->range[next].last <= end)
			next++;
	}
	return -ENOSPC;
}

int lab_iova_give(struct lab_iova_space *space, uint64_t iova)
{
	struct lab_iova_range key = {iova, iova};
	struct lab_iova_range *found;
	unsigned at;

	if (!space->taken.count)
		return -ENOENT;
	found = bsearch(&key, space->taken.range, space->taken.count, sizeof(key), by_first);
	if (!found)
		return -ENOENT;
	at = (unsigned)(found - space->taken.range);
	memmove(found, found + 1, (space->taken.count - at - 1) * sizeof(*found));
	space->taken.count--;
	return 0;
}

/* 1 if @bytes fit beside what @space has taken, with addresses of @bits. */
static int would_fit(const struct lab_iova_space *space, const struct lab_iova_range *range,
		     unsigned count, unsigned bits, uint64_t page, uint64_t bytes, uint64_t align)
{
	struct lab_iova_space trial = {0};
	uint64_t iova;
	int err = lab_iova_limit(&trial, range, count, bits, page);

	for (unsigned i = 0; i < space->taken.count && !err; i++)
		err = insert(&trial.taken, i, space->taken.range[i]);
	if (!err)
		err = lab_iova_take(&trial, bytes, align, &iova);
	lab_iova_fini(&trial);
	return !err;
}

unsigned lab_iova_bits(const struct lab_iova_space *space, const struct lab_iova_range *range,
		       unsigned count, uint64_t page, uint64_t bytes, uint64_t align)
{
	for (unsigned bits = 12; bits <= 64; bits++) {
		if (would_fit(space, range, count, bits, page, bytes, align))
			return bits;
	}
	return 0;
}

uint64_t lab_iova_last(const struct lab_iova_space *space)
{
	return space->usable.count ? space->usable.range[space->usable.count - 1].last : 0;
}

void lab_iova_fini(struct lab_iova_space *space)
{
	free(space->usable.range);
	free(space->taken.range);
	memset(space, 0, sizeof(*space));
}
