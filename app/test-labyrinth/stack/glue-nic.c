/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * See glue-nic.h.
 */
#include "glue-nic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the device ---- */

struct glue_nic nic;

struct lab_pool *pool;

static unsigned nic_rx(struct lab_netdev *dev, struct lab_packet *packets, unsigned n)
{
	unsigned got = 0;

	while (got < n && nic.rx_head != nic.rx_tail)
		packets[got++] = nic.rx[nic.rx_head++ % NIC_RX_MAX];
	return got;
}

/* Counts ARP's requests, and neighbour solicitations. */
static void count_asked(const uint8_t *p)
{
	if (p[12] == 8 && p[13] == 6 && p[21] == 1)
		nic.asked[p[41]]++;
	else if (p[12] == 0x86 && p[13] == 0xdd && p[20] == 58 && p[54] == 135)
		nic.asked[p[77]]++;
}

static unsigned nic_tx(struct lab_netdev *dev, const struct lab_packet *packets, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (nic.refuse && --nic.refuse == 0) {
			errno = EINVAL;
			break;
		}
		if (!nic.room) {
			errno = EAGAIN;
			break;
		}
		nic.room--;
		nic.sent++;
		count_asked((uint8_t *)packets[i].frame + packets[i].offset);
		nic.last_length = packets[i].length;
		memcpy(nic.last, (char *)packets[i].frame + packets[i].offset, packets[i].length);
		if (LAB_LWIP_NETDEV_FLAGS && nic.done_n < NIC_SENT_MAX)
			nic.done[nic.done_n++] = packets[i].frame;
		else
			lab_free(pool, packets[i].frame);
	}
	return i;
}

static unsigned nic_done(struct lab_netdev *dev, void **frames, unsigned n)
{
	unsigned got = 0;

	while (got < n && nic.done_n && !nic.keep)
		frames[got++] = nic.done[--nic.done_n];
	return got;
}

static int nic_wait(struct lab_netdev *dev, int timeout_ms)
{
	nic.longest = timeout_ms > nic.longest ? timeout_ms : nic.longest;
	return nic.rx_head != nic.rx_tail;
}

static int nic_promiscuous(struct lab_netdev *dev, int on)
{
	nic.promiscuous = on;
	return 0;
}

static int nic_macs(struct lab_netdev *dev, const uint8_t (*macs)[LAB_MAC_SIZE], unsigned n)
{
	nic.macs = n;
	return n > 14 ? -ENOSPC : 0;
}

const struct lab_netdev_ops nic_ops = {
	.name = "test",
	.rx_burst = nic_rx,
	.tx_burst = nic_tx,
	.tx_done = nic_done,
	.wait = nic_wait,
	.promiscuous = nic_promiscuous,
	.mac_filter = nic_macs,
};

/* ---- packets ---- */

const uint8_t nic_ours[LAB_MAC_SIZE] = {2, 0, 0, 0, 0, 1},
	      nic_theirs[LAB_MAC_SIZE] = {2, 0, 0, 0, 0, 2};
static const uint8_t our_ip[4] = {10, 0, 0, 1}, their_ip[4] = {10, 0, 0, 2};

uint16_t nic_sum(const uint8_t *p, unsigned n, uint32_t start)
{
	for (unsigned i = 0; i < n; i++)
		start += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return (uint16_t)~start;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

bool nic_arrive(const uint8_t *packet, uint32_t length)
{
	void *frame = lab_alloc(pool, LAB_GFP_ATOMIC);

	if (!frame)
		return false;
	memcpy((char *)frame + NIC_OFFSET, packet, length);
	nic.rx[nic.rx_tail++ % NIC_RX_MAX] =
		(struct lab_packet){.frame = frame, .offset = NIC_OFFSET, .length = length};
	return true;
}

bool nic_ask(void)
{
	uint8_t p[60] = {[12] = 8, 6, 0, 1, 8, 0, 6, 4, 0, 1};

	memset(p, 0xff, 6);
	memcpy(p + 6, nic_theirs, 6);
	memcpy(p + 22, nic_theirs, 6);
	memcpy(p + 28, their_ip, 4);
	memcpy(p + 38, our_ip, 4);
	return nic_arrive(p, sizeof(p));
}

bool nic_arrive_ip(uint8_t *p, unsigned proto, unsigned n, unsigned fragment)
{
	uint8_t *ip = p + 14;

	memcpy(p, nic_ours, 6);
	memcpy(p + 6, nic_theirs, 6);
	put16(p + 12, 0x800);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, 20 + n);
	put16(ip + 6, fragment);
	ip[8] = 64;
	ip[9] = (uint8_t)proto;
	memcpy(ip + 12, their_ip, 4);
	memcpy(ip + 16, our_ip, 4);
	put16(ip + 10, nic_sum(ip, 20, 0));
	return nic_arrive(p, 34 + n);
}

bool nic_arrive_udp(uint8_t byte, unsigned n)
{
	uint8_t p[1600] = {0};

	put16(p + 34, 999);
	put16(p + 36, NIC_PORT);
	put16(p + 38, 8 + n);
	memset(p + 42, byte, n);
	return nic_arrive_ip(p, 17, 8 + n, 0);
}

bool nic_arrive_tcp(uint16_t from, uint32_t seq, uint32_t ack, unsigned flags)
{
	uint8_t p[1600] = {0}, *tcp = p + 34;
	uint32_t pseudo = 6 + 20;

	put16(tcp, from);
	put16(tcp + 2, NIC_PORT);
	put16(tcp + 4, seq >> 16);
	put16(tcp + 6, seq & 0xffff);
	put16(tcp + 8, ack >> 16);
	put16(tcp + 10, ack & 0xffff);
	tcp[12] = 5 << 4;
	tcp[13] = (uint8_t)flags;
	put16(tcp + 14, nic.window);
	for (unsigned i = 0; i < 4; i += 2)
		pseudo += (uint32_t)(our_ip[i] << 8 | our_ip[i + 1]) +
			  (uint32_t)(their_ip[i] << 8 | their_ip[i + 1]);
	put16(tcp + 16, nic_sum(tcp, 20, pseudo));
	return nic_arrive_ip(p, 6, 20, 0);
}

/* ---- time ---- */

#ifdef LAB_LWIP_IN_PLACE
#define SYS_NOW __wrap_sys_now /* by the linker's --wrap */
#else
#define SYS_NOW sys_now /* in place of the one in Debian's library */
#endif

static u32_t now;

u32_t SYS_NOW(void);

u32_t SYS_NOW(void)
{
	return now;
}

void glue_wait(struct lab_lwip *l, unsigned ms)
{
	for (unsigned i = 0; i < ms / 100; i++) {
		now += 100;
		lab_lwip_poll(l);
	}
}

/* ---- the netif ---- */

void glue_pool(void)
{
	const struct lab_pool_config config = {
		.name = "glue", .frames = GLUE_FRAMES, .page_size = LAB_PAGE_4K};

	pool = lab_pool_create(&config);
	if (!pool) {
		fprintf(stderr, "%s\n", lab_error_text());
		exit(EXIT_FAILURE);
	}
}

bool glue_home(void)
{
	struct lab_pool_stats s;

	lab_pool_stats(pool, &s);
	return s.free + s.cached == s.total;
}

struct lab_lwip *glue_start(uint32_t hold)
{
	struct lab_lwip_config config = {.pool = pool, .dev = &nic.head, .hold = hold};

	memset(&nic, 0, sizeof(nic));
	nic.head.ops = &nic_ops;
	nic.head.flags = LAB_LWIP_NETDEV_FLAGS;
	memcpy(nic.head.mac, nic_ours, 6);
	nic.room = UINT32_MAX;
	nic.window = 1000;
	IP4_ADDR(&config.ip, 10, 0, 0, 1);
	IP4_ADDR(&config.netmask, 255, 255, 255, 0);
	return lab_lwip_create(&config);
}

void glue_turns(struct lab_lwip *l, unsigned n)
{
	while (n--)
		lab_lwip_poll(l);
}
