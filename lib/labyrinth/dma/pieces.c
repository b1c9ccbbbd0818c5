/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool that breathes in a domain: each hugepage is a mapping of its own, inside one range of
 * addresses that is set aside for all of them.
 */
#include <stdio.h>

#include "breath.h"
#include "error.h"
#include "pieces.h"
#include "pool.h"
#include "space.h"

/* @most: of so many pieces; @done: so many are. */
struct pieces {
	struct lab_domain_priv *d;
	const struct lab_domain_map *map;
	const char *what;
	uint64_t done, most;
};

static struct lab_mapping piece_of(const struct lab_domain_map *map, size_t at, size_t bytes)
{
	return (struct lab_mapping){.addr = (char *)map->at.addr + at,
				    .iova = map->at.iova + at,
				    .bytes = bytes,
				    .access = map->at.access};
}

static int map_piece(void *arg, size_t at, size_t bytes)
{
	struct pieces *p = arg;
	struct lab_mapping m = piece_of(p->map, at, bytes);
	int err = p->done < p->most ? lab_space_map(p->d, &m, p->what, NULL, 0, NULL,
						    &p->map->pool->priv->faults)
				    : 0;

	p->done += !err;
	return err;
}

static int unmap_piece(void *arg, size_t at, size_t bytes)
{
	struct pieces *p = arg;
	struct lab_mapping m = piece_of(p->map, at, bytes);
	int err = p->done < p->most ? lab_space_unmap(p->d, &m, p->what) : 0;

	p->done += !err;
	return err;
}

typedef int piece_fn(void *arg, size_t at, size_t bytes);

/* All pieces, or none: what was done is undone. The sentence is that of what failed. */
static int all_pieces(struct lab_domain_priv *d, const struct lab_domain_map *map, const char *what,
		      piece_fn *to_do, piece_fn *undo)
{
	struct pieces p = {.d = d, .map = map, .what = what, .most = UINT64_MAX};
	struct pieces back = p;
	char text[LAB_ERROR_TEXT_MAX];
	int err = lab_breath_each(map->pool, to_do, &p);

	if (!err)
		return 0;
	snprintf(text, sizeof(text), "%s", lab_error_text());
	back.most = p.done;
	lab_breath_each(map->pool, undo, &back);
	return lab_fail(-err, "%s", text);
}

int lab_pieces_map(struct lab_domain_priv *d, const struct lab_domain_map *map, const char *what)
{
	return all_pieces(d, map, what, map_piece, unmap_piece);
}

int lab_pieces_unmap(struct lab_domain_priv *d, const struct lab_domain_map *map, const char *what)
{
	return all_pieces(d, map, what, unmap_piece, map_piece);
}

/* ---- when a hugepage comes or goes ---- */

/* The same for one piece, in all domains that map its pool. */
static int in_all_domains(struct lab_pool *pool, size_t at, size_t bytes, piece_fn *to_do,
			  piece_fn *undo)
{
	char what[LAB_NAME_MAX + 8], text[LAB_ERROR_TEXT_MAX];
	struct lab_domain_priv *d, *failed = NULL;
	int err = 0;

	snprintf(what, sizeof(what), "pool '%s'", pool->priv->name);
	for (d = lab_space_list(); d && !err; d = d->next) {
		struct pieces p = {
			.d = d, .map = &d->map[pool->id], .what = what, .most = UINT64_MAX};

		if (p.map->pool != pool || !p.map->pieces)
			continue;
		err = to_do(&p, at, bytes);
		failed = d;
	}
	if (!err)
		return 0;
	snprintf(text, sizeof(text), "%s", lab_error_text());
	for (d = lab_space_list(); d != failed; d = d->next) {
		struct pieces p = {
			.d = d, .map = &d->map[pool->id], .what = what, .most = UINT64_MAX};

		if (p.map->pool == pool && p.map->pieces)
			undo(&p, at, bytes);
	}
	return lab_fail(-err, "%s", text);
}

static int add(struct lab_pool *pool, size_t at, size_t bytes)
{
	return in_all_domains(pool, at, bytes, map_piece, unmap_piece);
}

static int take_away(struct lab_pool *pool, size_t at, size_t bytes)
{
	return in_all_domains(pool, at, bytes, unmap_piece, map_piece);
}

static const struct lab_mapper mapper = {
	.lock = lab_dma_lock, .unlock = lab_dma_unlock, .add = add, .remove = take_away};

void lab_pieces_begin(void)
{
	lab_breath_set_mapper(&mapper);
}
