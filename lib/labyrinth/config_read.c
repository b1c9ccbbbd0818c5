/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool's configuration from file, environment and program, in this order. Knows where each value
 * came from, so that what lab_pool_create() refuses is said of the right line.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <labyrinth/lab_config.h>

#include "config_env.h"
#include "config_file.h"
#include "error.h"
#include "words.h"

/* Where lab_config_read(NULL, ...) looks at last; the build says where configurations are. */
#ifndef LAB_SYSCONFDIR
#define LAB_SYSCONFDIR "/etc"
#endif
#define DEFAULT_PATH LAB_SYSCONFDIR "/labyrinth/labyrinth.conf"

struct lab_config {
	struct lab_config_values values;
	unsigned line; /* of the section */
	char path[];
};

/* The struct's strings are in its keeper, unless the program said them itself. */
static void set_strings(struct lab_config_values *v, const char *section)
{
	if (!*v->name)
		snprintf(v->name, sizeof(v->name), "%s", section);
	v->pool.name = v->name;
	v->pool.group = *v->group ? v->group : NULL;
}

static int fill(struct lab_config *config, const char *pool)
{
	struct lab_config_file *file = malloc(sizeof(*file));
	int section, err;

	if (!file)
		return lab_fail(ENOMEM, "no memory for the sections of %.200s", config->path);
	section = lab_config_file_read(file, config->path, pool, &config->values);
	err = section < 0 ? section
			  : lab_config_environment(file, (unsigned)section, &config->values);
	if (!err) {
		config->line = file->section[section].line;
		set_strings(&config->values, pool);
	}
	free(file);
	return err;
}

struct lab_config *lab_config_read(const char *path, const char *pool)
{
	struct lab_config *config;
	int err;

	if (!pool) {
		lab_fail(EINVAL, "lab_config_read() needs the name of a pool; NULL was passed");
		return NULL;
	}
	if (!path)
		path = lab_config_variable("LABYRINTH_CONFIG");
	if (!path)
		path = DEFAULT_PATH;
	config = calloc(1, sizeof(*config) + strlen(path) + 1);
	if (!config) {
		lab_fail(ENOMEM, "no memory for the configuration of pool '%.40s'", pool);
		return NULL;
	}
	memcpy(config->path, path, strlen(path) + 1);
	err = fill(config, pool);
	if (err) {
		free(config);
		errno = -err;
		return NULL;
	}
	return config;
}

struct lab_pool_config *lab_config_pool(struct lab_config *config)
{
	return &config->values.pool;
}

void lab_config_free(struct lab_config *config)
{
	free(config);
}

/* ---- of what a pool cannot be made ---- */

/* The key whose field is the word of @length at @word, or -1. */
static int key_of(const char *word, size_t length)
{
	for (unsigned i = 0; lab_config_key(i); i++) {
		const char *field = lab_config_key(i)->field;

		if (strlen(field) == length && memcmp(field, word, length) == 0)
			return (int)i;
	}
	return -1;
}

/* The key that anybody used for the field of key @i, or -1. */
static int used(const struct lab_config_values *v, int i)
{
	const char *field = i < 0 ? "" : lab_config_key((unsigned)i)->field;

	for (unsigned k = 0; lab_config_key(k); k++) {
		if (v->source[k] && strcmp(lab_config_key(k)->field, field) == 0)
			return (int)k;
	}
	return -1;
}

static size_t word_length(const char *text)
{
	size_t n = 0;

	while (isalnum((unsigned char)text[n]) || text[n] == '_')
		n++;
	return n;
}

/*
 * Copies @text with each field under its key's name, and returns the key that it is about: the
 * first that anybody used; -1: none. In quotes stands what somebody wrote, and "frames" is also
 * a word of every day, which counts in front only.
 */
static int rename_fields(const struct lab_config_values *v, const char *text,
			 char to[LAB_ERROR_TEXT_MAX])
{
	const char *from = text, *before = text; /* before: what was copied last */
	size_t n = 0;
	int about = -1;

	while (*from && n < LAB_ERROR_TEXT_MAX - 1) {
		size_t length = word_length(from);
		int i = length ? key_of(from, length) : -1;
		int other = (length == 6 && memcmp(from, "frames", 6) == 0) || *before == '\'';

		if (about < 0 && (!other || from == text))
			about = used(v, i);
		before = from;
		if (i >= 0 && memchr(from, '_', length)) {
			n += (size_t)snprintf(to + n, LAB_ERROR_TEXT_MAX - n, "%s",
					      lab_config_key((unsigned)i)->name);
			from += length;
			continue;
		}
		for (size_t k = length ? length : 1; k && n < LAB_ERROR_TEXT_MAX - 1; k--)
			to[n++] = *from++;
	}
	to[n < LAB_ERROR_TEXT_MAX ? n : LAB_ERROR_TEXT_MAX - 1] = '\0';
	return about;
}

/* The error is lab_pool_create()'s; says it again, of the line or the variable that it is about. */
static void explain(const struct lab_config *config, const char *pool, int err)
{
	const struct lab_config_values *v = &config->values;
	char text[LAB_ERROR_TEXT_MAX], place[LAB_CONFIG_PLACE];
	int about = rename_fields(v, lab_error_text(), text);
	/* Whatever else is the machine's, which no key alone is to blame for. */
	int of_key = about >= 0 && (err == EINVAL || err == ENOENT);
	int source = of_key ? v->source[about] : LAB_CONFIG_UNSAID;

	lab_config_place(place, config->path, source > 0 ? (unsigned)source : config->line);
	if (source == LAB_CONFIG_ENVIRONMENT)
		lab_config_variable_of(place, pool, lab_config_key((unsigned)about));
	lab_fail(err, "%s%s: %s", place,
		 source == LAB_CONFIG_PROGRAM ? ", overridden by the program" : "", text);
}

struct lab_pool *lab_pool_create_from(const char *path, const char *pool,
				      const struct lab_pool_config *override)
{
	struct lab_config *config = lab_config_read(path, pool);
	struct lab_pool *made;
	int err;

	if (!config)
		return NULL;
	if (override)
		lab_config_override(&config->values, override);
	made = lab_pool_create(&config->values.pool);
	err = errno;
	if (!made)
		explain(config, pool, err);
	lab_config_free(config);
	errno = err;
	return made;
}
