/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Lending, for the floors above: what a device still has when it is closed. Each call is a pass
 * over the frame table; an unprotected pool has none, and then nothing is found.
 */
#ifndef LEND_H
#define LEND_H

#include <labyrinth/lab_lend.h>

/** lab_lend_next() - the first frame from number @from on that is lent to @device, or
 * LAB_FRAME_NONE. */
uint32_t lab_lend_next(const struct lab_pool *pool, int device, uint32_t from);

/** lab_lend_recall() - the calling thread takes back all that is lent to @device. Return: how many
 * frames; or -ENOSPC with a sentence: the thread can have no lcore. */
int64_t lab_lend_recall(struct lab_pool *pool, int device);

/** lab_lend_quarantine() - what is lent to @device stays so, and counts as quarantined. The calling
 * thread has an lcore, or can have one. Return: how many frames. */
uint64_t lab_lend_quarantine(struct lab_pool *pool, int device);

/** lab_lend_count() - how many frames are lent to devices that this process registered. */
uint64_t lab_lend_count(const struct lab_pool *pool);

#endif
