/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Down to the device: a packet is copied once, into a frame that may come from the reserve, or not
 * at all where it lies in a frame already (zero copy: source/in_place.c). Knows pbufs, frames and
 * the device; knows no protocol.
 *
 * Packets are queued, and handed over TX_BURST at a time and at the end of each turn. What the
 * device has no room for stays queued; when the queue is full lwIP gets an error, and TCP tries
 * again.
 */
#include <errno.h>
#include <string.h>

#include <lwip/pbuf.h>

#include "inside.h"

void lab_lwip_release(struct lab_lwip *l, void *frame)
{
	struct frame_pbuf *f = &l->pbufs[lab_frame_index(l->pool, frame)];

	if (f->in_place) {
		f->in_place = false;
		pbuf_free(frame);
	} else if (lab_unlikely(lab_free(l->pool, frame))) {
		l->stats.free_refused++;
	}
}

void lab_lwip_drop_queue(struct lab_lwip *l)
{
	for (unsigned i = 0; i < l->tx_n; i++)
		lab_lwip_release(l, l->tx[i].frame);
	l->tx_n = 0;
}

void lab_lwip_flush(struct lab_lwip *l)
{
	unsigned sent = 0;

	while (sent < l->tx_n) {
		sent += lab_netdev_tx_burst(l->dev, l->tx + sent, l->tx_n - sent);
		if (lab_likely(sent == l->tx_n) || errno != EINVAL)
			break;
		/* The driver says that something is wrong with this one: it is ours still. */
		lab_lwip_release(l, l->tx[sent++].frame);
		l->stats.tx_bad++;
	}
	l->tx_n -= sent;
	memmove(l->tx, l->tx + sent, l->tx_n * sizeof(*l->tx));
}

/* The packet in a frame of its own. */
static err_t copy(struct lab_lwip *l, struct pbuf *p, struct lab_packet *packet)
{
	/* An answer, or what lets a sender go on: the reserve is for that. */
	void *frame = lab_alloc(l->pool, LAB_GFP_ATOMIC);

	if (lab_unlikely(!frame)) {
		l->stats.tx_no_frame++;
		return ERR_MEM;
	}
	pbuf_copy_partial(p, frame, p->tot_len, 0);
	*packet = (struct lab_packet){.frame = frame, .length = p->tot_len};
	l->stats.tx_copied++;
	return ERR_OK;
}

err_t lab_lwip_linkoutput(struct netif *netif, struct pbuf *p)
{
	struct lab_lwip *l = netif->state;

	if (lab_unlikely(p->tot_len < LAB_PACKET_MIN || p->tot_len > LAB_FRAME_SIZE)) {
		l->stats.tx_bad++;
		return ERR_BUF;
	}
	if (lab_unlikely(l->tx_n == TX_QUEUE)) {
		lab_lwip_flush(l);
		if (l->tx_n == TX_QUEUE) {
			l->stats.tx_full++;
			return ERR_MEM;
		}
	}
	if (!lab_lwip_in_place(l, p, &l->tx[l->tx_n])) {
		err_t err = copy(l, p, &l->tx[l->tx_n]);

		if (err != ERR_OK)
			return err;
	}
	if (++l->tx_n % TX_BURST == 0)
		lab_lwip_flush(l);
	return ERR_OK;
}
