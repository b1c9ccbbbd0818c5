/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Many neighbours on the wire of glue-nic.h, by number: what they send, and what they get. Knows
 * ARP, neighbour discovery and pings.
 */
#ifndef GLUE_HOSTS_H
#define GLUE_HOSTS_H

#include "glue-nic.h"

/** HOST - the one that the tests are about; glue_crowd() has others. */
#define HOST 7u

/** host_our4, host_our6 - our addresses: 10.0.0.1/16, and the link-local one. */
extern const uint8_t host_our4[4], host_our6[16];

/** host_mac() - a neighbour's card; @moved: another one, with the same addresses of IP. */
void host_mac(uint8_t *mac, unsigned host, bool moved);

/** host_ip6() - a neighbour's link-local address. */
void host_ip6(uint8_t *ip, unsigned host);

/** host_arp() - a request for @target, or (@op 2) an answer to us. */
void host_arp(unsigned host, bool moved, unsigned op, const uint8_t target[4]);

/** host_ping_from() - is anybody there? From @from, by way of neighbour @by. */
void host_ping_from(const uint8_t from[4], unsigned by);

/** host_head6() - the headers of ICMPv6 that a neighbour sends to us. */
void host_head6(uint8_t *p, unsigned host, bool moved);

/** host_send6() - with @n bytes behind them, which the caller has filled in. */
void host_send6(uint8_t *p, unsigned n);

/** host_ask6() - what is behind the head of a question for our address, with the asker's card. */
void host_ask6(uint8_t *p, unsigned host, bool moved);

/** host_solicit() - who has our address? And the neighbour says where he is himself. */
void host_solicit(unsigned host, bool moved);

/** host_advertise() - I am here. */
void host_advertise(unsigned host, bool moved);

/** host_ping() - is anybody there? */
void host_ping(unsigned host, bool v6);

/** host_says() - where he is, as an answer to us; it is heard at once. */
void host_says(struct lab_lwip *l, unsigned host, bool v6);

/** host_answered() - whether the last packet was an answer to a ping, for that card. */
bool host_answered(unsigned host, bool moved, bool v6);

/** host_pinged() - HOST wants an answer; whether he got it at once. */
bool host_pinged(struct lab_lwip *l, bool v6);

/** glue_hosts_start() - glue_start(), with the addresses above, ready to be used. */
struct lab_lwip *glue_hosts_start(void);

/** glue_crowd() - so many others say where they are, in 2 s, that lwIP itself forgets all of
 * before. */
void glue_crowd(struct lab_lwip *l);
#endif
