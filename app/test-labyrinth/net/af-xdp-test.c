/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The AF_XDP driver against the kernel, on a veth pair of its own: contents, ownership, exhaustion
 * and recovery, reopening. What cannot be opened, and what goes down or away, is in
 * af-xdp-errors.c.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <labyrinth/labyrinth.h>

#include "link.h"
#include "tap.h"

#define WINDOW 64

/* Packets of all sizes arrive unchanged, go out unchanged from where they are, and none is lost. */
static void traffic(const char *name, struct lab_pool_config config)
{
	struct lab_pool *pool = lab_pool_create(&config);
	struct lab_netdev *dev;
	struct lab_packet packets[WINDOW];
	struct lab_netdev_stats s;
	unsigned seq = 0, wrong = 0, lost = 0, unsent = 0, unanswered = 0;
	char text[128];

	tap_note("%s", name);
	if (!pool) {
		printf("ok %u - traffic # SKIP %s\n", ++tap_tests, lab_error_text());
		return;
	}
	dev = link_open(pool, 0);
	if (!tap_ok(dev != NULL, "the device opens")) {
		tap_note("%s", lab_error_text());
		lab_pool_destroy(pool);
		return;
	}
	for (unsigned round = 0; round < 64 && !lost && !wrong && !unanswered; round++) {
		unsigned n;

		for (unsigned i = 0; i < WINDOW; i++)
			peer_send(seq + i);
		n = link_receive(dev, packets, WINDOW, 500);
		lost += WINDOW - n;
		for (unsigned i = 0; i < n; i++)
			wrong += lab_frame_index(pool, packets[i].frame) == LAB_FRAME_NONE ||
				 packets[i].offset + packets[i].length > LAB_FRAME_SIZE ||
				 !peer_check((uint8_t *)packets[i].frame + packets[i].offset,
					     packets[i].length, seq + i);
		if (round % 2) {
			unsigned sent = lab_netdev_tx_burst(dev, packets, n);

			unsent += n - sent;
			link_free(pool, packets + sent, n - sent);
			for (unsigned i = 0; i < sent && !unanswered; i++)
				unanswered += !peer_receive(seq + i);
		} else {
			link_free(pool, packets, n);
		}
		seq += WINDOW;
	}
	snprintf(text, sizeof(text), "4096 packets arrive unchanged (%u lost, %u wrong)", lost,
		 wrong);
	tap_ok(!lost && !wrong, text);
	snprintf(text, sizeof(text), "2048 packets leave unchanged (%u not accepted, %u missing)",
		 unsent, unanswered);
	tap_ok(!unsent && !unanswered, text);
	tap_ok(link_wait_sent(dev),
	       "frames of sent packets come back although nothing else is sent");

	lab_netdev_stats(dev, &s);
	tap_ok(s.rx_packets == 4096 && s.tx_packets == 2048 && s.tx_completed == 2048 &&
		       s.rx_bytes == peer_bytes(0, 4096) && !s.refused && !s.tx_refused &&
		       !s.missed_dropped && !s.missed_no_frame && !s.missed_ring_full &&
		       !s.invalid_rx && !s.invalid_tx,
	       "statistics say just that");
	tap_ok(lab_netdev_close(dev) == 0, "close takes back all that was lent");
	tap_ok(link_conserved(pool, 0), "the pool is whole");
	tap_ok(lab_pool_destroy(pool) == 0, "and goes");
}

/* Loopback has no XDP of its own and no short MTU: the stack's XDP, and the longest packet. */
static void loopback(struct lab_pool *pool)
{
	struct lab_netdev_config config = {.device = "af_xdp:lo", .pool = pool};
	struct lab_netdev *dev = lab_netdev_open(&config);
	struct lab_packet packets[WINDOW];
	void *frames[WINDOW];
	struct lab_netdev_stats s;
	unsigned n = 0, wrong = 0;

	link_run("ip link set lo up");
	if (!tap_ok(dev != NULL, "an interface without XDP of its own opens")) {
		tap_note("%s", lab_error_text());
		return;
	}
	if (!lab_alloc_bulk(pool, frames, WINDOW, LAB_GFP_ATOMIC)) {
		for (unsigned i = 0; i < WINDOW; i++) {
			packets[i] = (struct lab_packet){frames[i], 256, 3840};
			peer_fill((uint8_t *)frames[i] + 256, 3840, i);
		}
		n = lab_netdev_tx_burst(dev, packets, WINDOW);
		link_free(pool, packets + n, WINDOW - n);
	}
	n = link_receive(dev, packets, WINDOW, 500);
	for (unsigned i = 0; i < n; i++) {
		uint8_t expected[LAB_FRAME_SIZE];

		peer_fill(expected, 3840, i);
		wrong += packets[i].length != 3840 || packets[i].offset != 256 ||
			 memcmp(expected, (uint8_t *)packets[i].frame + 256, 3840);
	}
	tap_ok(n == WINDOW && !wrong,
	       "packets of 3840 bytes, all that fits behind 256, come round");
	link_free(pool, packets, n);
	packets[0] = (struct lab_packet){lab_alloc(pool, LAB_GFP_ZERO), 0, LAB_FRAME_SIZE};
	if (lab_netdev_tx_burst(dev, packets, 1) != 1)
		lab_free(pool, packets[0].frame);
	n = link_receive(dev, packets, 1, 50);
	lab_netdev_stats(dev, &s);
	tap_ok(n == 0 && s.missed_dropped == 1, "a longer one is dropped and counted");
	link_free(pool, packets, n);
	tap_ok(lab_netdev_close(dev) == 0 && link_conserved(pool, 0), "the pool is whole");
	tap_ok(!link_run("ip link show lo | grep -q xdp"), "no XDP program is left");
}

/* A frame goes from device to device without a copy: both ends of the pair, on one pool. */
static void two_devices(struct lab_pool *pool)
{
	struct lab_netdev_config config = {
		.device = "af_xdp:" LINK_B, .pool = pool, .rx_frames = 128};
	struct lab_netdev *a = link_open(pool, 128), *b = lab_netdev_open(&config);
	struct lab_packet packets[WINDOW];
	void *frames[WINDOW];
	unsigned n = 0, wrong = 0;

	if (!tap_ok(a && b, "two devices on one pool"))
		return;
	if (!lab_alloc_bulk(pool, frames, WINDOW, LAB_GFP_ATOMIC)) {
		for (unsigned i = 0; i < WINDOW; i++) {
			packets[i] = (struct lab_packet){frames[i], 64, 100};
			peer_fill((uint8_t *)frames[i] + 64, 100, i);
		}
		n = lab_netdev_tx_burst(b, packets, WINDOW);
		link_free(pool, packets + n, WINDOW - n);
	}
	for (unsigned turn = 0; turn < 100; turn++) {
		struct lab_netdev *from = turn % 2 ? b : a;
		unsigned sent;

		n = link_receive(from, packets, WINDOW, 500);
		sent = lab_netdev_tx_burst(from, packets, n);
		link_free(pool, packets + sent, n - sent);
	}
	n = link_receive(a, packets, WINDOW, 500);
	for (unsigned i = 0; i < n; i++) {
		uint8_t expected[100];

		peer_fill(expected, 100, i);
		wrong += packets[i].length != 100 ||
			 memcmp(expected, (uint8_t *)packets[i].frame + packets[i].offset, 100);
	}
	link_free(pool, packets, n);
	tap_ok(n == WINDOW && !wrong, "64 packets go 50 times to and fro");
	tap_ok(lab_netdev_close(a) == 0 && lab_netdev_close(b) == 0 && link_conserved(pool, 0),
	       "the pool is whole");
}

/* A frame in the fill ring is nobody's to free. */
static void lent_frames(struct lab_pool *pool)
{
	struct lab_netdev *dev = link_open(pool, 128);
	struct lab_packet packets[WINDOW];
	struct lab_pool_stats s;
	uint64_t busy = 0, freed = 0;
	unsigned n;

	lab_pool_stats(pool, &s);
	for (uint64_t i = 0; i < lab_pool_frames(pool); i++) {
		int rc = lab_free(pool, lab_frame_at(pool, (uint32_t)i));

		busy += rc == -EBUSY;
		freed += rc == 0;
	}
	tap_ok(s.lent == 128 && busy == s.lent,
	       "freeing a frame in the fill ring is refused: -EBUSY");
	tap_ok(freed == 0, "and a frame that is free already is refused too");
	for (unsigned i = 0; i < WINDOW; i++)
		peer_send(i);
	n = link_receive(dev, packets, WINDOW, 500);
	tap_ok(n == WINDOW, "traffic does not mind");
	link_free(pool, packets, n);
	tap_ok(lab_netdev_close(dev) == 0 && link_conserved(pool, 0), "the pool is whole");
}

/* The caller keeps everything: the device starves, the kernel drops, and nothing else happens. */
static void exhaustion(struct lab_pool *pool)
{
	struct lab_packet held[128], packets[WINDOW];
	struct lab_netdev *dev = link_open(pool, 128);
	struct lab_netdev_stats s;
	struct lab_pool_stats left;
	static void *rest[65536];
	unsigned n, got = 0;

	n = lab_alloc_burst(pool, rest, 65536, LAB_GFP_NOWAIT);
	for (unsigned i = 0; i < 128; i += WINDOW) {
		for (unsigned j = 0; j < WINDOW; j++)
			peer_send(i + j);
		got += link_receive(dev, held + got, 128 - got < WINDOW ? 128 - got : WINDOW, 500);
	}
	tap_ok(got == 128,
	       "with the pool empty but for its reserve, the frames lent before still receive");
	for (unsigned j = 0; j < 16; j++)
		peer_send(j);
	tap_ok(link_receive(dev, packets, WINDOW, 50) == 0, "then nothing arrives");
	lab_netdev_stats(dev, &s);
	tap_ok(s.rx_no_frame > 0 && s.rx_lent == 0 && s.missed_no_frame == 16 && !s.missed_dropped,
	       "and it is counted, once: empty pool, no frame lent, 16 packets dropped by the "
	       "kernel");
	lab_pool_stats(pool, &left);
	tap_ok(left.reserved > 0 && left.free + left.cached == left.reserved,
	       "and the reserve, which is for what is sent, is whole");

	link_free(pool, held, got);
	lab_netdev_rx_burst(dev, packets, 0);
	for (unsigned j = 0; j < WINDOW; j++)
		peer_send(j);
	got = link_receive(dev, packets, WINDOW, 500);
	tap_ok(got == WINDOW, "frames are freed: traffic recovers");
	link_free(pool, packets, got);
	tap_ok(lab_netdev_close(dev) == 0 && link_conserved(pool, n),
	       "close while the pool is short");
	lab_free_bulk(pool, rest, n);
	tap_ok(link_conserved(pool, 0), "the pool is whole");
}

static void fail_each(struct lab_pool *pool, uint64_t so_many_th)
{
	const struct lab_fault fault = {.every = so_many_th};

	lab_fault_set(pool, LAB_FAULT_ALLOC, &fault);
}

/* Allocations fail at the opening, always, and then every other time: the echo goes on with what
 * the device has, and without loss as soon as it gets some. */
static void failures(struct lab_pool *pool)
{
	struct lab_packet packets[WINDOW];
	struct lab_netdev_stats s;
	struct lab_netdev *dev;
	unsigned got = 0, unanswered = 0, seq = 0;

	fail_each(pool, 1);
	dev = link_open(pool, 128);
	if (!tap_ok(dev != NULL, "a device opens that no frame can be had for"))
		return;
	peer_send(0);
	tap_ok(link_receive(dev, packets, 1, 50) == 0, "nothing arrives");
	lab_netdev_stats(dev, &s);
	tap_ok(s.rx_lent == 0 && s.rx_no_frame > 0 && s.missed_no_frame == 1, "and why is counted");
	fail_each(pool, 2);
	for (unsigned i = 0; i < 4; i++)
		lab_netdev_rx_burst(dev, packets, 0); /* one of two fills some */
	for (unsigned round = 0; round < 64; round++) {
		unsigned n, sent;

		for (unsigned i = 0; i < 16; i++)
			peer_send(seq + i);
		n = link_receive(dev, packets, 16, 500);
		sent = lab_netdev_tx_burst(dev, packets, n);
		link_free(pool, packets + sent, n - sent);
		for (unsigned i = 0; i < sent && !unanswered; i++)
			unanswered += !peer_receive(seq + i);
		got += n;
		seq += 16;
	}
	tap_ok(got == 64 * 16 && !unanswered && lab_fault_count(pool, LAB_FAULT_ALLOC) > 8,
	       "while every other refill fails no packet is lost, and each is answered");
	fail_each(pool, 1);
	tap_ok(lab_netdev_close(dev) == 0 && link_conserved(pool, 0), "the pool is whole");
	lab_fault_set(pool, LAB_FAULT_ALLOC, NULL);
}

/* Packets that are refused stay the caller's, and so do those behind them. */
static void bad_packets(struct lab_pool *pool)
{
	struct lab_netdev *dev = link_open(pool, 128);
	char outside[LAB_FRAME_SIZE];
	void *frame[3];
	struct lab_packet p[3];
	struct lab_netdev_stats s;
	const struct {
		const char *name;
		uint32_t offset, length;
		void *frame;
	} bad[] = {
		{"no length", 256, 0, NULL},
		{"shorter than a header", 256, 13, NULL},
		{"over the end of its frame", 4000, 97, NULL},
		{"an offset that wraps", UINT32_MAX - 10, 64, NULL},
		{"a length that wraps", 64, UINT32_MAX - 10, NULL},
		{"memory of no pool", 0, 64, outside},
		{"the middle of a frame", 0, 64, (void *)1},
		{"a frame twice", 256, 64, (void *)2},
	};

	memset(outside, 0, sizeof(outside));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char text[128];
		unsigned sent;

		if (lab_alloc_bulk(pool, frame, 3, LAB_GFP_ATOMIC))
			break;
		for (unsigned j = 0; j < 3; j++) {
			p[j] = (struct lab_packet){frame[j], 256, 64};
			peer_fill((uint8_t *)frame[j] + 256, 64, j);
		}
		p[1].offset = bad[i].offset;
		p[1].length = bad[i].length;
		if (bad[i].frame == (void *)1)
			p[1].frame = (char *)frame[1] + 1;
		else if (bad[i].frame == (void *)2)
			p[1].frame = frame[0];
		else if (bad[i].frame)
			p[1].frame = bad[i].frame;
		errno = 0;
		sent = lab_netdev_tx_burst(dev, p, 3);
		snprintf(text, sizeof(text), "refused: %s; the packet before it is sent",
			 bad[i].name);
		if (!tap_ok(sent == 1 && errno == EINVAL && *lab_error_text(), text))
			tap_note("%u sent, errno %d: %s", sent, errno, lab_error_text());
		if (lab_free_bulk(pool, frame + 1, 2))
			tap_ok(false, "the caller owns the refused one, and the one behind it");
		peer_receive_any();
	}
	lab_netdev_stats(dev, &s);
	tap_ok(s.tx_refused == sizeof(bad) / sizeof(*bad) && !s.invalid_tx && link_wait_sent(dev),
	       "they are counted, and the kernel saw none of them");
	tap_ok(lab_netdev_close(dev) == 0 && link_conserved(pool, 0), "the pool is whole");
}

/* The kernel is slow to let go of a queue; opening must not be. */
static void reopen(struct lab_pool *pool)
{
	struct lab_packet packets[WINDOW];
	unsigned opened = 0, received = 0;
	double longest = 0;

	for (unsigned i = 0; i < 20; i++) {
		double start = link_now();
		struct lab_netdev *dev = link_open(pool, 0);
		unsigned n;

		if (link_now() - start > longest)
			longest = link_now() - start;
		if (!dev) {
			tap_note("%s", lab_error_text());
			break;
		}
		opened++;
		for (unsigned j = 0; j < 8; j++)
			peer_send(j);
		n = link_receive(dev, packets, 8, 500);
		received += n;
		link_free(pool, packets, n);
		lab_netdev_close(dev);
	}
	tap_note("longest open: %.0f ms", longest * 1e3);
	tap_ok(opened == 20 && received == 160, "closed and opened at once, 20 times");
	tap_ok(link_conserved(pool, 0), "the pool is whole");
}

int main(void)
{
	struct lab_pool_config small = {.name = "small", .frames = 512, .page_size = LAB_PAGE_4K};
	struct lab_pool_config breathes = {
		.frames = 4096, .max_frames = 8192, .flags = LAB_POOL_STEPPED};
	struct lab_pool *pool;

	link_setup();
	traffic("hugepages", (struct lab_pool_config){.frames = 4096});
	traffic("ordinary pages",
		(struct lab_pool_config){.frames = 4096, .page_size = LAB_PAGE_4K});
	traffic("unprotected", (struct lab_pool_config){.frames = 4096,
							.page_size = LAB_PAGE_4K,
							.flags = LAB_POOL_UNPROTECTED});
	traffic("a pool that breathes: copied", breathes);
	pool = lab_pool_create(&small);
	if (tap_ok(pool != NULL, "a pool of 512 frames")) {
		loopback(pool);
		two_devices(pool);
		lent_frames(pool);
		exhaustion(pool);
		failures(pool);
		bad_packets(pool);
		reopen(pool);
		tap_ok(lab_pool_destroy(pool) == 0, "the pool goes");
	}
	breathes.frames = 512;
	breathes.max_frames = 1024;
	pool = lab_pool_create(&breathes);
	if (pool) {
		tap_note("a small pool that breathes");
		loopback(pool);
		two_devices(pool);
		bad_packets(pool);
		reopen(pool);
		tap_ok(lab_pool_destroy(pool) == 0, "the pool goes");
	}
	return tap_done();
}
