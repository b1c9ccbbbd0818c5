/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * lwIP on Labyrinth: a netif whose received packets are a pool's frames, and the loop that drives
 * the stack. Knows lwIP, pools and network devices; knows no protocol above IP and no program.
 *
 * This folder is for taking along: it needs labyrinth-net and lwIP, and nothing else here needs it.
 * Everything runs on one thread, that of the polling loop; lwIP's tcpip thread is not used.
 */
#ifndef LAB_LWIP_H
#define LAB_LWIP_H

#include <signal.h>
#include <stdint.h>

#include <labyrinth/labyrinth.h>
#include <labyrinth/netdev.h>

#include <lwip/netif.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Most addresses of IPv6 in lab_lwip_config. */
#define LAB_LWIP_IP6_MAX 4u

/** What lab_netdev_config.flags must have for a device of lab_lwip_create(): where lwIP keeps a
 * packet until it is acknowledged, and the device sends it from there, its frame comes back. */
#ifdef LAB_LWIP_IN_PLACE
#define LAB_LWIP_NETDEV_FLAGS LAB_NETDEV_TX_RETURN
#else
#define LAB_LWIP_NETDEV_FLAGS 0
#endif

/** struct lab_lwip - a netif on a device; opaque. */
struct lab_lwip;

/**
 * struct lab_lwip_config - what to make. All zero but @pool and @dev is good, and has no address.
 * @pool: where the frames come from: the pool that @dev was opened with.
 * @dev: an open device. It and the pool must outlive the netif; nobody else calls its bursts.
 * @hold: most frames that the stack may keep of what it received (data that came out of order,
 *	fragments, what the program has not taken yet). Beyond that a packet is copied to the
 *	heap, so that the device never runs dry because of those who do not read. 0: a quarter of
 *	the pool.
 * @ip, @netmask, @gateway: of IPv4; @ip 0.0.0.0 for none.
 * @ip6: of IPv6, /64 each; beside them the netif has its link-local address, and takes what routers
 *	announce.
 * @ip6_count: how many.
 */
struct lab_lwip_config {
	struct lab_pool *pool;
	struct lab_netdev *dev;
	uint32_t hold;
	ip4_addr_t ip;
	ip4_addr_t netmask;
	ip4_addr_t gateway;
	ip6_addr_t ip6[LAB_LWIP_IP6_MAX];
	unsigned ip6_count;
};

/**
 * struct lab_lwip_stats - what passed between device and stack. The device's own losses are in
 * lab_netdev_stats.
 * @held: frames that the stack has, received: now.
 * @queued: frames with packets that wait for room in the device: now.
 * @rx_held_max: most that @held has ever been.
 * @rx_copied: packets copied because @hold frames were held.
 * @rx_refused: packets that were dropped before the stack because there was no memory for a copy
 *	(64 MiB at most are on the heap).
 * @rx_dropped: packets that lwIP dropped: wrong checksums and lengths, nobody there for them.
 *	Only in a build of its source: Debian's does not count.
 * @rx_harmful: packets that were kept from the stack because they are known to end it, or to
 *	make it unreachable: see shield.c.
 * @tx_in_place: packets sent out of the memory that lwIP wrote them to (source/in_place.c).
 * @tx_copied: packets copied into a frame, once each.
 * @tx_no_frame: packets that were not sent because the pool had no frame, not even in its reserve.
 *	TCP sends them later.
 * @tx_full: the same because the device and the queue before it were full.
 * @tx_bad: packets that no device can send: too long for a frame, or refused by the driver.
 * @tx_stranger: packets to a neighbour who was not known, or is due to be probed (IPv6), and those
 *	to a router of IPv6: lwIP may have kept them until he answered. See neighbours.c.
 * @pruned: connections that were half open, closed by the program but not yet at their end, or
 *	waiting for the past to end (TIME_WAIT), and were forgotten because there were too many (see
 *	prune.c), or because their client began anew.
 * @mended: connections that lwIP had let stand still, because what they had to send was out of
 *	order: see mend.c.
 * @free_refused: frames that the pool did not take back. Not 0 means that somebody wrote where he
 *	must not.
 */
struct lab_lwip_stats {
	uint64_t held;
	uint64_t queued;
	uint64_t rx_held_max;
	uint64_t rx_copied;
	uint64_t rx_refused;
	uint64_t rx_dropped;
	uint64_t rx_harmful;
	uint64_t tx_in_place;
	uint64_t tx_copied;
	uint64_t tx_no_frame;
	uint64_t tx_full;
	uint64_t tx_bad;
	uint64_t tx_stranger;
	uint64_t pruned;
	uint64_t mended;
	uint64_t free_refused;
};

/**
 * lab_lwip_create() - put a netif on a device, bring it up and make it the default.
 * @config: what to make; read during the call only.
 *
 * Initialises lwIP on the first call.
 *
 * Return: the netif, until lab_lwip_destroy(); or NULL with errno and a sentence in
 * lab_lwip_error_text(): EINVAL (no pool, no device, one that was not opened with
 * LAB_LWIP_NETDEV_FLAGS, too many addresses), EBUSY (there is one: lwIP is one stack, and what it
 * keeps cannot be told apart), ENOMEM. May sleep.
 */
struct lab_lwip *lab_lwip_create(const struct lab_lwip_config *config);

/**
 * lab_lwip_destroy() - take the netif off the device; every connection over it ends at once.
 * @l: a netif; NULL is allowed and does nothing.
 *
 * The program has freed its pbufs. Packets that wait to be sent are sent or freed. May sleep (for a
 * fifth of a second, where the device is sending packets in place).
 *
 * Return: 0; or how many packets the program still holds, in pbufs that it has not freed: then the
 * netif is off the device, and another call after they were freed ends it.
 */
uint64_t lab_lwip_destroy(struct lab_lwip *l);

/**
 * lab_lwip_netif() - the netif, for lwIP's own calls; valid as long as @l.
 *
 * Who sets it down has its neighbours forgotten with the next turn of the loop, not before.
 */
struct netif *lab_lwip_netif(struct lab_lwip *l);

/**
 * lab_lwip_poll() - one turn: what came in goes up the stack, timers run, what is to go out goes.
 * @l: the netif.
 *
 * The program's callbacks run inside. Never sleeps; no system call but the driver's own (af_xdp:
 * for sending), and malloc's where it needs one: Debian's lwIP takes what it sends from there.
 *
 * Return: how many packets came in.
 */
unsigned lab_lwip_poll(struct lab_lwip *l);

/**
 * lab_lwip_wait() - sleep until a packet may have arrived, or the stack's next timer is due.
 * @l: the netif.
 * @timeout_ms: longest wait.
 *
 * Return: as lab_netdev_wait(). At once if packets wait to be sent; after 250 ms at the latest.
 */
int lab_lwip_wait(struct lab_lwip *l, int timeout_ms);

/**
 * lab_lwip_run() - the loop, until @stop is not 0 or the device is gone.
 * @l: the netif.
 * @stop: set by a signal handler, or by a callback.
 * @spin_us: adaptive waiting: after so many microseconds without a packet the loop sleeps until the
 *	next; 0: poll without end.
 * @every_ms: call @tick as often; 0: never.
 * @tick: for whatever a program does in passing; may be NULL.
 * @arg: its argument.
 *
 * Return: 0; or as lab_netdev_wait(), when the device is gone: lab_error_text() says which.
 */
int lab_lwip_run(struct lab_lwip *l, const volatile sig_atomic_t *stop, unsigned spin_us,
		 unsigned every_ms, void (*tick)(void *arg), void *arg);

/** lab_lwip_error_text() - why lab_lwip_create() failed last. */
const char *lab_lwip_error_text(void);

/** lab_lwip_stats() - statistics since lab_lwip_create(). */
void lab_lwip_stats(const struct lab_lwip *l, struct lab_lwip_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
