/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * How full a pool's depot is, for those who compare it with the watermarks.
 */
#ifndef WATERMARK_H
#define WATERMARK_H

#include "pool.h"

/** lab_watermark_free() - frames in the depot, beside the reserve: by the counters of all lcores,
 * and so a little wrong while they work. Thread-safe; a line of each lcore is read. */
uint64_t lab_watermark_free(const struct lab_pool *pool);

#endif
