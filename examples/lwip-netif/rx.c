/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Up the stack: a received frame becomes a pbuf where it lies, and goes back to the pool when lwIP
 * or the program lets go of it. Knows frames and pbufs; knows no protocol.
 */
#include <stdlib.h>
#include <string.h>

#include <lwip/pbuf.h>

#include "inside.h"

static void free_frame(struct lab_lwip *l, void *frame)
{
	if (lab_unlikely(lab_free(l->pool, frame)))
		l->stats.free_refused++;
}

/* lwIP's last reference is gone. */
static void let_go(struct pbuf *p)
{
	struct frame_pbuf *f = (struct frame_pbuf *)p;
	struct lab_lwip *l = f->l;

	l->stats.held--;
	free_frame(l, lab_frame_at(l->pool, (uint32_t)(f - l->pbufs)));
}

/* The packet where it lies (zero copy). NULL cannot be: the packet is within its frame. */
static struct pbuf *in_place(struct lab_lwip *l, const struct lab_packet *packet)
{
	struct frame_pbuf *f = &l->pbufs[lab_frame_index(l->pool, packet->frame)];

	f->custom.custom_free_function = let_go;
	f->l = l;
	l->stats.held++;
	if (l->stats.held > l->stats.rx_held_max)
		l->stats.rx_held_max = l->stats.held;
	return pbuf_alloced_custom(PBUF_RAW, (u16_t)packet->length, PBUF_REF, &f->custom,
				   (char *)packet->frame + packet->offset,
				   (u16_t)(LAB_FRAME_SIZE - packet->offset));
}

/* lwIP reads the headers of IP and above before it looks whether so much came. In a frame there is
 * room behind every packet that is so short; on the heap there has to be, too. */
#define BEHIND 64u

/* Most bytes on the heap, with what belongs to the packets there: what 1024 windows of 64 KiB hold,
 * if they are full of long ones. */
#define HEAP_MAX (64u << 20)

/* A packet that lies on the heap. */
struct heap_pbuf {
	struct pbuf_custom custom;
	struct lab_lwip *l;
	uint32_t bytes; /* of all this */
	uint8_t data[];
};

static void let_go_copy(struct pbuf *p)
{
	struct heap_pbuf *h = (struct heap_pbuf *)p;

	h->l->heap_bytes -= h->bytes;
	h->l->heap_packets--;
	free(h);
}

/* The packet on the heap, so that its frame is free at once. NULL: no memory, or enough of it
 * taken. */
static struct pbuf *copied(struct lab_lwip *l, const struct lab_packet *packet)
{
	uint32_t bytes = (uint32_t)sizeof(struct heap_pbuf) + packet->length + BEHIND;
	struct heap_pbuf *h = l->heap_bytes + bytes <= HEAP_MAX ? malloc(bytes) : NULL;

	if (h) {
		h->l = l;
		h->bytes = bytes;
		l->heap_bytes += bytes;
		l->heap_packets++;
		memcpy(h->data, (char *)packet->frame + packet->offset, packet->length);
		memset(h->data + packet->length, 0, BEHIND);
		h->custom.custom_free_function = let_go_copy;
		l->stats.rx_copied++;
	}
	free_frame(l, packet->frame);
	return h ? pbuf_alloced_custom(PBUF_RAW, (u16_t)packet->length, PBUF_REF, &h->custom,
				       h->data, (u16_t)packet->length)
		 : NULL;
}

void lab_lwip_rx(struct lab_lwip *l, const struct lab_packet *packets, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct pbuf *p;

		if (lab_unlikely(lab_lwip_harmful(l,
						  (uint8_t *)packets[i].frame + packets[i].offset,
						  packets[i].length))) {
			l->stats.rx_harmful++;
			free_frame(l, packets[i].frame);
			continue;
		}
		p = lab_likely(l->stats.held < l->hold) ? in_place(l, &packets[i])
							: copied(l, &packets[i]);
		if (lab_unlikely(!p)) {
			l->stats.rx_refused++;
		} else if (lab_unlikely(l->netif.input(p, &l->netif) != ERR_OK)) {
			l->stats.rx_refused++;
			pbuf_free(p);
		}
	}
}
