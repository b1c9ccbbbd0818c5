/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * See glue-hosts.h.
 */
#include "glue-hosts.h"

#include <string.h>

#define CROWD 100u /* the number of the first of them */

/* The second is EUI-64 of nic_ours. */
const uint8_t host_our4[4] = {10, 0, 0, 1},
	      host_our6[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1};

void host_mac(uint8_t *mac, unsigned host, bool moved)
{
	const uint8_t all[6] = {2, moved, 9, 9, (uint8_t)(host >> 8), (uint8_t)host};

	memcpy(mac, all, 6);
}

static void ip4_of(uint8_t *ip, unsigned host)
{
	const uint8_t all[4] = {10, 0, (uint8_t)(host >> 8), (uint8_t)host};

	memcpy(ip, all, 4);
}

void host_ip6(uint8_t *ip, unsigned host)
{
	memset(ip, 0, 16);
	ip[0] = 0xfe;
	ip[1] = 0x80;
	ip[14] = (uint8_t)(host >> 8);
	ip[15] = (uint8_t)host;
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void host_arp(unsigned host, bool moved, unsigned op, const uint8_t target[4])
{
	uint8_t p[60] = {[12] = 8, 6, 0, 1, 8, 0, 6, 4, 0, (uint8_t)op};

	if (op == 1)
		memset(p, 0xff, 6);
	else
		memcpy(p, nic_ours, 6);
	host_mac(p + 6, host, moved);
	host_mac(p + 22, host, moved);
	ip4_of(p + 28, host);
	memcpy(p + 38, target, 4);
	nic_arrive(p, sizeof(p));
}

void host_ping_from(const uint8_t from[4], unsigned by)
{
	uint8_t p[60] = {[12] = 8, 0, 0x45, 0, 0, 46}, *ip = p + 14;

	memcpy(p, nic_ours, 6);
	host_mac(p + 6, by, false);
	ip[8] = 64;
	ip[9] = 1;
	memcpy(ip + 12, from, 4);
	memcpy(ip + 16, host_our4, 4);
	put16(ip + 10, nic_sum(ip, 20, 0));
	ip[20] = 8;
	put16(ip + 22, nic_sum(ip + 20, 26, 0));
	nic_arrive(p, sizeof(p));
}

void host_head6(uint8_t *p, unsigned host, bool moved)
{
	memcpy(p, nic_ours, 6);
	host_mac(p + 6, host, moved);
	p[12] = 0x86;
	p[13] = 0xdd;
	p[14] = 0x60;
	p[20] = 58;
	p[21] = 255;
	host_ip6(p + 22, host);
	memcpy(p + 38, host_our6, 16);
}

void host_send6(uint8_t *p, unsigned n)
{
	p[19] = (uint8_t)n;
	put16(p + 56, 0);
	put16(p + 56, nic_sum(p + 22, 32 + n, 58 + n));
	nic_arrive(p, 54 + n);
}

void host_ask6(uint8_t *p, unsigned host, bool moved)
{
	p[54] = 135;
	memcpy(p + 62, host_our6, 16);
	p[78] = 1;
	p[79] = 1;
	host_mac(p + 80, host, moved);
}

void host_solicit(unsigned host, bool moved)
{
	uint8_t p[100] = {0};

	host_head6(p, host, moved);
	host_ask6(p, host, moved);
	host_send6(p, 32);
}

void host_advertise(unsigned host, bool moved)
{
	uint8_t p[100] = {[54] = 136, [58] = 0x60};

	host_head6(p, host, moved);
	host_ip6(p + 62, host);
	p[78] = 2;
	p[79] = 1;
	host_mac(p + 80, host, moved);
	host_send6(p, 32);
}

void host_ping(unsigned host, bool v6)
{
	uint8_t p[100] = {[54] = 128}, ip[4];

	if (v6) {
		host_head6(p, host, false);
		host_send6(p, 16);
	} else {
		ip4_of(ip, host);
		host_ping_from(ip, host);
	}
}

void host_says(struct lab_lwip *l, unsigned host, bool v6)
{
	if (v6)
		host_advertise(host, false);
	else
		host_arp(host, false, 2, host_our4);
	glue_turns(l, 1);
}

bool host_answered(unsigned host, bool moved, bool v6)
{
	uint8_t mac[6];

	host_mac(mac, host, moved);
	return !memcmp(nic.last, mac, 6) && (v6 ? nic.last[20] == 58 && nic.last[54] == 129
						: nic.last[23] == 1 && nic.last[34] == 0);
}

bool host_pinged(struct lab_lwip *l, bool v6)
{
	memset(nic.last, 0, sizeof(nic.last));
	host_ping(HOST, v6);
	glue_turns(l, 1);
	return host_answered(HOST, false, v6);
}

struct lab_lwip *glue_hosts_start(void)
{
	struct lab_lwip *l = glue_start(0);
	ip4_addr_t mask;

	IP4_ADDR(&mask, 255, 255, 0, 0);
	netif_set_netmask(lab_lwip_netif(l), &mask);
	glue_wait(l, 3000); /* until nobody has claimed our address of IPv6 */
	return l;
}

void glue_crowd(struct lab_lwip *l)
{
	glue_wait(l, 2000); /* it forgets the oldest first, and counts seconds */
	for (unsigned i = 0; i < 50; i++) {
		host_arp(CROWD + i, false, 1, host_our4);
		host_solicit(CROWD + i, false);
		glue_turns(l, 2);
		host_advertise(CROWD + i, false); /* who has answered is kept longest */
		glue_turns(l, 1);
	}
}
