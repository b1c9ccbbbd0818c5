/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Looking again and again: when the next look is due, and what separates two pages.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "info.h"

#define SECONDS_MIN 0.01
#define SECONDS_MAX 86400.0

double every_parse(const char *text)
{
	char *end;
	double seconds;

	errno = 0;
	seconds = strtod(text, &end);
	/* Written so that what is no number fails, too. */
	if (errno || end == text || *end || !(seconds >= SECONDS_MIN && seconds <= SECONDS_MAX))
		return 0;
	return seconds;
}

void every_begin_page(FILE *out, int again)
{
	time_t now = time(NULL);
	char date[32];
	struct tm tm;

	/* A terminal shows one page in one place: from its upper left corner on, emptied. */
	if (isatty(fileno(out)))
		fputs("\033[H\033[J", out);
	else if (again)
		fputc('\n', out);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
	fprintf(out, "%s\n", date);
}

/* Due at fixed distances from the first look, not from the end of the last one. */
void every_wait(double seconds)
{
	static struct timespec due;
	struct timespec now;
	long ns = (long)((seconds - (double)(time_t)seconds) * 1e9);

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!due.tv_sec && !due.tv_nsec)
		due = now;
	due.tv_sec += (time_t)seconds + (due.tv_nsec + ns) / 1000000000;
	due.tv_nsec = (due.tv_nsec + ns) % 1000000000;
	/* Late by more than a whole round: those in between are left out. */
	if (due.tv_sec < now.tv_sec || (due.tv_sec == now.tv_sec && due.tv_nsec < now.tv_nsec))
		due = now;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		;
}
