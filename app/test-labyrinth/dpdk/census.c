/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Counting objects.
 */
#include <stdlib.h>

#include <rte_mempool.h>

#include "../net/tap.h"
#include "census.h"

struct entry {
	void *object;
	unsigned seen;
};

static void list(struct rte_mempool *mp, void *entries, void *object, unsigned i)
{
	((struct entry *)entries)[i].object = object;
}

static int compare(const void *one, const void *other)
{
	uintptr_t a = (uintptr_t)((const struct entry *)one)->object;
	uintptr_t b = (uintptr_t)((const struct entry *)other)->object;

	return a < b ? -1 : a > b;
}

static void count(struct rte_mempool *mp, const struct entry *entry, struct census *c)
{
	c->once += entry->seen == 1;
	c->twice += entry->seen > 1;
	c->missing += entry->seen == 0;
	if (entry->seen)
		rte_mempool_put(mp, entry->object);
}

struct census census_take(struct rte_mempool *mp)
{
	struct census c = {.all = mp->populated_size};
	struct entry *entries = calloc(c.all, sizeof(*entries)), key = {NULL, 0}, *entry;
	/* more than there are come out where some are listed twice, but not without end */
	unsigned most = 2 * c.all + 64;

	if (!entries)
		abort();
	rte_mempool_obj_iter(mp, list, entries);
	qsort(entries, c.all, sizeof(*entries), compare);
	while (most-- && rte_mempool_get(mp, &key.object) == 0) {
		entry = bsearch(&key, entries, c.all, sizeof(*entries), compare);
		if (entry)
			entry->seen++;
		else
			c.strangers++;
	}
	for (unsigned i = 0; i < c.all; i++)
		count(mp, &entries[i], &c);
	free(entries);
	return c;
}

bool census_whole(struct rte_mempool *mp)
{
	struct census c = census_take(mp);

	if (c.once == c.all && !c.strangers)
		return true;
	tap_note("of %u objects %u came out once, %u more often, %u not; and %u that are none",
		 c.all, c.once, c.twice, c.missing, c.strangers);
	return false;
}
