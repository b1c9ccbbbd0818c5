/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Reads a folder into memory.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Media types: RFC 9110, 8.3; names as IANA lists them. */
static const struct {
	const char *ending, *type;
} types[] = {
	{".html", "text/html; charset=utf-8"},
	{".css", "text/css"},
	{".js", "text/javascript"},
	{".json", "application/json"},
	{".txt", "text/plain; charset=utf-8"},
	{".svg", "image/svg+xml"},
	{".png", "image/png"},
	{".jpg", "image/jpeg"},
};

static const char *type_of(const char *path)
{
	const char *ending = strrchr(path, '.');

	for (size_t i = 0; ending && i < sizeof(types) / sizeof(*types); i++) {
		if (!strcmp(types[i].ending, ending))
			return types[i].type;
	}
	return "application/octet-stream";
}

/* Half of what the kernel says is available, or all that there is where it does not say. */
static uint64_t room(void)
{
	unsigned long long kib = UINT64_MAX / 2048;
	FILE *in = fopen("/proc/meminfo", "re");
	char line[128];

	while (in && fgets(line, sizeof(line), in)) {
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	}
	if (in)
		fclose(in);
	return kib * 1024 / 2;
}

static int complain(const char *what, const char *path, int err)
{
	fprintf(stderr, "lwip-httpd: %s %s: %s\n", what, path, strerror(err));
	return -1;
}

/* All of a file that does not change meanwhile, into memory that stays. */
static int read_file(struct file *f, const char *path)
{
	struct stat st;
	uint64_t done = 0;
	char *to;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fstat(fd, &st)) {
		complain("cannot read", path, errno);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	f->bytes = (uint64_t)st.st_size;
	to = f->bytes ? mmap(NULL, f->bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)
		      : "";
	if (to == MAP_FAILED) {
		close(fd);
		return complain("no memory for", path, errno);
	}
	f->data = to;
	while (done < f->bytes) {
		ssize_t n = read(fd, to + done, f->bytes - done);

		if (n <= 0) {
			munmap(to, f->bytes);
			close(fd);
			return n < 0 ? complain("cannot read", path, errno)
				     : complain("it shrank while it was read:", path, EIO);
		}
		done += (uint64_t)n;
	}
	close(fd);
	return 0;
}

static int add(struct files *files, const FTSENT *e, size_t skip, uint64_t most)
{
	struct file *more, *f;

	if ((uint64_t)e->fts_statp->st_size > most - files->bytes) {
		fprintf(stderr,
			"lwip-httpd: the files are read into memory, and with %s they are more "
			"than half of what is available (%" PRIu64 " MiB): serve fewer\n",
			e->fts_path, most >> 20);
		return -1;
	}
	more = realloc(files->file, (files->n + 1) * sizeof(*more));
	if (!more)
		return complain("no memory for", e->fts_path, ENOMEM);
	files->file = more;
	f = &more[files->n];
	if (read_file(f, e->fts_path))
		return -1;
	f->path = strdup(e->fts_path + skip);
	f->type = type_of(e->fts_path);
	files->n++;
	files->bytes += f->bytes;
	return f->path ? 0 : complain("no memory for", e->fts_path, ENOMEM);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

int files_load(struct files *files, const char *folder)
{
	char *const paths[] = {(char *)folder, NULL};
	size_t skip = strlen(folder);
	uint64_t most = room();
	struct stat st;
	FTSENT *e;
	FTS *fts;
	int rc = 0;

	*files = (struct files){0};
	if (stat(folder, &st))
		return complain("--root", folder, errno);
	if (!S_ISDIR(st.st_mode))
		return complain("--root", folder, ENOTDIR);
	while (skip > 1 && folder[skip - 1] == '/')
		skip--;
	if (skip == 1 && folder[0] == '/')
		skip = 0;
	fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_COMFOLLOW, NULL);
	if (!fts)
		return complain("--root", folder, errno);
	while (!rc && (errno = 0, e = fts_read(fts))) {
		if (e->fts_info == FTS_F)
			rc = add(files, e, skip, most);
		else if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS)
			rc = complain("cannot read", e->fts_path, e->fts_errno);
	}
	if (!rc && errno)
		rc = complain("cannot read", folder, errno);
	fts_close(fts);
	if (rc) {
		files_free(files);
		return rc;
	}
	if (files->n)
		qsort(files->file, files->n, sizeof(*files->file), by_path);
	return 0;
}

void files_free(struct files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		free(files->file[i].path);
		if (files->file[i].bytes)
			munmap((void *)files->file[i].data, files->file[i].bytes);
	}
	free(files->file);
	*files = (struct files){0};
}

const struct file *files_find(const struct files *files, const char *path)
{
	struct file key = {.path = (char *)path};
	char index[4096];
	size_t len = strlen(path);

	if (!files->n)
		return NULL;
	if (len && path[len - 1] == '/') {
		if (snprintf(index, sizeof(index), "%sindex.html", path) >= (int)sizeof(index))
			return NULL;
		key.path = index;
	}
	return bsearch(&key, files->file, files->n, sizeof(key), by_path);
}
