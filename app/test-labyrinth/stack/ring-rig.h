/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * An e1000e without a device: the driver's rings as a network device that can be opened, and this
 * program in the device's place. Knows the driver's private header, and replaces the library's
 * devices; one rig a program.
 */
#ifndef RING_RIG_H
#define RING_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include <labyrinth/labyrinth.h>
#include <labyrinth/netdev.h>

/**
 * struct ring_rig_counts - what the device did, to be compared with what the driver says.
 * @good: packets that the driver must hand out.
 * @bad: such as it must drop: too long for a buffer, lengths that cannot be, errors on the wire.
 * @missed: packets for which no frame was lent.
 */
struct ring_rig_counts {
	uint64_t good;
	uint64_t bad;
	uint64_t missed;
};

/** ring_rig_open() - a device on @pool with that address; NULL: lab_error_text() says why. @flags:
 * of lab_netdev_config. */
struct lab_netdev *ring_rig_open(struct lab_pool *pool, const uint8_t mac[LAB_MAC_SIZE],
				 uint32_t rx_frames, uint32_t tx_frames, uint32_t flags);

/** ring_rig_receive() - a packet arrives, over as many descriptors as it takes. */
void ring_rig_receive(const uint8_t *packet, uint32_t length);

/** enum ring_rig_lie - what a descriptor says that is not so. */
enum ring_rig_lie {
	RIG_ERROR,    /* an error on the wire */
	RIG_NO_END,   /* the packet's end is still to come, and is the next one's */
	RIG_LENGTH_0, /* no bytes */
	RIG_SHORT,    /* less than a header */
	RIG_BEYOND,   /* more than the buffer */
	RIG_MOST,     /* all that 16 bits can count */
	RIG_MORE,     /* bytes of the one before */
	RIG_CHECKSUM, /* wrong sums of TCP and IP, which nobody believes it anyway */
	RIG_LIES,
};

/** ring_rig_lie() - a packet of up to 2048 bytes arrives, and the device lies about it. */
void ring_rig_lie(const uint8_t *packet, uint32_t length, enum ring_rig_lie lie);

/** ring_rig_send() - @heard is called for each packet that the driver has queued. How many. */
unsigned ring_rig_send(void (*heard)(void *arg, const uint8_t *packet, uint32_t length), void *arg);

/** ring_rig_counts() - since the start. */
void ring_rig_counts(struct ring_rig_counts *counts);

/** ring_rig_lent() - frames that the device has now. */
uint64_t ring_rig_lent(void);

/** ring_rig_sending() - of these, those of packets that it is to send or has sent. */
uint64_t ring_rig_sending(void);

/** ring_rig_close() - the driver takes its frames back. Return: 0, or -1 if the pool objects. */
int ring_rig_close(void);

#endif
