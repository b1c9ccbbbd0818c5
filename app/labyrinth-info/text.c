/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The page of text.
 */
#include <inttypes.h>

#include "info.h"

#define COLUMNS 64u
#define ROWS    32u

static char letter(const struct cell *cell)
{
	static const char all[STATES] = {'.', 'C', 'H', 'L', 'R'},
			  some[STATES] = {'.', 'c', 'h', 'l', 'r'};
	enum state state = cell_state(cell);

	return cell->count[state] == cell_frames(cell) ? all[state] : some[state];
}

static void write_map(FILE *out, const struct map *map)
{
	fprintf(out,
		"  map: a letter for %" PRIu64 " frame%s. H held, L lent, C in a cache, R retired; "
		"small: some of them; . in the depot\n",
		map->per, map->per == 1 ? "" : "s");
	for (unsigned i = 0; i < map->cells; i += COLUMNS) {
		fprintf(out, "  %10" PRIu64 "  ", i * map->per);
		for (unsigned k = i; k < i + COLUMNS && k < map->cells; k++)
			fputc(letter(&map->cell[k]), out);
		fputc('\n', out);
	}
}

int text_write(FILE *out, const struct lab_pool *pool)
{
	struct lab_depot_stats depot;
	struct map map;
	int err = lab_pool_report(pool, out, LAB_REPORT_TEXT);

	if (err)
		return err;
	lab_pool_depot_stats(pool, &depot);
	fprintf(out,
		"  depot: %u magazines for %u frames each: %u full of blocks, %u full of loose "
		"frames, "
		"%u and %u partly, %u empty, %u in the hands of lcores; %u of %u bundles in use\n",
		depot.magazines, depot.capacity, depot.blocks, depot.loose, depot.blocks_partial,
		depot.loose_partial, depot.empty, depot.in_hands, depot.bundles_used,
		depot.bundles);
	err = map_make(&map, pool, COLUMNS * ROWS);
	if (!err)
		write_map(out, &map);
	map_free(&map);
	return err;
}
