/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the tests under DPDK stand on: EAL in this process, with its files where nobody else sees
 * them, and this program once more as a secondary process.
 */
#ifndef GROUND_H
#define GROUND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct rte_mempool;

/**
 * ground_init() - start EAL with the arguments before "--", or skip the program.
 *
 * Where these do not rule out secondary processes (--in-memory, --no-shconf, --no-huge), the
 * run-time files of EAL and Labyrinth and the hugepage files lie in mounts that only this process
 * and its children have, and that go with the last of them. The program is ended if it takes longer
 * than @seconds.
 *
 * Return: where in @argv the program's own arguments begin.
 */
int ground_init(int argc, char **argv, unsigned seconds);

/** ground_shares() - true if there can be secondary processes. */
bool ground_shares(void);

/** ground_option() - the value behind @name of the program's own arguments, or @otherwise. */
const char *ground_option(int argc, char **argv, const char *name, const char *otherwise);

/**
 * ground_mempool() - a mempool, of mbufs if @mbufs. Ends the program if there can be none.
 * @ops: labyrinth; one of DPDK's own (ring_mp_mc); or frames or frames-eal, for a mempool of
 *	lab_rte_pktmbuf_pool_create() in Labyrinth's memory or in EAL's.
 */
struct rte_mempool *ground_mempool(const char *name, const char *ops, unsigned n, unsigned cache,
				   bool mbufs);

/** ground_checks() - true if the ops are Labyrinth's. */
bool ground_checks(const char *ops);

/** ground_discard() - free it. */
void ground_discard(struct rte_mempool *mp);

/** struct mate - a secondary process. It reads what is told from 0, and writes to 1. */
struct mate {
	pid_t pid;
	int to;
	int from;
};

/** mate_start() - run this program as a secondary process with EAL's lcore @lcore, on another CPU
 * than the first if it may, and with @args as its own. */
struct mate mate_start(unsigned lcore, const char *const *args);

/** mate_tell() - one letter, to which it answers with one. Return: that; or 0, not within ten
 * seconds. */
char mate_tell(struct mate *mate, char letter);

/** mate_hear() - its next letter, as above. */
char mate_hear(struct mate *mate);

/** mate_kill() - and wait until it is dead. */
void mate_kill(struct mate *mate);

/** mate_order() - in the mate: the next letter; the process ends with status 0 if there is none. */
char mate_order(void);

/** mate_answer() - in the mate. */
void mate_answer(char letter);

#endif
