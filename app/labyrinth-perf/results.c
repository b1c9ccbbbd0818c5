/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Samples, medians, ratios; as a table and as JSON. See results.h.
 */
#include "results.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct results {
	unsigned rounds;
	unsigned rows;
	double *sample; /* [row][subject][round]; row: a case's figure. NAN where there is none */
};

static unsigned row_of(const struct bench_case *c, unsigned figure)
{
	return (unsigned)(c - cases) * FIGURES_MAX + figure;
}

static unsigned column_of(const struct subject *subject)
{
	unsigned i = 0;

	while (i < subjects_n && subjects[i] != subject)
		i++;
	return i;
}

static double *samples(const struct results *results, const struct bench_case *c, unsigned figure,
		       const struct subject *subject)
{
	return results->sample +
	       ((size_t)row_of(c, figure) * subjects_n + column_of(subject)) * results->rounds;
}

struct results *results_new(unsigned rounds)
{
	struct results *results = calloc(1, sizeof(*results));
	size_t n;

	if (!results)
		return NULL;
	results->rounds = rounds;
	results->rows = cases_n * FIGURES_MAX;
	n = (size_t)results->rows * subjects_n * rounds;
	results->sample = calloc(n, sizeof(*results->sample));
	if (!results->sample) {
		free(results);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		results->sample[i] = NAN;
	return results;
}

void results_free(struct results *results)
{
	if (results)
		free(results->sample);
	free(results);
}

void results_add(struct results *results, const struct bench_case *c, unsigned figure,
		 const struct subject *subject, unsigned round, double value)
{
	samples(results, c, figure, subject)[round] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts values, which hold no NAN. */
static double median(double *values, unsigned n)
{
	if (!n)
		return NAN;
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double results_median(const struct results *results, const struct bench_case *c, unsigned figure,
		      const struct subject *subject)
{
	const double *s = samples(results, c, figure, subject);
	double values[ROUNDS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < results->rounds; i++)
		if (!isnan(s[i]))
			values[n++] = s[i];
	return median(values, n);
}

double results_ratio(const struct results *results, const struct bench_case *c, unsigned figure,
		     const struct subject *subject, const struct subject *to)
{
	const double *mine, *theirs;
	double values[ROUNDS_MAX];
	unsigned n = 0;

	if (!to || c->figures[figure].no_ratio)
		return NAN;
	mine = samples(results, c, figure, subject);
	theirs = samples(results, c, figure, to);
	for (unsigned i = 0; i < results->rounds; i++)
		if (mine[i] > 0 && theirs[i] > 0)
			values[n++] = c->figures[figure].more_is_better ? mine[i] / theirs[i]
									: theirs[i] / mine[i];
	return median(values, n);
}

#define NAME_WIDTH 38

static int width_of(const struct subject *subject)
{
	int width = (int)strlen(subject->name);

	return (width < 15 ? 15 : width) + 1;
}

void results_print_heading(const struct subject *const *columns, unsigned n)
{
	printf("%-*s", NAME_WIDTH, "case, figure");
	for (unsigned i = 0; i < n; i++)
		printf(" %*s", width_of(columns[i]), columns[i]->name);
	printf("\n");
}

/* Three digits that matter: 0.412, 41.2, 412. */
static void print_number(char *text, size_t size, double value)
{
	double magnitude = fabs(value);

	snprintf(text, size, "%.*f", magnitude < 9.995 ? 2 : magnitude < 99.95 ? 1 : 0, value);
}

static void print_cell(int width, double value, double ratio)
{
	char number[32], times[32], cell[80];

	if (isnan(value)) {
		printf(" %*s", width, "-");
		return;
	}
	print_number(number, sizeof(number), value);
	if (isnan(ratio)) {
		snprintf(cell, sizeof(cell), "%s", number);
	} else {
		print_number(times, sizeof(times), ratio);
		snprintf(cell, sizeof(cell), "%s (%s)", number, times);
	}
	printf(" %*s", width, cell);
}

void results_print_case(const struct results *results, const struct bench_case *c,
			const struct subject *const *columns, unsigned n, const struct subject *to)
{
	char row[80];

	for (unsigned f = 0; f < c->figures_n; f++) {
		snprintf(row, sizeof(row), "%s, %s", c->name, c->figures[f].label);
		printf("%-*s", NAME_WIDTH, row);
		for (unsigned i = 0; i < n; i++)
			print_cell(width_of(columns[i]), results_median(results, c, f, columns[i]),
				   results_ratio(results, c, f, columns[i], to));
		printf("\n");
	}
	fflush(stdout);
}

static int json_add(json_t *array, const struct results *results, const struct bench_case *c,
		    unsigned figure, const struct subject *subject, const struct subject *to)
{
	double value = results_median(results, c, figure, subject);
	double ratio = results_ratio(results, c, figure, subject, to);
	json_t *object;

	if (isnan(value))
		return 0;
	object = json_pack("{s:s, s:s, s:f}", "case", c->name, "subject", subject->name,
			   c->figures[figure].key, value);
	if (!object ||
	    json_object_set_new(object, "ratio", isnan(ratio) ? json_null() : json_real(ratio)))
		return -ENOMEM;
	return json_array_append_new(array, object) ? -ENOMEM : 0;
}

int results_write_json(const struct results *results, const struct subject *to, const char *path)
{
	json_t *array = json_array();
	int rc = array ? 0 : -ENOMEM;

	for (unsigned c = 0; c < cases_n && !rc; c++)
		for (unsigned f = 0; f < cases[c].figures_n && !rc; f++)
			for (unsigned s = 0; s < subjects_n && !rc; s++)
				rc = json_add(array, results, &cases[c], f, subjects[s], to);
	errno = 0;
	if (!rc && json_dump_file(array, path, JSON_INDENT(1) | JSON_REAL_PRECISION(6)))
		rc = errno ? -errno : -EIO;
	json_decref(array);
	return rc;
}
