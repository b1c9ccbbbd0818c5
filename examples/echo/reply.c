/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Answers made in place. Works on bytes, because headers in a packet are aligned to nothing.
 */
#include <string.h>

#include "reply.h"

/* Offsets and sizes from RFC 894 (Ethernet), 826 (ARP), 791 (IPv4), 792 (ICMP), 768 (UDP). */
enum {
	ETH_DST = 0,
	ETH_SRC = 6,
	ETH_TYPE = 12,
	ETH_LEN = 14,
	ARP_OPER = 6,
	ARP_SHA = 8,
	ARP_SPA = 14,
	ARP_THA = 18,
	ARP_TPA = 24,
	ARP_LEN = 28,
	IP_TOTAL = 2,
	IP_FRAG = 6,
	IP_TTL = 8,
	IP_PROTO = 9,
	IP_SUM = 10,
	IP_SRC = 12,
	IP_DST = 16,
	IP_LEN = 20,
	ICMP_SUM = 2,
	ICMP_LEN = 8,
	UDP_SRC = 0,
	UDP_DST = 2,
	UDP_TOTAL = 4,
	UDP_SUM = 6,
	UDP_LEN = 8,
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void swap(uint8_t *a, uint8_t *b, size_t n)
{
	uint8_t old[6];

	memcpy(old, a, n);
	memcpy(a, b, n);
	memcpy(b, old, n);
}

/* The Internet checksum's sum (RFC 1071), not folded; good for 128 KiB. */
static uint32_t sum(const uint8_t *p, uint32_t n, uint32_t start)
{
	for (; n > 1; p += 2, n -= 2)
		start += get16(p);
	return n ? start + (uint32_t)(*p << 8) : start;
}

static uint16_t fold(uint32_t s)
{
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)(s + (s >> 16));
}

static bool ignore(uint64_t *counter)
{
	(*counter)++;
	return false;
}

static bool reply_arp(struct responder *r, uint8_t *packet, uint32_t *length)
{
	/* Ethernet, IPv4, address sizes 6 and 4, request */
	static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t *arp = packet + ETH_LEN;

	if (*length < ETH_LEN + ARP_LEN)
		return ignore(&r->bad);
	if (memcmp(arp, request, sizeof(request)) || memcmp(arp + ARP_TPA, r->ip, 4) ||
	    arp[ARP_SHA] & 1)
		return ignore(&r->ignored);
	put16(arp + ARP_OPER, 2);
	memcpy(packet + ETH_DST, arp + ARP_SHA, 6);
	memcpy(packet + ETH_SRC, r->mac, 6);
	swap(arp + ARP_SPA, arp + ARP_TPA, 4);
	memcpy(arp + ARP_THA, arp + ARP_SHA, 6);
	memcpy(arp + ARP_SHA, r->mac, 6);
	*length = ETH_LEN + ARP_LEN;
	r->arp++;
	return true;
}

static bool reply_icmp(struct responder *r, uint8_t *icmp, uint32_t n)
{
	if (n < ICMP_LEN)
		return ignore(&r->bad);
	if (icmp[0] != 8 || icmp[1] != 0) /* echo request */
		return ignore(&r->ignored);
	if (fold(sum(icmp, n, 0)) != 0xffff)
		return ignore(&r->bad_checksum);
	icmp[0] = 0; /* echo reply; the sum shrank by 0x0800, so its complement grows (RFC 1624) */
	put16(icmp + ICMP_SUM, fold((uint32_t)get16(icmp + ICMP_SUM) + 0x0800));
	r->icmp++;
	return true;
}

static bool reply_udp(struct responder *r, const uint8_t *ip, uint8_t *udp, uint32_t n)
{
	uint32_t total;

	if (n < UDP_LEN)
		return ignore(&r->bad);
	total = get16(udp + UDP_TOTAL);
	if (total < UDP_LEN || total > n)
		return ignore(&r->bad);
	/* A request from an echo port would make two echoes talk to each other for ever. */
	if ((r->port && get16(udp + UDP_DST) != r->port) ||
	    get16(udp + UDP_SRC) == get16(udp + UDP_DST) || get16(udp + UDP_SRC) == 7)
		return ignore(&r->ignored);
	/* 0 is "none"; else over the addresses, the protocol and the length as well (RFC 768) */
	if (get16(udp + UDP_SUM) &&
	    fold(sum(udp, total, sum(ip + IP_SRC, 8, 17 + total))) != 0xffff)
		return ignore(&r->bad_checksum);
	swap(udp + UDP_SRC, udp + UDP_DST, 2); /* a sum of the same terms: it stays */
	r->udp++;
	return true;
}

/* Addresses that a single host can have: not 0/8, not loopback, not multicast and above. */
static bool unicast(const uint8_t *ip)
{
	return ip[0] != 0 && ip[0] != 127 && ip[0] < 224;
}

static bool reply_ipv4(struct responder *r, uint8_t *packet, uint32_t *length)
{
	uint8_t *ip = packet + ETH_LEN, *body = ip + IP_LEN;
	uint32_t total, room = *length - ETH_LEN;
	bool answered;

	if (room < IP_LEN)
		return ignore(&r->bad);
	total = get16(ip + IP_TOTAL);
	if (ip[0] >> 4 != 4 || (ip[0] & 15) < 5 || total < IP_LEN || total > room)
		return ignore(&r->bad);
	/* Options, fragments and broadcasts are more than an echo needs, and all have been abused.
	 */
	if (ip[0] != 0x45 || get16(ip + IP_FRAG) & 0x3fff || memcmp(packet + ETH_DST, r->mac, 6) ||
	    memcmp(ip + IP_DST, r->ip, 4) || !memcmp(ip + IP_SRC, r->ip, 4) ||
	    !unicast(ip + IP_SRC) || packet[ETH_SRC] & 1)
		return ignore(&r->ignored);
	if (fold(sum(ip, IP_LEN, 0)) != 0xffff)
		return ignore(&r->bad_checksum);

	if (ip[IP_PROTO] == 1)
		answered = reply_icmp(r, body, total - IP_LEN);
	else if (ip[IP_PROTO] == 17)
		answered = reply_udp(r, ip, body, total - IP_LEN);
	else
		answered = ignore(&r->ignored);
	if (!answered)
		return false;

	swap(ip + IP_SRC, ip + IP_DST, 4);
	ip[IP_TTL] = 64;
	put16(ip + IP_SUM, 0);
	put16(ip + IP_SUM, (uint16_t)~fold(sum(ip, IP_LEN, 0)));
	memcpy(packet + ETH_DST, packet + ETH_SRC, 6);
	memcpy(packet + ETH_SRC, r->mac, 6);
	*length = ETH_LEN + total;
	return true;
}

bool reply(struct responder *r, uint8_t *packet, uint32_t *length)
{
	if (*length < ETH_LEN)
		return ignore(&r->bad);
	switch (get16(packet + ETH_TYPE)) {
	case 0x0806:
		return reply_arp(r, packet, length);
	case 0x0800:
		return reply_ipv4(r, packet, length);
	default:
		return ignore(&r->ignored);
	}
}
