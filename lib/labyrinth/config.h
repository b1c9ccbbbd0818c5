/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool's configuration: checked and completed. Knows limits and the machine; maps nothing.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <labyrinth/lab_pool.h>

/** Most frames: what the depot's 24-bit magazine numbers reach with the default cache, with room to
 * spare: 8 TiB. */
#define LAB_CONFIG_MAX_FRAMES ((uint64_t)1 << 31)
/** Smallest cache: two blocks. With less, a flush that makes room for a block could find no full
 * magazine. */
#define LAB_CONFIG_MIN_CACHE 64u

/**
 * lab_config_complete() - replace zeros by defaults and refuse what cannot be.
 * @config: the caller's.
 * @out: the completed copy; its name points to @config's.
 *
 * Return: 0, or -EINVAL (or -ENOENT: the machine has no hugepages of any size) with a sentence that
 * names the field, its value and the range.
 */
int lab_config_complete(const struct lab_pool_config *config, struct lab_pool_config *out);

/** lab_config_round() - the frames of a completed configuration, rounded up to whole segments.
 */
uint64_t lab_config_round(const struct lab_pool_config *config);

/** struct lab_bounds - how small and how large a pool may become, in frames; whole units. */
struct lab_bounds {
	uint64_t min;
	uint64_t max;
};

/** lab_config_bounds() - those of a completed configuration. */
struct lab_bounds lab_config_bounds(const struct lab_pool_config *config);

/** lab_config_breathes() - 1 if the pool may grow or shrink. */
int lab_config_breathes(const struct lab_pool_config *config);

/** lab_config_unit_shift() - log2 of the frames that such a pool grows and shrinks by: of a
 * hugepage, or of 2 MiB of ordinary pages. */
unsigned lab_config_unit_shift(const struct lab_pool_config *config);

/** struct lab_marks - watermarks, in frames: lab_pool_config says what each is. */
struct lab_marks {
	uint64_t reserve;
	uint64_t min;
	uint64_t low;
	uint64_t high;
};

/** lab_config_marks() - those of a completed configuration. */
struct lab_marks lab_config_marks(const struct lab_pool_config *config);

/** lab_config_capacity() - frames of a full magazine: a cache's worth; half of it where blocks and
 * loose frames share the cache (see flush() in cache.c). */
uint32_t lab_config_capacity(uint32_t cache_frames, uint32_t flags);

/** lab_config_is_cache() - 1 if a pool with @flags can have a cache of that size. */
int lab_config_is_cache(uint32_t frames, uint32_t flags);

/** lab_config_magazines() - how many its depot has. */
uint64_t lab_config_magazines(uint64_t frames, uint32_t cache_frames, uint32_t flags,
			      uint32_t lcores);

#endif
