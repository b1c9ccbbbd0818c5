/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What frame-peer understands: Ethernet frames of PEER_TYPE, whose first byte says what to do.
 */
#ifndef FRAME_PEER_H
#define FRAME_PEER_H

#include <stdint.h>

/* IEEE 802-2014, 9.2.3: types for local experiments. */
#define PEER_TYPE      0x88b5 /* to the peer; and PEER_DONE */
#define PEER_TYPE_SENT 0x88b6 /* from the peer */

#define PEER_FRAME_MAX 4096
#define PEER_HEADER    14

/* Where things stand in a frame. */
#define PEER_OP            PEER_HEADER
#define PEER_TO            15 /* address */
#define PEER_COUNT         21 /* 16 bits, high byte first */
#define PEER_LENGTH        23 /* likewise */
#define PEER_REQUEST_BYTES 25

enum peer_op {
	PEER_ECHO, /* send it back, from you to me; 0, so that padding is one */
	PEER_SEND, /* send PEER_COUNT frames of PEER_LENGTH to PEER_TO, and then PEER_DONE to me */
	PEER_DONE,
	PEER_QUIT,
};

/* Byte @i of the @seq-th frame that PEER_SEND sends. */
static inline uint8_t peer_byte(uint32_t seq, uint32_t i)
{
	return (uint8_t)(seq * 31 + i * 7 + (i >> 8));
}

#endif
