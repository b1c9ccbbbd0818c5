/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Hostile frames below IP: noise, tags, lengths that no wire should carry, and ARP.
 */
#include "hostile-build.h"

#define ARP_BYTES 28u

uint32_t hostile_random(struct hostile *h, uint8_t *frame)
{
	uint32_t length = 14 + hostile_below(h, MTU + 1);

	hostile_bytes(h, frame, length);
	if (hostile_chance(h, 80))
		memcpy(frame, h->target.mac, 6);
	else
		memset(frame, 0xff, 6);
	return length;
}

uint32_t hostile_ethertype(struct hostile *h, uint8_t *frame)
{
	/* IP's types over noise; others that exist; and lengths, as IEEE 802.3 had them. */
	static const uint16_t types[] = {TYPE_IP4, TYPE_IP6, TYPE_ARP, 0x8035, 0x8863, 0x8864,
					 0x88a8,   0x8847,   0x88cc,   0x9000, 0x05dc, 0x0000};
	struct hostile_host from = hostile_anybody(h);
	uint32_t n = hostile_below(h, hostile_chance(h, 50) ? 64 : MTU + 1);

	hostile_eth(h, frame, &from,
		    hostile_chance(h, 70) ? types[hostile_below(h, 12)]
					  : hostile_below(h, 0x10000));
	hostile_bytes(h, frame + ETH_HEADER, n);
	if (n && hostile_chance(h, 50))
		frame[ETH_HEADER] = get16(frame + 12) == TYPE_IP6 ? 0x60 : 0x45;
	return ETH_HEADER + n;
}

uint32_t hostile_vlan(struct hostile *h, uint8_t *frame)
{
	uint32_t tags = 1 + hostile_below(h, hostile_chance(h, 80) ? 2 : 200);
	uint32_t length = hostile_ping(h, frame, hostile_chance(h, 30), hostile_below(h, 1400));

	for (uint32_t i = 0; i < tags && length + 4 <= MTU + 22; i++) {
		memmove(frame + 16, frame + 12, length - 12);
		put16(frame + 12, hostile_chance(h, 90) ? TYPE_VLAN : 0x88a8);
		put16(frame + 14, hostile_edge(h));
		length += 4;
	}
	return hostile_chance(h, 80) ? length : 12 + hostile_below(h, 9);
}

uint32_t hostile_runt(struct hostile *h, uint8_t *frame)
{
	static const uint16_t types[] = {TYPE_IP4, TYPE_IP6, TYPE_ARP, TYPE_VLAN};
	struct hostile_host from = hostile_anybody(h);

	hostile_eth(h, frame, &from, types[hostile_below(h, 4)]);
	hostile_bytes(h, frame + ETH_HEADER, 8);
	return 1 + hostile_below(h, 22);
}

uint32_t hostile_oversized(struct hostile *h, uint8_t *frame)
{
	/* Up to a tagged frame; up to what a buffer holds; and more. */
	static const uint16_t most[] = {1522, 2048, 2304, 3840, HOSTILE_FRAME_MAX};
	bool v6 = hostile_chance(h, 30);
	uint32_t n = most[hostile_below(h, 5)] - hostile_segment(v6) - 8;

	if (hostile_chance(h, 50))
		n = MTU - 48 + hostile_below(h, n - (MTU - 48));
	return hostile_chance(h, 50) ? hostile_ping(h, frame, v6, n) : hostile_udp(h, frame, v6, n);
}

static uint32_t arp(struct hostile *h, uint8_t *frame, uint32_t op, const struct hostile_host *from)
{
	uint8_t *a = frame + hostile_eth(h, frame, from, TYPE_ARP);

	put16(a, 1);
	put16(a + 2, TYPE_IP4);
	a[4] = 6;
	a[5] = 4;
	put16(a + 6, op);
	memcpy(a + 8, from->mac, 6);
	memcpy(a + 14, from->ip, 4);
	memcpy(a + 18, h->target.mac, 6);
	memcpy(a + 24, h->target.ip, 4);
	return ETH_HEADER + ARP_BYTES;
}

uint32_t hostile_arp_lie(struct hostile *h, uint8_t *frame)
{
	struct hostile_host from = hostile_anybody(h);
	uint32_t length = arp(h, frame, 1 + hostile_below(h, 2), &from);
	uint8_t *a = frame + ETH_HEADER;

	switch (hostile_below(h, 10)) {
	case 0: /* sizes */
		a[4] = (uint8_t)hostile_edge(h);
		a[5] = (uint8_t)hostile_edge(h);
		break;
	case 1:
		put16(a + hostile_below(h, 4) * 2, hostile_edge(h));
		break;
	case 2: /* your address is mine */
		memcpy(a + 14, h->target.ip, 4);
		break;
	case 3: /* a group has it */
		a[8] |= 1;
		break;
	case 4: /* nobody has it */
		memset(a + 8, hostile_chance(h, 50) ? 0 : 0xff, 6);
		break;
	case 5: /* whose address is anything at all: loopback, groups, all */
		hostile_bytes(h, a + 14, 4);
		a[14] = hostile_chance(h, 50) ? 127 : (uint8_t)(224 + hostile_below(h, 32));
		break;
	case 6:
		return hostile_below(h, length + 1) | 1;
	case 7: /* for somebody else */
		a[27] = (uint8_t)hostile_below(h, 256);
		break;
	case 8: /* another host's address */
		hostile_bytes(h, a + 8, 6);
		break;
	default: /* a padding that says something */
		hostile_bytes(h, a + ARP_BYTES, 1000);
		return length + hostile_below(h, 1000);
	}
	return length;
}

uint32_t hostile_arp_truth(struct hostile *h, uint8_t *frame)
{
	struct hostile_host from = hostile_anybody(h);

	return arp(h, frame, 1 + hostile_below(h, 2), &from);
}

void hostile_arp_answer(struct hostile *h, uint8_t number)
{
	struct hostile_frame *f = hostile_later(h, HOSTILE_ARP_TRUTH);
	struct hostile_host from = hostile_host(h, number);

	if (f)
		f->length = arp(h, f->bytes, 2, &from);
}
