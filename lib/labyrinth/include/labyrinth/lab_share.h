/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools that several processes share: attach to one, look at one from outside, reap the dead.
 *
 * One process creates the pool with LAB_POOL_SHARED and a name; others attach by the name. All are
 * equal from then on: the creator may leave or die first. Each has lcores and caches of its own and
 * the frames at an address of its own, so a frame is passed on as its number (lab_frame_index(),
 * lab_frame_at()). lab_pool_destroy() makes the calling process leave; the memory goes back to the
 * kernel with the last one.
 *
 * A process that dies, in whatever it was doing, is reaped by the others: what it held, cached or
 * was moving goes back to the depot; what it had lent to a device stays in quarantine until that is
 * known to be reset or gone. Each process has a thread for that, "lab-keeper", which wakes up ten
 * times a second.
 *
 * In a pool with LAB_POOL_COMMON a frame may be with another process than the one that its byte
 * names. As long as no process has freed another's frame, the dead are reaped as above. Once one
 * has, what a dead process held is left alone, because a survivor may be using it: it comes back
 * frame by frame, as it is freed, or with lab_reclaim(). Until then the dead one keeps its lcores.
 *
 * Processes find each other in a run-time directory: $LABYRINTH_RUNTIME_DIR; or /run/labyrinth for
 * root, $XDG_RUNTIME_DIR/labyrinth for others. Those who share a pool trust each other: any of them
 * could overwrite its tables.
 */
#ifndef LAB_SHARE_H
#define LAB_SHARE_H

#include "lab_layout.h"
#include "lab_pool.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct lab_attach_config - how to attach. All zero but @name is good.
 * @name: of the pool.
 * @lcores: how many of the pool's lcores are for the threads of this process; 0 gives
 *	LAB_SHARE_LCORES. It takes one more, for frames that are the process's and no thread's.
 * @flags: LAB_POOL_FALLBACK: go on where the tables cannot be locked in memory; LAB_POOL_DUMP: as
 *in struct lab_pool_config. What else the pool is like, its creator has said.
 * @group: believe who answers for the pool if it is a member of this group; NULL: only the same
 *	user, or root. Root believes anybody: that, and whom to attach to, is its own to judge.
 * @address: where the frames shall be, for programs that pass pointers to each other; NULL:
 *anywhere. Something else may be there already (EEXIST).
 * @on_refusal, @on_refusal_arg: as in struct lab_pool_config.
 */
struct lab_attach_config {
	const char *name;
	uint32_t lcores;
	uint32_t flags;
	const char *group;
	void *address;
	void (*on_refusal)(struct lab_pool *pool, const struct lab_refusal *refusal, void *arg);
	void *on_refusal_arg;
};

/**
 * lab_pool_attach() - become one of a shared pool's processes.
 * @config: read during the call only.
 *
 * Return: the pool, until lab_pool_destroy(); or NULL with errno: ENOENT (nobody answers to the
 * name), EACCES (another user's), EPROTONOSUPPORT (of a Labyrinth with another layout), EPROTO
 * (what answers is no pool, or a damaged one), ENOSPC (too many processes, or too few lcores left:
 * the text says how many), ESTALE (it is just going), EBUSY (another process has been changing the
 * table of processes for five seconds), EINVAL, EPERM, ENOMEM. lab_error_text() says more.
 *
 * Thread-safe; may sleep, for some seconds where the pool's other processes are stopped.
 */
struct lab_pool *lab_pool_attach(const struct lab_attach_config *config);

/**
 * lab_pool_observe() - look at a shared pool from outside.
 * @name: of the pool.
 * @group: as in struct lab_attach_config; NULL for none.
 *
 * The tables are mapped to be read, the frames not at all, and the pool is not changed. The handle
 * is for lab_pool_stats(), lab_lcore_stats(), lab_pool_census(), lab_pool_report() and the like;
 * everything else refuses it (-EROFS).
 *
 * Return: the pool, until lab_pool_destroy(); or NULL with errno as from lab_pool_attach().
 * Thread-safe; may sleep.
 */
struct lab_pool *lab_pool_observe(const char *name, const char *group);

/**
 * lab_pool_list() - the names of the shared pools in the run-time directory.
 * @names: room for @most.
 *
 * Return: how many; or -errno with a sentence. May sleep.
 */
int lab_pool_list(char (*names)[LAB_NAME_MAX], unsigned most);

/**
 * lab_pool_reap() - reap each process of the pool that has died, now and on this thread.
 * @pool: a shared pool.
 *
 * The keepers do it within a tenth of a second; this is for who does not want to wait for that.
 *
 * Return: how many frames came back; or -EINVAL if the pool is not shared; or -EUCLEAN: somebody
 * has overwritten the tables, and one of the dead cannot be reaped (keepers try that once; what it
 * had is lost to the pool, and its lcores are nobody else's). Where another process is reaping one
 * of the dead just now, that one is left to it. Thread-safe; may sleep.
 */
int64_t lab_pool_reap(struct lab_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
