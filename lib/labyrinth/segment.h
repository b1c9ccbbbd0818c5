/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Segments that come and go inside an arena's reservation, each by itself. Where there is none,
 * reading or writing is a SIGSEGV.
 */
#ifndef SEGMENT_H
#define SEGMENT_H

#include "arena.h"

/**
 * lab_segment_add() - memory, populated, where there was none.
 * @a: the arena, of lab_arena_reserve().
 * @r: its request; @bytes is that of what is added.
 * @at: bytes from the arena's beginning.
 *
 * Private and without a name or a descriptor, not inherited over fork. Return: 0; or -errno with a
 * sentence, and nothing is there, as before. May sleep.
 */
int lab_segment_add(const struct lab_arena *a, const struct lab_arena_request *r, size_t at);

/** lab_segment_remove() - give it back to the kernel; the addresses stay reserved. */
void lab_segment_remove(const struct lab_arena *a, size_t at, size_t bytes);

#endif
