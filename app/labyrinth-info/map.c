/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The survey of the frames. The pool is in use meanwhile: each frame is as it was when it was
 * looked at.
 */
#include "map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static enum state state_of(const struct lab_pool *pool, uint32_t frame, struct lab_owner *owner)
{
	uint8_t byte = __atomic_load_n(&pool->state[frame], __ATOMIC_RELAXED);

	*owner = lab_frame_owner(pool, frame);
	if (owner->kind == LAB_OWNER_DEVICE)
		return STATE_LENT;
	if (owner->kind != LAB_OWNER_NONE)
		return STATE_HELD;
	if (byte == LAB_STATE_RETIRED)
		return STATE_RETIRED;
	/* A cache may have frames that still say "depot", see the guide. */
	if (byte == LAB_STATE_DEPOT)
		return STATE_DEPOT;
	/* Of one in a bundle the byte does not say whose cache it is in. */
	if (byte <= LAB_MAX_LCORES)
		*owner = lab_owner_lcore(byte);
	return STATE_CACHED;
}

/* The holder of an owner: of an lcore its process, so that a process has one colour. */
static int holder_of(const struct map *map, struct lab_owner owner)
{
	uint32_t process = owner.kind == LAB_OWNER_PROCESS ? owner.id : 0;

	for (int i = 0; i < map->holders && owner.kind == LAB_OWNER_LCORE; i++) {
		if (map->holder[i].owner.kind == LAB_OWNER_LCORE &&
		    map->holder[i].owner.id == owner.id)
			process = map->holder[i].process;
	}
	for (int i = 0; i < map->holders; i++) {
		const struct lab_owner *other = &map->holder[i].owner;

		if ((owner.kind == LAB_OWNER_DEVICE && other->kind == LAB_OWNER_DEVICE &&
		     other->id == owner.id) ||
		    (process && other->kind == LAB_OWNER_PROCESS && other->id == process))
			return i;
	}
	return -1;
}

static void survey(struct map *map, const struct lab_pool *pool, struct cell *cell, uint64_t first)
{
	uint32_t votes[STATES][LAB_HOLDERS_MAX] = {{0}}, most = 0;

	for (uint64_t f = first; f < first + map->per && f < map->frames; f++) {
		struct lab_owner owner;
		enum state state = state_of(pool, (uint32_t)f, &owner);
		int holder = holder_of(map, owner);

		cell->count[state]++;
		if (holder >= 0)
			votes[state][holder]++;
	}
	/* Whose most of those are by whose state the cell is shown. */
	cell->holder = -1;
	for (int i = 0; i < map->holders; i++) {
		if (votes[cell_state(cell)][i] > most) {
			most = votes[cell_state(cell)][i];
			cell->holder = i;
		}
	}
}

int map_make(struct map *map, const struct lab_pool *pool, unsigned most)
{
	memset(map, 0, sizeof(*map));
	map->frames = lab_pool_frames(pool);
	map->per = 1;
	while (map->frames > map->per * most)
		map->per *= 2;
	map->cells = (unsigned)((map->frames + map->per - 1) / map->per);
	map->holders = lab_pool_holders(pool, map->holder, LAB_HOLDERS_MAX);
	if (map->holders < 0)
		return map->holders;
	map->cell = calloc(map->cells, sizeof(*map->cell));
	if (!map->cell)
		return -ENOMEM;
	for (unsigned i = 0; i < map->cells; i++)
		survey(map, pool, &map->cell[i], i * map->per);
	return 0;
}

void map_free(struct map *map)
{
	free(map->cell);
	map->cell = NULL;
}

enum state cell_state(const struct cell *cell)
{
	static const enum state order[] = {STATE_LENT, STATE_HELD, STATE_RETIRED, STATE_CACHED};

	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (cell->count[order[i]])
			return order[i];
	}
	return STATE_DEPOT;
}

uint32_t cell_frames(const struct cell *cell)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < STATES; i++)
		n += cell->count[i];
	return n;
}
