/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * An e1000e without a device. The library's devices are replaced as far as the rings call them.
 */
#include <stdlib.h>
#include <string.h>

#include "../../../drivers/net/e1000e/e1000e.h"
#include "ring-rig.h"

#define IOVA 0x100000000ull

static uint32_t regs[0x1000];
static struct e1000e x;
static uint32_t rdh, tdh; /* the heads, as the device has them */
static int number;
static bool skipping; /* the driver waits for the end of what it drops */
static struct ring_rig_counts counts;

/* ---- the library's devices ---- */

enum lab_device_status lab_device_status(const struct lab_device *dev)
{
	return LAB_DEVICE_PRESENT;
}

unsigned lab_device_lend(struct lab_device *dev, struct lab_pool *p, void *const *frames,
			 unsigned n, uint64_t *iova)
{
	unsigned done = lab_lend(p, number, frames, n);

	for (unsigned i = 0; i < done; i++)
		iova[i] = IOVA + (uint64_t)((char *)frames[i] - p->base);
	return done;
}

unsigned lab_device_take_back(struct lab_device *dev, struct lab_pool *p, void *const *frames,
			      unsigned n)
{
	return lab_take_back(p, number, frames, n);
}

int lab_device_note_sending(struct lab_device *dev, struct lab_pool *p, uint32_t frames)
{
	return 0;
}

/* ---- the seam: bursts are the driver's own, the rest has nothing behind it ---- */

static int always(struct lab_netdev *dev, int timeout_ms)
{
	return 1;
}

static void stats(struct lab_netdev *dev, struct lab_netdev_stats *s)
{
	*s = x.stats;
	s->rx_lent = x.rx_lent;
	s->tx_lent = x.tx_lent;
	s->tx_unfetched = x.done.n;
}

static int link_up(struct lab_netdev *dev, uint32_t *mbits)
{
	*mbits = 1000;
	return 1;
}

static int promiscuous(struct lab_netdev *dev, int on)
{
	return 0;
}

static int mac_filter(struct lab_netdev *dev, const uint8_t (*macs)[LAB_MAC_SIZE], unsigned n)
{
	return 0;
}

static int no_close(struct lab_netdev *dev)
{
	return 0;
}

static const struct lab_netdev_ops ops = {
	.name = "rig",
	.rx_burst = lab_e1000e_rx_burst,
	.tx_burst = lab_e1000e_tx_burst,
	.tx_done = lab_e1000e_tx_done,
	.wait = always,
	.stats = stats,
	.link = link_up,
	.promiscuous = promiscuous,
	.mac_filter = mac_filter,
	.close = no_close,
};

static int make_ring(struct e1000e_ring *ring, uint32_t frames)
{
	ring->size = frames + RING_MULTIPLE;
	ring->desc = calloc(ring->size, sizeof(*ring->desc));
	ring->frames = calloc(ring->size, sizeof(*ring->frames));
	return ring->desc && ring->frames ? 0 : -1;
}

static void free_rings(void)
{
	free(x.rx.desc);
	free(x.rx.frames);
	free(x.tx.desc);
	free(x.tx.frames);
	free(x.tx_last);
	free(x.stuck);
	free(x.done.frames);
}

struct lab_netdev *ring_rig_open(struct lab_pool *pool, const uint8_t mac[LAB_MAC_SIZE],
				 uint32_t rx_frames, uint32_t tx_frames, uint32_t flags)
{
	x = (struct e1000e){.netdev = {.ops = &ops, .name = "e1000e:rig"}, .pool = pool};
	memcpy(x.netdev.mac, mac, LAB_MAC_SIZE);
	x.netdev.flags = flags;
	x.regs = regs;
	x.rx_max = rx_frames;
	x.tx_max = tx_frames;
	number = lab_device_register(pool, "e1000e:rig");
	if (number < 0)
		return NULL;
	x.tx_last = calloc(tx_frames + RING_MULTIPLE, sizeof(*x.tx_last));
	x.stuck = calloc((lab_pool_frames(pool) + 63) / 64, sizeof(*x.stuck));
	if (make_ring(&x.rx, rx_frames) || make_ring(&x.tx, tx_frames) || !x.tx_last || !x.stuck ||
	    (flags & LAB_NETDEV_TX_RETURN && lab_netdev_done_make(&x.done, tx_frames))) {
		free_rings();
		return NULL;
	}
	lab_e1000e_refill(&x);
	return &x.netdev;
}

/* ---- the device's side ---- */

static uint32_t tail(uint32_t reg)
{
	return regs[reg / sizeof(regs[0])];
}

static bool no_frame(void)
{
	return rdh == tail(REG_RDT);
}

/* One descriptor: the bytes, and what is said of them. Counts what the driver must make of it. */
static void write_back(const uint8_t *bytes, uint32_t n, uint32_t said, uint64_t flags)
{
	struct e1000e_desc *d = &x.rx.desc[rdh];
	bool skip = skipping;

	skipping = !(flags & RX_EOP);
	memcpy(x.pool->base + (d->addr - IOVA), bytes, n);
	d->word = said | flags | DESC_DD;
	rdh = (rdh + 1) % x.rx.size;
	if (skip) /* the rest of what was counted before */
		return;
	if (!skipping && !(flags & RX_ERRORS) && said >= LAB_PACKET_MIN && said <= E1000E_RX_BUFFER)
		counts.good++;
	else
		counts.bad++;
}

void ring_rig_receive(const uint8_t *packet, uint32_t length)
{
	uint32_t at = 0, room = (tail(REG_RDT) + x.rx.size - rdh) % x.rx.size;

	if (room * E1000E_RX_BUFFER < length || !room) {
		counts.missed++;
		return;
	}
	for (; length - at > E1000E_RX_BUFFER; at += E1000E_RX_BUFFER)
		write_back(packet + at, E1000E_RX_BUFFER, E1000E_RX_BUFFER, 0);
	write_back(packet + at, length - at, length - at, RX_EOP);
}

void ring_rig_lie(const uint8_t *packet, uint32_t length, enum ring_rig_lie lie)
{
	/* CE, SE, SEQ, CXE, RXE: by the packet's length, so that all come */
	static const uint64_t errors[] = {1ull << 40, 1ull << 41, 1ull << 42, 1ull << 44,
					  1ull << 47};

	if (no_frame()) {
		counts.missed++;
		return;
	}
	switch (lie) {
	case RIG_ERROR:
		write_back(packet, length, length, RX_EOP | errors[length % 5]);
		break;
	case RIG_NO_END:
		write_back(packet, length, length, 0);
		break;
	case RIG_LENGTH_0:
		write_back(packet, length, 0, RX_EOP);
		break;
	case RIG_SHORT:
		write_back(packet, length, length % LAB_PACKET_MIN, RX_EOP);
		break;
	case RIG_BEYOND:
		write_back(packet, length, E1000E_RX_BUFFER + 1 + length, RX_EOP);
		break;
	case RIG_MOST:
		write_back(packet, length, 0xffff, RX_EOP);
		break;
	case RIG_MORE:
		write_back(packet, length, E1000E_RX_BUFFER - length % 8, RX_EOP);
		break;
	default:
		write_back(packet, length, length, RX_EOP | 1ull << 45 | 1ull << 46);
	}
}

unsigned ring_rig_send(void (*heard)(void *arg, const uint8_t *packet, uint32_t length), void *arg)
{
	unsigned n = 0;

	for (; tdh != tail(REG_TDT); n++, tdh = (tdh + 1) % x.tx.size) {
		struct e1000e_desc *d = &x.tx.desc[tdh];

		heard(arg, (uint8_t *)x.pool->base + (d->addr - IOVA), (uint32_t)d->word & 0xffff);
		if (d->word & TX_RS)
			d->word |= DESC_DD;
	}
	return n;
}

void ring_rig_counts(struct ring_rig_counts *c)
{
	*c = counts;
}

uint64_t ring_rig_lent(void)
{
	return (uint64_t)x.rx_lent + x.tx_lent + x.done.n;
}

uint64_t ring_rig_sending(void)
{
	return (uint64_t)x.tx_lent + x.done.n;
}

int ring_rig_close(void)
{
	lab_e1000e_free_done(&x);
	lab_e1000e_recall(&x, true);
	free_rings();
	return lab_device_release(x.pool, number) ? -1 : 0;
}
