/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The table of this process's pools. An entry is written by its one owner between claim and
 * publish, and stays in place after release; a reader that races with a destruction at worst names
 * a pool that is just going.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "place.h"

#define FREE    0
#define FILLING 1 /* claimed, not yet published; no mapping lies at address 1 */

static struct place {
	uintptr_t base; /* FREE, FILLING, or where the frames begin */
	uint64_t bytes;
	char name[LAB_NAME_MAX];
} place[LAB_MAX_POOLS];

static unsigned pools_ever;

int lab_place_claim(const char *wanted, char name[LAB_NAME_MAX])
{
	for (int id = 0; id < LAB_MAX_POOLS; id++) {
		uintptr_t expected = FREE;

		/* Acquire: after the release of the entry's previous pool. */
		if (!__atomic_compare_exchange_n(&place[id].base, &expected, FILLING, 0,
						 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		/* Relaxed: a counter that only makes names differ. */
		unsigned n = __atomic_add_fetch(&pools_ever, 1, __ATOMIC_RELAXED);

		if (wanted && *wanted)
			snprintf(name, LAB_NAME_MAX, "%s", wanted);
		else
			snprintf(name, LAB_NAME_MAX, "pool-%u", n);
		memcpy(place[id].name, name, LAB_NAME_MAX);
		return id;
	}
	return lab_fail(ENOSPC,
			"this process has %d pools already, the most it can have: destroy one",
			LAB_MAX_POOLS);
}

void lab_place_publish(int id, const void *base, uint64_t bytes)
{
	place[id].bytes = bytes;
	/* Release: whoever finds the base finds length and name. */
	__atomic_store_n(&place[id].base, (uintptr_t)base, __ATOMIC_RELEASE);
}

void lab_place_release(int id)
{
	__atomic_store_n(&place[id].base, FREE, __ATOMIC_RELEASE);
}

int lab_place_of(const void *addr, char name[LAB_NAME_MAX], uint32_t *frame)
{
	for (int id = 0; id < LAB_MAX_POOLS; id++) {
		uintptr_t base = __atomic_load_n(&place[id].base, __ATOMIC_ACQUIRE);

		if (base <= FILLING || (uintptr_t)addr - base >= place[id].bytes)
			continue;
		memcpy(name, place[id].name, LAB_NAME_MAX);
		*frame = (uint32_t)(((uintptr_t)addr - base) >> LAB_FRAME_SHIFT);
		return 1;
	}
	return 0;
}
