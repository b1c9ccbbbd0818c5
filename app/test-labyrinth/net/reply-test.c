/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The echo's answers, without a network: right ones for right requests, none for packets that lie,
 * and no byte read or written outside of a packet (which a build with -Db_sanitize=address sees:
 * each packet has an allocation of its own size).
 */
#include <stdint.h>
#include <string.h>

#include "reply.h"
#include "tap.h"

#define ROUNDS    300000u
#define PAYLOAD   37u
#define IP_PACKET (14u + 20u + 8u + PAYLOAD)

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t our_ip[4] = {10, 77, 0, 2}, peer_ip[4] = {10, 77, 0, 1};

static struct responder responder(void)
{
	struct responder r = {.port = 7};

	memcpy(r.mac, our_mac, 6);
	memcpy(r.ip, our_ip, 4);
	return r;
}

/* An Internet checksum of another make than reply.c's: 64 bits wide, folded at the end. */
static uint16_t checksum(const uint8_t *p, size_t n, uint64_t start)
{
	for (size_t i = 0; i < n; i++)
		start += (uint64_t)p[i] << (i % 2 ? 0 : 8);
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return (uint16_t)~start;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint64_t pseudo(const uint8_t *ip, unsigned n)
{
	return (uint16_t)~checksum(ip + 12, 8, 17 + n);
}

static uint32_t make_arp(uint8_t *p)
{
	static const uint8_t head[10] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1};

	memset(p, 0xff, 6);
	memcpy(p + 6, peer_mac, 6);
	memcpy(p + 12, head, sizeof(head));
	memcpy(p + 22, peer_mac, 6);
	memcpy(p + 28, peer_ip, 4);
	memset(p + 32, 0, 6);
	memcpy(p + 38, our_ip, 4);
	return 42;
}

static uint32_t make_ip(uint8_t *p, uint8_t protocol)
{
	uint8_t *ip = p + 14, *body = ip + 20;

	memcpy(p, our_mac, 6);
	memcpy(p + 6, peer_mac, 6);
	put16(p + 12, 0x0800);
	memset(ip, 0, 28);
	ip[0] = 0x45;
	put16(ip + 2, IP_PACKET - 14);
	ip[8] = 9;
	ip[9] = protocol;
	memcpy(ip + 12, peer_ip, 4);
	memcpy(ip + 16, our_ip, 4);
	put16(ip + 10, checksum(ip, 20, 0));
	for (unsigned i = 0; i < PAYLOAD; i++)
		body[8 + i] = (uint8_t)(i * 7);
	if (protocol == 1) {
		body[0] = 8;
		put16(body + 4, 0x1234);
		put16(body + 2, checksum(body, 8 + PAYLOAD, 0));
	} else {
		put16(body, 40000);
		put16(body + 2, 7);
		put16(body + 4, 8 + PAYLOAD);
		put16(body + 6, checksum(body, 8 + PAYLOAD, pseudo(ip, 8 + PAYLOAD)));
	}
	return IP_PACKET;
}

/* An answer to the peer, from us, whose checksums are right. */
static bool good_answer(const uint8_t *p, uint32_t length)
{
	const uint8_t *ip = p + 14, *body = ip + 20;
	unsigned total;

	if (memcmp(p + 6, our_mac, 6))
		return false;
	if (p[13] == 6)
		return length == 42 && p[21] == 2 && !memcmp(p + 22, our_mac, 6) &&
		       !memcmp(p + 28, our_ip, 4);
	total = (unsigned)ip[2] << 8 | ip[3];
	if (length != 14 + total || checksum(ip, 20, 0) || memcmp(ip + 12, our_ip, 4))
		return false;
	if (ip[9] == 1)
		return body[0] == 0 && !checksum(body, total - 20, 0);
	total = (unsigned)body[4] << 8 | body[5];
	return (!body[6] && !body[7]) || !checksum(body, total, pseudo(ip, total));
}

static uint32_t make(unsigned kind, uint8_t *p)
{
	return kind == 0 ? make_arp(p) : make_ip(p, kind == 1 ? 1 : 17);
}

static void right_requests(void)
{
	static const char *const names[] = {"ARP", "ping", "UDP"};

	for (unsigned kind = 0; kind < 3; kind++) {
		struct responder r = responder();
		uint8_t p[IP_PACKET + 20] = {0}, before[IP_PACKET];
		uint32_t length = make(kind, p), padded = length + 18;
		bool good;

		memcpy(before, p, sizeof(before));
		good = reply(&r, p, &padded) && good_answer(p, padded) && padded == length &&
		       !memcmp(p, peer_mac, 6) && r.arp + r.icmp + r.udp == 1;
		if (kind) /* identifier, sequence and payload come back as they were */
			good = good && !memcmp(p + 14 + 28, before + 14 + 28, PAYLOAD);
		tap_ok(good, names[kind]);
	}
}

/* One field changed, the checksums made right again: none may be answered. */
static void lies(void)
{
	static const struct {
		const char *name;
		uint8_t kind, at, value;
	} lie[] = {
		{"IPv4: version 6", 1, 14, 0x65},
		{"IPv4: header of 16 bytes", 1, 14, 0x44},
		{"IPv4: options", 1, 14, 0x46},
		{"IPv4: longer than the packet", 1, 17, 255},
		{"IPv4: shorter than its header", 1, 17, 19},
		{"IPv4: no room for ICMP", 1, 17, 27},
		{"IPv4: no room for UDP", 2, 17, 27},
		{"IPv4: more fragments follow", 1, 20, 0x20},
		{"IPv4: a later fragment", 1, 21, 1},
		{"IPv4: from a multicast address", 1, 26, 224},
		{"IPv4: from 0.0.0.0/8", 1, 26, 0},
		{"IPv4: from loopback", 1, 26, 127},
		{"IPv4: from ourselves", 1, 29, 2},
		{"IPv4: to somebody else", 1, 33, 3},
		{"Ethernet: to somebody else", 1, 5, 9},
		{"Ethernet: from a group", 1, 6, 3},
		{"ICMP: no request", 1, 34, 0},
		{"UDP: length 7", 2, 39, 7},
		{"UDP: longer than IPv4 says", 2, 39, 8 + PAYLOAD + 1},
		{"UDP: another port", 2, 37, 8},
		{"ARP: a reply", 0, 21, 2},
		{"ARP: for somebody else", 0, 41, 9},
		{"ARP: from a group", 0, 22, 1},
	};

	for (unsigned i = 0; i < sizeof(lie) / sizeof(*lie); i++) {
		struct responder r = responder();
		uint8_t p[IP_PACKET], before[IP_PACKET];
		uint32_t length = make(lie[i].kind, p);

		p[lie[i].at] = lie[i].value;
		if (lie[i].kind) {
			put16(p + 24, 0);
			put16(p + 24, checksum(p + 14, 20, 0));
		}
		if (lie[i].kind == 1) {
			put16(p + 36, 0);
			put16(p + 36, checksum(p + 34, 8 + PAYLOAD, 0));
		} else if (lie[i].kind == 2) {
			put16(p + 40, 0);
		}
		memcpy(before, p, length);
		tap_ok(!reply(&r, p, &length) && !memcmp(p, before, length), lie[i].name);
	}
}

static void echo_loop(void)
{
	struct responder r = responder();
	uint8_t p[IP_PACKET];
	uint32_t length = make(2, p);

	put16(p + 34, 7); /* from port 7 */
	put16(p + 40, 0);
	tap_ok(!reply(&r, p, &length), "UDP: two echoes do not talk to each other");
}

/* Any bytes of any length, most of them nearly right. */
static void any_bytes(void)
{
	struct responder r = responder();
	unsigned wrong = 0, answered = 0;
	uint32_t seed = 1;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t p[IP_PACKET + 4] = {0}, *exact;
		uint32_t length = make(i % 3, p), was;

		for (unsigned n = i / 3 % 4; n; n--) {
			seed = seed * 1664525 + 1013904223;
			p[(seed >> 8) % length] = (uint8_t)(seed >> 24);
		}
		seed = seed * 1664525 + 1013904223;
		if (i / 12 % 2)
			length = (seed >> 8) % (length + 1);
		exact = malloc(length ? length : 1);
		if (!exact)
			break;
		memcpy(exact, p, length);
		was = length;
		if (reply(&r, exact, &length)) {
			answered++;
			wrong += length > was || !good_answer(exact, length);
		}
		free(exact);
	}
	tap_note("%u of %u answered", answered, ROUNDS);
	tap_ok(!wrong && answered > ROUNDS / 10 && answered < ROUNDS,
	       "changed and shortened packets: no wrong answer");
}

int main(void)
{
	right_requests();
	lies();
	echo_loop();
	any_bytes();
	return tap_done();
}
