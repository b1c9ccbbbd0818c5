/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What was measured: a sample for each figure, subject and round; medians, and ratios taken round
 * by round before their median is. It knows no allocator and measures nothing.
 */
#ifndef PERF_RESULTS_H
#define PERF_RESULTS_H

#include <stdbool.h>
#include <stdio.h>

#include "bench.h"

#define ROUNDS_MAX 1000

struct results;

struct results *results_new(unsigned rounds);
void results_free(struct results *results);

void results_add(struct results *results, const struct bench_case *c, unsigned figure,
		 const struct subject *subject, unsigned round, double value);

/* Median over the rounds; NAN if there is none. */
double results_median(const struct results *results, const struct bench_case *c, unsigned figure,
		      const struct subject *subject);
/* Median of the rounds' ratios to another subject, above 1 where subject is better; NAN if none. */
double results_ratio(const struct results *results, const struct bench_case *c, unsigned figure,
		     const struct subject *subject, const struct subject *to);

/* The table: a heading, then the rows of one case at a time as they are done. */
void results_print_heading(const struct subject *const *columns, unsigned n);
void results_print_case(const struct results *results, const struct bench_case *c,
			const struct subject *const *columns, unsigned n, const struct subject *to);
/* All that was measured, as a JSON array of objects. 0 or -errno. */
int results_write_json(const struct results *results, const struct subject *to, const char *path);

/* The project's goals beside what was reached. */
void targets_print(const struct results *results);

#endif
