/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The reserve: frames that only LAB_GFP_ATOMIC gets, kept one by one beside the depot's sets, in a
 * depot of their own. Nobody else can take them, so nothing has to be counted on the way; and a
 * frame that leaves it does so alone, so no cache hides what the reserve is said to have.
 *
 * When one is taken every lcore is pressed: its next free goes the slow way and fills the reserve
 * up before it fills the cache, until nothing is missing. A word that is lost on the way there is
 * said again by the next one who takes.
 */
#ifndef RESERVE_H
#define RESERVE_H

#include "pool.h"

/** lab_reserve_fill() - a new pool's: frames from @first on are in it, as many as it holds. */
void lab_reserve_fill(struct lab_depot *reserve, uint64_t first);

/** lab_reserve_refill() - one frame of it to an lcore's cache, and press everybody. Return: 1, or
 * 0: it is empty. */
int lab_reserve_refill(struct lab_pool *pool, struct lab_cache *c);

/** lab_reserve_top_up() - of an lcore that is pressed: what the reserve lacks out of its cache; the
 * pressure ends when nothing is lacking. */
void lab_reserve_top_up(struct lab_pool *pool, struct lab_cache *c);

/** lab_reserve_relieve() - of an lcore that is pressed, after a free: lab_reserve_top_up(), and
 * whoever was recalled empties its cache. */
void lab_reserve_relieve(struct lab_pool *pool, struct lab_cache *c);

/** lab_reserve_press() - the reserve lacks frames, or may: each lcore gives some. */
void lab_reserve_press(struct lab_pool *pool);

/** lab_reserve_recall() - each lcore empties its cache to the depot, at its next free. */
void lab_reserve_recall(struct lab_pool *pool);

/** lab_reserve_forget() - whoever died may have noted that an lcore is pressed, and not pressed it:
 * the next one who takes presses all of them. */
void lab_reserve_forget(struct lab_pool *pool);

/** lab_reserve_peek() - the frame in place number @place, or LAB_FRAME_NONE. A guess. */
uint32_t lab_reserve_peek(const struct lab_pool *pool, uint32_t place);

/**
 * lab_reserve_pull() - as lab_pull() in pull.h, out of the reserve; it is filled up again from the
 * depot. Return: how many frames.
 */
uint32_t lab_reserve_pull(struct lab_pool *pool, struct lab_cache *c,
			  int (*wanted)(const void *arg, uint32_t frame), const void *arg,
			  void **frames, uint32_t most);

/** lab_reserve_release() - the lcore's pressure ends. */
void lab_reserve_release(struct lab_pool *pool, struct lab_cache *c);

/** lab_reserve_count() - frames that are in it now: a look at each. */
uint64_t lab_reserve_count(const struct lab_pool *pool);

#endif
