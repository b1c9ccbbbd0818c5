/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools that breathe, in domains.
 */
#ifndef PIECES_H
#define PIECES_H

#include "iommu.h"

/** lab_pieces_begin() - there are domains from now on: keepers tell of what comes and goes. */
void lab_pieces_begin(void);

/** lab_pieces_map() - map all hugepages that a pool has now, at addresses that are set aside. Under
 * the lock. Return: 0, or -errno with a sentence and none of them mapped. */
int lab_pieces_map(struct lab_domain_priv *d, const struct lab_domain_map *map, const char *what);

/** lab_pieces_unmap() - the reverse. Return: 0, or -errno with a sentence and all still mapped. */
int lab_pieces_unmap(struct lab_domain_priv *d, const struct lab_domain_map *map, const char *what);

#endif
