/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Configurations: what a pool is made of, and what is said of those that cannot be.
 */
#include <limits.h>

#include "process.h"
#include "test.h"

TestSuite(config, .timeout = 60);

struct bad {
	const char *what;
	struct lab_pool_config config;
	int err;
	const char *says[3];
};

/* What is wrong must be named with its value, and what would be right. */
static const struct bad bad[] = {
	{"zero", {.page_size = LAB_PAGE_4K}, EINVAL, {"frames is 0"}},
	{"one too many",
	 {.frames = 2147483649},
	 EINVAL,
	 {"2147483649", "at most 2147483648 (8 TiB)"}},
	{"overflow", {.frames = UINT64_MAX}, EINVAL, {"18446744073709551615", "at most"}},
	{"bytes overflow", {.frames = (uint64_t)1 << 52}, EINVAL, {"4503599627370496"}},
	{"flag", {.frames = 32, .flags = 2048}, EINVAL, {"flags is 0x800", "0x800 is not known"}},
	{"stepped, and keeps its size",
	 {.frames = 32, .flags = LAB_POOL_STEPPED},
	 EINVAL,
	 {"LAB_POOL_STEPPED", "min_frames", "max_frames"}},
	{"a reserve that is too large",
	 {.frames = 32, .page_size = LAB_PAGE_4K, .reserve = 33},
	 EINVAL,
	 {"reserve is 33 frames", "at most 32"}},
	{"a percentage that is too large",
	 {.frames = 32, .page_size = LAB_PAGE_4K, .low = LAB_PERCENT(101)},
	 EINVAL,
	 {"low is 101 percent", "at most 100"}},
	{"a reserve of numbers",
	 {.frames = 32, .flags = LAB_POOL_NUMBERS, .reserve = 32},
	 EINVAL,
	 {"reserve is set", "LAB_POOL_NUMBERS"}},
	{"a reserve without caches",
	 {.frames = 64, .page_size = LAB_PAGE_4K, .flags = LAB_POOL_EXACT, .reserve = 32},
	 EINVAL,
	 {"reserve is set", "LAB_POOL_EXACT"}},
	{"min above low",
	 {.frames = 64, .page_size = LAB_PAGE_4K, .min = 9, .low = 8},
	 EINVAL,
	 {"low is 8 frames and min 9", "ascending"}},
	{"low above high",
	 {.frames = 64, .page_size = LAB_PAGE_4K, .low = 50, .high = 40},
	 EINVAL,
	 {"high is 40 frames and low 50", "ascending"}},
	{"marks too close for a hugepage",
	 {.frames = 1024,
	  .max_frames = 2048,
	  .page_size = LAB_PAGE_4K,
	  .min = 10,
	  .low = 100,
	  .high = 200},
	 EINVAL,
	 {"high is 200 frames and low 100", "512 frames, apart"}},
	{"less than the least",
	 {.frames = 512, .min_frames = 1024, .page_size = LAB_PAGE_4K},
	 EINVAL,
	 {"min_frames is 1024 and frames 512"}},
	{"more than the most",
	 {.frames = 1024, .max_frames = 512, .page_size = LAB_PAGE_4K},
	 EINVAL,
	 {"max_frames is 512 and frames 1024"}},
	{"no lcore beside the keeper's",
	 {.frames = 512, .max_frames = 1024, .page_size = LAB_PAGE_4K, .max_lcores = 1},
	 EINVAL,
	 {"max_lcores is 1", "use 2 or more"}},
	{"no lcore beside the keeper's and that of samples",
	 {.frames = 512,
	  .max_frames = 1024,
	  .page_size = LAB_PAGE_4K,
	  .max_lcores = 2,
	  .sample = 4},
	 EINVAL,
	 {"max_lcores is 2", "as sample does", "use 3 or more"}},
	{"a rate of a pool that keeps its size",
	 {.frames = 512, .page_size = LAB_PAGE_4K, .grow_rate = 10},
	 EINVAL,
	 {"grow_rate", "breathes"}},
	{"a shared pool that breathes",
	 {.frames = 512,
	  .max_frames = 1024,
	  .page_size = LAB_PAGE_4K,
	  .flags = LAB_POOL_SHARED,
	  .name = "x"},
	 EINVAL,
	 {"LAB_POOL_SHARED keeps its size"}},
	{"caches of a pool without",
	 {.frames = 32, .flags = LAB_POOL_EXACT, .cache_frames = 64},
	 EINVAL,
	 {"cache_frames is 64", "has no caches"}},
	{"a page size of numbers",
	 {.frames = 32, .flags = LAB_POOL_NUMBERS, .page_size = LAB_PAGE_4K},
	 EINVAL,
	 {"page_size is set", "no memory"}},
	{"too many without caches",
	 {.frames = 1u << 24, .flags = LAB_POOL_EXACT | LAB_POOL_NUMBERS},
	 EINVAL,
	 {"LAB_POOL_EXACT has at most 16777215"}},
	{"flags", {.frames = 32, .flags = ~0u}, EINVAL, {"0xffffffff", "0xfffff800 is not known"}},
	{"shared without a name",
	 {.frames = 32, .flags = LAB_POOL_SHARED},
	 EINVAL,
	 {"a shared pool needs a name"}},
	{"shared with a path for a name",
	 {.frames = 32, .flags = LAB_POOL_SHARED, .name = "../etc"},
	 EINVAL,
	 {"'../etc'", "letters, digits"}},
	{"shared without owners",
	 {.frames = 32, .flags = LAB_POOL_SHARED | LAB_POOL_UNPROTECTED, .name = "x"},
	 EINVAL,
	 {"LAB_POOL_SHARED needs to know who owns each frame"}},
	{"bound without owners",
	 {.frames = 32, .flags = LAB_POOL_BOUND | LAB_POOL_UNPROTECTED},
	 EINVAL,
	 {"LAB_POOL_BOUND"}},
	{"samples without owners",
	 {.frames = 32, .flags = LAB_POOL_UNPROTECTED, .sample = 1},
	 EINVAL,
	 {"sample needs"}},
	{"no lcore beside that of samples",
	 {.frames = 32, .sample = 8, .max_lcores = 1},
	 EINVAL,
	 {"max_lcores is 1", "2 or more"}},
	{"no lcore beside that of the keeper",
	 {.frames = 512, .max_frames = 1024, .max_lcores = 1},
	 EINVAL,
	 {"max_lcores is 1", "2 or more"}},
	{"nor beside those of keeper and samples",
	 {.frames = 512, .max_frames = 1024, .sample = 8, .max_lcores = 2},
	 EINVAL,
	 {"max_lcores is 2", "3 or more"}},
	{"a reserve of more places than have numbers",
	 {.frames = 1u << 25, .reserve = 1u << 24},
	 EINVAL,
	 {"reserve is 16777216", "16777215"}},
	{"lcores of a private pool", {.frames = 32, .lcores = 4}, EINVAL, {"lcores is set"}},
	{"group of a private pool", {.frames = 32, .group = "root"}, EINVAL, {"group is set"}},
	{"all lcores for one process",
	 {.frames = 32, .flags = LAB_POOL_SHARED, .name = "x", .max_lcores = 8, .lcores = 8},
	 EINVAL,
	 {"lcores is 8 and max_lcores 8"}},
	{"long name",
	 {.frames = 32, .name = "12345678901234567890123456789012"},
	 EINVAL,
	 {"12345678901234567890123456789012", "at most 31"}},
	{"cache of 1", {.frames = 32, .cache_frames = 1}, EINVAL, {"cache_frames is 1", "64..512"}},
	{"cache of 65", {.frames = 32, .cache_frames = 65}, EINVAL, {"cache_frames is 65"}},
	{"cache of 576", {.frames = 32, .cache_frames = 576}, EINVAL, {"cache_frames is 576"}},
	{"largest cache", {.frames = 32, .cache_frames = ~0u}, EINVAL, {"cache_frames is 429"}},
	{"97 lcores", {.frames = 32, .max_lcores = 97}, EINVAL, {"max_lcores is 97", "at most 96"}},
	{"all lcores", {.frames = 32, .max_lcores = ~0u}, EINVAL, {"max_lcores is 4294967295"}},
	{"node -1", {.frames = 32, .node = -1}, EINVAL, {"node is -1", "LAB_NODE"}},
	{"last node", {.frames = 32, .node = INT_MAX}, EINVAL, {"node 2147483646", "0.."}},
	{"no such node", {.frames = 32, .node = LAB_NODE(999)}, EINVAL, {"node 999", "0.."}},
	{"page of 1", {.frames = 32, .page_size = 1}, EINVAL, {"page_size is 1 ", "or use 0"}},
	{"page of 4097", {.frames = 32, .page_size = 4097}, EINVAL, {"page_size is 4097"}},
	{"page of 3 MiB", {.frames = 32, .page_size = 3 << 20}, EINVAL, {"3145728 (3 MiB)"}},
	{"largest page", {.frames = 32, .page_size = SIZE_MAX}, EINVAL, {"page_size is 1844"}},
	{"too many magazines",
	 {.frames = (uint64_t)1 << 31, .cache_frames = 64, .page_size = LAB_PAGE_4K},
	 EINVAL,
	 {"cache_frames is 64, too small for 2147483648 frames", "512"}},
	{"more than the memory",
	 {.frames = (uint64_t)1 << 31, .page_size = LAB_PAGE_4K},
	 ENOMEM,
	 {"8388608 MiB", "are available", "fewer frames"}},
};

Test(config, nonsense_is_refused_by_name)
{
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		cr_assert_null(lab_pool_create(&bad[i].config), "%s", bad[i].what);
		cr_assert_eq(errno, bad[i].err, "%s: errno %d: %s", bad[i].what, errno,
			     lab_error_text());
		for (unsigned s = 0; s < 3 && bad[i].says[s]; s++)
			text_has(bad[i].says[s], NULL);
	}
	errno = 0;
	cr_assert_null(lab_pool_create(NULL));
	cr_assert_eq(errno, EINVAL);
	text_has("NULL", NULL);
}

Test(config, a_refused_configuration_leaves_nothing)
{
	struct holdings before, after;

	lab_pool_create(&bad[0].config);
	before = holdings_now();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		lab_pool_create(&bad[i].config);
	after = holdings_now();
	cr_assert(holdings_same(&before, &after, UNDER_ASAN));
}

Test(config, names)
{
	struct lab_pool_config config = {.frames = 32, .page_size = LAB_PAGE_4K};
	struct lab_pool *unnamed, *empty, *longest;
	char given[32] = "1234567890123456789012345678901";

	unnamed = pool_of(&config);
	config.name = "";
	empty = pool_of(&config);
	config.name = given;
	longest = pool_of(&config);
	given[0] = 'x'; /* the name is copied */
	cr_assert_eq(strncmp(lab_pool_name(unnamed), "pool-", 5), 0);
	cr_assert_eq(strncmp(lab_pool_name(empty), "pool-", 5), 0);
	cr_assert_str_neq(lab_pool_name(unnamed), lab_pool_name(empty));
	cr_assert_str_eq(lab_pool_name(longest), "1234567890123456789012345678901");
	end_whole(unnamed);
	end_whole(empty);
	end_whole(longest);
}

Test(config, zero_defaults)
{
	struct lab_pool_config config = {.frames = 1};
	struct lab_pool *pool;
	size_t bytes;
	void *memory;

	skip_without_hugepages(LAB_PAGE_2M, 1);
	pool = pool_of(&config);
	memory = lab_pool_memory(pool, &bytes);
	cr_assert_eq(lab_pool_page_size(pool), LAB_PAGE_2M);
	cr_assert_eq(lab_pool_frames(pool), 512, "rounded up to a whole segment");
	cr_assert_eq(bytes, LAB_PAGE_2M);
	cr_assert_eq((uintptr_t)memory % LAB_PAGE_2M, 0, "the arena is aligned to its segments");
	cr_assert_eq(lab_pool_exclusive(pool), 1);
	cr_assert_eq(lab_pool_max_lcores(pool), 32);
	cr_assert_null(lab_pool_fallback(pool));
	cr_assert_geq(lab_pool_node(pool), LAB_NODE(0));
	end_whole(pool);
}

Test(config, rounding)
{
	static const struct {
		uint64_t frames, rounded;
	} ordinary[] = {{1, 32}, {31, 32}, {32, 32}, {33, 64}, {1000, 1024}, {1024, 1024}};
	static const struct {
		uint64_t frames, rounded;
	} huge[] = {{511, 512}, {512, 512}, {513, 1024}, {1025, 1536}};
	struct lab_pool_config config = {.page_size = LAB_PAGE_4K};

	for (unsigned i = 0; i < sizeof(ordinary) / sizeof(ordinary[0]); i++) {
		struct lab_pool *pool;

		config.frames = ordinary[i].frames;
		pool = pool_of(&config);
		cr_assert_eq(lab_pool_frames(pool), ordinary[i].rounded);
		cr_assert_eq(lab_pool_page_size(pool), 4096);
		cr_assert_null(lab_pool_fallback(pool), "ordinary pages were asked for");
		end_whole(pool);
	}
	skip_without_hugepages(LAB_PAGE_2M, 3);
	config.page_size = LAB_PAGE_2M;
	for (unsigned i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
		struct lab_pool *pool;

		config.frames = huge[i].frames;
		pool = pool_of(&config);
		cr_assert_eq(lab_pool_frames(pool), huge[i].rounded);
		end_whole(pool);
	}
}

Test(config, too_many_pools)
{
	struct lab_pool *pool[LAB_MAX_POOLS];
	struct lab_pool_config config = {.frames = 32, .page_size = LAB_PAGE_4K};
	struct holdings before, after;

	for (unsigned i = 0; i < LAB_MAX_POOLS; i++)
		pool[i] = small_pool(32, 0);
	before = holdings_now();
	errno = 0;
	cr_assert_null(lab_pool_create(&config));
	cr_assert_eq(errno, ENOSPC);
	text_has("32 pools", "destroy one", NULL);
	after = holdings_now();
	cr_assert(holdings_same(&before, &after, UNDER_ASAN));
	/* The last one, and one in between: each pool works, and its place serves the next. */
	for (unsigned i = 3; i < LAB_MAX_POOLS; i += 28) {
		end_whole(pool[i]);
		pool[i] = small_pool(64, 0);
		cr_assert_null(lab_pool_create(&config));
	}
	for (unsigned i = 0; i < LAB_MAX_POOLS; i++)
		end_whole(pool[i]);
	cr_assert_eq(lab_pool_destroy(NULL), 0);
}

Test(config, at_most_16_bytes_beside_a_frame)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool_config config = {.frames = 262144, .flags = flags};
		struct lab_pool *pool;

		skip_without_hugepages(LAB_PAGE_2M, 512);
		pool = pool_of(&config);
		cr_assert_leq(lab_pool_metadata_bytes(pool), 16 * 262144, "%s: %zu bytes",
			      mode_name(flags), lab_pool_metadata_bytes(pool));
		cr_assert_eq(lab_pool_destroy(pool), 0);
	}
}
