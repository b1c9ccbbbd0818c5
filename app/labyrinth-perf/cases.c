/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The list of cases, with their sizes. The methods stand at the top of the case_*.c files.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

static const struct figure by_frame[] = {{"ns_per_frame", "ns", false, false}};
static const struct figure pipeline_figures[] = {
	{"ns_per_frame", "ns", false, false},
	{"mframes_per_s", "Mframe/s", true, false},
};
static const struct figure crowd_figures[] = {
	{"mframes_per_s", "Mframe/s", true, false},
	{"p999_ns", "p99.9 ns", false, false},
	{"p9999_ns", "p99.99 ns", false, false},
};
static const struct figure latency_figures[] = {
	{"p50_ns", "p50 ns", false, false},
	{"p99_ns", "p99 ns", false, false},
	{"p999_ns", "p99.9 ns", false, false},
};
static const struct figure create_figures[] = {
	{"create_ms", "ms", false, false},
	{"beyond_populate_ms", "beyond populate ms", false, true},
	{"destroy_ms", "destroy ms", false, false},
};
static const struct figure transfer_figures[] = {
	{"transfer_ns", "transfer ns", false, true},
	{"accept_ns", "accept ns", false, true},
	{"ns_per_frame", "all four ns", false, true},
};
static const struct figure reap_figures[] = {{"reap_ms", "ms", false, true}};
static const struct figure memory_figures[] = {
	{"bytes_per_frame", "bytes a frame", false, false},
	{"aligned_percent", "% aligned", true, true},
};

static const struct figure keeper_figures[] = {
	{"ns_per_frame", "ns", false, true},
	{"fixed_ns", "ns without a keeper", false, true},
	{"to_fixed", "times that", false, true},
};
static const struct figure grow_figures[] = {
	{"gib_per_s", "GiB/s", true, true},
	{"populate_gib_per_s", "populate GiB/s", true, true},
	{"to_populate", "of populate", true, true},
};
static const struct figure shrink_figures[] = {
	{"shrink_ms", "ms", false, true},
	{"gib_per_s", "GiB/s", true, true},
};
static const struct figure breath_figures[] = {
	{"p50_ns", "p50 ns", false, true},           {"p99_ns", "p99 ns", false, true},
	{"p999_ns", "p99.9 ns", false, true},        {"max_ns", "worst ns", false, true},
	{"to_quiet", "p99.9 to quiet", false, true},
};

#define FIGURES(a) .figures = (a), .figures_n = sizeof(a) / sizeof((a)[0])
#define LOOP(l)    .loop = offsetof(struct loops, l)

/* A case, and the same on a pool whose frames were all freed in random order. */
#define BOTH(its_name, its_summary, ...)                                           \
	{.name = its_name, .summary = its_summary, __VA_ARGS__},                   \
	{                                                                          \
		.name = its_name "-scrambled",                                     \
		.summary = "the same after all frames were freed in random order", \
		.scrambled = true, __VA_ARGS__                                     \
	}

/* Of a pool of its own that breathes. */
#define BREATH(its_name, its_summary, ...)                                                \
	{                                                                                 \
		.name = its_name, .summary = its_summary, .slow = true, .own_pool = true, \
		.breathes = true, __VA_ARGS__                                             \
	}

#define USUAL .round = round_usual, FIGURES(by_frame)

const struct bench_case cases[] = {
	{.name = "ping",
	 .summary = "allocate one frame, free it",
	 USUAL,
	 LOOP(ping),
	 .lanes = 1,
	 .steps = 2000000},
	BOTH("burst-32", "32 frames by one call, in cache", USUAL, LOOP(burst), .lanes = 1, .n = 32,
	     .steps = 400000),
	BOTH("burst-256", "256 frames by one call, in cache", USUAL, LOOP(burst), .lanes = 1,
	     .n = 256, .steps = 60000),
	BOTH("burst-1024", "1024 frames by one call, beyond the cache", USUAL, LOOP(burst),
	     .lanes = 1, .n = 1024, .steps = 4000),
	BOTH("held-1024", "1024 held, by 32, beyond the cache", USUAL, LOOP(held), .lanes = 1,
	     .n = BURST, .steps = 4000),
	{.name = "random-8192",
	 .summary = "8192 held, freed one by one in random order",
	 USUAL,
	 LOOP(random),
	 .lanes = 1,
	 .steps = 160},
	BOTH("random-burst", "a FIFO of 1024 frames, random bursts of 1 to 64", USUAL, LOOP(fifo),
	     .lanes = 1, .steps = 100000),
	BOTH("two-lcores", "1024 held, by 32, on two CPUs at once", USUAL, LOOP(held), .lanes = 2,
	     .n = BURST, .steps = 3000, .two_cpus = true),
	BOTH("pipeline", "bursts of 32 from an RX lcore to a TX lcore", .round = round_pipeline,
	     FIGURES(pipeline_figures), .lanes = 2, .steps = 100000, .two_cpus = true,
	     .shared_only = true),
	BOTH("oversubscribed", "8 threads on 2 CPUs, 1024 held each", .round = round_oversubscribed,
	     FIGURES(crowd_figures), .slow = true, .two_cpus = true),
	{.name = "latency",
	 .summary = "single calls, the shared part reached at times",
	 .round = round_latency,
	 FIGURES(latency_figures),
	 .lanes = 1,
	 .steps = 100},
	{.name = "latency-two-lcores",
	 .summary = "the same on two CPUs at once",
	 .round = round_latency,
	 FIGURES(latency_figures),
	 .lanes = 2,
	 .steps = 100,
	 .two_cpus = true},
	{.name = "shared",
	 .summary = "1024 held, by 32, in two processes where they can share the pool",
	 .round = round_shared,
	 FIGURES(by_frame),
	 .lanes = 2,
	 .n = BURST,
	 .steps = 3000,
	 .two_cpus = true,
	 .shared_only = true},
	{.name = "transfer",
	 .summary = "bursts of 32 from one process to another",
	 .round = round_transfer,
	 FIGURES(transfer_figures),
	 .lanes = 1,
	 .steps = 50000,
	 .processes = true},
	{.name = "reap",
	 .summary = "give back 100000 frames of a process that was killed",
	 .round = round_reap,
	 FIGURES(reap_figures),
	 .slow = true,
	 .own_pool = true,
	 .processes = true},
	{.name = "translate",
	 .summary = "a frame's address as a device sees it",
	 .round = round_translate,
	 FIGURES(by_frame),
	 LOOP(iova),
	 .lanes = 1,
	 .steps = 100,
	 .real_only = true},
	{.name = "translate-any",
	 .summary = "the same by the call for any address",
	 .round = round_translate,
	 FIGURES(by_frame),
	 LOOP(iova_any),
	 .lanes = 1,
	 .steps = 1,
	 .slow = true,
	 .real_only = true},
	{.name = "create",
	 .summary = "make and destroy a pool of 1 GiB",
	 .round = round_create,
	 FIGURES(create_figures),
	 .slow = true,
	 .own_pool = true,
	 .real_only = true},
	{.name = "nowait",
	 .summary = "ping with LAB_GFP_NOWAIT",
	 .round = round_nowait,
	 FIGURES(by_frame),
	 LOOP(ping),
	 .lanes = 1,
	 .steps = 2000000,
	 .ours = true},
	{.name = "nowait-burst-32",
	 .summary = "burst-32 with LAB_GFP_NOWAIT",
	 .round = round_nowait,
	 FIGURES(by_frame),
	 LOOP(burst),
	 .lanes = 1,
	 .n = 32,
	 .steps = 400000,
	 .ours = true},
	{.name = "atomic-reserve",
	 .summary = "LAB_GFP_ATOMIC when only the reserve has frames, and free",
	 .round = round_atomic_reserve,
	 FIGURES(by_frame),
	 LOOP(ping),
	 .lanes = 1,
	 .steps = 100000,
	 .ours = true,
	 .private_only = true},
	{.name = "keeper",
	 .summary = "held-1024 beside a keeper's thread, and without one",
	 .round = round_keeper,
	 FIGURES(keeper_figures),
	 LOOP(held),
	 .lanes = 1,
	 .n = BURST,
	 .steps = 4000,
	 .breathes = true},
	BREATH("grow", "a pool grows from 2 MiB to its largest", .round = round_grow,
	       FIGURES(grow_figures)),
	BREATH("grow-ordinary", "the same on ordinary pages", .round = round_grow,
	       FIGURES(grow_figures), .ordinary = true),
	BREATH("shrink", "it gives all of it back", .round = round_shrink, FIGURES(shrink_figures)),
	BREATH("shrink-ordinary", "the same on ordinary pages", .round = round_shrink,
	       FIGURES(shrink_figures), .ordinary = true),
	BREATH("breath-latency", "single calls in such a pool, at rest",
	       .round = round_breath_latency, .figures = breath_figures, .figures_n = 4, .lanes = 1,
	       .steps = 200),
	BREATH("breath-latency-grow", "while it grows", .round = round_breath_latency,
	       FIGURES(breath_figures), .lanes = 2, .steps = 200, .two_cpus = true),
	BREATH("breath-latency-shrink", "while it shrinks", .round = round_breath_latency,
	       FIGURES(breath_figures), .lanes = 2, .steps = 200, .two_cpus = true,
	       .shrinks = true),
	{.name = "memory",
	 .summary = "bytes beside the frames, and alignment",
	 .round = round_memory,
	 FIGURES(memory_figures),
	 .slow = true,
	 .own_pool = true,
	 .real_only = true},
};
const unsigned cases_n = sizeof(cases) / sizeof(cases[0]);

const struct bench_case *case_find(const char *name)
{
	for (unsigned i = 0; i < cases_n; i++)
		if (!strcmp(cases[i].name, name))
			return &cases[i];
	return NULL;
}

double bench_percentile(const struct bench *bench, const struct histogram *h, double share)
{
	double cycles = histogram_percentile(h, share) - bench->cycles_overhead;

	/* the clock may advance in steps as long as a call */
	return fmax(cycles, 0.5) / bench->cycles_per_ns;
}

void bench_merge(const struct bench *bench, unsigned lanes, struct histogram *h)
{
	memset(h, 0, sizeof(*h));
	for (unsigned i = 0; i < lanes; i++)
		histogram_merge(h, &team_lane(bench->team, i)->hist);
}

bool bench_ok(const struct bench *bench, const struct bench_case *c, const struct subject *subject,
	      char *why, size_t why_size)
{
	if (!team_failed(bench->team))
		return true;
	snprintf(why, why_size, "%s: a call failed that %llu frames must be enough for; no figure",
		 c->name, (unsigned long long)bench->frames);
	return false;
}
