/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The flag word of an allocation, in the kernel's sense of GFP ("get free page").
 * This file knows bits and nothing else.
 */
#ifndef LAB_GFP_H
#define LAB_GFP_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * typedef lab_gfp_t - how a frame is asked for.
 *
 * Layout of the word: bits 0-7 say how hard to try (at most one of them), bits 8-15 say what the
 * frame must be like and go with any other, bits 16-31 are zero. An unknown bit is refused, and so
 * are two of bits 0-7 (EINVAL); lab_error_text() names them.
 *
 * 0 means LAB_GFP_ATOMIC.
 */
typedef uint32_t lab_gfp_t;

/**
 * Never sleep, and take the last: a frame at once if the cache, the depot or the reserve has one,
 * in this order. For replies, completions, control traffic. The kernel's GFP_ATOMIC.
 */
#define LAB_GFP_ATOMIC ((lab_gfp_t)1u << 0)

/** Never sleep, and stay out of the reserve: the ordinary refill of an RX ring. The kernel's
 * GFP_NOWAIT. */
#define LAB_GFP_NOWAIT ((lab_gfp_t)1u << 1)

/**
 * May sleep, for control paths: stays out of the reserve. A pool that breathes grows by a hugepage
 * where fewer than `min` frames are free or too few are found; else the call looks again until some
 * have come back, at most lab_pool_config.timeout_ms, and then fails with ENOMEM and a sentence.
 * The kernel's GFP_KERNEL.
 */
#define LAB_GFP_KERNEL ((lab_gfp_t)1u << 2)

/**
 * Exactly one owner, checked. Every frame of an exclusive pool is; the flag makes an *unprotected*
 * pool refuse the call (-ENOTSUP) instead of handing out a frame that nobody watches.
 */
#define LAB_GFP_EXCLUSIVE ((lab_gfp_t)1u << 8)

/** Fill the 4096 bytes with zero before returning (costs a pass over the frame). A pool of numbers,
 * which has no memory, refuses it (-ENOTSUP). The kernel's __GFP_ZERO. */
#define LAB_GFP_ZERO ((lab_gfp_t)1u << 9)

/** From the calling thread's NUMA node or not at all, of a set of pools: lab_nodes.h. A single pool
 * has one node and nothing else to give. The kernel's __GFP_THISNODE. */
#define LAB_GFP_THISNODE ((lab_gfp_t)1u << 10)

/** How hard to try: at most one of these. */
#define LAB_GFP_HOW (LAB_GFP_ATOMIC | LAB_GFP_NOWAIT | LAB_GFP_KERNEL)

/** All flags that this version knows. */
#define LAB_GFP_KNOWN (LAB_GFP_HOW | LAB_GFP_EXCLUSIVE | LAB_GFP_ZERO | LAB_GFP_THISNODE)

/** lab_gfp_contradicts() - 1 if more than one of LAB_GFP_HOW is set. */
#define lab_gfp_contradicts(gfp) (((gfp)&LAB_GFP_HOW & (((gfp)&LAB_GFP_HOW) - 1)) != 0)

#ifdef __cplusplus
}
#endif
#endif
