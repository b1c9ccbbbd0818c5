/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The hot loops, as a template: a subject's file defines the six calls below and includes this file
 * once, so that each loop is compiled with that subject's calls inlined, and all with the same
 *flags.
 *
 *	static inline bool subj_alloc(struct lane *, void **frame);
 *	static inline bool subj_free(struct lane *, void *frame);
 *	static inline bool subj_alloc_bulk(struct lane *, void **frames, unsigned n);
 *	static inline bool subj_free_bulk(struct lane *, void **frames, unsigned n);
 *	static inline uint64_t subj_iova(struct lane *, void *frame);
 *	static inline uint64_t subj_iova_any(struct lane *, void *frame);
 *
 * Each returns false where an allocation found nothing or a free was refused: that voids the
 *figure. Burst sizes are variables to the compiler, as they are in a driver. No loop touches a
 *frame.
 */
#include "lane.h"
#include "subject.h"

/* A call that must not fail did: no figure, and nobody may wait for this lane. */
static void __attribute__((noinline, cold)) loop_fail(struct lane *lane)
{
	__atomic_store_n(&lane->failed, true, __ATOMIC_RELAXED);
	__atomic_store_n(lane->stop, true, __ATOMIC_RELAXED);
}

static void loop_ping(struct lane *lane)
{
	for (uint64_t i = 0; i < lane->steps; i++) {
		void *frame;

		if (!subj_alloc(lane, &frame))
			return loop_fail(lane);
		keep(frame);
		if (!subj_free(lane, frame))
			return loop_fail(lane);
		keep(frame);
	}
	lane->frames += lane->steps;
}

static void loop_burst(struct lane *lane)
{
	void **held = lane->held;
	unsigned n = lane->n;

	for (uint64_t i = 0; i < lane->steps; i++) {
		if (!subj_alloc_bulk(lane, held, n))
			return loop_fail(lane);
		keep(held);
		if (!subj_free_bulk(lane, held, n))
			return loop_fail(lane);
		keep(held);
	}
	lane->frames += lane->steps * n;
}

static void loop_held(struct lane *lane)
{
	void **held = lane->held;
	unsigned n = lane->n;

	for (uint64_t i = 0; i < lane->steps; i++) {
		for (unsigned at = 0; at < HELD_FRAMES; at += n) {
			if (!subj_alloc_bulk(lane, held + at, n))
				return loop_fail(lane);
			keep(held);
		}
		for (unsigned at = 0; at < HELD_FRAMES; at += n) {
			if (!subj_free_bulk(lane, held + at, n))
				return loop_fail(lane);
			keep(held);
		}
	}
	lane->frames += lane->steps * HELD_FRAMES;
}

static void loop_random(struct lane *lane)
{
	const uint16_t *order = lane->orders->random;
	void **held = lane->held;

	for (uint64_t i = 0; i < lane->steps; i++) {
		for (unsigned at = 0; at < RANDOM_HELD; at++) {
			if (!subj_alloc(lane, &held[at]))
				return loop_fail(lane);
			keep(held);
		}
		for (unsigned at = 0; at < RANDOM_HELD; at++) {
			if (!subj_free(lane, held[order[at]]))
				return loop_fail(lane);
			keep(held);
		}
	}
	lane->frames += lane->steps * RANDOM_HELD;
}

/* Bursts enter a ring of descriptors at its head and leave at its tail in other sizes. */
static void loop_fifo(struct lane *lane)
{
	const struct orders *orders = lane->orders;
	void **held = lane->held;
	unsigned head = 0, tail = 0, in_use = 0, a = 0, f = 0;
	unsigned n;

	for (uint64_t i = 0; i < lane->steps; i++) {
		n = orders->fifo_alloc[a];
		if (!subj_alloc_bulk(lane, held + head, n))
			return loop_fail(lane);
		keep(held);
		a = a + 1 == orders->fifo_allocs ? 0 : a + 1;
		head = (head + n) % FIFO_SLOTS;
		in_use += n;
		while (in_use >= FIFO_HELD + orders->fifo_free[f]) {
			n = orders->fifo_free[f];
			if (!subj_free_bulk(lane, held + tail, n))
				return loop_fail(lane);
			keep(held);
			f = f + 1 == orders->fifo_frees ? 0 : f + 1;
			tail = (tail + n) % FIFO_SLOTS;
			in_use -= n;
			lane->frames += n;
		}
	}
	for (; in_use; in_use--, tail = (tail + 1) % FIFO_SLOTS)
		if (!subj_free(lane, held[tail]))
			return loop_fail(lane);
}

static void loop_rx(struct lane *lane)
{
	struct relay *relay = lane->relay;
	uint64_t head = __atomic_load_n(&relay->head, __ATOMIC_RELAXED);

	for (uint64_t i = 0; i < lane->steps; i++) {
		while (head - relay->tail_seen == RELAY_BURSTS) {
			/* acquire: TX has read the burst before its slot is filled again */
			relay->tail_seen = __atomic_load_n(&relay->tail, __ATOMIC_ACQUIRE);
			if (head - relay->tail_seen < RELAY_BURSTS)
				break;
			if (lane_stopped(lane))
				return;
			cpu_relax();
		}
		if (!subj_alloc_bulk(lane, relay->burst[head % RELAY_BURSTS], BURST))
			return loop_fail(lane);
		/* release: the pointers are written before TX sees the burst */
		__atomic_store_n(&relay->head, ++head, __ATOMIC_RELEASE);
	}
}

static void loop_tx(struct lane *lane)
{
	struct relay *relay = lane->relay;
	uint64_t tail = __atomic_load_n(&relay->tail, __ATOMIC_RELAXED);

	for (uint64_t i = 0; i < lane->steps; i++) {
		while (tail == relay->head_seen) {
			/* acquire: pairs with RX's release of the burst */
			relay->head_seen = __atomic_load_n(&relay->head, __ATOMIC_ACQUIRE);
			if (tail != relay->head_seen)
				break;
			if (lane_stopped(lane))
				return;
			cpu_relax();
		}
		if (!subj_free_bulk(lane, relay->burst[tail % RELAY_BURSTS], BURST))
			return loop_fail(lane);
		/* release: the pointers are read before RX may overwrite them */
		__atomic_store_n(&relay->tail, ++tail, __ATOMIC_RELEASE);
	}
	lane->frames += lane->steps * BURST;
}

/*
 * loop_held() until told to stop, looking after each call: one may take many milliseconds. Counts a
 * frame when it is allocated and again when it is freed, so that a slow lane's last pass counts.
 */
static void loop_crowd(struct lane *lane)
{
	void **held = lane->held;
	unsigned n = lane->n, top, at;

	while (!lane_stopped(lane)) {
		for (top = 0; top < HELD_FRAMES && !lane_stopped(lane); top += n) {
			if (!subj_alloc_bulk(lane, held + top, n))
				return loop_fail(lane);
			keep(held);
			lane->frames += n;
		}
		for (at = 0; at < top; at += n) {
			if (!subj_free_bulk(lane, held + at, n))
				return loop_fail(lane);
			keep(held);
			if (!lane_stopped(lane))
				lane->frames += n;
		}
	}
}

/* The same with each call timed, from the end of the one before it. */
static void loop_crowd_timed(struct lane *lane)
{
	void **held = lane->held;
	unsigned n = lane->n, top, at;
	uint64_t then = cycles_fenced(), now;

	while (!lane_stopped(lane)) {
		for (top = 0; top < HELD_FRAMES && !lane_stopped(lane); top += n) {
			if (!subj_alloc_bulk(lane, held + top, n))
				return loop_fail(lane);
			now = cycles_fenced();
			histogram_add(&lane->hist, now - then);
			then = now;
		}
		for (at = 0; at < top; at += n) {
			if (!subj_free_bulk(lane, held + at, n))
				return loop_fail(lane);
			now = cycles_fenced();
			histogram_add(&lane->hist, now - then);
			then = now;
		}
	}
}

static void loop_latency(struct lane *lane)
{
	void **held = lane->held;
	uint64_t then, now;
	bool ok;

	for (uint64_t i = 0; i < lane->steps; i++) {
		for (unsigned at = 0; at < HELD_FRAMES; at++) {
			then = cycles_fenced();
			ok = subj_alloc(lane, &held[at]);
			now = cycles_fenced();
			histogram_add(&lane->hist, now - then);
			if (!ok)
				return loop_fail(lane);
		}
		for (unsigned at = 0; at < HELD_FRAMES; at++) {
			then = cycles_fenced();
			ok = subj_free(lane, held[at]);
			now = cycles_fenced();
			histogram_add(&lane->hist, now - then);
			if (!ok)
				return loop_fail(lane);
		}
	}
	lane->frames += lane->steps * HELD_FRAMES;
}

static void loop_iova(struct lane *lane)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < lane->steps; i++)
		for (uint64_t at = 0; at < lane->held_n; at++)
			sum += subj_iova(lane, lane->held[at]);
	lane->check = sum;
	lane->frames += lane->steps * lane->held_n;
}

static void loop_iova_any(struct lane *lane)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < lane->steps; i++)
		for (uint64_t at = 0; at < lane->held_n; at++)
			sum += subj_iova_any(lane, lane->held[at]);
	lane->check = sum;
	lane->frames += lane->steps * lane->held_n;
}

/* Not timed: take up to steps frames one by one, and put them in random order. */
static void loop_take(struct lane *lane)
{
	uint64_t n = 0, seed = 0x9e3779b97f4a7c15u;

	while (n < lane->steps && n < lane->held_max && subj_alloc(lane, &lane->held[n]))
		n++;
	for (uint64_t i = n; i > 1; i--) {
		void *frame = lane->held[i - 1];
		uint64_t j;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		j = seed % i;
		lane->held[i - 1] = lane->held[j];
		lane->held[j] = frame;
	}
	lane->held_n = n;
}

/* Not timed: give them back one by one. */
static void loop_give(struct lane *lane)
{
	for (uint64_t i = 0; i < lane->held_n; i++)
		if (!subj_free(lane, lane->held[i]))
			return loop_fail(lane);
	lane->held_n = 0;
}

static const struct loops subj_loops = {
	.ping = loop_ping,
	.burst = loop_burst,
	.held = loop_held,
	.random = loop_random,
	.fifo = loop_fifo,
	.rx = loop_rx,
	.tx = loop_tx,
	.crowd = loop_crowd,
	.crowd_timed = loop_crowd_timed,
	.latency = loop_latency,
	.iova = loop_iova,
	.iova_any = loop_iova_any,
	.take = loop_take,
	.give = loop_give,
};
