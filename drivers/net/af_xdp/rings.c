/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * AF_XDP's data path: moves frames between the pool and the four rings, and lends and takes back
 * accordingly. Knows the rings and the pool; knows nothing of how the socket was made.
 *
 * Order at every hand-over: lend before the kernel can see the frame (before the ring's producer
 * index is stored), take back after the kernel has given it up (after its producer index was read).
 * libxdp's ring functions pair these stores and loads as release and acquire.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <labyrinth/labyrinth.h>

#include "af_xdp.h"
#include "error.h"

/* Fewer missing frames than this are not worth a refill, unless the device has few anyway. */
#define REFILL_MIN 32u

static inline uint64_t addr_of(const struct af_xdp *x, const void *frame)
{
	return (uint64_t)((const char *)frame - x->base);
}

static inline void mark_out(struct af_xdp *x, uint64_t addr)
{
	uint64_t index = addr >> LAB_FRAME_SHIFT;

	x->out[index / 64] |= (uint64_t)1 << (index % 64);
}

/*
 * The frame at a UMEM address that a ring gave back, not out any more; NULL if it was not out. The
 * kernel makes no such mistake; but the rings lie in shared memory, and one stray store into them
 * must not become a frame with two owners.
 */
static inline void *come_back(struct af_xdp *x, uint64_t addr)
{
	uint64_t index = addr >> LAB_FRAME_SHIFT;
	uint64_t bit = (uint64_t)1 << (index % 64);

	if (lab_unlikely(addr >= x->bytes || !(x->out[index / 64] & bit))) {
		x->stats.refused++;
		return NULL;
	}
	x->out[index / 64] &= ~bit;
	return x->base + (index << LAB_FRAME_SHIFT);
}

/*
 * 1 if the calling thread has an lcore. Without one no frame can be lent or taken back, and then
 * the rings must be left alone; lab_error_text() says why.
 */
static inline int have_lcore(const struct af_xdp *x)
{
	return lab_likely(lab_lcore_id(x->pool) != 0) || lab_lcore_register(x->pool, NULL) > 0;
}

/*
 * Takes @n frames back from the device. One that the pool refuses becomes NULL and is counted; it
 * counts as out again, so that lab_af_xdp_recall() makes another try.
 */
static unsigned take_back(struct af_xdp *x, void **frames, unsigned n)
{
	unsigned done = lab_take_back(x->pool, x->device, frames, n);
	unsigned refused = 0;

	while (lab_unlikely(done < n)) {
		mark_out(x, addr_of(x, frames[done]));
		frames[done++] = NULL;
		refused++;
		if (done < n)
			done += lab_take_back(x->pool, x->device, frames + done, n - done);
	}
	x->stats.refused += refused;
	return refused;
}

static void take_back_and_free(struct af_xdp *x, void **frames, unsigned n)
{
	if (lab_unlikely(take_back(x, frames, n)))
		n = lab_netdev_keep(frames, n);
	if (n)
		lab_free_bulk(x->pool, frames, n);
}

/* Packets in the TX ring that the kernel has not read yet. */
static inline uint32_t unsent(struct af_xdp *x)
{
	return x->tx.size - xsk_prod_nb_free(&x->tx, x->tx.size);
}

/*
 * Has the kernel read the TX ring. In copy mode only this system call sends, 32 packets at most
 * each time; it copies them and, with MSG_DONTWAIT, waits for nothing. EAGAIN means "32 are done"
 * or "no buffer space now", EBUSY and ENOBUFS that the queue behind is full: what is left goes with
 * a later call. The loop ends, because each round must have shortened the ring.
 */
static void kick(struct af_xdp *x)
{
	uint32_t left, pending = unsent(x);
	int saved = errno;

	while (pending && xsk_ring_prod__needs_wakeup(&x->tx)) {
		x->stats.tx_kicks++;
		if (sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN &&
		    errno != EBUSY && errno != ENOBUFS)
			x->stats.tx_kick_errors++;
		left = unsent(x);
		if (left >= pending)
			break;
		pending = left;
	}
	errno = saved;
}

/* For who looks on from outside: only if it has changed. */
static inline void tell(struct af_xdp *x)
{
	uint32_t sending = x->tx_lent + x->done.n;

	if (lab_likely(sending == x->tx_told))
		return;
	x->tx_told = sending;
	lab_note_sending(x->pool, x->device, x->tx_told);
}

static void reap(struct af_xdp *x)
{
	void *frames[AF_XDP_BATCH];
	uint32_t first, n;

	while (x->tx_lent && (n = xsk_ring_cons__peek(&x->comp, AF_XDP_BATCH, &first))) {
		unsigned m = 0;

		for (uint32_t i = 0; i < n; i++) {
			frames[m] = come_back(x, *xsk_ring_cons__comp_addr(&x->comp, first + i));
			m += frames[m] != NULL;
		}
		xsk_ring_cons__release(&x->comp, n);
		x->tx_lent -= m;
		x->stats.tx_completed += m;
		if (x->done.frames)
			lab_netdev_done_put(&x->done, frames, m);
		else
			take_back_and_free(x, frames, m);
	}
}

void lab_af_xdp_progress(struct af_xdp *x)
{
	if (!x->tx_lent || !have_lcore(x))
		return;
	reap(x);
	if (unsent(x)) {
		kick(x);
		reap(x);
	}
}

void lab_af_xdp_refill(struct af_xdp *x)
{
	void *frames[AF_XDP_BATCH];
	uint32_t missing = x->rx_max - x->rx_lent;

	if (missing < REFILL_MIN && missing * 2 < x->rx_max)
		return;
	while (missing) {
		uint32_t first = 0, want = missing < AF_XDP_BATCH ? missing : AF_XDP_BATCH;
		unsigned got, lent;

		if (xsk_prod_nb_free(&x->fill, want) < want)
			return; /* cannot be (see struct af_xdp), and no frame is in hand here */
		got = lab_alloc_burst(x->pool, frames, want, LAB_GFP_NOWAIT);
		if (got < want)
			x->stats.rx_no_frame++;
		if (!got)
			return;
		lent = lab_lend(x->pool, x->device, frames, got);
		if (lab_unlikely(lent < got))
			lab_free_bulk(x->pool, frames + lent, got - lent);
		if (!lent)
			return;
		xsk_ring_prod__reserve(&x->fill, lent, &first); /* there is room for more: above */
		for (unsigned i = 0; i < lent; i++) {
			uint64_t addr = addr_of(x, frames[i]);

			mark_out(x, addr);
			*xsk_ring_prod__fill_addr(&x->fill, first + i) = addr;
		}
		xsk_ring_prod__submit(&x->fill, lent);
		x->rx_lent += lent;
		if (lent < want)
			return;
		missing -= lent;
	}
}

/* The slow end of a receive: drops the packets whose frame the pool refused (NULL). */
static unsigned drop_refused(struct lab_packet *packets, void **frames, unsigned n)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		if (frames[i])
			packets[kept++] = packets[i];
	}
	return kept;
}

unsigned lab_af_xdp_rx_burst(struct lab_netdev *dev, struct lab_packet *packets, unsigned n)
{
	struct af_xdp *x = (struct af_xdp *)dev;
	void *frames[AF_XDP_BATCH];
	unsigned got = 0;

	if (!have_lcore(x))
		return 0;
	lab_af_xdp_progress(x);
	while (got < n) {
		uint32_t first, want = n - got < AF_XDP_BATCH ? n - got : AF_XDP_BATCH;
		uint32_t arrived = xsk_ring_cons__peek(&x->rx, want, &first);
		unsigned m = 0;

		if (!arrived)
			break;
		for (uint32_t i = 0; i < arrived; i++) {
			const struct xdp_desc *d = xsk_ring_cons__rx_desc(&x->rx, first + i);
			struct lab_packet *p = &packets[got + m];

			frames[m] = come_back(x, d->addr);
			if (lab_unlikely(!frames[m]))
				continue;
			p->frame = frames[m++];
			p->offset = d->addr & (LAB_FRAME_SIZE - 1);
			p->length = d->len;
		}
		xsk_ring_cons__release(&x->rx, arrived);
		x->rx_lent -= m;
		if (lab_unlikely(take_back(x, frames, m)))
			m = drop_refused(&packets[got], frames, m);
		for (unsigned i = 0; i < m; i++)
			x->stats.rx_bytes += packets[got + i].length;
		got += m;
		if (arrived < want)
			break;
	}
	x->stats.rx_packets += got;
	lab_af_xdp_refill(x);
	tell(x);
	return got;
}

void lab_af_xdp_refuse_packet(const struct af_xdp *x, const struct lab_pool *pool,
			      const struct lab_packet *p, unsigned i)
{
	if (lab_frame_index(pool, p->frame) != LAB_FRAME_NONE)
		lab_fail(EINVAL,
			 "%s: packets[%u] has offset %u and length %u: a packet has %u bytes or "
			 "more and lies within its frame of %u",
			 x->netdev.name, i, p->offset, p->length, LAB_PACKET_MIN, LAB_FRAME_SIZE);
	else
		lab_fail(EINVAL,
			 "%s: packets[%u].frame %p is not a frame of pool %s, which the device was "
			 "opened with: copy the packet into one that is",
			 x->netdev.name, i, p->frame, lab_pool_name(pool));
}

/* How many of @n packets the device takes now. */
static inline unsigned room_for(struct af_xdp *x, unsigned n)
{
	unsigned room, slots;

	if (x->tx_lent)
		reap(x);
	room = x->tx_max - x->tx_lent - x->done.n;
	room = room < n ? room : n;
	/*
	 * The TX ring may have less: behind a packet that the interface dropped, the kernel says
	 * only with a later system call that it has read it.
	 */
	slots = xsk_prod_nb_free(&x->tx, room);
	return slots < room ? slots : room;
}

unsigned lab_af_xdp_room(struct af_xdp *x, unsigned n)
{
	return have_lcore(x) ? room_for(x, n) : 0;
}

unsigned lab_af_xdp_tx_burst(struct lab_netdev *dev, const struct lab_packet *packets, unsigned n)
{
	struct af_xdp *x = (struct af_xdp *)dev;
	void *frames[AF_XDP_BATCH];
	unsigned sent = 0, room;
	int why = EAGAIN;

	if (!have_lcore(x))
		return 0;
	room = room_for(x, n);
	while (sent < room) {
		unsigned want = room - sent < AF_XDP_BATCH ? room - sent : AF_XDP_BATCH;
		unsigned m = 0, lent;
		uint32_t first = 0;

		while (m < want && af_xdp_packet_is_good(x->pool, &packets[sent + m])) {
			frames[m] = packets[sent + m].frame;
			m++;
		}
		if (lab_unlikely(m < want))
			lab_af_xdp_refuse_packet(x, x->pool, &packets[sent + m], sent + m);
		lent = m ? lab_lend(x->pool, x->device, frames, m) : 0;
		if (lent)
			xsk_ring_prod__reserve(&x->tx, lent, &first); /* there is room: above */
		for (unsigned i = 0; i < lent; i++) {
			const struct lab_packet *p = &packets[sent + i];
			struct xdp_desc *d = xsk_ring_prod__tx_desc(&x->tx, first + i);

			d->addr = addr_of(x, p->frame) + p->offset;
			d->len = p->length;
			d->options = 0;
			mark_out(x, d->addr);
			x->stats.tx_bytes += p->length;
		}
		if (lent)
			xsk_ring_prod__submit(&x->tx, lent);
		x->tx_lent += lent;
		sent += lent;
		if (lab_unlikely(lent < want)) {
			x->stats.tx_refused++;
			why = EINVAL;
			break;
		}
	}
	x->stats.tx_packets += sent;
	if (sent < n) {
		if (why == EAGAIN)
			x->stats.tx_full += n - sent;
		errno = why;
	}
	kick(x);
	tell(x);
	return sent;
}

unsigned lab_af_xdp_tx_done(struct lab_netdev *dev, void **frames, unsigned n)
{
	struct af_xdp *x = (struct af_xdp *)dev;
	unsigned got;

	if (!have_lcore(x))
		return 0;
	lab_af_xdp_progress(x);
	got = lab_netdev_done_get(&x->done, frames, n);
	if (got && lab_unlikely(take_back(x, frames, got)))
		got = lab_netdev_keep(frames, got);
	tell(x);
	return got;
}

/*
 * The frames that are out are those whose bit says so. The rings cannot tell: the kernel keeps some
 * frames for itself (in copy mode, those of packets that it could not queue).
 */
void lab_af_xdp_recall(struct af_xdp *x)
{
	uint64_t words = (x->bytes / LAB_FRAME_SIZE + 63) / 64;
	void *frames[64];
	unsigned done;

	/* Before the others: what the pool refuses of these counts as out again. */
	while ((done = lab_netdev_done_get(&x->done, frames, 64)))
		take_back_and_free(x, frames, done);
	for (uint64_t w = 0; w < words; w++) {
		unsigned n = 0;

		for (uint64_t bits = x->out[w]; bits; bits &= bits - 1)
			frames[n++] = x->base + ((w * 64 + (unsigned)__builtin_ctzll(bits))
						 << LAB_FRAME_SHIFT);
		x->out[w] = 0;
		if (n)
			take_back_and_free(x, frames, n);
	}
	x->rx_lent = 0;
	x->tx_lent = 0;
}
