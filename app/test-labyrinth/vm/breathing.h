/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool that breathes, of 1 to 8 hugepages of 2 MiB, and what the kernel and a domain say of it.
 * The caller is its keeper, unless it has a thread.
 */
#ifndef BREATHING_H
#define BREATHING_H

#include "guest.h"

#define UNIT  512u /* frames of a hugepage */
#define UNITS 8u   /* hugepages at most */
#define MOST  (UNITS * UNIT)
/* Below low it grows to the middle of both marks, so by two hugepages where none is free. */
#define LOW  256u
#define HIGH 1024u

/** struct breathing - @frame: what the caller holds, the first @held. */
struct breathing {
	struct lab_pool *pool;
	void *frame[MOST];
	unsigned held;
};

/** breathing_make() - of one hugepage on @node; @flags: LAB_POOL_STEPPED, or 0 for a thread. */
void breathing_make(struct breathing *b, int node, unsigned flags);
/** breathing_units() - hugepages that it has; of a pool without a thread. */
uint64_t breathing_units(struct breathing *b);
/** breathing_take() - hold all frames that can be had without growing. */
void breathing_take(struct breathing *b);
/** breathing_free() - free what is held and is in hugepage @unit or above. */
void breathing_free(struct breathing *b, unsigned unit);
/** breathing_settle() - steps until there is nothing to do. Return: what the last one gave. */
int64_t breathing_settle(struct breathing *b);
/** breathing_wait() - until a pool that could not grow tries again. */
void breathing_wait(void);
/** breathing_unit() - the hugepage of a frame, by its number. */
unsigned breathing_unit(const struct breathing *b, const void *frame);
/** breathing_kept() - 1 if it, the domain (NULL: none) and the kernel agree on @units hugepages,
 * and its tables are right; else says what is not so. */
bool breathing_kept(struct breathing *b, struct lab_domain *domain, uint64_t units);
/** breathing_end() - frees what is held and destroys it. Return: 1 if no frame was lost. */
bool breathing_end(struct breathing *b);

/** hugepages() - of 2 MiB, that are free on a node, or with -1 on all. */
int64_t hugepages(int node);

#endif
