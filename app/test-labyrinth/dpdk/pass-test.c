/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Mbufs go from one process to another, as pointers through a ring, and are read, written and freed
 * there, as multi-process programs of DPDK's do it.
 *
 *	pass-test -m 32 -l 0 --no-pci [-- --ops NAME]
 *
 * NAME: as ground_mempool() takes it.
 */
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_memory.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <labyrinth/lab_rte.h>
#include <labyrinth/labyrinth.h>

#include "../net/tap.h"
#include "census.h"
#include "ground.h"

#define MBUFS  2000
#define PASSED 500
#define BYTES  1500
#define HELD   100

struct passage {
	struct rte_mempool *mp;
	struct rte_ring *there;
	struct rte_ring *back;
};

static uint8_t byte_of(unsigned seq, unsigned i, bool back)
{
	return (uint8_t)(seq * 31 + i * 7 + i / 256 + (back ? 101 : 0));
}

static bool fill(struct rte_mbuf *m, unsigned seq, bool back)
{
	uint8_t *data = (uint8_t *)rte_pktmbuf_append(m, BYTES);

	for (unsigned i = 0; data && i < BYTES; i++)
		data[i] = byte_of(seq, i, back);
	return data != NULL;
}

static bool matches(const struct rte_mbuf *m, unsigned seq, bool back)
{
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	unsigned wrong = m->data_len != BYTES;

	for (unsigned i = 0; !wrong && i < BYTES; i++)
		wrong += data[i] != byte_of(seq, i, back);
	return !wrong;
}

static bool send_new(const struct passage *p, struct rte_ring *to, bool back)
{
	for (unsigned seq = 0; seq < PASSED; seq++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(p->mp);

		if (!m || !fill(m, seq, back) || rte_ring_enqueue(to, m))
			return false;
	}
	return true;
}

/* Each as it was filled; and then freed, or sent back changed. */
static bool receive(struct rte_ring *from, struct rte_ring *to, bool back)
{
	unsigned seq = 0, wrong = 0;
	void *m = NULL;

	for (; rte_ring_dequeue(from, &m) == 0; seq++) {
		wrong += !matches(m, seq, back);
		if (!to) {
			rte_pktmbuf_free(m);
			continue;
		}
		rte_pktmbuf_reset(m);
		wrong += !fill(m, seq, !back) || rte_ring_enqueue(to, m);
	}
	return seq == PASSED && !wrong;
}

/* ---- the secondary process ---- */

static bool known_to_eal(const struct passage *p)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->mp);
	const struct rte_memseg *seg = m ? rte_mem_virt2memseg(m, NULL) : NULL;
	bool good = seg && (uintptr_t)m - seg->addr_64 < seg->len &&
		    rte_mem_virt2iova(m->buf_addr) == rte_mbuf_iova_get(m);

	rte_pktmbuf_free(m);
	return good;
}

/* r: read and free what comes, e: send it back changed, s: send new ones, i: EAL knows the memory,
 * t: touch the mempool first of all, p: ask for its pool, h: hold some. */
static void mate_main(void)
{
	struct passage p = {rte_mempool_lookup("passed"), rte_ring_lookup("there"),
			    rte_ring_lookup("back")};
	struct rte_mbuf *held[HELD];

	for (;;) {
		char order = mate_order();
		bool good = p.mp && p.there && p.back;

		if (good && order == 'r')
			good = receive(p.there, NULL, false);
		else if (good && order == 'e')
			good = receive(p.there, p.back, false);
		else if (good && order == 's')
			good = send_new(&p, p.back, true);
		else if (good && order == 'i')
			good = known_to_eal(&p);
		else if (good && order == 'h')
			good = rte_pktmbuf_alloc_bulk(p.mp, held, HELD) == 0;
		else if (good && order == 't')
			rte_pktmbuf_free(rte_pktmbuf_alloc(p.mp));
		else if (good && order == 'p')
			good = lab_rte_mempool_pool(p.mp) != NULL;
		mate_answer(good ? order : '!');
	}
}

/* ---- the primary ---- */

static uint64_t refused(const struct rte_mempool *mp)
{
	struct lab_pool *pool = lab_rte_mempool_pool(mp);
	struct lab_pool_stats stats = {0};
	uint64_t n = 0;

	if (pool)
		lab_pool_stats(pool, &stats);
	for (unsigned i = 0; i < LAB_REFUSED_KINDS; i++)
		n += stats.refused[i];
	return n;
}

static bool all_there(const struct rte_mempool *mp)
{
	unsigned there = rte_mempool_avail_count(mp);

	if (there == mp->populated_size && refused(mp) == 0)
		return true;
	tap_note("%u of %u are available, %u frees were refused", there, mp->populated_size,
		 (unsigned)refused(mp));
	return false;
}

static void empty(struct rte_ring *ring)
{
	void *m = NULL;

	while (rte_ring_dequeue(ring, &m) == 0)
		rte_pktmbuf_free(m);
}

static const char *const no_args[] = {"mate", NULL};

/* With a process of its own, so that one that ends wrongly fails nothing else. */
static void test(const struct passage *p, const char *orders, const char *name)
{
	static unsigned lcore;
	struct mate mate = mate_start(++lcore, no_args);
	bool good = true;

	for (const char *order = orders; *order && good; order++) {
		if (*order == 'r' || *order == 'e')
			good = send_new(p, p->there, false);
		good = good && mate_tell(&mate, *order) == *order;
		if (*order == 's' || *order == 'e')
			good = good && receive(p->back, NULL, true);
	}
	tap_ok(good && all_there(p->mp), name);
	mate_kill(&mate);
	empty(p->there);
	empty(p->back);
}

/* Mbufs that a process has sent before it was killed are the receiver's. Another hundred it held:
 * as nobody can know that no survivor has them, they come back when somebody says so. */
static void test_heir(const struct passage *p)
{
	struct mate mate = mate_start(60, no_args);
	struct lab_pool *pool = lab_rte_mempool_pool(p->mp);
	bool good = mate_tell(&mate, 's') == 's' && mate_tell(&mate, 'h') == 'h';
	struct census c;

	mate_kill(&mate);
	lab_pool_reap(pool);
	usleep(300000); /* the keeper has looked, too */
	c = census_take(p->mp);
	tap_ok(good && c.once == c.all - PASSED - HELD && c.missing == PASSED + HELD,
	       "of a killed process, what it has sent is handed out to nobody else");
	tap_ok(receive(p->back, NULL, true) &&
		       rte_mempool_avail_count(p->mp) == p->mp->populated_size - HELD,
	       "but is as it was sent, and can be freed");
	tap_ok(lab_reclaim(pool) == HELD && all_there(p->mp),
	       "what it held is back when that is reclaimed");
}

int main(int argc, char **argv)
{
	int own = ground_init(argc, argv, 100);
	const char *ops = ground_option(argc - own, argv + own, "--ops", LAB_RTE_OPS);
	struct passage p;

	if (rte_eal_process_type() == RTE_PROC_SECONDARY)
		mate_main();
	if (!ground_shares())
		tap_skip_all("EAL's arguments rule out secondary processes");
	p.mp = ground_mempool("passed", ops, MBUFS, 256, true);
	p.there = rte_ring_create("there", 1024, SOCKET_ID_ANY, 0);
	p.back = rte_ring_create("back", 1024, SOCKET_ID_ANY, 0);
	if (!p.there || !p.back)
		abort();
	test(&p, "t", "a secondary process uses the mempool");
	test(&p, "te",
	     "it reads and writes mbufs of ours, at the same addresses, and gives them back");
	test(&p, "ti", "EAL knows the memory there, too");
	test(&p, "tr", "it frees mbufs that we allocated");
	test(&p, "ts", "we free mbufs that it allocated");
	/* In memory of Labyrinth's one has to attach first (lab_rte.h). */
	test(&p, strcmp(ops, "frames") == 0 ? "pe" : "e",
	     "one that has not used the mempool yet reads and writes mbufs of it");
	if (ground_checks(ops)) {
		test_heir(&p);
		lab_pool_reap(lab_rte_mempool_pool(p.mp));
		tap_ok(all_there(p.mp) && census_whole(p.mp), "in the end the mempool is whole");
	}
	ground_discard(p.mp);
	return tap_done();
}
