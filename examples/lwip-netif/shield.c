/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Packets that lwIP as Debian builds it must not see, because one of them ends the program or stops
 * it from being reached. Knows addresses in packets; knows no frame.
 */
#include <string.h>

#include <lwip/ip6_addr.h>
#include <lwip/prot/icmp6.h>
#include <lwip/prot/ip.h>
#include <lwip/raw.h>

#include "inside.h"

#define ETH_HEADER     14u
#define ARP_BYTES      28u
#define IP4_HEADER     20u
#define IP6_HEADER     40u
#define NEXT_HOP       0
#define NEXT_ROUTING   43
#define NEXT_FRAGMENT  44
#define NEXT_DEST      60
#define TCP_HEADER     20u
#define TCP_SYN        2
#define OPTION_END     0
#define OPTION_NOTHING 1
#define OPTION_MSS     2
#define TYPE_AT        12
#define TYPE_IP4       0x0800
#define TYPE_ARP       0x0806
#define TYPE_IP6       0x86dd
#define SRC4           (ETH_HEADER + 12)
#define DST6           24 /* without Ethernet's */
#define SRC6           (ETH_HEADER + 8)

static int is_own6(const struct netif *netif, const uint8_t *address)
{
	for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
		if (!ip6_addr_isinvalid(netif_ip6_addr_state(netif, i)) &&
		    !memcmp(netif_ip6_addr(netif, i)->addr, address, 16))
			return 1;
	}
	return 0;
}

/*
 * From ourselves, by its own account. No wire brings such a packet (RFC 1122, 3.2.1.3; RFC 4291,
 * 2.5.3). lwIP would answer to the loop, for which this build of it wants a thread that we do not
 * run, and abort().
 */
static int from_ourselves(const struct netif *netif, const uint8_t *packet, uint32_t length)
{
	static const uint8_t loopback6[16] = {[15] = 1};
	unsigned type;

	if (length < ETH_HEADER + IP4_HEADER)
		return 0;
	type = (unsigned)packet[TYPE_AT] << 8 | packet[TYPE_AT + 1];
	if (type == TYPE_IP4)
		return packet[SRC4] == 127 || !memcmp(packet + SRC4, netif_ip4_addr(netif), 4);
	if (type == TYPE_IP6 && length >= ETH_HEADER + IP6_HEADER)
		return !memcmp(packet + SRC6, loopback6, 16) || is_own6(netif, packet + SRC6);
	return 0;
}

/* Shorter than its own first header, which lwIP reads whether it is there or not. */
static int too_short(const uint8_t *packet, uint32_t length)
{
	if (length < ETH_HEADER)
		return 1;
	switch (packet[TYPE_AT] << 8 | packet[TYPE_AT + 1]) {
	case TYPE_ARP:
		return length < ETH_HEADER + ARP_BYTES;
	case TYPE_IP4:
		return length < ETH_HEADER + IP4_HEADER;
	case TYPE_IP6:
		return length < ETH_HEADER + IP6_HEADER;
	default:
		return 0;
	}
}

int lab_lwip_harmful(const struct lab_lwip *l, const uint8_t *packet, uint32_t length)
{
	return too_short(packet, length) || from_ourselves(&l->netif, packet, length);
}

/* ---- between IP and what is above it: whole datagrams ---- */

/*
 * lwIP believes a maximum segment size at any time, not only in a SYN where it belongs, and asserts
 * in tcp_write() that no segment that waits is longer.
 */
static int tcp_mss(const struct pbuf *p, uint16_t at)
{
	uint32_t end = at + (pbuf_get_at(p, (u16_t)(at + 12)) >> 4) * 4u, i = at + TCP_HEADER;

	if (end <= i || pbuf_get_at(p, (u16_t)(at + 13)) & TCP_SYN)
		return 0;
	while (i < end) {
		uint8_t kind = pbuf_get_at(p, (u16_t)i), length;

		if (kind == OPTION_MSS)
			return 1;
		if (kind == OPTION_END)
			return 0;
		length = kind == OPTION_NOTHING ? 1 : pbuf_get_at(p, (u16_t)(i + 1));
		if (!length)
			return 0; /* lwIP looks no further either */
		i += length;
	}
	return 0;
}

/*
 * "I have your address", said to all: lwIP gives an address up for that, for ever, even one that it
 * has used for long. That is for an address that is still looked into (RFC 4862, 5.4).
 */
static int takes_address(const struct lab_lwip *l, const struct pbuf *p, uint16_t at)
{
	uint8_t target[16];

	if (pbuf_get_at(p, at) != ICMP6_TYPE_NA || pbuf_get_at(p, DST6) != 0xff ||
	    pbuf_copy_partial(p, target, 16, (u16_t)(at + 8)) != 16)
		return 0;
	for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
		if (ip6_addr_isvalid(netif_ip6_addr_state(&l->netif, i)) &&
		    !memcmp(netif_ip6_addr(&l->netif, i)->addr, target, 16))
			return 1;
	}
	return 0;
}

/* The protocol that lwIP would pass the packet to; *@at becomes the offset of its header. */
static uint8_t walk(const struct pbuf *p, uint16_t *at)
{
	uint8_t next;

	if (pbuf_get_at(p, 0) >> 4 == 4) {
		*at = (uint16_t)((pbuf_get_at(p, 0) & 15) * 4);
		return pbuf_get_at(p, 9);
	}
	next = pbuf_get_at(p, 6);
	*at = IP6_HEADER;
	while ((next == NEXT_HOP || next == NEXT_ROUTING || next == NEXT_DEST ||
		next == NEXT_FRAGMENT) &&
	       *at < p->tot_len) {
		uint8_t blocks = next == NEXT_FRAGMENT ? 0 : pbuf_get_at(p, (u16_t)(*at + 1));

		next = pbuf_get_at(p, *at);
		*at = (uint16_t)(*at + (blocks + 1) * 8);
	}
	return next;
}

/*
 * UDP-Lite: lwIP asserts that the checksum covers less than 32 KiB, before it looks whether anybody
 * wants the packet.
 */
static u8_t look(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
	struct lab_lwip *l = arg;
	uint16_t at;
	uint8_t proto = walk(p, &at);

	if (proto != IP_PROTO_UDPLITE &&
	    !(proto == IP_PROTO_TCP && (tcp_mss(p, at) || lab_lwip_far_away(p, at))) &&
	    !(proto == IP6_NEXTH_ICMP6 && takes_address(l, p, at))) {
		if (proto == IP_PROTO_TCP)
			l->stats.pruned += lab_lwip_begins_anew(p, at);
		return 0;
	}
	l->stats.rx_harmful++;
	pbuf_free(p);
	return 1;
}

int lab_lwip_raise_shield(struct lab_lwip *l)
{
	/* lwIP asks by the first header behind IPv6's, whatever comes behind that. */
	static const uint8_t protocols[SHIELDS] = {IP_PROTO_TCP, IP_PROTO_UDPLITE, IP6_NEXTH_ICMP6,
						   NEXT_HOP,     NEXT_ROUTING,     NEXT_FRAGMENT,
						   NEXT_DEST};

	for (unsigned i = 0; i < SHIELDS; i++) {
		l->shields[i] = raw_new_ip_type(IPADDR_TYPE_ANY, protocols[i]);
		if (!l->shields[i])
			return -1;
		raw_recv(l->shields[i], look, l);
	}
	return 0;
}

void lab_lwip_lower_shield(struct lab_lwip *l)
{
	for (unsigned i = 0; i < SHIELDS; i++) {
		if (l->shields[i])
			raw_remove(l->shields[i]);
		l->shields[i] = NULL;
	}
}
