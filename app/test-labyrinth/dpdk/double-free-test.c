/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What a mempool must not be given back: an object twice, another's, none at all. With Labyrinth's
 * ops it is refused, counted and named, and nothing is lost or handed out twice. With others the
 * same program shows what they make of it.
 *
 *	double-free-test --in-memory --no-pci -m 64 [-- --ops NAME]
 *
 * NAME: as ground_mempool() takes it.
 */
#include <pthread.h>
#include <string.h>

#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <labyrinth/lab_rte.h>
#include <labyrinth/labyrinth.h>

#include "../net/tap.h"
#include "census.h"
#include "ground.h"

#define OBJECTS 2000 /* fewer than a ring has room for */
#define HELD    40

/* @checked: by Labyrinth. */
struct subject {
	const char *ops;
	bool checked;
	bool mbufs;
	bool frames;
	unsigned cache;
	struct rte_mempool *mp;
	struct rte_mempool *other;
	void *held[HELD];
};

/**
 * struct wrong - something that is done to a mempool some of whose objects are held.
 * @act: does it, and gives back the objects that it took from s->held[0...].
 * @gone: how many these are.
 * @refusals: of it.
 * @strangers: what an unchecked mempool hands out afterwards is none of its objects; otherwise an
 *	object comes out twice.
 * @kind: of the refusals; LAB_REFUSED_KINDS: any.
 */
struct wrong {
	const char *name;
	const void *(*act)(struct subject *s);
	unsigned gone;
	unsigned refusals;
	bool strangers;
	bool mbufs;
	enum lab_refusal_kind kind;
};

static const void *put_twice(struct subject *s)
{
	rte_mempool_put(s->mp, s->held[0]);
	rte_mempool_put(s->mp, s->held[0]);
	return s->held[0];
}

static const void *free_twice(struct subject *s)
{
	rte_pktmbuf_free(s->held[0]);
	rte_pktmbuf_free(s->held[0]);
	return s->held[0];
}

static void *put_first(void *subject)
{
	struct subject *s = subject;

	rte_mempool_put(s->mp, s->held[0]);
	return NULL;
}

static const void *by_two_threads(struct subject *s)
{
	pthread_t thread;

	rte_mempool_put(s->mp, s->held[0]);
	if (pthread_create(&thread, NULL, put_first, s) == 0)
		pthread_join(thread, NULL);
	return s->held[0];
}

static const void *in_one_burst(struct subject *s)
{
	void *burst[32];

	memcpy(burst, s->held, sizeof(burst));
	burst[31] = burst[7];
	rte_mempool_put_bulk(s->mp, burst, 32);
	rte_mempool_put(s->mp, s->held[31]);
	return burst[7];
}

static const void *burst_twice(struct subject *s)
{
	rte_mempool_put_bulk(s->mp, s->held, 32);
	rte_mempool_put_bulk(s->mp, s->held, 32);
	return s->held[31];
}

static const void *foreign(struct subject *s)
{
	static char memory[4096] __attribute__((aligned(4096)));

	rte_mempool_put(s->mp, memory);
	return memory;
}

static const void *foreign_in_burst(struct subject *s)
{
	static char memory[4096] __attribute__((aligned(64)));
	void *burst[32];

	memcpy(burst, s->held, sizeof(burst));
	burst[5] = memory;
	rte_mempool_put_bulk(s->mp, burst, 32);
	rte_mempool_put(s->mp, s->held[5]);
	return memory;
}

static const void *interior(struct subject *s)
{
	rte_mempool_put(s->mp, (char *)s->held[0] + 64);
	return (char *)s->held[0] + 64;
}

/* The first byte of what DPDK calls the object's header: of a frame, where objects are frames. */
static const void *header(struct subject *s)
{
	rte_mempool_put(s->mp, (char *)s->held[0] - s->mp->header_size);
	return (char *)s->held[0] - s->mp->header_size;
}

static const void *of_another(struct subject *s)
{
	void *object = NULL;

	/* it stays lost to its own */
	if (rte_mempool_get(s->other, &object) == 0)
		rte_mempool_put(s->mp, object);
	return object;
}

static const struct wrong wrongs[] = {
	{"put twice", put_twice, 1, 1, false, false, LAB_REFUSED_DOUBLE_FREE},
	{"freed twice", free_twice, 1, 1, false, true, LAB_REFUSED_DOUBLE_FREE},
	{"put by two threads", by_two_threads, 1, 1, false, false, LAB_REFUSED_DOUBLE_FREE},
	{"twice in one burst", in_one_burst, 32, 1, false, false, LAB_REFUSED_DOUBLE_FREE},
	{"burst put twice", burst_twice, 32, 32, false, false, LAB_REFUSED_DOUBLE_FREE},
	{"foreign pointer", foreign, 0, 1, true, false, LAB_REFUSED_KINDS},
	{"foreign pointer in a burst", foreign_in_burst, 32, 1, true, false, LAB_REFUSED_KINDS},
	{"interior pointer", interior, 0, 1, true, false, LAB_REFUSED_KINDS},
	{"pointer to the header", header, 0, 1, true, false, LAB_REFUSED_KINDS},
	{"another mempool's object", of_another, 0, 1, true, false, LAB_REFUSED_KINDS},
};

/* ---- what is seen of it ---- */

static uint64_t refused(const struct subject *s, enum lab_refusal_kind kind)
{
	struct lab_pool_stats stats;
	uint64_t n = 0;

	lab_pool_stats(lab_rte_mempool_pool(s->mp), &stats);
	if (kind < LAB_REFUSED_KINDS)
		return stats.refused[kind];
	for (unsigned i = 0; i < LAB_REFUSED_KINDS; i++)
		n += stats.refused[i];
	return n;
}

/* The log has the mempool's name and the address in one line. */
static bool names(const char *log, const struct subject *s, const void *address)
{
	char text[32];
	const char *line = log;

	snprintf(text, sizeof(text), "%p", address);
	while (line && *line) {
		const char *end = strchr(line, '\n');
		size_t n = end ? (size_t)(end - line) : strlen(line);

		if (memmem(line, n, text, strlen(text)) &&
		    memmem(line, n, s->mp->name, strlen(s->mp->name)))
			return true;
		line = end ? end + 1 : NULL;
	}
	tap_note("%s and %s are not in the log: %s", s->mp->name, text, log);
	return false;
}

static void judge_checked(struct subject *s, const struct wrong *w, const char *title, uint64_t all,
			  uint64_t kind, bool named)
{
	char name[256];
	bool counted = all == w->refusals && kind == w->refusals;

	if (!counted)
		tap_note("refused %u, and %u for the right reason, of %u", (unsigned)all,
			 (unsigned)kind, w->refusals);
	snprintf(name, sizeof(name), "%s: refused, counted", title);
	tap_ok(counted, name);
	snprintf(name, sizeof(name), "%s: named in the log", title);
	tap_ok(named, name);
	snprintf(name, sizeof(name), "%s: then each object comes out once", title);
	tap_ok(census_whole(s->mp) && lab_pool_validate(lab_rte_mempool_pool(s->mp)) == 0, name);
}

/* What the others make of it is expected, so that it is known to be true. */
static void judge_unchecked(struct subject *s, const struct wrong *w, const char *title,
			    const char *log)
{
	struct census c = census_take(s->mp);
	char name[256];

	tap_note("%s: %u objects come out more than once, %u that are none", title, c.twice,
		 c.strangers);
	snprintf(name, sizeof(name), "%s: accepted without a word, as expected of %s", title,
		 s->ops);
	tap_ok(!*log && (w->strangers ? c.strangers == w->refusals : c.twice == w->refusals), name);
}

static void try(struct subject *s, const struct wrong *w)
{
	uint64_t all, kind;
	const void *address;
	char title[80], *log = NULL;
	size_t bytes = 0;
	FILE *stream = open_memstream(&log, &bytes);

	snprintf(title, sizeof(title), "%s, %s, cache %u", w->name, s->mbufs ? "mbufs" : "objects",
		 s->cache);
	s->mp = ground_mempool("subject", s->ops, OBJECTS, s->cache, s->mbufs);
	s->other = ground_mempool("other", s->ops, 600, s->cache, s->mbufs);
	if (!stream || rte_mempool_get_bulk(s->mp, s->held, HELD))
		abort();
	all = s->checked ? refused(s, LAB_REFUSED_KINDS) : 0;
	kind = s->checked ? refused(s, w->kind) : 0;
	rte_openlog_stream(stream);
	address = w->act(s);
	rte_openlog_stream(NULL);
	fclose(stream);
	/* what a wrongly accepted one brings about later does not count */
	all = (s->checked ? refused(s, LAB_REFUSED_KINDS) : 0) - all;
	kind = (s->checked ? refused(s, w->kind) : 0) - kind;
	rte_mempool_put_bulk(s->mp, s->held + w->gone, HELD - w->gone);
	if (s->checked)
		judge_checked(s, w, title, all, kind, names(log, s, address));
	else
		judge_unchecked(s, w, title, log);
	free(log);
	ground_discard(s->mp);
	ground_discard(s->other);
}

int main(int argc, char **argv)
{
	int own = ground_init(argc, argv, 120);
	struct subject s = {.ops = ground_option(argc - own, argv + own, "--ops", LAB_RTE_OPS)};

	s.frames = strncmp(s.ops, "frames", 6) == 0;
	s.checked = ground_checks(s.ops);
	for (unsigned i = 0; i < 4; i++) {
		s.cache = i & 1 ? 256 : 0;
		s.mbufs = i & 2;
		if (s.frames && !s.mbufs)
			continue;
		for (size_t w = 0; w < RTE_DIM(wrongs); w++) {
			if (s.mbufs || !wrongs[w].mbufs)
				try(&s, &wrongs[w]);
		}
	}
	return tap_done();
}
