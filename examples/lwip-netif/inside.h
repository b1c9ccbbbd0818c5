/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The netif as its own files see it. Not for anybody else.
 */
#ifndef LAB_LWIP_INSIDE_H
#define LAB_LWIP_INSIDE_H

#include <stdbool.h>

#include <lwip/pbuf.h>
#include <lwip/prot/ethernet.h>

#include "lab_lwip.h"

/* Packets fetched in one turn: as many as AF_XDP moves with one system call. */
#define RX_BURST 32u
/* Packets handed to the device together, and most that may wait for it. */
#define TX_BURST 32u
#define TX_QUEUE 256u
/* Addresses that a device is asked to receive for beside its own. */
#define MACS_MAX 14u
/* Protocols that are looked at before lwIP gets them. */
#define SHIELDS 7u
/* Neighbours that are remembered: sets of places, where each neighbour has one set. */
#define NEIGHBOUR_SETS 128u
#define NEIGHBOUR_WAYS 8u

/**
 * struct frame_pbuf - lwIP's view of one received frame. One for each frame of the pool, by the
 * frame's number: none is ever allocated, and nothing of it lies where a device can write.
 * @custom: first: lwIP's pointer is ours.
 * @l: whose.
 * @in_place: the frame is on its way out, and at its start lies the pbuf that lwIP sent.
 */
struct frame_pbuf {
	struct pbuf_custom custom;
	struct lab_lwip *l;
	bool in_place;
};

/**
 * struct neighbour - one that was found.
 * @key: its address of IPv6; of IPv4 as ::ffff:a.b.c.d.
 * @known: whether there is one in this place.
 * @mac: where it is.
 * @heard: when it said so; @used: when something was sent to it; @asked: when it was asked again.
 *	By lab_lwip.now.
 * @trust: IPv6: for so long after @heard he is taken to hear us, in milliseconds.
 */
struct neighbour {
	u32_t key[4];
	bool known;
	struct eth_addr mac;
	u32_t heard, used, asked;
	u32_t trust;
};

struct lab_lwip {
	struct netif netif;
	struct lab_pool *pool;
	struct lab_netdev *dev;
	struct frame_pbuf *pbufs;
	uint32_t hold;
	uint64_t heap_bytes, heap_packets; /* of received packets on the heap */
	unsigned tx_n;                     /* packets in @tx */
	struct lab_packet tx[TX_QUEUE];
	struct raw_pcb *shields[SHIELDS];
	unsigned since_prune; /* packets received since lab_lwip_prune() */
	u32_t mended_at;      /* by lwIP's clock for TCP */
	u32_t now;            /* sys_now() at the begin of this turn */
	uint8_t macs[MACS_MAX + 1][LAB_MAC_SIZE];
	uint16_t mac_users[MACS_MAX + 1];
	unsigned macs_n;
	uint64_t neighbours_secret;
	struct neighbour neighbours[NEIGHBOUR_SETS][NEIGHBOUR_WAYS];
	struct lab_lwip_stats stats;
};

/* rx.c: up the stack. */

/** lab_lwip_rx() - hand @n packets, whose frames the caller holds, to the stack. */
void lab_lwip_rx(struct lab_lwip *l, const struct lab_packet *packets, unsigned n);

/* shield.c: what must not get up there. */

/** lab_lwip_harmful() - 1 if a packet would end the program as soon as lwIP sees it. */
int lab_lwip_harmful(const struct lab_lwip *l, const uint8_t *packet, uint32_t length);

/** lab_lwip_raise_shield() - look at datagrams once they are whole. Return: 0, or -1: no memory. */
int lab_lwip_raise_shield(struct lab_lwip *l);

/** lab_lwip_lower_shield() - no more. */
void lab_lwip_lower_shield(struct lab_lwip *l);

/** lab_lwip_far_away() - 1 if a TCP segment, whose header is at @at of a packet of IP, is one whose
 * sequence number lwIP cannot compare. */
int lab_lwip_far_away(const struct pbuf *p, uint16_t at);

/** lab_lwip_begins_anew() - if a TCP segment, whose header is at @at of a packet of IP, asks for a
 * connection that has ended but is remembered (TIME_WAIT), forget that. Returns how many. */
unsigned lab_lwip_begins_anew(const struct pbuf *p, uint16_t at);

/* mend.c: connections that lwIP would let stand still. */

/** lab_lwip_mend() - look at them, whenever lwIP has looked at what is to be sent again. */
void lab_lwip_mend(struct lab_lwip *l);

/* tx.c: down to the device. */

/** lab_lwip_linkoutput() - lwIP's way to send an Ethernet packet. */
err_t lab_lwip_linkoutput(struct netif *netif, struct pbuf *p);

/** lab_lwip_flush() - hand what is queued to the device, as far as it takes it. */
void lab_lwip_flush(struct lab_lwip *l);

/** lab_lwip_drop_queue() - free what is queued. */
void lab_lwip_drop_queue(struct lab_lwip *l);

/** lab_lwip_release() - let go of a frame that was queued or sent. */
void lab_lwip_release(struct lab_lwip *l, void *frame);

/* source/in_place.c, in a build of lwIP's source; with Debian's lwIP nothing goes in place. */

#ifdef LAB_LWIP_IN_PLACE
/** lab_lwip_in_place() - whether @p can be sent from where it lies: then @packet says where, and
 * the pbuf has one reference more until lab_lwip_release(). */
bool lab_lwip_in_place(struct lab_lwip *l, struct pbuf *p, struct lab_packet *packet);

/** lab_lwip_sent() - let go of what the device is done with. */
void lab_lwip_sent(struct lab_lwip *l);

/** lab_lwip_in_place_begin() - have lwIP write what it sends into frames of the netif's pool. */
void lab_lwip_in_place_begin(struct lab_lwip *l);

/** lab_lwip_in_place_end() - no more; and wait a moment for the device to be done. */
void lab_lwip_in_place_end(struct lab_lwip *l);

/** lab_lwip_in_place_frames() - frames that lwIP has as memory now. */
uint32_t lab_lwip_in_place_frames(void);
#else
static inline bool lab_lwip_in_place(struct lab_lwip *l, struct pbuf *p, struct lab_packet *packet)
{
	return false;
}

static inline void lab_lwip_sent(struct lab_lwip *l)
{
}

static inline void lab_lwip_in_place_begin(struct lab_lwip *l)
{
}

static inline void lab_lwip_in_place_end(struct lab_lwip *l)
{
}

static inline uint32_t lab_lwip_in_place_frames(void)
{
	return 0;
}
#endif

/* neighbours.c: who is where on the wire. */

/** lab_lwip_input() - a packet up the stack, of which is remembered where it says somebody is. */
err_t lab_lwip_input(struct pbuf *p, struct netif *netif);

/** lab_lwip_tell_time() - a turn of the loop begins. */
void lab_lwip_tell_time(struct lab_lwip *l);

/** lab_lwip_neighbours() - have lwIP send by what is remembered; for a netif that is being added.
 */
void lab_lwip_neighbours(struct lab_lwip *l);

/* multicast.c: which groups the device receives for. */

/** lab_lwip_multicast() - have lwIP tell the device of the groups that it joins. */
void lab_lwip_multicast(struct lab_lwip *l);

/* prune.c */

/** lab_lwip_prune() - forget half-open and past connections that are too many. Returns how many. */
unsigned lab_lwip_prune(void);

#endif
