/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The netif as its own files see it. Not for anybody else.
 */
#ifndef LAB_LWIP_INSIDE_H
#define LAB_LWIP_INSIDE_H

#include <lwip/pbuf.h>

#include "lab_lwip.h"

/* Packets fetched in one turn: as many as AF_XDP moves with one system call. */
#define RX_BURST 32u
/* Packets handed to the device together, and most that may wait for it. */
#define TX_BURST 32u
#define TX_QUEUE 256u
/* Addresses that a device is asked to receive for beside its own. */
#define MACS_MAX 14u

/**
 * struct frame_pbuf - lwIP's view of one received frame. One for each frame of the pool, by the
 * frame's number: none is ever allocated, and nothing of it lies where a device can write.
 * @custom: first: lwIP's pointer is ours.
 * @l: whose.
 */
struct frame_pbuf {
	struct pbuf_custom custom;
	struct lab_lwip *l;
};

struct lab_lwip {
	struct netif netif;
	struct lab_pool *pool;
	struct lab_netdev *dev;
	struct frame_pbuf *pbufs;
	uint32_t hold;
	unsigned tx_n; /* packets in @tx */
	struct lab_packet tx[TX_QUEUE];
	unsigned since_prune; /* packets received since lab_lwip_prune() */
	uint8_t macs[MACS_MAX + 1][LAB_MAC_SIZE];
	uint16_t mac_users[MACS_MAX + 1];
	unsigned macs_n;
	struct lab_lwip_stats stats;
};

/* rx.c: up the stack. */

/** lab_lwip_rx() - hand @n packets, whose frames the caller holds, to the stack. */
void lab_lwip_rx(struct lab_lwip *l, const struct lab_packet *packets, unsigned n);

/* tx.c: down to the device. */

/** lab_lwip_linkoutput() - lwIP's way to send an Ethernet packet. */
err_t lab_lwip_linkoutput(struct netif *netif, struct pbuf *p);

/** lab_lwip_flush() - hand what is queued to the device, as far as it takes it. */
void lab_lwip_flush(struct lab_lwip *l);

/** lab_lwip_drop_queue() - free what is queued. */
void lab_lwip_drop_queue(struct lab_lwip *l);

/* multicast.c: which groups the device receives for. */

/** lab_lwip_multicast() - have lwIP tell the device of the groups that it joins. */
void lab_lwip_multicast(struct lab_lwip *l);

/* prune.c */

/** lab_lwip_prune() - forget half-open and past connections that are too many. Returns how many. */
unsigned lab_lwip_prune(void);

#endif
