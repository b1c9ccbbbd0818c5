/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The generator: which kind comes next, what is sent again or spoiled on its way, and what is
 * learned from the victim's answers.
 */
#include <inttypes.h>

#include "hostile-build.h"

static uint32_t valid(struct hostile *h, uint8_t *frame);
static uint32_t mutated(struct hostile *h, uint8_t *frame);
static uint32_t duplicate(struct hostile *h, uint8_t *frame);

/* A kind's share of all frames. What makes a train makes several, and has less of one. */
static const struct {
	const char *name;
	hostile_maker *make;
	uint32_t weight;
} kinds[HOSTILE_KINDS] = {
	[HOSTILE_RANDOM] = {"random bytes", hostile_random, 20},
	[HOSTILE_ETHERTYPE] = {"odd Ethernet types", hostile_ethertype, 20},
	[HOSTILE_VLAN] = {"VLAN tags", hostile_vlan, 15},
	[HOSTILE_RUNT] = {"runts", hostile_runt, 10},
	[HOSTILE_OVERSIZED] = {"oversized", hostile_oversized, 15},
	[HOSTILE_ARP_LIE] = {"ARP, lying", hostile_arp_lie, 30},
	[HOSTILE_ARP_TRUTH] = {"ARP, true", hostile_arp_truth, 20},
	[HOSTILE_IP4_TRUNCATED] = {"IPv4, truncated", hostile_ip4_truncated, 40},
	[HOSTILE_IP4_LENGTHS] = {"IPv4, wrong lengths", hostile_ip4_lengths, 40},
	[HOSTILE_IP4_OPTIONS] = {"IPv4, options", hostile_ip4_options, 25},
	[HOSTILE_IP4_CHECKSUM] = {"IPv4, wrong checksums", hostile_ip4_checksum, 25},
	[HOSTILE_IP4_ADDRESSES] = {"IPv4, odd addresses", hostile_ip4_addresses, 25},
	[HOSTILE_IP4_PROTOCOL] = {"IPv4, odd protocols", hostile_ip4_protocol, 20},
	[HOSTILE_IP4_ICMP] = {"IPv4, ICMP", hostile_ip4_icmp, 30},
	[HOSTILE_IP4_FRAGMENTS] = {"IPv4, fragments", hostile_ip4_fragments, 25},
	[HOSTILE_IP6_TRUNCATED] = {"IPv6, truncated", hostile_ip6_truncated, 40},
	[HOSTILE_IP6_LENGTHS] = {"IPv6, wrong lengths", hostile_ip6_lengths, 40},
	[HOSTILE_IP6_EXTENSIONS] = {"IPv6, extension headers", hostile_ip6_extensions, 40},
	[HOSTILE_IP6_ADDRESSES] = {"IPv6, odd addresses", hostile_ip6_addresses, 25},
	[HOSTILE_IP6_ICMP] = {"IPv6, ICMP", hostile_ip6_icmp, 30},
	[HOSTILE_IP6_FRAGMENTS] = {"IPv6, fragments", hostile_ip6_fragments, 25},
	[HOSTILE_ND] = {"IPv6, neighbours, lying", hostile_nd, 50},
	[HOSTILE_ND_TRUTH] = {"IPv6, neighbours, true", hostile_nd_truth, 10},
	[HOSTILE_MLD] = {"IPv6, listeners", hostile_mld, 15},
	[HOSTILE_UDP] = {"UDP, lying", hostile_udp_lies, 40},
	[HOSTILE_TCP_SYN] = {"TCP, SYN", hostile_tcp_syn, 40},
	[HOSTILE_TCP_STRAY] = {"TCP, of no connection", hostile_tcp_stray, 30},
	[HOSTILE_TCP_HEADER] = {"TCP, wrong headers", hostile_tcp_header, 30},
	[HOSTILE_TCP_OPTIONS] = {"TCP, options", hostile_tcp_options, 30},
	[HOSTILE_TCP_SESSION] = {"TCP, in connections", hostile_tcp_session, 150},
	[HOSTILE_VALID] = {"nothing wrong", valid, 30},
	[HOSTILE_MUTATED] = {"changed bits", mutated, 120},
	[HOSTILE_DUPLICATE] = {"sent again", duplicate, 25},
};

static uint32_t valid(struct hostile *h, uint8_t *frame)
{
	bool v6 = hostile_chance(h, 40);
	uint32_t n = hostile_below(h, hostile_chance(h, 70) ? 100 : MTU - 48);

	return hostile_chance(h, 50) ? hostile_ping(h, frame, v6, n) : hostile_udp(h, frame, v6, n);
}

/* Any kind's frame, with some bits, bytes or numbers changed, mostly in its headers. */
static uint32_t mutated(struct hostile *h, uint8_t *frame)
{
	enum hostile_kind kind = (enum hostile_kind)hostile_below(h, HOSTILE_MUTATED);
	uint32_t changes = 1 + hostile_below(h, 6), length, most;

	length = kinds[kind].make(h, frame);
	if (!length)
		return 0;
	if (length <= 12)
		return length;
	for (uint32_t i = 0; i < changes; i++) {
		uint32_t at;

		most = hostile_chance(h, 80) && length > 80 ? 80 : length;
		at = 12 + hostile_below(h, most - 12);
		if (hostile_chance(h, 50))
			frame[at] ^= (uint8_t)(1u << hostile_below(h, 8));
		else if (hostile_chance(h, 50) || at + 2 > length)
			frame[at] = (uint8_t)hostile_below(h, 256);
		else
			put16(frame + at, hostile_edge(h));
	}
	if (hostile_chance(h, 10))
		length = 1 + hostile_below(h, length);
	if (hostile_chance(h, 70))
		hostile_fix(frame, length);
	return length;
}

static uint32_t duplicate(struct hostile *h, uint8_t *frame)
{
	const struct hostile_frame *f = &h->replays[hostile_below(h, HOSTILE_REPLAY)];

	memcpy(frame, f->bytes, f->length);
	return f->length;
}

void hostile_start(struct hostile *h, const struct hostile_target *target, uint64_t seed)
{
	memset(h, 0, sizeof(*h));
	h->target = *target;
	h->random = seed;
	put16(h->link_local, 0xfe80);
	memcpy(h->link_local + 8, target->mac, 3); /* EUI-64 (RFC 4291, appendix A) */
	h->link_local[8] ^= 2;
	h->link_local[11] = 0xff;
	h->link_local[12] = 0xfe;
	memcpy(h->link_local + 13, target->mac + 3, 3);
	for (unsigned i = 0; i < HOSTILE_KINDS; i++)
		h->weights += kinds[i].weight;
}

/* One of the frames that wait, in any order. */
static uint32_t from_train(struct hostile *h)
{
	struct hostile_frame *f = &h->trains[hostile_below(h, h->train)];
	uint32_t length = f->length;

	h->kind = f->kind;
	memcpy(h->scratch, f->bytes, length);
	*f = h->trains[--h->train];
	return length;
}

static uint32_t fresh(struct hostile *h)
{
	uint32_t dice = hostile_below(h, h->weights), i = 0;

	while (dice >= kinds[i].weight)
		dice -= kinds[i++].weight;
	h->kind = (enum hostile_kind)i;
	return kinds[i].make(h, h->scratch);
}

uint32_t hostile_next(struct hostile *h, uint8_t *buf, uint32_t room)
{
	uint32_t length = 0;

	while (!length)
		length = h->train && hostile_chance(h, 60) ? from_train(h) : fresh(h);
	h->counts[h->kind]++;
	if (length <= sizeof(h->replays[0].bytes) && hostile_chance(h, 5)) {
		struct hostile_frame *f = &h->replays[h->replay++ % HOSTILE_REPLAY];

		f->length = length;
		memcpy(f->bytes, h->scratch, length);
	}
	if (length > room)
		length = room;
	memcpy(buf, h->scratch, length);
	return length;
}

void hostile_hear(struct hostile *h, const uint8_t *frame, uint32_t length)
{
	const uint8_t *ip = frame + ETH_HEADER;
	uint32_t header, total;

	if (length < ETH_HEADER + IP4_HEADER || memcmp(frame + 6, h->target.mac, 6) != 0)
		return;
	h->answers++;
	if (get16(frame + 12) == TYPE_ARP) {
		if (length >= ETH_HEADER + 28 && get16(ip + 6) == 1 &&
		    !memcmp(ip + 24, h->target.ip, 3) && hostile_is_host(h, ip[27]))
			hostile_arp_answer(h, ip[27]);
	} else if (get16(frame + 12) == TYPE_IP4) {
		header = (ip[0] & 15u) * 4;
		total = get16(ip + 2);
		if (ip[9] == PROTO_TCP && total <= length - ETH_HEADER && header <= total)
			hostile_tcp_hear(h, false, ip[19], ip + header, total - header);
	} else if (get16(frame + 12) == TYPE_IP6 && length >= ETH_HEADER + IP6_HEADER) {
		total = get16(ip + 4);
		if (total > length - ETH_HEADER - IP6_HEADER)
			return;
		if (ip[6] == PROTO_TCP)
			hostile_tcp_hear(h, true, ip[39], ip + IP6_HEADER, total);
		else if (ip[6] == PROTO_ICMP6 && total >= 24 && ip[IP6_HEADER] == 135 &&
			 hostile_is_host(h, ip[IP6_HEADER + 23]))
			hostile_nd_answer(h, ip[IP6_HEADER + 23], ip + IP6_HEADER + 8);
	}
}

const char *hostile_kind_name(enum hostile_kind kind)
{
	return kinds[kind].name;
}

void hostile_print(const struct hostile *h, FILE *f, const char *before)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < HOSTILE_KINDS; i++) {
		fprintf(f, "%s%-24s %8" PRIu64 "\n", before, kinds[i].name, h->counts[i]);
		all += h->counts[i];
	}
	fprintf(f, "%s%-24s %8" PRIu64 "; heard %" PRIu64 ", connections opened %" PRIu64 "\n",
		before, "all", all, h->answers, h->opened);
}
