/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Numbers by chance, the same again for the same seed, which is printed.
 */
#ifndef DICE_H
#define DICE_H

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../net/tap.h"

struct dice {
	uint64_t state;
};

/* @given: a seed as text; "0" for one by the clock. */
static inline struct dice dice_make(const char *given)
{
	struct dice dice = {strtoull(given, NULL, 0)};

	if (!dice.state)
		dice.state = ((uint64_t)time(NULL) << 20 ^ (uint64_t)getpid()) | 1;
	tap_note("--seed %" PRIu64, dice.state);
	return dice;
}

/* A number from 0 to @n - 1. */
static inline uint64_t dice_below(struct dice *dice, uint64_t n)
{
	dice->state ^= dice->state << 13;
	dice->state ^= dice->state >> 7;
	dice->state ^= dice->state << 17;
	return (dice->state >> 11) % n;
}

#endif
