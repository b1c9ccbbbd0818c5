/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What an lcore does with a magazine between taking it out of the depot and putting it back:
 * whether it can be believed, what it announces of moving it, and the empty ones that it keeps.
 */
#ifndef HAND_H
#define HAND_H

#include <labyrinth/lab_layout.h>

#include "depot.h"

/*
 * A magazine between depot and cache is announced, so that the counters can be put right if the
 * lcore is killed before it is done (reap.c):
 *
 *   moving   the magazine's number + 1, with LAB_MOVING_IN for a refill; 0: nothing is moving
 *   after    what `refilled`, or `flushed`, will be
 *   had      frames that a magazine to be flushed into had already
 *
 * A refill says it once the magazine is its own, and takes it back when that is empty again; a
 * flush from before it fills one until after it has pushed it.
 */
#define LAB_MOVING_IN 0x80000000u
/** Added to that: the number is one of the reserve's. A depot's `mark`. */
#define LAB_MOVING_RESERVE 0x40000000u
/** The number + 1 in it. */
#define LAB_MOVING_NUMBER 0x01ffffffu

/** lab_hand_empty() - an empty magazine, of those kept or out of the depot; NULL: there is none. */
struct lab_magazine *lab_hand_empty(struct lab_pool *pool, struct lab_cache *c);

/** lab_hand_keep() - keep an empty magazine for the next flush, or push it. */
void lab_hand_keep(struct lab_pool *pool, struct lab_cache *c, struct lab_magazine *mag);

/**
 * lab_hand_is_sound() - 1 if a magazine lists what there is. It was another lcore that wrote it, in
 * a shared pool of another process, and what it lists is used to compute addresses.
 */
int lab_hand_is_sound(const struct lab_pool *pool, const struct lab_magazine *mag, int blocks);

/** lab_hand_set_aside() - one that does not: its numbers stay, for who wants to know, and it is not
 * used again. Its frames are lost, which the census tells. */
void lab_hand_set_aside(struct lab_pool *pool, const struct lab_magazine *mag)
	__attribute__((cold));

/** lab_hand_begin_refill() - announce that its frames go to the cache. */
void lab_hand_begin_refill(const struct lab_depot *depot, struct lab_cache *c,
			   const struct lab_magazine *mag, int blocks);

/** lab_hand_end_refill() - what it listed is in the cache now. */
void lab_hand_end_refill(struct lab_cache *c, struct lab_magazine *mag);

/** lab_hand_begin_flush() - announce that frames of the cache are added to it. */
void lab_hand_begin_flush(const struct lab_depot *depot, struct lab_cache *c,
			  struct lab_magazine *mag, int blocks);

/** lab_hand_end_flush() - and push it. */
void lab_hand_end_flush(struct lab_depot *depot, struct lab_cache *c, struct lab_magazine *mag,
			enum lab_depot_set set);

#endif
