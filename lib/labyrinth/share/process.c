/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The table of processes. Changed under its lock (life.h); a slot's own lock says that its process
 * is alive.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <labyrinth/lab_alloc.h>

#include "cache.h"
#include "error.h"
#include "share/life.h"
#include "share/process.h"
#include "share/reap.h"

/* How often one that finds no room looks again, and how long after. */
#define TRIES  20
#define TRY_US 10000

int lab_process_of(const struct lab_shared *shared, unsigned lcore)
{
	for (int i = 0; i < LAB_MAX_PROCESSES; i++) {
		const struct lab_process *p = &shared->process[i];

		if (lab_load(&p->state) != LAB_PROCESS_FREE && lab_process_has(p, lcore))
			return i;
	}
	return -1;
}

int lab_process_is_lcore_free(const struct lab_shared *shared, unsigned lcore)
{
	uint32_t id = lab_load(&shared->slot[lcore].process);
	const struct lab_process *p = &shared->process[id % LAB_MAX_PROCESSES];

	if (id && lab_load(&p->id) == id && lab_load(&p->state) != LAB_PROCESS_FREE)
		return 0;
	return lab_process_of(shared, lcore) < 0;
}

unsigned lab_process_others(const struct lab_pool_priv *priv)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LAB_MAX_PROCESSES; i++)
		n += i != priv->slot &&
		     lab_load(&priv->shared->process[i].state) != LAB_PROCESS_FREE;
	return n;
}

int lab_process_is_any_leaving(const struct lab_pool_priv *priv)
{
	for (unsigned i = 0; i < LAB_MAX_PROCESSES; i++) {
		if (i != priv->slot &&
		    lab_load(&priv->shared->process[i].state) == LAB_PROCESS_LEAVING)
			return 1;
	}
	return 0;
}

/* The caller has the slot's lock, or the pool has no other process. */
static void introduce(struct lab_pool_priv *priv, struct lab_process *p, unsigned first, unsigned n)
{
	FILE *comm = fopen("/proc/self/comm", "re");
	char name[LAB_LABEL_MAX] = "?";

	if (comm && fgets(name, sizeof(name), comm))
		name[strcspn(name, "\n")] = '\0';
	if (comm)
		fclose(comm);
	lab_label_set(&p->name, name, sizeof(name));
	/* Slots are in the low five bits, so that no two processes ever have the same. */
	lab_store(&p->id,
		  (p->id | (LAB_MAX_PROCESSES - 1)) + 1 + (uint32_t)(p - priv->shared->process));
	p->first = (uint8_t)first;
	p->lcores = (uint8_t)n;
	p->pid = (uint32_t)getpid();
	p->base = (uint64_t)(uintptr_t)priv->pool.base;
	p->since = (uint64_t)time(NULL);
}

/* What an lcore of the process may give away: what any thread of it holds, or what it does. What is
 * at the process's home is not among it, and goes the slow way; see lcore.h. */
static void own(struct lab_pool_priv *priv, unsigned lcore, int bound)
{
	struct lab_cache *c = &priv->cache[lcore - 1];

	c->held_first = LAB_STATE_HELD(bound ? lcore : priv->first);
	c->held_count = bound ? 1 : (uint8_t)(priv->last + 1 - priv->first);
}

static void settle(struct lab_pool_priv *priv, unsigned slot, unsigned home, unsigned first,
		   unsigned last)
{
	int bound = (priv->flags & LAB_POOL_BOUND) != 0;

	priv->slot = slot;
	priv->home = home;
	priv->first = first;
	priv->last = last;
	for (unsigned lcore = home ? home : first; lcore <= last; lcore++)
		own(priv, lcore, bound);
}

void lab_process_alone(struct lab_pool_priv *priv)
{
	struct lab_process *p = &priv->shared->process[0];

	introduce(priv, p, 1, priv->max_lcores);
	p->state = LAB_PROCESS_ACTIVE;
	settle(priv, 0, priv->sample ? 1 : 0, priv->sample ? 2 : 1, priv->max_lcores);
}

/* 1 if somebody is just transferring frames to an lcore: see transfer.c. */
static int is_given_to(const struct lab_pool_priv *priv, unsigned lcore)
{
	/* The caller has read that it is nobody's; see announce() in transfer.c. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < priv->max_lcores; i++) {
		if (lab_load(&priv->cache[i].giving) == lcore)
			return 1;
	}
	return 0;
}

/* The first of @n lcores one behind the other that nobody has; 0 for none. */
static unsigned find_lcores(const struct lab_pool_priv *priv, unsigned n)
{
	unsigned run = 0;

	for (unsigned lcore = 1; lcore <= priv->max_lcores; lcore++) {
		int is_free =
			lab_process_is_lcore_free(priv->shared, lcore) && !is_given_to(priv, lcore);

		run = is_free ? run + 1 : 0;
		if (run == n)
			return lcore - n + 1;
	}
	return 0;
}

static int find_slot(const struct lab_pool_priv *priv)
{
	for (int i = 0; i < LAB_MAX_PROCESSES; i++) {
		if (lab_load(&priv->shared->process[i].state) == LAB_PROCESS_FREE &&
		    lab_life_take(priv->fd[LAB_FD_LIFE], (unsigned)i))
			return i;
	}
	return -1;
}

/* With the table's lock. */
static int take_slot(struct lab_pool_priv *priv, unsigned n)
{
	unsigned first = find_lcores(priv, n), used = 0;
	struct lab_process *p;
	int64_t err;
	int slot;

	for (unsigned lcore = 1; lcore <= priv->max_lcores; lcore++)
		used += !lab_process_is_lcore_free(priv->shared, lcore);
	if (!first)
		return lab_fail(ENOSPC,
				"pool '%s' has %u lcores, and other processes have %u of them: "
				"this one asks for %u and needs one more; ask for fewer, or make "
				"the pool with a larger max_lcores (at most %u)",
				priv->name, priv->max_lcores, used, n - 1, LAB_MAX_LCORES);
	slot = find_slot(priv);
	if (slot < 0)
		return lab_fail(ENOSPC,
				"pool '%s' has %d processes already, the most it can have: let "
				"one leave",
				priv->name, LAB_MAX_PROCESSES);
	p = &priv->shared->process[slot];
	introduce(priv, p, first, n);
	for (unsigned lcore = first; lcore < first + n; lcore++)
		lab_store(&priv->shared->slot[lcore].process, p->id);
	/* Release: whoever reaps this process, if it is killed here, finds what it is. */
	lab_store_release(&p->state, (uint32_t)LAB_PROCESS_JOINING);
	err = lab_reap_strays(&priv->pool, p);
	if (err < 0) {
		/* Some may be in its cache: it is reaped as if it had died here. */
		lab_life_drop(priv->fd[LAB_FD_LIFE], (unsigned)slot);
		return (int)err;
	}
	settle(priv, (unsigned)slot, first, first + 1, first + n - 1);
	lab_store_release(&p->state, (uint32_t)LAB_PROCESS_ACTIVE);
	return 0;
}

static int try_to_join(struct lab_pool_priv *priv, uint32_t lcores)
{
	int err;

	if (lab_life_wait(priv->fd[LAB_FD_LIFE], LAB_LIFE_TABLE))
		return lab_fail(EBUSY,
				"pool '%s' cannot be joined: another process has been changing "
				"its table of processes for five seconds; is one stopped?",
				priv->name);
	lab_process_reap_dead(priv, 1, LAB_REAP_DEAD);
	err = take_slot(priv, lcores + 1);
	lab_life_drop(priv->fd[LAB_FD_LIFE], LAB_LIFE_TABLE);
	return err;
}

int lab_process_join(struct lab_pool_priv *priv, uint32_t lcores)
{
	int err;

	priv->slot = LAB_MAX_PROCESSES;
	err = try_to_join(priv, lcores);
	/* A keeper may have the lock of a dead process, and wait for the table's to reap it. */
	for (unsigned i = 0; i < TRIES && err == -ENOSPC; i++) {
		usleep(TRY_US);
		err = try_to_join(priv, lcores);
	}
	return err;
}

void lab_process_leave(struct lab_pool_priv *priv)
{
	lab_reap_process(&priv->pool, &priv->shared->process[priv->slot], 0);
	lab_life_drop(priv->fd[LAB_FD_LIFE], priv->slot);
}

/* The caller has the dead process's lock. */
static int64_t reap(struct lab_pool_priv *priv, struct lab_process *dead, int has_table,
		    enum lab_extent extent)
{
	int table = has_table || lab_life_wait(priv->fd[LAB_FD_LIFE], LAB_LIFE_TABLE) == 0;
	int64_t frames = 0;

	/* Another may have reaped it, and a third joined and died, before the lock was this
	 * process's. */
	if (lab_load(&dead->state) == LAB_PROCESS_GONE) {
		frames = lab_reap_rest(&priv->pool, dead, extent == LAB_REAP_ALL);
		__atomic_fetch_add(&priv->shared->reaped_frames, (uint64_t)frames,
				   __ATOMIC_RELAXED);
	} else if (lab_load(&dead->state) != LAB_PROCESS_FREE) {
		frames = lab_reap_process(&priv->pool, dead, table);
		if (frames < 0) {
			/* Or each keeper would try ten times a second. */
			lab_store_release(&dead->state, (uint32_t)LAB_PROCESS_STUCK);
		} else {
			/* Relaxed: counters that nothing depends on. */
			__atomic_fetch_add(&priv->shared->reaped_frames, (uint64_t)frames,
					   __ATOMIC_RELAXED);
			__atomic_fetch_add(&priv->shared->reaped_processes, 1, __ATOMIC_RELAXED);
		}
	}
	if (table && !has_table)
		lab_life_drop(priv->fd[LAB_FD_LIFE], LAB_LIFE_TABLE);
	return frames;
}

int64_t lab_process_reap_dead(struct lab_pool_priv *priv, int has_table, enum lab_extent extent)
{
	int life = priv->fd[LAB_FD_LIFE];
	int64_t all = 0, err = 0;

	for (unsigned i = 0; i < LAB_MAX_PROCESSES; i++) {
		struct lab_process *p = &priv->shared->process[i];
		uint32_t state = lab_load(&p->state);
		int64_t frames;

		if (i == priv->slot || state == LAB_PROCESS_FREE ||
		    (state == LAB_PROCESS_STUCK && extent == LAB_REAP_DEAD) ||
		    lab_life_is_taken(life, i) || !lab_life_take(life, i))
			continue;
		frames = reap(priv, p, has_table, extent);
		lab_life_drop(life, i);
		if (frames < 0)
			err = frames;
		else
			all += frames;
	}
	return err ? err : all;
}
