/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The e1000e driver's rings without a device: this program is the device, and does also what no
 * emulated one does. Knows the driver's private header, and replaces the library's devices.
 */
#include <errno.h>
#include <string.h>

#include <labyrinth/labyrinth.h>

#include "../../../drivers/net/e1000e/e1000e.h"
#include "tap.h"

#define RX_MAX 40u
#define TX_MAX 80u
#define IOVA   0x100000000ull

/* ---- the library's devices, as far as the rings call them ---- */

static struct lab_pool *pool;
static int number;
static enum lab_device_status status;
static unsigned kept; /* take-backs to refuse */

enum lab_device_status lab_device_status(const struct lab_device *dev)
{
	return status;
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
	if (kept && n) {
		kept--;
		return 0;
	}
	return lab_take_back(p, number, frames, n);
}

int lab_device_note_sending(struct lab_device *dev, struct lab_pool *p, uint32_t n)
{
	return lab_note_sending(p, number, n);
}

/* ---- the device's side ---- */

static uint32_t regs[0x1000];
static struct e1000e x = {.netdev = {.name = "e1000e:test"}, .regs = regs};
static uint32_t rdh, tdh; /* the heads, as the device has them */

static void make_ring(struct e1000e_ring *ring, uint32_t frames)
{
	ring->size = frames + RING_MULTIPLE;
	ring->desc = calloc(ring->size, sizeof(*ring->desc));
	ring->frames = calloc(ring->size, sizeof(*ring->frames));
}

static uint32_t tail(uint32_t reg)
{
	return regs[reg / sizeof(regs[0])];
}

/* Writes one descriptor back; false where the driver has given none. */
static bool receive(uint32_t length, uint64_t flags)
{
	struct e1000e_desc *d = &x.rx.desc[rdh];

	if (rdh == tail(REG_RDT))
		return false;
	if (length <= E1000E_RX_BUFFER)
		memset(x.pool->base + (d->addr - IOVA), (int)rdh, length);
	d->word = length | flags | DESC_DD;
	rdh = (rdh + 1) % x.rx.size;
	return true;
}

/* Sends what the driver has queued, at most @most; how many packets. */
static unsigned transmit(unsigned most)
{
	unsigned n = 0;

	for (; tdh != tail(REG_TDT) && n < most; n++, tdh = (tdh + 1) % x.tx.size) {
		if (x.tx.desc[tdh].word & TX_RS)
			x.tx.desc[tdh].word |= DESC_DD;
	}
	return n;
}

static unsigned burst(struct lab_packet *packets, unsigned n)
{
	return lab_e1000e_rx_burst(&x.netdev, packets, n);
}

static void give_back(const struct lab_packet *packets, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		lab_free(pool, packets[i].frame);
}

static bool all_home(void)
{
	struct lab_pool_stats s;

	lab_pool_stats(pool, &s);
	return s.free + s.cached == s.total;
}

/* Whether reports tell apart what the device has of each ring. */
static bool told(void)
{
	struct lab_holder holder[LAB_HOLDERS_MAX];
	int n = lab_pool_holders(pool, holder, LAB_HOLDERS_MAX);

	return n > 0 && holder[n - 1].receiving == x.rx_lent &&
	       holder[n - 1].sending == x.tx_lent + x.done.n;
}

/* ---- tests ---- */

static void test_receive(void)
{
	struct lab_packet p[128];
	unsigned n = 0, got;
	bool right = true;

	lab_e1000e_refill(&x);
	tap_ok(x.rx_lent == RX_MAX && tail(REG_RDT) == RX_MAX && !lab_e1000e_has_packet(&x),
	       "as many frames are lent as were asked for, and the device is told");
	tap_ok(x.rx.desc[0].addr ==
		       IOVA + E1000E_HEADROOM + (uint64_t)((char *)x.rx.frames[0] - pool->base),
	       "a descriptor has the device's address, behind the headroom");
	tap_ok(burst(p, 32) == 0, "nothing has arrived");
	/* Some rounds over the ring's end, in bursts that do not divide it. */
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < 1 + round % 37; i++)
			right = right && receive(60 + i, RX_EOP);
		got = burst(p, 128);
		right = right && got == 1 + round % 37;
		for (unsigned i = 0; i < got; i++, n++)
			right = right && p[i].offset == E1000E_HEADROOM && p[i].length == 60 + i &&
				((uint8_t *)p[i].frame)[p[i].offset] == (uint8_t)(n % x.rx.size);
		give_back(p, got);
	}
	tap_ok(right && x.stats.rx_packets == n && x.rx_lent <= RX_MAX,
	       "what arrives is returned once, in order, many times around");
}

static void test_bad_packets(void)
{
	const uint64_t errors[] = {1ull << 40, 1ull << 41, 1ull << 42, 1ull << 44, 1ull << 47};
	uint64_t before = x.stats.missed_dropped;
	struct lab_packet p[64];

	for (unsigned i = 0; i < 5; i++)
		receive(100, RX_EOP | errors[i]);
	receive(101, RX_EOP | 1ull << 45 | 1ull << 46); /* TCP and IP sums: not looked at */
	tap_ok(burst(p, 64) == 1 && p[0].length == 101 && x.stats.missed_dropped - before == 5,
	       "packets with errors are dropped and counted");
	give_back(p, 1);
	receive(E1000E_RX_BUFFER + 1, RX_EOP);
	receive(0xffff, RX_EOP);
	receive(0, RX_EOP);
	receive(LAB_PACKET_MIN - 1, RX_EOP);
	receive(E1000E_RX_BUFFER, RX_EOP);
	tap_ok(burst(p, 64) == 1 && p[0].length == E1000E_RX_BUFFER &&
		       x.stats.missed_dropped - before == 9,
	       "a length that cannot be is not believed");
	give_back(p, 1);
	receive(E1000E_RX_BUFFER, 0);
	receive(E1000E_RX_BUFFER, 0);
	tap_ok(burst(p, 64) == 0 && x.stats.missed_dropped - before == 10,
	       "the beginning of a packet that is too long is dropped");
	receive(E1000E_RX_BUFFER, 0);
	receive(77, RX_EOP);
	receive(78, RX_EOP);
	tap_ok(burst(p, 64) == 1 && p[0].length == 78 && x.stats.missed_dropped - before == 10,
	       "and its rest, counted once; the next packet is whole");
	give_back(p, 1);
}

static unsigned make_packets(struct lab_packet *p, unsigned n, uint32_t length)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (struct lab_packet){.frame = lab_alloc(pool, 0), .length = length};
	return n;
}

static void test_transmit(void)
{
	struct lab_packet p[128];
	unsigned sent = 0, done = 0;
	bool right = true, reported = true;

	for (unsigned round = 0; round < 200; round++) {
		unsigned n = make_packets(p, 1 + round % 79, 60);
		unsigned got = lab_e1000e_tx_burst(&x.netdev, p, n);

		if (got < n)
			right = right && errno == EAGAIN && x.tx_lent == TX_MAX;
		for (unsigned i = 0; i < got; i++)
			right = right && lab_free(pool, p[i].frame) == -EBUSY;
		give_back(p + got, n - got);
		sent += got;
		done += transmit(1 + round * 7 % 50);
		burst(NULL, 0);
		right = right && x.tx_lent <= TX_MAX && x.tx_lent >= sent - done;
		reported = reported && told();
	}
	tap_ok(right && sent > 1000, "frames on their way are the device's, and at most tx_frames");
	tap_ok(reported, "reports tell them from those to receive into");
	done += transmit(1000);
	burst(NULL, 0);
	tap_ok(done == sent && x.tx_lent == 0 && x.stats.tx_completed == sent &&
		       x.stats.tx_packets == sent,
	       "all that was sent is freed, by the report of each burst's last");
}

/* ---- frames that come back to who sent them ---- */

static unsigned fetch(void **frames, unsigned n)
{
	return lab_e1000e_tx_done(&x.netdev, frames, n);
}

/* Fetched now and then, in numbers that divide nothing: in order, once each, and never too many. */
static void test_returned(void)
{
	static void *queue[1 << 15];
	void *back[TX_MAX];
	struct lab_packet p[128];
	unsigned sent = 0, fetched = 0, full = 0;
	bool right = true, reported = true;

	for (unsigned round = 0; round < 400; round++) {
		unsigned n = make_packets(p, 1 + round % 79, 60);
		unsigned got = lab_e1000e_tx_burst(&x.netdev, p, n);

		if (got < n) {
			right = right && errno == EAGAIN && x.tx_lent + x.done.n == TX_MAX;
			full++;
		}
		for (unsigned i = 0; i < got; i++)
			queue[sent++] = p[i].frame;
		give_back(p + got, n - got);
		transmit(1 + round * 7 % 50);
		burst(NULL, 0);
		right = right && x.tx_lent + x.done.n <= TX_MAX;
		reported = reported && told();
		if (round % 3 == 0)
			continue;
		n = fetch(back, 1 + round * 5 % TX_MAX);
		for (unsigned i = 0; i < n; i++, fetched++)
			right = right && back[i] == queue[fetched] && lab_free(pool, back[i]) == 0;
		reported = reported && told();
	}
	transmit(1000);
	while (fetched < sent && fetch(back, 1) && back[0] == queue[fetched])
		right = right && lab_free(pool, queue[fetched++]) == 0;
	tap_ok(right && sent > 1000 && full > 10,
	       "frames of sent packets come back in order, and count until they are fetched");
	tap_ok(fetched == sent && fetch(back, TX_MAX) == 0 && x.tx_lent == 0, "all of them, once");
	tap_ok(reported, "until then reports show them as to be sent");
}

static void test_returned_trouble(void)
{
	struct lab_packet p[TX_MAX];
	struct lab_pool_stats s;
	void *back[TX_MAX];
	uint64_t before = x.stats.refused;
	unsigned n;
	bool right;

	make_packets(p, TX_MAX, 60);
	lab_e1000e_tx_burst(&x.netdev, p, TX_MAX);
	tap_ok(fetch(back, TX_MAX) == 0, "what has not been sent does not come back");
	transmit(TX_MAX);
	burst(NULL, 0);
	right = x.done.n == TX_MAX && x.tx_lent == 0;
	for (unsigned i = 0; i < TX_MAX; i++)
		right = right && lab_free(pool, p[i].frame) == -EBUSY;
	tap_ok(right && lab_e1000e_tx_burst(&x.netdev, p, 1) == 0 && errno == EAGAIN,
	       "unfetched, they are the device's, and nothing more is accepted");
	kept = 2;
	n = fetch(back, 10);
	tap_ok(n == 8 && back[0] == p[2].frame && x.stats.refused - before == 2,
	       "those that the pool does not take back are left out, and counted");
	status = LAB_DEVICE_GONE;
	n += fetch(back + n, 10);
	status = LAB_DEVICE_PRESENT;
	tap_ok(n == 18 && back[17] == p[19].frame, "they come back from a device that is gone");
	make_packets(p, 8, 60);
	n -= lab_e1000e_tx_burst(&x.netdev, p, 8) == 8 ? 0 : 100; /* there is room again */
	lab_e1000e_free_done(&x);
	lab_e1000e_recall(&x, true);
	lab_pool_stats(pool, &s);
	tap_ok(n == 18 && s.held == 18 && s.lent == 0,
	       "at the end all are free but those that were fetched");
	lab_free_bulk(pool, back, 18);
	tap_ok(all_home(), "and these can be freed");
}

static void test_short_packets(void)
{
	struct lab_packet p[2];
	uint8_t *frame;

	make_packets(p, 2, LAB_PACKET_MIN);
	frame = p[0].frame;
	memset(frame, 0xaa, LAB_FRAME_SIZE);
	memset(p[1].frame, 0xaa, LAB_FRAME_SIZE);
	p[1].offset = LAB_FRAME_SIZE - LAB_PACKET_MIN;
	lab_e1000e_tx_burst(&x.netdev, p, 2);
	tap_ok((x.tx.desc[tdh].word & 0xffff) == 17 && frame[13] == 0xaa && frame[14] == 0 &&
		       frame[16] == 0 && frame[17] == 0xaa,
	       "a packet that the device could not pad is padded in its frame");
	tdh = (tdh + 1) % x.tx.size;
	tap_ok(x.tx.desc[tdh].addr == IOVA + (uint64_t)((char *)p[1].frame - pool->base) &&
		       ((uint8_t *)p[1].frame)[14] == 0,
	       "at its frame's end it moves to the start");
	transmit(2);
	burst(NULL, 0);
}

static void test_trouble(void)
{
	struct lab_packet p[64];
	unsigned n;

	for (unsigned i = 0; i < 10; i++)
		receive(100 + i, RX_EOP);
	kept = 3;
	n = burst(p, 64);
	tap_ok(n == 7 && p[0].length == 103 && x.stats.refused == 3,
	       "frames that the pool does not take back are no packets, and counted");
	give_back(p, n);
	receive(100, RX_EOP);
	for (status = LAB_DEVICE_LEAVING; status <= LAB_DEVICE_GONE; status++) {
		make_packets(p, 2, 60);
		errno = 0;
		tap_ok(burst(p + 2, 32) == 0 && lab_e1000e_tx_burst(&x.netdev, p, 2) == 0 &&
			       errno == ENODEV && lab_e1000e_check(&x) == -ENODEV,
		       status == LAB_DEVICE_LEAVING ? "a device that is to leave: no bursts, ENODEV"
						    : "a device that is gone: likewise");
		give_back(p, 2);
	}
	status = LAB_DEVICE_PRESENT;
	make_packets(p, 20, 60);
	lab_e1000e_tx_burst(&x.netdev, p, 20);
	lab_e1000e_recall(&x, true);
	tap_ok(all_home() && x.rx_lent == 0 && x.tx_lent == 0,
	       "a recall brings all home, also those that were refused");
}

static void order(enum lab_fault_point point, uint64_t every)
{
	const struct lab_fault fault = {.every = every};

	lab_fault_set(pool, point, &fault);
}

/* Refills that get nothing, or too little: the ring runs low, and dry, and fills up again. */
static void test_no_frames(void)
{
	struct lab_packet p[64];
	struct lab_pool_stats s;
	unsigned arrived = 0, got = 0, dry = 0;
	bool right = true, short_of;
	uint64_t before = x.stats.rx_no_frame;

	for (unsigned round = 0; round < 2000; round++) {
		unsigned n = 1 + round % 11, sent, m = 0;

		if (round % 100 == 0)
			order(LAB_FAULT_ALLOC,
			      1 + round / 100 % 3); /* also all of them, for long */
		if (round % 100 == 50)
			lab_fault_set(pool, LAB_FAULT_ALLOC, NULL);
		while (m < n && receive(100, RX_EOP))
			m++;
		arrived += m;
		dry += m < n;
		n = burst(p, 64);
		right = right && n == m;
		got += n;
		/* The echo goes on with what has come. */
		sent = lab_e1000e_tx_burst(&x.netdev, p, n);
		give_back(p + sent, n - sent);
		transmit(100);
		lab_pool_stats(pool, &s);
		right = right && s.held == 0 && s.lent == x.rx_lent + x.tx_lent;
	}
	lab_fault_set(pool, LAB_FAULT_ALLOC, NULL);
	short_of = x.stats.rx_no_frame > before &&
		   lab_fault_count(pool, LAB_FAULT_ALLOC) == x.stats.rx_no_frame - before;
	tap_ok(right && got == arrived && got > 5000,
	       "without frames for a refill no packet is lost");
	tap_ok(short_of && dry > 0, "the ring ran dry, and each failure is counted");
	while (burst(p, 64))
		;
	tap_ok(x.rx_lent * 2 >= x.rx_max, "and filled up again at the next call");
	order(LAB_FAULT_REFILL, 1);
	lab_lcore_drain(pool);
	while (receive(100, RX_EOP))
		;
	got = burst(p, 64);
	tap_ok(got > 0 && x.rx_lent == 0, "with nothing in the depot it is empty");
	give_back(p, got);
	lab_fault_set(pool, LAB_FAULT_REFILL, NULL);
	burst(p, 64);
	tap_ok(x.rx_lent == RX_MAX, "and full when there is something");
}

/* The reserve is for what is sent: refills leave it alone. */
static void test_reserve(void)
{
	static void *rest[512];
	struct lab_packet p[64];
	struct lab_pool_stats s;
	unsigned kept = 0, got;

	while (kept < 512 && (rest[kept] = lab_alloc(pool, LAB_GFP_NOWAIT)))
		kept++;
	do {
		while (receive(100, RX_EOP))
			;
		got = burst(p, 64);
		for (unsigned i = 0; i < got; i++)
			rest[kept++] = p[i].frame;
	} while (got);
	lab_pool_stats(pool, &s);
	tap_ok(s.reserved > 0 && s.free + s.cached == s.reserved && x.rx_lent == 0,
	       "short of frames, the ring runs dry and leaves the pool its reserve");
	lab_free_bulk(pool, rest, kept);
	burst(p, 64);
	tap_ok(x.rx_lent == RX_MAX, "and it fills up when there are more");
}

int main(void)
{
	const struct lab_pool_config config = {
		.name = "rings", .frames = 512, .flags = LAB_POOL_FALLBACK};

	pool = lab_pool_create(&config);
	if (!pool)
		tap_skip_all(lab_error_text());
	number = lab_device_register(pool, "e1000e:test");
	x.pool = pool;
	x.rx_max = RX_MAX;
	x.tx_max = TX_MAX;
	make_ring(&x.rx, RX_MAX);
	make_ring(&x.tx, TX_MAX);
	x.tx_last = calloc(x.tx.size, sizeof(*x.tx_last));
	x.stuck = calloc((lab_pool_frames(pool) + 63) / 64, sizeof(*x.stuck));
	test_receive();
	test_bad_packets();
	test_transmit();
	test_short_packets();
	test_no_frames();
	test_reserve();
	test_trouble();
	if (lab_netdev_done_make(&x.done, TX_MAX))
		return EXIT_FAILURE;
	lab_e1000e_refill(&x);
	test_returned();
	test_returned_trouble();
	tap_ok(lab_device_release(pool, number) == 0 && lab_pool_destroy(pool) == 0,
	       "nothing is lent, the pool can be destroyed");
	free(x.rx.desc);
	free(x.rx.frames);
	free(x.tx.desc);
	free(x.tx.frames);
	free(x.tx_last);
	free(x.stuck);
	free(x.done.frames);
	return tap_done();
}
