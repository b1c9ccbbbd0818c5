/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Packets that are known to have ended, stopped or robbed a program: lwIP 2.1.3 as Debian builds
 * it, and lwip-httpd on it. Each is as small as it could be made.
 */
#include "hostile-known.h"
#include "hostile-build.h"

#define HOST    99u /* the last byte of its addresses, and no one else's */
#define PORT    40000u

#define IP4_SRC (ETH_HEADER + 12)
#define IP6_SRC (ETH_HEADER + 8)

typedef uint32_t known(struct hostile *h, const struct hostile_host *me, unsigned step,
		       uint8_t *frame);

/* A ping from @from, which is 4 or 16 bytes. */
static uint32_t ping_from(struct hostile *h, uint8_t *frame, bool v6, const uint8_t *from)
{
	uint32_t n = hostile_ping(h, frame, v6, 0);

	memcpy(frame, h->target.mac, 6);
	memcpy(frame + ETH_HEADER + (v6 ? 24 : 16), v6 ? h->target.ip6 : h->target.ip, v6 ? 16 : 4);
	memcpy(frame + (v6 ? IP6_SRC : IP4_SRC), from, v6 ? 16 : 4);
	hostile_fix(frame, n);
	return n;
}

static uint32_t own4(struct hostile *h, const struct hostile_host *me, unsigned step,
		     uint8_t *frame)
{
	return step ? 0 : ping_from(h, frame, false, h->target.ip);
}

static uint32_t own6(struct hostile *h, const struct hostile_host *me, unsigned step,
		     uint8_t *frame)
{
	return step ? 0 : ping_from(h, frame, true, h->target.ip6);
}

static uint32_t loop4(struct hostile *h, const struct hostile_host *me, unsigned step,
		      uint8_t *frame)
{
	static const uint8_t loop[4] = {127, 0, 0, 1};

	if (step)
		return 0;
	ping_from(h, frame, false, loop);
	frame[ETH_HEADER + 9] =
		PROTO_UDP; /* to a port where nobody is: an answer by another route */
	put16(frame + 34, PORT);
	put16(frame + 36, 1);
	put16(frame + 38, 8);
	hostile_fix(frame, 42);
	return 42;
}

static uint32_t lite(struct hostile *h, const struct hostile_host *me, unsigned step,
		     uint8_t *frame)
{
	uint32_t at = hostile_segment(false);

	if (step)
		return 0;
	memset(frame + at, 0, 8);
	put16(frame + at + 4, 0xffff); /* the checksum covers more than there is */
	return hostile_carry(h, frame, me, false, 136, 8);
}

static uint32_t lite6(struct hostile *h, const struct hostile_host *me, unsigned step,
		      uint8_t *frame)
{
	uint32_t at = hostile_segment(true);

	if (step)
		return 0;
	memset(frame + at, 0, 8);
	put16(frame + at + 4, 0xffff);
	return hostile_carry(h, frame, me, true, 136, 8);
}

/* Headers that are not there. */
static uint32_t cut(struct hostile *h, const struct hostile_host *me, unsigned step, uint8_t *frame)
{
	static const uint16_t types[] = {TYPE_ARP, TYPE_IP4, TYPE_IP6};
	static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, 1};

	if (step == 3)
		return 0;
	hostile_eth(h, frame, me, types[step]);
	memcpy(frame, h->target.mac, 6);
	memcpy(frame + ETH_HEADER, request, 8);
	if (step)
		frame[ETH_HEADER] = step == 1 ? 0x45 : 0x60;
	return ETH_HEADER + 8;
}

/* "I have your address." */
static uint32_t advert(struct hostile *h, const struct hostile_host *me, unsigned step,
		       uint8_t *frame)
{
	uint8_t *icmp = frame + hostile_segment(true);
	uint32_t n;

	if (step)
		return 0;
	memset(icmp, 0, 32);
	icmp[0] = 136;
	icmp[4] = 0x20;
	memcpy(icmp + 8, h->target.ip6, 16);
	icmp[24] = 2;
	icmp[25] = 1;
	memcpy(icmp + 26, me->mac, 6);
	n = hostile_carry(h, frame, me, true, PROTO_ICMP6, 32);
	memcpy(frame + ETH_HEADER + 24, hostile_nodes, 16);
	hostile_fix(frame, n);
	return n;
}

/* ---- with a connection; the generator's first flow stands for it ---- */

/* Its next segment: flags, window, @n bytes of @data, and options if @options is not 0. */
static uint32_t segment(struct hostile *h, const struct hostile_host *me, uint8_t *frame,
			uint32_t flags, uint32_t window, const char *data, uint32_t mss)
{
	struct hostile_flow *f = &h->flows[0];
	uint8_t *tcp = frame + hostile_segment(false);
	uint32_t header = TCP_HEADER + (mss ? 4 : 0), n = data ? (uint32_t)strlen(data) : 0;

	hostile_tcp_put(tcp, f->port, f->to, f->seq, f->ack, flags, window);
	if (mss) {
		tcp[12] = 0x60;
		tcp[20] = 2;
		tcp[21] = 4;
		put16(tcp + 22, mss);
	}
	if (n)
		memcpy(tcp + header, data, n);
	f->seq += n;
	n = hostile_carry(h, frame, me, false, PROTO_TCP, header + n);
	memcpy(frame, h->target.mac, 6);
	return n;
}

static uint32_t open_flow(struct hostile *h, const struct hostile_host *me, uint8_t *frame,
			  uint32_t port, uint32_t window)
{
	/* Each time another one: what is left of the one before is not to be met. */
	static uint16_t next = PORT;

	h->flows[0] = (struct hostile_flow){.state = FLOW_SYN,
					    .host = HOST,
					    .port = next++,
					    .to = h->target.ports[port],
					    .seq = 1000};
	return segment(h, me, frame, TCP_SYN, window, NULL, 1460);
}

#define GET         "GET /small HTTP/1.1\r\n\r\n"
#define GET_NOTHING "GET /x HTTP/1.1\r\n\r\n" /* whose answer is short */

/* A window that begins closed, and opens a little when much is waiting. */
static uint32_t closed(struct hostile *h, const struct hostile_host *me, unsigned step,
		       uint8_t *frame)
{
	switch (step) {
	case 0:
		return open_flow(h, me, frame, 0, 0);
	case 1:
		return segment(h, me, frame, TCP_ACK, 0, GET_NOTHING, 0);
	case 2:
	case 3:
		return segment(h, me, frame, TCP_ACK, 100, GET_NOTHING, 0);
	case 4:
		return segment(h, me, frame, TCP_RST, 0, NULL, 0);
	default:
		return 0;
	}
}

/* Another segment size in the middle. */
static uint32_t mss(struct hostile *h, const struct hostile_host *me, unsigned step, uint8_t *frame)
{
	switch (step) {
	case 0:
		return open_flow(h, me, frame, 0, 65535);
	case 1:
		return segment(h, me, frame, TCP_ACK, 2000, GET, 0);
	case 2:
		return segment(h, me, frame, TCP_ACK, 1, NULL, 64);
	case 3:
		return segment(h, me, frame, TCP_ACK, 100, NULL, 64);
	case 4:
		return segment(h, me, frame, TCP_RST, 0, NULL, 0);
	default:
		return 0;
	}
}

/* One byte, half of all numbers away from where it should be. */
static uint32_t half(struct hostile *h, const struct hostile_host *me, unsigned step,
		     uint8_t *frame)
{
	switch (step) {
	case 0:
		return open_flow(h, me, frame, 1, 65535);
	case 1:
		return segment(h, me, frame, TCP_ACK, 65535, NULL, 0);
	case 2:
		h->flows[0].seq ^= 0x80000000;
		return segment(h, me, frame, TCP_ACK, 65535, "x", 0);
	case 3:
		return segment(h, me, frame, TCP_FIN | TCP_ACK, 65535, NULL, 0);
	default:
		return 0;
	}
}

/* A segment whose header is in another fragment than its data; to HTTP, and to the echo. */
static uint32_t apart(struct hostile *h, const struct hostile_host *me, unsigned step,
		      uint8_t *frame)
{
	static uint8_t whole[256];
	static uint32_t length;
	uint8_t *ip = frame + ETH_HEADER;
	uint32_t at = hostile_segment(false) + 24; /* of 24 bytes: a multiple of 8 */

	if (step == 8)
		return 0;
	switch (step % 4) {
	case 0:
		return open_flow(h, me, frame, step / 4, 65535);
	case 1:
		return segment(h, me, frame, TCP_ACK, 65535, NULL, 0);
	case 2:
		length = segment(h, me, whole, TCP_ACK, 65535, "GET /small", 1460);
		memset(whole + hostile_segment(false) + TCP_HEADER, 1, 4); /* no operation */
		hostile_fix(whole, length);
		memcpy(frame, whole, at);
		put16(ip + 2, at - ETH_HEADER);
		put16(ip + 6, 0x2000);
		hostile_ip4_sum(ip, IP4_HEADER);
		return at;
	default:
		memcpy(frame, whole, hostile_segment(false));
		memcpy(frame + hostile_segment(false), whole + at, length - at);
		put16(ip + 2, IP4_HEADER + length - at);
		put16(ip + 6, 3);
		hostile_ip4_sum(ip, IP4_HEADER);
		return hostile_segment(false) + length - at;
	}
}

/* The last acknowledgement of an answer, behind which the server closes, has data in it. */
static uint32_t last(struct hostile *h, const struct hostile_host *me, unsigned step,
		     uint8_t *frame)
{
	if (step == 0)
		return open_flow(h, me, frame, 0, 65535);
	if (step == 1)
		return segment(h, me, frame, TCP_ACK, 65535,
			       "GET /small HTTP/1.1\r\nConnection: close\r\n\r\n", 0);
	if (step < 40)
		return segment(h, me, frame, TCP_ACK, 65535, "x", 0);
	return 0;
}

static const struct {
	const char *name;
	known *make;
} all[] = {
	{"a ping from the victim's own address", own4},
	{"a ping from its own IPv6 address", own6},
	{"UDP from 127.0.0.1 to a closed port", loop4},
	{"UDP-Lite whose checksum covers 64 KiB", lite},
	{"the same over IPv6", lite6},
	{"ARP, IPv4 and IPv6 of 8 bytes", cut},
	{"an advertisement of the victim's address", advert},
	{"a window that begins closed and opens a little", closed},
	{"a maximum segment size in the middle of a connection", mss},
	{"one byte that is half of all numbers away", half},
	{"TCP's header in one fragment, the data in another", apart},
	{"data in the segment that ends an answer", last},
};

uint32_t hostile_known(struct hostile *h, unsigned which, unsigned step, uint8_t *frame)
{
	struct hostile_host me = hostile_host(h, HOST);

	return all[which].make(h, &me, step, frame);
}

const char *hostile_known_name(unsigned which)
{
	return which < sizeof(all) / sizeof(*all) ? all[which].name : NULL;
}
