/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Hostile IPv6: lengths, chains of extension headers, addresses, ICMPv6. Neighbours and fragments
 * have files of their own.
 */
#include "hostile-build.h"

#define IP6_LENGTH 4
#define IP6_NEXT   6
#define IP6_HOPS   7
#define IP6_SRC    8
#define IP6_DST    24
#define CHAIN_MAX  1200u

static uint32_t ip6_something(struct hostile *h, uint8_t *frame)
{
	uint32_t n = hostile_below(h, hostile_chance(h, 70) ? 100 : 1400), length;

	switch (hostile_below(h, 3)) {
	case 0:
		return hostile_ping(h, frame, true, n);
	case 1:
		return hostile_udp(h, frame, true, n);
	default:
		do
			length = hostile_tcp_stray(h, frame);
		while (get16(frame + 12) != TYPE_IP6);
		return length;
	}
}

uint32_t hostile_ip6_truncated(struct hostile *h, uint8_t *frame)
{
	static const uint8_t ends[] = {14, 15, 16, 20, 21, 22, 37, 38,
				       53, 54, 55, 58, 61, 62, 63, 74};
	uint32_t length =
		hostile_chance(h, 50) ? hostile_ip6_extensions(h, frame) : ip6_something(h, frame);
	uint32_t cut = hostile_chance(h, 60) ? ends[hostile_below(h, sizeof(ends))]
					     : ETH_HEADER + hostile_below(h, length - ETH_HEADER);

	if (cut < length)
		length = cut;
	if (hostile_chance(h, 70) && length >= ETH_HEADER + IP6_HEADER) {
		put16(frame + ETH_HEADER + IP6_LENGTH, length - ETH_HEADER - IP6_HEADER);
		hostile_fix(frame, length);
	}
	return length;
}

uint32_t hostile_ip6_lengths(struct hostile *h, uint8_t *frame)
{
	uint32_t length = ip6_something(h, frame);
	uint8_t *ip = frame + ETH_HEADER;

	switch (hostile_below(h, 4)) {
	case 0:
		put16(ip + IP6_LENGTH, hostile_edge(h));
		break;
	case 1:
		put16(ip + IP6_LENGTH, length - 54 + hostile_below(h, 9) - 4);
		break;
	case 2: /* version, class, label */
		hostile_bytes(h, ip, 4);
		break;
	default: /* 0 would announce a jumbogram's option */
		put16(ip + IP6_LENGTH, 0);
		ip[IP6_NEXT] = hostile_chance(h, 50) ? NEXT_HOP : ip[IP6_NEXT];
	}
	hostile_fix(frame, length);
	return length;
}

/* One options header (hop-by-hop, destination) of 8 * (1 + @blocks) bytes; its length may lie. */
static void put_options(struct hostile *h, uint8_t *p, uint32_t blocks)
{
	/* pad1, padN, router alert, tunnel limit, jumbo, home address, and such as must be refused
	 */
	static const uint8_t types[] = {0, 1, 5, 4, 0xc2, 0xc9, 0x3e, 0x7e, 0xbe, 0xfe};
	uint32_t end = 8 * (1 + blocks);

	for (uint32_t at = 2; at < end;) {
		uint32_t room = end - at, n = hostile_below(h, room < 12 ? room : 12);

		p[at] = types[hostile_below(h, sizeof(types))];
		if (hostile_chance(h, 60))
			p[at] = room > 1;
		if (!p[at]) {
			at++;
			continue;
		}
		n = n > 2 ? n - 2 : 0;
		if (room > 1)
			p[at + 1] = (uint8_t)(hostile_chance(h, 90) ? n : hostile_edge(h));
		at += 2 + n;
	}
}

static void put_routing(struct hostile *h, uint8_t *p, uint32_t blocks)
{
	p[2] = (uint8_t)hostile_below(h, 5);                           /* type */
	p[3] = (uint8_t)(hostile_chance(h, 40) ? 0 : hostile_edge(h)); /* left */
	for (uint32_t i = 0; i + 2 <= blocks && hostile_chance(h, 70); i += 2)
		memcpy(p + 8 + i * 8, h->target.ip6, 16); /* by way of yourself */
}

/* A chain of headers in front of what @length says; in the order of the RFC or in any. */
uint32_t hostile_ip6_extensions(struct hostile *h, uint8_t *frame)
{
	static const uint8_t kinds[] = {NEXT_HOP, NEXT_ROUTING, NEXT_FRAG, NEXT_DEST, NEXT_DEST};
	uint32_t length, at = ETH_HEADER + IP6_HEADER, last = ETH_HEADER + IP6_NEXT, chain = at;
	uint32_t headers = 1 + hostile_below(h, hostile_chance(h, 85) ? 4 : 120);
	uint8_t buf[256 * 8 + 8], proto;

	do
		length = ip6_something(h, frame);
	while (length > 300);
	proto = frame[last];
	for (uint32_t i = 0; i < headers && chain - at < CHAIN_MAX; i++) {
		uint32_t blocks = hostile_below(h, hostile_chance(h, 80) ? 3 : 40), n;
		uint8_t kind =
			i == 0 && hostile_chance(h, 60) ? NEXT_HOP : kinds[hostile_below(h, 5)];

		if (kind == NEXT_FRAG)
			blocks = 0;
		n = 8 * (1 + blocks);
		hostile_bytes(h, buf, n);
		buf[1] = (uint8_t)blocks;
		if (kind == NEXT_HOP || kind == NEXT_DEST)
			put_options(h, buf, blocks);
		else if (kind == NEXT_ROUTING)
			put_routing(h, buf, blocks);
		else
			put16(buf + 2, hostile_chance(h, 50) ? 0 : hostile_edge(h));
		if (hostile_chance(h, 10)) /* leads out of the packet, or into the middle */
			buf[1] = (uint8_t)hostile_edge(h);
		memmove(frame + chain + n, frame + chain, length - chain);
		memcpy(frame + chain, buf, n);
		frame[last] = kind;
		last = chain;
		frame[last] = proto;
		chain += n;
		length += n;
	}
	if (hostile_chance(h, 10))
		frame[last] = (uint8_t)(hostile_chance(h, 50) ? NEXT_NONE : hostile_below(h, 256));
	put16(frame + ETH_HEADER + IP6_LENGTH, length - at);
	hostile_fix(frame, length);
	return length;
}

uint32_t hostile_ip6_addresses(struct hostile *h, uint8_t *frame)
{
	/* ::, ::1, all nodes, all routers, IPv4-mapped, any of the site's */
	static const uint8_t odd[][16] = {{0},
					  {[15] = 1},
					  {0xff, 2, [15] = 1},
					  {0xff, 2, [15] = 2},
					  {0xff, 1, [15] = 1},
					  {[10] = 0xff, 0xff, 10, 0, 0, 1},
					  {0xfe, 0xc0, [15] = 1},
					  {0xff, 0xff, [15] = 0xff}};
	uint32_t length = ip6_something(h, frame);
	uint8_t *ip = frame + ETH_HEADER, *which = ip + (hostile_chance(h, 60) ? IP6_SRC : IP6_DST);

	switch (hostile_below(h, 4)) {
	case 0: /* from yourself, to yourself */
		memcpy(ip + IP6_SRC, hostile_chance(h, 50) ? h->target.ip6 : h->link_local, 16);
		break;
	case 1:
		hostile_bytes(h, which, 16);
		break;
	default:
		memcpy(which, odd[hostile_below(h, 8)], 16);
	}
	if (hostile_chance(h, 30)) /* a group's MAC */
		memcpy(frame, hostile_nodes_mac, 6);
	if (hostile_chance(h, 10))
		ip[IP6_HOPS] = (uint8_t)hostile_below(h, 3);
	hostile_fix(frame, length);
	return length;
}

uint32_t hostile_ip6_icmp(struct hostile *h, uint8_t *frame)
{
	static const uint8_t types[] = {0, 1, 2, 3, 4, 100, 127, 128, 129, 137, 138, 139, 151, 255};
	struct hostile_host from = hostile_anybody(h);
	uint8_t *icmp = frame + hostile_segment(true);
	uint32_t n = hostile_below(h, hostile_chance(h, 60) ? 80 : MTU - 48), length;

	hostile_bytes(h, icmp, 8 + n);
	icmp[0] = types[hostile_below(h, sizeof(types))];
	icmp[1] = (uint8_t)hostile_below(h, 8);
	if (icmp[0] == 2 && hostile_chance(h, 80)) /* too big: 0, 1279, and what nobody has */
		put32(icmp + 4, hostile_edge(h));
	if (n >= 48 && hostile_chance(h, 70)) { /* about a packet of yours */
		memset(icmp + 8, 0, 8);
		icmp[8] = 0x60;
		put16(icmp + 8 + IP6_LENGTH, hostile_edge(h));
		icmp[8 + IP6_NEXT] =
			hostile_chance(h, 60) ? PROTO_TCP : (uint8_t)hostile_below(h, 64);
		memcpy(icmp + 8 + IP6_SRC, h->target.ip6, 16);
		memcpy(icmp + 8 + IP6_DST, from.ip6, 16);
		put16(icmp + 48, h->target.ports[hostile_below(h, 2)]);
	}
	length = hostile_carry(h, frame, &from, true, PROTO_ICMP6,
			       hostile_chance(h, 85) ? 8 + n : hostile_below(h, 8));
	if (hostile_chance(h, 20)) {
		put16(icmp + 2, hostile_edge(h));
		return length;
	}
	return length;
}
