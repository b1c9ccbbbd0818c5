/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the environment says of a pool. Knows the keys and which sections a file has.
 */
#ifndef CONFIG_ENV_H
#define CONFIG_ENV_H

#include "config_file.h"

/** lab_config_variable() - the value of a variable, or NULL if it is not set, empty, or not to be
 * believed: this program has more rights than who set it. */
const char *lab_config_variable(const char *name);

/** lab_config_variable_of() - writes "environment variable" and the name of a key's, for a pool. */
void lab_config_variable_of(char place[LAB_CONFIG_PLACE], const char *pool,
			    const struct lab_config_key *key);

/**
 * lab_config_environment() - take what the variables LABYRINTH_<NAME>_<KEY> say of a pool.
 * @file: the file that describes it.
 * @section: the number of its section.
 * @values: receives the values.
 *
 * Return: 0; or -EINVAL with a sentence that names the variable.
 */
int lab_config_environment(const struct lab_config_file *file, unsigned section,
			   struct lab_config_values *values);

#endif
