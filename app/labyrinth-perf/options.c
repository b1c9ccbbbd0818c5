/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The command line. See options.h.
 */
#include "options.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "results.h"

#define FRAMES_LEAST 16384u
#define FRAMES_MOST  4194304u
#define ROUNDS       15u
#define ROUNDS_QUICK 5u

struct wanted {
	struct options *options;
	bool cases[CASES_MAX];
	bool subjects[SUBJECTS_MAX];
	bool some_cases, some_subjects;
};

static const struct argp_option table[] = {
	{"list", 'l', NULL, 0, "Name the cases and subjects, and end", 0},
	{"case", 'c', "NAME[,NAME]", 0, "Run these cases only", 0},
	{"subject", 's', "NAME[,NAME]", 0, "Run these subjects only", 0},
	{"quick", 'q', NULL, 0, "The whole table within about 20 seconds", 0},
	{"rounds", 'r', "N", 0, "Rounds of each case (15; 5 with --quick)", 0},
	{"frames", 'f', "N", 0, "Frames of each pool (16384)", 0},
	{"json", 'j', "FILE", 0, "Write the figures to FILE as well", 0},
	{"targets", 't', NULL, 0, "Print the project's goals beside what was reached", 0},
	{"reserve", 'R', NULL, 0,
	 "Reserve the hugepages that are missing, and give them back at the end (root)", 0},
	{0},
};

static void names(char *text, size_t size, bool of_cases)
{
	unsigned n = of_cases ? cases_n : subjects_n;
	size_t at = 0;

	for (unsigned i = 0; i < n && at < size; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%s", i ? ", " : "",
				       of_cases ? cases[i].name : subjects[i]->name);
}

static void want(struct argp_state *state, struct wanted *wanted, char *list, bool of_cases)
{
	char all[1024], *save, *name;
	bool found;

	for (name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		found = false;
		for (unsigned i = 0; i < (of_cases ? cases_n : subjects_n); i++) {
			if (strcmp(name, of_cases ? cases[i].name : subjects[i]->name))
				continue;
			*(of_cases ? &wanted->cases[i] : &wanted->subjects[i]) = true;
			found = true;
		}
		if (found)
			continue;
		names(all, sizeof(all), of_cases);
		argp_failure(state, 2, 0, "there is no %s \"%s\"; there are: %s.",
			     of_cases ? "case" : "subject", name, all);
	}
	*(of_cases ? &wanted->some_cases : &wanted->some_subjects) = true;
}

static uint64_t number(struct argp_state *state, const char *option, const char *text,
		       uint64_t least, uint64_t most)
{
	unsigned long long value;
	char *end;

	value = strtoull(text, &end, 10);
	if (end == text || *end || *text == '-' || value < least || value > most)
		argp_failure(state, 2, 0, "--%s takes a number from %llu to %llu, not \"%s\".",
			     option, (unsigned long long)least, (unsigned long long)most, text);
	return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct wanted *wanted = state->input;
	struct options *options = wanted->options;

	switch (key) {
	case 'l':
		options->list = true;
		return 0;
	case 'c':
		want(state, wanted, arg, true);
		return 0;
	case 's':
		want(state, wanted, arg, false);
		return 0;
	case 'q':
		options->quick = true;
		return 0;
	case 'r':
		options->rounds = (unsigned)number(state, "rounds", arg, 1, ROUNDS_MAX);
		return 0;
	case 'f':
		options->frames = number(state, "frames", arg, FRAMES_LEAST, FRAMES_MOST);
		return 0;
	case 'j':
		options->json = arg;
		return 0;
	case 't':
		options->targets = true;
		return 0;
	case 'R':
		options->reserve = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_failure(state, 2, 0, "\"%s\" is not an option; --help lists them.", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void options_parse(struct options *options, int argc, char **argv)
{
	static const struct argp argp = {
		.options = table,
		.parser = parse,
		.doc = "Throughput and latency of Labyrinth's pools and of their peers, "
		       "measured side by side just now.",
	};
	struct wanted wanted = {.options = options};

	memset(options, 0, sizeof(*options));
	options->frames = FRAMES_LEAST;
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &wanted);
	if (!options->rounds)
		options->rounds = options->quick ? ROUNDS_QUICK : ROUNDS;
	for (unsigned i = 0; i < cases_n; i++)
		if (wanted.cases[i] || !wanted.some_cases)
			options->cases[options->cases_n++] = &cases[i];
	for (unsigned i = 0; i < subjects_n; i++)
		if (wanted.subjects[i] || !wanted.some_subjects)
			options->subjects[options->subjects_n++] = subjects[i];
}
