/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Sending without a copy: lwIP wrote the packet into a frame, behind its pbuf, and the device sends
 * it from there. lwIP keeps the pbuf until the other end has acknowledged, the device has the frame
 * until it is sent; whoever is later frees it. Knows pbufs and the device; knows no protocol.
 */
#include <time.h>

#include "../inside.h"
#include "frame_memory.h"

#define DONE_BURST 32u
/* How long the end waits for the device. */
#define DRAIN_MS 200

bool lab_lwip_in_place(struct lab_lwip *l, struct pbuf *p, struct lab_packet *packet)
{
	uint32_t index = lab_frame_index(l->pool, p);

	/* With a second reference somebody may be about to change it. */
	if (index == LAB_FRAME_NONE || p->next || p->ref != 1)
		return false;
	pbuf_ref(p);
	l->pbufs[index].in_place = true;
	*packet = (struct lab_packet){
		.frame = p, .offset = (uint32_t)((char *)p->payload - (char *)p), .length = p->len};
	l->stats.tx_in_place++;
	return true;
}

void lab_lwip_sent(struct lab_lwip *l)
{
	void *frames[DONE_BURST];
	unsigned n;

	do {
		n = lab_netdev_tx_done(l->dev, frames, DONE_BURST);
		for (unsigned i = 0; i < n; i++)
			lab_lwip_release(l, frames[i]);
	} while (n == DONE_BURST);
}

void lab_lwip_in_place_begin(struct lab_lwip *l)
{
	lab_lwip_memory_from(l->pool, (uint32_t)(lab_pool_frames(l->pool) / 4));
}

/* How many packets in place the device, or its driver, still has. */
static uint32_t with_device(const struct lab_lwip *l)
{
	uint64_t frames = lab_pool_frames(l->pool);
	uint32_t n = 0;

	for (uint64_t i = 0; i < frames; i++)
		n += l->pbufs[i].in_place;
	return n;
}

void lab_lwip_in_place_end(struct lab_lwip *l)
{
	const struct timespec step = {.tv_nsec = 1000000};

	lab_lwip_sent(l);
	for (int ms = 0; ms < DRAIN_MS && with_device(l); ms++) {
		nanosleep(&step, NULL);
		lab_netdev_rx_burst(l->dev, NULL, 0); /* the housekeeping alone */
		lab_lwip_sent(l);
	}
	/* Whatever it has not given back by now goes to the pool when it is closed. */
	lab_lwip_memory_end(with_device(l));
}

uint32_t lab_lwip_in_place_frames(void)
{
	return lab_lwip_memory_frames();
}
