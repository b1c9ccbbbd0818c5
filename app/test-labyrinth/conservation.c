/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Frames are conserved: a million random operations by several threads, and then each frame is
 * there, once. (A user makes up to 32 and more frames' operations in one call; calls are counted.)
 */
#include "random-user.h"
#include "test.h"

TestSuite(conservation, .timeout = 120);

#define THREADS 4u

static struct random_user user[THREADS];

/* One crowd on one pool. */
static void crowd_on(const struct lab_pool_config *config, uint64_t seed, unsigned operations)
{
	struct crowd crowd = {.pool = pool_of(config), .steps = operations / THREADS};
	struct lab_pool_stats stats;

	random_crowd(&crowd, user, THREADS, seed);
	cr_assert_eq(crowd.wrong, 0, "%s, %llu frames, seed 0x%llx: %u wrong, first: %s (%s)",
		     mode_name(config->flags), (unsigned long long)config->frames,
		     (unsigned long long)seed, crowd.wrong, crowd.first_wrong, lab_error_text());
	lab_pool_stats(crowd.pool, &stats);
	cr_assert_eq(stats.held, 0, "seed 0x%llx: %llu frames are lost", (unsigned long long)seed,
		     (unsigned long long)stats.held);
	cr_assert_eq(stats.dropped, 0);
	cr_assert_eq(stats.allocs, stats.frees);
	cr_assert_gt(stats.flushed, 0);
	for (unsigned k = 0; k < LAB_REFUSED_KINDS; k++)
		cr_assert_eq(stats.refused[k], 0);
	end_whole(crowd.pool);
}

/* Plenty, and so few that they run out all the time; large caches and small ones. */
static void crowds(uint32_t flags, uint64_t seed, unsigned operations)
{
	static const struct {
		uint64_t frames;
		uint32_t cache;
	} shape[] = {{8192, 512}, {2048, 512}, {1024, 64}, {256, 64}};

	for (unsigned i = 0; i < 4; i++) {
		struct lab_pool_config config = {.name = "crowd",
						 .frames = shape[i].frames,
						 .page_size = LAB_PAGE_4K,
						 .cache_frames = shape[i].cache,
						 .flags = flags | LAB_POOL_FALLBACK};

		crowd_on(&config, seed + i, operations / 4);
	}
}

Test(conservation, a_million_operations_exclusive)
{
	crowds(0, 20260101, 1000000);
}

Test(conservation, a_million_operations_unprotected)
{
	crowds(LAB_POOL_UNPROTECTED, 20260101, 1000000);
}

/* Another path each time; a failure prints the seed. */
Test(conservation, a_random_seed)
{
	uint64_t seed = random_seed();

	FOR_BOTH_MODES(flags)
	crowds(flags, seed, 200000);
}

Test(conservation, on_hugepages)
{
	struct lab_pool_config config = {.name = "crowd", .frames = 4096};

	skip_without_hugepages(LAB_PAGE_2M, 8);
	crowd_on(&config, random_seed(), 200000);
}
