/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The AF_XDP device as its files see it: af_xdp.c opens and closes, socket.c talks to libxdp,
 * rings.c moves frames, bounce.c copies where the program's pool cannot be the UMEM. Not for
 * anybody else.
 */
#ifndef AF_XDP_H
#define AF_XDP_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <labyrinth/lab_frame.h>
#include <xdp/xsk.h>

#include "../netdev_driver.h"

/* Frames handled in one go: what the local arrays of rings.c hold. */
#define AF_XDP_BATCH 64u

/**
 * struct af_xdp - one open queue of one interface.
 *
 * The UMEM is the pool's whole memory in chunks of one frame, so a UMEM address is an offset from
 * @base, and any frame of the pool can be lent. A frame that is lent has its bit in @out set, and
 * is in one of two places: on its way to receive (fill ring, kernel, or RX ring; @rx_lent of them,
 * at most
 * @rx_max), or to be sent (TX ring, kernel, or completion ring; @tx_lent of them, at most @tx_max).
 *
 * @rx_max is at most the size of the RX ring, @tx_max at most that of the completion ring: these
 * two never run over. The fill ring has at least twice @rx_max entries: the kernel shows packets
 * first and says afterwards, once for a batch, how much of the fill ring it has consumed, so that a
 * shorter one can look full while frames are missing.
 *
 * With LAB_NETDEV_TX_RETURN those that have been sent lie in @done until they are fetched: lent,
 * but with the kernel no more, and without a bit. @tx_lent and what is there are at most @tx_max
 * together.
 *
 * @pool is the one that the program opened the device with, unless that breathes: then it is a
 * fixed one of the device's own, and @bounce knows the program's.
 */
struct af_xdp {
	struct lab_netdev netdev;     /* first: the seam casts */
	struct lab_pool *pool;        /* whose memory is the UMEM */
	struct af_xdp_bounce *bounce; /* NULL: no packet is copied here */
	char *base;                   /* first frame of the pool; UMEM address 0 */
	size_t bytes;                 /* of the UMEM */
	uint64_t *out;                /* one bit a frame: with this device */
	int device;                   /* from lab_device_register(); -1 before */
	int fd;                       /* of the socket, owned by @umem; -1 while there is none */
	uint32_t rx_max;              /* most frames lent for receiving */
	uint32_t tx_max;              /* most frames lent for sending */
	uint32_t rx_lent;             /* now */
	uint32_t tx_lent;             /* now */
	uint32_t tx_told;             /* frames to be sent, as the pool was last told */
	struct lab_netdev_done done; /* not used with bounce buffers, which have one of their own */

	struct xsk_ring_cons rx;
	struct xsk_ring_prod fill;
	struct xsk_ring_prod tx;
	struct xsk_ring_cons comp;

	struct lab_netdev_stats
		stats; /* what rings.c counts; the kernel's part is read on demand */

	struct xsk_umem *umem;
	struct xsk_socket *socket;
	unsigned queue;
	bool gone; /* the interface was deleted: see af_xdp_wait() */
	char ifname[IFNAMSIZ];
};

/**
 * lab_af_xdp_attach() - make the UMEM and the socket, and attach the XDP program.
 * @x: pool, queue, interface name and limits are set.
 *
 * Return: 0; or -errno with the error text set and nothing left behind. Sleeps up to 200 ms.
 */
int lab_af_xdp_attach(struct af_xdp *x);

/**
 * lab_af_xdp_detach() - undo lab_af_xdp_attach(). When it returns the kernel does not write to the
 * pool's frames any more (why: see there). Does nothing twice.
 */
void lab_af_xdp_detach(struct af_xdp *x);

/* The data path: see lab_netdev_rx_burst() and lab_netdev_tx_burst(). */
unsigned lab_af_xdp_rx_burst(struct lab_netdev *dev, struct lab_packet *packets, unsigned n);
unsigned lab_af_xdp_tx_burst(struct lab_netdev *dev, const struct lab_packet *packets, unsigned n);

unsigned lab_af_xdp_tx_done(struct lab_netdev *dev, void **frames, unsigned n);

/** af_xdp_packet_is_good() - whether the kernel would take a packet out of a frame of @pool. One
 * that it refuses is a frame that never comes back: find it before. */
static inline bool af_xdp_packet_is_good(const struct lab_pool *pool, const struct lab_packet *p)
{
	return lab_likely(p->length >= LAB_PACKET_MIN && p->length <= LAB_FRAME_SIZE &&
			  p->offset <= LAB_FRAME_SIZE - p->length &&
			  lab_frame_index(pool, p->frame) != LAB_FRAME_NONE);
}

/** lab_af_xdp_refuse_packet() - set the error text for packets[@i], which is not good. */
void lab_af_xdp_refuse_packet(const struct af_xdp *x, const struct lab_pool *pool,
			      const struct lab_packet *p, unsigned i);

/** lab_af_xdp_room() - how many of @n packets lab_af_xdp_tx_burst() would take now. */
unsigned lab_af_xdp_room(struct af_xdp *x, unsigned n);

/** lab_af_xdp_refill() - lend frames for receiving until there are rx_max, or the pool is empty. */
void lab_af_xdp_refill(struct af_xdp *x);

/** lab_af_xdp_progress() - free the frames of sent packets (or put them by), and go on sending
 * queued ones. */
void lab_af_xdp_progress(struct af_xdp *x);

/** lab_af_xdp_recall() - take back and free all frames that are out, and those put by. Only after
 * lab_af_xdp_detach(). */
void lab_af_xdp_recall(struct af_xdp *x);

#endif
