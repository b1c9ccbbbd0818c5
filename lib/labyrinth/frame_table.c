/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Counting states.
 */
#include "frame_table.h"

uint64_t lab_frame_table_count_state(const uint8_t *state, uint64_t frames, uint8_t wanted)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < frames; i++)
		count += lab_load(&state[i]) == wanted;
	return count;
}
