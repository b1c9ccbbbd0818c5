/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The team: LANES_MAX threads pinned to the machine's CPUs in turn, asleep until they are given a
 * loop to run. It knows lanes and loops, no case and no allocator.
 */
#ifndef PERF_TEAM_H
#define PERF_TEAM_H

#include <stdbool.h>

#include "lane.h"
#include "subject.h"

struct team;

/* Starts the threads on cpus[0..n) in turn; held_max pointers of room each. NULL: no memory. */
struct team *team_start(const int *cpus, unsigned cpus_n, uint64_t held_max);
void team_stop(struct team *team);

struct lane *team_lane(struct team *team, unsigned id);

/* Sets all lanes to one pool, with no results, and empties the relay. */
void team_reset(struct team *team, void *pool);

/* Runs loop on lanes 0..n, one beside the other, and waits. */
void team_run(struct team *team, unsigned n, loop_fn loop);
/* The same with a loop of its own for each lane, of which lane->steps are timed after a warm-up of
 * warm steps: all lanes start the timed part together. */
void team_run_timed(struct team *team, unsigned n, const loop_fn *loops, uint64_t warm);
/* Runs loop on lanes 0..n for a time, then sets their stop flag. Returns the seconds it really was.
 */
double team_run_for(struct team *team, unsigned n, loop_fn loop, double seconds);
/* Runs a function of a pool on every lane. */
void team_each(struct team *team, void (*call)(void *pool), void *pool);

bool team_failed(const struct team *team);
double now_ns(void);

#endif
