/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * LAB_NETDEV_TX_RETURN over AF_XDP: the frames of sent packets come back to who sent them,
 * unchanged, and the packets can be sent again. The same over a pool of fixed size and over one
 * that breathes, whose packets are copied.
 */
#include <errno.h>
#include <string.h>

#include <labyrinth/lab_keeper.h>
#include <labyrinth/labyrinth.h>

#include "link.h"
#include "tap.h"

#define ROOM 64u /* frames each way */

static struct lab_netdev *open_returning(struct lab_pool *pool)
{
	const struct lab_netdev_config config = {.device = "af_xdp:" LINK_A,
						 .pool = pool,
						 .rx_frames = ROOM,
						 .tx_frames = ROOM,
						 .flags = LAB_NETDEV_TX_RETURN};
	struct lab_netdev *dev = lab_netdev_open(&config);

	if (!tap_ok(dev != NULL, "a device that gives frames back"))
		tap_note("%s", lab_error_text());
	return dev;
}

static unsigned fill(struct lab_pool *pool, struct lab_packet *packets, unsigned n)
{
	void *frames[128];

	if (lab_alloc_bulk(pool, frames, n, LAB_GFP_ATOMIC))
		return 0;
	for (unsigned i = 0; i < n; i++) {
		packets[i] = (struct lab_packet){frames[i], 256 + 8 * i, 100};
		peer_fill((uint8_t *)frames[i] + packets[i].offset, 100, i);
	}
	return n;
}

static bool unchanged(const struct lab_packet *packet, unsigned seq)
{
	uint8_t expected[100];

	peer_fill(expected, sizeof(expected), seq);
	return memcmp(expected, (uint8_t *)packet->frame + packet->offset, sizeof(expected)) == 0;
}

/* Until the device has sent what it has; nothing is fetched. */
static bool settle(struct lab_netdev *dev, unsigned unfetched)
{
	struct lab_netdev_stats s;
	bool sent = link_wait_sent(dev);

	lab_netdev_stats(dev, &s);
	return sent && s.tx_unfetched == unfetched;
}

static unsigned reach_peer(unsigned n)
{
	unsigned got = 0;

	while (got < n && peer_receive_any())
		got++;
	return got;
}

/* Full, because nobody fetches; then fetched, bit by bit, and sent again. */
static void there_and_back(struct lab_pool *pool)
{
	unsigned receiving = lab_pool_breathes(pool) ? 0 : ROOM;
	struct lab_netdev *dev = open_returning(pool);
	struct lab_packet packets[ROOM + 1];
	struct lab_netdev_stats s;
	void *back[ROOM + 1];
	unsigned got;
	bool right;

	if (!dev)
		return;
	right = fill(pool, packets, ROOM + 1) && lab_netdev_tx_burst(dev, packets, ROOM) == ROOM;
	tap_ok(right && reach_peer(ROOM) == ROOM && settle(dev, ROOM),
	       "as many as there is room for");
	tap_ok(link_split(pool, receiving, ROOM), "sent or not, reports show them as to be sent");
	for (unsigned i = 0; i < ROOM; i++)
		right = right && lab_free(pool, packets[i].frame) == -EBUSY;
	tap_ok(right, "until they are fetched they are the device's: -EBUSY");
	got = lab_netdev_tx_burst(dev, packets + ROOM, 1);
	right = got == 0 && errno == EAGAIN;
	lab_netdev_stats(dev, &s);
	tap_ok(right && s.tx_full == 1, "and nothing more is accepted: EAGAIN");
	got = lab_netdev_tx_done(dev, back, 10);
	right = got == 10;
	for (unsigned i = 0; i < got; i++)
		right = right && back[i] == packets[i].frame && unchanged(&packets[i], i);
	tap_ok(right && settle(dev, ROOM - 10), "ten are fetched, in order, and are as they were");
	tap_ok(lab_netdev_tx_burst(dev, packets, 10) == 10 && reach_peer(10) == 10,
	       "their packets are sent once more, from where they are");
	got = lab_netdev_tx_burst(dev, packets, 1);
	tap_ok(got == 0 && errno == EAGAIN && settle(dev, ROOM), "and it is full again");
	got = lab_netdev_tx_done(dev, back, ROOM + 1);
	right = got == ROOM;
	for (unsigned i = 0; i < got; i++)
		right = right && back[i] == packets[(10 + i) % ROOM].frame;
	tap_ok(right && lab_netdev_tx_done(dev, back, ROOM) == 0, "all are fetched, once each");
	tap_ok(link_split(pool, receiving, 0), "the device has none any more");
	link_free(pool, packets, ROOM + 1);
	tap_ok(lab_netdev_close(dev) == 0 && link_conserved(pool, 0), "the pool is whole");
}

/* As a stack does it: what it keeps goes out again and again, some at a time. */
static void again_and_again(struct lab_pool *pool)
{
	struct lab_netdev *dev = open_returning(pool);
	struct lab_packet packets[ROOM], burst[ROOM];
	unsigned sent = 0, arrived = 0, out[ROOM] = {0}, wrong = 0;
	void *back[ROOM];

	if (!dev || !fill(pool, packets, ROOM))
		return;
	for (unsigned round = 0; round < 500; round++) {
		unsigned n = 0, most = 1 + round % 23, first = round * 7 % ROOM, did;

		for (unsigned i = 0; i < ROOM && n < most; i++) {
			if (!out[(first + i) % ROOM])
				burst[n++] = packets[(first + i) % ROOM];
		}
		did = lab_netdev_tx_burst(dev, burst, n);
		for (unsigned i = 0; i < ROOM; i++) {
			for (unsigned k = 0; k < did; k++)
				out[i] += burst[k].frame == packets[i].frame;
		}
		sent += did;
		arrived += reach_peer(did);
		n = lab_netdev_tx_done(dev, back, 1 + round % 31);
		for (unsigned k = 0; k < n; k++) {
			unsigned i = 0;

			while (i < ROOM && packets[i].frame != back[k])
				i++;
			wrong += i == ROOM || out[i] != 1 || !unchanged(&packets[i], i);
			if (i < ROOM)
				out[i] = 0;
		}
	}
	tap_ok(sent > 2000 && arrived == sent, "64 packets are sent again and again");
	if (!tap_ok(!wrong, "only what is out comes back, once and unchanged"))
		tap_note("%u of %u sent", wrong, sent);
	/* Closed with all that is out, sent or not. */
	for (unsigned i = 0; i < ROOM; i++)
		wrong += !out[i] && lab_free(pool, packets[i].frame) != 0;
	tap_ok(!wrong && lab_netdev_close(dev) == 0 && link_conserved(pool, 0),
	       "close frees what was not fetched");
}

/* Of packets that cannot leave, of some that have left, and of some that were fetched. */
static void closed_while_down(struct lab_pool *pool)
{
	struct lab_netdev *dev = open_returning(pool);
	struct lab_packet packets[30];
	void *back[10];
	bool right;

	if (!dev || !fill(pool, packets, 30))
		return;
	right = lab_netdev_tx_burst(dev, packets, 20) == 20 && reach_peer(20) == 20 &&
		settle(dev, 20) && lab_netdev_tx_done(dev, back, 10) == 10;
	link_run("ip link set " LINK_A " down");
	right = right && lab_netdev_tx_burst(dev, packets + 20, 10) == 10;
	tap_ok(right, "ten fetched, ten not, and ten that cannot leave");
	tap_ok(lab_netdev_close(dev) == 0 && link_conserved(pool, 10),
	       "the close frees all but those fetched");
	tap_ok(lab_free_bulk(pool, back, 10) == 0 && link_conserved(pool, 0),
	       "and these are the caller's to free");
	link_run("ip link set " LINK_A " up");
	link_settle();
}

static void without_the_flag(struct lab_pool *pool)
{
	struct lab_netdev *dev = link_open(pool, ROOM);
	struct lab_packet packets[8];
	struct lab_netdev_stats s;
	void *back[8];
	bool right;

	if (!tap_ok(dev && fill(pool, packets, 8), "a device that frees what it has sent"))
		return;
	right = lab_netdev_tx_burst(dev, packets, 8) == 8 && reach_peer(8) == 8 && settle(dev, 0);
	tap_ok(right && lab_netdev_tx_done(dev, back, 8) == 0 && errno == EINVAL &&
		       strstr(lab_error_text(), "LAB_NETDEV_TX_RETURN"),
	       "it gives nothing back, and says what to open it with");
	lab_netdev_stats(dev, &s);
	tap_ok(s.tx_completed == 8 && link_split(pool, s.rx_lent, 0), "and has freed them");
	tap_ok(lab_netdev_close(dev) == 0 && link_conserved(pool, 0), "the pool is whole");
}

static void all(const char *name, const struct lab_pool_config *config)
{
	struct lab_pool *pool = lab_pool_create(config);

	tap_note("%s", name);
	if (!pool) {
		printf("ok %u - %s # SKIP %s\n", ++tap_tests, name, lab_error_text());
		return;
	}
	there_and_back(pool);
	again_and_again(pool);
	closed_while_down(pool);
	if (!lab_pool_breathes(pool))
		without_the_flag(pool);
	tap_ok(lab_pool_destroy(pool) == 0, "the pool goes");
}

int main(void)
{
	const struct lab_pool_config fixed = {
		.name = "fixed", .frames = 512, .page_size = LAB_PAGE_4K};
	const struct lab_pool_config breathing = {
		.name = "breathing", .frames = 512, .max_frames = 1024, .flags = LAB_POOL_STEPPED};

	link_setup();
	all("a pool of fixed size", &fixed);
	all("a pool that breathes: copied", &breathing);
	return tap_done();
}
