/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A count of a mempool's objects by taking all of them out, one by one.
 */
#ifndef CENSUS_H
#define CENSUS_H

#include <stdbool.h>

struct rte_mempool;

/**
 * struct census - what came out.
 * @all: objects that the mempool has. @once, @twice (or more often), @missing: of these.
 * @strangers: what came out and is no object of it.
 */
struct census {
	unsigned all;
	unsigned once;
	unsigned twice;
	unsigned missing;
	unsigned strangers;
};

/** census_take() - take out what there is, count, and give each object back once. At a quiet point;
 * what other lcores have in caches is missing. */
struct census census_take(struct rte_mempool *mp);

/** census_whole() - each object came out exactly once; says so if not. */
bool census_whole(struct rte_mempool *mp);

#endif
