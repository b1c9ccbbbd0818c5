/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool whose tables two processes share that can be stepped through: this one, which survives,
 * and a victim. And the tables once more, as a copy that can be reaped without anybody being dead.
 */
#ifndef STEPPED_H
#define STEPPED_H

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <labyrinth/labyrinth.h>

#include "../net/tap.h"
#include "../work.h"
#include "arena.h"
#include "bundle.h"
#include "crew.h"
#include "frame_table.h"
#include "lcore.h"
#include "lend.h"
#include "pull.h"
#include "share/life.h"
#include "share/process.h"
#include "share/reap.h"
#include "tables.h"

#define FRAMES   320u
#define CACHE    64u
#define LCORES   4u
#define SURVIVOR 0u /* its slot; it has lcores 1, its home, and 2 */
#define VICTIM   1u /* lcores 3 and 4 */
#define MINE     (FRAMES + 32u)
#define KEEP     96u /* of these at most, while others need frames */
#define MOST_BAD 10u
#define GONE     (LAB_MAX_PROCESSES * 9u + 5u) /* a process that is no more */

static struct lab_pool *pool, *copy;
static void *tables, *copied;
static size_t bytes;
static struct lab_cache *no_lcore; /* what a thread has that has none */

/* Numbers of frames that are given away, in memory that both processes have. */
static struct {
	struct crew_ring to_victim, to_survivor;
} * given;

/* What this process has. */
static void *mine[MINE];
static unsigned n_mine;
static int beside; /* the survivor works at the same time as another */

/* ---- the pool ---- */

/* A pool whose tables a child shares, and a second handle for the copies. */
static inline int stepped_prepare(uint32_t flags, uint32_t sample, uint64_t reserve)
{
	const struct lab_pool_config config = {.name = "stepped",
					       .frames = FRAMES,
					       .page_size = LAB_PAGE_4K,
					       .cache_frames = flags & LAB_POOL_EXACT ? 0 : CACHE,
					       .max_lcores = LCORES,
					       .sample = sample,
					       .reserve = reserve,
					       .flags = flags};
	struct lab_pool_priv *priv;
	int fd;

	pool = lab_pool_create(&config);
	copy = lab_pool_create(&config);
	given = mmap(NULL, sizeof(*given), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (!pool || !copy || given == MAP_FAILED)
		return 0;
	no_lcore = lab_tls_cache[pool->id];
	priv = pool->priv;
	bytes = priv->meta_bytes;
	fd = lab_metadata_memfd("stepped", bytes);
	tables = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memcpy(tables, priv->shared, bytes);
	lab_tables_point_at(priv, tables);
	priv->fd[LAB_FD_TABLES] = fd;
	priv->fd[LAB_FD_LIFE] = lab_life_open(fd, 0);
	/* All zero it is a lock that nobody has: what lab_reclaim() wants of a keeper. */
	priv->keeper = calloc(1, 512);
	memset(priv->shared->process, 0, sizeof(priv->shared->process));
	if (lab_process_join(priv, 1) || priv->slot != SURVIVOR || priv->last != 2)
		return 0;
	/* The copies list addresses of the first pool's frames: so both are at one address. */
	copied = copy->priv->shared;
	copy->base = pool->base;
	lab_tables_point_at(copy->priv, copied);
	copy->priv->slot = priv->slot;
	copy->priv->home = priv->home;
	copy->priv->first = priv->first;
	copy->priv->last = priv->last;
	lab_tls_cache[copy->id] = lab_pool_cache(copy, 2);
	return 1;
}

/* As fork(), but without the handlers, which take the pool away from a child. Stopped at once.
 * @other: it is another process than this one, and has none of its lcores. */
static inline pid_t stepped_start(void (*body)(uint64_t), uint64_t seed, int other)
{
	pid_t pid = (pid_t)syscall(SYS_fork);
	int status;

	if (pid == 0) {
		if (other) {
			lab_tls_cache[pool->id] = no_lcore;
			memset(pool->priv->tls, 0, sizeof(pool->priv->tls));
			/* Through another description of the file: this process lives for it. */
			pool->priv->fd[LAB_FD_LIFE] =
				lab_life_open(pool->priv->fd[LAB_FD_TABLES], 0);
		}
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		body(seed);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return pid;
}

/* One instruction. Return: 1, or 0 if it has ended; @status says how. */
static inline int stepped_step(pid_t pid, int *status)
{
	return !ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) && waitpid(pid, status, 0) == pid &&
	       WIFSTOPPED(*status) && WSTOPSIG(*status) == SIGTRAP;
}

/* ---- what the survivor does ---- */

static inline void stepped_shuffle(void **frames, unsigned n, uint64_t *random)
{
	for (unsigned i = n; i > 1; i--) {
		unsigned at = random_below(random, i);
		void *swap = frames[at];

		frames[at] = frames[i - 1];
		frames[i - 1] = swap;
	}
}

/* To the victim, if it is there; now and then as if by a process that is no more. */
static inline void stepped_give(uint64_t *random)
{
	const struct lab_process *to = &pool->priv->shared->process[VICTIM];
	uint32_t number;

	if (!n_mine || to->state != LAB_PROCESS_ACTIVE || !crew_has_room(&given->to_victim))
		return;
	number = lab_frame_index(pool, mine[n_mine - 1]);
	if (!lab_transfer(pool, lab_owner_process(to->id), &mine[n_mine - 1], 1))
		return;
	n_mine--;
	/* Where the victim is stopped, and so the frame stays there. */
	if (!beside && random_below(random, 4) == 0)
		lab_store(&pool->home[number],
			  lab_load(&pool->home[number]) ^ lab_process_id(pool) ^ GONE);
	else
		crew_tell(&given->to_victim, number);
}

/* Frames that are lent to a device whose process is no more. */
static inline void stepped_quarantine(void)
{
	struct lab_slot *slot = pool->priv->shared->device;
	int device;

	for (unsigned i = 0; i < LAB_MAX_DEVICES; i++) {
		if (slot[i].taken == GONE)
			return;
	}
	device = n_mine < 2 ? -1 : lab_device_register(pool, "gone");
	if (device < 0 || lab_lend(pool, device, mine + n_mine - 2, 2) != 2)
		return;
	n_mine -= 2;
	lab_lend_quarantine(pool, device);
	slot[device].taken = GONE;
}

/* Some neighbours, for whoever wants a run of frames, or must not have these. */
struct stepped_range {
	uint32_t first, n;
};

static int stepped_wanted(const void *arg, uint32_t frame)
{
	const struct stepped_range *range = arg;

	return frame - range->first < range->n;
}

/* At most 32 of them. */
static inline unsigned stepped_pull(void **frames, uint64_t *random)
{
	struct stepped_range range = {.first = random_below(random, FRAMES),
				      .n = 1 + random_below(random, 64)};
	struct lab_cache *c = lab_lcore_self(pool);

	return c ? lab_pull(pool, c, stepped_wanted, &range, frames, 32) : 0;
}

/* One of the things that it can do: it holds frames, has some in its cache, forms bundles and
 * breaks them. */
static inline void stepped_turn(uint64_t *random)
{
	uint32_t number;

	switch (random_below(random, 9)) {
	case 0:
	case 1:
		if (n_mine + 32 <= KEEP)
			n_mine += lab_alloc_burst(pool, mine + n_mine, 32, 0);
		break;
	case 2:
	case 3:
		if (random_below(random, 4) == 0)
			stepped_shuffle(mine, n_mine, random);
		if (n_mine >= 32) {
			n_mine -= 32;
			lab_free_bulk(pool, mine + n_mine, 32);
		}
		break;
	case 4:
		if (n_mine && random_below(random, 4) == 0) {
			stepped_shuffle(mine, n_mine, random);
			lab_free(pool, mine[--n_mine]);
		}
		break;
	case 5:
		stepped_quarantine();
		break;
	case 6:
		if (n_mine + 32 <= KEEP)
			n_mine += stepped_pull(mine + n_mine, random);
		break;
	default:
		stepped_give(random);
		while (n_mine < KEEP && crew_hear(&given->to_survivor, &number)) {
			mine[n_mine] = lab_frame_at(pool, number);
			n_mine += lab_accept(pool, &mine[n_mine], 1);
		}
	}
}

/* ---- whether all is there ---- */

/* What this process holds is its own, in tables that have been reaped; what it holds besides was
 * given to it. */
static inline int stepped_has_mine(const struct lab_pool *of, uint64_t *others)
{
	unsigned held = 0;

	for (uint64_t i = 0; i < of->frames; i++) {
		uint8_t state = lab_frame_state(of, i);

		held += state == LAB_STATE_HELD(1) || state == LAB_STATE_HELD(2);
	}
	*others = held - n_mine;
	for (unsigned i = 0; i < n_mine; i++) {
		uint8_t state = lab_frame_state(of, lab_frame_index(pool, mine[i]));

		if (state != LAB_STATE_HELD(2) && (state != LAB_STATE_HELD(1) || !of->priv->sample))
			return 0;
	}
	return held >= n_mine;
}

/* 1 if the tables are in order, with the victim reaped and the survivor between two calls. */
static inline int stepped_is_whole(const struct lab_pool *of, const char *when, uint64_t instant)
{
	uint64_t in_ring = given->to_survivor.tail - given->to_survivor.head, others = 0;
	struct lab_pool_stats stats, census;
	int has;

	if (lab_pool_validate(of)) {
		tap_note("%s %" PRIu64 ": %s", when, instant, lab_error_text());
		return 0;
	}
	lab_pool_stats(of, &stats);
	lab_pool_census(of, &census);
	has = stepped_has_mine(of, &others);
	/* The victim may have been killed between giving a frame and telling of it. */
	if (has && others <= in_ring + 1 && stats.cached == census.cached &&
	    stats.free == census.free && stats.held == census.held &&
	    census.held == n_mine + others && stats.lent == census.lent &&
	    stats.lent <= stats.quarantined)
		return 1;
	tap_note("%s %" PRIu64 ": %" PRIu64 " free, %" PRIu64 " cached, %" PRIu64 " held, %" PRIu64
		 " lent, %" PRIu64 " quarantined; counted %" PRIu64 ", %" PRIu64 ", %" PRIu64
		 ", %" PRIu64 "; %u are the survivor's%s, and %" PRIu64 " given to it, %" PRIu64
		 " in the ring",
		 when, instant, stats.free, stats.cached, stats.held, stats.lent, stats.quarantined,
		 census.free, census.cached, census.held, census.lent, n_mine,
		 has ? "" : " (not all are)", others, in_ring);
	return 0;
}

#endif
