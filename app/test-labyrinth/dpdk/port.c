/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Ports, started and stopped.
 */
#include <errno.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "port.h"

#define DESCRIPTORS 512

int port_start(uint16_t port, struct rte_mempool *mp)
{
	struct rte_eth_conf conf = {0};
	uint16_t rx = DESCRIPTORS, tx = DESCRIPTORS;
	int err = rte_eth_dev_configure(port, 1, 1, &conf);

	if (!err)
		err = rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx, &tx);
	if (!err)
		err = rte_eth_rx_queue_setup(port, 0, rx, SOCKET_ID_ANY, NULL, mp);
	if (!err)
		err = rte_eth_tx_queue_setup(port, 0, tx, SOCKET_ID_ANY, NULL);
	if (!err)
		err = rte_eth_dev_start(port);
	/* some devices cannot, and do not need it */
	if (!err)
		rte_eth_promiscuous_enable(port);
	return err;
}

int port_add(const char *name, const char *args, struct rte_mempool *mp)
{
	uint16_t port = 0;
	int err = rte_eal_hotplug_add("vdev", name, args);

	if (!err)
		err = rte_eth_dev_get_port_by_name(name, &port);
	if (!err)
		err = port_start(port, mp);
	return err ? err : port;
}

void port_remove(int port, const char *name)
{
	rte_eth_dev_stop((uint16_t)port);
	rte_eth_dev_close((uint16_t)port);
	rte_eal_hotplug_remove("vdev", name);
}
