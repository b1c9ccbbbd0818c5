/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Bounce buffers: AF_XDP for a pool that breathes. The kernel pins a UMEM for the socket's life, so
 * it can neither span hugepages that are not there yet nor let one go. Such a pool is served
 * through a fixed pool of the device's own, and each packet is copied once each way.
 */
#ifndef BOUNCE_H
#define BOUNCE_H

#include "af_xdp.h"

/**
 * lab_af_xdp_bounce_make() - give the device a pool of its own to be the UMEM.
 * @x: rx_max and tx_max are set.
 * @pool: the program's; it breathes. Sets x->pool and x->bounce.
 * @returns: its frames are to be fetched (LAB_NETDEV_TX_RETURN).
 *
 * The device's own pool lies on hugepages of @pool's node where there are enough, on ordinary pages
 * otherwise, which AF_XDP takes as well.
 *
 * Return: 0; or -errno with the error text set; lab_af_xdp_bounce_end() undoes any part.
 */
int lab_af_xdp_bounce_make(struct af_xdp *x, struct lab_pool *pool, bool returns);

/**
 * lab_af_xdp_bounce_recall() - free the frames of the program's pool that nobody has fetched.
 *
 * Return: 0, also without bounce buffers; -ENOSPC: the thread can have no lcore of that pool, and
 * nothing has changed.
 */
int lab_af_xdp_bounce_recall(struct af_xdp *x);

/** lab_af_xdp_bounce_unfetched() - how many these are. */
uint32_t lab_af_xdp_bounce_unfetched(const struct af_xdp *x);

/**
 * lab_af_xdp_bounce_end() - destroy the device's own pool. Only when nothing of it is lent.
 *
 * Return: 0, or the first error of what had to be given back. Does nothing without bounce buffers.
 */
int lab_af_xdp_bounce_end(struct af_xdp *x);

/* The data path: as lab_af_xdp_rx_burst() and lab_af_xdp_tx_burst(), by copying. */
unsigned lab_af_xdp_bounce_rx_burst(struct lab_netdev *dev, struct lab_packet *packets, unsigned n);
unsigned lab_af_xdp_bounce_tx_burst(struct lab_netdev *dev, const struct lab_packet *packets,
				    unsigned n);
unsigned lab_af_xdp_bounce_tx_done(struct lab_netdev *dev, void **frames, unsigned n);

#endif
