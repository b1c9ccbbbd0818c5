/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A configuration file: its lines, its sections, and what one of them says. Knows inih and the
 * keys; no environment, no pool.
 */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "config_key.h"

/** Most sections of a file. A process has fewer pools; a file may be for many processes. */
#define LAB_CONFIG_SECTIONS 256
/** Longest line, except for comments: inih's shortest buffer has 200 bytes. */
#define LAB_CONFIG_LINE 160
/** Room for where something stands, as a sentence begins. */
#define LAB_CONFIG_PLACE 224

/** struct lab_config_section - a section [pool NAME], and the line that it begins on. */
struct lab_config_section {
	char name[LAB_NAME_MAX];
	unsigned line;
};

/**
 * struct lab_config_file - a file that was read.
 * @path: its path; the caller's.
 * @sections: how many it has.
 * @section: what they are called.
 */
struct lab_config_file {
	const char *path;
	unsigned sections;
	struct lab_config_section section[LAB_CONFIG_SECTIONS];
};

/** lab_config_place() - writes "PATH:LINE", or "PATH" for line 0; of a long path the end. */
void lab_config_place(char place[LAB_CONFIG_PLACE], const char *path, unsigned line);

/**
 * lab_config_file_read() - read a file, all of it, and take what one section says.
 * @file: to fill.
 * @path: where it is; must outlive @file.
 * @pool: NAME of that section.
 * @values: all zero; receives the values.
 *
 * Return: the number of the section; or -errno with a sentence.
 */
int lab_config_file_read(struct lab_config_file *file, const char *path, const char *pool,
			 struct lab_config_values *values);

#endif
