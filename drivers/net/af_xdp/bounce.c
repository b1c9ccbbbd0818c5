/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Copies packets between the frames of a program's pool, which breathes, and those of the device's
 * own, which is the UMEM. Knows both pools; leaves the rings to rings.c, which knows the second one
 * alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <labyrinth/labyrinth.h>

#include "bounce.h"
#include "error.h"

/**
 * struct af_xdp_bounce - the other side of the copies.
 * @pool: the program's.
 * @device: our number in it, from lab_device_register(); -1 before.
 * @done: frames of it whose packets were copied, and that are to be fetched.
 */
struct af_xdp_bounce {
	struct lab_pool *pool;
	int device;
	struct lab_netdev_done done;
};

int lab_af_xdp_bounce_make(struct af_xdp *x, struct lab_pool *pool, bool returns)
{
	/*
	 * A batch is in hand here while the rings are filled to their limits, and no more than
	 * that. EXACT, so that all of these are there for whichever thread drives the device, and
	 * none is left in the cache of one that did before.
	 */
	const struct lab_pool_config own = {
		.name = x->netdev.name,
		.frames = (uint64_t)x->rx_max + x->tx_max + AF_XDP_BATCH,
		.node = lab_pool_node(pool),
		.max_lcores = lab_pool_max_lcores(pool),
		.flags = LAB_POOL_EXACT | LAB_POOL_FALLBACK,
	};
	struct af_xdp_bounce *b = calloc(1, sizeof(*b));

	if (!b)
		return lab_fail(ENOMEM, "%s: no memory for bounce buffers", x->netdev.name);
	b->pool = pool;
	b->device = lab_device_register(pool, x->netdev.name);
	x->bounce = b;
	if (b->device < 0)
		return b->device;
	if (returns && lab_netdev_done_make(&b->done, x->tx_max))
		return lab_fail(ENOMEM, "%s: no memory for %u frames to be fetched", x->netdev.name,
				x->tx_max);
	/* For who looks on: whatever of this pool is lent is there to be sent. */
	lab_note_sending(pool, b->device, UINT32_MAX);
	x->pool = lab_pool_create(&own);
	return x->pool ? 0 : -errno;
}

int lab_af_xdp_bounce_end(struct af_xdp *x)
{
	struct af_xdp_bounce *b = x->bounce;
	int64_t left = 0;
	int rc = 0;

	if (!b)
		return 0;
	if (b->device >= 0)
		rc = lab_device_release(b->pool, b->device);
	if (x->pool)
		left = lab_pool_destroy(x->pool);
	free(b->done.frames);
	free(b);
	x->bounce = NULL;
	return rc ? rc : left < 0 ? (int)left : 0;
}

/* As have_lcore() in rings.c: without one, nothing can be had of the pool or given to it. */
static inline bool have_lcore(const struct af_xdp_bounce *b)
{
	return lab_likely(lab_lcore_id(b->pool) != 0) || lab_lcore_register(b->pool, NULL) > 0;
}

static inline void copy(void *to, const struct lab_packet *p)
{
	memcpy((char *)to + p->offset, (const char *)p->frame + p->offset, p->length);
}

/*
 * Brings @n packets over into frames of the program's pool, at the same offsets, and frees those
 * that they came in. The last ones are dropped where that pool has too few frames outside its
 * reserve: the UMEM's frames go back to the ring in any case, and it never runs dry for that
 * reason.
 */
static unsigned bring_in(struct af_xdp *x, const struct lab_packet *in, struct lab_packet *out,
			 unsigned n)
{
	void *to[AF_XDP_BATCH], *from[AF_XDP_BATCH];
	unsigned kept = lab_alloc_burst(x->bounce->pool, to, n, LAB_GFP_NOWAIT);

	for (unsigned i = 0; i < n; i++) {
		from[i] = in[i].frame;
		if (i < kept) {
			copy(to[i], &in[i]);
			out[i] = (struct lab_packet){to[i], in[i].offset, in[i].length};
		} else {
			x->stats.rx_packets--; /* rings.c has counted it */
			x->stats.rx_bytes -= in[i].length;
			x->stats.rx_nobuf++;
		}
	}
	x->stats.rx_no_frame += kept < n;
	lab_free_bulk(x->pool, from, n);
	return kept;
}

unsigned lab_af_xdp_bounce_rx_burst(struct lab_netdev *dev, struct lab_packet *packets, unsigned n)
{
	struct af_xdp *x = (struct af_xdp *)dev;
	struct lab_packet in[AF_XDP_BATCH];
	unsigned got = 0, want, arrived, kept;

	if (!have_lcore(x->bounce))
		return 0;
	/* Ends with a drop, too: packets may arrive as fast as they can be dropped. */
	do {
		want = n - got < AF_XDP_BATCH ? n - got : AF_XDP_BATCH;
		arrived = lab_af_xdp_rx_burst(dev, in, want);
		kept = arrived ? bring_in(x, in, packets + got, arrived) : 0;
		got += kept;
	} while (got < n && kept == want);
	return got;
}

/*
 * Takes frames of the program's pool back, and leaves out those that are refused: they have been
 * changed by somebody else, and the close will say so, too. Returns how many are there.
 */
static unsigned take_back(struct af_xdp *x, void **frames, unsigned n)
{
	struct af_xdp_bounce *b = x->bounce;
	unsigned back = lab_take_back(b->pool, b->device, frames, n);

	if (lab_likely(back == n))
		return n;
	while (back < n) {
		x->stats.refused++;
		frames[back++] = NULL;
		back += lab_take_back(b->pool, b->device, frames + back, n - back);
	}
	return lab_netdev_keep(frames, n);
}

/*
 * Sends the first packets of a batch for which there is room. Frames of the program's pool are lent
 * while they are read: it is the lending that refuses one which the caller does not hold, whose
 * memory may be gone. Those that are to be fetched stay lent until they are.
 */
static unsigned send_batch(struct af_xdp *x, const struct lab_packet *packets, unsigned n)
{
	struct af_xdp_bounce *b = x->bounce;
	void *from[AF_XDP_BATCH], *to[AF_XDP_BATCH];
	struct lab_packet out[AF_XDP_BATCH];
	unsigned lent, got, sent, back;

	for (unsigned i = 0; i < n; i++)
		from[i] = packets[i].frame;
	lent = lab_lend(b->pool, b->device, from, n);
	if (!lent)
		return 0;
	got = lab_alloc_burst(x->pool, to, lent, LAB_GFP_ATOMIC);
	for (unsigned i = 0; i < got; i++) {
		copy(to[i], &packets[i]);
		out[i] = (struct lab_packet){to[i], packets[i].offset, packets[i].length};
	}
	sent = got ? lab_af_xdp_tx_burst(&x->netdev, out, got) : 0;
	if (lab_unlikely(sent < got))
		lab_free_bulk(x->pool, to + sent, got - sent);
	if (lab_unlikely(sent < lent))
		take_back(x, from + sent, lent - sent);
	if (b->done.frames) {
		lab_netdev_done_put(&b->done, from, sent);
	} else {
		back = take_back(x, from, sent);
		if (back)
			lab_free_bulk(b->pool, from, back);
	}
	return sent;
}

unsigned lab_af_xdp_bounce_tx_burst(struct lab_netdev *dev, const struct lab_packet *packets,
				    unsigned n)
{
	struct af_xdp *x = (struct af_xdp *)dev;
	unsigned sent = 0, room;

	if (!have_lcore(x->bounce))
		return 0;
	room = lab_af_xdp_room(x, n);
	if (x->bounce->done.frames && x->bounce->done.most - x->bounce->done.n < room)
		room = x->bounce->done.most - x->bounce->done.n;
	while (sent < room) {
		unsigned want = room - sent < AF_XDP_BATCH ? room - sent : AF_XDP_BATCH;
		unsigned good = 0, done;

		while (good < want && af_xdp_packet_is_good(x->bounce->pool, &packets[sent + good]))
			good++;
		done = good ? send_batch(x, &packets[sent], good) : 0;
		sent += done;
		if (lab_unlikely(done < want)) {
			/* A sentence of the packet's, unless the lending has said one. */
			if (done == good)
				lab_af_xdp_refuse_packet(x, x->bounce->pool, &packets[sent], sent);
			x->stats.tx_refused++;
			errno = EINVAL;
			return sent;
		}
	}
	if (sent < n) {
		x->stats.tx_full += n - sent;
		errno = EAGAIN;
		lab_af_xdp_progress(x);
	}
	return sent;
}

unsigned lab_af_xdp_bounce_tx_done(struct lab_netdev *dev, void **frames, unsigned n)
{
	struct af_xdp *x = (struct af_xdp *)dev;
	unsigned got;

	if (!have_lcore(x->bounce))
		return 0;
	lab_af_xdp_progress(x);
	got = lab_netdev_done_get(&x->bounce->done, frames, n);
	return got ? take_back(x, frames, got) : 0;
}

uint32_t lab_af_xdp_bounce_unfetched(const struct af_xdp *x)
{
	return x->bounce->done.n;
}

int lab_af_xdp_bounce_recall(struct af_xdp *x)
{
	struct af_xdp_bounce *b = x->bounce;
	void *frames[AF_XDP_BATCH];
	unsigned n;
	int lcore;

	if (!b || !b->done.n)
		return 0;
	lcore = lab_lcore_register(b->pool, NULL);
	if (lcore < 0)
		return lcore;
	while ((n = lab_netdev_done_get(&b->done, frames, AF_XDP_BATCH))) {
		n = take_back(x, frames, n);
		if (n)
			lab_free_bulk(b->pool, frames, n);
	}
	return 0;
}
