/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Hostile neighbours: solicitations, advertisements, routers and redirects that lie, options that
 * have no length or too much of it, and multicast listener messages.
 */
#include "hostile-build.h"

#define ND_RS       133
#define ND_RA       134
#define ND_NS       135
#define ND_NA       136
#define ND_REDIRECT 137
#define HOPS        (ETH_HEADER + 7)
#define TO          (ETH_HEADER + 24)

/* Bytes in front of the options. */
static uint32_t body(uint8_t type)
{
	switch (type) {
	case ND_RS:
		return 8;
	case ND_RA:
		return 16;
	case ND_REDIRECT:
		return 40;
	default:
		return 24;
	}
}

/* One option at @p; returns its bytes. */
static uint32_t option(struct hostile *h, uint8_t *p, const struct hostile_host *from)
{
	/* source and target address, prefix, redirected packet, MTU, route, DNS, search list */
	static const uint8_t types[] = {1, 2, 3, 4, 5, 24, 25, 31, 0, 255};
	static const uint8_t blocks[] = {1, 1, 4, 4, 1, 3, 5, 3, 1, 1};
	uint32_t which = hostile_below(h, sizeof(types)), n = blocks[which] * 8;

	hostile_bytes(h, p, n);
	p[0] = types[which];
	p[1] = blocks[which];
	switch (p[0]) {
	case 1:
	case 2:
		memcpy(p + 2, from->mac, 6);
		break;
	case 3: /* the victim's own prefix, for ever or for no time, or any */
		p[2] = (uint8_t)(hostile_chance(h, 70) ? 64 : hostile_below(h, 256));
		if (hostile_chance(h, 70))
			memcpy(p + 16, h->target.ip6, 16);
		if (hostile_chance(h, 50))
			memset(p + 4, hostile_chance(h, 50) ? 0 : 0xff, 8);
		break;
	case 5:
		put32(p + 4, hostile_edge(h));
		break;
	default:
		break;
	}
	if (hostile_chance(h, 25)) /* no length, or another */
		p[1] = (uint8_t)hostile_edge(h);
	return n;
}

static uint32_t neighbour(struct hostile *h, uint8_t *frame, uint8_t type,
			  const struct hostile_host *from, uint32_t options)
{
	uint8_t *icmp = frame + hostile_segment(true);
	uint32_t n = body(type);

	hostile_bytes(h, icmp, n);
	icmp[0] = type;
	icmp[1] = 0;
	if (type == ND_NS)
		memcpy(icmp + 8, hostile_chance(h, 50) ? h->target.ip6 : h->link_local, 16);
	else if (type == ND_NA || type == ND_REDIRECT)
		memcpy(icmp + 8, from->ip6, 16);
	for (uint32_t i = 0; i < options && n < 1300; i++)
		n += option(h, icmp + n, from);
	return hostile_carry(h, frame, from, true, PROTO_ICMP6, n);
}

uint32_t hostile_nd(struct hostile *h, uint8_t *frame)
{
	uint8_t type = (uint8_t)(ND_RS + hostile_below(h, 5)),
		*icmp = frame + hostile_segment(true);
	struct hostile_host from = hostile_anybody(h);
	uint32_t length;

	if (hostile_chance(h, 80)) { /* neighbours speak from link-local addresses */
		memset(from.ip6, 0, 8);
		put16(from.ip6, 0xfe80);
	}
	length =
		neighbour(h, frame, type, &from, hostile_below(h, hostile_chance(h, 90) ? 4 : 100));
	if (hostile_chance(h, 30))
		memcpy(frame + TO, hostile_nodes, 16);
	switch (hostile_below(h, 10)) {
	case 0: /* as one that looks whether an address is taken: yours */
		memset(frame + ETH_HEADER + 8, 0, 16);
		break;
	case 1: /* I have your address */
		memcpy(icmp + 8, hostile_chance(h, 50) ? h->target.ip6 : h->link_local, 16);
		break;
	case 2: /* a group as the target */
		icmp[8] = 0xff;
		break;
	case 3:
		frame[HOPS] = (uint8_t)hostile_below(h, 255);
		break;
	case 4:
	case 5: /* cut off, in an option or before */
		length = hostile_segment(true) + hostile_below(h, length - hostile_segment(true));
		put16(frame + ETH_HEADER + 4, length - hostile_segment(true));
		break;
	default:
		break;
	}
	hostile_fix(frame, length);
	return length;
}

static uint32_t truth(struct hostile *h, uint8_t *frame, const struct hostile_host *from)
{
	uint8_t *icmp = frame + hostile_segment(true);

	memset(icmp, 0, 32);
	icmp[0] = ND_NA;
	icmp[4] = 0x60; /* solicited, override */
	memcpy(icmp + 8, from->ip6, 16);
	icmp[24] = 2;
	icmp[25] = 1;
	memcpy(icmp + 26, from->mac, 6);
	return hostile_carry(h, frame, from, true, PROTO_ICMP6, 32);
}

uint32_t hostile_nd_truth(struct hostile *h, uint8_t *frame)
{
	struct hostile_host from = hostile_anybody(h);

	return truth(h, frame, &from);
}

void hostile_nd_answer(struct hostile *h, uint8_t number, const uint8_t *ip6)
{
	struct hostile_frame *f = hostile_later(h, HOSTILE_ND_TRUTH);
	struct hostile_host from = hostile_host(h, number);

	memcpy(from.ip6, ip6, 16);
	if (f)
		f->length = truth(h, f->bytes, &from);
}

uint32_t hostile_mld(struct hostile *h, uint8_t *frame)
{
	/* query, reports of both versions, done */
	static const uint8_t types[] = {130, 131, 132, 143};
	static const uint8_t solicited[13] = {0xff, 2, [11] = 1, 0xff};
	struct hostile_host from = hostile_anybody(h);
	uint8_t *icmp = frame + hostile_segment(true);
	uint32_t n = hostile_chance(h, 70) ? 24 : hostile_below(h, 200), length;

	hostile_bytes(h, icmp, 24 + 200);
	icmp[0] = types[hostile_below(h, 4)];
	icmp[1] = 0;
	put16(icmp + 4, hostile_edge(h));
	if (hostile_chance(h, 50)) { /* the victim's solicited-node group, or all */
		memset(icmp + 8, 0, 16);
		if (hostile_chance(h, 60)) {
			memcpy(icmp + 8, solicited, 13);
			memcpy(icmp + 21, h->target.ip6 + 13, 3);
		}
	}
	length = hostile_carry(h, frame, &from, true, PROTO_ICMP6, n);
	frame[HOPS] = 1;
	return length;
}
