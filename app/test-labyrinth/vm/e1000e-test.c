/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The 82574L driver against a peer at the other end of the wire: every length, filters, ownership,
 * exhaustion, domains, two NICs on one pool, waiting.
 *
 *	e1000e-test NIC NIC OTHER
 *
 * OTHER is a function that is not a NIC. The peers are frame-peer, behind both NICs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../net/nic-rig.h"
#include "../net/tap.h"

#define FRAMES 4096

static void test_refusals(struct lab_pool *pool, const char *nic, const char *other)
{
	char device[64];
	struct lab_netdev_config c = {.device = device, .pool = pool};
	bool all = true;

	snprintf(device, sizeof(device), "e1000e:%s", other);
	tap_ok(rig_refused(&c, ENODEV, "not an 82574L (8086:10d3)"), "another device is named");
	snprintf(device, sizeof(device), "e1000e:elephant");
	tap_ok(rig_refused(&c, EINVAL, "elephant"), "what is no address is named");
	snprintf(device, sizeof(device), "e1000e:0000:7f:1f.7");
	tap_ok(rig_refused(&c, ENODEV, "0000:7f:1f.7"), "a function that is not there is named");
	snprintf(device, sizeof(device), "e1000e:%s", other);
	for (int i = 0; i < 3 * LAB_MAX_DEVICES; i++)
		all = all && rig_refused(&c, ENODEV, "not an 82574L");
	tap_ok(all && rig_conserved(pool), "failed opens leave nothing behind in the pool");
	snprintf(device, sizeof(device), "e1000e:%s", nic + strlen("0000:"));
	c.device = device;
	c.rx_frames = LAB_NETDEV_FRAMES_MAX + 1;
	tap_ok(rig_refused(&c, EINVAL, "rx_frames"), "too many frames are named");
}

static void test_open(struct rig *rig, const char *nic)
{
	static const uint8_t mac[LAB_MAC_SIZE] = {0x52, 0x54, 0x00, 0x00, 0x00, 0x10};
	struct lab_netdev_config c = {.pool = rig->pool};
	struct lab_netdev_stats s;
	char device[64];
	uint32_t mbits = 0;

	snprintf(device, sizeof(device), "e1000e:%s", nic);
	tap_ok(!strcmp(lab_netdev_name(rig->dev), device),
	       "its name is the driver and the address");
	tap_ok(!memcmp(rig->mac, mac, sizeof(mac)), "its address is the one in the NVM");
	tap_ok(lab_netdev_link(rig->dev, &mbits) == 1 && mbits == 1000, "its link is up, 1 Gbit/s");
	lab_netdev_stats(rig->dev, &s);
	tap_ok(s.rx_lent == 2048 && s.tx_lent == 0, "2048 frames wait for packets");
	c.device = device;
	tap_ok(rig_refused(&c, EBUSY, nic), "it cannot be opened twice");
}

static void test_lengths(struct rig *rig)
{
	bool right = true;

	for (unsigned length = LAB_PACKET_MIN; length <= 1518 && right; length += 32)
		right = rig_echo(rig, length, length + 32 <= 1519 ? 32 : 1519 - length);
	tap_ok(right, "every length from 14 to 1518 goes out and comes back, byte by byte");
	tap_ok(rig_count(rig, rig->mac, 200, 60) == 200, "200 of the shortest packets arrive");
	tap_ok(rig_count(rig, rig->mac, 200, 1518) == 200, "200 of the longest packets arrive");
	tap_ok(rig_count(rig, rig->mac, 10, 1600) == 0, "packets of 1600 bytes do not");
}

static void test_statistics(struct rig *rig)
{
	struct lab_netdev_stats before, after;
	bool right;

	lab_netdev_stats(rig->dev, &before);
	tap_ok(before.missed_dropped == 10, "and are counted, each once");
	right = rig_echo(rig, 100, 10);
	lab_netdev_rx_burst(rig->dev, NULL, 0);
	lab_netdev_stats(rig->dev, &after);
	tap_ok(right && after.tx_packets - before.tx_packets == 10 &&
		       after.tx_bytes - before.tx_bytes == 1045 &&
		       after.rx_packets - before.rx_packets >= 10 &&
		       after.rx_bytes - before.rx_bytes >= 1045,
	       "packets and bytes are counted");
	tap_ok(after.tx_completed == after.tx_packets && after.tx_lent == 0,
	       "all that was sent is done");
	tap_ok(after.refused == 0 && after.missed_no_frame == 0 && after.tx_full == 0 &&
		       after.tx_refused == 0,
	       "nothing else is counted");
}

static void test_filter(struct rig *rig)
{
	static const uint8_t all[LAB_MAC_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t other[LAB_MAC_SIZE] = {0x52, 0x54, 0x00, 0xab, 0xcd, 0xef};
	static const uint8_t group[LAB_MAC_SIZE] = {0x01, 0x00, 0x5e, 0x01, 0x02, 0x03};
	uint8_t macs[15][LAB_MAC_SIZE] = {{0}};

	tap_ok(rig_count(rig, rig->mac, 10, 100) == 10, "packets to its address are received");
	tap_ok(rig_count(rig, all, 10, 100) == 10, "packets to everybody are received");
	tap_ok(rig_count(rig, other, 10, 100) == 0, "packets to another address are not");
	tap_ok(rig_count(rig, group, 10, 100) == 0, "packets to a group are not");
	tap_ok(lab_netdev_promiscuous(rig->dev, 1) == 0 && rig_count(rig, other, 10, 100) == 10 &&
		       rig_count(rig, group, 10, 100) == 10,
	       "promiscuous, it receives both");
	tap_ok(lab_netdev_promiscuous(rig->dev, 0) == 0 && rig_count(rig, other, 10, 100) == 0 &&
		       rig_count(rig, group, 10, 100) == 0,
	       "and not any more afterwards");
	for (unsigned i = 0; i < 15; i++) {
		memcpy(macs[i], other, LAB_MAC_SIZE);
		macs[i][5] = (uint8_t)i;
	}
	memcpy(macs[12], group, LAB_MAC_SIZE);
	memcpy(macs[13], other, LAB_MAC_SIZE);
	tap_ok(lab_netdev_mac_filter(rig->dev, macs, 15) == -ENOSPC &&
		       strstr(lab_error_text(), "14 addresses") &&
		       rig_count(rig, other, 10, 100) == 0,
	       "15 more addresses are too many: refused, and nothing is changed");
	tap_ok(lab_netdev_mac_filter(rig->dev, macs, 14) == 0 &&
		       rig_count(rig, other, 10, 100) == 10 &&
		       rig_count(rig, group, 10, 100) == 10 &&
		       rig_count(rig, macs[0], 10, 100) == 10,
	       "14 more addresses are received");
	tap_ok(rig_count(rig, macs[14], 10, 100) == 0, "the fifteenth is not");
	tap_ok(lab_netdev_mac_filter(rig->dev, NULL, 0) == 0 &&
		       rig_count(rig, other, 10, 100) == 0 &&
		       rig_count(rig, rig->mac, 10, 100) == 10,
	       "none more: its own address alone again");
}

/* Packets that must not be accepted; what is in order before them is. */
static void test_ownership(struct rig *rig)
{
	struct lab_pool *foreign = rig_pool("foreign", 512);
	struct lab_packet p[2] = {{.frame = lab_alloc(rig->pool, 0), .length = 60},
				  {.frame = lab_alloc(rig->pool, 0), .length = 60}};
	struct lab_packet bad = p[0];
	unsigned refused = 0;

	memset(p[0].frame, 0xff, 60);
	memset(p[1].frame, 0xff, 60);
	bad.length = LAB_PACKET_MIN - 1;
	refused += lab_netdev_tx_burst(rig->dev, &bad, 1) == 0 && errno == EINVAL;
	bad.length = LAB_FRAME_SIZE + 1;
	refused += lab_netdev_tx_burst(rig->dev, &bad, 1) == 0 && errno == EINVAL;
	bad = (struct lab_packet){.frame = p[0].frame, .offset = LAB_FRAME_SIZE - 59, .length = 60};
	refused += lab_netdev_tx_burst(rig->dev, &bad, 1) == 0 && errno == EINVAL;
	bad = (struct lab_packet){.frame = (char *)p[0].frame + 1, .length = 60};
	refused += lab_netdev_tx_burst(rig->dev, &bad, 1) == 0 && errno == EINVAL;
	bad.frame = lab_alloc(foreign, 0);
	refused += lab_netdev_tx_burst(rig->dev, &bad, 1) == 0 && errno == EINVAL;
	tap_ok(refused == 5, "packets outside their frame, or in none of the pool's, are refused");
	lab_free(foreign, bad.frame);
	tap_ok(lab_pool_destroy(foreign) == 0, "and stay their owner's");

	bad = p[0];
	lab_free(rig->pool, p[1].frame);
	p[1].frame = p[0].frame;
	tap_ok(lab_netdev_tx_burst(rig->dev, p, 2) == 1 && errno == EINVAL,
	       "a frame sent twice in one burst: the first is accepted");
	tap_ok(lab_free(rig->pool, bad.frame) == -EBUSY, "a frame on its way cannot be freed");
	lab_netdev_rx_burst(rig->dev, NULL, 0);
	tap_ok(lab_free(rig->pool, bad.frame) == -EALREADY, "and is freed when it is sent");
}

/* What the other frames of the pool are, while they are gone. */
static unsigned take_all(struct lab_pool *pool, void **frames)
{
	unsigned n = 0;

	while (n < FRAMES && (frames[n] = lab_alloc(pool, 0)))
		n++;
	return n;
}

static void test_exhaustion(const char *nic)
{
	static const uint8_t all[LAB_MAC_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const struct lab_netdev_config c = {.rx_frames = 64, .tx_frames = 32};
	struct lab_pool *pool = rig_pool("small", 512);
	struct lab_packet packets[256], out[64];
	void *frames[FRAMES];
	struct lab_netdev_stats s;
	unsigned n, got, sent;
	bool done = false;
	struct rig rig;

	rig_open(&rig, pool, nic, &c);
	rig_request(&rig, all, 200, 300);
	lab_netdev_rx_burst(rig.dev, NULL, 0);
	n = take_all(pool, frames);
	got = rig_receive(&rig, packets, 256, &done);
	lab_netdev_stats(rig.dev, &s);
	tap_ok(got == 64 && !done && s.rx_lent == 0 && s.rx_no_frame > 0,
	       "with an empty pool it receives into the frames that it has, no more");
	rig_free(&rig, packets, got);
	for (unsigned i = 0; i < n; i++)
		lab_free(pool, frames[i]);
	got += rig_receive(&rig, packets, 256, &done);
	tap_ok(got == 200 && done, "with frames again it receives the rest");
	rig_free(&rig, packets, got - 64);

	for (unsigned i = 0; i < 64; i++) {
		out[i] = (struct lab_packet){.frame = lab_alloc(pool, LAB_GFP_ZERO), .length = 60};
		memset(out[i].frame, 0xff, LAB_MAC_SIZE);
	}
	lab_netdev_rx_burst(rig.dev, NULL, 0);
	sent = lab_netdev_tx_burst(rig.dev, out, 64);
	lab_netdev_stats(rig.dev, &s);
	tap_ok(sent == 32 && errno == EAGAIN && s.tx_full == 32 && s.tx_lent == 32,
	       "it accepts as many as it was opened for");
	tap_ok(rig_transmit(&rig, out + 32, 32) == 32, "and the rest when these are sent");
	tap_ok(lab_netdev_close(rig.dev) == 0 && rig_conserved(pool), "closed, no frame is lost");
	tap_ok(lab_pool_destroy(pool) == 0, "the pool can be destroyed");
}

/* Until all is sent; nothing is fetched. */
static bool settle(struct rig *rig, unsigned unfetched)
{
	struct lab_netdev_stats s;

	for (unsigned i = 0; i < 2000; i++) {
		lab_netdev_rx_burst(rig->dev, NULL, 0);
		lab_netdev_stats(rig->dev, &s);
		if (!s.tx_lent)
			return s.tx_unfetched == unfetched;
		lab_netdev_wait(rig->dev, 1);
	}
	return false;
}

/* Frames of sent packets that are given back, and closed with some that were not fetched. */
static void test_returned(const char *nic, enum lab_domain_mode mode)
{
	const struct lab_domain_config config = {.name = "returned", .mode = mode};
	const struct lab_netdev_config c = {.domain = lab_domain_create(&config),
					    .rx_frames = 64,
					    .tx_frames = 32,
					    .flags = LAB_NETDEV_TX_RETURN};
	struct lab_pool *pool = rig_pool("returned", 512);
	struct lab_packet out[33];
	struct lab_pool_stats s;
	void *back[33];
	unsigned sent, got;
	struct rig rig;
	bool right;

	rig_open(&rig, pool, nic, &c);
	for (unsigned i = 0; i < 33; i++) {
		out[i] = (struct lab_packet){.frame = lab_alloc(pool, LAB_GFP_ZERO), .length = 60};
		memset(out[i].frame, 0xff, LAB_MAC_SIZE);
	}
	sent = lab_netdev_tx_burst(rig.dev, out, 32);
	right = sent == 32 && settle(&rig, 32);
	sent = lab_netdev_tx_burst(rig.dev, out + 32, 1);
	tap_ok(right && sent == 0 && errno == EAGAIN && lab_free(pool, out[0].frame) == -EBUSY,
	       "sent and not fetched, frames are the device's, and it is full");
	got = lab_netdev_tx_done(rig.dev, back, 12);
	right = got == 12;
	for (unsigned i = 0; i < got; i++)
		right = right && back[i] == out[i].frame;
	tap_ok(right && lab_netdev_tx_burst(rig.dev, out, 8) == 8 && settle(&rig, 28),
	       "twelve are fetched in order, and eight of them sent again");
	tap_ok(lab_netdev_close(rig.dev) == 0, "it is closed with 28 unfetched");
	lab_pool_stats(pool, &s);
	tap_ok(s.held == 5 && s.lent == 0 && lab_free(pool, out[32].frame) == 0 &&
		       lab_free_bulk(pool, back + 8, 4) == 0 && rig_conserved(pool),
	       "which frees all but those that are the caller's");
	tap_ok(lab_domain_destroy(c.domain) == 0 && lab_pool_destroy(pool) == 0,
	       "domain and pool can be destroyed");
}

static void test_domain(struct lab_pool *pool, const char *nic, enum lab_domain_mode mode,
			const char *name)
{
	const struct lab_domain_config config = {.name = name, .mode = mode};
	struct lab_netdev_config c = {.domain = lab_domain_create(&config), .rx_frames = 128};
	struct lab_domain_stats first = {0}, then = {0};
	struct rig rig;
	bool right = true;
	char text[128];

	for (int i = 0; i < 3; i++) {
		rig_open(&rig, pool, nic, &c);
		right = right && rig_echo(&rig, 64, 32) &&
			rig_count(&rig, rig.mac, 100, 700) == 100;
		right = right && lab_netdev_close(rig.dev) == 0;
		lab_domain_stats(c.domain, &then);
		if (i == 0)
			first = then;
	}
	snprintf(text, sizeof(text), "three times in a %s domain of the caller's", name);
	tap_ok(right && rig_conserved(pool), text);
	snprintf(text, sizeof(text), "which has no more in it the third time: %s", name);
	tap_ok(then.entries == first.entries && then.bytes == first.bytes && then.devices == 0 &&
		       lab_domain_iova(c.domain, pool, lab_pool_memory(pool, NULL)) !=
			       LAB_ADDR_NONE,
	       text);
	tap_ok(lab_domain_destroy(c.domain) == 0, "and can be destroyed");
}

/* Received on one NIC, sent on the other, in the frame it came in. */
static void test_pair(struct lab_pool *pool, const char *nic0, const char *nic1)
{
	const struct lab_domain_config config = {.name = "pair"};
	const struct lab_netdev_config c = {.domain = lab_domain_create(&config), .rx_frames = 256};
	struct lab_packet packets[128], back[128];
	struct rig a, b;
	unsigned n, sent, got;
	bool right;

	rig_open(&a, pool, nic0, &c);
	rig_open(&b, pool, nic1, &c);
	right = rig_request(&a, a.mac, 100, 500);
	n = rig_receive(&a, packets, 100, NULL);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *frame = (uint8_t *)packets[i].frame + packets[i].offset;

		memset(frame, 0xff, LAB_MAC_SIZE);
		memcpy(frame + LAB_MAC_SIZE, b.mac, LAB_MAC_SIZE);
		frame[12] = PEER_TYPE >> 8;
		frame[13] = PEER_TYPE & 0xff;
		frame[PEER_OP] = PEER_ECHO;
	}
	sent = rig_transmit(&b, packets, n);
	got = rig_receive(&b, back, sent, NULL);
	for (unsigned i = 0; i < got; i++) {
		const uint8_t *frame = (const uint8_t *)back[i].frame + back[i].offset;

		right = right && back[i].length == 500;
		for (uint32_t k = PEER_OP + 1; right && k < 500; k++)
			right = frame[k] == peer_byte(i, k);
	}
	rig_free(&b, back, got);
	tap_note("%u received, %u sent, %u came back", n, sent, got);
	tap_ok(right && n == 100 && got == 100,
	       "two NICs in one domain: received by one, sent by the other, without a copy");
	tap_ok(lab_netdev_close(a.dev) == 0 && lab_netdev_close(b.dev) == 0 && rig_conserved(pool),
	       "both closed, no frame is lost");
	tap_ok(lab_domain_destroy(c.domain) == 0, "their domain is empty");
}

/* The n-th call of one kind fails, until none is left. */
static bool opens_in_the_end(struct lab_pool *pool, const char *nic, struct lab_pool *of,
			     enum lab_fault_point point, unsigned *failed)
{
	struct lab_netdev_config c = {.pool = pool};
	struct lab_fault fault = {.nth = 0};
	struct lab_netdev *dev = NULL;
	char device[64];

	snprintf(device, sizeof(device), "e1000e:%s", nic);
	c.device = device;
	for (*failed = 0; !dev && fault.nth++ < 100; *failed += !dev) {
		if (lab_fault_set(of, point, &fault))
			return false;
		errno = 0;
		dev = lab_netdev_open(&c);
		if (!dev && (errno != ENOMEM || !lab_error_text()[0])) {
			tap_note("call %llu: errno %d, %s", (unsigned long long)fault.nth, errno,
				 lab_error_text());
			return false;
		}
		lab_fault_set(of, point, NULL);
		if (dev && lab_netdev_close(dev))
			return false;
		if (!rig_conserved(pool))
			return false;
	}
	return dev != NULL;
}

static void test_faults(struct lab_pool *pool, const char *nic)
{
	unsigned failed;
	bool good = opens_in_the_end(pool, nic, NULL, LAB_FAULT_MAP, &failed);

	tap_note("%u runs could not be mapped", failed);
	tap_ok(good && failed, "each mapping of a run fails once: nothing is left, then it works");
	good = opens_in_the_end(pool, nic, NULL, LAB_FAULT_CREATE, &failed);
	tap_note("%u steps could not be made", failed);
	tap_ok(good && failed, "so does each step that asks the system");
	good = opens_in_the_end(pool, nic, pool, LAB_FAULT_MAP, &failed);
	tap_ok(good && failed, "and the mapping of the pool");
}

static void test_reopening(struct lab_pool *pool, const char *nic)
{
	struct lab_packet late[64];
	bool right = true;
	struct rig rig;
	unsigned n;

	for (int i = 0; i < 20 && right; i++) {
		rig_open(&rig, pool, nic, NULL);
		/* Closed with packets still under way, both ways. */
		rig_request(&rig, rig.mac, 100, 200);
		if (i % 2)
			rig_free(&rig, late, rig_receive(&rig, late, 20, NULL));
		right = lab_netdev_close(rig.dev) == 0 && rig_conserved(pool);
	}
	tap_ok(right, "opened and closed 20 times in traffic, no frame is lost");
	rig_open(&rig, pool, nic, NULL);
	/* What the peer still sent meanwhile comes first. */
	do {
		n = rig_receive(&rig, late, 64, NULL);
		rig_free(&rig, late, n);
	} while (n);
	tap_ok(rig_echo(&rig, 60, 64), "and it works");
	lab_netdev_close(rig.dev);
}

static void test_wait(struct rig *rig)
{
	struct lab_packet packets[32];
	bool done = false;
	unsigned n = 0;
	int rc = 1;

	/* Some of the host's own packets may come in between. */
	for (int i = 0; i < 100 && rc; i++) {
		n = lab_netdev_rx_burst(rig->dev, packets, 32);
		rig_free(rig, packets, n);
		rc = n ? 1 : lab_netdev_wait(rig->dev, 0);
	}
	tap_ok(rc == 0, "nothing has arrived: a wait of no time says so");
	rig_request(rig, rig->mac, 1, 100);
	lab_netdev_rx_burst(rig->dev, NULL, 0);
	for (int i = 0; i < 100 && rc == 0; i++)
		rc = lab_netdev_wait(rig->dev, -1);
	tap_ok(rc == 1 && lab_netdev_rx_burst(rig->dev, packets, 1) == 1,
	       "a wait without end ends with a packet");
	rig_free(rig, packets, 1);
	rig_free(rig, packets, rig_receive(rig, packets, 32, &done));
}

int main(int argc, char **argv)
{
	struct lab_pool *pool;
	struct rig rig;

	if (argc != 4) {
		fprintf(stderr, "usage: e1000e-test NIC NIC OTHER\n");
		return 2;
	}
	pool = rig_pool("test", FRAMES);
	test_refusals(pool, argv[1], argv[3]);
	test_domain(pool, argv[1], LAB_DOMAIN_GUARDED, "guarded");
	test_domain(pool, argv[1], LAB_DOMAIN_PREMAPPED, "premapped");
	test_domain(pool, argv[1], LAB_DOMAIN_STRICT, "strict");
	test_pair(pool, argv[1], argv[2]);
	test_exhaustion(argv[1]);
	test_returned(argv[1], LAB_DOMAIN_GUARDED);
	test_returned(argv[1], LAB_DOMAIN_STRICT);
	test_faults(pool, argv[1]);
	test_reopening(pool, argv[1]);
	rig_open(&rig, pool, argv[1], NULL);
	test_open(&rig, argv[1]);
	test_lengths(&rig);
	test_statistics(&rig);
	test_filter(&rig);
	test_ownership(&rig);
	test_wait(&rig);
	tap_ok(lab_netdev_close(rig.dev) == 0 && rig_conserved(pool), "closed, no frame is lost");
	return tap_done();
}
