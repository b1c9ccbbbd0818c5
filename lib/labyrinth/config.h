/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool's configuration: checked and completed. Knows limits and the machine; maps nothing.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <labyrinth/lab_pool.h>

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

/** lab_config_capacity() - frames of a full magazine: a cache's worth; half of it where blocks and
 * loose frames share the cache (see flush() in cache.c). */
uint32_t lab_config_capacity(const struct lab_pool_config *config);

#endif
