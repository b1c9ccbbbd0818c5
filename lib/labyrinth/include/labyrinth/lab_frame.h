/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A frame's three names: its pointer, its number in the pool, its address as a device sees it.
 * All are a few instructions, with no system call.
 */
#ifndef LAB_FRAME_H
#define LAB_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "lab_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/** No such frame. */
#define LAB_FRAME_NONE UINT32_MAX
/** No such address, or one that this process may not know. */
#define LAB_ADDR_NONE UINT64_MAX

/**
 * lab_frame_index() - a frame's number.
 * @pool: the pool.
 * @frame: any pointer.
 *
 * Return: 0..lab_pool_frames() - 1, or LAB_FRAME_NONE if @frame is not the start of one of the
 * pool's frames. Rotating the offset right by 12 bits puts misaligned low bits on top, so that one
 * compare tests range and alignment.
 */
static inline uint32_t lab_frame_index(const struct lab_pool *pool, const void *frame)
{
	uint64_t off = (uint64_t)((uintptr_t)frame - (uintptr_t)pool->base);
	uint64_t index = off >> LAB_FRAME_SHIFT | off << (64 - LAB_FRAME_SHIFT);

	return lab_likely(index < pool->frames) ? (uint32_t)index : LAB_FRAME_NONE;
}

/** lab_frame_at() - the frame numbered @index, or NULL if the pool has no such frame. */
static inline void *lab_frame_at(const struct lab_pool *pool, uint32_t index)
{
	return lab_likely(index < pool->frames) ? pool->base + ((uint64_t)index << LAB_FRAME_SHIFT)
						: NULL;
}

/**
 * lab_frame_iova() - the address that a device uses for a byte of the pool.
 * @pool: the pool.
 * @addr: a pointer to a frame, or into one.
 *
 * Physical addresses where the pool knows them (hugepages, as root) and LAB_POOL_IOVA_VA is not
 * set; virtual ones otherwise.
 *
 * Return: the address, or LAB_ADDR_NONE if @addr is outside the pool.
 */
static inline uint64_t lab_frame_iova(const struct lab_pool *pool, const void *addr)
{
	uint64_t off = (uint64_t)((uintptr_t)addr - (uintptr_t)pool->base);

	if (lab_unlikely(off >= pool->bytes))
		return LAB_ADDR_NONE;
	return (uint64_t)(uintptr_t)addr + pool->iova_delta[off >> LAB_DELTA_SHIFT];
}

/**
 * lab_frame_phys() - the physical address of a byte of the pool.
 * @pool: the pool.
 * @addr: a pointer to a frame, or into one.
 *
 * Return: the address; or LAB_ADDR_NONE if @addr is outside the pool, the pool lies on ordinary
 * pages (the kernel may move those), or the process may not know (only root reads physical
 * addresses).
 */
static inline uint64_t lab_frame_phys(const struct lab_pool *pool, const void *addr)
{
	uint64_t off = (uint64_t)((uintptr_t)addr - (uintptr_t)pool->base);

	if (lab_unlikely(off >= pool->bytes || !pool->phys_delta))
		return LAB_ADDR_NONE;
	return (uint64_t)(uintptr_t)addr + pool->phys_delta[off >> LAB_DELTA_SHIFT];
}

#ifdef __cplusplus
}
#endif
#endif
