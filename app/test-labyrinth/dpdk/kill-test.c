/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A secondary process is killed while it holds mbufs, caches some, and is moving others. With
 * Labyrinth's ops all of them come back; with others the same program shows how many are lost.
 *
 *	kill-test -m 32 -l 0 --no-pci [-- --ops NAME --rounds N --seed N]
 *
 * NAME: as ground_mempool() takes it. Half of the rounds have a fixed seed.
 */
#include <pthread.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <labyrinth/lab_rte.h>
#include <labyrinth/labyrinth.h>

#include "../net/tap.h"
#include "census.h"
#include "dice.h"
#include "ground.h"

#define MBUFS  4096
#define FEWER  1023 /* where each round leaves a mempool behind */
#define CACHE  256
#define HELD   50 /* by each thread that does bursts, at least */
#define KEPT   200
#define FIXED  4711
#define SECOND 1000000u

/* ---- bursts, in both processes ---- */

struct worker {
	struct rte_mempool *mp;
	struct dice dice;
	pthread_t thread;
	uint32_t rounds;
	uint32_t stop;
	struct rte_mbuf *kept[KEPT];
	unsigned n;
};

static void burst(struct worker *w)
{
	struct rte_mbuf *m[64];
	unsigned n = 1 + (unsigned)dice_below(&w->dice, 64), keep;

	if (rte_pktmbuf_alloc_bulk(w->mp, m, n))
		return;
	keep = (unsigned)dice_below(&w->dice, RTE_MIN(n, KEPT - w->n) + 1);
	for (unsigned i = 0; i < keep; i++)
		w->kept[w->n++] = m[i];
	rte_pktmbuf_free_bulk(m + keep, n - keep);
	if (w->n > KEPT / 2 + HELD || dice_below(&w->dice, 8) == 0) {
		unsigned put = (unsigned)dice_below(&w->dice, w->n > HELD ? w->n - HELD + 1 : 1);

		w->n -= put;
		rte_pktmbuf_free_bulk(w->kept + w->n, put);
	}
	__atomic_fetch_add(&w->rounds, 1, __ATOMIC_RELAXED);
}

/* A thread that EAL does not know. */
static void *work(void *worker)
{
	struct worker *w = worker;

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED))
		burst(w);
	rte_pktmbuf_free_bulk(w->kept, w->n);
	return NULL;
}

static void work_with_helper(struct worker *own, struct worker *helper)
{
	while (own->n < HELD || __atomic_load_n(&helper->rounds, __ATOMIC_RELAXED) < 100)
		burst(own);
}

/* ---- the secondary process ---- */

static void mate_bursts(char **argv)
{
	static struct worker own, helper;

	own.mp = helper.mp = rte_mempool_lookup(argv[1]);
	own.dice.state = strtoull(argv[2], NULL, 0);
	helper.dice.state = own.dice.state ^ 0x5555;
	if (!own.mp || pthread_create(&helper.thread, NULL, work, &helper))
		_exit(1);
	work_with_helper(&own, &helper);
	mate_answer('r');
	for (;;)
		burst(&own);
}

static struct rte_mbuf *steady_held[2][HELD];

static bool steady_get(void)
{
	struct rte_mempool *a = rte_mempool_lookup("a"), *b = rte_mempool_lookup("b");

	return a && b && rte_pktmbuf_alloc_bulk(a, steady_held[0], HELD) == 0 &&
	       rte_pktmbuf_alloc_bulk(b, steady_held[1], HELD) == 0;
}

/* g: get some of both, p: put them back, c: make a mempool of its own and get some of it. */
static void mate_steady(char **argv)
{
	for (;;) {
		char order = mate_order();
		bool good = true;

		if (order == 'g')
			good = steady_get();
		for (unsigned i = 0; order == 'p' && i < 2; i++)
			rte_pktmbuf_free_bulk(steady_held[i], HELD);
		if (order == 'c')
			good = rte_pktmbuf_alloc_bulk(ground_mempool("c", argv[1], 1000, CACHE, 1),
						      steady_held[0], HELD) == 0;
		mate_answer(good ? order : '!');
	}
}

/* ---- the primary ---- */

static const char *ops;
static struct dice dice;

/* Within a second and a half, of which the keeper needs a tenth. */
static bool comes_back(struct rte_mempool *mp, bool reap)
{
	for (unsigned waited = 0; waited < 3 * SECOND / 2; waited += SECOND / 100) {
		if (reap)
			lab_pool_reap(lab_rte_mempool_pool(mp));
		if (rte_mempool_avail_count(mp) == mp->populated_size)
			return true;
		usleep(SECOND / 100);
	}
	tap_note("only %u of %u are available", rte_mempool_avail_count(mp), mp->populated_size);
	return false;
}

static bool whole(struct rte_mempool *mp, bool reap)
{
	if (!comes_back(mp, reap))
		return false;
	if (lab_pool_validate(lab_rte_mempool_pool(mp))) {
		tap_note("%s", lab_error_text());
		return false;
	}
	return census_whole(mp);
}

/* Threads that EAL does not know and EAL's main lcores, of both processes, each with a cache. */
static bool all_have_caches(const struct lab_pool *pool)
{
	unsigned strangers = 0, lcores = 0;

	for (unsigned i = 1; i <= lab_pool_max_lcores(pool); i++) {
		struct lab_lcore_stats s;

		if (lab_lcore_stats(pool, i, &s) || !s.active || s.allocs == 0)
			continue;
		strangers += strncmp(s.name, "lcore-", 6) == 0 && s.refilled < s.allocs;
		lcores += strncmp(s.name, "main-", 5) == 0 && s.refilled < s.allocs;
	}
	if (strangers == 2 && lcores == 2)
		return true;
	tap_note("%u lcores of EAL and %u other threads have a cache", lcores, strangers);
	return false;
}

static struct mate start_bursts(const char *name)
{
	char seed[24];
	const char *args[] = {"bursts", name, seed, NULL};

	snprintf(seed, sizeof(seed), "%" PRIu64, 1 + dice_below(&dice, UINT32_MAX));
	return mate_start(1, args);
}

/* Until the mate is killed, at some instant; this process works meanwhile. */
static bool run_and_kill(struct rte_mempool *mp, const char *name, bool look)
{
	static struct worker own, helper;
	struct mate mate = start_bursts(name);
	uint32_t instant;
	bool good;

	memset(&own, 0, sizeof(own));
	memset(&helper, 0, sizeof(helper));
	own.mp = helper.mp = mp;
	own.dice.state = 1 + dice_below(&dice, UINT32_MAX);
	helper.dice.state = 1 + dice_below(&dice, UINT32_MAX);
	good = mate_hear(&mate) == 'r';
	if (pthread_create(&helper.thread, NULL, work, &helper))
		abort();
	if (good)
		work_with_helper(&own, &helper);
	if (look)
		tap_ok(all_have_caches(lab_rte_mempool_pool(mp)),
		       "threads that EAL does not know have a cache, in both processes");
	instant = own.rounds + (uint32_t)dice_below(&dice, 3000);
	while (good && own.rounds < instant)
		burst(&own);
	mate_kill(&mate);
	__atomic_store_n(&helper.stop, 1, __ATOMIC_RELAXED);
	pthread_join(helper.thread, NULL);
	rte_pktmbuf_free_bulk(own.kept, own.n);
	if (!good)
		tap_note("the secondary process did not come to its bursts");
	return good;
}

static void test_rounds(unsigned rounds, bool fixed)
{
	struct rte_mempool *mp = ground_mempool("subject", ops, MBUFS, CACHE, true);
	struct lab_pool_stats stats;
	bool good = true;
	unsigned done = 0;
	char name[128];

	if (fixed)
		dice.state = FIXED;
	for (; done < rounds && good; done++)
		good = run_and_kill(mp, "subject", done == 0) && whole(mp, done % 2 == 0);
	snprintf(name, sizeof(name), "%u kills (%s): each time all %u mbufs come back, once each",
		 rounds, fixed ? "fixed" : "random", mp->populated_size);
	tap_ok(good, name);
	lab_pool_stats(lab_rte_mempool_pool(mp), &stats);
	tap_note("reaped: %" PRIu64 " processes, %" PRIu64 " mbufs", stats.reaped_processes,
		 stats.reaped_frames);
	tap_ok(stats.reaped_processes == done && stats.reaped_frames >= 2ul * HELD * done,
	       "each had mbufs to lose");
	ground_discard(mp);
}

static void test_two(void)
{
	const char *const args[] = {"steady", ops, NULL};
	struct rte_mempool *a = ground_mempool("a", ops, 1000, CACHE, true);
	struct rte_mempool *b = ground_mempool("b", ops, 2000, CACHE, true);
	struct mate mate = mate_start(1, args);

	tap_ok(mate_tell(&mate, 'g') == 'g' &&
		       rte_mempool_avail_count(a) == a->populated_size - HELD &&
		       rte_mempool_avail_count(b) == b->populated_size - HELD,
	       "a secondary process uses two mempools");
	mate_kill(&mate);
	tap_ok(whole(a, true) && whole(b, false), "killed: both are whole");

	mate = mate_start(2, args);
	tap_ok(mate_tell(&mate, 'g') == 'g' && mate_tell(&mate, 'p') == 'p' && comes_back(a, true),
	       "the next one puts back what it got");
	ground_discard(a);
	a = ground_mempool("a", ops, 3000, CACHE, true);
	tap_ok(whole(a, true),
	       "a mempool is freed and made anew by the same name while it is there");
	tap_ok(mate_tell(&mate, 'g') == 'g' &&
		       rte_mempool_avail_count(a) == a->populated_size - HELD &&
		       rte_mempool_avail_count(b) == b->populated_size - HELD,
	       "it uses the new one");
	mate_kill(&mate);
	tap_ok(whole(a, false) && whole(b, true), "killed: both are whole");
	ground_discard(a);
	ground_discard(b);
}

static void test_made_by_secondary(void)
{
	const char *const args[] = {"steady", ops, NULL};
	struct mate mate = mate_start(1, args);
	struct rte_mempool *c = mate_tell(&mate, 'c') == 'c' ? rte_mempool_lookup("c") : NULL;

	tap_ok(c && rte_mempool_avail_count(c) == c->populated_size - HELD,
	       "a mempool that the secondary process has made");
	mate_kill(&mate);
	tap_ok(c && whole(c, true), "killed: it is whole");
	/* Not freed: DPDK would call a function where the dead process had it. */
}

/* A new mempool each time, which is not freed, and this process only looks on: who uses a ring in
 * which another was killed may wait for the dead without end, and to free it empties it first. */
static void test_losses(unsigned rounds)
{
	unsigned lost = 0, least = FEWER, unreachable = 0, done = 0;
	bool good = true;

	for (; done < rounds && good; done++) {
		struct rte_mempool *mp;
		struct mate mate;
		char name[24];
		unsigned n;

		snprintf(name, sizeof(name), "subject-%u", done);
		mp = ground_mempool(name, ops, FEWER, CACHE, true);
		mate = start_bursts(name);
		good = mate_hear(&mate) == 'r';
		usleep((useconds_t)dice_below(&dice, 20000));
		mate_kill(&mate);
		n = mp->populated_size - rte_mempool_avail_count(mp);
		lost += n;
		least = RTE_MIN(least, n);
		unreachable += mp->local_cache[1].len;
	}
	tap_note("%s: in %u kills %u mbufs are lost, and %u more lie in caches of the dead", ops,
		 done, lost, unreachable);
	tap_ok(good && least >= HELD, "mbufs are lost at each kill, as expected");
}

int main(int argc, char **argv)
{
	int own = ground_init(argc, argv, 280);
	unsigned rounds;

	argc -= own;
	argv += own;
	if (rte_eal_process_type() == RTE_PROC_SECONDARY) {
		if (argc && strcmp(argv[0], "bursts") == 0)
			mate_bursts(argv);
		mate_steady(argv);
	}
	ops = ground_option(argc, argv, "--ops", LAB_RTE_OPS);
	rounds = (unsigned)atoi(ground_option(argc, argv, "--rounds", "16"));
	dice = dice_make(ground_option(argc, argv, "--seed", "0"));
	if (!ground_shares())
		tap_skip_all("EAL's arguments rule out secondary processes");
	if (!ground_checks(ops)) {
		test_losses(RTE_MAX(rounds / 4, 1u));
		return tap_done();
	}
	test_rounds(rounds - rounds / 2, false);
	test_rounds(rounds / 2, true);
	test_made_by_secondary();
	test_two();
	return tap_done();
}
