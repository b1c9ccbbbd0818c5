/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A device that does what the test says: takes nothing, refuses, gives late or never. In the place
 * of the drivers' seam, with the packets that come in, and a netif on it. One a program.
 */
#ifndef GLUE_NIC_H
#define GLUE_NIC_H

#include <stdbool.h>
#include <stdint.h>

#include <lab_lwip.h>

#include "../../../drivers/net/netdev_driver.h"

#define NIC_OFFSET   256u  /* where received packets start */
#define NIC_PORT     4000u /* where nic_arrive_udp() and nic_arrive_tcp() go */
#define GLUE_FRAMES  1024u
#define NIC_RX_MAX   2048u
#define NIC_SENT_MAX 4096u

/** struct glue_nic - what the device has, does and was told. */
struct glue_nic {
	struct lab_netdev head;
	struct lab_packet rx[NIC_RX_MAX];
	unsigned rx_head, rx_tail;
	unsigned room;   /* packets that it still takes */
	unsigned refuse; /* its packets from now on, up to that one, which it refuses */
	bool keep;       /* gives no frame back that it has sent */
	unsigned sent;
	unsigned asked[256]; /* of @sent, those that ask for a neighbour, by the last byte of his
				address */
	uint8_t last[LAB_FRAME_SIZE]; /* the last packet sent */
	uint32_t last_length;
	void *done[NIC_SENT_MAX];
	unsigned done_n;
	int promiscuous;
	unsigned macs;
	int longest;     /* wait that it was asked for */
	uint16_t window; /* of those whose segments arrive */
};

extern struct glue_nic nic;
extern struct lab_pool *pool;
extern const struct lab_netdev_ops nic_ops;
extern const uint8_t nic_ours[LAB_MAC_SIZE], nic_theirs[LAB_MAC_SIZE];

/** nic_arrive() - the packet comes in. Like all that arrive: false where no frame is left for it.
 */
bool nic_arrive(const uint8_t *packet, uint32_t length);

/** nic_sum() - the Internet's checksum of @n bytes, beginning with @start. */
uint16_t nic_sum(const uint8_t *p, unsigned n, uint32_t start);

/** nic_ask() - who has our address? */
bool nic_ask(void);

/** nic_arrive_ip() - an IPv4 packet with @n bytes behind its header, @fragment as the header's word
 * has it; @p has room for 34 + @n, and the bytes from 34 on. */
bool nic_arrive_ip(uint8_t *p, unsigned proto, unsigned n, unsigned fragment);

/** nic_arrive_udp() - a datagram without a checksum, whose @n bytes are all @byte. */
bool nic_arrive_udp(uint8_t byte, unsigned n);

#define FIN 1u
#define SYN 2u
#define ACK 16u

/** nic_arrive_tcp() - a TCP segment without data. */
bool nic_arrive_tcp(uint16_t from, uint32_t seq, uint32_t ack, unsigned flags);

/** glue_wait() - time passes for lwIP, whose clock stands still otherwise: @ms, with ten turns a
 * second. */
void glue_wait(struct lab_lwip *l, unsigned ms);

/** glue_pool() - makes the pool, of GLUE_FRAMES; without memory for it that is the program's end.
 */
void glue_pool(void);

/** glue_start() - the device as new, and a netif on it whose stack may keep @hold frames. */
struct lab_lwip *glue_start(uint32_t hold);

/** glue_turns() - @n turns of the loop. */
void glue_turns(struct lab_lwip *l, unsigned n);

/** glue_home() - whether every frame is free. */
bool glue_home(void);
#endif
