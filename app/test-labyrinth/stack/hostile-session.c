/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Hostile TCP within connections that the victim accepted: data that overlaps, runs ahead or comes
 * again, windows that close, urgency, resets and ends out of turn, and requests that no browser
 * makes. Where nothing is heard it is done blind, with wrong numbers.
 */
#include "hostile-build.h"

#define DATA_MAX 1300u

static struct hostile_host end_of(const struct hostile *h, const struct hostile_flow *f)
{
	return hostile_host(h, f->host);
}

/* A request, or what could be mistaken for one; the echo's port gets it as well. */
static uint32_t request(struct hostile *h, uint8_t *p)
{
	static const char *const words[] = {
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /small HTTP/1.1\r\n\r\nGET /small HTTP/1.1\r\n\r\nHEAD / HTTP/1.0\r\n\r\n",
		"GET /../../etc/passwd HTTP/1.1\r\n\r\n",
		"GET /%2e%2e/%00%ff%zz HTTP/1.1\r\n\r\n",
		"HEAD /nothing HTTP/1.1\r\nConnection: keep-alive\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"GET / HTTP/1.1\r\nRange: bytes=18446744073709551615-1\r\n\r\n",
		"GET",
		"GET ",
		"GET  ",
		"\r\n\r\n\r\n\r\n",
		" ",
		"GET /\r\n",
		"GET / HTTP/9.99999\r\n\r\n",
		"get / http/1.1\n\n",
		"GET / HTTP/1.1\r\nX:",
		"OPTIONS * HTTP/1.1\r\n\r\n",
	};
	const char *w = words[hostile_below(h, sizeof(words) / sizeof(*words))];
	uint32_t n = (uint32_t)strlen(w);

	switch (hostile_below(h, 5)) {
	case 0: /* one line that does not end */
		n = hostile_below(h, DATA_MAX);
		memset(p, 'a', n);
		return n;
	case 1:
		n = hostile_below(h, DATA_MAX);
		hostile_bytes(h, p, n);
		return n;
	case 2: /* byte by byte */
		p[0] = (uint8_t)w[hostile_below(h, n)];
		return 1;
	default:
		memcpy(p, w, n);
		return n;
	}
}

static uint32_t syn(struct hostile *h, struct hostile_flow *f, uint8_t *frame)
{
	static const uint16_t segments[] = {0, 1, 7, 8, 64, 536, 1460, 65535};
	struct hostile_host from;
	uint8_t *tcp;

	if (f->state == FLOW_CLOSED) {
		f->v6 = hostile_chance(h, 35);
		f->host = hostile_anybody(h).number;
		f->port = (uint16_t)(1024 + hostile_below(h, 64000));
		f->to = h->target.ports[hostile_below(h, 2)];
		f->seq = (uint32_t)hostile_word(h);
		if (hostile_chance(h, 20)) /* its numbers wrap soon */
			f->seq = (uint32_t)-hostile_below(h, 2000);
		f->state = FLOW_SYN;
	}
	from = end_of(h, f);
	tcp = frame + hostile_segment(f->v6);
	hostile_tcp_put(tcp, f->port, f->to, f->seq, 0, TCP_SYN, hostile_edge(h));
	tcp[12] = 0x60;
	tcp[20] = 2;
	tcp[21] = 4;
	put16(tcp + 22, segments[hostile_below(h, 8)]);
	return hostile_carry(h, frame, &from, f->v6, PROTO_TCP, 24);
}

/* What the step does: flags, offset of the data from where it should be, and whether it counts. */
struct step {
	uint32_t flags;
	int32_t seq;
	int32_t ack;
	uint32_t window;
	bool data;
	bool counts;
};

static struct step choose(struct hostile *h)
{
	uint32_t far = hostile_below(h, 4000), window = hostile_edge(h);
	static const struct step steps[] = {
		{TCP_ACK | TCP_PSH, 0, 0, 65535, true, true},
		{TCP_ACK | TCP_PSH, 0, 0, 65535, true, true},
		{TCP_ACK | TCP_PSH, 0, 0, 4096, true, true},
		{TCP_ACK, 0, 0, 65535, false, false},
		{TCP_ACK, 0, 0, 0, false, false},             /* a window that closes */
		{TCP_ACK, 0, 0, 1, true, true},               /* and opens a crack */
		{TCP_ACK | TCP_URG, 0, 0, 65535, true, true}, /* urgent */
		{TCP_ACK, -1, 0, 65535, false, false},        /* are you there? */
		{TCP_ACK, 0, -100, 65535, false, false},      /* an old answer */
		{TCP_ACK, 0, 100000, 65535, false, false},    /* of what was not sent yet */
		{TCP_FIN | TCP_ACK, 0, 0, 65535, false, false},
		{TCP_FIN | TCP_ACK, 0, 0, 65535, true, true},
		{TCP_SYN, 0, 0, 65535, false, false}, /* again, in the middle */
		{TCP_SYN | TCP_ACK, 0, 0, 65535, true, false},
		{TCP_RST, 1, 0, 0, false, false}, /* in the window, but wrong */
		{TCP_RST | TCP_ACK, -5, 0, 0, false, false},
		{TCP_ACK, 0, INT32_MIN, 65535, true, false},
		{0, 0, 0, 65535, true, false},
	};
	struct step s = steps[hostile_below(h, sizeof(steps) / sizeof(*steps))];

	switch (hostile_below(h, 8)) {
	case 0: /* runs ahead: a hole before it */
		return (struct step){TCP_ACK, (int32_t)far, 0, 65535, true, false};
	case 1: /* comes again, and a little more of it */
		return (struct step){TCP_ACK, -(int32_t)(far % 600), 0, 65535, true, false};
	case 2:
		s.window = window;
		return s;
	case 3: /* ahead, with an end */
		return (struct step){TCP_ACK | TCP_FIN, (int32_t)far, 0, 65535, true, false};
	default:
		return s;
	}
}

static uint32_t step(struct hostile *h, struct hostile_flow *f, uint8_t *frame)
{
	struct hostile_host from = end_of(h, f);
	uint8_t *tcp = frame + hostile_segment(f->v6);
	uint32_t header = TCP_HEADER, n;
	struct step s = choose(h);

	if (hostile_chance(h, 1)) { /* a right reset: over */
		s = (struct step){TCP_RST, 0, 0, 0, false, false};
		f->state = FLOW_CLOSED;
	}
	hostile_tcp_put(tcp, f->port, f->to, f->seq + (uint32_t)s.seq, f->ack + (uint32_t)s.ack,
			s.flags, s.window);
	if (s.flags & TCP_URG)
		put16(tcp + 18, hostile_edge(h));
	if (hostile_chance(h, 10))
		header += hostile_tcp_fill(h, tcp + TCP_HEADER);
	tcp[12] = (uint8_t)(header / 4 << 4);
	n = s.data ? request(h, tcp + header) : 0;
	if (s.counts)
		f->seq += n;
	if (s.counts && s.flags & TCP_FIN && hostile_chance(h, 50))
		f->seq++; /* and goes on behind its own end, or does not remember it */
	return hostile_carry(h, frame, &from, f->v6, PROTO_TCP, header + n);
}

uint32_t hostile_tcp_session(struct hostile *h, uint8_t *frame)
{
	struct hostile_flow *f = &h->flows[hostile_below(h, HOSTILE_FLOWS)];

	if (f->state == FLOW_CLOSED || (f->state == FLOW_SYN && hostile_chance(h, 60)))
		return syn(h, f, frame);
	if (f->state == FLOW_SYN) { /* blind, and then something new */
		uint32_t length = step(h, f, frame);

		if (hostile_chance(h, 30))
			f->state = FLOW_CLOSED;
		return length;
	}
	if (hostile_chance(h, 1)) /* forgets it: the victim keeps a half-dead connection */
		f->state = FLOW_CLOSED;
	return step(h, f, frame);
}

uint32_t hostile_tcp_segment(struct hostile *h, uint8_t *frame, bool v6)
{
	for (unsigned i = 0, n = hostile_below(h, HOSTILE_FLOWS); i < HOSTILE_FLOWS; i++, n++) {
		struct hostile_flow *f = &h->flows[n % HOSTILE_FLOWS];

		if (f->state == FLOW_OPEN && f->v6 == v6)
			return step(h, f, frame);
	}
	return hostile_ping(h, frame, v6, 100);
}

void hostile_tcp_hear(struct hostile *h, bool v6, uint8_t number, const uint8_t *tcp, uint32_t n)
{
	uint32_t header, flags, seq;

	if (n < TCP_HEADER)
		return;
	header = (tcp[12] >> 4) * 4u;
	flags = tcp[13];
	seq = get32(tcp + 4);
	for (unsigned i = 0; i < HOSTILE_FLOWS; i++) {
		struct hostile_flow *f = &h->flows[i];

		if (f->state == FLOW_CLOSED || f->v6 != v6 || f->host != number ||
		    f->port != get16(tcp + 2) || f->to != get16(tcp) || header > n)
			continue;
		if (flags & TCP_RST) {
			f->state = FLOW_CLOSED;
		} else if (flags & TCP_SYN) {
			if (f->state == FLOW_SYN) {
				f->seq++;
				f->state = FLOW_OPEN;
				h->opened++;
			}
			f->ack = seq + 1;
		} else if (f->state == FLOW_OPEN && seq == f->ack) {
			f->ack += n - header + (flags & TCP_FIN ? 1 : 0);
		}
		return;
	}
}
