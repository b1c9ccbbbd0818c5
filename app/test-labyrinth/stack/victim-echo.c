/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The echo example's answers as a victim. While a packet is looked at, the rest of its frame is out
 * of bounds, for AddressSanitizer to see.
 */
#include <inttypes.h>
#include <string.h>

#include "reply.h"
#include "tap.h"
#include "victim.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define BURST 32u

static struct responder r;
static struct lab_pool *pool;
static struct lab_netdev *dev;

static int start(struct lab_pool *p, struct lab_netdev *d, const struct hostile_target *t)
{
	pool = p;
	dev = d;
	memset(&r, 0, sizeof(r));
	memcpy(r.mac, t->mac, 6);
	memcpy(r.ip, t->ip, 4);
	r.port = t->ports[1];
	return 0;
}

static bool guarded_reply(struct lab_packet *p)
{
	uint8_t *frame = p->frame;
	uint32_t end = p->offset + p->length;
	bool answer;

	ASAN_POISON_MEMORY_REGION(frame, p->offset);
	ASAN_POISON_MEMORY_REGION(frame + end, LAB_FRAME_SIZE - end);
	answer = reply(&r, frame + p->offset, &p->length);
	ASAN_UNPOISON_MEMORY_REGION(frame, LAB_FRAME_SIZE);
	return answer;
}

static unsigned turn(void)
{
	struct lab_packet packets[BURST];
	unsigned n = lab_netdev_rx_burst(dev, packets, BURST), answers = 0, sent;

	for (unsigned i = 0; i < n; i++) {
		struct lab_packet p = packets[i];

		if (guarded_reply(&p))
			packets[answers++] = p;
		else
			lab_free(pool, p.frame);
	}
	sent = lab_netdev_tx_burst(dev, packets, answers);
	while (sent < answers)
		lab_free(pool, packets[sent++].frame);
	return n;
}

static uint64_t held(void)
{
	return 0;
}

static void say(void)
{
	tap_note("echo: arp=%" PRIu64 " icmp=%" PRIu64 " udp=%" PRIu64 " ignored=%" PRIu64
		 " bad=%" PRIu64 " bad_checksum=%" PRIu64,
		 r.arp, r.icmp, r.udp, r.ignored, r.bad, r.bad_checksum);
}

static int end(void)
{
	return 0;
}

const struct victim victim_echo = {
	.name = "echo", .start = start, .turn = turn, .held = held, .say = say, .end = end};
