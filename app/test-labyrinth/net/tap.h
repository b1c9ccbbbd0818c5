/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * TAP for plain test programs: counts and prints, nothing else.
 */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned tap_tests, tap_failed;

/* One test point. Behind a failure the caller may print more with tap_note(). */
static inline bool tap_ok(bool pass, const char *name)
{
	tap_failed += !pass;
	printf("%sok %u - %s\n", pass ? "" : "not ", ++tap_tests, name);
	fflush(stdout);
	return pass;
}

__attribute__((format(printf, 1, 2))) static inline void tap_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
}

/* Skips the whole program. */
static inline void tap_skip_all(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	exit(0);
}

/* The plan, and the exit status. */
static inline int tap_done(void)
{
	printf("1..%u\n", tap_tests);
	return tap_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
