/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * labyrinth-info: looks at a live pool from outside, without disturbing it.
 */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "info.h"

#define POOLS_MAX 64

static const struct argp_option table[] = {
	{"group", 'g', "GROUP", 0,
	 "Believe who answers for the pool if it is a member of GROUP, and not only this user or "
	 "root",
	 0},
	{"html", 'H', "FILE", 0, "Write a page with the pool as a picture to FILE", 0},
	{"json", 'j', NULL, 0, "Totals, owners and sampled sites as JSON", 0},
	{"validate", 'v', NULL, 0,
	 "Check that all tables agree; only of a pool that is quiet just now", 0},
	{0},
};

struct wanted {
	const char *name, *group, *html;
	int json, validate;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct wanted *w = state->input;

	switch (key) {
	case 'g':
		w->group = arg;
		return 0;
	case 'H':
		w->html = arg;
		return 0;
	case 'j':
		w->json = 1;
		return 0;
	case 'v':
		w->validate = 1;
		return 0;
	case ARGP_KEY_ARG:
		if (w->name)
			argp_error(state, "one pool at a time; '%s' is the second", arg);
		w->name = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {table,
				 parse,
				 "[NAME]",
				 "Shows who has the frames of a shared pool: totals, owners, "
				 "depot, and a map of the frames. "
				 "Without NAME, lists the shared pools that this user can see.",
				 NULL,
				 NULL,
				 NULL};

static int fail(void)
{
	fprintf(stderr, "labyrinth-info: %s\n", lab_error_text());
	return EXIT_FAILURE;
}

static int list(const char *group)
{
	char name[POOLS_MAX][LAB_NAME_MAX];
	int n = lab_pool_list(name, POOLS_MAX);

	if (n < 0)
		return fail();
	if (n == 0)
		printf("There is no shared pool here. One is made with LAB_POOL_SHARED.\n");
	for (int i = 0; i < n; i++) {
		struct lab_pool *pool = lab_pool_observe(name[i], group);
		struct lab_pool_stats s;

		if (!pool) {
			printf("%s: %s\n", name[i], lab_error_text());
			continue;
		}
		lab_pool_stats(pool, &s);
		printf("%s: %llu frames, %llu held, %llu lent\n", name[i],
		       (unsigned long long)s.total, (unsigned long long)s.held,
		       (unsigned long long)s.lent);
		lab_pool_destroy(pool);
	}
	return EXIT_SUCCESS;
}

static int write_html(const char *file, const struct lab_pool *pool)
{
	FILE *out = fopen(file, "we");

	if (!out || html_write(out, pool) || fclose(out)) {
		fprintf(stderr, "labyrinth-info: %s cannot be written (%s)\n", file,
			strerror(errno));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static int show(const struct wanted *w, const struct lab_pool *pool)
{
	if (w->validate) {
		if (lab_pool_validate(pool))
			return fail();
		printf("pool '%s' is in order\n", w->name);
		return EXIT_SUCCESS;
	}
	if (w->html)
		return write_html(w->html, pool);
	if (w->json ? lab_pool_report(pool, stdout, LAB_REPORT_JSON) : text_write(stdout, pool))
		return fail();
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct wanted w = {0};
	struct lab_pool *pool;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &w);
	if (!w.name)
		return list(w.group);
	pool = lab_pool_observe(w.name, w.group);
	if (!pool)
		return fail();
	status = show(&w, pool);
	lab_pool_destroy(pool);
	return status;
}
