/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Frames that another process of the pool holds, in a pool where any may free them
 * (LAB_POOL_COMMON). No inlined path takes such a frame; here is the slow one.
 */
#ifndef COMMON_H
#define COMMON_H

#include <stdint.h>

#include <labyrinth/lab_layout.h>

/**
 * lab_common_leave() - step a frame that anybody holds to another state.
 *
 * Return: 1; or 0, with nothing changed: nobody holds it, or the pool is none of those. The
 * compare-and-swap makes one of several threads the one that has it.
 */
int lab_common_leave(struct lab_pool *pool, uint64_t frame, uint8_t to);

#endif
