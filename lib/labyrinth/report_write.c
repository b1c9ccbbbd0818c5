/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Reports as text and as JSON.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <labyrinth/lab_pool.h>
#include <labyrinth/lab_report.h>
#include <labyrinth/lab_stats.h>

#include "error.h"
#include "pool.h"
#include "report.h"

#define SITES_SHOWN 32

struct report {
	const struct lab_pool *pool;
	struct lab_pool_stats stats;
	struct lab_holder holder[LAB_HOLDERS_MAX];
	struct lab_site_stats site[SITES_SHOWN];
	int holders, sites;
};

static const char *const kind_name[] = {"none", "process", "lcore", "device"};

/* ---- text ---- */

static const char *when(uint64_t since, char buf[32])
{
	time_t t = (time_t)since;
	struct tm tm;

	strftime(buf, 32, "%Y-%m-%d %H:%M:%S", localtime_r(&t, &tm));
	return buf;
}

static void text_holder(FILE *out, const struct lab_holder *h)
{
	char since[32];

	switch (h->owner.kind) {
	case LAB_OWNER_PROCESS:
		fprintf(out,
			"  process %u (%s)%s, since %s: %" PRIu64 " held, %" PRIu64 " cached\n",
			h->pid, h->name, h->active ? "" : ", gone", when(h->since, since), h->held,
			h->cached);
		break;
	case LAB_OWNER_LCORE:
		fprintf(out,
			"    lcore %u (%s)%s, since %s: %" PRIu64 " held, %" PRIu64 " cached\n",
			h->owner.id, h->name, h->active ? "" : ", ended", when(h->since, since),
			h->held, h->cached);
		break;
	default:
		fprintf(out, "  device %u (%s)%s, since %s: %" PRIu64 " lent", h->owner.id, h->name,
			h->active ? "" : ", in quarantine", when(h->since, since), h->lent);
		if (h->receiving || h->sending)
			fprintf(out, ", %" PRIu64 " to receive into, %" PRIu64 " to send",
				h->receiving, h->sending);
		fputc('\n', out);
	}
}

static void write_text(FILE *out, const struct report *r)
{
	const struct lab_pool_stats *s = &r->stats;
	char since[32];

	fprintf(out,
		"pool '%s': %" PRIu64 " frames, %" PRIu64 " in the depot, %" PRIu64
		" in caches, %" PRIu64 " held, %" PRIu64 " lent",
		r->pool->priv->name, s->total, s->free, s->cached, s->held, s->lent);
	if (s->quarantined)
		fprintf(out, " (%" PRIu64 " in quarantine)", s->quarantined);
	if (s->retired)
		fprintf(out, ", %" PRIu64 " retired", s->retired);
	if (s->reserved)
		fprintf(out, "; of those in the depot %" PRIu64 " are the reserve", s->reserved);
	if (s->grown || s->shrunk)
		fprintf(out, "; %" PRIu64 " came and %" PRIu64 " went since it was made", s->grown,
			s->shrunk);
	if (s->reaped_processes)
		fprintf(out, "; %" PRIu64 " processes died and left %" PRIu64, s->reaped_processes,
			s->reaped_frames);
	fprintf(out, "\n");
	for (int i = 0; i < r->holders; i++)
		text_holder(out, &r->holder[i]);
	if (r->pool->priv->sample)
		fprintf(out, "  of the held ones, one in %u was sampled; they were allocated%s\n",
			r->pool->priv->sample, r->sites ? "" : " nowhere: none is held");
	for (int i = 0; i < r->sites; i++) {
		const struct lab_site_stats *site = &r->site[i];

		fprintf(out, "    %u times by process %u at ", site->samples, site->pid);
		if (site->module[0])
			fprintf(out, "%s+0x%" PRIx64, site->module, site->offset);
		else
			fprintf(out, "0x%" PRIx64, site->address);
		fprintf(out, ", the oldest at %s\n", when(site->oldest, since));
	}
}

/* ---- JSON (RFC 8259) ---- */

/* Names come out of tables that other processes write: anything may be in them. */
static void json_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void json_holder(FILE *out, const struct lab_holder *h)
{
	fprintf(out, "{\"kind\":\"%s\",\"id\":%u,\"name\":", kind_name[h->owner.kind], h->owner.id);
	json_string(out, h->name);
	fprintf(out,
		",\"process\":%u,\"pid\":%u,\"since\":%" PRIu64 ",\"active\":%s,\"held\":%" PRIu64
		",\"cached\":%" PRIu64 ",\"lent\":%" PRIu64 ",\"receiving\":%" PRIu64
		",\"sending\":%" PRIu64 "}",
		h->process, h->pid, h->since, h->active ? "true" : "false", h->held, h->cached,
		h->lent, h->receiving, h->sending);
}

static void json_site(FILE *out, const struct lab_site_stats *site)
{
	fprintf(out,
		"{\"process\":%u,\"pid\":%u,\"address\":%" PRIu64 ",\"module\":", site->process,
		site->pid, site->address);
	json_string(out, site->module);
	fprintf(out,
		",\"offset\":%" PRIu64 ",\"samples\":%u,\"oldest\":%" PRIu64 ",\"newest\":%" PRIu64
		"}",
		site->offset, site->samples, site->oldest, site->newest);
}

static void write_json(FILE *out, const struct report *r)
{
	const struct lab_pool_stats *s = &r->stats;

	fprintf(out, "{\"pool\":");
	json_string(out, r->pool->priv->name);
	fprintf(out,
		",\"time\":%" PRIu64 ",\"total\":%" PRIu64 ",\"free\":%" PRIu64
		",\"cached\":%" PRIu64 ",\"held\":%" PRIu64 ",\"lent\":%" PRIu64
		",\"quarantined\":%" PRIu64 ",\"retired\":%" PRIu64 ",\"reserved\":%" PRIu64
		",\"grown\":%" PRIu64 ",\"shrunk\":%" PRIu64 ",\"allocs\":%" PRIu64
		",\"frees\":%" PRIu64 ",\"misses\":%" PRIu64 ",\"reaped_processes\":%" PRIu64
		",\"reaped_frames\":%" PRIu64 ",\"sample\":%u,\"holders\":[",
		(uint64_t)time(NULL), s->total, s->free, s->cached, s->held, s->lent,
		s->quarantined, s->retired, s->reserved, s->grown, s->shrunk, s->allocs, s->frees,
		s->misses, s->reaped_processes, s->reaped_frames, r->pool->priv->sample);
	for (int i = 0; i < r->holders; i++) {
		if (i)
			fputc(',', out);
		json_holder(out, &r->holder[i]);
	}
	fprintf(out, "],\"sites\":[");
	for (int i = 0; i < r->sites; i++) {
		if (i)
			fputc(',', out);
		json_site(out, &r->site[i]);
	}
	fprintf(out, "]}\n");
}

/* ---- both ---- */

static int write_report(struct report *r, FILE *out, enum lab_report_format format)
{
	r->holders = lab_pool_holders(r->pool, r->holder, LAB_HOLDERS_MAX);
	if (r->holders < 0)
		return r->holders;
	r->sites = lab_pool_sites(r->pool, r->site, SITES_SHOWN);
	if (r->sites < 0)
		return r->sites;
	lab_pool_stats(r->pool, &r->stats);
	if (format == LAB_REPORT_JSON)
		write_json(out, r);
	else
		write_text(out, r);
	if (fflush(out) || ferror(out))
		return lab_fail(EIO, "the report of pool '%s' cannot be written (%s)",
				r->pool->priv->name, strerror(errno));
	return 0;
}

int lab_pool_report(const struct lab_pool *pool, FILE *out, enum lab_report_format format)
{
	struct report *report;
	int err;

	if (!out || (format != LAB_REPORT_TEXT && format != LAB_REPORT_JSON))
		return lab_fail(EINVAL, "lab_pool_report() needs a file to write to, and a format "
					"that it knows");
	report = calloc(1, sizeof(*report));
	if (!report)
		return lab_fail(ENOMEM, "no memory for a report");
	report->pool = pool;
	err = write_report(report, out, format);
	free(report);
	return err;
}

void lab_report_leaks(const struct lab_pool *pool)
{
	const char *to = getenv("LABYRINTH_LEAKS");
	size_t len = to ? strlen(to) : 0;
	int json = len > 5 && strcmp(to + len - 5, ".json") == 0;
	FILE *out;

	if (!len || !pool->state)
		return;
	if (strcmp(to, "stderr") == 0) {
		lab_pool_report(pool, stderr, LAB_REPORT_TEXT);
		return;
	}
	out = fopen(to, "ae");
	if (!out)
		return;
	lab_pool_report(pool, out, json ? LAB_REPORT_JSON : LAB_REPORT_TEXT);
	fclose(out);
}
