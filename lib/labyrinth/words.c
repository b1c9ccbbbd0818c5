/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Words that a person wrote, and those that were meant.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "words.h"

/* What lab_distance() looks at. */
#define LONGEST 63

static char plain(char letter)
{
	return letter == '_' ? '-' : (char)tolower((unsigned char)letter);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned lab_distance(const char *a, const char *b)
{
	size_t la = strnlen(a, LONGEST), lb = strnlen(b, LONGEST);
	unsigned table[3][LONGEST + 1];
	unsigned *before = table[0], *last = table[1], *now = table[2];

	/* Optimal string alignment, three rows at a time. */
	memset(before, 0, sizeof(table[0]));
	for (size_t j = 0; j <= lb; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned *oldest = before;

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			char x = plain(a[i - 1]), y = plain(b[j - 1]);

			now[j] = least(last[j - 1] + (x != y), 1 + least(last[j], now[j - 1]));
			if (i > 1 && j > 1 && x == plain(b[j - 2]) && plain(a[i - 2]) == y)
				now[j] = least(now[j], before[j - 2] + 1);
		}
		before = last;
		last = now;
		now = oldest;
	}
	return last[lb];
}

struct lab_hint lab_hint(const char *word, const char *nearest)
{
	int near = lab_distance(word, nearest) <= 1 + strlen(word) / 3;
	struct lab_hint hint;

	snprintf(hint.text, sizeof(hint.text), near ? "did you mean '%s'?" : "the nearest is '%s'",
		 nearest);
	return hint;
}

struct lab_quoted lab_quote(const char *word)
{
	struct lab_quoted q;

	snprintf(q.text, sizeof(q.text), strlen(word) < 44 ? "%s" : "%.40s...", word);
	for (char *c = q.text; *c; c++) {
		if (iscntrl((unsigned char)*c))
			*c = '?';
	}
	return q;
}
