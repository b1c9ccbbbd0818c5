/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Answers made in place: a request's bytes become the reply's. Knows Ethernet, ARP, IPv4, ICMP and
 * UDP as far as an echo needs them; knows no pool and no device.
 */
#ifndef REPLY_H
#define REPLY_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct responder - who answers, and what came of it.
 * @mac: our Ethernet address.
 * @ip: our IPv4 address, in network order.
 * @port: UDP port that echoes; 0 for all.
 * @arp, @icmp, @udp: requests answered.
 * @ignored: packets that are not for us, or nothing that an echo answers.
 * @bad: packets whose lengths contradict each other.
 * @bad_checksum: packets with a wrong checksum.
 */
struct responder {
	uint8_t mac[6];
	uint8_t ip[4];
	uint16_t port;
	uint64_t arp;
	uint64_t icmp;
	uint64_t udp;
	uint64_t ignored;
	uint64_t bad;
	uint64_t bad_checksum;
};

/**
 * reply() - turn a request into its answer.
 * @r: who answers.
 * @packet: an Ethernet packet; changed only when it is answered.
 * @length: its bytes; receives those of the answer, which are never more.
 *
 * Believes nothing that the packet says about itself: any bytes at all are safe.
 *
 * Return: true if @packet is to be sent now, false if there is nothing to answer.
 */
bool reply(struct responder *r, uint8_t *packet, uint32_t *length);

#endif
