/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Forwards packets, unchanged, between the ports of each pair (0 and 1, 2 and 3 ...; the last of an
 * odd number sends back), in mbufs that are frames. For scripts: says what it has forwarded, and
 * whether all mbufs are back when the ports are closed.
 *
 *	lab-forward EAL-ARGUMENTS -- [--seconds N] [--mbufs N] [--eal-memory] [--extbuf]
 *
 * --eal-memory: the mbufs lie in EAL's memory. --extbuf: each packet goes out from a frame of a
 * pool of Labyrinth's, to which it is copied, as an external buffer.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <labyrinth/lab_rte.h>
#include <labyrinth/labyrinth.h>

#include "port.h"

#define BURST   32
#define FRAMES  8192
#define HEADERS 8000

static struct {
	unsigned seconds, mbufs, flags;
	bool extbuf;
} options = {.mbufs = 8192};

static struct rte_mempool *mp, *headers;
static struct lab_pool *frames;
static struct lab_rte_extbufs *extbufs;
static uint64_t forwarded[RTE_MAX_LCORE], dropped[RTE_MAX_LCORE];
static uint32_t stop;

static void die(const char *what)
{
	fprintf(stderr, "lab-forward: %s: %s\n", what, lab_error_text());
	exit(EXIT_FAILURE);
}

static void on_signal(int signal)
{
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
}

/* ---- forwarding ---- */

/* The packet in a frame of its own; NULL, and it is dropped, where there is none. */
static struct rte_mbuf *move(struct rte_mbuf *m)
{
	char *frame = lab_alloc(frames, LAB_GFP_ATOMIC);
	struct rte_mbuf *out = frame ? rte_pktmbuf_alloc(headers) : NULL;

	if (!out || m->pkt_len > LAB_FRAME_SIZE || m->nb_segs != 1 ||
	    lab_rte_extbuf_attach(extbufs, out, frame)) {
		if (frame)
			lab_free(frames, frame);
		rte_pktmbuf_free(out);
		rte_pktmbuf_free(m);
		return NULL;
	}
	memcpy(frame, rte_pktmbuf_mtod(m, char *), m->data_len);
	out->data_off = 0;
	out->data_len = m->data_len;
	out->pkt_len = m->data_len;
	rte_pktmbuf_free(m);
	return out;
}

static void forward(uint16_t from, uint16_t to, unsigned lcore)
{
	struct rte_mbuf *m[BURST];
	uint16_t n = rte_eth_rx_burst(from, 0, m, BURST), kept = 0, sent;

	for (uint16_t i = 0; options.extbuf && i < n; i++) {
		m[kept] = move(m[i]);
		kept += m[kept] != NULL;
	}
	if (!options.extbuf)
		kept = n;
	sent = rte_eth_tx_burst(to, 0, m, kept);
	rte_pktmbuf_free_bulk(m + sent, kept - sent);
	forwarded[lcore] += sent;
	dropped[lcore] += n - sent;
}

static int run(void *unused)
{
	unsigned lcore = rte_lcore_id(), share = (unsigned)rte_lcore_index((int)lcore);
	uint16_t ports = rte_eth_dev_count_avail();
	uint64_t end = options.seconds
			       ? rte_get_timer_cycles() + options.seconds * rte_get_timer_hz()
			       : UINT64_MAX;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED) && rte_get_timer_cycles() < end) {
		for (uint16_t p = (uint16_t)share; p < ports; p += (uint16_t)rte_lcore_count())
			forward(p, (p ^ 1) < ports ? p ^ 1 : p, lcore);
	}
	return 0;
}

/* ---- what is needed for it ---- */

static void make_pools(void)
{
	struct lab_pool_config config = {
		.name = "payload",
		.frames = FRAMES,
		.flags = rte_eal_iova_mode() == RTE_IOVA_VA ? LAB_POOL_IOVA_VA : 0};

	mp = lab_rte_pktmbuf_pool_create("mbufs", options.mbufs, 256, 0, SOCKET_ID_ANY,
					 options.flags);
	if (!mp)
		die("the mbufs");
	if (!options.extbuf)
		return;
	frames = lab_pool_create(&config);
	if (frames)
		extbufs = lab_rte_extbufs_create(frames, "mbufs");
	if (!extbufs)
		die("the frames");
	headers = rte_pktmbuf_pool_create_by_ops("headers", HEADERS, 256, 0, 0, SOCKET_ID_ANY,
						 LAB_RTE_OPS);
	if (!headers)
		die("the headers");
}

static struct rte_device *device_of(uint16_t port)
{
	struct rte_eth_dev_info info;

	return rte_eth_dev_info_get(port, &info) ? NULL : info.device;
}

/* EAL's memory is mapped for all devices. */
static void map(uint16_t port)
{
	struct lab_pool *pool = lab_rte_mempool_pool(mp);

	if (!(options.flags & LAB_RTE_EAL_MEMORY) && lab_rte_dma_map(pool, device_of(port)))
		die("a device");
	if (frames && lab_rte_dma_map(frames, device_of(port)))
		die("a device");
}

static void unmap(struct rte_device *device)
{
	if (!(options.flags & LAB_RTE_EAL_MEMORY))
		lab_rte_dma_unmap(lab_rte_mempool_pool(mp), device);
	if (frames)
		lab_rte_dma_unmap(frames, device);
}

static void open_ports(void)
{
	uint16_t port;

	RTE_ETH_FOREACH_DEV(port)
	{
		char name[RTE_ETH_NAME_MAX_LEN] = "";
		struct rte_eth_link link = {0};
		int err;

		map(port);
		err = port_start(port, mp);
		rte_eth_dev_get_name_by_port(port, name);
		if (err) {
			fprintf(stderr, "lab-forward: port %u (%s): %s\n", port, name,
				rte_strerror(-err));
			exit(EXIT_FAILURE);
		}
		/* at most nine seconds */
		rte_eth_link_get(port, &link);
		printf("port %u (%s): link %s\n", port, name, link.link_status ? "up" : "down");
	}
}

static void close_ports(void)
{
	uint16_t port;

	RTE_ETH_FOREACH_DEV(port) rte_eth_dev_stop(port);
	RTE_ETH_FOREACH_DEV(port)
	{
		struct rte_device *device = device_of(port);

		unmap(device);
		rte_eth_dev_close(port);
	}
}

/* Return: 1 if the tables of a pool do not agree. */
static int account(const struct lab_pool *pool, const char *what)
{
	struct lab_pool_stats s;
	int wrong = lab_pool_validate(pool);

	lab_pool_stats(pool, &s);
	printf("%s: %" PRIu64 " of %" PRIu64 " are back, %" PRIu64 " held, %" PRIu64
	       " lent, tables %s\n",
	       what, s.free + s.cached, s.total - s.retired, s.held, s.lent,
	       wrong ? lab_error_text() : "agree");
	return wrong != 0;
}

static void parse(int argc, char **argv)
{
	static const struct option known[] = {{"seconds", required_argument, NULL, 's'},
					      {"mbufs", required_argument, NULL, 'm'},
					      {"eal-memory", no_argument, NULL, 'e'},
					      {"extbuf", no_argument, NULL, 'x'},
					      {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 's')
			options.seconds = (unsigned)strtoul(optarg, NULL, 0);
		else if (c == 'm')
			options.mbufs = (unsigned)strtoul(optarg, NULL, 0);
		else if (c == 'e')
			options.flags |= LAB_RTE_EAL_MEMORY;
		else if (c == 'x')
			options.extbuf = true;
		else
			exit(2);
	}
}

int main(int argc, char **argv)
{
	int own = rte_eal_init(argc, argv), wrong;
	uint64_t sent = 0, lost = 0;

	if (own < 0)
		return EXIT_FAILURE;
	setlinebuf(stdout);
	parse(argc - own, argv + own);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	make_pools();
	open_ports();
	printf("ready\n");
	rte_eal_mp_remote_launch(run, NULL, CALL_MAIN);
	rte_eal_mp_wait_lcore();
	for (unsigned i = 0; i < RTE_MAX_LCORE; i++) {
		sent += forwarded[i];
		lost += dropped[i];
	}
	printf("forwarded %" PRIu64 " packets\n", sent);
	printf("dropped %" PRIu64 " packets\n", lost);
	close_ports();
	wrong = account(lab_rte_mempool_pool(mp), "mbufs");
	if (frames)
		wrong |= account(frames, "frames") |
			 account(lab_rte_mempool_pool(headers), "headers");
	rte_eal_cleanup();
	return wrong;
}
