/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The glue between lwIP and a device, on a device that does what this program says (glue-nic.h).
 * Needs no root.
 */
#include <errno.h>
#include <string.h>

#include <lwip/igmp.h>
#include <lwip/udp.h>

#include "../net/tap.h"
#include "glue-nic.h"

/* ---- the program on the stack ---- */

static struct pbuf *kept[64];
static unsigned kept_n;

static void keep(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
	if (kept_n < 64)
		kept[kept_n++] = p;
	else
		pbuf_free(p);
}

static bool in_pool(const struct pbuf *p)
{
	return lab_frame_index(pool, (char *)p->payload - NIC_OFFSET - 42) != LAB_FRAME_NONE;
}

static void let_go(void)
{
	while (kept_n)
		pbuf_free(kept[--kept_n]);
}

/* ---- tests ---- */

static void test_arguments(void)
{
	struct lab_lwip_config config = {.pool = pool};

	tap_ok(!lab_lwip_create(NULL) && errno == EINVAL, "no configuration is refused");
	tap_ok(!lab_lwip_create(&config) && errno == EINVAL, "no device is refused");
	config.dev = &nic.head;
	nic.head.ops = &nic_ops;
	nic.head.flags = ~LAB_LWIP_NETDEV_FLAGS & LAB_NETDEV_TX_RETURN;
	tap_ok(!lab_lwip_create(&config) && errno == EINVAL,
	       "a device with other flags is refused");
	nic.head.flags = LAB_LWIP_NETDEV_FLAGS;
	config.ip6_count = LAB_LWIP_IP6_MAX + 1;
	tap_ok(!lab_lwip_create(&config) && errno == EINVAL, "too many addresses are refused");
	tap_ok(lab_lwip_destroy(NULL) == 0, "destroying nothing does nothing");
}

static void test_second(void)
{
	struct lab_lwip_config config = {.pool = pool, .dev = &nic.head};

	tap_ok(!lab_lwip_create(&config) && errno == EBUSY && *lab_lwip_error_text(),
	       "a second netif is refused, and it says why");
}

static void test_answers(void)
{
	struct lab_lwip *l = glue_start(0);
	unsigned before;

	before = nic.sent;
	nic_ask();
	glue_turns(l, 1);
	tap_ok(nic.sent == before + 1 && nic.last[12] == 8 && nic.last[13] == 6 &&
		       nic.last[21] == 2 && !memcmp(nic.last, nic_theirs, 6),
	       "an ARP request is answered");
	tap_ok(lab_lwip_destroy(l) == 0 && glue_home(), "and no frame is lost");
}

static void test_in_place(void)
{
	struct lab_lwip *l = glue_start(4);
	struct lab_lwip_stats s;
	bool right = true;

	for (unsigned i = 0; i < 10; i++)
		nic_arrive_udp((uint8_t)i, 700);
	glue_turns(l, 1);
	lab_lwip_stats(l, &s);
	tap_ok(kept_n == 10 && s.held == 4 && s.rx_copied == 6 && s.rx_held_max == 4,
	       "beyond the limit of what the stack may keep packets are copied");
	for (unsigned i = 0; i < kept_n; i++) {
		const uint8_t *data = kept[i]->payload;

		right = right && kept[i]->tot_len == 700 && data[0] == i && data[699] == i &&
			in_pool(kept[i]) == (i < 4);
	}
	tap_ok(right, "up to it they lie where they came in, and all are what was sent");
	tap_ok(lab_lwip_destroy(l) == 10, "a program that keeps pbufs is told how many packets");
	for (unsigned i = 0; i < 4; i++)
		pbuf_free(kept[i]);
	memmove(kept, kept + 4, (kept_n -= 4) * sizeof(*kept));
	tap_ok(lab_lwip_destroy(l) == 6 && glue_home(), "of copies, too, when all frames are home");
	let_go();
	tap_ok(lab_lwip_destroy(l) == 0 && glue_home(), "when it has freed them the netif can end");
}

static void test_reserve(void)
{
	struct lab_lwip *l = glue_start(0);
	struct lab_pool_stats s;
	struct lab_lwip_stats stats;
	static void *all[GLUE_FRAMES];
	unsigned n = 0, sent;

	nic_ask();
	nic_ask();
	while (n < GLUE_FRAMES && (all[n] = lab_alloc(pool, LAB_GFP_NOWAIT)))
		n++;
	lab_pool_stats(pool, &s);
	tap_ok(s.reserved > 0 && s.free + s.cached == s.reserved,
	       "the pool is empty but for its reserve");
	sent = nic.sent;
	nic.room = 0; /* what is answered stays here */
	glue_turns(l, 1);
	lab_lwip_stats(l, &stats);
	tap_ok(stats.queued == 2 && stats.tx_no_frame == 0, "answers come from the reserve");
	nic.room = UINT32_MAX;
	glue_turns(l, 1);
	tap_ok(nic.sent == sent + 2, "and leave when the device has room");

	while (n)
		lab_free(pool, all[--n]);
	nic_ask();
	sent = nic.sent;
	glue_turns(l, 1);
	tap_ok(nic.sent == sent + 1, "with frames again it answers again");
	tap_ok(lab_lwip_destroy(l) == 0 && glue_home(), "and no frame is lost");
}

static void test_fault(void)
{
	const struct lab_fault always = {.every = 1};
	struct lab_lwip *l = glue_start(0);
	struct lab_lwip_stats s;
	unsigned sent = nic.sent;

	nic_ask();
	nic_ask();
	lab_fault_set(pool, LAB_FAULT_ALLOC, &always);
	glue_turns(l, 1);
	lab_lwip_stats(l, &s);
	tap_ok(s.tx_no_frame == 2 && nic.sent == sent,
	       "no frame at all: nothing is sent, and it is counted");
	lab_fault_set(pool, LAB_FAULT_ALLOC, NULL);
	nic_ask();
	glue_turns(l, 1);
	tap_ok(nic.sent == sent + 1, "and the next is answered");
	tap_ok(lab_lwip_destroy(l) == 0 && glue_home(), "and no frame is lost");
}

/* A device that never gives back what it has sent, up to its end: the frames are the driver's then.
 */
static void test_kept(void)
{
	struct lab_lwip *l = glue_start(0);
	struct lab_lwip_stats s;

	glue_turns(l, 1);
	nic.keep = true;
	nic_ask();
	glue_turns(l, 1);
	lab_lwip_stats(l, &s);
	tap_ok(nic.done_n == 1 && s.tx_in_place >= 1, "an answer in place stays with the device");
	tap_ok(lab_lwip_destroy(l) == 0 && !glue_home(), "the netif ends without it");
	tap_ok(lab_free(pool, nic.done[0]) == 0 && glue_home(), "and the driver frees it");
	l = glue_start(0);
	nic_ask();
	glue_turns(l, 2);
	lab_lwip_stats(l, &s);
	tap_ok(s.tx_in_place >= 1 && lab_lwip_destroy(l) == 0 && glue_home(),
	       "the next netif sends in place as before");
}

static void test_full(void)
{
	struct lab_lwip *l = glue_start(0);
	struct lab_lwip_stats s;
	unsigned sent = nic.sent;

	nic.room = 0;
	for (unsigned i = 0; i < 300; i++)
		nic_ask();
	glue_turns(l, 10);
	lab_lwip_stats(l, &s);
	tap_ok(s.queued == 256 && s.tx_full == 44,
	       "a device that takes nothing: a bounded queue, the rest is counted");
	nic.room = 100;
	glue_turns(l, 1);
	lab_lwip_stats(l, &s);
	tap_ok(nic.sent == sent + 100 && s.queued == 156, "what it takes then leaves the queue");
	nic.room = UINT32_MAX;
	nic.refuse = 10;
	glue_turns(l, 1);
	lab_lwip_stats(l, &s);
	tap_ok(nic.sent == sent + 255 && s.queued == 0 && s.tx_bad == 1,
	       "a packet that it refuses does not hold up those behind it");
	nic.room = 0;
	nic_ask();
	glue_turns(l, 1);
	tap_ok(lab_lwip_destroy(l) == 0 && glue_home(),
	       "destroyed with a full queue, no frame is lost");
}

static void test_fragments(void)
{
	struct lab_lwip *l = glue_start(0);
	struct lab_lwip_stats s;
	uint8_t p[1600] = {0};

	for (unsigned i = 0; i < 5; i++) {
		memset(p, (int)i, sizeof(p));
		nic_arrive_ip(p, 17, 64, 0x2000 | i * 16); /* with holes, and more to come */
	}
	glue_turns(l, 1);
	lab_lwip_stats(l, &s);
	tap_ok(s.held > 0, "fragments wait in their frames for the rest");
	tap_ok(lab_lwip_destroy(l) == 0 && glue_home(), "and give them back when the netif ends");
}

static void test_multicast(void)
{
	struct lab_lwip *l = glue_start(0);
	ip4_addr_t group;
	unsigned before = nic.macs;

	tap_ok(before > 0 && !nic.promiscuous, "the device is told of the groups of IPv6");
	IP4_ADDR(&group, 239, 1, 2, 3);
	igmp_joingroup_netif(lab_lwip_netif(l), &group);
	igmp_joingroup_netif(lab_lwip_netif(l), &group);
	tap_ok(nic.macs == before + 1, "and of a group that is joined");
	igmp_leavegroup_netif(lab_lwip_netif(l), &group);
	igmp_leavegroup_netif(lab_lwip_netif(l), &group);
	tap_ok(nic.macs == before, "and left");
	for (unsigned i = 0; i < 20; i++) {
		IP4_ADDR(&group, 239, 1, 3, i);
		igmp_joingroup_netif(lab_lwip_netif(l), &group);
	}
	tap_ok(nic.promiscuous, "with more groups than it compares with it receives all");
	tap_ok(lab_lwip_destroy(l) == 0 && glue_home(), "and no frame is lost");
}

static volatile sig_atomic_t stop;

static void on_tick(void *arg)
{
	if (++*(unsigned *)arg == 10)
		stop = 1;
}

static void test_run(void)
{
	struct lab_lwip *l = glue_start(0);
	unsigned ticks = 0;

	stop = 0;
	tap_ok(lab_lwip_run(l, &stop, 1, 5, on_tick, &ticks) == 0 && ticks == 10,
	       "the loop ends when it is told to");
	tap_ok(nic.longest > 0 && nic.longest <= 5, "and never sleeps beyond what is due");
	tap_ok(lab_lwip_destroy(l) == 0 && glue_home(), "and no frame is lost");
}

int main(void)
{
	struct udp_pcb *udp;
	struct lab_lwip *l;

	glue_pool();
	test_arguments();
	/* The first initialises lwIP, and only then can anybody listen. */
	l = glue_start(0);
	test_second();
	tap_ok(lab_lwip_destroy(l) == 0 && glue_home(), "a netif comes and goes");
	udp = udp_new();
	udp_bind(udp, IP_ANY_TYPE, NIC_PORT);
	udp_recv(udp, keep, NULL);
	test_answers();
	test_in_place();
	test_reserve();
	test_fault();
	if (LAB_LWIP_NETDEV_FLAGS & LAB_NETDEV_TX_RETURN)
		test_kept();
	test_full();
	test_fragments();
	test_multicast();
	test_run();
	udp_remove(udp);
	tap_ok(lab_pool_destroy(pool) == 0, "the pool is whole at the end");
	return tap_done();
}
