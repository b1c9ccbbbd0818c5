/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The glue between lwIP and a device, on a device that does what this program says: takes nothing,
 * refuses, gives late. Needs no root. Knows the drivers' seam, in whose place it is.
 */
#include <errno.h>
#include <string.h>

#include <lwip/igmp.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>
#include <lwip/udp.h>

#include <lab_lwip.h>

#include "../../../drivers/net/netdev_driver.h"
#include "../net/tap.h"

#define FRAMES   1024u
#define OFFSET   256u /* where received packets start */
#define PORT     4000u
#define RX_MAX   2048u
#define SENT_MAX 4096u

/* ---- the device ---- */

static struct {
	struct lab_netdev head;
	struct lab_packet rx[RX_MAX];
	unsigned rx_head, rx_tail;
	unsigned room;   /* packets that it still takes */
	unsigned refuse; /* its packets from now on, up to that one, which it refuses */
	unsigned sent;
	uint8_t last[LAB_FRAME_SIZE]; /* the last packet sent */
	uint32_t last_length;
	void *done[SENT_MAX];
	unsigned done_n;
	int promiscuous;
	unsigned macs;
	int longest; /* wait that it was asked for */
} nic;

static struct lab_pool *pool;

static unsigned nic_rx(struct lab_netdev *dev, struct lab_packet *packets, unsigned n)
{
	unsigned got = 0;

	while (got < n && nic.rx_head != nic.rx_tail)
		packets[got++] = nic.rx[nic.rx_head++ % RX_MAX];
	return got;
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
		nic.last_length = packets[i].length;
		memcpy(nic.last, (char *)packets[i].frame + packets[i].offset, packets[i].length);
		if (LAB_LWIP_NETDEV_FLAGS && nic.done_n < SENT_MAX)
			nic.done[nic.done_n++] = packets[i].frame;
		else
			lab_free(pool, packets[i].frame);
	}
	return i;
}

static unsigned nic_done(struct lab_netdev *dev, void **frames, unsigned n)
{
	unsigned got = 0;

	while (got < n && nic.done_n)
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

static const struct lab_netdev_ops ops = {
	.name = "test",
	.rx_burst = nic_rx,
	.tx_burst = nic_tx,
	.tx_done = nic_done,
	.wait = nic_wait,
	.promiscuous = nic_promiscuous,
	.mac_filter = nic_macs,
};

/* ---- packets ---- */

static const uint8_t ours[6] = {2, 0, 0, 0, 0, 1}, theirs[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t our_ip[4] = {10, 0, 0, 1}, their_ip[4] = {10, 0, 0, 2};

static uint16_t sum(const uint8_t *p, unsigned n, uint32_t start)
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

/* The packet comes in. False where there is no frame for it. */
static bool arrive(const uint8_t *packet, uint32_t length)
{
	void *frame = lab_alloc(pool, LAB_GFP_ATOMIC);

	if (!frame)
		return false;
	memcpy((char *)frame + OFFSET, packet, length);
	nic.rx[nic.rx_tail++ % RX_MAX] =
		(struct lab_packet){.frame = frame, .offset = OFFSET, .length = length};
	return true;
}

/* Who has our address? */
static bool ask(void)
{
	uint8_t p[60] = {[12] = 8, 6, 0, 1, 8, 0, 6, 4, 0, 1};

	memset(p, 0xff, 6);
	memcpy(p + 6, theirs, 6);
	memcpy(p + 22, theirs, 6);
	memcpy(p + 28, their_ip, 4);
	memcpy(p + 38, our_ip, 4);
	return arrive(p, sizeof(p));
}

/* An IPv4 packet with @n bytes behind its header, @fragment as the header's word has it. */
static bool arrive_ip(uint8_t *p, unsigned proto, unsigned n, unsigned fragment)
{
	uint8_t *ip = p + 14;

	memcpy(p, ours, 6);
	memcpy(p + 6, theirs, 6);
	put16(p + 12, 0x800);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, 20 + n);
	put16(ip + 6, fragment);
	ip[8] = 64;
	ip[9] = (uint8_t)proto;
	memcpy(ip + 12, their_ip, 4);
	memcpy(ip + 16, our_ip, 4);
	put16(ip + 10, sum(ip, 20, 0));
	return arrive(p, 34 + n);
}

/* A datagram without a checksum, whose @n bytes are all @byte. */
static bool arrive_udp(uint8_t byte, unsigned n)
{
	uint8_t p[1600] = {0};

	put16(p + 34, 999);
	put16(p + 36, PORT);
	put16(p + 38, 8 + n);
	memset(p + 42, byte, n);
	return arrive_ip(p, 17, 8 + n, 0);
}

#define FIN 1u
#define SYN 2u
#define ACK 16u

/* A TCP segment without data. */
static bool arrive_tcp(uint16_t from, uint32_t seq, uint32_t ack, unsigned flags)
{
	uint8_t p[1600] = {0}, *tcp = p + 34;
	uint32_t pseudo = 6 + 20;

	put16(tcp, from);
	put16(tcp + 2, PORT);
	put16(tcp + 4, seq >> 16);
	put16(tcp + 6, seq & 0xffff);
	put16(tcp + 8, ack >> 16);
	put16(tcp + 10, ack & 0xffff);
	tcp[12] = 5 << 4;
	tcp[13] = (uint8_t)flags;
	put16(tcp + 14, 1000);
	for (unsigned i = 0; i < 4; i += 2)
		pseudo += (uint32_t)(our_ip[i] << 8 | our_ip[i + 1]) +
			  (uint32_t)(their_ip[i] << 8 | their_ip[i + 1]);
	put16(tcp + 16, sum(tcp, 20, pseudo));
	return arrive_ip(p, 6, 20, 0);
}

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
	return lab_frame_index(pool, (char *)p->payload - OFFSET - 42) != LAB_FRAME_NONE;
}

static void let_go(void)
{
	while (kept_n)
		pbuf_free(kept[--kept_n]);
}

static bool home(void)
{
	struct lab_pool_stats s;

	lab_pool_stats(pool, &s);
	return s.free + s.cached == s.total;
}

static struct lab_lwip *start(uint32_t hold)
{
	struct lab_lwip_config config = {.pool = pool, .dev = &nic.head, .hold = hold};

	memset(&nic, 0, sizeof(nic));
	nic.head.ops = &ops;
	nic.head.flags = LAB_LWIP_NETDEV_FLAGS;
	memcpy(nic.head.mac, ours, 6);
	nic.room = UINT32_MAX;
	IP4_ADDR(&config.ip, 10, 0, 0, 1);
	IP4_ADDR(&config.netmask, 255, 255, 255, 0);
	return lab_lwip_create(&config);
}

static void turns(struct lab_lwip *l, unsigned n)
{
	while (n--)
		lab_lwip_poll(l);
}

/* ---- tests ---- */

static void test_arguments(void)
{
	struct lab_lwip_config config = {.pool = pool};

	tap_ok(!lab_lwip_create(NULL) && errno == EINVAL, "no configuration is refused");
	tap_ok(!lab_lwip_create(&config) && errno == EINVAL, "no device is refused");
	config.dev = &nic.head;
	nic.head.ops = &ops;
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
	struct lab_lwip *l = start(0);
	unsigned before;

	before = nic.sent;
	ask();
	turns(l, 1);
	tap_ok(nic.sent == before + 1 && nic.last[12] == 8 && nic.last[13] == 6 &&
		       nic.last[21] == 2 && !memcmp(nic.last, theirs, 6),
	       "an ARP request is answered");
	tap_ok(lab_lwip_destroy(l) == 0 && home(), "and no frame is lost");
}

static void test_in_place(void)
{
	struct lab_lwip *l = start(4);
	struct lab_lwip_stats s;
	bool right = true;

	for (unsigned i = 0; i < 10; i++)
		arrive_udp((uint8_t)i, 700);
	turns(l, 1);
	lab_lwip_stats(l, &s);
	tap_ok(kept_n == 10 && s.held == 4 && s.rx_copied == 6 && s.rx_held_max == 4,
	       "beyond the limit of what the stack may keep packets are copied");
	for (unsigned i = 0; i < kept_n; i++) {
		const uint8_t *data = kept[i]->payload;

		right = right && kept[i]->tot_len == 700 && data[0] == i && data[699] == i &&
			in_pool(kept[i]) == (i < 4);
	}
	tap_ok(right, "up to it they lie where they came in, and all are what was sent");
	tap_ok(lab_lwip_destroy(l) == 4, "a program that keeps pbufs is told how many frames");
	let_go();
	tap_ok(lab_lwip_destroy(l) == 0 && home(), "when it has freed them the netif can end");
}

static void test_reserve(void)
{
	struct lab_lwip *l = start(0);
	struct lab_pool_stats s;
	struct lab_lwip_stats stats;
	static void *all[FRAMES];
	unsigned n = 0, sent;

	ask();
	ask();
	while (n < FRAMES && (all[n] = lab_alloc(pool, LAB_GFP_NOWAIT)))
		n++;
	lab_pool_stats(pool, &s);
	tap_ok(s.reserved > 0 && s.free + s.cached == s.reserved,
	       "the pool is empty but for its reserve");
	sent = nic.sent;
	nic.room = 0; /* what is answered stays here */
	turns(l, 1);
	lab_lwip_stats(l, &stats);
	tap_ok(stats.queued == 2 && stats.tx_no_frame == 0, "answers come from the reserve");
	nic.room = UINT32_MAX;
	turns(l, 1);
	tap_ok(nic.sent == sent + 2, "and leave when the device has room");

	while (n)
		lab_free(pool, all[--n]);
	ask();
	sent = nic.sent;
	turns(l, 1);
	tap_ok(nic.sent == sent + 1, "with frames again it answers again");
	tap_ok(lab_lwip_destroy(l) == 0 && home(), "and no frame is lost");
}

static void test_fault(void)
{
	const struct lab_fault always = {.every = 1};
	struct lab_lwip *l = start(0);
	struct lab_lwip_stats s;
	unsigned sent = nic.sent;

	ask();
	ask();
	lab_fault_set(pool, LAB_FAULT_ALLOC, &always);
	turns(l, 1);
	lab_lwip_stats(l, &s);
	tap_ok(s.tx_no_frame == 2 && nic.sent == sent,
	       "no frame at all: nothing is sent, and it is counted");
	lab_fault_set(pool, LAB_FAULT_ALLOC, NULL);
	ask();
	turns(l, 1);
	tap_ok(nic.sent == sent + 1, "and the next is answered");
	tap_ok(lab_lwip_destroy(l) == 0 && home(), "and no frame is lost");
}

static void test_full(void)
{
	struct lab_lwip *l = start(0);
	struct lab_lwip_stats s;
	unsigned sent = nic.sent;

	nic.room = 0;
	for (unsigned i = 0; i < 300; i++)
		ask();
	turns(l, 10);
	lab_lwip_stats(l, &s);
	tap_ok(s.queued == 256 && s.tx_full == 44,
	       "a device that takes nothing: a bounded queue, the rest is counted");
	nic.room = 100;
	turns(l, 1);
	lab_lwip_stats(l, &s);
	tap_ok(nic.sent == sent + 100 && s.queued == 156, "what it takes then leaves the queue");
	nic.room = UINT32_MAX;
	nic.refuse = 10;
	turns(l, 1);
	lab_lwip_stats(l, &s);
	tap_ok(nic.sent == sent + 255 && s.queued == 0 && s.tx_bad == 1,
	       "a packet that it refuses does not hold up those behind it");
	nic.room = 0;
	ask();
	turns(l, 1);
	tap_ok(lab_lwip_destroy(l) == 0 && home(), "destroyed with a full queue, no frame is lost");
}

static void test_fragments(void)
{
	struct lab_lwip *l = start(0);
	struct lab_lwip_stats s;
	uint8_t p[1600] = {0};

	for (unsigned i = 0; i < 5; i++) {
		memset(p, (int)i, sizeof(p));
		arrive_ip(p, 17, 64, 0x2000 | i * 16); /* with holes, and more to come */
	}
	turns(l, 1);
	lab_lwip_stats(l, &s);
	tap_ok(s.held > 0, "fragments wait in their frames for the rest");
	tap_ok(lab_lwip_destroy(l) == 0 && home(), "and give them back when the netif ends");
}

static void test_multicast(void)
{
	struct lab_lwip *l = start(0);
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
	tap_ok(lab_lwip_destroy(l) == 0 && home(), "and no frame is lost");
}

static unsigned half_open(void)
{
	unsigned n = 0;

	for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
		n += pcb->state == SYN_RCVD;
	return n;
}

static void test_syn_flood(void)
{
	struct lab_lwip *l = start(0);
	struct tcp_pcb *listening;
	struct lab_lwip_stats s;
	struct tcp_pcb *pcb = tcp_new();
	unsigned most = 0;

	tcp_bind(pcb, IP_ANY_TYPE, PORT);
	listening = tcp_listen(pcb);
	for (unsigned i = 0; i < 3000; i++) {
		arrive_tcp((uint16_t)(10000 + i), i << 16, 0, SYN);
		turns(l, 1);
		most = half_open() > most ? half_open() : most;
	}
	lab_lwip_stats(l, &s);
	tap_note("half open at most %u, forgotten %llu", most, (unsigned long long)s.pruned);
	tap_ok(most >= 512 && most < 1024 && s.pruned > 2000,
	       "a flood of SYNs leaves a bounded number half open");
	tcp_close(listening);
	tap_ok(lab_lwip_destroy(l) == 0 && home(), "and no frame is lost");
}

static struct tcp_pcb *accepted;

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	accepted = pcb;
	return ERR_OK;
}

static uint32_t last_seq(void)
{
	const uint8_t *tcp = nic.last + 34;

	return (uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 | (uint32_t)tcp[6] << 8 | tcp[7];
}

/* The server ends a connection first, and the client takes the same port for its next. */
static void test_begins_anew(void)
{
	struct lab_lwip *l = start(0);
	struct tcp_pcb *listening, *pcb = tcp_new();
	const uint16_t from = 5000;
	uint32_t seq = 1000;

	tcp_bind(pcb, IP_ANY_TYPE, PORT);
	listening = tcp_listen(pcb);
	tcp_accept(listening, on_accept);
	ask(); /* so that it knows the client */
	for (unsigned i = 0; i < 3; i++, seq += 100) {
		accepted = NULL;
		arrive_tcp(from, seq, 0, SYN);
		turns(l, 1);
		tap_ok(nic.last[47] == (SYN | ACK), "a connection from the same port is taken");
		arrive_tcp(from, seq + 1, last_seq() + 1, ACK);
		turns(l, 1);
		if (!accepted)
			break;
		tcp_close(accepted);
		turns(l, 1);
		arrive_tcp(from, seq + 1, last_seq() + 1, FIN | ACK);
		turns(l, 1);
	}
	tap_ok(accepted && tcp_tw_pcbs && !tcp_tw_pcbs->next && !tcp_active_pcbs,
	       "and of all of them the last is remembered");
	arrive_tcp(from, 1000, 0, SYN);
	turns(l, 1);
	tap_ok(nic.last[47] == ACK && tcp_tw_pcbs, "which an older SYN does not change");
	tcp_close(listening);
	while (tcp_tw_pcbs)
		tcp_abort(tcp_tw_pcbs);
	tap_ok(lab_lwip_destroy(l) == 0 && home(), "and no frame is lost");
}

static volatile sig_atomic_t stop;

static void on_tick(void *arg)
{
	if (++*(unsigned *)arg == 10)
		stop = 1;
}

static void test_run(void)
{
	struct lab_lwip *l = start(0);
	unsigned ticks = 0;

	stop = 0;
	tap_ok(lab_lwip_run(l, &stop, 1, 5, on_tick, &ticks) == 0 && ticks == 10,
	       "the loop ends when it is told to");
	tap_ok(nic.longest > 0 && nic.longest <= 5, "and never sleeps beyond what is due");
	tap_ok(lab_lwip_destroy(l) == 0 && home(), "and no frame is lost");
}

int main(void)
{
	const struct lab_pool_config config = {
		.name = "glue", .frames = FRAMES, .page_size = LAB_PAGE_4K};
	struct udp_pcb *udp;
	struct lab_lwip *l;

	pool = lab_pool_create(&config);
	if (!pool) {
		fprintf(stderr, "%s\n", lab_error_text());
		return EXIT_FAILURE;
	}
	test_arguments();
	/* The first initialises lwIP, and only then can anybody listen. */
	l = start(0);
	test_second();
	tap_ok(lab_lwip_destroy(l) == 0 && home(), "a netif comes and goes");
	udp = udp_new();
	udp_bind(udp, IP_ANY_TYPE, PORT);
	udp_recv(udp, keep, NULL);
	test_answers();
	test_in_place();
	test_reserve();
	test_fault();
	test_full();
	test_fragments();
	test_multicast();
	test_syn_flood();
	test_begins_anew();
	test_run();
	udp_remove(udp);
	tap_ok(lab_pool_destroy(pool) == 0, "the pool is whole at the end");
	return tap_done();
}
