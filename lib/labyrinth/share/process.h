/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The processes of a pool: each has a slot, and a range of lcores that no other gets before it has
 * been reaped. So a state byte, which names an lcore, names a process too. A pool that is not
 * shared has one process with all lcores.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <labyrinth/lab_alloc.h>

#include "pool.h"

/** enum lab_process_state - of a slot. Whoever has the slot's lock (life.h) changes it. */
enum lab_process_state {
	LAB_PROCESS_FREE,
	LAB_PROCESS_JOINING, /* nothing is its own yet but the lcores */
	LAB_PROCESS_ACTIVE,
	LAB_PROCESS_LEAVING, /* or dead, and being reaped: its lists are not in order any more */
	LAB_PROCESS_STUCK,   /* dead, and could not be reaped: keepers leave it alone */
	LAB_PROCESS_GONE, /* dead and reaped, but for what others may have of it (common pools) */
};

/** lab_process_alone() - the calling process is all that a pool will have. */
void lab_process_alone(struct lab_pool_priv *priv);

/**
 * lab_process_join() - make the calling process one of the pool's.
 * @lcores: how many it wants for its threads.
 *
 * Reaps the dead first, and returns what was given to the slot after its last process was gone.
 * Return: 0; or -errno with a sentence (ENOSPC: too many processes, or too few lcores are left;
 * EBUSY: another process has the table since long). May sleep.
 */
int lab_process_join(struct lab_pool_priv *priv, uint32_t lcores);

/** lab_process_leave() - give back all that the process still has, and its slot; no thread of it
 * uses the pool. */
void lab_process_leave(struct lab_pool_priv *priv);

/** enum lab_extent - how far reaping goes. @LAB_REAP_DEAD: those that have died. @LAB_REAP_STUCK:
 * also those that could not be reaped before. @LAB_REAP_ALL: also what others may have of them. */
enum lab_extent {
	LAB_REAP_DEAD,
	LAB_REAP_STUCK,
	LAB_REAP_ALL,
};

/** lab_process_reap_dead() - reap each process that has died. @has_table: the caller has the
 * table's lock already. Return: how many frames came back; or -errno with a sentence: one of them
 * could not be reaped. May sleep. */
int64_t lab_process_reap_dead(struct lab_pool_priv *priv, int has_table, enum lab_extent extent);

/** lab_process_others() - how many other processes the pool has now, dead ones included. */
unsigned lab_process_others(const struct lab_pool_priv *priv);

/** lab_process_is_any_leaving() - 1 if another process is just leaving, or being reaped. */
int lab_process_is_any_leaving(const struct lab_pool_priv *priv);

/** lab_process_of() - the slot of the process that has an lcore; -1 for none. */
int lab_process_of(const struct lab_shared *shared, unsigned lcore);

/** lab_process_has() - 1 if an lcore is one of the process's, by the process's slot. */
static inline int lab_process_has(const struct lab_process *process, unsigned lcore)
{
	return lcore - process->first < process->lcores;
}

/**
 * lab_process_owns() - 1 if the lcore's slot says so, too. A process's slot that was overwritten
 * must not make anybody take what is a living process's: only where both agree is it taken.
 */
static inline int lab_process_owns(const struct lab_shared *shared,
				   const struct lab_process *process, unsigned lcore)
{
	return lcore >= 1 && lcore <= LAB_MAX_LCORES && lab_process_has(process, lcore) &&
	       lab_load(&shared->slot[lcore].process) == lab_load(&process->id);
}

/** lab_process_is_lcore_free() - 1 if no process has an lcore, neither by a process's slot nor by
 * the lcore's own. */
int lab_process_is_lcore_free(const struct lab_shared *shared, unsigned lcore);

#endif
