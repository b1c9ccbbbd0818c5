/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The 82574L's data path: moves frames between the pool and the two rings, and lends and takes back
 * accordingly. Knows descriptors and the pool; of registers only the two tails.
 *
 * Order at every hand-over: lend before the device can see the frame (before the tail is written;
 * lab_mmio_write32() keeps that order), take back after the device has given it up (after DD was
 * read, see done()).
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <labyrinth/labyrinth.h>

#include "e1000e.h"
#include "error.h"

/* Fewer missing frames than this are not worth a refill, unless the device has few anyway. */
#define REFILL_MIN 32u

static inline uint32_t next(const struct e1000e_ring *ring, uint32_t i)
{
	return i + 1 == ring->size ? 0 : i + 1;
}

/*
 * The half of a descriptor that the device writes, read at one point in time: eight aligned bytes.
 * The device writes DD last or together with the rest, so where DD is seen all of it is. Acquire:
 * the packet's bytes, which the device wrote before the descriptor, are read after it.
 */
static inline uint64_t read_back(const struct e1000e_ring *ring, uint32_t i)
{
	return le64toh(__atomic_load_n(&ring->desc[i].word, __ATOMIC_ACQUIRE));
}

/* The device sees it when the tail is written behind it, not before: plain stores. */
static inline void fill(struct e1000e_ring *ring, uint64_t addr, uint64_t word)
{
	ring->desc[ring->tail].addr = htole64(addr);
	ring->desc[ring->tail].word = htole64(word);
	ring->tail = next(ring, ring->tail);
}

static inline int present(const struct e1000e *x)
{
	return lab_likely(lab_device_status(x->dev) == LAB_DEVICE_PRESENT);
}

int lab_e1000e_check(struct e1000e *x)
{
	switch (lab_device_status(x->dev)) {
	case LAB_DEVICE_PRESENT:
		return 0;
	case LAB_DEVICE_LEAVING:
		return lab_fail(
			ENODEV,
			"%s: the kernel asks for the device (it is to be unplugged, or another "
			"driver is to have it) and waits: close it",
			x->netdev.name);
	default:
		return lab_fail(ENODEV, "%s: the device is gone, or has failed for good: close it",
				x->netdev.name);
	}
}

/*
 * 1 if the calling thread has an lcore. Without one no frame can be lent or taken back, and then
 * the rings must be left alone; lab_error_text() says why.
 */
static inline int have_lcore(const struct e1000e *x)
{
	return lab_likely(lab_lcore_id(x->pool) != 0) || lab_lcore_register(x->pool, NULL) > 0;
}

static void mark_stuck(struct e1000e *x, const void *frame)
{
	uint32_t index = lab_frame_index(x->pool, frame);

	if (index != LAB_FRAME_NONE)
		x->stuck[index / 64] |= (uint64_t)1 << (index % 64);
}

/*
 * Takes @n frames back from the device. One that the pool refuses becomes NULL and is counted;
 * lab_e1000e_recall() makes another try.
 */
static unsigned take_back(struct e1000e *x, void **frames, unsigned n)
{
	unsigned done = lab_device_take_back(x->dev, x->pool, frames, n);
	unsigned refused = 0;

	while (lab_unlikely(done < n)) {
		mark_stuck(x, frames[done]);
		frames[done++] = NULL;
		refused++;
		if (done < n)
			done += lab_device_take_back(x->dev, x->pool, frames + done, n - done);
	}
	x->stats.refused += refused;
	return refused;
}

static void take_back_and_free(struct e1000e *x, void **frames, unsigned n)
{
	if (lab_unlikely(take_back(x, frames, n)))
		n = lab_netdev_keep(frames, n);
	if (n)
		lab_free_bulk(x->pool, frames, n);
}

/* For who looks on from outside: only if it has changed. */
static inline void tell(struct e1000e *x)
{
	uint32_t sending = x->tx_lent + x->done.n;

	if (lab_likely(sending == x->tx_told))
		return;
	x->tx_told = sending;
	lab_device_note_sending(x->dev, x->pool, x->tx_told);
}

void lab_e1000e_reap(struct e1000e *x)
{
	struct e1000e_ring *ring = &x->tx;
	void *frames[E1000E_BATCH];

	if (!x->tx_lent || !have_lcore(x))
		return;
	/* The device works in order and reports a batch by its last descriptor. */
	while (x->tx_lent) {
		uint32_t last = x->tx_last[ring->head], end = next(ring, last);
		unsigned n = 0;

		if (!(read_back(ring, last) & DESC_DD))
			break;
		for (uint32_t i = ring->head; i != end; i = next(ring, i))
			frames[n++] = ring->frames[i];
		ring->head = end;
		x->tx_lent -= n;
		x->stats.tx_completed += n;
		if (x->done.frames)
			lab_netdev_done_put(&x->done, frames, n);
		else
			take_back_and_free(x, frames, n);
	}
}

unsigned lab_e1000e_tx_done(struct lab_netdev *dev, void **frames, unsigned n)
{
	struct e1000e *x = (struct e1000e *)dev;
	unsigned got;

	if (!have_lcore(x))
		return 0;
	lab_e1000e_reap(x);
	got = lab_netdev_done_get(&x->done, frames, n);
	if (got && lab_unlikely(take_back(x, frames, got)))
		got = lab_netdev_keep(frames, got);
	tell(x);
	return got;
}

void lab_e1000e_free_done(struct e1000e *x)
{
	void *frames[E1000E_BATCH];
	unsigned n;

	while ((n = lab_netdev_done_get(&x->done, frames, E1000E_BATCH)))
		take_back_and_free(x, frames, n);
}

void lab_e1000e_refill(struct e1000e *x)
{
	struct e1000e_ring *ring = &x->rx;
	uint32_t missing = x->rx_max - x->rx_lent, before = ring->tail;
	uint64_t iova[E1000E_BATCH];
	void *frames[E1000E_BATCH];

	if (missing < REFILL_MIN && missing * 2 < x->rx_max)
		return;
	while (missing) {
		uint32_t want = missing < E1000E_BATCH ? missing : E1000E_BATCH;
		unsigned got = lab_alloc_burst(x->pool, frames, want, LAB_GFP_NOWAIT), lent;

		if (got < want)
			x->stats.rx_no_frame++;
		lent = got ? lab_device_lend(x->dev, x->pool, frames, got, iova) : 0;
		if (lab_unlikely(lent < got))
			lab_free_bulk(x->pool, frames + lent, got - lent);
		for (unsigned i = 0; i < lent; i++) {
			ring->frames[ring->tail] = frames[i];
			fill(ring, iova[i] + E1000E_HEADROOM, 0);
		}
		x->rx_lent += lent;
		missing -= lent;
		if (lent < want)
			break;
	}
	if (ring->tail != before)
		lab_mmio_write32(x->regs, REG_RDT, ring->tail);
}

bool lab_e1000e_has_packet(const struct e1000e *x)
{
	return x->rx_lent && read_back(&x->rx, x->rx.head) & DESC_DD;
}

/*
 * Whether the descriptor is a whole packet, and a good one. A longer packet than a buffer holds
 * goes over several, of which only the last has EOP: all of them are dropped, and counted as one.
 * The length is the device's word, and must not lead out of the frame.
 */
static bool accept(struct e1000e *x, uint64_t word)
{
	uint32_t length = RX_LENGTH(word);
	bool skip = x->skip;

	x->skip = !(word & RX_EOP);
	if (lab_likely(!skip && !x->skip && !(word & RX_ERRORS) && length >= LAB_PACKET_MIN &&
		       length <= E1000E_RX_BUFFER))
		return true;
	x->stats.missed_dropped += !skip;
	return false;
}

/*
 * Takes up to @n descriptors off the ring. The packets' frames go to @frames and are described in
 * @packets, *@m of them; those of dropped packets go to @drops. Returns how many of these.
 */
static unsigned fetch(struct e1000e *x, struct lab_packet *packets, void **frames, unsigned n,
		      void **drops, unsigned *m)
{
	struct e1000e_ring *ring = &x->rx;
	unsigned good = 0, bad = 0;

	while (good + bad < n && x->rx_lent) {
		uint64_t word = read_back(ring, ring->head);
		void *frame = ring->frames[ring->head];

		if (!(word & DESC_DD))
			break;
		ring->head = next(ring, ring->head);
		x->rx_lent--;
		if (lab_unlikely(!accept(x, word))) {
			drops[bad++] = frame;
			continue;
		}
		packets[good] = (struct lab_packet){
			.frame = frame, .offset = E1000E_HEADROOM, .length = RX_LENGTH(word)};
		frames[good++] = frame;
	}
	*m = good;
	return bad;
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

unsigned lab_e1000e_rx_burst(struct lab_netdev *dev, struct lab_packet *packets, unsigned n)
{
	struct e1000e *x = (struct e1000e *)dev;
	void *frames[E1000E_BATCH], *drops[E1000E_BATCH];
	unsigned got = 0;

	if (!present(x) || !have_lcore(x))
		return 0;
	lab_e1000e_reap(x);
	while (got < n) {
		unsigned want = n - got < E1000E_BATCH ? n - got : E1000E_BATCH;
		unsigned m, bad = fetch(x, &packets[got], frames, want, drops, &m);
		bool last = m + bad < want;

		if (lab_unlikely(bad))
			take_back_and_free(x, drops, bad);
		if (m && lab_unlikely(take_back(x, frames, m)))
			m = drop_refused(&packets[got], frames, m);
		for (unsigned i = 0; i < m; i++)
			x->stats.rx_bytes += packets[got + i].length;
		got += m;
		if (last)
			break;
	}
	x->stats.rx_packets += got;
	lab_e1000e_refill(x);
	tell(x);
	return got;
}

static int check_packet(struct e1000e *x, const struct lab_packet *p, unsigned i)
{
	if (lab_unlikely(p->length < LAB_PACKET_MIN || p->length > LAB_FRAME_SIZE ||
			 p->offset > LAB_FRAME_SIZE - p->length))
		return lab_fail(
			EINVAL,
			"%s: packets[%u] has offset %u and length %u: a packet has %u bytes "
			"or more and lies within its frame of %u",
			x->netdev.name, i, p->offset, p->length, LAB_PACKET_MIN, LAB_FRAME_SIZE);
	if (lab_unlikely(lab_frame_index(x->pool, p->frame) == LAB_FRAME_NONE))
		return lab_fail(
			EINVAL,
			"%s: packets[%u].frame %p is not a frame of pool %s, which the device "
			"was opened with: copy the packet into one that is",
			x->netdev.name, i, p->frame, lab_pool_name(x->pool));
	return 0;
}

/*
 * Makes room for a packet so short that the device cannot pad it by itself: zeroes behind it, in
 * the frame, which is ours by now. Returns where the packet starts.
 */
static uint32_t pad(const struct lab_packet *p)
{
	char *frame = p->frame;
	uint32_t offset = p->offset;

	if (offset > LAB_FRAME_SIZE - E1000E_TX_WIRE_MIN) {
		memmove(frame, frame + offset, p->length);
		offset = 0;
	}
	memset(frame + offset + p->length, 0, E1000E_TX_WIRE_MIN - p->length);
	return offset;
}

/* Puts @n lent packets on the ring, the last of which reports for all, and tells the device. */
static void send_batch(struct e1000e *x, const struct lab_packet *packets, const uint64_t *iova,
		       unsigned n)
{
	struct e1000e_ring *ring = &x->tx;
	uint32_t first = ring->tail;

	for (unsigned i = 0; i < n; i++) {
		const struct lab_packet *p = &packets[i];
		uint32_t offset = p->offset, length = p->length;
		uint64_t command = TX_EOP | TX_IFCS | (i + 1 == n ? TX_RS : 0);

		if (lab_unlikely(length < E1000E_TX_WIRE_MIN)) {
			offset = pad(p);
			length = E1000E_TX_WIRE_MIN;
		}
		x->tx_last[first] = (uint16_t)ring->tail;
		ring->frames[ring->tail] = p->frame;
		fill(ring, iova[i] + offset, length | command);
		x->stats.tx_bytes += p->length;
	}
	x->tx_lent += n;
	x->stats.tx_kicks++;
	lab_mmio_write32(x->regs, REG_TDT, ring->tail);
}

unsigned lab_e1000e_tx_burst(struct lab_netdev *dev, const struct lab_packet *packets, unsigned n)
{
	struct e1000e *x = (struct e1000e *)dev;
	uint64_t iova[E1000E_BATCH];
	void *frames[E1000E_BATCH];
	unsigned sent = 0, room;
	int why = EAGAIN;

	if (!present(x)) {
		lab_e1000e_check(x);
		return 0;
	}
	if (!have_lcore(x))
		return 0;
	lab_e1000e_reap(x);
	room = x->tx_max - x->tx_lent - x->done.n;
	room = room < n ? room : n;
	while (sent < room) {
		unsigned want = room - sent < E1000E_BATCH ? room - sent : E1000E_BATCH;
		unsigned m = 0, lent;

		while (m < want && !check_packet(x, &packets[sent + m], sent + m)) {
			frames[m] = packets[sent + m].frame;
			m++;
		}
		lent = m ? lab_device_lend(x->dev, x->pool, frames, m, iova) : 0;
		if (lent)
			send_batch(x, &packets[sent], iova, lent);
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
	tell(x);
	return sent;
}

static void give_up(struct e1000e *x, void **frames, unsigned n, bool lent)
{
	if (lent)
		take_back_and_free(x, frames, n);
	else
		lab_free_bulk(x->pool, frames, n);
}

static void empty(struct e1000e *x, struct e1000e_ring *ring, bool lent)
{
	void *frames[E1000E_BATCH];
	unsigned n = 0;

	for (; ring->head != ring->tail; ring->head = next(ring, ring->head)) {
		frames[n++] = ring->frames[ring->head];
		if (n == E1000E_BATCH) {
			give_up(x, frames, n, lent);
			n = 0;
		}
	}
	if (n)
		give_up(x, frames, n, lent);
}

void lab_e1000e_recall(struct e1000e *x, bool lent)
{
	uint64_t words = (lab_pool_frames(x->pool) + 63) / 64;
	void *frame;

	/* Before the rings: what the pool refuses of those sets its bit anew. */
	for (uint64_t w = 0; w < words; w++) {
		uint64_t bits = x->stuck[w];

		for (x->stuck[w] = 0; bits; bits &= bits - 1) {
			frame = lab_frame_at(x->pool,
					     (uint32_t)(w * 64 + (unsigned)__builtin_ctzll(bits)));
			give_up(x, &frame, 1, lent);
		}
	}
	empty(x, &x->rx, lent);
	empty(x, &x->tx, lent);
	x->rx_lent = 0;
	x->tx_lent = 0;
}
