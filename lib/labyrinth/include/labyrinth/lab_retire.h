/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Bad memory: frames that leave circulation for good. A retired frame is nobody's; every step of it
 * is refused (-EPERM), and lab_pool_stats.retired counts it. Nothing brings it back but making the
 * pool anew.
 *
 * A frame can be retired while it is held by who says so, or while it lies in the depot. One that
 * is elsewhere (held by another, lent, or in the cache of an lcore) is *marked*: its user goes on,
 * and it is retired when it is found in the depot: by the keeper of a shared pool within a tenth of
 * a second, by the keeper of a pool that breathes at its next round, or by lab_retire_pending().
 */
#ifndef LAB_RETIRE_H
#define LAB_RETIRE_H

#include <stdint.h>

#include "lab_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * lab_frame_retire() - take a frame out of circulation.
 * @pool: an exclusive pool with memory.
 * @frame: any frame of it; of one that the caller's process holds, the caller gives it up.
 *
 * Nothing of the frame is read or written. The calling thread's cache is drained.
 *
 * Return: 1 (it is retired), 0 (it is marked), or -EALREADY (it is retired already), -EINVAL,
 * -EFAULT, -EXDEV (no frame of this pool), -ENXIO (of a pool that breathes: its hugepage has gone
 * back to the kernel), -ENOTSUP (an unprotected pool, or one of numbers),
 * -EBUSY (another process has been changing the pool's table of processes for five seconds; the
 * frame is marked), -ENOSPC, -EPERM as lab_alloc().
 *
 * Thread-safe; may sleep.
 */
int64_t lab_frame_retire(struct lab_pool *pool, void *frame);

/**
 * lab_segment_retire() - all frames of one hugepage; of a pool on ordinary pages, of one page.
 * @pool: an exclusive pool with memory.
 * @addr: a pointer into it.
 *
 * Those that somebody holds, the caller included, are marked: whoever has one may free it, or
 * retire it.
 *
 * Return: how many of them are retired now, earlier ones included; or -errno as above. Thread-safe;
 * may sleep.
 */
int64_t lab_segment_retire(struct lab_pool *pool, const void *addr);

/**
 * lab_retire_pending() - retire what is marked and lies in the depot by now.
 * @pool: an exclusive pool with memory.
 *
 * For pools that have no keeper, from the control path; the calling thread's cache is drained. What
 * lies in caches of other threads, lab_lcore_drain() in these puts into the depot.
 *
 * Return: how many are still marked, and not retired; or -errno as above. Where another process is
 * just changing the table of processes, nothing is done. Thread-safe; may sleep.
 */
int64_t lab_retire_pending(struct lab_pool *pool);

/**
 * lab_memory_failure() - what a handler of SIGBUS calls.
 * @siginfo: the siginfo_t that the handler was given. (Its type is not one of C11's.)
 *
 * If the kernel says that memory has failed (BUS_MCEERR_AR: this thread was just reading it;
 * BUS_MCEERR_AO: found beforehand) and it is that of a pool of this process, all frames of the page
 * are marked: of a hugepage all of it, since that is what the kernel takes away. They are retired
 * as soon as they can be had, see above. The application goes on as it can: after BUS_MCEERR_AR it
 * must not return from the handler to the instruction that failed. In a handler of its own:
 *
 *	static void on_bus(int number, siginfo_t *info, void *context)
 *	{
 *		if (lab_memory_failure(info)) {
 *			if (info->si_code == BUS_MCEERR_AO)
 *				return;
 *			siglongjmp(give_up_this_packet, 1);
 *		}
 *		signal(number, SIG_DFL);
 *		raise(number);
 *	}
 *
 * Return: 1, or 0 if it is none of this library's business.
 *
 * Async-signal-safe: it reads a table of pools and sets bits, all by atomic operations on memory
 * that is mapped and locked; it takes no lock, makes no system call, and sets no errno. A thread
 * that destroys a pool meanwhile waits until it is through.
 */
int lab_memory_failure(const void *siginfo);

#ifdef __cplusplus
}
#endif
#endif
