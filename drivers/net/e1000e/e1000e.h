/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The 82574L as its three files see it: e1000e.c opens and closes, hw.c talks to registers, rings.c
 * moves frames. Not for anybody else.
 */
#ifndef E1000E_H
#define E1000E_H

#include <stdbool.h>
#include <stdint.h>

#include <labyrinth/lab_device.h>

#include "../netdev_driver.h"
#include "regs.h"

/* Frames handled in one go: what the local arrays of rings.c hold. */
#define E1000E_BATCH 64u
/* Most frames on a ring, each way. (One descriptor more is never used: full must not look empty.)
 */
#define E1000E_FRAMES_MAX 4095u
/*
 * Where a received packet starts in its frame, so that a header can be put in front in place, and
 * how much the device may write there. A packet of 1522 bytes, the longest that the device accepts
 * (one VLAN tag included), fits into one buffer, and buffer and headroom into one frame.
 */
#define E1000E_HEADROOM  256u
#define E1000E_RX_BUFFER 2048u

/**
 * struct e1000e_ring - descriptors, and the frames behind them.
 * @desc: in @run.
 * @frames: by descriptor; only those from @head up to @tail mean something.
 * @size: descriptors.
 * @head: the oldest that is with the device.
 * @tail: the one to be used next; head == tail: the device has none.
 */
struct e1000e_ring {
	struct e1000e_desc *desc;
	void **frames;
	uint32_t size;
	uint32_t head;
	uint32_t tail;
	struct lab_run run;
};

/**
 * struct e1000e - one 82574L.
 *
 * A frame that is lent lies on one of the rings, or has its bit in @stuck set: the pool refused to
 * have it back, and the close tries again. rx_lent and tx_lent count the former, are at most rx_max
 * and tx_max, and these are less than the rings' sizes. With LAB_NETDEV_TX_RETURN those that have
 * been sent lie in @done until they are fetched; with tx_lent they are at most tx_max.
 */
struct e1000e {
	struct lab_netdev netdev; /* first: the seam casts */
	struct lab_pool *pool;
	struct lab_domain *domain;
	struct lab_device *dev;
	volatile void *regs; /* BAR 0 */
	struct e1000e_ring rx;
	struct e1000e_ring tx;
	uint16_t *tx_last; /* by the first descriptor of a batch: its last, which reports */
	uint64_t *stuck;   /* one bit a frame */
	uint32_t rx_max;
	uint32_t tx_max;
	uint32_t rx_lent;
	uint32_t tx_lent;
	uint32_t tx_told; /* frames to be sent, as the pool was last told */
	struct lab_netdev_done done;
	struct lab_netdev_stats stats;
	bool skip;       /* the rest of a packet that is too long is still to come */
	bool own_domain; /* made by open */
	bool has_irq;
	bool msix;
};

/* ---- hw.c: registers. None waits longer than its comment says, whatever the device answers. ----
 */

/**
 * lab_e1000e_reset() - bring the device to rest, and into the state after power-on.
 *
 * Return: 0: it answered that no transfer is under way, and that the reset is over; -EIO or -ENODEV
 * with a sentence. Sleeps up to a second.
 */
int lab_e1000e_reset(struct e1000e *x);

/** lab_e1000e_read_mac() - the address from the NVM. Return: 0, or -EIO with a sentence. */
int lab_e1000e_read_mac(struct e1000e *x);

/** lab_e1000e_start() - after a reset: tell it the rings, switch receiving and sending on. */
void lab_e1000e_start(struct e1000e *x);

/** lab_e1000e_link_up() - 1 if the link is up (@mbits receives the speed), 0 if not (or gone). */
int lab_e1000e_link_up(struct e1000e *x, uint32_t *mbits);

/** lab_e1000e_set_promiscuous() - RCTL's promiscuous bits. */
void lab_e1000e_set_promiscuous(struct e1000e *x, bool on);

/** lab_e1000e_set_macs() - the receive addresses behind our own; @n is at most RA_EXTRA. */
void lab_e1000e_set_macs(struct e1000e *x, const uint8_t (*macs)[LAB_MAC_SIZE], unsigned n);

/** lab_e1000e_arm() - forget the causes that were, and allow interrupts. */
void lab_e1000e_arm(struct e1000e *x);

/** lab_e1000e_disarm() - no interrupts. */
void lab_e1000e_disarm(struct e1000e *x);

/** lab_e1000e_count() - add what the device counted since the last call to x->stats. */
void lab_e1000e_count(struct e1000e *x);

/* ---- rings.c: frames. See lab_netdev_rx_burst() and lab_netdev_tx_burst(). ---- */

unsigned lab_e1000e_rx_burst(struct lab_netdev *dev, struct lab_packet *packets, unsigned n);
unsigned lab_e1000e_tx_burst(struct lab_netdev *dev, const struct lab_packet *packets, unsigned n);
unsigned lab_e1000e_tx_done(struct lab_netdev *dev, void **frames, unsigned n);

/** lab_e1000e_check() - 0 while the device is there; -ENODEV with a sentence when it is not. */
int lab_e1000e_check(struct e1000e *x);

/** lab_e1000e_has_packet() - whether lab_e1000e_rx_burst() would find one. */
bool lab_e1000e_has_packet(const struct e1000e *x);

/** lab_e1000e_refill() - lend frames for receiving until there are rx_max, or the pool is empty. */
void lab_e1000e_refill(struct e1000e *x);

/** lab_e1000e_reap() - free the frames of sent packets, or put them by. */
void lab_e1000e_reap(struct e1000e *x);

/** lab_e1000e_free_done() - free those put by: whatever becomes of the device, it has sent them. */
void lab_e1000e_free_done(struct e1000e *x);

/**
 * lab_e1000e_recall() - free all frames that are out. Only when the device cannot reach them.
 * @lent: they are the device's still; false: lab_device_close() took them back for us.
 */
void lab_e1000e_recall(struct e1000e *x, bool lent);

#endif
