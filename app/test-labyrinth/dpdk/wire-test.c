/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Packets over a veth pair in a network namespace of this process: sent from frames that mbufs have
 * as external buffers, and received into mbufs that are frames. What arrives is compared.
 *
 *	wire-test --in-memory -m 32 -l 0 --no-pci [-- --eal-memory]
 *
 * Needs root, for the namespace and for AF_XDP.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <labyrinth/lab_rte.h>
#include <labyrinth/labyrinth.h>

#include "../net/link.h"
#include "../net/tap.h"
#include "census.h"
#include "ground.h"
#include "port.h"

#define FRAMES   1024
#define PACKETS  300
#define RECEIVED 4096 /* AF_XDP has a part of them in hand */
#define TRIES    500

/**
 * struct wire - one device and what it works on.
 * @name: of the device. @flags: of the mempool.
 * @headers: mbufs without data.
 * @mp: into which it receives.
 */
struct wire {
	const char *name;
	unsigned flags;
	struct lab_pool *pool;
	struct lab_rte_extbufs *extbufs;
	struct rte_mempool *headers;
	struct rte_mempool *mp;
	int port;
};

static bool check(bool good, const struct wire *w, const char *what)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s: %s", w->name,
		 w->flags & LAB_RTE_EAL_MEMORY ? ", EAL's memory" : "", what);
	return tap_ok(good, name);
}

/* AF_PACKET and AF_XDP have their own pace. */
static bool send_one(const struct wire *w, struct rte_mbuf *m)
{
	for (unsigned i = 0; i < TRIES; i++) {
		if (rte_eth_tx_burst((uint16_t)w->port, 0, &m, 1) == 1)
			return true;
		usleep(1000);
	}
	return false;
}

/* The payload is in a frame, somewhere; the mbuf is only a header. */
static bool send_frame(const struct wire *w, unsigned seq)
{
	uint32_t bytes = (uint32_t)peer_bytes(seq, 1), offset = seq % 33 * 64;
	char *frame = lab_alloc(w->pool, LAB_GFP_ATOMIC);
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->headers);

	if (!frame || !m || lab_rte_extbuf_attach(w->extbufs, m, frame))
		return false;
	peer_fill((uint8_t *)frame + offset, bytes, seq);
	m->data_off = (uint16_t)offset;
	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	return send_one(w, m);
}

static void test_send(const struct wire *w)
{
	unsigned sent = 0, same = 0, seq = 0;

	for (; seq < PACKETS && sent == seq; seq++) {
		sent += send_frame(w, seq);
		same += peer_receive(seq);
	}
	if (!check(same == PACKETS, w, "packets out of external frames arrive as they were"))
		tap_note("%u of %u sent, %u the same", sent, PACKETS, same);
	check(link_conserved(w->pool, 0) &&
		      rte_mempool_avail_count(w->headers) == w->headers->populated_size,
	      w, "frames and headers are back");
}

static void test_receive(const struct wire *w)
{
	unsigned received = 0, same = 0, outside = 0;
	double end = link_now() + 5;

	for (unsigned seq = 0; seq < PACKETS && link_now() < end; seq++) {
		struct rte_mbuf *m = NULL;

		peer_send(seq);
		while (!rte_eth_rx_burst((uint16_t)w->port, 0, &m, 1) && link_now() < end)
			usleep(100);
		if (!m)
			break;
		received++;
		same += peer_check(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, seq);
		outside += m->pool != w->mp || (uintptr_t)m % LAB_FRAME_SIZE != LAB_RTE_HEADER ||
			   rte_pktmbuf_mtod(m, uintptr_t) / LAB_FRAME_SIZE !=
				   (uintptr_t)m / LAB_FRAME_SIZE;
		rte_pktmbuf_free(m);
	}
	if (!check(same == PACKETS && !outside, w,
		   "packets arrive in frames, as the peer sent them"))
		tap_note("%u received, %u the same, %u not in their frames", received, same,
			 outside);
}

/* What was received goes out again, without a copy of ours. */
static void test_turn_round(const struct wire *w)
{
	unsigned same = 0;
	double end = link_now() + 5;

	for (unsigned seq = 0; seq < PACKETS && link_now() < end; seq++) {
		struct rte_mbuf *m = NULL;

		peer_send(seq);
		while (!rte_eth_rx_burst((uint16_t)w->port, 0, &m, 1) && link_now() < end)
			usleep(100);
		if (!m || !send_one(w, m))
			break;
		same += peer_receive(seq);
	}
	check(same == PACKETS, w, "and go back out of them");
}

static bool open_wire(struct wire *w)
{
	struct lab_pool_config config = {
		.name = "frames",
		.frames = FRAMES,
		.cache_frames = 64,
		.flags = LAB_POOL_FALLBACK |
			 (rte_eal_iova_mode() == RTE_IOVA_VA ? LAB_POOL_IOVA_VA : 0)};

	w->pool = lab_pool_create(&config);
	w->extbufs = w->pool ? lab_rte_extbufs_create(w->pool, w->name) : NULL;
	w->headers =
		rte_pktmbuf_pool_create_by_ops("headers", 500, 0, 0, 0, SOCKET_ID_ANY, LAB_RTE_OPS);
	w->mp = lab_rte_pktmbuf_pool_create("received", RECEIVED, 256, 0, SOCKET_ID_ANY, w->flags);
	if (!w->extbufs || !w->headers || !w->mp) {
		tap_note("%s", lab_error_text());
		return false;
	}
	w->port = port_add(w->name, "iface=" LINK_A, w->mp);
	if (w->port < 0)
		tap_note("%s: %s", w->name, strerror(-w->port));
	return w->port >= 0;
}

/* DPDK's AF_XDP driver does not give back what its socket had to receive into. */
static void test_closed(const struct wire *w)
{
	struct census c;

	if (strncmp(w->name, "net_af_xdp", 10) != 0) {
		check(census_whole(w->mp), w, "closed, the mempool is whole");
		return;
	}
	c = census_take(w->mp);
	tap_note("the driver has kept %u mbufs of %u", c.missing, c.all);
	check(c.once + c.missing == c.all && c.missing <= RECEIVED * 3 / 4 && !c.strangers, w,
	      "closed, no mbuf comes out twice");
}

static void test_wire(struct wire w)
{
	link_settle();
	if (check(open_wire(&w), &w, "opened")) {
		struct rte_eth_dev_info info;

		check(rte_eth_dev_info_get((uint16_t)w.port, &info) == 0 &&
			      lab_rte_dma_map(lab_rte_mempool_pool(w.mp), info.device) == 0 &&
			      lab_rte_dma_map(w.pool, info.device) == 0,
		      &w, "a device without mappings needs none, and that is no error");
		link_settle();
		test_send(&w);
		test_receive(&w);
		test_turn_round(&w);
		port_remove(w.port, w.name);
		test_closed(&w);
	}
	check(lab_rte_extbufs_destroy(w.extbufs) == 0 && lab_pool_destroy(w.pool) == 0, &w,
	      "nothing is in use");
	rte_mempool_free(w.headers);
	lab_rte_mempool_free(w.mp);
}

int main(int argc, char **argv)
{
	unsigned flags = 0;
	int own;

	link_setup();
	own = ground_init(argc, argv, 100);
	if (own < argc && strcmp(argv[own], "--eal-memory") == 0)
		flags = LAB_RTE_EAL_MEMORY;
	test_wire((struct wire){.name = "net_af_packet0", .flags = flags});
	/* the last: its socket is busy for a while after it is closed */
	test_wire((struct wire){.name = "net_af_xdp0", .flags = flags});
	return tap_done();
}
