/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Programs that a device's packets are handed to. Each is the device's only user while it lives.
 */
#ifndef VICTIM_H
#define VICTIM_H

#include <stdbool.h>
#include <stdint.h>

#include <labyrinth/labyrinth.h>
#include <labyrinth/netdev.h>

#include "hostile.h"

/** The victim's clock, in milliseconds: what it takes for the time of day moves as we say. */
extern uint32_t victim_clock;

/**
 * struct victim - one of them.
 * @name: for the command line.
 * @flags: of lab_netdev_config, that its device needs.
 * @v6: it speaks IPv6 and TCP as well.
 * @start: on a device; @t says which addresses and ports are its. 0, or -1.
 * @turn: receive, answer, send what there is. How many packets came in.
 * @held: frames that it has now.
 * @end: lets go of everything; -1: it could not.
 * @say: prints its counters, as TAP notes.
 */
struct victim {
	const char *name;
	uint32_t flags;
	bool v6;
	int (*start)(struct lab_pool *pool, struct lab_netdev *dev, const struct hostile_target *t);
	unsigned (*turn)(void);
	uint64_t (*held)(void);
	void (*say)(void);
	int (*end)(void);
};

extern const struct victim victim_echo;
#ifdef HAVE_LWIP
extern const struct victim victim_lwip, victim_lwip_copied;
#endif

#endif
