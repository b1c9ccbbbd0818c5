/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Who wins over whom: file, environment and program; and what is said of what they ask for
 * together.
 */
#include "config-file.h"

TestSuite(config_override, .init = make_file, .fini = remove_file, .timeout = 60);

/* ---- environment ---- */

static void set(const char *variable, const char *value)
{
	cr_assert_eq(setenv(variable, value, 1), 0);
}

/* Each test is a process of its own, so its variables end with it. */
Test(config_override, the_environment_wins_over_the_file)
{
	const struct lab_pool_config *is;

	set("LABYRINTH_RX_SIZE", "4 MiB");
	set("LABYRINTH_RX_FALLBACK", "no");
	set("LABYRINTH_RX_DUMP", "yes");
	set("LABYRINTH_RX_CACHE_FRAMES", "128");
	set("LABYRINTH_RX_TIMEOUT_MS", "");
	set("LABYRINTH_RX_NAME", "from outside");
	set("LABYRINTH_RX_GROUP", "wheel");
	set("LABYRINTH_TX_NONSENSE", "1");
	is = rx(IN_RX("frames = 3\nfallback = yes\nbound = yes\ntimeout-ms = 5\nname = inside\n"
		      "[pool tx]\nframes = 3\n"));
	cr_assert_eq(is->frames, 1024);
	cr_assert_eq(is->flags, LAB_POOL_DUMP | LAB_POOL_BOUND);
	cr_assert_eq(is->cache_frames, 128);
	cr_assert_eq(is->timeout_ms, 5, "an empty variable is not set");
	cr_assert_str_eq(is->name, "from outside");
	cr_assert_str_eq(is->group, "wheel");
}

Test(config_override, variables_of_pools_with_similar_names)
{
	set("LABYRINTH_RX_FAST_FRAMES", "7");
	set("LABYRINTH_RX_MIN_SIZE", "8 MiB");
	cr_assert_eq(rx("[pool rx]\n[pool rx-fast]\n[pool rx.min]\n")->min_frames, 0);
	write_text("[pool rx]\n[pool rx.min]\n");
	refused("of no other pool", "environment variable LABYRINTH_RX_FAST_FRAMES is not known: "
				    "did you mean 'LABYRINTH_RX_MAX_FRAMES'?");
	unsetenv("LABYRINTH_RX_FAST_FRAMES");
	cr_assert_eq(rx("[pool rx]\n")->min_frames, 2048);
}

Test(config_override, the_file_from_the_environment)
{
	struct lab_config *config;

	write_text(IN_RX("frames = 3"));
	set("LABYRINTH_CONFIG", path);
	config = lab_config_read(NULL, "rx");
	cr_assert_not_null(config, "%s", lab_error_text());
	cr_assert_eq(lab_config_pool(config)->frames, 3);
	lab_config_free(config);
}

Test(config_override, the_file_where_it_is_installed)
{
	unsetenv("LABYRINTH_CONFIG");
	errno = 0;
	if (access("/etc/labyrinth/labyrinth.conf", F_OK) == 0 ||
	    access("/usr/local/etc/labyrinth/labyrinth.conf", F_OK) == 0)
		cr_skip_test("this machine has a file there");
	cr_assert_null(lab_config_read(NULL, "rx"));
	cr_assert_eq(errno, ENOENT);
	text_has("etc/labyrinth/labyrinth.conf cannot be read: No such file or directory", NULL);
}

static const struct {
	const char *variable, *value, *sentence;
} outside[] = {
	{"LABYRINTH_RX_SZE", "3 MiB",
	 "environment variable LABYRINTH_RX_SZE is not known: did you mean 'LABYRINTH_RX_SIZE'?"},
	{"LABYRINTH_RX_", "3 MiB",
	 "environment variable LABYRINTH_RX_ is not known: did you mean 'LABYRINTH_RX_MIN'?"},
	{"LABYRINTH_RX_page_size", "2 MiB",
	 "environment variable LABYRINTH_RX_page_size is not known: did you mean "
	 "'LABYRINTH_RX_PAGE_SIZE'?"},
	{"LABYRINTH_RX_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
	 "2 MiB",
	 "environment variable LABYRINTH_RX_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX... is not "
	 "known: the nearest is 'LABYRINTH_RX_MAX_FRAMES'"},
	{"LABYRINTH_RX_SIZE", "256 MB",
	 "environment variable LABYRINTH_RX_SIZE: size is '256 MB': units are KiB, MiB and GiB"},
	{"LABYRINTH_RX_MAX_LCORES", "many",
	 "environment variable LABYRINTH_RX_MAX_LCORES: max-lcores is 'many': a whole number from "
	 "1 to 4294967295, without a unit"},
};

Test(config_override, variables_are_refused_by_name)
{
	write_text(IN_RX("frames = 3"));
	for (unsigned i = 0; i < COUNT(outside); i++) {
		set(outside[i].variable, outside[i].value);
		refused(outside[i].variable, outside[i].sentence);
		unsetenv(outside[i].variable);
	}
	set("LABYRINTH_RX_FRAMES", "3");
	set("LABYRINTH_RX_SIZE", "3 MiB");
	errno = 0;
	cr_assert_null(lab_config_read(path, "rx"));
	cr_assert_eq(errno, EINVAL);
	text_has("environment variable LABYRINTH_RX_", " says what ",
		 ", and both are set: unset one", NULL);
}

Test(config_override, a_pool_may_be_called_as_a_setting_of_the_library)
{
	struct lab_config *config;

	set("LABYRINTH_RUNTIME_DIR", "/tmp");
	write_text("[pool runtime]\nframes = 3\n");
	config = lab_config_read(path, "runtime");
	cr_assert_not_null(config, "%s", lab_error_text());
	lab_config_free(config);
}

/* ---- the program ---- */

static void ignore(struct lab_pool *pool, const struct lab_refusal *refusal, void *arg)
{
	++*(unsigned *)arg;
}

Test(config_override, the_program_wins_over_both)
{
	unsigned refusals = 0;
	struct lab_pool_config own = {.frames = 64,
				      .name = "own",
				      .flags = LAB_POOL_FALLBACK,
				      .on_refusal = ignore,
				      .on_refusal_arg = &refusals};
	struct lab_pool *pool;

	write_text(IN_RX("size = 1 MiB\nmax-lcores = 8\npage-size = 4 KiB\nexact = yes"));
	set("LABYRINTH_RX_FRAMES", "128");
	set("LABYRINTH_RX_MAX_LCORES", "4");
	pool = lab_pool_create_from(path, "rx", &own);
	cr_assert_not_null(pool, "%s", lab_error_text());
	cr_assert_eq(lab_pool_frames(pool), 64);
	cr_assert_str_eq(lab_pool_name(pool), "own");
	cr_assert_eq(lab_pool_max_lcores(pool), 4);
	cr_assert_eq(lab_pool_page_size(pool), LAB_PAGE_4K);
	cr_assert_neq(lab_free(pool, NULL), 0);
	cr_assert_eq(refusals, 1);
	end_whole(pool);

	set("LABYRINTH_RX_FALLBACK", "yes");
	pool = lab_pool_create_from(path, "rx", NULL);
	cr_assert_not_null(pool, "%s", lab_error_text());
	cr_assert_eq(lab_pool_frames(pool), 128);
	cr_assert_str_eq(lab_pool_name(pool), "rx");
	end_whole(pool);
}

/* Each field by itself, whatever its width. */
Test(config_override, each_field_can_be_the_program_s)
{
	for (unsigned i = 0; lab_config_key(i); i++) {
		const struct lab_config_key *key = lab_config_key(i);
		struct lab_config_values values = {0};
		struct lab_pool_config own = {0};

		if (key->kind == LAB_CONFIG_FLAG)
			own.flags = key->flag;
		else
			*((char *)&own + key->offset) = 1;
		lab_config_override(&values, &own);
		cr_assert_eq(memcmp(&values.pool, &own, sizeof(own)), 0, "%s", key->name);
	}
}

/* ---- what lab_pool_create() refuses ---- */

static void not_made(const char *text, const struct lab_pool_config *own, const char *sentence)
{
	write_text(text);
	errno = 0;
	cr_assert_null(lab_pool_create_from(path, "rx", own), "%s", text);
	cr_assert_eq(errno, EINVAL, "%d: %s", errno, lab_error_text());
	cr_assert_str_eq(said(), sentence, "\nsaid: %s\nnot:  %s", said(), sentence);
}

Test(config_override, impossible_combinations_are_said_of_their_line)
{
	struct lab_pool_config own = {.max_lcores = 97}, flags = {.flags = 1u << 31};

	not_made(IN_RX("dump = yes"), NULL,
		 "FILE:1: frames is 0: say how many frames of 4096 bytes the pool shall have");
	not_made(IN_RX("frames = 32\n\ncache-frames = 65"), NULL,
		 "FILE:4: cache-frames is 65: it must be a multiple of 64 in 64..512, or 0 for "
		 "512");
	not_made(IN_RX("frames = 32\nkeep = yes"), NULL,
		 "FILE:3: keep means something in a pool with common only");
	not_made(IN_RX("frames = 32\nunprotected = yes\nsample = 3"), NULL,
		 "FILE:4: sample needs to know who owns each frame: leave out unprotected");
	not_made(IN_RX("frames = 32\nlcores = 3"), NULL,
		 "FILE:3: lcores is set, which means something in a pool with shared only");
	not_made(IN_RX("size = 2 MiB\npage-size = 4 KiB\nmin-size = 4 MiB"), NULL,
		 "FILE:4: min-frames is 1024 and frames 512: at most that");
	not_made(IN_RX("page-size = 4 KiB\nsize = 2 MiB\nhigh = 3"), NULL,
		 "FILE:4: high is 3 frames and low 56: the watermarks are min, low and high in "
		 "ascending order");
	not_made(IN_RX("frames = 32\npage-size = 12 KiB"), NULL,
		 "FILE:3: page-size is 12288 (12 KiB) and this machine has no such pages: see "
		 "/sys/kernel/mm/hugepages, or use 0");
	not_made(IN_RX("frames = 32\nmax-lcores = 3"), &own,
		 "FILE:1, overridden by the program: max-lcores is 97: a pool has at most 96 "
		 "lcores, because a frame's state byte names its owner");
	not_made(IN_RX("frames = 32"), &flags,
		 "FILE:1: flags is 0x80000000, of which 0x80000000 is not known");
	set("LABYRINTH_RX_MAX_LCORES", "97");
	not_made(IN_RX("frames = 32\nmax-lcores = 3"), NULL,
		 "environment variable LABYRINTH_RX_MAX_LCORES: max-lcores is 97: a pool has at "
		 "most 96 lcores, because a frame's state byte names its owner");
}

Test(config_override, what_is_not_there_is_said_of_its_line)
{
	write_text(IN_RX("frames = 32\npage-size = 4 KiB\nshared = yes\ngroup = min-no-such"));
	set("LABYRINTH_RUNTIME_DIR", "/tmp");
	errno = 0;
	cr_assert_null(lab_pool_create_from(path, "rx", NULL));
	cr_assert_eq(errno, ENOENT);
	cr_assert_str_eq(said(), "FILE:5: there is no group 'min-no-such' to share a pool with: "
				 "see getent group");
}

/* What the machine lacks is said of the section; mistakes before that are lab_config_read()'s. */
Test(config_override, shortages_are_said_of_the_section)
{
	write_text("\n" IN_RX("frames = 2147483648\npage-size = 4 KiB"));
	errno = 0;
	cr_assert_null(lab_pool_create_from(path, "rx", NULL));
	cr_assert_eq(errno, ENOMEM);
	cr_assert_eq(strncmp(said(), "FILE:2: ", 8), 0, "%s", said());
	text_has("8388608 MiB", NULL);
	write_text(IN_RX("siez = 3"));
	errno = 0;
	cr_assert_null(lab_pool_create_from(path, "rx", NULL));
	cr_assert_eq(errno, EINVAL);
	cr_assert_str_eq(said(), "FILE:2: key 'siez' is not known: did you mean 'size'?");
}
