/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Reading a configuration file. inih splits lines into names and values, but as distributions build
 * it, it tells neither the line, nor sections without keys, nor that a heading was cut off. So it
 * gets its lines from here, one at a time, and what it makes of each is compared with the line.
 */
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "config_file.h"
#include "error.h"
#include "words.h"

/* inih says nothing of a heading itself. Each is followed by this line, a key without a value, for
 * which it names the section. */
#define AFTER_HEADING "]="
#define BOM           "\xef\xbb\xbf"

struct reading {
	struct lab_config_file *file;
	FILE *in;
	const char *pool;
	unsigned line;
	char raw[LAB_CONFIG_LINE + 1]; /* this line, without spaces in front */
	enum { NOTHING, LINE, HEADING } unanswered;
	int err;
	int section; /* the one that this line is in; -1: none yet */
	int found;   /* the one that is wanted; -1: not yet */
	struct lab_config_values *values;
	struct lab_config_values
		others; /* of the section that this line is in, if nobody wants it */
};

void lab_config_place(char place[LAB_CONFIG_PLACE], const char *path, unsigned line)
{
	const size_t most = LAB_CONFIG_PLACE - 32;
	size_t length = strlen(path);
	const char *end = length > most ? path + length - most : path;
	const char *dots = length > most ? "..." : "";

	if (line)
		snprintf(place, LAB_CONFIG_PLACE, "%s%s:%u", dots, end, line);
	else
		snprintf(place, LAB_CONFIG_PLACE, "%s%s", dots, end);
}

/* ---- lines ---- */

static int is_comment(const char *line)
{
	return *line == '#' || *line == ';';
}

#define REFUSE(r, ...) refuse(r, lab_fail(EINVAL, __VA_ARGS__))

static int refuse(struct reading *r, int err)
{
	r->err = err;
	return err;
}

static const char *here(const struct reading *r, char place[LAB_CONFIG_PLACE])
{
	lab_config_place(place, r->file->path, r->line);
	return place;
}

/* One byte more of the line; @n of it are kept. */
static void take_byte(struct reading *r, int c, size_t *n, size_t column)
{
	char place[LAB_CONFIG_PLACE];

	if (c == '\0')
		REFUSE(r, "%s: byte %zu of the line is 0: this is no text file", here(r, place),
		       column);
	else if (*n == 0 && isspace(c))
		return;
	else if (*n < LAB_CONFIG_LINE)
		r->raw[(*n)++] = (char)c;
	else if (!is_comment(r->raw) && !isspace(c))
		REFUSE(r, "%s: the line is too long: at most %d characters", here(r, place),
		       LAB_CONFIG_LINE);
	if (r->line == 1 && *n == 3 && memcmp(r->raw, BOM, 3) == 0)
		*n = 0;
}

/* 1: r->raw is the next line, without spaces in front; 0: there is none, or it is refused. */
static int next_line(struct reading *r)
{
	char place[LAB_CONFIG_PLACE];
	size_t n = 0, column = 0;
	int c;

	r->line++;
	while (!r->err && (c = getc(r->in)) != EOF && c != '\n')
		take_byte(r, c, &n, ++column);
	if (!r->err && ferror(r->in)) {
		lab_config_place(place, r->file->path, 0);
		refuse(r, lab_fail(errno, "%s cannot be read: %s", place, strerror(errno)));
	}
	r->raw[n] = '\0';
	return !r->err && (n || !feof(r->in));
}

static void not_understood(struct reading *r)
{
	char place[LAB_CONFIG_PLACE];

	REFUSE(r, "%s: '%s' is not KEY = VALUE, nor [pool NAME], nor a comment", here(r, place),
	       lab_quote(r->raw).text);
}

/* An ini_reader: as fgets(), which it stands for. */
static char *feed(char *to, int room, void *arg)
{
	struct reading *r = arg;
	char place[LAB_CONFIG_PLACE];

	if (r->err)
		return NULL;
	if (r->unanswered == LINE && *r->raw == '[') {
		r->unanswered = HEADING;
		snprintf(to, (size_t)room, AFTER_HEADING);
		return to;
	}
	if (r->unanswered != NOTHING) {
		not_understood(r);
		return NULL;
	}
	do {
		if (!next_line(r))
			return NULL;
	} while (*r->raw == '\0' || is_comment(r->raw));
	if (snprintf(to, (size_t)room, "%s", r->raw) >= room) {
		REFUSE(r, "%s: the line is too long for this system's inih: at most %d characters",
		       here(r, place), room - 1);
		return NULL;
	}
	r->unanswered = LINE;
	return to;
}

/* ---- sections ---- */

/* The line is this heading, and not one that was cut off, or has something behind it. */
static int is_heading(const char *raw, const char *section)
{
	size_t length = strlen(section);
	const char *rest = raw + 1 + length;

	if (strncmp(raw + 1, section, length) != 0 || *rest++ != ']')
		return 0;
	while (isspace((unsigned char)*rest))
		rest++;
	return *rest == '\0' || *rest == ';' || *rest == '#';
}

#define FITTING "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

static int new_section(struct reading *r, const char *name)
{
	struct lab_config_file *f = r->file;
	char place[LAB_CONFIG_PLACE];

	if (!*name || name[strspn(name, FITTING)])
		return REFUSE(r,
			      "%s: '%s' is no pool's name: write [pool NAME], with letters, "
			      "digits, '.', '_' and '-' in NAME",
			      here(r, place), lab_quote(name).text);
	if (strlen(name) >= LAB_NAME_MAX)
		return REFUSE(r, "%s: the name '%s' is too long: at most %d characters",
			      here(r, place), lab_quote(name).text, LAB_NAME_MAX - 1);
	for (unsigned i = 0; i < f->sections; i++) {
		if (strcmp(f->section[i].name, name) == 0)
			return REFUSE(r, "%s: [pool %s] stands on line %u already", here(r, place),
				      name, f->section[i].line);
	}
	if (f->sections == LAB_CONFIG_SECTIONS)
		return REFUSE(r, "%s: a file describes at most %d pools", here(r, place),
			      LAB_CONFIG_SECTIONS);
	r->section = (int)f->sections++;
	memcpy(f->section[r->section].name, name, strlen(name) + 1);
	f->section[r->section].line = r->line;
	if (strcmp(name, r->pool) == 0)
		r->found = r->section;
	memset(&r->others, 0, sizeof(r->others));
	return 0;
}

static int heading(struct reading *r, const char *section)
{
	size_t word = strcspn(section, " \t");
	const char *name = section + word + strspn(section + word, " \t");
	char place[LAB_CONFIG_PLACE], meant[64];

	if (!is_heading(r->raw, section))
		return REFUSE(r, "%s: '%s' is not [pool NAME]", here(r, place),
			      lab_quote(r->raw).text);
	if (word == 4 && memcmp(section, "pool", 4) == 0)
		return new_section(r, name);
	/* One word: the name, or what should introduce it. */
	snprintf(meant, sizeof(meant), "[pool %s]",
		 *name                                ? lab_quote(name).text
		 : lab_distance(section, "pool") <= 1 ? "NAME"
						      : lab_quote(section).text);
	return REFUSE(r, "%s: section [%s] is not known: did you mean '%s'?", here(r, place),
		      lab_quote(section).text, meant);
}

/* ---- what inih makes of the lines ---- */

static int key(struct reading *r, const char *name, const char *text)
{
	int i = lab_config_key_find(name);
	char place[LAB_CONFIG_PLACE];

	if (i < 0)
		return REFUSE(r, "%s: key '%s' is not known: %s", here(r, place),
			      lab_quote(name).text,
			      lab_hint(name, lab_config_key_nearest(name)).text);
	if (r->section < 0)
		return REFUSE(r,
			      "%s: key '%s' stands before the first section: begin with "
			      "[pool NAME]",
			      here(r, place), name);
	return refuse(r, lab_config_say(r->section == r->found ? r->values : &r->others,
					(unsigned)i, text, (int)r->line, here(r, place)));
}

/* An ini_handler: 1 goes on. */
static int handle(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *r = arg;
	int is = r->unanswered;

	/* Some builds also tell of headings, or of keys without a value; here both is known. */
	if (!name || !value || is == NOTHING)
		return 1;
	r->unanswered = NOTHING;
	return (is == HEADING ? heading(r, section) : key(r, name, value)) == 0;
}

/* ---- the file ---- */

static int no_section(const struct lab_config_file *f, const char *pool)
{
	char place[LAB_CONFIG_PLACE], are[160];
	unsigned nearest = 0;
	size_t n = 0;

	lab_config_place(place, f->path, 0);
	if (f->sections == 0)
		return lab_fail(EINVAL, "%s: no section [pool %s]; there is none at all", place,
				lab_quote(pool).text);
	for (unsigned i = 0; i < f->sections && n < sizeof(are) - LAB_NAME_MAX - 12; i++) {
		const char *name = f->section[i].name;

		n += (size_t)sprintf(are + n, "%s[pool %s]", i ? ", " : "", name);
	}
	for (unsigned i = 1; i < f->sections; i++) {
		if (lab_distance(pool, f->section[i].name) <
		    lab_distance(pool, f->section[nearest].name))
			nearest = i;
	}
	return lab_fail(EINVAL, "%s: no section [pool %s]; there are %s: %s", place,
			lab_quote(pool).text, are, lab_hint(pool, f->section[nearest].name).text);
}

int lab_config_file_read(struct lab_config_file *file, const char *path, const char *pool,
			 struct lab_config_values *values)
{
	struct reading r = {
		.file = file, .pool = pool, .values = values, .section = -1, .found = -1};
	char place[LAB_CONFIG_PLACE];
	int err;

	file->path = path;
	file->sections = 0;
	lab_config_place(place, path, 0);
	r.in = fopen(path, "re");
	if (!r.in)
		return lab_fail(errno, "%s cannot be read: %s", place, strerror(errno));
	err = ini_parse_stream(feed, &r, handle, &r);
	if (!r.err && err < 0)
		refuse(&r, lab_fail(ENOMEM, "%s cannot be read: no memory for a line", place));
	else if (!r.err && err) /* some builds stop there by themselves */
		not_understood(&r);
	fclose(r.in);
	if (r.err) {
		errno = -r.err; /* fclose() may have changed it */
		return r.err;
	}
	return r.found >= 0 ? r.found : no_section(file, pool);
}
