/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Words that a person wrote: how near they are to those that are known, and how to repeat them in a
 * sentence. Knows no other part of the library.
 */
#ifndef WORDS_H
#define WORDS_H

/** lab_distance() - how many letters must change, come, go or swap to make @a of @b; upper case is
 * lower case here, and '_' is '-'. Of long words (over 63 letters) only the beginning counts. */
unsigned lab_distance(const char *a, const char *b);

/** struct lab_hint - which known word is nearest, as a sentence ends. */
struct lab_hint {
	char text[96];
};

/** lab_hint() - asks whether @nearest was meant, or only names it where it is not near. */
struct lab_hint lab_hint(const char *word, const char *nearest);

/** struct lab_quoted - a word, fit for a sentence: short, and without control characters. */
struct lab_quoted {
	char text[48];
};

/** lab_quote() - @word as such; "..." ends what is too long. */
struct lab_quoted lab_quote(const char *word);

#endif
