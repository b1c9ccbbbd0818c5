/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the tests of configuration files share: a file of a test's own, and what is said of it.
 */
#ifndef CONFIG_FILE_TEST_H
#define CONFIG_FILE_TEST_H

#include "config_file.h"
#include "test.h"

/* The file of a test. */
static char path[] = "/tmp/labyrinth-config-XXXXXX";

static inline void make_file(void)
{
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	close(fd);
}

static inline void remove_file(void)
{
	unlink(path);
}

static inline void write_bytes(const char *bytes, size_t n)
{
	FILE *out = fopen(path, "w");

	cr_assert_not_null(out);
	cr_assert_eq(fwrite(bytes, 1, n, out), n);
	cr_assert_eq(fclose(out), 0);
}

static inline void write_text(const char *text)
{
	write_bytes(text, strlen(text));
}

/* What the pool "rx" is like by @text; freed by the next call. */
static inline const struct lab_pool_config *rx(const char *text)
{
	static struct lab_config *config;

	lab_config_free(config);
	write_text(text);
	config = lab_config_read(path, "rx");
	cr_assert_not_null(config, "%s: %s", text, lab_error_text());
	return lab_config_pool(config);
}

/* The sentence, with "FILE" for the path at its beginning. */
static inline const char *said(void)
{
	static char text[LAB_ERROR_TEXT_MAX + 8];
	size_t n = strlen(path);

	snprintf(text, sizeof(text), "%s%s", strncmp(lab_error_text(), path, n) == 0 ? "FILE" : "",
		 lab_error_text() + (strncmp(lab_error_text(), path, n) == 0 ? n : 0));
	return text;
}

static inline void refused(const char *text, const char *sentence)
{
	errno = 0;
	cr_assert_null(lab_config_read(path, "rx"), "%s", text);
	cr_assert_eq(errno, EINVAL);
	cr_assert_str_eq(said(), sentence, "\nsaid: %s\nnot:  %s", said(), sentence);
}

#define IN_RX(line)  "[pool rx]\n" line "\n"

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

#endif
