/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A port of DPDK's with one queue each way.
 */
#ifndef PORT_H
#define PORT_H

#include <stdint.h>

struct rte_mempool;

/** port_start() - receive into @mp. Return: 0; or a negative errno, and rte_strerror() knows it. */
int port_start(uint16_t port, struct rte_mempool *mp);

/** port_add() - a virtual device, started. Return: the port; or a negative errno. */
int port_add(const char *name, const char *args, struct rte_mempool *mp);

/** port_remove() - stop it, and its device goes. */
void port_remove(int port, const char *name);

#endif
