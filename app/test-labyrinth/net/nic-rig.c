/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A NIC with frame-peer at the other end of its wire.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "nic-rig.h"
#include "tap.h"

#define PATIENCE  2.0 /* seconds */
#define ECHO_MAX  64u
#define SHORTEST  60u /* a packet that is padded to 64 bytes on the wire, without its checksum */
#define WORDS_MAX 200

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void bail(const char *what)
{
	printf("Bail out! %s: %s\n", what, lab_error_text());
	exit(EXIT_FAILURE);
}

struct lab_pool *rig_pool(const char *name, uint64_t frames)
{
	const struct lab_pool_config config = {.name = name, .frames = frames};
	struct lab_pool *pool = lab_pool_create(&config);

	if (!pool)
		bail(name);
	return pool;
}

void rig_open(struct rig *rig, struct lab_pool *pool, const char *address,
	      const struct lab_netdev_config *config)
{
	struct lab_netdev_config c = config ? *config : (struct lab_netdev_config){0};
	char device[64];

	snprintf(device, sizeof(device), "e1000e:%s", address);
	c.device = device;
	c.pool = pool;
	rig->pool = pool;
	rig->dev = lab_netdev_open(&c);
	if (!rig->dev)
		bail(device);
	lab_netdev_mac(rig->dev, rig->mac);
}

bool rig_refused(const struct lab_netdev_config *config, int err, const char *words)
{
	struct lab_netdev *dev;

	errno = 0;
	dev = lab_netdev_open(config);
	if (!dev && errno == err && strstr(lab_error_text(), words))
		return true;
	tap_note("errno %d, wanted %d; \"%s\", wanted \"%s\"", errno, err, lab_error_text(), words);
	lab_netdev_close(dev);
	return false;
}

bool rig_conserved(struct lab_pool *pool)
{
	struct lab_pool_stats s;

	lab_pool_stats(pool, &s);
	if (s.free + s.cached == s.total && !s.lent && !s.held)
		return true;
	tap_note("total %llu, free %llu, cached %llu, held %llu, lent %llu",
		 (unsigned long long)s.total, (unsigned long long)s.free,
		 (unsigned long long)s.cached, (unsigned long long)s.held,
		 (unsigned long long)s.lent);
	return false;
}

unsigned rig_transmit(struct rig *rig, const struct lab_packet *packets, unsigned n)
{
	double end = now() + PATIENCE;
	unsigned sent = 0;

	while (sent < n && now() < end) {
		sent += lab_netdev_tx_burst(rig->dev, packets + sent, n - sent);
		if (sent < n && errno != EAGAIN) {
			tap_note("tx_burst: %s", lab_error_text());
			break;
		}
	}
	return sent;
}

static void address(uint8_t *frame, const uint8_t *to, const uint8_t *from)
{
	memcpy(frame, to, LAB_MAC_SIZE);
	memcpy(frame + LAB_MAC_SIZE, from, LAB_MAC_SIZE);
	frame[12] = PEER_TYPE >> 8;
	frame[13] = PEER_TYPE & 0xff;
}

static const uint8_t everybody[LAB_MAC_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static bool tell(struct rig *rig, enum peer_op op, const uint8_t *to, unsigned count,
		 unsigned length)
{
	struct lab_packet p = {.frame = lab_alloc(rig->pool, LAB_GFP_ZERO), .length = SHORTEST};
	uint8_t *frame = p.frame;

	if (!frame)
		return false;
	address(frame, everybody, rig->mac);
	frame[PEER_OP] = (uint8_t)op;
	memcpy(frame + PEER_TO, to, LAB_MAC_SIZE);
	frame[PEER_COUNT] = (uint8_t)(count >> 8);
	frame[PEER_COUNT + 1] = (uint8_t)count;
	frame[PEER_LENGTH] = (uint8_t)(length >> 8);
	frame[PEER_LENGTH + 1] = (uint8_t)length;
	if (rig_transmit(rig, &p, 1) == 1)
		return true;
	lab_free(rig->pool, frame);
	return false;
}

bool rig_request(struct rig *rig, const uint8_t to[LAB_MAC_SIZE], uint16_t count, uint16_t length)
{
	return tell(rig, PEER_SEND, to, count, length);
}

bool rig_quit(struct rig *rig)
{
	return tell(rig, PEER_QUIT, everybody, 0, 0);
}

unsigned rig_type(const struct lab_packet *p)
{
	const uint8_t *frame = (const uint8_t *)p->frame + p->offset;

	return (unsigned)frame[12] << 8 | frame[13];
}

unsigned rig_receive(struct rig *rig, struct lab_packet *packets, unsigned n, bool *done)
{
	double end = now() + PATIENCE;
	unsigned kept = 0;

	while (kept < n && now() < end && !(done && *done)) {
		unsigned from = kept, got = lab_netdev_rx_burst(rig->dev, packets + kept, n - kept);

		for (unsigned i = from; i < from + got; i++) {
			const struct lab_packet p = packets[i];
			const uint8_t *frame = (const uint8_t *)p.frame + p.offset;

			if (done && rig_type(&p) == PEER_TYPE && frame[PEER_OP] == PEER_DONE)
				*done = true;
			if (rig_type(&p) == PEER_TYPE_SENT)
				packets[kept++] = p;
			else
				lab_free(rig->pool, p.frame);
		}
		if (kept > from)
			end = now() + PATIENCE;
		if (!got && lab_netdev_wait(rig->dev, 50) < 0)
			break;
	}
	return kept;
}

void rig_free(struct rig *rig, const struct lab_packet *packets, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		lab_free(rig->pool, packets[i].frame);
}

static bool is_from_peer(const struct lab_packet *p, const uint8_t *to, uint32_t seq,
			 uint32_t length)
{
	const uint8_t *frame = (const uint8_t *)p->frame + p->offset;

	if (p->length != (length < SHORTEST ? SHORTEST : length) || memcmp(frame, to, 6) != 0) {
		tap_note("packet %u has %u bytes, wanted %u", seq, p->length, length);
		return false;
	}
	for (uint32_t i = PEER_HEADER; i < length; i++) {
		if (frame[i] != peer_byte(seq, i)) {
			tap_note("packet %u differs at byte %u", seq, i);
			return false;
		}
	}
	return true;
}

int rig_count(struct rig *rig, const uint8_t to[LAB_MAC_SIZE], uint16_t count, uint16_t length)
{
	struct lab_packet packets[256];
	bool done = false, right = true;
	unsigned n;

	if (count >= 256 || !rig_request(rig, to, count, length))
		return -1;
	n = rig_receive(rig, packets, 256, &done);
	for (unsigned i = 0; i < n; i++)
		right = right && is_from_peer(&packets[i], to, i, length);
	rig_free(rig, packets, n);
	if (!done)
		tap_note("the peer did not say that it was done");
	return done && right ? (int)n : -1;
}

/* Byte @i of the frame of @length bytes that rig_echo() sends. */
static uint8_t byte_at(unsigned length, unsigned i)
{
	return i == PEER_OP ? PEER_ECHO : (uint8_t)(length * 13 + i * 5 + (i >> 7));
}

static bool is_echo(const struct lab_packet *p, const uint8_t *mac, unsigned length)
{
	const uint8_t *frame = (const uint8_t *)p->frame + p->offset;
	unsigned whole = length < SHORTEST ? SHORTEST : length;

	if (p->length != whole || memcmp(frame, mac, LAB_MAC_SIZE) != 0) {
		tap_note("an echo of %u bytes has %u", length, p->length);
		return false;
	}
	for (unsigned i = PEER_HEADER; i < whole; i++) {
		if (frame[i] != (i < length ? byte_at(length, i) : 0)) {
			tap_note("an echo of %u bytes differs at byte %u", length, i);
			return false;
		}
	}
	return true;
}

bool rig_echo(struct rig *rig, unsigned first, unsigned n)
{
	struct lab_packet out[ECHO_MAX], in[ECHO_MAX];
	unsigned sent, got;
	bool right = n <= ECHO_MAX;

	for (unsigned k = 0; right && k < n; k++) {
		unsigned length = first + k;
		uint8_t *frame = lab_alloc(rig->pool, 0);

		if (!frame)
			bail("a frame to send");
		/* All over the frame, up to its last byte. */
		out[k] = (struct lab_packet){.frame = frame,
					     .offset = k % 4 == 3 ? LAB_FRAME_SIZE - length
								  : length * 37 % 2048,
					     .length = length};
		address(frame + out[k].offset, everybody, rig->mac);
		for (unsigned i = PEER_HEADER; i < length; i++)
			frame[out[k].offset + i] = byte_at(length, i);
	}
	if (!right)
		return false;
	sent = rig_transmit(rig, out, n);
	rig_free(rig, out + sent, n - sent);
	got = rig_receive(rig, in, sent, NULL);
	for (unsigned k = 0; k < got; k++)
		right = right && is_echo(&in[k], rig->mac, first + k);
	rig_free(rig, in, got);
	if (got != n)
		tap_note("%u of %u frames from %u bytes on came back", got, n, first);
	return right && got == n;
}
