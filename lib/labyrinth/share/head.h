/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Whether the description of a pool that came from elsewhere can be believed.
 */
#ifndef HEAD_H
#define HEAD_H

#include "pool.h"

/** lab_head_memory() - bytes of a pool's frames, of a description that may be wrong. */
static inline uint64_t lab_head_memory(const struct lab_head *head)
{
	return head->flags & LAB_POOL_NUMBERS ? 0 : head->frames << LAB_FRAME_SHIFT;
}

/**
 * lab_head_check() - check a copy of a head, which nobody changes meanwhile.
 * @name: what was asked for, for messages.
 * @tables, @arena: bytes of the two files.
 *
 * Return: 0; or -errno with a sentence (EPROTO: it is no pool; EPROTONOSUPPORT: of another layout).
 */
int lab_head_check(const struct lab_head *head, const char *name, uint64_t tables, uint64_t arena);

#endif
