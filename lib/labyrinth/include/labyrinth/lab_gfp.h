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
 * Layout of the word: bits 0-7 say how hard to try (a caller sets one of them; bits 1 and 2 are
 * kept for NOWAIT and KERNEL), bits 8-15 say what the frame must be like, bits 16-31 are zero. An
 * unknown bit is refused (EINVAL) and named in lab_error_text().
 *
 * 0 means LAB_GFP_ATOMIC: every allocation of this version returns at once.
 */
typedef uint32_t lab_gfp_t;

/** Never sleep: a frame at once, or none. */
#define LAB_GFP_ATOMIC ((lab_gfp_t)1u << 0)

/**
 * Exactly one owner, checked. Every frame of an exclusive pool is; the flag makes an *unprotected*
 * pool refuse the call (-ENOTSUP) instead of handing out a frame that nobody watches.
 */
#define LAB_GFP_EXCLUSIVE ((lab_gfp_t)1u << 8)

/** Fill the 4096 bytes with zero before returning (costs a pass over the frame). */
#define LAB_GFP_ZERO ((lab_gfp_t)1u << 9)

/** All flags that this version knows. */
#define LAB_GFP_KNOWN (LAB_GFP_ATOMIC | LAB_GFP_EXCLUSIVE | LAB_GFP_ZERO)

#ifdef __cplusplus
}
#endif
#endif
