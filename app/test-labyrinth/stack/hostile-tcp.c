/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Hostile TCP without a connection: floods of SYN, segments from nowhere, headers and options that
 * lie. Over both versions of IP.
 */
#include "hostile-build.h"

#define OPTIONS_MAX 40u
#define DATA_MAX    1380u

void hostile_tcp_put(uint8_t *tcp, uint32_t from, uint32_t to, uint32_t seq, uint32_t ack,
		     uint32_t flags, uint32_t window)
{
	put16(tcp, from);
	put16(tcp + 2, to);
	put32(tcp + 4, seq);
	put32(tcp + 8, ack);
	tcp[12] = 0x50;
	tcp[13] = (uint8_t)flags;
	put16(tcp + 14, window);
	put32(tcp + 16, 0);
}

static uint32_t a_port(struct hostile *h)
{
	return hostile_chance(h, 85) ? h->target.ports[hostile_below(h, 2)] : hostile_edge(h);
}

static uint32_t some_data(struct hostile *h, uint8_t *p)
{
	uint32_t n =
		hostile_chance(h, 50) ? 0 : hostile_below(h, hostile_chance(h, 70) ? 64 : DATA_MAX);

	hostile_bytes(h, p, n);
	return n;
}

uint32_t hostile_tcp_fill(struct hostile *h, uint8_t *options)
{
	/* end, no-op, MSS, window scale, SACK permitted, SACK, timestamps, MD5, fast open */
	static const uint8_t kinds[] = {0, 1, 2, 3, 4, 5, 8, 19, 34};
	static const uint8_t lengths[] = {1, 1, 4, 3, 2, 10, 10, 18, 10};
	uint32_t n = 4 * hostile_below(h, 11), at = 0;

	hostile_bytes(h, options, OPTIONS_MAX);
	while (at + 2 <= n) {
		uint32_t which = hostile_below(h, sizeof(kinds));

		options[at] = kinds[which];
		if (kinds[which] > 1)
			options[at + 1] = lengths[which];
		if (kinds[which] == 2 && at + 4 <= n) /* 0, 1, 8, 536, 65535 ... */
			put16(options + at + 2, hostile_edge(h));
		if (kinds[which] == 3 && at + 3 <= n)
			options[at + 2] = (uint8_t)hostile_below(h, 20);
		if (hostile_chance(h, 8)) /* no length, 1, or beyond the header */
			options[at + 1] = (uint8_t)hostile_edge(h);
		at += lengths[which];
	}
	return n;
}

static uint32_t segment(struct hostile *h, uint8_t *frame, uint32_t flags, bool options)
{
	struct hostile_host from = hostile_anybody(h);
	bool v6 = hostile_chance(h, 35);
	uint8_t *tcp = frame + hostile_segment(v6);
	uint32_t header = TCP_HEADER, n;

	hostile_tcp_put(tcp, 1024 + hostile_below(h, 64000), a_port(h), (uint32_t)hostile_word(h),
			(uint32_t)hostile_word(h), flags, hostile_edge(h));
	if (options)
		header += hostile_tcp_fill(h, tcp + TCP_HEADER);
	tcp[12] = (uint8_t)(header / 4 << 4);
	n = header + some_data(h, tcp + header);
	return hostile_carry(h, frame, &from, v6, PROTO_TCP, n);
}

uint32_t hostile_tcp_syn(struct hostile *h, uint8_t *frame)
{
	struct hostile_host from = hostile_anybody(h);
	bool v6 = hostile_chance(h, 35);
	uint8_t *tcp = frame + hostile_segment(v6);

	hostile_tcp_put(tcp, 1024 + hostile_below(h, 64000), a_port(h), (uint32_t)hostile_word(h),
			0, TCP_SYN, 65535);
	tcp[12] = 0x60;
	tcp[20] = 2;
	tcp[21] = 4;
	put16(tcp + 22, hostile_chance(h, 60) ? 1460 : hostile_edge(h));
	return hostile_carry(h, frame, &from, v6, PROTO_TCP, 24);
}

uint32_t hostile_tcp_stray(struct hostile *h, uint8_t *frame)
{
	static const uint8_t flags[] = {TCP_ACK,           TCP_RST, TCP_FIN | TCP_ACK,
					TCP_SYN | TCP_ACK, 0,       63};

	return segment(h, frame,
		       hostile_chance(h, 60) ? flags[hostile_below(h, 6)] : hostile_below(h, 256),
		       false);
}

uint32_t hostile_tcp_options(struct hostile *h, uint8_t *frame)
{
	return segment(h, frame, hostile_chance(h, 80) ? TCP_SYN : TCP_ACK, true);
}

uint32_t hostile_tcp_header(struct hostile *h, uint8_t *frame)
{
	uint32_t length = segment(h, frame, TCP_SYN, hostile_chance(h, 50)), n;
	bool v6 = get16(frame + 12) == TYPE_IP6;
	uint8_t *tcp = frame + hostile_segment(v6);

	switch (hostile_below(h, 5)) {
	case 0: /* a header that ends in itself, or behind the segment */
		tcp[12] = (uint8_t)hostile_below(h, 256);
		break;
	case 1: /* too short for a header */
		n = hostile_below(h, TCP_HEADER);
		length = hostile_segment(v6) + n;
		put16(frame + ETH_HEADER + (v6 ? 4 : 2), v6 ? n : IP4_HEADER + n);
		break;
	case 2: /* urgent, beyond all bytes */
		tcp[13] |= TCP_URG | TCP_ACK;
		put16(tcp + 18, hostile_edge(h));
		break;
	case 3:
		tcp[13] = (uint8_t)hostile_below(h, 256);
		break;
	default: /* from port 0, to port 0, or from where it goes to */
		put16(tcp + (hostile_chance(h, 50) ? 0 : 2), 0);
		if (hostile_chance(h, 30))
			memcpy(tcp, tcp + 2, 2);
	}
	hostile_fix(frame, length);
	if (hostile_chance(h, 10))
		put16(tcp + 16, hostile_edge(h));
	return length;
}
