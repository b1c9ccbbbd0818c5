/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the program says while it runs and at its end, in "name=value" that scripts can read.
 */
#ifndef STATUS_H
#define STATUS_H

#include <stdint.h>

#include <lab_lwip.h>
#include <labyrinth/netdev.h>

/** struct status - whose numbers. @connections: of TCP now, a count. */
struct status {
	struct lab_pool *pool;
	struct lab_netdev *dev;
	struct lab_lwip *stack;
	const uint32_t *http_connections;
	const uint32_t *echo_connections;
	unsigned seconds;
};

/** status_line() - packets, bytes, drops by cause since the start, and who has the frames now. */
void status_line(struct status *s);

/**
 * status_end() - the same totals, and where every frame is when nobody uses one any more.
 * @net, @stack: as they were before device and stack were closed.
 *
 * Return: how many frames are lost: neither free nor in a cache nor retired.
 */
uint64_t status_end(const struct lab_pool *pool, const struct lab_netdev_stats *net,
		    const struct lab_lwip_stats *stack);

#endif
