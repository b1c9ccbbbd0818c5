/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Ethernet frames as an enemy on the wire would send them: one seed, one sequence. Knows protocols;
 * knows no device, no socket, no pool, and no stack.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/** Longest frame that is made; no wire that we know carries it. */
#define HOSTILE_FRAME_MAX 4096u
/** Frames that wait to be sent, in any order: pieces of one datagram. */
#define HOSTILE_TRAIN 24u
/** Connections that the enemy has with its victim at once. */
#define HOSTILE_FLOWS 48u
/** Frames kept to be sent again. */
#define HOSTILE_REPLAY 16u

/** enum hostile_kind - what is wrong with a frame; hostile_kind_name() has the words. */
enum hostile_kind {
	HOSTILE_RANDOM,
	HOSTILE_ETHERTYPE,
	HOSTILE_VLAN,
	HOSTILE_RUNT,
	HOSTILE_OVERSIZED,
	HOSTILE_ARP_LIE,
	HOSTILE_ARP_TRUTH,
	HOSTILE_IP4_TRUNCATED,
	HOSTILE_IP4_LENGTHS,
	HOSTILE_IP4_OPTIONS,
	HOSTILE_IP4_CHECKSUM,
	HOSTILE_IP4_ADDRESSES,
	HOSTILE_IP4_PROTOCOL,
	HOSTILE_IP4_ICMP,
	HOSTILE_IP4_FRAGMENTS,
	HOSTILE_IP6_TRUNCATED,
	HOSTILE_IP6_LENGTHS,
	HOSTILE_IP6_EXTENSIONS,
	HOSTILE_IP6_ADDRESSES,
	HOSTILE_IP6_ICMP,
	HOSTILE_IP6_FRAGMENTS,
	HOSTILE_ND,
	HOSTILE_ND_TRUTH,
	HOSTILE_MLD,
	HOSTILE_UDP,
	HOSTILE_TCP_SYN,
	HOSTILE_TCP_STRAY,
	HOSTILE_TCP_HEADER,
	HOSTILE_TCP_OPTIONS,
	HOSTILE_TCP_SESSION,
	HOSTILE_VALID,
	HOSTILE_MUTATED,
	HOSTILE_DUPLICATE,
	HOSTILE_KINDS,
};

/**
 * struct hostile_target - the victim.
 * @mac, @ip, @ip6: its addresses; it also has the link-local one that follows from @mac.
 * @ports: TCP ports that listen (HTTP, echo); the second is taken to echo UDP as well.
 * @spare: the last byte of an IPv4 address in the victim's /24 that belongs to an honest client:
 *	no frame claims to be from there (but for an unlucky flip of a bit).
 */
struct hostile_target {
	uint8_t mac[6];
	uint8_t ip[4];
	uint8_t ip6[16];
	uint16_t ports[2];
	uint8_t spare;
};

/** struct hostile_frame - one frame that waits. */
struct hostile_frame {
	enum hostile_kind kind;
	uint32_t length;
	uint8_t bytes[2048];
};

/** struct hostile_flow - one connection, as the enemy sees it. */
struct hostile_flow {
	enum { FLOW_CLOSED, FLOW_SYN, FLOW_OPEN } state;
	bool v6;
	uint8_t host;
	uint16_t port;
	uint16_t to;
	uint32_t seq;
	uint32_t ack;
};

/**
 * struct hostile - the generator.
 * @counts: frames by kind.
 * @kind: of the last frame.
 * @opened: connections that the victim accepted.
 * @answers: frames from the victim that were heard.
 * All other members are its own.
 */
struct hostile {
	struct hostile_target target;
	uint8_t link_local[16];
	uint64_t counts[HOSTILE_KINDS];
	enum hostile_kind kind;
	uint64_t opened;
	uint64_t answers;
	uint64_t random;
	uint32_t weights;
	unsigned train;
	unsigned replay;
	struct hostile_frame trains[HOSTILE_TRAIN];
	struct hostile_frame replays[HOSTILE_REPLAY];
	struct hostile_flow flows[HOSTILE_FLOWS];
	uint8_t scratch[HOSTILE_FRAME_MAX];
};

/** hostile_start() - begin a sequence; the same @seed and the same victim make the same one. */
void hostile_start(struct hostile *h, const struct hostile_target *target, uint64_t seed);

/**
 * hostile_next() - the next frame.
 * @h: the generator.
 * @buf: receives it, without the checksum of the wire.
 * @room: bytes in @buf; a longer frame is cut off there.
 *
 * Return: its bytes: 1 to HOSTILE_FRAME_MAX.
 */
uint32_t hostile_next(struct hostile *h, uint8_t *buf, uint32_t room);

/**
 * hostile_hear() - a frame that the victim sent.
 *
 * An enemy that hears gets deeper: its connections are opened with the right numbers, and victims
 * that ask for an address of it are answered. What it hears becomes part of what the sequence
 * follows from.
 */
void hostile_hear(struct hostile *h, const uint8_t *frame, uint32_t length);

/** hostile_kind_name() - a few words. */
const char *hostile_kind_name(enum hostile_kind kind);

/** hostile_print() - one line a kind, each behind @before. */
void hostile_print(const struct hostile *h, FILE *f, const char *before);

#endif
