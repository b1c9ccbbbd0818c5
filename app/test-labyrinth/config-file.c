/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools described in files: each key and its values, the default file, and what a file may be made
 * of.
 */
#include <sys/stat.h>

#include "config-file.h"

TestSuite(config_file, .init = make_file, .fini = remove_file, .timeout = 60);

/* ---- values ---- */

#define AT(field) \
	offsetof(struct lab_pool_config, field), sizeof(((struct lab_pool_config *)0)->field)

static const struct {
	const char *line;
	size_t offset, bytes;
	uint64_t value;
} good[] = {
	{"frames = 65536", AT(frames), 65536},
	{"frames=1", AT(frames), 1},
	{"frames : 7", AT(frames), 7},
	{"  frames = 7", AT(frames), 7},
	{"frames = 2147483648", AT(frames), (uint64_t)1 << 31},
	{"frames = 7 ; a comment", AT(frames), 7},
	{"size = 256 MiB", AT(frames), 65536},
	{"size = 256MiB", AT(frames), 65536},
	{"size = 4 KiB", AT(frames), 1},
	{"size = 1  GiB", AT(frames), 262144},
	{"size = 8192 GiB", AT(frames), (uint64_t)1 << 31},
	{"min-frames = 512", AT(min_frames), 512},
	{"min-size = 2 MiB", AT(min_frames), 512},
	{"max-frames = 1024", AT(max_frames), 1024},
	{"max-size = 4 MiB", AT(max_frames), 1024},
	{"page-size = 4 KiB", AT(page_size), LAB_PAGE_4K},
	{"page-size = 2 MiB", AT(page_size), LAB_PAGE_2M},
	{"page-size = 1 GiB", AT(page_size), LAB_PAGE_1G},
	{"node = any", AT(node), LAB_NODE_ANY},
	{"node = 0", AT(node), LAB_NODE(0)},
	{"node = 3", AT(node), LAB_NODE(3)},
	{"cache-frames = 64", AT(cache_frames), 64},
	{"max-lcores = 96", AT(max_lcores), 96},
	{"lcores = 4", AT(lcores), 4},
	{"sample = 1000", AT(sample), 1000},
	{"sample = 0", AT(sample), 0},
	{"reserve = 128", AT(reserve), 128},
	{"reserve = 5 %", AT(reserve), LAB_PERCENT(5)},
	{"reserve = 5%", AT(reserve), LAB_PERCENT(5)},
	{"reserve = 0 %", AT(reserve), LAB_PERCENT(0)},
	{"reserve = none", AT(reserve), LAB_NONE},
	{"reserve = 0", AT(reserve), LAB_NONE},
	{"min = 3", AT(min), 3},
	{"low = 10 %", AT(low), LAB_PERCENT(10)},
	{"high = 100 %", AT(high), LAB_PERCENT(100)},
	{"timeout-ms = 4294967295", AT(timeout_ms), UINT32_MAX},
	{"grow-rate = 100 MiB/s", AT(grow_rate), 100},
	{"grow-rate = 2GiB/s", AT(grow_rate), 2048},
	{"grow-rate = 4194303 GiB/s", AT(grow_rate), 4294966272},
	{"grow-rate = none", AT(grow_rate), 0},
	{"unprotected = yes", AT(flags), LAB_POOL_UNPROTECTED},
	{"fallback = yes", AT(flags), LAB_POOL_FALLBACK},
	{"dump = true", AT(flags), LAB_POOL_DUMP},
	{"iova-va = on", AT(flags), LAB_POOL_IOVA_VA},
	{"shared = yes", AT(flags), LAB_POOL_SHARED},
	{"bound = yes", AT(flags), LAB_POOL_BOUND},
	{"exact = yes", AT(flags), LAB_POOL_EXACT},
	{"common = yes", AT(flags), LAB_POOL_COMMON},
	{"keep = yes", AT(flags), LAB_POOL_KEEP},
	{"stepped = yes", AT(flags), LAB_POOL_STEPPED},
	{"stepped = no", AT(flags), 0},
	{"stepped = false", AT(flags), 0},
	{"stepped = off", AT(flags), 0},
	{"dump = yes\nkeep = no\nbound = yes", AT(flags), LAB_POOL_DUMP | LAB_POOL_BOUND},
};

Test(config_file, each_key)
{
	for (unsigned i = 0; i < COUNT(good); i++) {
		struct lab_pool_config want = {0};
		const struct lab_pool_config *is;
		char text[200];

		snprintf(text, sizeof(text), IN_RX("%s"), good[i].line);
		is = rx(text);
		want.name = is->name;
		memcpy((char *)&want + good[i].offset, &good[i].value, good[i].bytes);
		cr_assert_str_eq(is->name, "rx");
		cr_assert_eq(memcmp(is, &want, sizeof(want)), 0, "%s", good[i].line);
	}
	cr_assert_str_eq(rx(IN_RX("name = a b.c"))->name, "a b.c");
	cr_assert_str_eq(rx(IN_RX("group = wheel"))->group, "wheel");
}

/* So that whoever adds a field also adds a key. */
Test(config_file, each_field_has_a_key)
{
	unsigned char has[sizeof(struct lab_pool_config)] = {0};
	uint32_t flags = LAB_POOL_NUMBERS; /* needs the program's help, so it has none */

	for (unsigned i = 0; lab_config_key(i); i++) {
		const struct lab_config_key *key = lab_config_key(i);
		int four = key->kind == LAB_CONFIG_NUMBER || key->kind == LAB_CONFIG_RATE ||
			   key->kind == LAB_CONFIG_NODE || key->kind == LAB_CONFIG_FLAG;

		memset(has + key->offset, 1, four ? 4 : 8);
		flags |= key->flag;
		cr_assert_eq(lab_config_key_find(key->name), (int)i);
		cr_assert_str_eq(lab_config_key_nearest(key->name), key->name);
	}
	cr_assert_eq(flags, LAB_POOL_KNOWN, "flags without a key: 0x%x", flags ^ LAB_POOL_KNOWN);
	memset(has + offsetof(struct lab_pool_config, on_refusal), 1, 2 * sizeof(void *));
	for (unsigned i = 0; i < sizeof(has); i++)
		cr_assert(has[i], "the field at byte %u has no key", i);
}

/* ---- the default file ---- */

/* KEY of "KEY = ..." or "# KEY = ...", or NULL. */
static const char *key_in(const char *line, char key[64])
{
	int end = 0;

	if (sscanf(line, "# %63[a-z-] = %n", key, &end) >= 1 && end)
		return key;
	if (sscanf(line, "%63[a-z-] = %n", key, &end) >= 1 && end)
		return key;
	return NULL;
}

Test(config_file, the_default_file)
{
	struct lab_config *config = lab_config_read(CONF, "default");
	unsigned times[LAB_CONFIG_KEYS] = {0};
	char line[256], key[64], text[300];
	FILE *in = fopen(CONF, "r");
	struct lab_pool *pool;

	cr_assert_not_null(config, "%s", lab_error_text());
	cr_assert_eq(lab_config_pool(config)->frames, 4096);
	lab_config_free(config);
	cr_assert_not_null(in);
	while (fgets(line, sizeof(line), in)) {
		if (!key_in(line, key))
			continue;
		cr_assert_geq(lab_config_key_find(key), 0, "no such key: %s", line);
		times[lab_config_key_find(key)]++;
		snprintf(text, sizeof(text), IN_RX("%s"), line + (*line == '#'));
		rx(text); /* the example is a value */
	}
	fclose(in);
	for (unsigned i = 0; lab_config_key(i); i++)
		cr_assert_eq(times[i], 1, "%s stands there %u times", lab_config_key(i)->name,
			     times[i]);
	pool = lab_pool_create_from(CONF, "default", NULL);
	cr_assert_not_null(pool, "%s", lab_error_text());
	cr_assert_str_eq(lab_pool_name(pool), "default");
	end_whole(pool);
}

/* ---- bytes ---- */

Test(config_file, lines_of_all_kinds)
{
	char text[800] = "[pool rx]\n";

	cr_assert_eq(rx("[pool rx]\r\n\r\nframes = 3\r\ndump = yes\r\n")->frames, 3);
	cr_assert_eq(rx("[pool rx]\nframes = 3")->frames, 3, "no newline at the end");
	cr_assert_eq(rx("\n \t\n;x\n#y\n [pool rx] ; z\n\tframes\t=\t3\t")->frames, 3);
	cr_assert_eq(rx("\xef\xbb\xbf[pool rx]\nframes = 3\n")->frames, 3, "a byte order mark");
	cr_assert_eq(rx("[pool  rx]\n")->frames, 0, "a section may say nothing");
	cr_assert_eq(
		rx("[pool tx]\nframes = 4\n[pool rx]\nframes = 3\n[pool zx]\nframes = 5\n")->frames,
		3);
	/* Spaces and comments may be longer than a line. */
	snprintf(text, sizeof(text), "[pool rx]\n#%300s\n%200sframes = 3%200s\n", "x", "", "");
	text[sizeof(text) - 1] = '\0';
	cr_assert_eq(rx(text)->frames, 3);
	snprintf(text, sizeof(text), "[pool rx]\nframes = %0151d\n", 3);
	cr_assert_eq(rx(text)->frames, 3, "160 characters");
	snprintf(text, sizeof(text), "[pool rx]\nframes = %0152d\n", 3);
	write_text(text);
	refused(text, "FILE:2: the line is too long: at most 160 characters");
}

Test(config_file, bytes_that_are_no_text)
{
	char *junk = malloc(1 << 20);
	uint32_t random = 1;

	cr_assert_not_null(junk);
	write_bytes("[pool rx]\nfra\0mes = 3\n", 21);
	refused("zero", "FILE:2: byte 4 of the line is 0: this is no text file");
	write_bytes("[pool rx]\n# \0\n", 14);
	refused("zero in a comment", "FILE:2: byte 3 of the line is 0: this is no text file");
	memset(junk, 'x', 1 << 20);
	write_bytes(junk, 1 << 20);
	refused("1 MiB in a line", "FILE:1: the line is too long: at most 160 characters");
	memset(junk, '[', 1 << 20);
	write_bytes(junk, 1 << 20);
	refused("1 MiB of brackets", "FILE:1: the line is too long: at most 160 characters");
	memset(junk, '\n', 1 << 20);
	write_bytes(junk, 1 << 20);
	refused("1 MiB of newlines", "FILE: no section [pool rx]; there is none at all");
	memset(junk, '#', 1 << 20);
	write_bytes(junk, 1 << 20);
	refused("a comment of 1 MiB", "FILE: no section [pool rx]; there is none at all");
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < 4096; i++) {
			random = random * 1664525 + 1013904223;
			junk[i] = round & 1 ? "[]pool rx=\n;# 3"[(random >> 16) % 15]
					    : (char)(random >> 24);
		}
		write_bytes(junk, 4096);
		cr_assert_null(lab_config_read(path, "rx"));
		cr_assert_eq(errno, EINVAL);
		text_has(path, NULL);
	}
	for (unsigned i = 0, n = 0; i <= LAB_CONFIG_SECTIONS; i++)
		n += (unsigned)sprintf(junk + n, "[pool p%u]\n", i);
	write_text(junk);
	refused("many sections", "FILE:257: a file describes at most 256 pools");
	free(junk);
}

static void as_nobody(void *arg)
{
	CHILD_EXPECT(geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0));
	errno = 0;
	CHILD_EXPECT(lab_config_read(path, "rx") == NULL);
	CHILD_EXPECT(errno == EACCES);
	CHILD_EXPECT(strcmp(said(), "FILE cannot be read: Permission denied") == 0);
}

Test(config_file, files_that_cannot_be_read)
{
	char longest[1200], end[400];

	unlink(path);
	errno = 0;
	cr_assert_null(lab_config_read(path, "rx"));
	cr_assert_eq(errno, ENOENT);
	cr_assert_str_eq(said(), "FILE cannot be read: No such file or directory");
	errno = 0;
	cr_assert_null(lab_config_read("/tmp", "rx"));
	cr_assert_eq(errno, EISDIR);
	cr_assert_str_eq(said(), "/tmp cannot be read: Is a directory");
	write_text(IN_RX("frames = 3"));
	cr_assert_eq(chmod(path, 0), 0);
	in_child(as_nobody, NULL);
	/* Of a long path the end is said. */
	memset(longest, 'x', sizeof(longest));
	for (unsigned i = 0; i < sizeof(longest); i += 100)
		longest[i] = '/';
	longest[1150] = '\0';
	snprintf(end, sizeof(end), "...%s cannot be read: No such file or directory",
		 longest + 1150 - (LAB_CONFIG_PLACE - 32));
	errno = 0;
	cr_assert_null(lab_config_read(longest, "rx"));
	cr_assert_eq(errno, ENOENT);
	cr_assert_str_eq(said(), end);
}
