/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The page with the picture: an SVG inside HTML, without a script and without anything to load.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "info.h"

#define COLUMNS 128u
#define CELLS   (COLUMNS * 128u)
#define SIZE    8u /* of a cell, in pixels */

static const char *const state_name[STATES] = {"in the depot", "in a cache", "held", "lent",
					       "retired"};

/* Names come out of tables that other processes write. */
static void escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<' || *text == '>' || *text == '&' || *text == '"')
			fprintf(out, "&#%d;", *text);
		else
			fputc((unsigned char)*text < 0x20 ? '?' : *text, out);
	}
}

/* Owners are spread over the circle of hues; cached is paler than held, lent darker. */
static void colour(FILE *out, enum state state, int holder)
{
	int hue = holder < 0 ? 0 : (holder * 137 + 210) % 360;

	switch (state) {
	case STATE_DEPOT:
		fprintf(out, "#e8e8e8");
		break;
	case STATE_CACHED:
		fprintf(out, holder < 0 ? "#b8c4ce" : "hsl(%d,35%%,80%%)", hue);
		break;
	case STATE_HELD:
		fprintf(out, "hsl(%d,70%%,55%%)", hue);
		break;
	case STATE_LENT:
		fprintf(out, "hsl(%d,80%%,30%%)", hue);
		break;
	default:
		fprintf(out, "#000");
	}
}

static void title(FILE *out, const struct map *map, unsigned first, unsigned last)
{
	const struct cell *cell = &map->cell[first];
	uint64_t end = (uint64_t)(last + 1) * map->per;

	fprintf(out, "<title>frames %" PRIu64 "-%" PRIu64 ": %s", first * map->per,
		(end < map->frames ? end : map->frames) - 1, state_name[cell_state(cell)]);
	if (cell->holder >= 0) {
		fprintf(out, ", ");
		escaped(out, map->holder[cell->holder].name);
	}
	fprintf(out, "</title>");
}

static int same(const struct cell *a, const struct cell *b)
{
	return cell_state(a) == cell_state(b) && a->holder == b->holder &&
	       (a->count[cell_state(a)] == cell_frames(a)) ==
		       (b->count[cell_state(b)] == cell_frames(b));
}

/* Cells of one row that look the same are one rectangle. */
static void picture(FILE *out, const struct map *map)
{
	unsigned rows = (map->cells + COLUMNS - 1) / COLUMNS;

	fprintf(out,
		"<svg viewBox=\"0 0 %u %u\" width=\"%u\" height=\"%u\" "
		"shape-rendering=\"crispEdges\">\n",
		COLUMNS * SIZE, rows * SIZE, COLUMNS * SIZE, rows * SIZE);
	for (unsigned i = 0, n; i < map->cells; i += n) {
		const struct cell *cell = &map->cell[i];
		enum state state = cell_state(cell);

		for (n = 1; i + n < map->cells && (i + n) % COLUMNS && same(cell, cell + n); n++)
			;
		fprintf(out, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"",
			i % COLUMNS * SIZE, i / COLUMNS * SIZE, n * SIZE - 1, SIZE - 1);
		colour(out, state, cell->holder);
		fprintf(out, "\"%s>",
			cell->count[state] == cell_frames(cell) ? "" : " opacity=\"0.6\"");
		title(out, map, i, i + n - 1);
		fprintf(out, "</rect>\n");
	}
	fprintf(out, "</svg>\n");
}

static void legend_line(FILE *out, enum state state, int holder, const char *what, uint64_t frames)
{
	fprintf(out, "<tr><td><span style=\"background:");
	colour(out, state, holder);
	fprintf(out, "\"></span></td><td>");
	escaped(out, what);
	fprintf(out, "</td><td>%" PRIu64 "</td></tr>\n", frames);
}

static void legend(FILE *out, const struct map *map, const struct lab_pool_stats *stats)
{
	char what[160];

	fprintf(out, "<table><tr><th></th><th>state and owner</th><th>frames</th></tr>\n");
	legend_line(out, STATE_DEPOT, -1, "free, in the depot", stats->free);
	legend_line(out, STATE_RETIRED, -1, "retired", stats->retired);
	legend_line(out, STATE_CACHED, -1, "free, in the caches of lcores", stats->cached);
	for (int i = 0; i < map->holders; i++) {
		const struct lab_holder *h = &map->holder[i];

		if (h->owner.kind == LAB_OWNER_PROCESS) {
			snprintf(what, sizeof(what), "held by process %u (%s)%s", h->pid, h->name,
				 h->active ? "" : ", which is gone");
			legend_line(out, STATE_HELD, i, what, h->held);
			snprintf(what, sizeof(what),
				 "of the free ones, in the caches of process %u (%s)", h->pid,
				 h->name);
			legend_line(out, STATE_CACHED, i, what, h->cached);
		} else if (h->owner.kind == LAB_OWNER_DEVICE) {
			int n = snprintf(what, sizeof(what), "lent to device %u (%s)%s",
					 h->owner.id, h->name, h->active ? "" : ", in quarantine");

			if (h->receiving || h->sending)
				snprintf(what + n, sizeof(what) - (size_t)n,
					 ": %" PRIu64 " to receive into, %" PRIu64 " to send",
					 h->receiving, h->sending);
			legend_line(out, STATE_LENT, i, what, h->lent);
		} else {
			snprintf(what, sizeof(what),
				 "lcore %u (%s): %" PRIu64 " held, %" PRIu64 " cached", h->owner.id,
				 h->name, h->held, h->cached);
			fprintf(out, "<tr class=\"lcore\"><td></td><td colspan=\"2\">");
			escaped(out, what);
			fprintf(out, "</td></tr>\n");
		}
	}
	fprintf(out, "<tr><td></td><td>all</td><td>%" PRIu64 "</td></tr></table>\n", stats->total);
}

int html_write(FILE *out, const struct lab_pool *pool)
{
	struct lab_pool_stats stats;
	struct map map;
	char date[32];
	time_t now = time(NULL);
	struct tm tm;
	int err = map_make(&map, pool, CELLS);

	if (err) {
		map_free(&map);
		return err;
	}
	lab_pool_stats(pool, &stats);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
	fprintf(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta "
		     "charset=\"utf-8\"><title>Labyrinth: ");
	escaped(out, lab_pool_name(pool));
	fprintf(out,
		"</title>\n<style>body{font:14px sans-serif;margin:2em;max-width:1060px}"
		"svg{max-width:100%%;height:auto}td,th{padding:2px 10px;text-align:left}"
		"td:last-child{text-align:right}.lcore td{color:#555;text-align:left}"
		"span{display:inline-block;width:14px;height:14px}</style></head><body>\n<h1>");
	escaped(out, lab_pool_name(pool));
	fprintf(out,
		"</h1>\n<p>%" PRIu64 " frames of %u bytes at %s. A cell is %" PRIu64
		" frame%s, the first at the upper left, %u in a row; a pale one has others in it, "
		"too. Point at a cell to read what it is.</p>\n",
		stats.total, LAB_FRAME_SIZE, date, map.per, map.per == 1 ? "" : "s", COLUMNS);
	picture(out, &map);
	legend(out, &map, &stats);
	fprintf(out, "</body></html>\n");
	map_free(&map);
	return 0;
}
