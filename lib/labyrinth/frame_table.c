/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Counting states.
 */
#include "frame_table.h"
#include "bundle.h"

void lab_frame_table_count(const struct lab_pool *pool, struct lab_pool_stats *census)
{
	uint64_t by_state[256] = {0};

	for (uint64_t i = 0; i < pool->frames; i++)
		by_state[lab_frame_state(pool, i)]++;
	census->total = pool->frames;
	census->free = by_state[LAB_STATE_DEPOT];
	census->retired = by_state[LAB_STATE_RETIRED];
	census->cached = census->held = census->lent = 0;
	for (unsigned s = 1; s < LAB_STATE_RETIRED; s++) {
		if (lab_state_is_free((uint8_t)s))
			census->free += by_state[s];
		else if (lab_state_is_held((uint8_t)s))
			census->held += by_state[s];
		else
			census->lent += by_state[s];
	}
}

uint64_t lab_frame_table_count_state(const uint8_t *state, uint64_t frames, uint8_t wanted)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < frames; i++)
		count += lab_get(&state[i]) == wanted;
	return count;
}
