/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool's frames in cells: how many of each cell's are in which state, and whose most of them are.
 */
#ifndef MAP_H
#define MAP_H

#include <labyrinth/labyrinth.h>

enum state { STATE_DEPOT, STATE_CACHED, STATE_HELD, STATE_LENT, STATE_RETIRED, STATES };

/**
 * struct cell - some frames, one behind the other.
 * @count: of them, by state.
 * @holder: the index of the owner in map.holder that has most of
 *	those in the state that the cell is shown by, or -1.
 */
struct cell {
	uint32_t count[STATES];
	int holder;
};

/**
 * struct map - of a whole pool.
 * @per: frames of a cell; the last one may have fewer.
 */
struct map {
	uint64_t frames, per;
	unsigned cells;
	struct cell *cell;
	struct lab_holder holder[LAB_HOLDERS_MAX];
	int holders;
};

/** map_make() - at most @most cells. Return: 0, or -errno with the library's sentence. */
int map_make(struct map *map, const struct lab_pool *pool, unsigned most);

void map_free(struct map *map);

/** cell_state() - the state to show a cell by: lent before held before cached. */
enum state cell_state(const struct cell *cell);

/** cell_frames() - how many it has. */
uint32_t cell_frames(const struct cell *cell);

#endif
