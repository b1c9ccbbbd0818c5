/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What is served: the files of a folder, read into memory once, so that the loop never waits for a
 * disk. Knows the file system; knows no network.
 */
#ifndef FILES_H
#define FILES_H

#include <stddef.h>
#include <stdint.h>

/**
 * struct file - one file.
 * @path: as it stands in a request, "/folder/name".
 * @type: its media type.
 * @data: its bytes.
 * @bytes: how many.
 */
struct file {
	char *path;
	const char *type;
	const char *data;
	uint64_t bytes;
};

/** struct files - all of them, sorted by path. @bytes: of all together. */
struct files {
	struct file *file;
	size_t n;
	uint64_t bytes;
};

/**
 * files_load() - read every regular file below a folder. Symbolic links are not followed.
 *
 * Return: 0; or -1 with a sentence on stderr, and nothing read: no such folder, a file that cannot
 * be read, more than half of the memory that is available.
 */
int files_load(struct files *files, const char *folder);

/** files_free() - the reverse. */
void files_free(struct files *files);

/** files_find() - the file of that path; "/folder/" is its index.html. NULL: there is none. */
const struct file *files_find(const struct files *files, const char *path);

#endif
