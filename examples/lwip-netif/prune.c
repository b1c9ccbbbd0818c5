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

/* Connections that the program has closed, and that still have something to send. Linux:
 * tcp_max_orphans. */
#define ORPHANS_MAX 512u

static bool half_open(const struct tcp_pcb *pcb)
{
	return pcb->state == SYN_RCVD;
}

static bool ended(const struct tcp_pcb *pcb)
{
	return pcb->state == TIME_WAIT;
}

/* Whoever lets the program's last words lie, and answers each time lwIP asks, would keep them for
 * ever: nobody is there any more who might give up. */
static bool orphan(const struct tcp_pcb *pcb)
{
	return (pcb->state == FIN_WAIT_1 || pcb->state == CLOSING || pcb->state == LAST_ACK) &&
	       !pcb->errf && !pcb->callback_arg;
}

/* Of those of a list: all behind the first @keep. lwIP puts whom it hears from to the front. */
static unsigned prune(struct tcp_pcb *list, bool (*is)(const struct tcp_pcb *), unsigned keep)
{
	struct tcp_pcb *next;
	unsigned kept = 0, n = 0;

	for (struct tcp_pcb *pcb = list; pcb; pcb = next) {
		next = pcb->next;
		if (!is(pcb) || kept++ < keep)
			continue;
		tcp_abandon(pcb, 0); /* says nothing to the other end */
		n++;
	}
	return n;
}

unsigned lab_lwip_prune(void)
{
	return prune(tcp_active_pcbs, half_open, HALF_OPEN_MAX) +
	       prune(tcp_active_pcbs, orphan, ORPHANS_MAX) +
	       prune(tcp_tw_pcbs, ended, TIME_WAIT_MAX);
}
