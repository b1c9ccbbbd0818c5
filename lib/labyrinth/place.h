/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Where the pools of this process lie: an identity for each, and whose an address is. Knows address
 * ranges and names, no pool.
 */
#ifndef PLACE_H
#define PLACE_H

#include <stdint.h>

#include <labyrinth/lab_pool.h>

/**
 * lab_place_claim() - an identity for a new pool.
 * @wanted: its name, or NULL or "" for "pool-N".
 * @name: receives the name.
 * Return: 0..LAB_MAX_POOLS - 1, or -ENOSPC with a sentence.
 */
int lab_place_claim(const char *wanted, char name[LAB_NAME_MAX]);

/** lab_place_publish() - from now on its memory is found. */
void lab_place_publish(int id, const void *base, uint64_t bytes);

/** lab_place_release() - the pool is gone. */
void lab_place_release(int id);

/** lab_place_of() - the pool whose memory contains @addr. Writes its name to @name and the frame's
 * number to *@frame. No lock, so that the data path may ask. Return: 1, or 0 if no pool contains
 * it. */
int lab_place_of(const void *addr, char name[LAB_NAME_MAX], uint32_t *frame);

#endif
