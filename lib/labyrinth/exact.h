/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The data path of a pool without caches (LAB_POOL_EXACT): the depot has one set, of single frames,
 * and each allocation and free goes there. Slower than a cache by far; in return every frame that
 * is free can be had by any thread at any time, and what a thread is just moving is one frame.
 *
 * A "magazine" of that depot is a frame: the word that says where it is, and nothing in it. The
 * steps, and what a kill leaves between any two of them (reap.c):
 *
 *   allocation   the word: from the set to this lcore     "the depot's", and the word names the
 * dead the byte: "held, me"
 *
 *   free         the byte: from "held" to "free, mine"    "free", of the dead
 *                the word: this lcore
 *                the byte: "the depot's"                  "the depot's", and the word names the
 * dead the word: the set; then the map
 *
 * The first step of each is a compare-and-swap, so one of several threads has the frame.
 */
#ifndef EXACT_H
#define EXACT_H

#include "bulk.h"

/** lab_bulk_exact - such a pool's bursts. */
extern const struct lab_bulk lab_bulk_exact;

/** lab_exact_put() - the rest of a free, after its first step. @lcore: whose "free, mine" it was.
 */
void lab_exact_put(struct lab_pool *pool, uint32_t frame, unsigned lcore);

/** lab_exact_mend() - a frame whose byte says "the depot's" goes back to the set if its word names
 * @lcore, which is dead. Return: 1 if it did. */
int lab_exact_mend(struct lab_pool *pool, uint32_t frame, unsigned lcore);

#endif
