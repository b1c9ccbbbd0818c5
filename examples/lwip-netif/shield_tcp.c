/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The part of the shield that looks into lwIP's connections. Knows TCP's sequence numbers.
 */
#include <lwip/ip.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/tcp.h>

#include "inside.h"

static uint32_t get32(const struct pbuf *p, uint16_t at)
{
	uint8_t b[4] = {0};

	pbuf_copy_partial(p, b, 4, at);
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static const struct tcp_pcb *connection(uint16_t remote, uint16_t local)
{
	const struct tcp_pcb *pcb = tcp_active_pcbs;

	while (pcb && (pcb->remote_port != remote || pcb->local_port != local ||
		       !ip_addr_cmp(&pcb->remote_ip, ip_current_src_addr())))
		pcb = pcb->next;
	return pcb;
}

/*
 * A segment that takes one sequence number, half the space of numbers away from the one that is
 * expected: lwIP's comparison of both of its ends overflows there, and it asserts that the segment
 * overlaps what it has.
 */
int lab_lwip_far_away(const struct pbuf *p, uint16_t at)
{
	const struct tcp_pcb *pcb;
	uint8_t flags = pbuf_get_at(p, (u16_t)(at + 13));
	uint32_t header = (pbuf_get_at(p, (u16_t)(at + 12)) >> 4) * 4u;
	uint32_t numbers = p->tot_len - at - header + !!(flags & TCP_SYN) + !!(flags & TCP_FIN);

	if (lab_likely(numbers != 1))
		return 0;
	pcb = connection((uint16_t)(get32(p, at) >> 16), (uint16_t)get32(p, at));
	return pcb && pcb->rcv_nxt - get32(p, (u16_t)(at + 4)) == 0x80000000u;
}
