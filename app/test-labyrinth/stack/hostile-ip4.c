/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Hostile IPv4: headers that contradict the frame, options, addresses, ICMP; and UDP over both
 * versions. Fragments have a file of their own.
 */
#include "hostile-build.h"

#define IP_TOTAL    2
#define IP_ID       4
#define IP_FRAG     6
#define IP_TTL      8
#define IP_PROTO    9
#define IP_SRC      12
#define IP_DST      16
#define OPTIONS_MAX 40u

/* A right packet of some protocol. */
static uint32_t something(struct hostile *h, uint8_t *frame)
{
	uint32_t n = hostile_below(h, hostile_chance(h, 70) ? 100 : 1400);

	switch (hostile_below(h, 4)) {
	case 0:
		return hostile_ping(h, frame, false, n);
	case 1:
		return hostile_udp(h, frame, false, n);
	case 2:
		return hostile_tcp_syn(h, frame);
	default:
		return hostile_tcp_stray(h, frame);
	}
}

static uint32_t ip4_something(struct hostile *h, uint8_t *frame)
{
	uint32_t length;

	do
		length = something(h, frame);
	while (get16(frame + 12) != TYPE_IP4);
	return length;
}

uint32_t hostile_ip4_truncated(struct hostile *h, uint8_t *frame)
{
	/* Around the ends of Ethernet's, IPv4's, ICMP's or UDP's, and TCP's header. */
	static const uint8_t ends[] = {14, 15, 16, 17, 18, 22, 33, 34,
				       35, 38, 41, 42, 43, 53, 54, 55};
	uint32_t length = ip4_something(h, frame);
	uint32_t cut = hostile_chance(h, 70) ? ends[hostile_below(h, sizeof(ends))]
					     : ETH_HEADER + hostile_below(h, length - ETH_HEADER);

	if (cut < length)
		length = cut;
	if (hostile_chance(h, 70) && length >= ETH_HEADER + IP4_HEADER) {
		put16(frame + ETH_HEADER + IP_TOTAL, length - ETH_HEADER); /* and it owns up */
		hostile_fix(frame, length);
	}
	return length;
}

uint32_t hostile_ip4_lengths(struct hostile *h, uint8_t *frame)
{
	uint32_t length = ip4_something(h, frame);
	uint8_t *ip = frame + ETH_HEADER;

	switch (hostile_below(h, 5)) {
	case 0:
		put16(ip + IP_TOTAL, hostile_edge(h));
		break;
	case 1: /* just more, or just less */
		put16(ip + IP_TOTAL, length - ETH_HEADER + hostile_below(h, 9) - 4);
		break;
	case 2:
		ip[0] = (uint8_t)(0x40 | hostile_below(h, 16));
		break;
	case 3:
		ip[0] = (uint8_t)hostile_below(h, 256);
		break;
	default: /* a header that ends behind the packet */
		ip[0] = (uint8_t)(0x46 + hostile_below(h, 10));
		length = ETH_HEADER + IP4_HEADER + hostile_below(h, 40);
		put16(ip + IP_TOTAL, hostile_chance(h, 50) ? length - ETH_HEADER : hostile_edge(h));
	}
	if (hostile_chance(h, 50))
		hostile_ip4_sum(ip, length - ETH_HEADER);
	else
		hostile_fix(frame, length);
	return length;
}

uint32_t hostile_ip4_options(struct hostile *h, uint8_t *frame)
{
	/* end, no-op, security, source routes, timestamp, record route, router alert */
	static const uint8_t types[] = {0, 1, 130, 131, 137, 68, 7, 148};
	uint32_t length = ip4_something(h, frame), n = 4 * (1 + hostile_below(h, 10));
	uint8_t *ip = frame + ETH_HEADER, *option = ip + IP4_HEADER;

	memmove(option + n, option, length - ETH_HEADER - IP4_HEADER);
	hostile_bytes(h, option, n);
	if (hostile_chance(h, 70)) {
		option[0] = types[hostile_below(h, sizeof(types))];
		option[1] = (uint8_t)(hostile_chance(h, 50) ? n : hostile_edge(h)); /* 0, 1, more */
	}
	ip[0] = (uint8_t)(0x45 + n / 4);
	put16(ip + IP_TOTAL, length - ETH_HEADER + n);
	hostile_fix(frame, length + n);
	return length + n;
}

uint32_t hostile_ip4_checksum(struct hostile *h, uint8_t *frame)
{
	uint32_t length = ip4_something(h, frame);
	/* the header's, or one of those of ICMP, UDP, TCP */
	static const uint8_t at[] = {14 + 10, 34 + 2, 34 + 6, 34 + 16};
	uint8_t *sum = frame + at[hostile_below(h, 4)];

	put16(sum, get16(sum) + 1 + hostile_below(h, hostile_chance(h, 50) ? 2 : 0xfffe));
	return length;
}

uint32_t hostile_ip4_addresses(struct hostile *h, uint8_t *frame)
{
	static const uint8_t odd[][4] = {{0, 0, 0, 0},     {127, 0, 0, 1},     {255, 255, 255, 255},
					 {224, 0, 0, 1},   {239, 1, 2, 3},     {240, 0, 0, 1},
					 {169, 254, 1, 1}, {10, 255, 255, 255}};
	uint32_t length = ip4_something(h, frame);
	uint8_t *ip = frame + ETH_HEADER, *which = ip + (hostile_chance(h, 60) ? IP_SRC : IP_DST);

	switch (hostile_below(h, 4)) {
	case 0: /* from yourself, to yourself */
		memcpy(ip + IP_SRC, h->target.ip, 4);
		break;
	case 1: /* the subnet's ends */
		which[3] = hostile_chance(h, 50) ? 0 : 255;
		break;
	case 2:
		hostile_bytes(h, which, 4);
		break;
	default:
		memcpy(which, odd[hostile_below(h, 8)], 4);
	}
	if (hostile_chance(h, 20)) /* a group's MAC */
		memcpy(frame, hostile_group_mac, 6);
	hostile_fix(frame, length);
	return length;
}

uint32_t hostile_ip4_protocol(struct hostile *h, uint8_t *frame)
{
	static const uint8_t protocols[] = {0, 2, 4, 17, 41, 47, 50, 51, 58, 103, 132, 136, 255};
	uint32_t length = ip4_something(h, frame);
	uint8_t *ip = frame + ETH_HEADER;

	ip[IP_PROTO] = (uint8_t)(hostile_chance(h, 70) ? protocols[hostile_below(h, 13)]
						       : hostile_below(h, 256));
	if (ip[IP_PROTO] == 2) { /* IGMP: queries and reports */
		ip[IP_TTL] = 1;
		ip[IP4_HEADER] = (uint8_t)(0x11 + hostile_below(h, 8));
	}
	if (hostile_chance(h, 10))
		ip[IP_TTL] = (uint8_t)hostile_below(h, 3);
	hostile_fix(frame, length);
	return length;
}

uint32_t hostile_ip4_icmp(struct hostile *h, uint8_t *frame)
{
	static const uint8_t types[] = {0, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 30};
	struct hostile_host from = hostile_anybody(h);
	uint8_t *icmp = frame + hostile_segment(false);
	uint32_t n = hostile_below(h, hostile_chance(h, 60) ? 64 : MTU - 28);

	hostile_bytes(h, icmp, 8 + n);
	icmp[0] = types[hostile_below(h, sizeof(types))];
	icmp[1] = (uint8_t)hostile_below(h, hostile_chance(h, 80) ? 16 : 256);
	if (n >= 28 && hostile_chance(h, 60)) { /* an error about a packet that you sent */
		uint8_t *quoted = icmp + 8;

		quoted[0] = (uint8_t)(hostile_chance(h, 80) ? 0x45 : hostile_below(h, 256));
		quoted[IP_PROTO] = hostile_chance(h, 70) ? PROTO_TCP : PROTO_UDP;
		memcpy(quoted + IP_SRC, h->target.ip, 4);
		memcpy(quoted + IP_DST, from.ip, 4);
		put16(quoted + IP4_HEADER, h->target.ports[hostile_below(h, 2)]);
		put16(icmp + 6, hostile_edge(h)); /* next MTU */
	}
	if (hostile_chance(h, 15))
		n = 0;
	n = hostile_carry(h, frame, &from, false, PROTO_ICMP,
			  hostile_chance(h, 90) ? 8 + n : n % 8);
	return n;
}

uint32_t hostile_udp_lies(struct hostile *h, uint8_t *frame)
{
	bool v6 = hostile_chance(h, 40);
	uint32_t n = hostile_below(h, hostile_chance(h, 60) ? 64 : MTU - 48);
	uint32_t length = hostile_udp(h, frame, v6, n), at = hostile_segment(v6);
	uint8_t *udp = frame + at;

	switch (hostile_below(h, 6)) {
	case 0:
		put16(udp + 4, hostile_edge(h));
		break;
	case 1: /* just more, or just less */
		put16(udp + 4, 8 + n + hostile_below(h, 5) - 2);
		break;
	case 2: /* no checksum, which IPv6 forbids */
		put16(udp + 6, 0);
		return length;
	case 3:
		put16(udp + 6, hostile_edge(h));
		return length;
	case 4: /* no header */
		return hostile_carry(h, frame, &(struct hostile_host[]){hostile_anybody(h)}[0], v6,
				     PROTO_UDP, hostile_below(h, 8));
	default: /* DHCP, DNS and their like: an answer to what was never asked */
		put16(udp, v6 ? 547 : 67);
		put16(udp + 2, v6 ? 546 : 68);
		if (n > 8) {
			udp[8] = 2;
			udp[9] = 1;
		}
	}
	hostile_fix(frame, length);
	return length;
}
