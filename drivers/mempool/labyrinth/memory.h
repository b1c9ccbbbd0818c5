/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool's memory as EAL sees it.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdint.h>

struct lab_pool;

/** memory_iova() - what a device of DPDK's uses for an address of a pool; RTE_BAD_IOVA: unknown. */
uint64_t memory_iova(const struct lab_pool *pool, const void *address);

/** memory_contiguous() - from @at on, how many bytes of the pool are contiguous for a device. */
uint64_t memory_contiguous(const struct lab_pool *pool, const char *at);

/** memory_register() - EAL knows the pool's memory, now or already. Return: 0 or a negative errno;
 * lab_error_text() says why. */
int memory_register(struct lab_pool *pool);

/** memory_attach() - in a secondary process: EAL knows what the primary one has registered. */
void memory_attach(const struct lab_pool *pool);

/** memory_detach() - the reverse; of a pool without memory, nothing. */
void memory_detach(const struct lab_pool *pool);

/** memory_unregister() - the reverse, if EAL knows it. */
void memory_unregister(struct lab_pool *pool);

#endif
