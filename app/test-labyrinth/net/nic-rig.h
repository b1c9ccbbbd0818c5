/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A NIC with frame-peer at the other end of its wire: opened, told what to send, listened to.
 */
#ifndef NIC_RIG_H
#define NIC_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include <labyrinth/labyrinth.h>
#include <labyrinth/netdev.h>

#include "frame-peer.h"

/** struct rig - a NIC, and the pool that it was opened with. */
struct rig {
	struct lab_netdev *dev;
	struct lab_pool *pool;
	uint8_t mac[LAB_MAC_SIZE];
};

/** rig_pool() - a pool of @frames; ends the program where there is none. */
struct lab_pool *rig_pool(const char *name, uint64_t frames);

/** rig_open() - the NIC with that address, or the end of the program; @config may be NULL. */
void rig_open(struct rig *rig, struct lab_pool *pool, const char *address,
	      const struct lab_netdev_config *config);

/** rig_try() - lab_netdev_open() that is to fail: 1 if errno and the sentence are as they should.
 */
bool rig_refused(const struct lab_netdev_config *config, int err, const char *words);

/** rig_conserved() - 1 if every frame is free or cached. */
bool rig_conserved(struct lab_pool *pool);

/** rig_transmit() - send all @n, and give up after two seconds; how many were accepted. */
unsigned rig_transmit(struct rig *rig, const struct lab_packet *packets, unsigned n);

/** rig_request() - tell the peer to send @count frames of @length to @to, and then PEER_DONE. */
bool rig_request(struct rig *rig, const uint8_t to[LAB_MAC_SIZE], uint16_t count, uint16_t length);

/** rig_quit() - tell the peer to end. */
bool rig_quit(struct rig *rig);

/** rig_type() - a packet's Ethernet type. */
unsigned rig_type(const struct lab_packet *p);

/**
 * rig_receive() - what comes from the peer; everything else is freed.
 * @rig: the NIC.
 * @packets: receives up to @n packets.
 * @n: most wanted.
 * @done: if not NULL, PEER_DONE ends the wait and sets it.
 *
 * Gives up after two seconds without a packet.
 */
unsigned rig_receive(struct rig *rig, struct lab_packet *packets, unsigned n, bool *done);

/** rig_free() - free the frames of packets. */
void rig_free(struct rig *rig, const struct lab_packet *packets, unsigned n);

/** rig_count() - request, and count what comes back; the bytes are checked, -1 if wrong. */
int rig_count(struct rig *rig, const uint8_t to[LAB_MAC_SIZE], uint16_t count, uint16_t length);

/** rig_echo() - send frames of @first, @first + 1 .. bytes to the peer, and check what comes back.
 */
bool rig_echo(struct rig *rig, unsigned first, unsigned n);

#endif
