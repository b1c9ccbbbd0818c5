/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The command line. It knows names of cases and subjects, and runs nothing.
 */
#ifndef PERF_OPTIONS_H
#define PERF_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench.h"

#define CASES_MAX 64

struct options {
	const struct bench_case *cases[CASES_MAX]; /* chosen, in the order of the list */
	unsigned cases_n;
	const struct subject *subjects[SUBJECTS_MAX];
	unsigned subjects_n;
	unsigned rounds;
	uint64_t frames;
	const char *json;
	bool list, quick, targets, reserve;
};

/* Exits with a sentence on a bad command line. */
void options_parse(struct options *options, int argc, char **argv);

#endif
