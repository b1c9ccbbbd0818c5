/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The pool in one line: totals, and who has how many frames. For reading while they move.
 */
#include <inttypes.h>
#include <time.h>

#include "info.h"

static void write_time(FILE *out)
{
	struct timespec now;
	char text[16];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	strftime(text, sizeof(text), "%H:%M:%S", localtime_r(&now.tv_sec, &tm));
	fprintf(out, "%s.%ld", text, now.tv_nsec / 100000000);
}

static void write_totals(FILE *out, const struct lab_pool_stats *s)
{
	fprintf(out,
		" total=%" PRIu64 " free=%" PRIu64 " reserve=%" PRIu64 " cached=%" PRIu64
		" held=%" PRIu64 " lent=%" PRIu64,
		s->total, s->free, s->reserved, s->cached, s->held, s->lent);
	if (s->quarantined)
		fprintf(out, " quarantined=%" PRIu64, s->quarantined);
	if (s->retired)
		fprintf(out, " retired=%" PRIu64, s->retired);
}

/* Names come out of tables that other processes write, and a line must stay one. */
static void write_name(FILE *out, const char *kind, uint32_t number, const char *name)
{
	fprintf(out, "; %s %u (", kind, number);
	for (; *name; name++)
		fputc((unsigned char)*name < 0x20 || *name == 0x7f ? '?' : *name, out);
	fputc(')', out);
}

/* Frames that were given to a process and that no thread of it has accepted yet. */
static uint64_t unaccepted(const struct lab_holder *holder, int n, int process)
{
	uint64_t held = 0;

	for (int i = 0; i < n; i++) {
		if (holder[i].owner.kind == LAB_OWNER_LCORE &&
		    holder[i].process == holder[process].process)
			held += holder[i].held;
	}
	return holder[process].held > held ? holder[process].held - held : 0;
}

static void write_holder(FILE *out, const struct lab_holder *holder, int n, int i)
{
	const struct lab_holder *h = &holder[i];
	uint64_t rest;

	switch (h->owner.kind) {
	case LAB_OWNER_PROCESS:
		rest = unaccepted(holder, n, i);
		if (!rest)
			return;
		write_name(out, "process", h->pid, h->name);
		fprintf(out, "%s held=%" PRIu64, h->active ? "" : ", gone,", rest);
		break;
	case LAB_OWNER_LCORE:
		write_name(out, "lcore", h->owner.id, h->name);
		fprintf(out, "%s held=%" PRIu64 " cached=%" PRIu64, h->active ? "" : ", ended,",
			h->held, h->cached);
		break;
	default:
		write_name(out, "device", h->owner.id, h->name);
		if (!h->active)
			fprintf(out, ", in quarantine,");
		if (h->receiving || h->sending)
			fprintf(out, " receiving=%" PRIu64 " sending=%" PRIu64, h->receiving,
				h->sending);
		else
			fprintf(out, " lent=%" PRIu64, h->lent);
	}
}

int brief_write(FILE *out, const struct lab_pool *pool)
{
	struct lab_holder holder[LAB_HOLDERS_MAX];
	int n = lab_pool_holders(pool, holder, LAB_HOLDERS_MAX);
	struct lab_pool_stats stats;

	if (n < 0)
		return n;
	lab_pool_stats(pool, &stats);
	write_time(out);
	write_totals(out, &stats);
	for (int i = 0; i < n; i++)
		write_holder(out, holder, n, i);
	fputc('\n', out);
	return 0;
}
