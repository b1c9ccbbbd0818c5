/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The keys of a configuration file, and their values.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "config_key.h"
#include "error.h"
#include "words.h"

#define VALUE(key, kind_, field_, ...)                                                     \
	{                                                                                  \
		key, #field_, kind_, offsetof(struct lab_pool_config, field_), __VA_ARGS__ \
	}
#define FLAG(key, flag_)                                                                        \
	{                                                                                       \
		key, #flag_, LAB_CONFIG_FLAG, offsetof(struct lab_pool_config, flags), flag_, 0 \
	}

/* Where two keys are one field, the one that is called as the field comes first. */
static const struct lab_config_key keys[] = {
	VALUE("name", LAB_CONFIG_NAME, name, 0, 0),
	VALUE("frames", LAB_CONFIG_FRAMES, frames, 0, 1),
	VALUE("size", LAB_CONFIG_SIZE, frames, 0, 0),
	VALUE("min-frames", LAB_CONFIG_FRAMES, min_frames, 0, 1),
	VALUE("min-size", LAB_CONFIG_SIZE, min_frames, 0, 0),
	VALUE("max-frames", LAB_CONFIG_FRAMES, max_frames, 0, 1),
	VALUE("max-size", LAB_CONFIG_SIZE, max_frames, 0, 0),
	VALUE("page-size", LAB_CONFIG_PAGE, page_size, 0, 0),
	VALUE("node", LAB_CONFIG_NODE, node, 0, 0),
	VALUE("cache-frames", LAB_CONFIG_NUMBER, cache_frames, 0, 1),
	VALUE("max-lcores", LAB_CONFIG_NUMBER, max_lcores, 0, 1),
	VALUE("sample", LAB_CONFIG_NUMBER, sample, 0, 0),
	VALUE("reserve", LAB_CONFIG_MARK, reserve, 0, 0),
	VALUE("min", LAB_CONFIG_MARK, min, 0, 0),
	VALUE("low", LAB_CONFIG_MARK, low, 0, 0),
	VALUE("high", LAB_CONFIG_MARK, high, 0, 0),
	VALUE("timeout-ms", LAB_CONFIG_NUMBER, timeout_ms, 0, 1),
	VALUE("grow-rate", LAB_CONFIG_RATE, grow_rate, 0, 1),
	FLAG("stepped", LAB_POOL_STEPPED),
	FLAG("unprotected", LAB_POOL_UNPROTECTED),
	FLAG("fallback", LAB_POOL_FALLBACK),
	FLAG("dump", LAB_POOL_DUMP),
	FLAG("iova-va", LAB_POOL_IOVA_VA),
	FLAG("bound", LAB_POOL_BOUND),
	FLAG("exact", LAB_POOL_EXACT),
	FLAG("shared", LAB_POOL_SHARED),
	VALUE("group", LAB_CONFIG_GROUP, group, 0, 0),
	VALUE("lcores", LAB_CONFIG_NUMBER, lcores, 0, 1),
	FLAG("common", LAB_POOL_COMMON),
	FLAG("keep", LAB_POOL_KEEP),
};

#define KEYS (sizeof(keys) / sizeof(keys[0]))
_Static_assert(KEYS <= LAB_CONFIG_KEYS, "LAB_CONFIG_KEYS is too small");

const struct lab_config_key *lab_config_key(unsigned i)
{
	return i < KEYS ? &keys[i] : NULL;
}

int lab_config_key_find(const char *name)
{
	for (unsigned i = 0; i < KEYS; i++) {
		if (strcmp(keys[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

const char *lab_config_key_nearest(const char *name)
{
	unsigned nearest = 0;

	for (unsigned i = 1; i < KEYS; i++) {
		if (lab_distance(name, keys[i].name) < lab_distance(name, keys[nearest].name))
			nearest = i;
	}
	return keys[nearest].name;
}

/* ---- values ---- */

/* A key with what is written there, and where, for sentences. */
struct said {
	const struct lab_config_key *key;
	const char *text;
	const char *where;
};

static int wrong(const struct said *s, const char *right)
{
	return lab_fail(EINVAL, "%s: %s is '%s': %s", s->where, s->key->name,
			lab_quote(s->text).text, right);
}

/* The digits at the start of @text; it then points to what follows them and spaces. -1: there are
 * none, or too many. */
static int number(const char **text, uint64_t *n)
{
	const char *c = *text;

	*n = 0;
	if (!isdigit((unsigned char)*c))
		return -1;
	for (; isdigit((unsigned char)*c); c++) {
		if (__builtin_mul_overflow(*n, 10, n) ||
		    __builtin_add_overflow(*n, (uint64_t)(*c - '0'), n))
			return -1;
	}
	while (isspace((unsigned char)*c))
		c++;
	*text = c;
	return 0;
}

static int whole(const struct said *s, uint64_t most, uint64_t *n)
{
	const char *text = s->text;

	if (number(&text, n) || *text || *n < s->key->least || *n > most)
		return lab_fail(
			EINVAL,
			"%s: %s is '%s': a whole number from %u to %" PRIu64 ", without a unit",
			s->where, s->key->name, lab_quote(s->text).text, s->key->least, most);
	return 0;
}

static int bytes_of(const struct said *s, uint64_t *bytes)
{
	static const struct {
		const char *name;
		unsigned shift;
	} units[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
	const char *text = s->text;
	uint64_t n;

	if (number(&text, &n))
		return wrong(s, "a whole number and a unit, as in 256 MiB");
	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(text, units[i].name) != 0)
			continue;
		if (n > (LAB_CONFIG_MAX_FRAMES << LAB_FRAME_SHIFT) >> units[i].shift)
			return wrong(s, "at most 8192 GiB");
		*bytes = n << units[i].shift;
		if (*bytes == 0 || *bytes % LAB_FRAME_SIZE)
			return wrong(s, "a multiple of 4 KiB, and not 0");
		return 0;
	}
	return wrong(s, "units are KiB, MiB and GiB");
}

static int mark_of(const struct said *s, uint64_t *mark)
{
	const char *text = s->text;
	uint64_t n;

	*mark = LAB_NONE;
	if (strcmp(text, "none") == 0)
		return 0;
	if (number(&text, &n) == 0) {
		/* In the struct 0 is the default; who writes it down means none. */
		*mark = n ? n : LAB_NONE;
		if (!*text && n <= LAB_CONFIG_MAX_FRAMES)
			return 0;
		*mark = LAB_PERCENT(n);
		if (strcmp(text, "%") == 0 && n <= 100)
			return 0;
	}
	return wrong(s, "a number of frames, a percentage of them as in 5 %, or none");
}

static int rate_of(const struct said *s, uint64_t *rate)
{
	const char *text = s->text;
	unsigned shift;

	*rate = 0;
	if (strcmp(text, "none") == 0)
		return 0;
	if (number(&text, rate) || (strcmp(text, "MiB/s") != 0 && strcmp(text, "GiB/s") != 0))
		return wrong(s, "units are MiB/s and GiB/s, as in 100 MiB/s, or it is none");
	shift = *text == 'G' ? 10 : 0;
	if (*rate < s->key->least || *rate > UINT32_MAX >> shift)
		return wrong(s, "from 1 MiB/s to 4194303 GiB/s, or none");
	*rate <<= shift;
	return 0;
}

static int node_of(const struct said *s, int *node)
{
	const char *text = s->text;
	uint64_t n;

	*node = LAB_NODE_ANY;
	if (strcmp(text, "any") == 0)
		return 0;
	if (number(&text, &n) || *text || n >= INT_MAX)
		return wrong(s, "the number of a NUMA node, or any");
	*node = LAB_NODE((int)n);
	return 0;
}

static int flag_of(const struct said *s, uint32_t *flags)
{
	static const char *const words[] = {"yes", "no", "true", "false", "on", "off"};
	unsigned nearest = 0;

	for (unsigned i = 0; i < 6; i++) {
		if (lab_distance(s->text, words[i]) < lab_distance(s->text, words[nearest]))
			nearest = i;
	}
	if (strcmp(s->text, words[nearest]) != 0)
		return lab_fail(EINVAL, "%s: %s is '%s', and must be yes or no: %s", s->where,
				s->key->name, lab_quote(s->text).text,
				lab_hint(s->text, words[nearest]).text);
	*flags = nearest % 2 == 0 ? *flags | s->key->flag : *flags & ~s->key->flag;
	return 0;
}

static int text_of(const struct said *s, char *text, size_t room)
{
	for (const char *c = s->text; *c; c++) {
		if (iscntrl((unsigned char)*c))
			return wrong(s, "it has a control character in it");
	}
	if (strlen(s->text) >= room)
		return lab_fail(EINVAL, "%s: %s is '%s', which is too long: at most %zu characters",
				s->where, s->key->name, lab_quote(s->text).text, room - 1);
	snprintf(text, room, "%s", s->text);
	return 0;
}

static int take(struct lab_config_values *values, const struct said *s)
{
	char *field = (char *)&values->pool + s->key->offset;
	uint64_t n = 0;
	int err = 0;

	switch (s->key->kind) {
	case LAB_CONFIG_NAME:
		return text_of(s, values->name, sizeof(values->name));
	case LAB_CONFIG_GROUP:
		return text_of(s, values->group, sizeof(values->group));
	case LAB_CONFIG_FLAG:
		return flag_of(s, &values->pool.flags);
	case LAB_CONFIG_NODE:
		return node_of(s, &values->pool.node);
	case LAB_CONFIG_FRAMES:
		err = whole(s, LAB_CONFIG_MAX_FRAMES, &n);
		break;
	case LAB_CONFIG_SIZE:
	case LAB_CONFIG_PAGE:
		err = bytes_of(s, &n);
		break;
	case LAB_CONFIG_MARK:
		err = mark_of(s, &n);
		break;
	case LAB_CONFIG_RATE:
		err = rate_of(s, &n);
		break;
	case LAB_CONFIG_NUMBER:
		err = whole(s, UINT32_MAX, &n);
		break;
	}
	if (err)
		return err;
	if (s->key->kind == LAB_CONFIG_SIZE)
		n >>= LAB_FRAME_SHIFT;
	if (s->key->kind == LAB_CONFIG_NUMBER || s->key->kind == LAB_CONFIG_RATE)
		*(uint32_t *)field = (uint32_t)n;
	else
		*(uint64_t *)field = n;
	return 0;
}

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "take() stores page_size as the others");

/* Whether two keys are one field, or one flag. */
static int same(unsigned a, unsigned b)
{
	return keys[a].offset == keys[b].offset && keys[a].flag == keys[b].flag;
}

static int check_twice(const struct lab_config_values *values, unsigned i, int source,
		       const char *where)
{
	for (unsigned k = 0; k < KEYS; k++) {
		int was = values->source[k];

		/* Of one section all sources are lines; each variable is one. */
		if (!same(k, i) || was == LAB_CONFIG_UNSAID || (was > 0) != (source > 0))
			continue;
		if (k == i && was > 0)
			return lab_fail(EINVAL, "%s: key '%s' stands on line %d already", where,
					keys[i].name, was);
		if (k == i)
			continue;
		if (was > 0)
			return lab_fail(
				EINVAL,
				"%s: %s says what %s on line %d says: leave one of them out", where,
				keys[i].name, keys[k].name, was);
		return lab_fail(EINVAL, "%s: %s says what %s says, and both are set: unset one",
				where, keys[i].name, keys[k].name);
	}
	return 0;
}

/* Forgets where the field came from before. */
static void note(struct lab_config_values *values, unsigned i, int source)
{
	for (unsigned k = 0; k < KEYS; k++) {
		if (same(k, i))
			values->source[k] = LAB_CONFIG_UNSAID;
	}
	values->source[i] = source;
}

int lab_config_say(struct lab_config_values *values, unsigned i, const char *text, int source,
		   const char *where)
{
	struct said said = {.key = &keys[i], .text = text, .where = where};
	int err = check_twice(values, i, source, where);

	if (err)
		return err;
	if (!*text)
		return lab_fail(EINVAL, "%s: %s has no value: give it one, or leave it out", where,
				keys[i].name);
	err = take(values, &said);
	if (!err)
		note(values, i, source);
	return err;
}

/* ---- what the program says itself ---- */

static size_t width(enum lab_config_kind kind)
{
	switch (kind) {
	case LAB_CONFIG_NAME:
	case LAB_CONFIG_GROUP:
		return sizeof(const char *);
	case LAB_CONFIG_NUMBER:
	case LAB_CONFIG_RATE:
		return sizeof(uint32_t);
	case LAB_CONFIG_NODE:
		return sizeof(int);
	default:
		return sizeof(uint64_t);
	}
}

void lab_config_override(struct lab_config_values *values, const struct lab_pool_config *override)
{
	static const char zero[sizeof(uint64_t)];

	for (unsigned i = 0; i < KEYS; i++) {
		const char *from = (const char *) override + keys[i].offset;
		size_t bytes = width(keys[i].kind);

		if (keys[i].kind == LAB_CONFIG_FLAG) {
			if (override->flags & keys[i].flag)
				note(values, i, LAB_CONFIG_PROGRAM);
		} else if (memcmp(from, zero, bytes) != 0) {
			memcpy((char *)&values->pool + keys[i].offset, from, bytes);
			note(values, i, LAB_CONFIG_PROGRAM);
		}
	}
	/* Those, too, that have no key. */
	values->pool.flags |= override->flags;
	if (override->on_refusal)
		values->pool.on_refusal = override->on_refusal;
	if (override->on_refusal_arg)
		values->pool.on_refusal_arg = override->on_refusal_arg;
}
