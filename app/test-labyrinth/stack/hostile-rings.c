/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Generated frames, a million of them, through the e1000e driver's rings into a victim: nothing
 * crashes, no packet and no frame is lost, and an honest ping is answered, meanwhile and after.
 * Needs no device and no privilege; the build to run is one with -Db_sanitize=address,undefined.
 *
 *	hostile-rings VICTIM [COUNT [SEED]]
 *
 * VICTIM is echo (examples/echo) or lwip (examples/lwip-httpd), or
 * lwip-copied, which differs in that no packet stays in its frame. TAP on stdout. The same seed is
 *the same run.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "hostile-build.h"
#include "hostile-known.h"
#include "ring-rig.h"
#include "tap.h"
#include "victim.h"

#define FRAMES      4096u
#define RX_FRAMES   256u
#define TX_FRAMES   256u
#define HONEST      2u /* the last byte of the honest client's addresses */
#define CHECKPOINTS 20u
#define PATIENCE    20000u /* turns of a millisecond until an honest ping has its answer */
#define AGAIN       1000u  /* until it is sent again */
#define KNOWN_TURNS 20u
#define GONE        200000u /* milliseconds */
#define STUCK_S     20u     /* a turn that takes so long will never end */

uint32_t victim_clock;

static const struct hostile_target target = {
	.mac = {2, 0, 0, 0, 0, 1},
	.ip = {10, 77, 0, 1},
	.ip6 = {0xfd, 0, 0x77, [15] = 1},
	.ports = {80, 7},
	.spare = HONEST,
};

static struct hostile h;
static const struct victim *victim;
static struct lab_pool *pool;
static struct lab_netdev *dev;

/* ---- an honest client ---- */

static struct {
	bool v6, answered;
	uint8_t data[64];
} honest;

static struct hostile_host honest_host(void)
{
	static const uint8_t honest_mac[6] = {2, 'h', 'o', 'n', 'e', 's'};
	struct hostile_host host = hostile_host(&h, HONEST);

	memcpy(host.mac, honest_mac, 6);
	return host;
}

static void honest_ping(void)
{
	struct hostile_host from = honest_host();
	uint8_t frame[128], *icmp = frame + hostile_segment(honest.v6);
	uint32_t n;

	memset(icmp, 0, 8);
	icmp[0] = honest.v6 ? 128 : 8;
	memcpy(icmp + 8, honest.data, sizeof(honest.data));
	n = hostile_carry(&h, frame, &from, honest.v6, honest.v6 ? PROTO_ICMP6 : PROTO_ICMP,
			  8 + sizeof(honest.data));
	memcpy(frame, target.mac, 6);
	memcpy(frame + 6, from.mac, 6);
	ring_rig_receive(frame, n);
}

/* Its address was asked for. */
static void honest_answer(bool v6)
{
	static const uint8_t answer[8] = {0, 1, 8, 0, 6, 4, 0, 2};
	struct hostile_host from = honest_host();
	uint8_t frame[128] = {0}, *p = frame + (v6 ? hostile_segment(true) : ETH_HEADER);
	uint32_t n = ETH_HEADER + 28;

	if (v6) {
		p[0] = 136; /* a neighbour's advertisement, solicited */
		p[4] = 0x60;
		memcpy(p + 8, from.ip6, 16);
		p[24] = 2;
		p[25] = 1;
		memcpy(p + 26, from.mac, 6);
		n = hostile_carry(&h, frame, &from, true, PROTO_ICMP6, 32);
	} else {
		memcpy(p, answer, 8);
		memcpy(p + 8, from.mac, 6);
		memcpy(p + 14, from.ip, 4);
		memcpy(p + 18, target.mac, 6);
		memcpy(p + 24, target.ip, 4);
		put16(frame + 12, TYPE_ARP);
	}
	memcpy(frame, target.mac, 6);
	memcpy(frame + 6, from.mac, 6);
	ring_rig_receive(frame, n);
}

static void honest_hears(const uint8_t *frame, uint32_t length)
{
	struct hostile_host me = honest_host();
	uint32_t at = hostile_segment(honest.v6);

	if (length >= 42 && get16(frame + 12) == TYPE_ARP && get16(frame + 20) == 1 &&
	    !memcmp(frame + 38, me.ip, 4))
		honest_answer(false);
	else if (length >= 78 && get16(frame + 12) == TYPE_IP6 && frame[54] == 135 &&
		 !memcmp(frame + 62, me.ip6, 16))
		honest_answer(true);
	else if (length == at + 8 + sizeof(honest.data) && !memcmp(frame, me.mac, 6) &&
		 get16(frame + 12) == (honest.v6 ? TYPE_IP6 : TYPE_IP4) &&
		 frame[at] == (honest.v6 ? 129 : 0) &&
		 !memcmp(frame + at + 8, honest.data, sizeof(honest.data)))
		honest.answered = true;
}

/* ---- the wire ---- */

static void heard(void *arg, const uint8_t *frame, uint32_t length)
{
	honest_hears(frame, length);
	hostile_hear(&h, frame, length);
}

static void turn(void)
{
	alarm(STUCK_S);
	victim->turn();
	ring_rig_send(heard, NULL);
	victim_clock++;
}

static bool pinged(bool v6)
{
	honest.v6 = v6;
	honest.answered = false;
	hostile_bytes(&h, honest.data, sizeof(honest.data));
	for (unsigned i = 0; i < PATIENCE && !honest.answered; i++) {
		if (i % AGAIN == 0)
			honest_ping();
		turn();
	}
	return honest.answered;
}

static void attack(uint64_t count)
{
	static uint8_t frame[HOSTILE_FRAME_MAX];

	while (count) {
		uint32_t n = 1 + hostile_below(&h, 48);

		for (; n && count; n--, count--) {
			uint32_t length = hostile_next(&h, frame, sizeof(frame));

			if (length <= 2048 && hostile_chance(&h, 2))
				ring_rig_lie(frame, length,
					     (enum ring_rig_lie)hostile_below(&h, RIG_LIES));
			else
				ring_rig_receive(frame, length);
		}
		turn();
		if (hostile_chance(&h, 1)) /* now and then nothing happens for a while */
			victim_clock += hostile_below(&h, 2000);
	}
	for (unsigned i = 0; i < 2 * RX_FRAMES; i++) /* what is on the ring */
		turn();
}

/* ---- what must hold ---- */

/* All has been sent that was to be sent, and the clock stands still: nothing new comes up. */
static void settle(void)
{
	for (unsigned i = 0; i < 100 && (!i || ring_rig_sending()); i++) {
		turn();
		victim_clock--;
	}
}

/* Each frame is free, in the victim's hands or the driver's, and the tables say so, too. */
static bool conserved(uint64_t held, uint64_t lent)
{
	struct lab_pool_stats s;
	int rc = lab_pool_validate(pool);

	lab_pool_stats(pool, &s);
	if (!rc && s.held == held && s.lent == lent &&
	    s.free + s.cached + s.held + s.lent == s.total)
		return true;
	tap_note("total %" PRIu64 ", free %" PRIu64 ", cached %" PRIu64 ", held %" PRIu64
		 " (%" PRIu64 " known), lent %" PRIu64 " (%" PRIu64 " known); %s",
		 s.total, s.free, s.cached, s.held, held, s.lent, lent,
		 rc ? lab_error_text() : "the tables agree");
	return false;
}

static bool counted(void)
{
	struct ring_rig_counts c;
	struct lab_netdev_stats s;

	ring_rig_counts(&c);
	lab_netdev_stats(dev, &s);
	tap_note("the device: %" PRIu64 " good, %" PRIu64 " bad, %" PRIu64
		 " without a frame; the driver: %" PRIu64 " handed out, %" PRIu64
		 " dropped, %" PRIu64 " frames refused",
		 c.good, c.bad, c.missed, s.rx_packets, s.missed_dropped, s.refused);
	return c.good == s.rx_packets && c.bad == s.missed_dropped && !s.refused;
}

/* What has done harm before does none any more. */
static void known(void)
{
	static uint8_t frame[HOSTILE_FRAME_MAX];
	uint64_t held = victim->held();

	for (unsigned i = 0; hostile_known_name(i); i++) {
		uint32_t length;
		bool right;

		for (unsigned step = 0; (length = hostile_known(&h, i, step, frame)); step++) {
			ring_rig_receive(frame, length);
			for (unsigned t = 0; t < KNOWN_TURNS; t++) {
				turn();
				for (; h.train; h.train--) /* the victim has asked for an address */
					ring_rig_receive(h.trains[h.train - 1].bytes,
							 h.trains[h.train - 1].length);
			}
		}
		right = pinged(false) && (!victim->v6 || pinged(true));
		tap_ok(right, hostile_known_name(i));
	}
	for (unsigned t = 0; t < GONE; t++) /* until its connections have been given up */
		turn();
	settle();
	tap_ok(conserved(victim->held(), ring_rig_lent()) && victim->held() == held,
	       "and none of these is kept");
}

static void run(uint64_t count)
{
	unsigned conserved_at = 0, answered = 0, answered6 = 0;

	tap_ok(pinged(false), "an honest ping is answered before");
	known();
	for (unsigned i = 0; i < CHECKPOINTS; i++) {
		attack(count / CHECKPOINTS + (i < count % CHECKPOINTS));
		settle();
		conserved_at += conserved(victim->held(), ring_rig_lent());
		answered += pinged(false);
		answered6 += victim->v6 && pinged(true);
	}
	hostile_print(&h, stdout, "# ");
	victim->say();
	tap_ok(conserved_at == CHECKPOINTS,
	       "at each of 20 looks every frame was where it should be");
	tap_note("%u of %u", answered, CHECKPOINTS);
	tap_ok(answered == CHECKPOINTS, "and an honest ping was answered");
	if (victim->v6) {
		tap_note("%u of %u", answered6, CHECKPOINTS);
		tap_ok(answered6 == CHECKPOINTS, "over IPv6, too");
	}
	tap_ok(counted(),
	       "every packet was handed out or dropped as its descriptor said, and counted");
}

int main(int argc, char **argv)
{
	const struct lab_pool_config config = {
		.name = "hostile", .frames = FRAMES, .flags = LAB_POOL_FALLBACK};
	const struct victim *const victims[] = {
		&victim_echo,
#ifdef HAVE_LWIP
		&victim_lwip,
		&victim_lwip_copied,
#endif
	};
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000000;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;

	for (unsigned i = 0; i < sizeof(victims) / sizeof(*victims); i++) {
		if (argc > 1 && argc <= 4 && !strcmp(argv[1], victims[i]->name))
			victim = victims[i];
	}
	if (!victim) {
		fprintf(stderr,
			"usage: hostile-rings echo|lwip|lwip-copied [COUNT [SEED]]; lwip needs a "
			"build with lwIP\n");
		return 2;
	}
	tap_note("%" PRIu64 " frames to %s, seed %" PRIu64, count, victim->name, seed);
	pool = lab_pool_create(&config);
	dev = pool ? ring_rig_open(pool, target.mac, RX_FRAMES, TX_FRAMES, victim->flags) : NULL;
	if (!tap_ok(dev != NULL, "there is a pool, and a device on it")) {
		tap_note("%s", lab_error_text());
		return tap_done();
	}
	hostile_start(&h, &target, seed);
	if (!tap_ok(!victim->start(pool, dev, &target), "it starts"))
		return tap_done();
	run(count);
	tap_ok(!victim->end(), "it ends, and lets go of all it had");
	tap_ok(!ring_rig_close() && conserved(0, 0), "every frame is free");
	tap_ok(!lab_pool_destroy(pool), "and the pool can be destroyed");
	return tap_done();
}
