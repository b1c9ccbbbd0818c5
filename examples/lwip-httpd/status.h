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

#include "echo.h"
#include "http.h"

/** struct status - whose numbers. @started: in seconds of CLOCK_MONOTONIC. */
struct status {
	struct lab_pool *pool;
	struct lab_netdev *dev;
	struct lab_lwip *stack;
	const struct http *http;
	const struct echo *echo;
	uint64_t started;
};

/** status_line() - packets, bytes, drops by cause since the start, and who has the frames now. */
void status_line(struct status *s);

/**
 * status_end() - the same totals, and where every frame is when nobody uses one any more.
 * @net, @stack: as they were before device and stack were closed.
 *
 * Return: how many frames are lost (neither free nor in a cache nor retired), and how often the
 * pool refused a call.
 */
uint64_t status_end(const struct lab_pool *pool, const struct lab_netdev_stats *net,
		    const struct lab_lwip_stats *stack);

#endif
