/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The AF_XDP driver with a pool that breathes: packets are copied between its frames and those of a
 * pool of the driver's own. What is the same as with any other pool is in af-xdp-test.c, which runs
 * its traffic over such a pool as well. The keeper is stepped, so that nothing here moves by
 * itself.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <labyrinth/lab_keeper.h>
#include <labyrinth/labyrinth.h>

#include "link.h"
#include "tap.h"

#define WINDOW 64
#define FRAMES 512u

static const struct lab_pool_config breathing = {
	.name = "breathing", .frames = FRAMES, .max_frames = 4 * FRAMES, .flags = LAB_POOL_STEPPED};

static unsigned pools(void)
{
	struct lab_pool *all[LAB_MAX_POOLS];

	return lab_pool_each(all);
}

/* Nothing of the program's pool is lent, whatever the rings hold. */
static void apart(struct lab_pool *pool)
{
	struct lab_netdev *dev = link_open(pool, 128);
	struct lab_packet packets[WINDOW];
	struct lab_netdev_stats net;
	struct lab_pool_stats s;
	unsigned n, sent, answered = 0;

	if (!tap_ok(dev != NULL, "a device on a pool that breathes")) {
		tap_note("%s", lab_error_text());
		return;
	}
	tap_ok(pools() == 2, "it has a pool of its own");
	lab_pool_stats(pool, &s);
	lab_netdev_stats(dev, &net);
	tap_ok(net.rx_lent == 128 && s.lent == 0, "and lends frames of that one");
	for (unsigned i = 0; i < WINDOW; i++)
		peer_send(i);
	n = link_receive(dev, packets, WINDOW, 500);
	lab_pool_stats(pool, &s);
	tap_ok(n == WINDOW && s.held == WINDOW, "what arrives lies in frames of the program's");
	sent = lab_netdev_tx_burst(dev, packets, n);
	lab_pool_stats(pool, &s);
	tap_ok(sent == n && s.held == 0 && s.lent == 0, "what is sent is free at once");
	for (unsigned i = 0; i < sent; i++)
		answered += peer_receive(i);
	tap_ok(answered == n, "and leaves unchanged");
	tap_ok(lab_netdev_close(dev) == 0 && link_conserved(pool, 0), "the pool is whole");
	tap_ok(pools() == 1, "the driver's own pool is gone");
}

/* Without a frame a packet is dropped and counted, and the ring goes on. */
static void exhaustion(struct lab_pool *pool)
{
	struct lab_netdev *dev = link_open(pool, 128);
	struct lab_packet packets[WINDOW];
	static void *rest[4 * FRAMES];
	struct lab_netdev_stats s;
	unsigned n = lab_alloc_burst(pool, rest, 4 * FRAMES, LAB_GFP_ATOMIC), got;

	for (unsigned round = 0; round < 8; round++) {
		for (unsigned i = 0; i < WINDOW; i++)
			peer_send(i);
		got = link_receive(dev, packets, WINDOW, 20);
		if (got)
			break;
	}
	lab_netdev_stats(dev, &s);
	tap_ok(got == 0 && s.rx_nobuf == 8 * WINDOW && s.rx_packets == 0 && s.rx_bytes == 0 &&
		       s.rx_no_frame > 0,
	       "with the pool empty, packets are dropped and counted as rx_nobuf");
	tap_ok(s.rx_lent > 64 && s.missed_no_frame == 0 && s.missed_ring_full == 0,
	       "the ring goes on: four times what it holds has come through");
	lab_free_bulk(pool, rest, n);
	for (unsigned i = 0; i < WINDOW; i++)
		peer_send(i);
	got = link_receive(dev, packets, WINDOW, 500);
	for (unsigned i = 0; i < got; i++) {
		if (!peer_check((uint8_t *)packets[i].frame + packets[i].offset, packets[i].length,
				i))
			got = 0;
	}
	tap_ok(got == WINDOW, "frames are freed: traffic recovers");
	link_free(pool, packets, got);
	tap_ok(lab_netdev_close(dev) == 0 && link_conserved(pool, 0), "the pool is whole");
}

/* What is not accepted stays the caller's, in its own frames. */
static void full(struct lab_pool *pool)
{
	struct lab_netdev_config config = {
		.device = "af_xdp:" LINK_A, .pool = pool, .rx_frames = 64, .tx_frames = 32};
	struct lab_netdev *dev = lab_netdev_open(&config);
	struct lab_packet packets[WINDOW];
	void *frames[WINDOW];
	struct lab_netdev_stats s;
	unsigned sent;
	bool kept;

	if (!tap_ok(dev && !lab_alloc_bulk(pool, frames, WINDOW, LAB_GFP_ATOMIC),
		    "a device that sends 32 packets at a time"))
		return;
	for (unsigned i = 0; i < WINDOW; i++) {
		packets[i] = (struct lab_packet){frames[i], 1024, 60};
		peer_fill((uint8_t *)frames[i] + 1024, 60, i);
	}
	sent = lab_netdev_tx_burst(dev, packets, WINDOW);
	kept = errno == EAGAIN;
	lab_netdev_stats(dev, &s);
	tap_ok(sent == 32 && kept && s.tx_full == WINDOW - 32, "of 64 it takes 32: EAGAIN");
	tap_ok(lab_free_bulk(pool, frames + sent, WINDOW - sent) == 0, "the others are ours still");
	tap_ok(lab_free(pool, frames[0]) == -EALREADY, "those that it took are not");
	/* Not held any more: refused before its memory is read, which a keeper might have taken. */
	sent = lab_netdev_tx_burst(dev, packets, 1);
	tap_ok(sent == 0 && errno == EINVAL && *lab_error_text(), "a free frame is refused");
	tap_ok(link_wait_sent(dev), "the rings come to rest");
	tap_ok(lab_netdev_close(dev) == 0 && link_conserved(pool, 0), "the pool is whole");
}

/* A failed open leaves no pool behind. */
static void failures(struct lab_pool *pool)
{
	struct lab_netdev_config config = {.device = "af_xdp:" LINK_A ":99", .pool = pool};

	tap_ok(!lab_netdev_open(&config) && errno == EINVAL, "no such queue");
	tap_note("%s", lab_error_text());
	tap_ok(pools() == 1 && link_conserved(pool, 0), "and no pool is left");
}

int main(void)
{
	struct lab_pool *pool;

	link_setup();
	pool = lab_pool_create(&breathing);
	if (!pool)
		tap_skip_all(lab_error_text());
	tap_ok(lab_pool_breathes(pool) == 1, "a pool that breathes");
	apart(pool);
	exhaustion(pool);
	full(pool);
	failures(pool);
	tap_ok(lab_pool_destroy(pool) == 0, "the pool goes");
	return tap_done();
}
