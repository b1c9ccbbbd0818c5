/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Bounds on connections that nobody uses. lwIP as Debian builds it takes their memory from malloc
 * without end, and goes through all of them, one by one, for each packet of a new connection: a
 * flood of SYNs, or clients that connect anew for each request, would make the stack slow for all.
 * Knows lwIP's lists of connections and nothing of frames.
 */
#include <lwip/priv/tcp_priv.h>

#include "inside.h"

/* Half-open connections that are kept. Linux: tcp_max_syn_backlog, 128 to 4096 by memory. */
#define HALF_OPEN_MAX 512u
/* Ended connections that are still remembered. Linux: tcp_max_tw_buckets, more, as it has a hash.
 */
#define TIME_WAIT_MAX 512u

/* The oldest ones of a list in that state, which are at its end: all behind the first @keep. */
static unsigned prune(struct tcp_pcb *list, enum tcp_state state, unsigned keep)
{
	struct tcp_pcb *next;
	unsigned kept = 0, n = 0;

	for (struct tcp_pcb *pcb = list; pcb; pcb = next) {
		next = pcb->next;
		if (pcb->state != state || kept++ < keep)
			continue;
		tcp_abandon(pcb, 0); /* says nothing to the other end */
		n++;
	}
	return n;
}

unsigned lab_lwip_prune(void)
{
	return prune(tcp_active_pcbs, SYN_RCVD, HALF_OPEN_MAX) +
	       prune(tcp_tw_pcbs, TIME_WAIT, TIME_WAIT_MAX);
}
