/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Connections that lwIP 2.1.3 would let stand still. A segment that three acknowledgements ask for
 * again goes from those under way to those to be sent; while it cannot leave, because the other
 * end's window is closed or no frame is free, the timer may put all others that are under way
 * before it (tcp_rexmit_rto_prepare()). Then the first to be sent is not the one that the other end
 * lacks, and does not fit into a congestion window of one segment: nothing is sent any more, until
 * lwIP gives the connection up. Knows lwIP's lists of connections and nothing of frames.
 */
#include <lwip/priv/tcp_priv.h>

#include "inside.h"

static u32_t number(const struct tcp_seg *seg)
{
	return lwip_ntohl(seg->tcphdr->seqno);
}

/* Puts @list, which is not empty, into the order of its sequence numbers; whether it was not in it.
 */
static bool sort(struct tcp_seg **list)
{
	struct tcp_seg *seg = *list;
	bool sorted = false;

	while (seg->next) {
		struct tcp_seg *next = seg->next, **at = list;

		if (TCP_SEQ_LEQ(number(seg), number(next))) {
			seg = next;
			continue;
		}
		seg->next = next->next;
		while (TCP_SEQ_LT(number(*at), number(next)))
			at = &(*at)->next;
		next->next = *at;
		*at = next;
		sorted = true;
	}
	return sorted;
}

void lab_lwip_mend(struct lab_lwip *l)
{
	if (lab_likely(l->mended_at == tcp_ticks))
		return;
	l->mended_at = tcp_ticks;
	for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
		if (lab_likely(!pcb->unsent || !sort(&pcb->unsent)))
			continue;
#if TCP_OVERSIZE
		pcb->unsent_oversize = 0; /* of the last one, which may be another now */
#endif
		tcp_output(pcb);
		l->stats.mended++;
	}
}
