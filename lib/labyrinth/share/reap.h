/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What a dead process left behind goes back to the pool.
 */
#ifndef REAP_H
#define REAP_H

#include "share/process.h"

/**
 * lab_reap_process() - give back everything that a process held, cached, or was moving. Frames that
 * it lent are put into quarantine. The process is dead, and the caller has its lock (life.h).
 * @strays: also what names an lcore that no process has. A process may have been killed that gave a
 *	frame to another, just after that was reaped, and before it noticed. The caller has the lock
 *	of the table of processes, so that nobody gets such an lcore meanwhile.
 *
 * In a common pool in which frames have passed from one process to another, what it held is left
 * where it is, and its slot with it: LAB_PROCESS_GONE.
 *
 * May be killed at any instruction and begun again by somebody else. Other processes go on
 * meanwhile. The caller needs no lcore. Return: how many frames; or -errno with a sentence.
 */
int64_t lab_reap_process(struct lab_pool *pool, struct lab_process *dead, int strays);

/**
 * lab_reap_rest() - the rest of a process that is gone (LAB_PROCESS_GONE), which others may have
 * had: its slot is free when nothing of that is held any more. @all: give it back, whoever has it.
 * Return: how many frames.
 */
int64_t lab_reap_rest(struct lab_pool *pool, struct lab_process *gone, int all);

/**
 * lab_reap_strays() - give back strays, as above, and what names an lcore of a process that is just
 * joining.
 */
int64_t lab_reap_strays(struct lab_pool *pool, struct lab_process *process);

/** lab_reap_count_held() - how many frames a process holds. */
uint64_t lab_reap_count_held(const struct lab_pool *pool, const struct lab_process *process);

#endif
