/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Runs of frames: 2^order neighbours that begin at a multiple of their length, for descriptor rings
 * and buffers larger than a frame. For the control path: a call looks through the whole depot.
 *
 * On hugepages a run lies inside one, so its frames are neighbours for the processor, for the
 * machine (physically) and for a device behind an IOMMU. On ordinary pages they are neighbours by
 * virtual address, and so for a device only where an IOMMU maps the pool by virtual addresses: the
 * kernel puts ordinary pages where it likes.
 *
 * (lab_run_alloc() in lab_domain.h is another thing: memory beside the pools, mapped in one
 * domain.)
 */
#ifndef LAB_PAGES_H
#define LAB_PAGES_H

#include "lab_gfp.h"
#include "lab_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/** lab_pages_max_order() - the largest order of a pool: a hugepage's, which is 9 for 2 MiB and 18
 * for 1 GiB; 9 on ordinary pages. */
unsigned lab_pages_max_order(const struct lab_pool *pool);

/**
 * lab_alloc_pages() - allocate 2^@order frames that are neighbours.
 * @pool: an exclusive pool.
 * @order: 0 to lab_pages_max_order().
 * @gfp: LAB_GFP_KERNEL, or 0, which means the same here, with LAB_GFP_ZERO, LAB_GFP_EXCLUSIVE or
 *	LAB_GFP_THISNODE.
 *	LAB_GFP_ATOMIC and LAB_GFP_NOWAIT are refused: this is no call for the data path.
 *
 * Each of the frames is held by the caller as one that lab_alloc() gave: it may also be freed, lent
 * or transferred by itself, and is reaped and reported as such. Frames that lie in caches of other
 * lcores are not found; lab_lcore_drain() by their threads puts them where they are. The calling
 * thread's cache is drained. Nobody is stopped for it.
 *
 * Small runs come out of the hugepages that have the fewest free frames, so that whole ones stay
 * whole. A pool that breathes grows by a hugepage where no such run is found. It waits for no
 * frame.
 *
 * Return: the first frame, whose number is a multiple of 2^@order, and whose address is one of its
 * length (unless a process attached a pool on ordinary pages at an address of its own choice); or
 * NULL with errno ENOMEM (lab_error_text() says how many are free and what the longest run is),
 * EINVAL (@order or @gfp), ENOTSUP (an unprotected pool, or one of numbers), ENOSPC, EPERM as
 * lab_alloc().
 *
 * Thread-safe; may sleep.
 */
void *lab_alloc_pages(struct lab_pool *pool, unsigned order, lab_gfp_t gfp);

/**
 * lab_free_pages() - return 2^@order neighbours.
 * @pool: the pool that they came from.
 * @frame: the first one; its number is a multiple of 2^@order.
 * @order: as allocated; or less, for a part of it.
 *
 * Return: 0; or -EINVAL (@order, or @frame is not the first of such a run), -ENOTSUP, or as
 * lab_free() for the first frame that is not the caller's. Then none has been freed.
 *
 * Thread-safe; never sleeps.
 */
int lab_free_pages(struct lab_pool *pool, void *frame, unsigned order);

#ifdef __cplusplus
}
#endif
#endif
