/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The project's goals, as ratios measured in the same run, beside what was reached. A report, not a
 * verdict: ratios differ from machine to machine.
 */
#include <math.h>
#include <string.h>

#include "results.h"

struct target {
	const struct subject *subject;
	const char *case_name;
	const char *figure;
	const char *to; /* the goal is a ratio to this subject; NULL: it is the figure itself */
	double goal;    /* at least this ratio; at least, or at most, this figure */
	double better;  /* a further goal, 0 for none */
};

#define OPEN (&subject_labyrinth_unprotected)
#define EXCL (&subject_labyrinth)
#define SHRD (&subject_labyrinth_shared)
#define RING "rte-ring"
#define RTS  "rte-ring-rts"

static const struct target targets[] = {
	{OPEN, "ping", "ns_per_frame", RING, 1.5, 0},
	{OPEN, "burst-32", "ns_per_frame", RING, 1.0, 0},
	{OPEN, "burst-256", "ns_per_frame", RING, 1.0, 0},
	{OPEN, "held-1024", "ns_per_frame", RING, 2.5, 0},
	{OPEN, "two-lcores", "ns_per_frame", RING, 2.0, 0},
	{OPEN, "random-8192", "ns_per_frame", RING, 1.9, 0},
	{OPEN, "pipeline", "ns_per_frame", RING, 1.05, 0},
	{OPEN, "oversubscribed", "mframes_per_s", RING, 100, 0},
	{OPEN, "oversubscribed", "mframes_per_s", RTS, 2, 0},
	{OPEN, "translate", "ns_per_frame", RING, 10, 0},
	{OPEN, "latency", "p999_ns", RING, 1.5, 0},
	{EXCL, "ping", "ns_per_frame", RING, 1.1, 0},
	{EXCL, "burst-32", "ns_per_frame", RING, 1.2, 0},
	{EXCL, "held-1024", "ns_per_frame", RING, 3, 0},
	{EXCL, "pipeline", "ns_per_frame", RING, 0.85, 0},
	{EXCL, "random-8192", "ns_per_frame", RING, 1.1, 0},
	{EXCL, "oversubscribed", "mframes_per_s", RING, 50, 0},
	{EXCL, "oversubscribed", "mframes_per_s", RTS, 1, 0},
	{EXCL, "burst-32-scrambled", "ns_per_frame", RING, 0.27, 0.7},
	{EXCL, "held-1024-scrambled", "ns_per_frame", RING, 0.75, 2},
	{EXCL, "pipeline-scrambled", "ns_per_frame", RING, 0.25, 0.8},
	{SHRD, "ping", "ns_per_frame", "labyrinth", 0.87, 0},
	{SHRD, "burst-32", "ns_per_frame", "labyrinth", 0.87, 0},
	{SHRD, "held-1024", "ns_per_frame", "labyrinth", 0.87, 0},
	{SHRD, "random-8192", "ns_per_frame", "labyrinth", 0.87, 0},
	{SHRD, "pipeline", "ns_per_frame", "labyrinth", 0.87, 0},
	{SHRD, "shared", "ns_per_frame", "labyrinth", 0.87, 0},
	{SHRD, "reap", "reap_ms", NULL, 50, 0},
	{EXCL, "memory", "bytes_per_frame", NULL, 16, 0},
	{EXCL, "memory", "aligned_percent", NULL, 100, 0},
	{EXCL, "create", "beyond_populate_ms", NULL, 5, 0},
	{EXCL, "grow", "to_populate", NULL, 0.8, 0},
	{EXCL, "grow-ordinary", "to_populate", NULL, 0.8, 0},
	{EXCL, "breath-latency-grow", "to_quiet", NULL, 2, 0},
	{EXCL, "breath-latency-shrink", "to_quiet", NULL, 2, 0},
};

static void print_target(const struct results *results, const struct target *target)
{
	const struct bench_case *c = case_find(target->case_name);
	const struct subject *to = target->to ? subject_find(target->to) : NULL;
	bool at_least;
	char goal[64], what[80];
	unsigned f = 0;
	double reached;

	while (strcmp(c->figures[f].key, target->figure))
		f++;
	/* a ratio is better when it is larger; a figure says so itself */
	at_least = target->to || c->figures[f].more_is_better;
	reached = target->to ? results_ratio(results, c, f, target->subject, to)
			     : results_median(results, c, f, target->subject);
	snprintf(what, sizeof(what), "%s, %s", c->name, c->figures[f].label);
	if (target->better > 0)
		snprintf(goal, sizeof(goal), "%g, better %g", target->goal, target->better);
	else
		snprintf(goal, sizeof(goal), "%s%g",
			 target->to ? ""
			 : at_least ? ">= "
				    : "<= ",
			 target->goal);
	printf("%-22s  %-28s  %-14s  %16s", target->subject->name, what,
	       target->to ? target->to : "the figure", goal);
	if (isnan(reached))
		printf("  %10s\n", "-");
	else
		printf("  %10.2f  %s\n", reached,
		       (at_least ? reached >= target->goal : reached <= target->goal) ? "reached"
										      : "short");
}

void targets_print(const struct results *results)
{
	printf("\nGoals: ratios to the peer named, measured in this run\n");
	printf("%-22s  %-28s  %-14s  %16s  %10s\n", "subject", "case, figure", "to", "goal",
	       "reached");
	for (unsigned i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		print_target(results, &targets[i]);
}
