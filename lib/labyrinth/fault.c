/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Counting to the call that is to fail, and reading from the environment which one that is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "fault.h"
#include "words.h"

#define VARIABLE "LABYRINTH_FAULT"

struct lab_faults lab_faults_process;

/*
 * On a busy pool a call that is under way may still count by the old numbers, or find the new ones
 * with an old count: it is one of those that come "from now on" or is not, and nobody can tell.
 */
void lab_faults_set(struct lab_faults *f, enum lab_fault_point point, const struct lab_fault *fault)
{
	uint64_t nth = fault ? fault->nth : 0, every = fault ? fault->every : 0;

	/* Sequentially consistent, both of them: see lab_lcore_hide_caches(), to which the release
	 * alone would not do. */
	__atomic_fetch_and(&f->armed, ~LAB_FAULT_BIT(point), __ATOMIC_SEQ_CST);
	/* Relaxed: who finds the bit that is set below finds these. */
	__atomic_store_n(&f->point[point].calls, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&f->point[point].nth, nth, __ATOMIC_RELAXED);
	__atomic_store_n(&f->point[point].every, every, __ATOMIC_RELAXED);
	if (nth || every)
		__atomic_fetch_or(&f->armed, LAB_FAULT_BIT(point), __ATOMIC_SEQ_CST);
}

int lab_faults_strike(struct lab_faults *f, enum lab_fault_point point)
{
	uint64_t nth = __atomic_load_n(&f->point[point].nth, __ATOMIC_RELAXED);
	uint64_t every = __atomic_load_n(&f->point[point].every, __ATOMIC_RELAXED);
	/* Relaxed: each call gets a number of its own, and nothing else hangs on it. */
	uint64_t call = __atomic_add_fetch(&f->point[point].calls, 1, __ATOMIC_RELAXED);

	if (call != nth && (!every || call % every != 0))
		return 0;
	/* Relaxed: a counter. */
	__atomic_fetch_add(&f->point[point].injected, 1, __ATOMIC_RELAXED);
	return 1;
}

/* ---- the environment ---- */

/* struct word - a part of the variable. */
struct word {
	const char *text;
	size_t len;
};

static const char *const points[LAB_FAULT_POINTS + 1] = {
	[LAB_FAULT_ALLOC] = "alloc", [LAB_FAULT_REFILL] = "refill", [LAB_FAULT_GROW] = "grow",
	[LAB_FAULT_MAP] = "map",     [LAB_FAULT_CREATE] = "create",
};
static const char *const keys[] = {"nth", "every", NULL};

static int is_word(struct word w, const char *text)
{
	return strlen(text) == w.len && memcmp(text, w.text, w.len) == 0;
}

/* What stands before a character, or all; @rest is what stands behind it, or has no text. */
static struct word split(struct word w, char at, struct word *rest)
{
	const char *found = memchr(w.text, at, w.len);

	*rest = (struct word){NULL, 0};
	if (!found)
		return w;
	*rest = (struct word){found + 1, w.len - (size_t)(found + 1 - w.text)};
	w.len = (size_t)(found - w.text);
	return w;
}

/* A word's place in a list that NULL ends; or -EINVAL, with a sentence. */
static int find(struct word w, const char *const *list, const char *what)
{
	unsigned nearest = 0;
	char word[64]; /* what lab_distance() looks at */

	snprintf(word, sizeof(word), "%.*s", (int)(w.len < 63 ? w.len : 63), w.text);
	for (unsigned i = 0; list[i]; i++) {
		if (is_word(w, list[i]))
			return (int)i;
		if (lab_distance(word, list[i]) < lab_distance(word, list[nearest]))
			nearest = i;
	}
	return lab_fail(EINVAL,
			VARIABLE ": \"%.*s\" is no %s, the nearest is \"%s\"; write for example "
				 "refill:every=100;rx/map:nth=3",
			(int)(w.len < 40 ? w.len : 40), w.text, what, list[nearest]);
}

static int read_number(struct word w, const char *key, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < w.len && i < 18 && w.text[i] >= '0' && w.text[i] <= '9'; i++) {
		*value = *value * 10 + (uint64_t)(w.text[i] - '0');
		if (i + 1 == w.len && *value)
			return 0;
	}
	return lab_fail(EINVAL,
			VARIABLE ": \"%.*s\" of %s is no number from 1 to 999999999999999999; "
				 "write for example %s=100",
			(int)(w.len < 40 ? w.len : 40), w.text ? w.text : "", key, key);
}

/* nth=3,every=100 */
static int read_when(struct word when, const char *point, struct lab_fault *fault)
{
	struct word rest = when;

	if (!when.text)
		return lab_fail(EINVAL,
				VARIABLE ": \"%s\" says not when; write for example %s:every=100",
				point, point);
	while (rest.text) {
		struct word number, key = split(split(rest, ',', &rest), '=', &number);
		int found = find(key, keys, "time to fail");
		int err = found < 0 ? found
				    : read_number(number, keys[found],
						  found ? &fault->every : &fault->nth);

		if (err)
			return err;
	}
	return 0;
}

/* One of the list. A pool's name may have a slash itself: the last one ends it. */
static int read_clause(struct word clause, struct lab_faults *f, const char *name)
{
	struct word when, where = split(clause, ':', &when), pool = {NULL, 0};
	const char *slash = memrchr(where.text, '/', where.len);
	struct lab_fault fault = {0};
	int point, err;

	if (slash) {
		pool = (struct word){where.text, (size_t)(slash - where.text)};
		where = (struct word){slash + 1, where.len - pool.len - 1};
	}
	point = find(where, points, "point that can fail");
	if (point < 0)
		return point;
	err = read_when(when, points[point], &fault);
	if (err)
		return err;
	if (point == LAB_FAULT_CREATE && slash)
		return lab_fail(EINVAL,
				VARIABLE
				": \"%.*s\" names a pool, and \"create\" is the process's; "
				"write create:nth=3",
				(int)(pool.len < 40 ? pool.len : 40), pool.text);
	/* Of the process: creations, and mappings without a pool. */
	if (name ? point != LAB_FAULT_CREATE && (!slash || is_word(pool, name))
		 : !slash && (point == LAB_FAULT_CREATE || point == LAB_FAULT_MAP))
		lab_faults_set(f, (enum lab_fault_point)point, &fault);
	return 0;
}

int lab_faults_read(struct lab_faults *f, const char *name)
{
	const char *text = secure_getenv(VARIABLE);
	struct word rest = {text, text ? strlen(text) : 0};
	int err = 0;

	while (rest.text && !err) {
		struct word clause = split(rest, ';', &rest);

		if (clause.len)
			err = read_clause(clause, f, name);
	}
	return err;
}

int lab_faults_read_process(void)
{
	static uint64_t last;
	const char *text = secure_getenv(VARIABLE);
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

	if (!text)
		return 0;
	while (*text)
		hash = (hash ^ (uint8_t)*text++) * 0x100000001b3u;
	/* Relaxed: one of several that come at once sets them. Or each pool would count anew. */
	if (__atomic_exchange_n(&last, hash, __ATOMIC_RELAXED) == hash)
		return 0;
	return lab_faults_read(&lab_faults_process, NULL);
}
