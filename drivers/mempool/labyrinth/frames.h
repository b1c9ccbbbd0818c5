/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What lab_rte_mempool_create() hands to the ops through mp->pool_config: a pool that is there
 * already, whose frames the objects are to lie in.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <labyrinth/lab_pool.h>

#define FRAMES_MAGIC 0x6c61622d6672616dull

/** struct frames - such a pool. @magic: a program's own pool_config has another first word. */
struct frames {
	uint64_t magic;
	struct lab_pool *pool;
};

#endif
