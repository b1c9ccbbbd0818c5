/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What hostile frames are built of: dice, bytes, headers that are right until somebody spoils them,
 * and checksums. For the hostile-*.c files only.
 */
#ifndef HOSTILE_BUILD_H
#define HOSTILE_BUILD_H

#include <string.h>

#include "hostile.h"

#define ETH_HEADER   14u
#define IP4_HEADER   20u
#define IP6_HEADER   40u
#define IP4_AT       ETH_HEADER
#define MTU          1500u

#define TYPE_IP4     0x0800u
#define TYPE_ARP     0x0806u
#define TYPE_VLAN    0x8100u
#define TYPE_IP6     0x86ddu

#define PROTO_ICMP   1u
#define PROTO_TCP    6u
#define PROTO_UDP    17u
#define PROTO_ICMP6  58u
#define NEXT_HOP     0u
#define NEXT_ROUTING 43u
#define NEXT_FRAG    44u
#define NEXT_NONE    59u
#define NEXT_DEST    60u

/** The enemy's hosts have these last bytes in their addresses, and MACs that follow from them. */
#define HOST_FIRST 16u
#define HOST_LAST  250u
/** Of these the first few do most of it: what the victim remembers of them adds up. */
#define HOST_FEW 6u

/** struct hostile_host - one of the enemy's hosts. */
struct hostile_host {
	uint8_t number;
	uint8_t mac[6];
	uint8_t ip[4];
	uint8_t ip6[16];
};

static inline void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static inline uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

/** hostile_word() - 64 random bits. */
uint64_t hostile_word(struct hostile *h);
/** hostile_below() - a number from 0 to @n - 1; 0 where @n is 0. */
uint32_t hostile_below(struct hostile *h, uint32_t n);
/** hostile_chance() - true in @percent of all calls. */
bool hostile_chance(struct hostile *h, uint32_t percent);
/** hostile_bytes() - @n random bytes. */
void hostile_bytes(struct hostile *h, uint8_t *p, uint32_t n);
/** hostile_edge() - a 16-bit number of those that programs stumble over, or any. */
uint32_t hostile_edge(struct hostile *h);

/** hostile_host() - the enemy's host @number. */
struct hostile_host hostile_host(const struct hostile *h, uint8_t number);
/** hostile_anybody() - one of the enemy's hosts. */
struct hostile_host hostile_anybody(struct hostile *h);
/** hostile_is_host() - whether @number is one. */
bool hostile_is_host(const struct hostile *h, uint8_t number);

/** Addresses of groups: all hosts of IPv4, all nodes of IPv6, and the latter's own address. */
extern const uint8_t hostile_group_mac[6], hostile_nodes_mac[6], hostile_nodes[16];

/** hostile_eth() - an Ethernet header from @from to the victim (now and then to all). */
uint32_t hostile_eth(struct hostile *h, uint8_t *frame, const struct hostile_host *from,
		     uint32_t type);

/**
 * hostile_carry() - a right IP packet around a segment.
 * @frame: receives the whole frame; the segment of @n bytes is at hostile_segment(@v6) already.
 * @v6: IPv6, or else IPv4.
 *
 * Return: bytes of the frame. All checksums are right.
 */
uint32_t hostile_carry(struct hostile *h, uint8_t *frame, const struct hostile_host *from, bool v6,
		       uint32_t proto, uint32_t n);

static inline uint32_t hostile_segment(bool v6)
{
	return ETH_HEADER + (v6 ? IP6_HEADER : IP4_HEADER);
}

/** hostile_ip4_sum() - make the checksum of the IPv4 header at @ip right; @n bytes are there. */
void hostile_ip4_sum(uint8_t *ip, uint32_t n);

/** hostile_fix() - make all checksums of a frame right, as far as it makes sense of its headers. */
void hostile_fix(uint8_t *frame, uint32_t length);

/** hostile_transport_sum() - the same for a segment alone, whose addresses stand at @ip. */
void hostile_transport_sum(const uint8_t *ip, bool v6, uint32_t proto, uint8_t *segment,
			   uint32_t n);

/** hostile_later() - room for a frame that is sent some time soon; NULL where there is none. */
struct hostile_frame *hostile_later(struct hostile *h, enum hostile_kind kind);

/** hostile_ping(), hostile_udp() - right ones, with @n bytes of data. Return bytes of the frame. */
uint32_t hostile_ping(struct hostile *h, uint8_t *frame, bool v6, uint32_t n);
uint32_t hostile_udp(struct hostile *h, uint8_t *frame, bool v6, uint32_t n);

/** A maker writes a frame of up to HOSTILE_FRAME_MAX bytes; 0: it has only filled the train. */
typedef uint32_t hostile_maker(struct hostile *h, uint8_t *frame);

/* hostile-link.c */
hostile_maker hostile_random, hostile_ethertype, hostile_vlan, hostile_runt, hostile_oversized,
	hostile_arp_lie, hostile_arp_truth;
/** hostile_arp_answer() - the victim asked for @number's address: it is told. */
void hostile_arp_answer(struct hostile *h, uint8_t number);

/* hostile-ip4.c */
hostile_maker hostile_ip4_truncated, hostile_ip4_lengths, hostile_ip4_options, hostile_ip4_checksum,
	hostile_ip4_addresses, hostile_ip4_protocol, hostile_ip4_icmp, hostile_udp_lies;

/* hostile-ip6.c */
hostile_maker hostile_ip6_truncated, hostile_ip6_lengths, hostile_ip6_extensions,
	hostile_ip6_addresses, hostile_ip6_icmp;

/* hostile-nd.c */
hostile_maker hostile_nd, hostile_nd_truth, hostile_mld;
/** hostile_nd_answer() - the victim solicits @number's address @ip6: it is told. */
void hostile_nd_answer(struct hostile *h, uint8_t number, const uint8_t *ip6);

/* hostile-fragments.c */
hostile_maker hostile_ip4_fragments, hostile_ip6_fragments;

/* hostile-tcp.c */
hostile_maker hostile_tcp_syn, hostile_tcp_stray, hostile_tcp_header, hostile_tcp_options;
/** hostile_tcp_fill() - TCP options of @n bytes, a multiple of 4 (up to 40), true or not. */
uint32_t hostile_tcp_fill(struct hostile *h, uint8_t *options);
/** hostile_tcp_put() - a TCP header of 20 bytes. */
void hostile_tcp_put(uint8_t *tcp, uint32_t from, uint32_t to, uint32_t seq, uint32_t ack,
		     uint32_t flags, uint32_t window);
#define TCP_HEADER 20u
#define TCP_FIN    1u
#define TCP_SYN    2u
#define TCP_RST    4u
#define TCP_PSH    8u
#define TCP_ACK    16u
#define TCP_URG    32u

/* hostile-session.c */
hostile_maker hostile_tcp_session;
/** hostile_tcp_segment() - what a connection over that version of IP has to say next, if any. */
uint32_t hostile_tcp_segment(struct hostile *h, uint8_t *frame, bool v6);
/** hostile_tcp_hear() - a segment from the victim to host @number. */
void hostile_tcp_hear(struct hostile *h, bool v6, uint8_t number, const uint8_t *tcp, uint32_t n);

#endif
