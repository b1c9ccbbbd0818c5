/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What hostile frames are built of. Makes nothing that is wrong: the others do.
 */
#include "hostile-build.h"

const uint8_t hostile_group_mac[6] = {1, 0, 0x5e, 0, 0, 1};
const uint8_t hostile_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
const uint8_t hostile_nodes[16] = {0xff, 2, [15] = 1};

uint64_t hostile_word(struct hostile *h)
{
	/* splitmix64: any seed is a good one */
	uint64_t z = h->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t hostile_below(struct hostile *h, uint32_t n)
{
	return (uint32_t)((hostile_word(h) >> 32) * n >> 32);
}

bool hostile_chance(struct hostile *h, uint32_t percent)
{
	return hostile_below(h, 100) < percent;
}

void hostile_bytes(struct hostile *h, uint8_t *p, uint32_t n)
{
	for (uint64_t word; n; p += 8) {
		uint32_t some = n < 8 ? n : 8;

		word = hostile_word(h);
		memcpy(p, &word, some);
		n -= some;
	}
}

uint32_t hostile_edge(struct hostile *h)
{
	static const uint16_t edges[] = {0,    1,    2,     3,     4,      7,      8,     9,
					 13,   14,   15,    19,    20,     21,     39,    40,
					 41,   59,   60,    127,   128,    255,    256,   576,
					 1279, 1280, 1499,  1500,  1501,   1514,   2048,  4095,
					 4096, 9000, 32767, 32768, 0xfff8, 0xfffe, 0xffff};

	if (hostile_chance(h, 30))
		return hostile_below(h, 0x10000);
	return edges[hostile_below(h, sizeof(edges) / sizeof(*edges))];
}

/* ---- hosts ---- */

bool hostile_is_host(const struct hostile *h, uint8_t number)
{
	return number >= HOST_FIRST && number <= HOST_LAST && number != h->target.ip[3] &&
	       number != h->target.spare;
}

struct hostile_host hostile_host(const struct hostile *h, uint8_t number)
{
	struct hostile_host host = {.number = number, .mac = {2, 0x68, 0x6f, 0x73, 0x74, number}};

	memcpy(host.ip, h->target.ip, 4);
	host.ip[3] = number;
	memcpy(host.ip6, h->target.ip6, 8);
	host.ip6[14] = 0x68; /* ::6810 .. ::68fa */
	host.ip6[15] = number;
	return host;
}

struct hostile_host hostile_anybody(struct hostile *h)
{
	struct hostile_host host;
	uint8_t number;

	do
		number = (uint8_t)(HOST_FIRST +
				   hostile_below(h, hostile_chance(h, 60)
							    ? HOST_FEW
							    : HOST_LAST - HOST_FIRST + 1));
	while (!hostile_is_host(h, number));
	host = hostile_host(h, number);
	if (hostile_chance(h, 40)) { /* link-local */
		memset(host.ip6, 0, 8);
		put16(host.ip6, 0xfe80);
	}
	return host;
}

/* ---- checksums (RFC 1071) ---- */

static uint64_t add(const uint8_t *p, uint32_t n, uint64_t start)
{
	for (; n > 1; p += 2, n -= 2)
		start += get16(p);
	return n ? start + (uint64_t)(*p << 8) : start;
}

static uint32_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)sum;
}

void hostile_ip4_sum(uint8_t *ip, uint32_t n)
{
	uint32_t header = (ip[0] & 15u) * 4;

	if (n < IP4_HEADER || header < IP4_HEADER)
		return;
	put16(ip + 10, 0);
	put16(ip + 10, ~fold(add(ip, header < n ? header : n, 0)));
}

void hostile_transport_sum(const uint8_t *ip, bool v6, uint32_t proto, uint8_t *segment, uint32_t n)
{
	uint32_t at = proto == PROTO_TCP ? 16 : proto == PROTO_UDP ? 6 : 2, sum;
	uint64_t pseudo = proto + n;

	if (n < at + 2 ||
	    (proto != PROTO_TCP && proto != PROTO_UDP && proto != (v6 ? PROTO_ICMP6 : PROTO_ICMP)))
		return;
	pseudo = v6 ? add(ip + 8, 32, pseudo) : add(ip + 12, 8, pseudo);
	put16(segment + at, 0);
	sum = ~fold(add(segment, n, proto == PROTO_ICMP ? 0 : pseudo)) & 0xffff;
	put16(segment + at, sum ? sum : 0xffff);
}

/* Where the extension headers end: the protocol, and *@at becomes its offset. */
static uint32_t walk(const uint8_t *frame, uint32_t end, uint32_t *at)
{
	uint32_t next = frame[ETH_HEADER + 6];

	while ((next == NEXT_HOP || next == NEXT_ROUTING || next == NEXT_DEST) && *at + 8 <= end) {
		next = frame[*at];
		*at += (frame[*at + 1] + 1u) * 8;
	}
	return next;
}

void hostile_fix(uint8_t *frame, uint32_t length)
{
	uint8_t *ip = frame + ETH_HEADER;
	uint32_t at, end, proto;

	if (length < ETH_HEADER + IP4_HEADER)
		return;
	if (get16(frame + 12) == TYPE_IP4) {
		hostile_ip4_sum(ip, length - ETH_HEADER);
		at = ETH_HEADER + (ip[0] & 15u) * 4;
		end = ETH_HEADER + get16(ip + 2);
		end = end < length ? end : length;
		if (!(get16(ip + 6) & 0x3fff) && at < end)
			hostile_transport_sum(ip, false, ip[9], frame + at, end - at);
	} else if (get16(frame + 12) == TYPE_IP6 && length >= ETH_HEADER + IP6_HEADER) {
		at = ETH_HEADER + IP6_HEADER;
		end = at + get16(ip + 4);
		end = end < length ? end : length;
		proto = walk(frame, end, &at);
		if (at < end)
			hostile_transport_sum(ip, true, proto, frame + at, end - at);
	}
}

/* ---- headers ---- */

uint32_t hostile_eth(struct hostile *h, uint8_t *frame, const struct hostile_host *from,
		     uint32_t type)
{
	uint32_t dice = hostile_below(h, 100);

	memcpy(frame, h->target.mac, 6);
	if (dice < 5)
		memset(frame, 0xff, 6);
	memcpy(frame + 6, from->mac, 6);
	if (dice == 99)
		hostile_bytes(h, frame + 6, 6);
	put16(frame + 12, type);
	return ETH_HEADER;
}

static void ip4(struct hostile *h, uint8_t *ip, const struct hostile_host *from, uint32_t proto,
		uint32_t n)
{
	memset(ip, 0, IP4_HEADER);
	ip[0] = 0x45;
	put16(ip + 2, IP4_HEADER + n);
	put16(ip + 4, hostile_below(h, 0x10000));
	ip[8] = 64;
	ip[9] = (uint8_t)proto;
	memcpy(ip + 12, from->ip, 4);
	memcpy(ip + 16, h->target.ip, 4);
	hostile_ip4_sum(ip, IP4_HEADER);
}

static void ip6(struct hostile *h, uint8_t *ip, const struct hostile_host *from, uint32_t proto,
		uint32_t n)
{
	memset(ip, 0, 8);
	ip[0] = 0x60;
	put16(ip + 4, n);
	ip[6] = (uint8_t)proto;
	ip[7] = proto == PROTO_ICMP6 ? 255 : 64; /* neighbours are believed with 255 only */
	memcpy(ip + 8, from->ip6, 16);
	memcpy(ip + 24, from->ip6[0] == 0xfe ? h->link_local : h->target.ip6, 16);
}

uint32_t hostile_carry(struct hostile *h, uint8_t *frame, const struct hostile_host *from, bool v6,
		       uint32_t proto, uint32_t n)
{
	uint32_t at = hostile_segment(v6);

	hostile_eth(h, frame, from, v6 ? TYPE_IP6 : TYPE_IP4);
	(v6 ? ip6 : ip4)(h, frame + ETH_HEADER, from, proto, n);
	hostile_transport_sum(frame + ETH_HEADER, v6, proto, frame + at, n);
	return at + n;
}

uint32_t hostile_ping(struct hostile *h, uint8_t *frame, bool v6, uint32_t n)
{
	struct hostile_host from = hostile_anybody(h);
	uint8_t *icmp = frame + hostile_segment(v6);

	icmp[0] = v6 ? 128 : 8;
	icmp[1] = 0;
	hostile_bytes(h, icmp + 2, 6 + n);
	return hostile_carry(h, frame, &from, v6, v6 ? PROTO_ICMP6 : PROTO_ICMP, 8 + n);
}

uint32_t hostile_udp(struct hostile *h, uint8_t *frame, bool v6, uint32_t n)
{
	static const uint16_t ports[] = {0, 53, 67, 68, 123, 161, 546, 547, 5353, 5355, 0xffff};
	struct hostile_host from = hostile_anybody(h);
	uint8_t *udp = frame + hostile_segment(v6);

	put16(udp, hostile_chance(h, 80) ? hostile_below(h, 0x10000) : ports[hostile_below(h, 11)]);
	put16(udp + 2, hostile_chance(h, 60) ? h->target.ports[1] : ports[hostile_below(h, 11)]);
	put16(udp + 4, 8 + n);
	hostile_bytes(h, udp + 8, n);
	return hostile_carry(h, frame, &from, v6, PROTO_UDP, 8 + n);
}

struct hostile_frame *hostile_later(struct hostile *h, enum hostile_kind kind)
{
	struct hostile_frame *f;

	if (h->train == HOSTILE_TRAIN)
		return NULL;
	f = &h->trains[h->train++];
	f->kind = kind;
	f->length = 0;
	return f;
}
