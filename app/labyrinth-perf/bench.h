/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A case: one method of measuring, which yields one or more figures of one subject in each round.
 */
#ifndef PERF_BENCH_H
#define PERF_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "subject.h"
#include "team.h"

#define FIGURES_MAX 5

struct figure {
	const char *key;   /* in JSON, with its unit */
	const char *label; /* in the table, where the case has more than one */
	bool more_is_better;
	bool no_ratio;
};

/* What a round may use. */
struct bench {
	struct team *team;
	bool hugepages;
	bool quick;
	uint64_t frames;       /* of each pool */
	uint64_t large_frames; /* of those that "create" and "memory" make; 0: neither runs */
	double cycles_per_ns;
	double cycles_overhead; /* of two fenced readings of the clock, one after the other */
};

struct bench_case {
	const char *name;
	const char *summary;
	const struct figure *figures;
	unsigned figures_n;
	/* One round of one subject. out: figures_n values. False, with why: no figure. */
	bool (*round)(const struct bench *bench, const struct bench_case *c,
		      const struct subject *subject, void *pool, double *out, char *why,
		      size_t why_size);
	bool scrambled;    /* all frames of the pool are scrambled before each round */
	bool two_cpus;     /* cannot run on one */
	bool own_pool;     /* makes its own */
	bool shared_only;  /* frames travel from one lane to another */
	bool real_only;    /* needs frames in memory */
	bool processes;    /* only for pools that processes can share */
	bool slow;         /* few rounds of it will do */
	bool ours;         /* only for Labyrinth's pools */
	bool private_only; /* of those, not for one that processes can share */
	bool breathes;     /* only for pools that can grow and shrink */
	bool ordinary;     /* on ordinary pages, whatever there is */
	bool shrinks;      /* the pool does, and does not grow */
	/* parameters of the usual round */
	size_t loop;    /* offsetof(struct loops, ...) */
	unsigned lanes; /* that run it */
	unsigned n;     /* frames of a burst */
	uint64_t steps;
};

extern const struct bench_case cases[];
extern const unsigned cases_n;

const struct bench_case *case_find(const char *name);

/* The usual round: warm up, then time the loop. The figure is nanoseconds by frame, a lane's mean.
 */
bool round_usual(const struct bench *bench, const struct bench_case *c,
		 const struct subject *subject, void *pool, double *out, char *why,
		 size_t why_size);
bool round_pipeline(const struct bench *bench, const struct bench_case *c,
		    const struct subject *subject, void *pool, double *out, char *why,
		    size_t why_size);
bool round_oversubscribed(const struct bench *bench, const struct bench_case *c,
			  const struct subject *subject, void *pool, double *out, char *why,
			  size_t why_size);
bool round_latency(const struct bench *bench, const struct bench_case *c,
		   const struct subject *subject, void *pool, double *out, char *why,
		   size_t why_size);
bool round_translate(const struct bench *bench, const struct bench_case *c,
		     const struct subject *subject, void *pool, double *out, char *why,
		     size_t why_size);
bool round_create(const struct bench *bench, const struct bench_case *c,
		  const struct subject *subject, void *pool, double *out, char *why,
		  size_t why_size);
bool round_memory(const struct bench *bench, const struct bench_case *c,
		  const struct subject *subject, void *pool, double *out, char *why,
		  size_t why_size);

bool round_shared(const struct bench *bench, const struct bench_case *c,
		  const struct subject *subject, void *pool, double *out, char *why,
		  size_t why_size);
bool round_transfer(const struct bench *bench, const struct bench_case *c,
		    const struct subject *subject, void *pool, double *out, char *why,
		    size_t why_size);
bool round_reap(const struct bench *bench, const struct bench_case *c,
		const struct subject *subject, void *pool, double *out, char *why, size_t why_size);

bool round_nowait(const struct bench *bench, const struct bench_case *c,
		  const struct subject *subject, void *pool, double *out, char *why,
		  size_t why_size);
bool round_atomic_reserve(const struct bench *bench, const struct bench_case *c,
			  const struct subject *subject, void *pool, double *out, char *why,
			  size_t why_size);
bool round_keeper(const struct bench *bench, const struct bench_case *c,
		  const struct subject *subject, void *pool, double *out, char *why,
		  size_t why_size);
bool round_grow(const struct bench *bench, const struct bench_case *c,
		const struct subject *subject, void *pool, double *out, char *why, size_t why_size);
bool round_shrink(const struct bench *bench, const struct bench_case *c,
		  const struct subject *subject, void *pool, double *out, char *why,
		  size_t why_size);
bool round_breath_latency(const struct bench *bench, const struct bench_case *c,
			  const struct subject *subject, void *pool, double *out, char *why,
			  size_t why_size);

/* Percentile of merged histograms of lanes 0..n, in nanoseconds, the clock's own cost taken off. */
double bench_percentile(const struct bench *bench, const struct histogram *h, double share);
void bench_merge(const struct bench *bench, unsigned lanes, struct histogram *h);
/* False, with a sentence in why, if a call failed that must not. */
bool bench_ok(const struct bench *bench, const struct bench_case *c, const struct subject *subject,
	      char *why, size_t why_size);

#endif
