/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools described in an INI file, by environment variables and by the program, in this order; the
 * last word wins. config/labyrinth.conf documents each key. Control path: every call here may
 * sleep.
 *
 * A file has a section [pool NAME] for each pool. Nothing in it is ignored: an unknown key or
 * section, a bad value or unit, or a key that stands twice is refused with file, line and the
 * nearest name, in whichever section it stands.
 *
 * The variable LABYRINTH_<NAME>_<KEY> says what KEY = VALUE says in that section, and wins over
 * it: in upper case, with '_' for all but letters and digits (LABYRINTH_RX_CACHE_FRAMES=256). An
 * empty one counts as not set. Where a variable may be meant for two pools of the file, it is that
 * of the longer name. A program that runs with more rights than its caller (setuid, setgid, file
 * capabilities) takes nothing from the environment.
 */
#ifndef LAB_CONFIG_H
#define LAB_CONFIG_H

#include "lab_pool.h"

#ifdef __cplusplus
extern "C" {
#endif

/** struct lab_config - what file and environment say of a pool; owns the strings. */
struct lab_config;

/**
 * lab_config_read() - read what file and environment say of a pool.
 * @path: the file; NULL: that of the environment variable LABYRINTH_CONFIG, or else
 *	labyrinth/labyrinth.conf in the directory of configurations that the library was built for
 *	(/etc, or /usr/local/etc; the sentence names it when it is not there).
 * @pool: NAME of the section [pool NAME].
 *
 * Checks each value by itself. Whether they go together is for lab_pool_create() to say.
 *
 * Return: the configuration, owned by the caller until lab_config_free(); or NULL with errno and a
 * sentence that begins with the file and the line, or with the variable: EINVAL (something in the
 * file or the environment is wrong, or there is no such section), ENOMEM, or what opening or
 * reading the file gave (ENOENT, EACCES, EISDIR).
 *
 * Thread-safe, as long as no other thread changes the environment; may sleep.
 */
struct lab_config *lab_config_read(const char *path, const char *pool);

/**
 * lab_config_pool() - it as a struct, for lab_pool_create().
 * @config: of lab_config_read().
 *
 * Return: the struct, owned by @config: it and its strings live until lab_config_free(). It may be
 * changed. What neither file nor environment says is 0; its name is the section's.
 *
 * Never fails; not thread-safe where it is changed.
 */
struct lab_pool_config *lab_config_pool(struct lab_config *config);

/** lab_config_free() - forget it. NULL is allowed. A pool that was made of it does not need it. */
void lab_config_free(struct lab_config *config);

/**
 * lab_pool_create_from() - make a pool as file, environment and program say.
 * @path, @pool: as for lab_config_read().
 * @override: what the program itself says: each field that is not zero wins over file and
 *	environment, and its flags are added to theirs. Read during the call only; NULL: nothing.
 *
 * Return: the pool, owned by the caller until lab_pool_destroy(); or NULL with errno as of
 * lab_config_read() and lab_pool_create(). What the latter refuses is said of the line or the
 * variable that asked for it.
 *
 * Thread-safe, as long as no other thread changes the environment; may sleep.
 */
struct lab_pool *lab_pool_create_from(const char *path, const char *pool,
				      const struct lab_pool_config *override);

#ifdef __cplusplus
}
#endif
#endif
