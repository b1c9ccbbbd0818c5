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
	{"brief", 'b', NULL, 0,
	 "One line: totals, what each lcore holds and caches, what each device receives into and "
	 "sends",
	 0},
	{"every", 'e', "SECONDS", 0,
	 "Look again each SECONDS (0.1 is allowed), until interrupted or until the pool is gone",
	 0},
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
	int json, brief, validate;
	double every; /* seconds; 0: once */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct wanted *w = state->input;

	switch (key) {
	case 'b':
		w->brief = 1;
		return 0;
	case 'e':
		w->every = every_parse(arg);
		if (w->every <= 0)
			argp_error(state, "--every wants seconds, from 0.01 to 86400, not '%s'",
				   arg);
		return 0;
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
	case ARGP_KEY_END:
		if (w->json + w->brief + w->validate + (w->html != NULL) > 1)
			argp_error(state, "--brief, --html, --json and --validate exclude each "
					  "other");
		if (w->every > 0 && (w->html || w->validate))
			argp_error(state, "--every goes with --brief, with --json, or alone");
		if (w->every > 0 && !w->name)
			argp_error(state, "--every wants the NAME of a pool");
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

static int write_one(const struct wanted *w, const struct lab_pool *pool, int again)
{
	if (w->json)
		return lab_pool_report(pool, stdout, LAB_REPORT_JSON);
	if (w->brief)
		return brief_write(stdout, pool);
	if (w->every > 0)
		every_begin_page(stdout, again);
	return text_write(stdout, pool);
}

static int show(const struct wanted *w, const struct lab_pool *pool, int again)
{
	if (w->validate) {
		if (lab_pool_validate(pool))
			return fail();
		printf("pool '%s' is in order\n", w->name);
		return EXIT_SUCCESS;
	}
	if (w->html)
		return write_html(w->html, pool);
	if (write_one(w, pool, again))
		return fail();
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "labyrinth-info: its output cannot be written (%s)\n",
			strerror(errno));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

/* One look. A handle shows a pool that is gone as it was at last, so each look asks anew. */
static int look(const struct wanted *w, int again, int *more)
{
	struct lab_pool *pool = lab_pool_observe(w->name, w->group);
	int status;

	*more = 0;
	if (!pool && again && errno == ENOENT) {
		fprintf(stderr, "labyrinth-info: pool '%s' is gone\n", w->name);
		return EXIT_SUCCESS;
	}
	if (!pool)
		return fail();
	status = show(w, pool, again);
	lab_pool_destroy(pool);
	*more = w->every > 0 && status == EXIT_SUCCESS;
	return status;
}

int main(int argc, char **argv)
{
	struct wanted w = {0};
	int status, more;

	argp_parse(&argp, argc, argv, 0, NULL, &w);
	if (!w.name)
		return list(w.group);
	status = look(&w, 0, &more);
	while (more) {
		every_wait(w.every);
		status = look(&w, 1, &more);
	}
	return status;
}
