/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A veth pair in a network namespace that only this process has: the driver opens one end, a packet
 * socket is the peer on the other. The namespace goes when the process does, however it ends.
 */
#ifndef LINK_H
#define LINK_H

#include <stdbool.h>
#include <stdint.h>

#include <labyrinth/labyrinth.h>
#include <labyrinth/netdev.h>

#define LINK_A "lab0" /* the driver's end */
#define LINK_B "lab1" /* the peer's end */

/** link_setup() - make namespace, pair and peer; skips the program where that is not possible. */
void link_setup(void);

/** link_run() - run a shell command quietly; true if it succeeded. */
bool link_run(const char *command);

/** link_settle() - wait until both ends are up, and forget what the peer has received. */
void link_settle(void);

/** link_now() - seconds of the monotonic clock. */
double link_now(void);

/** link_open() - open the driver's end; @rx_frames as in lab_netdev_config. */
struct lab_netdev *link_open(struct lab_pool *pool, uint32_t rx_frames);

/** link_receive() - receive until there are @n packets or @ms have passed; how many there are. */
unsigned link_receive(struct lab_netdev *dev, struct lab_packet *packets, unsigned n, int ms);

/** link_wait_sent() - housekeeping until all sent frames are back; false after a second. */
bool link_wait_sent(struct lab_netdev *dev);

/** link_free() - free the frames of packets. */
void link_free(struct lab_pool *pool, struct lab_packet *packets, unsigned n);

/** link_split() - a device of the pool is lent just so many frames, as reports tell them apart;
 * says so if not. */
bool link_split(const struct lab_pool *pool, uint64_t receiving, uint64_t sending);

/** link_conserved() - all frames are in the pool but @held, none is lent; says so if not. */
bool link_conserved(const struct lab_pool *pool, uint64_t held);

/* Packet @seq has a size and contents that follow from its number. */

/** peer_fill() - the contents of packet @seq, @size bytes (not below 18). */
void peer_fill(uint8_t *packet, uint32_t size, unsigned seq);

/** peer_check() - true if these are size and contents of packet @seq. */
bool peer_check(const uint8_t *packet, uint32_t size, unsigned seq);

/** peer_bytes() - bytes of the packets @first to @first + @n - 1. */
uint64_t peer_bytes(unsigned first, unsigned n);

/** peer_send() - the peer sends packet @seq. */
void peer_send(unsigned seq);

/** peer_receive() - the peer receives packet @seq, unchanged, within half a second. */
bool peer_receive(unsigned seq);

/** peer_receive_any() - the peer receives whatever comes within half a second. */
bool peer_receive_any(void);

#endif
