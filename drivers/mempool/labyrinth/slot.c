/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The table of slots, in a memzone that whichever process comes first makes.
 */
#include <rte_memzone.h>

#include "slot.h"

#define SLOTS_ZONE "labyrinth_slots"

static uint32_t *table(void)
{
	const struct rte_memzone *zone = rte_memzone_lookup(SLOTS_ZONE);

	if (!zone)
		zone = rte_memzone_reserve(SLOTS_ZONE, SLOTS * sizeof(uint32_t), SOCKET_ID_ANY, 0);
	if (!zone) /* another process was faster */
		zone = rte_memzone_lookup(SLOTS_ZONE);
	return zone ? zone->addr : NULL;
}

int slot_take(void)
{
	uint32_t *taken = table();

	for (int i = 0; taken && i < SLOTS; i++) {
		uint32_t expected = 0;

		/* Acquire: see the slot as its last owner left it. */
		if (__atomic_compare_exchange_n(&taken[i], &expected, 1, 0, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return i;
	}
	return -1;
}

void slot_give(uint32_t slot)
{
	uint32_t *taken = table();

	/* Release: see slot_take(). */
	if (taken)
		__atomic_store_n(&taken[slot], 0, __ATOMIC_RELEASE);
}
