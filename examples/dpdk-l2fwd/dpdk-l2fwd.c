/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Forwards packets between the ports of each pair, as DPDK's l2fwd does, in mbufs that are frames
 * of Labyrinth's. Two calls are Labyrinth's: the pool, and its mapping for devices behind an IOMMU.
 * The rest is DPDK; its lcores get their caches without being asked.
 *
 *	dpdk-l2fwd -l 0-1 --in-memory --vdev net_af_xdp0,iface=eth1 --vdev net_af_xdp1,iface=eth2
 *	dpdk-l2fwd -l 0 --in-memory --vdev net_null0 --vdev net_null1 -- --seconds 5
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include <labyrinth/lab_rte.h>
#include <labyrinth/labyrinth.h>

#define MBUFS       16384
#define CACHE       256
#define DESCRIPTORS 1024
#define BURST       32

static struct rte_ether_addr mac[RTE_MAX_ETHPORTS];
static uint64_t forwarded[RTE_MAX_LCORE]; /* each written by its lcore alone */
static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
	stop = 1;
}

static int open_port(uint16_t port, struct rte_mempool *mp)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	uint16_t rx = DESCRIPTORS, tx = DESCRIPTORS;

	if (rte_eth_dev_info_get(port, &info) || rte_eth_macaddr_get(port, &mac[port]))
		return -1;
	if (lab_rte_dma_map(lab_rte_mempool_pool(mp), info.device)) {
		fprintf(stderr, "dpdk-l2fwd: %s\n", lab_error_text());
		return -1;
	}
	if (rte_eth_dev_configure(port, 1, 1, &conf) ||
	    rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx, &tx) ||
	    rte_eth_rx_queue_setup(port, 0, rx, SOCKET_ID_ANY, NULL, mp) ||
	    rte_eth_tx_queue_setup(port, 0, tx, SOCKET_ID_ANY, NULL) || rte_eth_dev_start(port))
		return -1;
	rte_eth_promiscuous_enable(port);
	return 0;
}

static void forward(uint16_t from, uint16_t to)
{
	struct rte_mbuf *m[BURST];
	uint16_t n = rte_eth_rx_burst(from, 0, m, BURST), sent;

	for (uint16_t i = 0; i < n; i++)
		rte_ether_addr_copy(&mac[to],
				    &rte_pktmbuf_mtod(m[i], struct rte_ether_hdr *)->src_addr);
	sent = rte_eth_tx_burst(to, 0, m, n);
	rte_pktmbuf_free_bulk(m + sent, n - sent);
	forwarded[rte_lcore_id()] += sent;
}

/* The lcores share the ports out among themselves. */
static int run(void *unused)
{
	unsigned ports = rte_eth_dev_count_avail(), lcores = rte_lcore_count();

	while (!stop) {
		for (unsigned p = (unsigned)rte_lcore_index(-1); p < ports; p += lcores)
			forward((uint16_t)p, (uint16_t)((p ^ 1) < ports ? p ^ 1 : p));
	}
	return 0;
}

int main(int argc, char **argv)
{
	int own = rte_eal_init(argc, argv);
	struct rte_mempool *mp;
	unsigned seconds = 0;
	uint64_t sum = 0, begin;
	uint16_t port;

	if (own < 0)
		return EXIT_FAILURE;
	if (argc - own == 3 && strcmp(argv[own + 1], "--seconds") == 0)
		seconds = (unsigned)strtoul(argv[own + 2], NULL, 0);
	mp = lab_rte_pktmbuf_pool_create("l2fwd", MBUFS, CACHE, 0, SOCKET_ID_ANY, 0);
	if (!mp) {
		fprintf(stderr, "dpdk-l2fwd: %s\n", lab_error_text());
		return EXIT_FAILURE;
	}
	RTE_ETH_FOREACH_DEV(port)
	{
		if (open_port(port, mp)) {
			fprintf(stderr, "dpdk-l2fwd: port %u cannot be opened\n", port);
			return EXIT_FAILURE;
		}
	}
	signal(SIGINT, on_signal);
	signal(SIGALRM, on_signal);
	alarm(seconds);
	begin = rte_get_timer_cycles();
	rte_eal_mp_remote_launch(run, NULL, CALL_MAIN);
	rte_eal_mp_wait_lcore();
	for (unsigned i = 0; i < RTE_MAX_LCORE; i++)
		sum += forwarded[i];
	printf("%" PRIu64 " packets, %.0f a second\n", sum,
	       (double)sum * rte_get_timer_hz() / (rte_get_timer_cycles() - begin));
	RTE_ETH_FOREACH_DEV(port)
	{
		rte_eth_dev_stop(port);
		rte_eth_dev_close(port);
	}
	lab_rte_mempool_free(mp);
	return rte_eal_cleanup();
}
