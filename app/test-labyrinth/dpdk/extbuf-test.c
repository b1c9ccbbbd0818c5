/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Frames as external buffers of mbufs: lent while an mbuf has them, free when the last one is, by
 * whatever thread; also through ports.
 *
 *	extbuf-test --in-memory -m 32 -l 0 --no-pci [-- --seed N]
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <labyrinth/lab_rte.h>
#include <labyrinth/labyrinth.h>

#include "../net/tap.h"
#include "dice.h"
#include "ground.h"
#include "port.h"

#define FRAMES  1024
#define HEADERS 4000
#define THREADS 4
#define STEPS   25000
#define MINE    64

static struct lab_pool *pool;
static struct rte_mempool *headers, *received;
static struct lab_rte_extbufs *extbufs;

static struct lab_pool_stats stats(void)
{
	struct lab_pool_stats s;

	lab_pool_stats(pool, &s);
	return s;
}

/* All frames are free or in caches, all headers in their mempool, and counting says the same. */
static bool conserved(void)
{
	struct lab_pool_stats s = stats(), c = {0};

	lab_pool_census(pool, &c);
	if (s.free + s.cached == s.total && c.free == s.free && c.cached == s.cached && !c.held &&
	    !c.lent && lab_pool_validate(pool) == 0 &&
	    rte_mempool_avail_count(headers) == headers->populated_size)
		return true;
	tap_note("of %u frames %u are free, %u cached, %u held, %u lent; of %u headers %u are free",
		 (unsigned)s.total, (unsigned)s.free, (unsigned)s.cached, (unsigned)s.held,
		 (unsigned)s.lent, headers->populated_size, rte_mempool_avail_count(headers));
	return false;
}

/* An mbuf with a frame; NULL if there is none. */
static struct rte_mbuf *attached(void **frame)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(headers);
	void *f = m ? lab_alloc(pool, LAB_GFP_ATOMIC) : NULL;

	if (frame)
		*frame = f;
	if (f && lab_rte_extbuf_attach(extbufs, m, f) == 0)
		return m;
	rte_pktmbuf_free(m);
	return NULL;
}

static void *free_it(void *m)
{
	rte_pktmbuf_free(m);
	return NULL;
}

static void free_elsewhere(struct rte_mbuf *m)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, free_it, m) == 0)
		pthread_join(thread, NULL);
}

static void test_attach(void)
{
	void *frame = NULL;
	struct rte_mbuf *m = attached(&frame);
	uint64_t iova =
		rte_eal_iova_mode() == RTE_IOVA_VA ? (uintptr_t)frame : lab_frame_phys(pool, frame);

	tap_ok(m && m->buf_addr == frame && m->buf_len == LAB_FRAME_SIZE &&
		       rte_mbuf_iova_get(m) == iova && RTE_MBUF_HAS_EXTBUF(m) && m->data_len == 0 &&
		       rte_mbuf_ext_refcnt_read(m->shinfo) == 1,
	       "an mbuf has all of a frame as its buffer");
	tap_ok(stats().lent == 1 && stats().held == 0, "the frame is lent to it");
	tap_ok(lab_free(pool, frame) == -EBUSY && stats().refused[LAB_REFUSED_LENT] == 1 &&
		       strstr(lab_error_text(), "mbufs") && stats().lent == 1,
	       "to free it meanwhile is refused, and says who has it");
	tap_ok(lab_rte_extbufs_destroy(extbufs) == -EBUSY && *lab_error_text(),
	       "so is an end of what it belongs to");
	rte_pktmbuf_free(m);
	tap_ok(conserved(), "when the mbuf is freed, so is the frame");
	tap_ok(lab_free(pool, frame) == -EALREADY, "once");
}

static void test_refusals(void)
{
	static char memory[LAB_FRAME_SIZE] __attribute__((aligned(LAB_FRAME_SIZE)));
	void *frame = NULL, *other = lab_alloc(pool, LAB_GFP_ATOMIC);
	struct rte_mbuf *first = attached(&frame), *m = rte_pktmbuf_alloc(headers);
	const void *buf = m->buf_addr;

	tap_ok(lab_rte_extbuf_attach(extbufs, m, frame) < 0, "a frame that another mbuf has");
	tap_ok(lab_rte_extbuf_attach(extbufs, m, (char *)other + 64) < 0, "the inside of a frame");
	tap_ok(lab_rte_extbuf_attach(extbufs, m, memory) < 0, "what is no frame");
	tap_ok(lab_rte_extbuf_attach(extbufs, m, NULL) < 0, "NULL");
	lab_free(pool, other);
	tap_ok(lab_rte_extbuf_attach(extbufs, m, other) == -EALREADY, "a frame that is free");
	tap_ok(RTE_MBUF_DIRECT(m) && m->buf_addr == buf, "each time the mbuf is as before");
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(first);
	tap_ok(conserved(), "and nothing is lost");
}

static void test_clones(void)
{
	struct rte_mbuf *m = attached(NULL), *clone = m ? rte_pktmbuf_clone(m, headers) : NULL;

	tap_ok(clone && clone->buf_addr == m->buf_addr && rte_mbuf_ext_refcnt_read(m->shinfo) == 2,
	       "a clone has the same frame");
	rte_pktmbuf_free(m);
	tap_ok(stats().lent == 1, "the first one freed, it is lent still");
	free_elsewhere(clone);
	tap_ok(conserved(), "the clone freed, by another thread, it is free");
	m = attached(NULL);
	rte_pktmbuf_detach(m);
	tap_ok(stats().lent == 0 && RTE_MBUF_DIRECT(m), "detached, it is free, too");
	rte_pktmbuf_free(m);
	tap_ok(conserved(), "nothing is lost");
}

/* ---- at random ---- */

struct worker {
	struct dice dice;
	pthread_t thread;
	struct rte_ring *to, *from;
	struct rte_mbuf *mine[MINE];
	unsigned n, wrong, attached, cloned, passed;
};

static void mark(struct rte_mbuf *m)
{
	uint64_t *at = m->buf_addr;

	for (unsigned i = 0; i < LAB_FRAME_SIZE / 8; i += 73)
		at[i] = (uintptr_t)at ^ i;
}

static bool marked(const struct rte_mbuf *m)
{
	const uint64_t *at = m->buf_addr;

	for (unsigned i = 0; i < LAB_FRAME_SIZE / 8; i += 73) {
		if (at[i] != ((uintptr_t)at ^ i))
			return false;
	}
	return true;
}

static void add(struct worker *w, struct rte_mbuf *m)
{
	if (m)
		w->mine[w->n++] = m;
}

static struct rte_mbuf *remove_any(struct worker *w)
{
	unsigned i = (unsigned)dice_below(&w->dice, w->n);
	struct rte_mbuf *m = w->mine[i];

	w->mine[i] = w->mine[--w->n];
	w->wrong += !marked(m);
	return m;
}

static void step(struct worker *w)
{
	unsigned what = (unsigned)dice_below(&w->dice, 8);
	struct rte_mbuf *m = NULL;
	void *next;

	if (w->n == 0 || (what < 2 && w->n < MINE)) {
		m = attached(NULL);
		if (m)
			mark(m);
		w->attached += m != NULL;
		add(w, m);
	} else if (what == 2 && w->n < MINE) {
		m = rte_pktmbuf_clone(w->mine[dice_below(&w->dice, w->n)], headers);
		w->cloned += m != NULL;
		add(w, m);
	} else if (what == 3 || what == 4) {
		m = remove_any(w);
		if (rte_ring_enqueue(w->to, m) == 0)
			w->passed++;
		else
			rte_pktmbuf_free(m);
	} else {
		rte_pktmbuf_free(remove_any(w));
	}
	if (w->n < MINE && rte_ring_dequeue(w->from, &next) == 0)
		add(w, next);
}

static void *work(void *worker)
{
	struct worker *w = worker;

	for (unsigned i = 0; i < STEPS; i++) {
		step(w);
		/* so that on few CPUs they work by turns, too */
		if (i % 64 == 0)
			sched_yield();
	}
	while (w->n)
		rte_pktmbuf_free(remove_any(w));
	return NULL;
}

static void test_random(const char *seed)
{
	static struct worker worker[THREADS];
	struct rte_ring *ring[THREADS];
	struct dice dice = dice_make(seed);
	unsigned wrong = 0, n_attached = 0, cloned = 0, passed = 0;
	char name[16];
	void *m = NULL;

	for (unsigned i = 0; i < THREADS; i++) {
		snprintf(name, sizeof(name), "ring-%u", i);
		ring[i] = rte_ring_create(name, 256, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		worker[i].dice.state = 1 + dice_below(&dice, UINT32_MAX);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		worker[i].to = ring[i];
		worker[i].from = ring[(i + 1) % THREADS];
	}
	for (unsigned i = 0; i < THREADS; i++) {
		if (pthread_create(&worker[i].thread, NULL, work, &worker[i]))
			abort();
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(worker[i].thread, NULL);
		wrong += worker[i].wrong;
		n_attached += worker[i].attached;
		cloned += worker[i].cloned;
		passed += worker[i].passed;
	}
	for (unsigned i = 0; i < THREADS; i++) {
		while (rte_ring_dequeue(ring[i], &m) == 0)
			rte_pktmbuf_free(m);
		rte_ring_free(ring[i]);
	}
	tap_note("%u attached, %u cloned, %u passed on", n_attached, cloned, passed);
	tap_ok(wrong == 0 && n_attached > 10000 && cloned > 1000 && passed > 10000,
	       "100000 steps of four threads: no frame was anybody else's");
	tap_ok(conserved(), "and all of them are back");
}

/* ---- through ports ---- */

static void test_port(const char *name, bool loops)
{
	int port = port_add(name, "", received);
	unsigned sent = 0, good = 0;
	struct rte_mbuf *m, *out[8];
	char title[64];

	for (unsigned i = 0; port >= 0 && i < 1000; i++) {
		m = attached(NULL);
		if (!m)
			break;
		mark(m);
		m->data_off = 0;
		m->data_len = 128;
		m->pkt_len = 128;
		sent += rte_eth_tx_burst((uint16_t)port, 0, &m, 1);
		for (unsigned n = loops ? rte_eth_rx_burst((uint16_t)port, 0, out, 8) : 0; n; n--) {
			good += out[n - 1]->data_len == 128 && marked(out[n - 1]);
			rte_pktmbuf_free(out[n - 1]);
		}
	}
	snprintf(title, sizeof(title), "%s: all sent%s", name, loops ? ", and received" : "");
	tap_ok(sent == 1000 && good == (loops ? 1000u : 0u), title);
	if (port >= 0)
		port_remove(port, name);
	snprintf(title, sizeof(title), "%s: nothing is lost", name);
	tap_ok(conserved(), title);
}

int main(int argc, char **argv)
{
	int own = ground_init(argc, argv, 100);
	struct lab_pool_config config = {
		.name = "frames",
		.frames = FRAMES,
		.cache_frames = 64,
		.flags = LAB_POOL_FALLBACK |
			 (rte_eal_iova_mode() == RTE_IOVA_VA ? LAB_POOL_IOVA_VA : 0)};

	pool = lab_pool_create(&config);
	/* No data in them. (With DPDK's ring more threads than CPUs would wait for each other.) */
	headers = rte_pktmbuf_pool_create_by_ops("headers", HEADERS, 128, 0, 0, SOCKET_ID_ANY,
						 LAB_RTE_OPS);
	received = rte_pktmbuf_pool_create("received", 600, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					   SOCKET_ID_ANY);
	if (pool && headers && received)
		extbufs = lab_rte_extbufs_create(pool, "mbufs");
	if (!extbufs) {
		printf("Bail out! %s\n", lab_error_text());
		return EXIT_FAILURE;
	}
	test_attach();
	test_refusals();
	test_clones();
	test_random(ground_option(argc - own, argv + own, "--seed", "0"));
	test_port("net_ring0", true);
	test_port("net_null0", false);
	tap_ok(lab_rte_extbufs_destroy(extbufs) == 0 && lab_pool_destroy(pool) == 0,
	       "extbufs and pool end, and none was held");
	return tap_done();
}
