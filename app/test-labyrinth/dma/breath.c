/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools that breathe on the made-up machine: a hugepage is mapped in every domain before its first
 * frame can be had, and in none when it has gone; if one domain cannot, the pool stays as it is.
 */
#include <pthread.h>

#include "breath.h"
#include "ground.h"
#include "pool.h"

#define UNIT  512u
#define UNITS 6u

TestSuite(dma_breath, .timeout = 60);

static struct lab_pool *breathing(void)
{
	struct lab_pool_config config = {.name = "rx",
					 .frames = UNIT,
					 .max_frames = UNITS * UNIT,
					 .page_size = LAB_PAGE_4K,
					 .reserve = 32,
					 .min = 32,
					 .low = UNIT / 2,
					 .high = 2 * UNIT,
					 .flags = LAB_POOL_FALLBACK | LAB_POOL_STEPPED};

	return pool_of(&config);
}

static uint64_t units_of(struct lab_pool *pool)
{
	struct lab_keeper_stats stats;

	OK(lab_keeper_stats(pool, &stats));
	return stats.hugepages;
}

/* Each frame that the pool gives is reached by both domains, where they say. */
static unsigned take_reached(struct lab_pool *pool, struct lab_domain *a, struct lab_domain *b,
			     void **frames)
{
	unsigned n = 0, got;

	do {
		int64_t more;

		got = lab_alloc_burst(pool, frames + n, 32, LAB_GFP_NOWAIT);
		for (unsigned i = n; i < n + got; i++) {
			cr_assert_eq(fake_reach(a, lab_domain_iova(a, pool, frames[i]),
						LAB_FRAME_SIZE, LAB_DMA_BOTH),
				     frames[i]);
			cr_assert_eq(fake_reach(b, lab_domain_iova(b, pool, frames[i]),
						LAB_FRAME_SIZE, LAB_DMA_WRITE),
				     frames[i]);
		}
		n += got;
		do
			more = lab_keeper_step(pool);
		while (more > 0);
	} while (got);
	return n;
}

Test(dma_breath, comes_and_goes_in_every_domain)
{
	const struct lab_iommu_ops *const each[] = {&fake_keeping_ops, &fake_forgetful_ops};
	struct ground ground = level_ground();

	for (unsigned k = 0; k < 2; k++) {
		struct lab_pool *pool = breathing();
		struct lab_domain *a = domain_on(each[k], LAB_DOMAIN_GUARDED, "a");
		struct lab_domain *b = domain_on(each[k], LAB_DOMAIN_GUARDED, "b");
		struct lab_device *nic = opened(a, FAKE_NIC), *disk = opened(b, FAKE_DISK);
		static void *frame[UNITS * UNIT + 64];
		unsigned n;

		OK(lab_domain_map_pool(a, pool, LAB_DMA_BOTH));
		OK(lab_domain_map_pool(b, pool, LAB_DMA_WRITE));
		cr_assert_eq(fake_entries(a), 1);
		n = take_reached(pool, a, b, frame);
		cr_assert_eq(n, UNITS * UNIT - 32);
		cr_assert_eq(fake_entries(a), UNITS);
		cr_assert_eq(fake_entries(b), UNITS);
		says_the_truth(a);
		/* With another device the mappings of all hugepages are there, too. */
		OK(lab_device_close(nic));
		nic = opened(a, FAKE_NIC);
		cr_assert_eq(fake_entries(a), UNITS);
		OK(lab_free_bulk(pool, frame, n));
		lab_lcore_drain(pool);
		while (lab_keeper_step(pool) > 0)
			;
		cr_assert_eq(fake_entries(a), units_of(pool));
		cr_assert_eq(fake_entries(b), units_of(pool));
		cr_assert_lt(units_of(pool), UNITS);
		cr_assert_eq(fake_bytes(a), units_of(pool) * UNIT * LAB_FRAME_SIZE);
		OK(lab_domain_unmap_pool(a, pool));
		cr_assert_eq(fake_entries(a), 0);
		OK(lab_device_close(nic));
		OK(lab_device_close(disk));
		OK(lab_domain_destroy(a));
		OK(lab_domain_destroy(b));
		OK(lab_pool_validate(pool));
		OK(lab_pool_destroy(pool));
		as_before(&ground);
	}
}

static unsigned added;

static int count_added(struct lab_pool *pool, size_t at, size_t bytes)
{
	(void)pool;
	(void)at;
	(void)bytes;
	added++;
	return 0;
}

static void nothing(void)
{
}

static void *step(void *arg)
{
	return lab_keeper_step(arg) > 0 ? arg : NULL;
}

/* A keeper that began before there was any domain, and goes on when there is one. */
Test(dma_breath, the_first_domain_beside_the_keeper)
{
	static const struct lab_mapper mapper = {
		.lock = nothing, .unlock = nothing, .add = count_added, .remove = count_added};
	struct lab_pool *pool = breathing();
	static void *frame[UNIT];
	pthread_t thread;
	void *stepped;

	OK(lab_alloc_bulk(pool, frame, UNIT - 32, LAB_GFP_NOWAIT));
	lab_breath_hold(pool->priv);
	OK(pthread_create(&thread, NULL, step, pool));
	usleep(100000);
	lab_breath_set_mapper(&mapper);
	lab_breath_let_go(pool->priv);
	pthread_join(thread, &stepped);
	cr_assert_not_null(stepped);
	cr_assert_gt(added, 0);
	OK(lab_free_bulk(pool, frame, UNIT - 32));
	OK(lab_pool_destroy(pool));
}

/* Whichever call of the kernel's fails, the pool and both domains are as they were. */
Test(dma_breath, a_domain_that_cannot)
{
	for (unsigned k = 1; k <= 3; k++) {
		struct ground ground = level_ground();
		struct lab_pool *pool = breathing();
		struct lab_domain *a = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "a");
		struct lab_domain *b = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "b");
		struct lab_device *nic = opened(a, FAKE_NIC), *disk = opened(b, FAKE_DISK);
		static void *frame[UNITS * UNIT];
		struct lab_keeper_stats stats;
		unsigned n = UNIT - 32;

		OK(lab_domain_map_pool(a, pool, LAB_DMA_BOTH));
		OK(lab_domain_map_pool(b, pool, LAB_DMA_BOTH));
		OK(lab_alloc_bulk(pool, frame, n, LAB_GFP_NOWAIT));
		fake_fail(FAKE_MAP, k, ENOSPC);
		if (k <= 2) {
			cr_assert_eq(lab_keeper_step(pool), -ENOSPC, "%s", lab_error_text());
			text_has("'rx'", NULL);
			cr_assert(fake_failed());
			cr_assert_eq(units_of(pool), 1);
			cr_assert_eq(fake_entries(a), 1);
			cr_assert_eq(fake_entries(b), 1);
			OK(lab_keeper_stats(pool, &stats));
			cr_assert_eq(stats.failed, 1);
			cr_assert_null(lab_alloc(pool, LAB_GFP_NOWAIT));
		} else {
			cr_assert_gt(lab_keeper_step(pool), 0);
			fake_failed();
		}
		OK(lab_free_bulk(pool, frame, n));
		OK(lab_domain_unmap_pool(a, pool));
		OK(lab_domain_unmap_pool(b, pool));
		OK(lab_device_close(nic));
		OK(lab_device_close(disk));
		OK(lab_domain_destroy(a));
		OK(lab_domain_destroy(b));
		OK(lab_pool_validate(pool));
		OK(lab_pool_destroy(pool));
		as_before(&ground);
	}
}

/* A hugepage that one domain does not let go stays, in both, and goes the next time. */
Test(dma_breath, a_domain_that_does_not_let_go)
{
	for (unsigned k = 1; k <= 2; k++) {
		struct ground ground = level_ground();
		struct lab_pool *pool = breathing();
		struct lab_domain *a = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "a");
		struct lab_domain *b = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "b");
		struct lab_device *nic = opened(a, FAKE_NIC), *disk = opened(b, FAKE_DISK);
		static void *frame[UNITS * UNIT + 64];
		struct lab_keeper_stats stats;
		uint64_t units;
		unsigned n;

		OK(lab_domain_map_pool(a, pool, LAB_DMA_BOTH));
		OK(lab_domain_map_pool(b, pool, LAB_DMA_WRITE));
		n = take_reached(pool, a, b, frame);
		units = units_of(pool);
		OK(lab_free_bulk(pool, frame, n));
		lab_lcore_drain(pool);
		fake_fail(FAKE_UNMAP, k, EIO);
		cr_assert_geq(lab_keeper_step(pool), 0, "%s", lab_error_text());
		cr_assert(fake_failed());
		OK(lab_keeper_stats(pool, &stats));
		cr_assert_eq(stats.failed, 1);
		cr_assert(strstr(stats.why, "cannot be unmapped"), "%s", stats.why);
		cr_assert_eq(fake_entries(a), units_of(pool));
		cr_assert_eq(fake_entries(b), units_of(pool));
		OK(lab_pool_validate(pool));
		while (lab_keeper_step(pool) > 0)
			;
		cr_assert_lt(units_of(pool), units);
		cr_assert_eq(fake_entries(a), units_of(pool));
		cr_assert_eq(fake_entries(b), units_of(pool));
		/* What there is, is reached as before. */
		n = take_reached(pool, a, b, frame);
		OK(lab_free_bulk(pool, frame, n));
		OK(lab_domain_unmap_pool(a, pool));
		OK(lab_domain_unmap_pool(b, pool));
		OK(lab_device_close(nic));
		OK(lab_device_close(disk));
		OK(lab_domain_destroy(a));
		OK(lab_domain_destroy(b));
		OK(lab_pool_validate(pool));
		OK(lab_pool_destroy(pool));
		as_before(&ground);
	}
}

/* A pool that has grown is mapped by its hugepages; if one cannot be, none is. */
Test(dma_breath, mapped_after_it_has_grown)
{
	struct ground ground = level_ground();
	struct lab_pool *pool = breathing();
	struct lab_domain *a = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "a");
	struct lab_device *nic = opened(a, FAKE_NIC);
	static void *frame[UNITS * UNIT];

	for (unsigned i = 0; i < 3 * UNIT; i++) {
		frame[i] = lab_alloc(pool, LAB_GFP_KERNEL);
		cr_assert_not_null(frame[i], "%s", lab_error_text());
	}
	cr_assert_geq(units_of(pool), 4);
	fake_fail(FAKE_MAP, 3, ENOSPC);
	cr_assert_eq(lab_domain_map_pool(a, pool, LAB_DMA_BOTH), -ENOSPC);
	cr_assert(fake_failed());
	cr_assert_eq(fake_entries(a), 0);
	OK(lab_domain_map_pool(a, pool, LAB_DMA_BOTH));
	cr_assert_eq(fake_entries(a), units_of(pool));
	fake_fail(FAKE_UNMAP, 2, EIO);
	cr_assert_neq(lab_domain_unmap_pool(a, pool), 0);
	fake_failed();
	cr_assert_eq(fake_entries(a), units_of(pool), "%u", fake_entries(a));
	OK(lab_domain_unmap_pool(a, pool));
	OK(lab_free_bulk(pool, frame, 3 * UNIT));
	OK(lab_device_close(nic));
	OK(lab_domain_destroy(a));
	OK(lab_pool_destroy(pool));
	as_before(&ground);
}
