/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The thread's error sentence. Knows no other part of the library.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "error.h"

static __thread char text[LAB_ERROR_TEXT_MAX];

const char *lab_error_text(void)
{
	return text;
}

int lab_fail(int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (err)
		errno = err;
	return -err;
}
