/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Datagrams in pieces, IPv4 and IPv6: whole ones in any order, and such as overlap, have holes, end
 * twice, never end, or end beyond what an address can count. One call makes all pieces of one
 * datagram, which leave later and mixed with other frames.
 */
#include "hostile-build.h"

#define DATA_MAX   3600u
#define PIECES_MAX 14u
#define PIECE_MAX  1400u /* of data: with all headers less than the MTU */
#define BEYOND     65528u

struct piece {
	uint32_t offset; /* bytes, a multiple of 8 */
	uint32_t length;
	bool more;
};

struct datagram {
	struct hostile_host from;
	bool v6;
	uint32_t proto;
	uint32_t id;
	uint32_t length;
	uint8_t data[DATA_MAX];
};

/* What is right once it is put together: a ping, UDP to the echo, or a connection's next segment.
 */
static uint32_t whole(struct hostile *h, bool v6, uint8_t *frame)
{
	uint32_t n = hostile_below(h, hostile_chance(h, 50) ? 256 : DATA_MAX - 8);

	if (hostile_chance(h, 50))
		return hostile_tcp_segment(h, frame, v6);
	return hostile_chance(h, 50) ? hostile_ping(h, frame, v6, n) : hostile_udp(h, frame, v6, n);
}

static void compose(struct hostile *h, struct datagram *d)
{
	uint8_t frame[64 + DATA_MAX];
	uint32_t length = whole(h, d->v6, frame), at = hostile_segment(d->v6);

	d->proto = d->v6 ? frame[ETH_HEADER + 6] : frame[ETH_HEADER + 9];
	d->length = length - at;
	memcpy(d->data, frame + at, d->length);
	d->from = hostile_host(h, frame[11]);
	if (!hostile_is_host(h, frame[11]))
		d->from = hostile_host(h, HOST_FIRST + HOST_FEW);
	if (d->v6) /* whichever of its addresses it was */
		memcpy(d->from.ip6, frame + ETH_HEADER + 8, 16);
	else
		memcpy(d->from.ip, frame + ETH_HEADER + 12, 4);
	/* Few numbers: now and then two datagrams have the same. */
	d->id = hostile_below(h, hostile_chance(h, 80) ? 0x10000 : 4);
}

/* Cuts the datagram; returns how many pieces. */
static unsigned cut(struct hostile *h, const struct datagram *d, struct piece *pieces)
{
	uint32_t at = 0, most = hostile_chance(h, 50) ? PIECE_MAX : 8 * (1 + hostile_below(h, 40));
	unsigned n = 0;

	while (at < d->length && n < PIECES_MAX - 3) {
		uint32_t left = d->length - at, some = 8 * (1 + hostile_below(h, most / 8));

		if (n == PIECES_MAX - 4 || some >= left)
			some = left < PIECE_MAX ? left : PIECE_MAX;
		pieces[n++] = (struct piece){.offset = at, .length = some, .more = some < left};
		at += some;
	}
	return n;
}

/* Does the harm. */
static unsigned spoil(struct hostile *h, struct piece *p, unsigned n)
{
	struct piece *any = &p[hostile_below(h, n)], *last = &p[n - 1];

	switch (hostile_below(h, 14)) {
	case 0: /* reaches into the next */
		any->length += 8 * (1 + hostile_below(h, 8));
		break;
	case 1: /* begins in the one before */
		if (any->offset >= 8)
			any->offset -= 8;
		any->length += 8;
		break;
	case 2: /* teardrop: lies within another one */
		p[n++] = (struct piece){any->offset + (any->length > 16 ? 8 : 0), 8, any->more};
		break;
	case 3: /* a hole */
		*any = *last;
		return n > 1 ? n - 1 : n;
	case 4: /* never ends */
		last->more = true;
		break;
	case 5: /* the last one again, later and longer */
		p[n++] = (struct piece){last->offset + 8 * hostile_below(h, 20), 24, false};
		break;
	case 6: /* ping of death */
		p[n++] =
			(struct piece){BEYOND - 8 * hostile_below(h, 3),
				       hostile_chance(h, 50) ? PIECE_MAX : 8 + hostile_below(h, 32),
				       hostile_chance(h, 50)};
		break;
	case 7: /* twice the same */
		p[n++] = *any;
		break;
	case 8: /* no bytes in it */
		any->length = 0;
		break;
	case 9: /* a length that the next one's offset cannot meet */
		any->length += 1 + hostile_below(h, 7);
		break;
	case 10: /* a first piece that does not hold its own header */
		p[n++] = (struct piece){0, hostile_below(h, 8), true};
		break;
	case 11: /* anything, anywhere */
		p[n++] = (struct piece){8 * hostile_below(h, 8192), hostile_below(h, PIECE_MAX),
					hostile_chance(h, 50)};
		break;
	default: /* nothing: it is whole */
		break;
	}
	return n;
}

static void send4(struct hostile *h, const struct datagram *d, const struct piece *p, uint8_t *data,
		  struct hostile_frame *f)
{
	uint8_t *ip = f->bytes + ETH_HEADER;

	memcpy(f->bytes + hostile_segment(false), data, p->length);
	/* with the protocol set later: what is in a piece has no checksum of its own */
	f->length = hostile_carry(h, f->bytes, &d->from, false, 255, p->length);
	ip[9] = (uint8_t)d->proto;
	put16(ip + 4, d->id);
	put16(ip + 6, (p->offset / 8 & 0x1fff) | (p->more ? 0x2000 : 0));
	if (hostile_chance(h, 2))
		ip[6] |= 0x40; /* must not be fragmented */
	hostile_ip4_sum(ip, IP4_HEADER);
}

static void send6(struct hostile *h, const struct datagram *d, const struct piece *p, uint8_t *data,
		  struct hostile_frame *f)
{
	uint8_t *frag = f->bytes + hostile_segment(true);

	memcpy(frag + 8, data, p->length);
	frag[0] = (uint8_t)d->proto;
	frag[1] = (uint8_t)(hostile_chance(h, 90) ? 0 : hostile_below(h, 256));
	put16(frag + 2, (p->offset & 0xfff8) | (p->more ? 1 : 0));
	put32(frag + 4, d->id);
	f->length = hostile_carry(h, f->bytes, &d->from, true, NEXT_FRAG, 8 + p->length);
}

static void fragments(struct hostile *h, bool v6)
{
	static const uint8_t nothing[PIECE_MAX];
	struct piece pieces[PIECES_MAX];
	uint8_t data[PIECE_MAX + 128];
	struct datagram d = {.v6 = v6};
	unsigned n;

	compose(h, &d);
	n = spoil(h, pieces, cut(h, &d, pieces));
	if (hostile_chance(h, 20))
		n = spoil(h, pieces, n < PIECES_MAX ? n : n - 1);
	for (unsigned i = 0; i < n; i++) {
		struct hostile_frame *f =
			hostile_later(h, v6 ? HOSTILE_IP6_FRAGMENTS : HOSTILE_IP4_FRAGMENTS);
		struct piece *p = &pieces[i];
		uint32_t have;

		if (!f)
			return; /* a hole, then */
		if (p->length > PIECE_MAX)
			p->length = PIECE_MAX;
		have = p->offset < d.length ? d.length - p->offset : 0;
		have = have < p->length ? have : p->length;
		memcpy(data, d.data + (have ? p->offset : 0), have);
		memcpy(data + have, nothing, p->length - have);
		(v6 ? send6 : send4)(h, &d, p, data, f);
		if (hostile_chance(h, 2)) /* one that was cut off on its way */
			f->length = ETH_HEADER + hostile_below(h, f->length - ETH_HEADER);
	}
}

uint32_t hostile_ip4_fragments(struct hostile *h, uint8_t *frame)
{
	fragments(h, false);
	return 0;
}

uint32_t hostile_ip6_fragments(struct hostile *h, uint8_t *frame)
{
	fragments(h, true);
	return 0;
}
