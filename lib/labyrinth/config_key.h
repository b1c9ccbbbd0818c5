/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The keys of a configuration file: one table for the file, the environment, the document and what
 * is said of mistakes. Knows struct lab_pool_config and how its values are written; not where they
 * are read from, and not what goes together.
 */
#ifndef CONFIG_KEY_H
#define CONFIG_KEY_H

#include <labyrinth/lab_pool.h>

/** Room for keys; config_key.c asserts that its table fits. */
#define LAB_CONFIG_KEYS 48
/** Room for a group's name, with its terminating zero. */
#define LAB_CONFIG_GROUP_MAX 64

/** enum lab_config_kind - how a value is written, and what it is in the struct. */
enum lab_config_kind {
	LAB_CONFIG_NAME,   /* text, in lab_config_values.name */
	LAB_CONFIG_GROUP,  /* text, in lab_config_values.group */
	LAB_CONFIG_FRAMES, /* a number; uint64_t */
	LAB_CONFIG_SIZE,   /* 256 MiB; uint64_t, in frames */
	LAB_CONFIG_MARK,   /* 128, 5 %, none; uint64_t, LAB_PERCENT(5), LAB_NONE */
	LAB_CONFIG_NUMBER, /* a number; uint32_t */
	LAB_CONFIG_RATE,   /* 100 MiB/s, none; uint32_t, in MiB/s */
	LAB_CONFIG_PAGE,   /* 2 MiB; size_t, in bytes */
	LAB_CONFIG_NODE,   /* any, 0; int, LAB_NODE(n) */
	LAB_CONFIG_FLAG,   /* yes, no; a bit of lab_pool_config.flags */
};

/**
 * struct lab_config_key - a key.
 * @name: as in the file.
 * @field: what it is in C, and in the library's sentences: a field, or a flag.
 * @kind: how it is written.
 * @offset: of the field.
 * @flag: the bit, of a flag.
 * @least: the smallest number that is one.
 */
struct lab_config_key {
	const char *name;
	const char *field;
	enum lab_config_kind kind;
	size_t offset;
	uint32_t flag;
	uint32_t least;
};

/** Where a value comes from, if not from a line (1 and up). */
enum {
	LAB_CONFIG_UNSAID = 0,
	LAB_CONFIG_ENVIRONMENT = -1,
	LAB_CONFIG_PROGRAM = -2,
};

/**
 * struct lab_config_values - what has been said of one pool so far.
 * @pool: the values; its strings are those of the program, if it said them.
 * @name, @group: what file and environment say; "": nothing.
 * @source: of each key, where its value comes from.
 */
struct lab_config_values {
	struct lab_pool_config pool;
	char name[LAB_NAME_MAX];
	char group[LAB_CONFIG_GROUP_MAX];
	int source[LAB_CONFIG_KEYS];
};

/** lab_config_key() - number @i of the table, or NULL past its end. */
const struct lab_config_key *lab_config_key(unsigned i);

/** lab_config_key_find() - the number of the key of that name, or -1. */
int lab_config_key_find(const char *name);

/** lab_config_key_nearest() - the key whose name is nearest to that. */
const char *lab_config_key_nearest(const char *name);

/**
 * lab_config_say() - take a value that somebody wrote.
 * @values: to keep it in.
 * @i: the key's number.
 * @text: the value as written, without spaces around it.
 * @source: where; wins over any other source.
 * @where: the same, as a sentence begins.
 *
 * Return: 0; or -EINVAL with a sentence: it is no such value, or the same source has said it
 * before.
 */
int lab_config_say(struct lab_config_values *values, unsigned i, const char *text, int source,
		   const char *where);

/** lab_config_override() - take each field of @override that is not zero, and its flags. */
void lab_config_override(struct lab_config_values *values, const struct lab_pool_config *override);

#endif
