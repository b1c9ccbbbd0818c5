/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The environment's variables of a pool.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_env.h"
#include "error.h"
#include "words.h"

/* What all of them begin with. */
#define OURS "LABYRINTH_"
/* Longest name: that, a pool's, a key's. */
#define VARIABLE_MAX (sizeof(OURS) + LAB_NAME_MAX + 32)

/* Of the library itself; a pool may be called "runtime". */
static const char *const not_keys[] = {"LABYRINTH_RUNTIME_DIR"};

const char *lab_config_variable(const char *name)
{
	const char *value = secure_getenv(name);

	return value && *value ? value : NULL;
}

/* Writes @word as a part of a variable's name, with '_' at its end. */
static size_t upper(char *to, const char *word, char end)
{
	size_t n = 0;

	for (; word[n]; n++)
		to[n] = isalnum((unsigned char)word[n]) ? (char)toupper((unsigned char)word[n])
							: '_';
	to[n] = end;
	to[n + (end != '\0')] = '\0';
	return n + (end != '\0');
}

static size_t prefix_of(char prefix[VARIABLE_MAX], const char *pool)
{
	memcpy(prefix, OURS, sizeof(OURS));
	return sizeof(OURS) - 1 + upper(prefix + sizeof(OURS) - 1, pool, '_');
}

void lab_config_variable_of(char place[LAB_CONFIG_PLACE], const char *pool,
			    const struct lab_config_key *key)
{
	char name[VARIABLE_MAX];

	upper(name + prefix_of(name, pool), key->name, '\0');
	snprintf(place, LAB_CONFIG_PLACE, "environment variable %s", name);
}

/* Whether a section with a longer name has this variable. */
static int is_another_s(const struct lab_config_file *file, const char *variable, size_t length)
{
	char prefix[VARIABLE_MAX];

	for (unsigned i = 0; i < file->sections; i++) {
		size_t n = prefix_of(prefix, file->section[i].name);

		if (n > length && strncmp(variable, prefix, n) == 0)
			return 1;
	}
	return 0;
}

static int is_ours(const char *name)
{
	for (unsigned i = 0; i < sizeof(not_keys) / sizeof(not_keys[0]); i++) {
		if (strcmp(not_keys[i], name) == 0)
			return 1;
	}
	return 0;
}

/* @entry, NAME=VALUE, has this pool's prefix. */
static int take(struct lab_config_values *values, const char *entry, const char *prefix,
		size_t length)
{
	size_t n = strcspn(entry, "=");
	char name[VARIABLE_MAX], nearest[VARIABLE_MAX], where[LAB_CONFIG_PLACE];
	const char *value;

	memcpy(nearest, prefix, length);
	if (n < sizeof(name)) {
		snprintf(name, sizeof(name), "%.*s", (int)n, entry);
		value = lab_config_variable(name);
		if (!value || is_ours(name))
			return 0;
		for (unsigned i = 0; lab_config_key(i); i++) {
			upper(nearest + length, lab_config_key(i)->name, '\0');
			if (strcmp(name, nearest) != 0)
				continue;
			snprintf(where, sizeof(where), "environment variable %s", name);
			return lab_config_say(values, i, value, LAB_CONFIG_ENVIRONMENT, where);
		}
	}
	snprintf(where, sizeof(where), "%.*s", (int)(n - length), entry + length);
	upper(nearest + length, lab_config_key_nearest(where), '\0');
	return lab_fail(EINVAL, "environment variable %s%s is not known: %s", prefix,
			lab_quote(where).text, lab_hint(entry, nearest).text);
}

int lab_config_environment(const struct lab_config_file *file, unsigned section,
			   struct lab_config_values *values)
{
	char prefix[VARIABLE_MAX];
	size_t length = prefix_of(prefix, file->section[section].name);

	for (char **entry = environ; entry && *entry; entry++) {
		int err;

		if (strncmp(*entry, prefix, length) != 0 || is_another_s(file, *entry, length))
			continue;
		err = take(values, *entry, prefix, length);
		if (err)
			return err;
	}
	return 0;
}
