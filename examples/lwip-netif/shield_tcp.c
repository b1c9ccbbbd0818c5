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

/* That of the segment at @at, out of a list of lwIP's. */
static struct tcp_pcb *connection(struct tcp_pcb *pcb, const struct pbuf *p, uint16_t at)
{
	uint16_t remote = (uint16_t)(get32(p, at) >> 16), local = (uint16_t)get32(p, at);

	while (pcb && (pcb->remote_port != remote || pcb->local_port != local ||
		       !ip_addr_cmp(&pcb->remote_ip, ip_current_src_addr()) ||
		       !ip_addr_cmp(&pcb->local_ip, ip_current_dest_addr())))
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
	pcb = connection(tcp_active_pcbs, p, at);
	return pcb && pcb->rcv_nxt - get32(p, (u16_t)(at + 4)) == 0x80000000u;
}

/*
 * A SYN for a connection of which only TIME_WAIT is left, with a number beyond all that came over
 * it: the client begins anew from the same port, and may (RFC 1122, 4.2.2.13). lwIP would refuse
 * it, for two minutes; now it finds no such connection.
 */
unsigned lab_lwip_begins_anew(const struct pbuf *p, uint16_t at)
{
	struct tcp_pcb *pcb;

	if (lab_likely((pbuf_get_at(p, (u16_t)(at + 13)) & (TCP_SYN | TCP_ACK | TCP_RST)) !=
		       TCP_SYN))
		return 0;
	pcb = connection(tcp_tw_pcbs, p, at);
	if (!pcb || !TCP_SEQ_GEQ(get32(p, (u16_t)(at + 4)), pcb->rcv_nxt))
		return 0;
	tcp_abandon(pcb, 0); /* says nothing to the other end */
	return 1;
}
