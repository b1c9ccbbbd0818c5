/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Domains on the made-up machine: pools mapped and unmapped, in every mode, in one and in several.
 */
#include "ground.h"

TestSuite(dma_domain, .timeout = 60);

static const enum lab_domain_mode every_mode[] = {LAB_DOMAIN_GUARDED, LAB_DOMAIN_PREMAPPED,
						  LAB_DOMAIN_STRICT};

Test(dma_domain, a_pool_is_one_mapping)
{
	struct ground ground = level_ground();
	struct lab_pool *pool = named_pool("rx", FRAMES, 0);

	for (unsigned access = LAB_DMA_READ; access <= LAB_DMA_BOTH; access++) {
		struct lab_domain *domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "net");
		struct lab_device *dev = opened(domain, FAKE_NIC);
		struct lab_domain_stats stats;

		translates_nothing(domain, pool);
		fake.calls[FAKE_MAP] = 0;
		OK(lab_domain_map_pool(domain, pool, access));
		cr_assert_eq(fake.calls[FAKE_MAP], 1);
		translates(domain, pool);
		reaches(domain, pool, access);
		says_the_truth(domain);
		stats = domain_stats(domain);
		cr_assert_eq(stats.entries, 1);
		cr_assert_eq(stats.bytes, FRAMES * LAB_FRAME_SIZE);
		cr_assert_eq(stats.maps, 1);
		cr_assert_eq(stats.unmaps, 0);
		cr_assert_eq(stats.devices, 1);
		REFUSED(EEXIST, lab_domain_map_pool(domain, pool, access), "'rx'", "'net'",
			"already");
		REFUSED(EBUSY, lab_pool_destroy(pool), "'rx'", "1 domains",
			"lab_domain_unmap_pool()");
		OK(lab_domain_unmap_pool(domain, pool));
		translates_nothing(domain, pool);
		says_the_truth(domain);
		cr_assert_eq(domain_stats(domain).unmaps, 1);
		cr_assert_eq(fake_entries(domain), 0);
		REFUSED(ENOENT, lab_domain_unmap_pool(domain, pool), "'rx'", "not mapped", "'net'");
		OK(lab_device_close(dev));
		OK(lab_domain_destroy(domain));
	}
	end_whole(pool);
	as_before(&ground);
}

/* The range is set aside; what is in it comes and goes with the frames. */
Test(dma_domain, a_strict_domain_maps_no_pool)
{
	struct ground ground = level_ground();
	struct lab_domain *domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_STRICT, "disk");
	struct lab_device *dev = opened(domain, FAKE_DISK);
	struct lab_pool *pool = named_pool("ctl", 64, 0), *other = named_pool("data", 64, 0);
	uint64_t a, b, bytes = 64 * LAB_FRAME_SIZE;

	OK(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH));
	OK(lab_domain_map_pool(domain, other, LAB_DMA_BOTH));
	cr_assert_eq(fake.calls[FAKE_MAP], 0);
	translates(domain, pool);
	translates(domain, other);
	says_the_truth(domain);
	a = lab_domain_iova(domain, pool, lab_frame_at(pool, 0));
	b = lab_domain_iova(domain, other, lab_frame_at(other, 0));
	cr_assert(a + bytes <= b || b + bytes <= a);
	REFUSED(EBUSY, lab_pool_destroy(pool), "'ctl'", "1 domains");
	OK(lab_domain_unmap_pool(domain, pool));
	OK(lab_domain_unmap_pool(domain, other));
	cr_assert_eq(fake.calls[FAKE_UNMAP], 0);
	OK(lab_device_close(dev));
	OK(lab_domain_destroy(domain));
	end_whole(pool);
	end_whole(other);
	as_before(&ground);
}

/* Opening a device maps what there is, once; what is made later is for the program to map. */
Test(dma_domain, a_premapped_domain_maps_all_there_is)
{
	struct ground ground = level_ground();
	struct lab_pool *early = named_pool("early", 64, 0), *rx = named_pool("rx", FRAMES, 0);
	struct lab_domain *domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_PREMAPPED, "all");
	struct lab_device *nic, *disk;
	struct lab_pool *late;

	cr_assert_eq(fake.calls[FAKE_MAP], 0);
	nic = opened(domain, FAKE_NIC);
	cr_assert_eq(fake.calls[FAKE_MAP], 2);
	translates(domain, early);
	reaches(domain, rx, LAB_DMA_BOTH);
	REFUSED(EEXIST, lab_domain_map_pool(domain, rx, LAB_DMA_BOTH), "'rx'");
	late = named_pool("late", 64, 0);
	translates_nothing(domain, late);
	OK(lab_domain_unmap_pool(domain, early));
	/* The next device brings the late one, and the one that was taken out. */
	disk = opened(domain, FAKE_DISK);
	cr_assert_eq(fake.calls[FAKE_MAP], 4);
	reaches(domain, late, LAB_DMA_BOTH);
	reaches(domain, early, LAB_DMA_BOTH);
	says_the_truth(domain);
	OK(lab_device_close(nic));
	OK(lab_device_close(disk));
	REFUSED(EBUSY, lab_pool_destroy(late), "1 domains");
	OK(lab_domain_destroy(domain)); /* unmaps them */
	end_whole(early);
	end_whole(rx);
	end_whole(late);
	as_before(&ground);
}

/* Nothing of a device that could not be opened stays: no mapping either. */
Test(dma_domain, premapping_is_all_or_nothing)
{
	struct ground ground = level_ground();
	struct lab_pool *a = named_pool("a", 64, 0), *b = named_pool("b", 64, 0),
			*c = named_pool("c", 64, 0);
	struct lab_domain *domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_PREMAPPED, "all");

	for (unsigned k = 1; k <= 3; k++) {
		fake_fail(FAKE_MAP, k, ENOMEM);
		FELL_SHORT(ENOMEM, 0, lab_device_open(domain, FAKE_NIC), "'all'");
		cr_assert(fake_failed());
		cr_assert_eq(fake_entries(domain), 0);
		translates_nothing(domain, a);
		says_the_truth(domain);
	}
	OK(lab_device_close(opened(domain, FAKE_NIC)));
	OK(lab_domain_destroy(domain));
	end_whole(a);
	end_whole(b);
	end_whole(c);
	as_before(&ground);
}

Test(dma_domain, nothing_is_mapped_before_a_device_is_open)
{
	struct ground ground = level_ground();
	struct lab_pool *pool = named_pool("rx", 64, 0);

	for (unsigned i = 0; i < 3; i++) {
		struct lab_domain *domain = domain_on(&fake_keeping_ops, every_mode[i], "net");
		struct lab_run run = {.frames = 1};

		cr_assert_str_eq(lab_domain_name(domain), "net");
		cr_assert_str_eq(lab_domain_backend(domain), "keeping");
		cr_assert_eq(lab_domain_mode(domain), every_mode[i]);
		REFUSED(ENODEV, lab_domain_map_pool(domain, pool, LAB_DMA_BOTH), "'rx'", "'net'",
			"open a device there first");
		REFUSED(ENODEV, lab_run_alloc(domain, 1, 0, LAB_DMA_BOTH, &run), "'net'",
			"no device yet");
		cr_assert_null(run.addr);
		OK(lab_domain_destroy(domain));
	}
	cr_assert_eq(fake.calls[FAKE_LIMITS] + fake.calls[FAKE_MAP], 0);
	OK(lab_domain_destroy(NULL));
	end_whole(pool);
	as_before(&ground);
}

/* What is known of the addresses stays known; so does what is mapped, in the kernel or not. */
Test(dma_domain, mappings_outlive_devices)
{
	static const struct lab_iommu_ops *const kind[] = {&fake_keeping_ops, &fake_forgetful_ops};

	for (unsigned i = 0; i < 2; i++) {
		struct ground ground = level_ground();
		struct lab_pool *rx = named_pool("rx", 64, 0), *tx = named_pool("tx", 64, 0);
		struct lab_domain *domain = domain_on(kind[i], LAB_DOMAIN_GUARDED, "net");
		struct lab_device *dev = opened(domain, FAKE_NIC);
		unsigned kept = kind[i]->forgetful ? 0 : 3;
		uint64_t iova;
		struct lab_run run;

		OK(lab_domain_map_pool(domain, rx, LAB_DMA_WRITE));
		OK(lab_domain_map_pool(domain, tx, LAB_DMA_READ));
		OK(lab_run_alloc(domain, 4, 0, LAB_DMA_BOTH, &run));
		iova = lab_domain_iova(domain, rx, lab_frame_at(rx, 0));
		for (unsigned round = 0; round < 3; round++) {
			OK(lab_device_close(dev));
			cr_assert_eq(fake_entries(domain), kept);
			says_the_truth(domain);
			cr_assert_eq(lab_domain_iova(domain, rx, lab_frame_at(rx, 0)), iova);
			dev = opened(domain, round & 1 ? FAKE_DISK : FAKE_NIC);
			cr_assert_eq(fake_entries(domain), 3);
			says_the_truth(domain);
			reaches(domain, rx, LAB_DMA_WRITE);
			reaches(domain, tx, LAB_DMA_READ);
			cr_assert_eq(fake_reach(domain, run.iova, 4 * LAB_FRAME_SIZE, LAB_DMA_BOTH),
				     run.addr);
		}
		/* Let go of without a device, they are not made again with the next. */
		OK(lab_device_close(dev));
		OK(lab_domain_unmap_pool(domain, tx));
		OK(lab_run_free(domain, &run));
		dev = opened(domain, FAKE_NIC);
		cr_assert_eq(fake_entries(domain), 1);
		reaches(domain, rx, LAB_DMA_WRITE);
		says_the_truth(domain);
		OK(lab_domain_map_pool(domain, tx, LAB_DMA_READ));
		OK(lab_device_close(dev));
		OK(lab_domain_destroy(domain));
		end_whole(rx);
		end_whole(tx);
		as_before(&ground);
	}
}

/* A replay that fails half way leaves no half of it. */
Test(dma_domain, a_replay_that_fails)
{
	struct ground ground = level_ground();
	struct lab_pool *rx = named_pool("rx", 64, 0), *tx = named_pool("tx", 64, 0);
	struct lab_domain *domain = domain_on(&fake_forgetful_ops, LAB_DOMAIN_GUARDED, "net");
	struct lab_device *dev = opened(domain, FAKE_NIC);

	OK(lab_domain_map_pool(domain, rx, LAB_DMA_BOTH));
	OK(lab_domain_map_pool(domain, tx, LAB_DMA_BOTH));
	OK(lab_device_close(dev));
	for (unsigned k = 1; k <= 2; k++) {
		fake_fail(FAKE_MAP, k, ENOMEM);
		FELL_SHORT(ENOMEM, 0, lab_device_open(domain, FAKE_NIC), "'net'", "mapped before");
		cr_assert(fake_failed());
		says_the_truth(domain);
		cr_assert_eq(domain_stats(domain).devices, 0);
	}
	dev = opened(domain, FAKE_NIC);
	reaches(domain, rx, LAB_DMA_BOTH);
	reaches(domain, tx, LAB_DMA_BOTH);
	OK(lab_device_close(dev));
	OK(lab_domain_destroy(domain));
	end_whole(rx);
	end_whole(tx);
	as_before(&ground);
}

Test(dma_domain, several_domains_share_pages)
{
	struct ground ground = level_ground();
	struct lab_pool *pool = named_pool("rx", FRAMES, 0);
	uint64_t bytes = lab_pool_frames(pool) * LAB_FRAME_SIZE;
	struct lab_domain *a = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "a"),
			  *b = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "b");
	struct lab_device *nic = opened(a, FAKE_NIC), *disk = opened(b, FAKE_DISK);

	OK(lab_domain_map_pool(a, pool, LAB_DMA_BOTH));
	cr_assert_eq(fake.calls[FAKE_SHARE], 0);
	OK(lab_domain_map_pool(b, pool, LAB_DMA_READ));
	cr_assert_eq(fake.calls[FAKE_SHARE], 1);
	cr_assert_eq(fake.calls[FAKE_MAP], 1);
	cr_assert_eq(fake_pinned(), bytes);
	cr_assert_eq(domain_stats(a).shared_bytes, 0);
	cr_assert_eq(domain_stats(b).shared_bytes, bytes);
	reaches(a, pool, LAB_DMA_BOTH);
	reaches(b, pool, LAB_DMA_READ);
	says_the_truth(a);
	says_the_truth(b);
	REFUSED(EBUSY, lab_pool_destroy(pool), "2 domains");
	/* Whoever came first may go first. */
	OK(lab_domain_unmap_pool(a, pool));
	reaches(b, pool, LAB_DMA_READ);
	REFUSED(EBUSY, lab_pool_destroy(pool), "1 domains");
	OK(lab_domain_unmap_pool(b, pool));
	cr_assert_eq(domain_stats(b).shared_bytes, 0);

	/* A machine that cannot share pins again. */
	OK(lab_domain_map_pool(a, pool, LAB_DMA_BOTH));
	fake_fail(FAKE_SHARE, 1, EOPNOTSUPP);
	OK(lab_domain_map_pool(b, pool, LAB_DMA_BOTH));
	cr_assert(fake_failed());
	cr_assert_eq(fake_pinned(), 2 * bytes);
	cr_assert_eq(domain_stats(b).shared_bytes, 0);
	OK(lab_domain_unmap_pool(b, pool));
	OK(lab_domain_unmap_pool(a, pool));

	/* Pages pinned for reading serve no writer; they do serve a reader. */
	OK(lab_domain_map_pool(a, pool, LAB_DMA_READ));
	fake.calls[FAKE_SHARE] = 0;
	OK(lab_domain_map_pool(b, pool, LAB_DMA_WRITE));
	cr_assert_eq(fake.calls[FAKE_SHARE], 0);
	reaches(b, pool, LAB_DMA_WRITE);
	OK(lab_domain_unmap_pool(b, pool));
	OK(lab_domain_map_pool(b, pool, LAB_DMA_READ));
	cr_assert_eq(fake.calls[FAKE_SHARE], 1);
	cr_assert_eq(fake_pinned(), bytes);
	OK(lab_device_close(nic));
	OK(lab_device_close(disk));
	OK(lab_domain_destroy(a));
	OK(lab_domain_destroy(b));
	end_whole(pool);
	as_before(&ground);
}

/* Pages are pinned and counted once while anybody has them, in whatever order they come and go. */
Test(dma_domain, shared_pages_find_another_account)
{
	static const char *const address[] = {FAKE_NIC, FAKE_DISK, "fa4e:00:03.0"};
	struct ground ground = level_ground();
	struct lab_pool *pool = named_pool("rx", FRAMES, 0);
	uint64_t bytes = lab_pool_frames(pool) * LAB_FRAME_SIZE;
	struct lab_domain *d[3];
	struct lab_device *dev[3];

	strcpy(fake.device[2].address, "fa4e:00:03.0");
	for (unsigned i = 0; i < 3; i++) {
		d[i] = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "several");
		dev[i] = opened(d[i], address[i]);
	}
	OK(lab_domain_map_pool(d[0], pool, LAB_DMA_BOTH));
	OK(lab_domain_map_pool(d[1], pool, LAB_DMA_READ));
	for (unsigned round = 0; round < 6; round++) {
		unsigned leaves = round % 3, comes = (round + 2) % 3;
		uint64_t shared = 0;

		OK(lab_domain_unmap_pool(d[leaves], pool));
		cr_assert_eq(domain_stats(d[leaves]).shared_bytes, 0);
		cr_assert_eq(domain_stats(d[3 - leaves - comes]).shared_bytes, 0);
		/* The only one left may read; what pinned its pages was for writing too. */
		OK(lab_domain_map_pool(d[comes], pool, round & 1 ? LAB_DMA_READ : LAB_DMA_BOTH));
		cr_assert_eq(fake_pinned(), bytes);
		for (unsigned i = 0; i < 3; i++) {
			shared += domain_stats(d[i]).shared_bytes;
			says_the_truth(d[i]);
		}
		cr_assert_eq(shared, bytes);
	}
	cr_assert_eq(fake.calls[FAKE_MAP], 1);
	for (unsigned i = 0; i < 3; i++) {
		OK(lab_device_close(dev[i]));
		OK(lab_domain_destroy(d[i]));
	}
	end_whole(pool);
	as_before(&ground);
}

/* Kernels of different kinds, and strict domains, have nothing to share. */
Test(dma_domain, what_is_not_shared)
{
	struct ground ground = level_ground();
	struct lab_pool *pool = named_pool("rx", 64, 0);
	struct lab_domain *a = domain_on(&fake_forgetful_ops, LAB_DOMAIN_GUARDED, "a"),
			  *b = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "b"),
			  *c = domain_on(&fake_keeping_ops, LAB_DOMAIN_STRICT, "c");
	struct lab_device *nic = opened(a, FAKE_NIC), *disk = opened(c, FAKE_DISK);
	struct lab_device *second;

	strcpy(fake.device[2].address, "fa4e:00:03.0");
	second = opened(b, "fa4e:00:03.0");
	OK(lab_domain_map_pool(a, pool, LAB_DMA_BOTH));
	OK(lab_domain_map_pool(c, pool, LAB_DMA_BOTH));
	OK(lab_domain_map_pool(b, pool, LAB_DMA_BOTH));
	cr_assert_eq(fake.calls[FAKE_SHARE], 0);
	cr_assert_eq(fake.calls[FAKE_MAP], 2);
	REFUSED(EBUSY, lab_pool_destroy(pool), "3 domains");
	OK(lab_device_close(nic));
	OK(lab_device_close(disk));
	OK(lab_device_close(second));
	OK(lab_domain_destroy(c));
	OK(lab_domain_destroy(a));
	OK(lab_domain_destroy(b));
	end_whole(pool);
	as_before(&ground);
}

Test(dma_domain, is_not_destroyed_under_devices)
{
	struct ground ground = level_ground();
	struct lab_domain *domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "net");
	struct lab_device *nic = opened(domain, FAKE_NIC), *disk = opened(domain, FAKE_DISK);

	REFUSED(EBUSY, lab_domain_destroy(domain), "'net'", "fa4e:00:0", "1 other", "close them");
	OK(lab_device_close(nic));
	REFUSED(EBUSY, lab_domain_destroy(domain), FAKE_DISK, "0 other");
	OK(lab_device_close(disk));
	OK(lab_domain_destroy(domain));
	as_before(&ground);
}

/* What the kernel does not let go of stays as it was, and can be tried again. */
Test(dma_domain, an_unmap_that_fails)
{
	struct ground ground = level_ground();
	struct lab_pool *pool = named_pool("rx", 64, 0);
	struct lab_domain *domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "net");
	struct lab_device *dev = opened(domain, FAKE_NIC);

	OK(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH));
	fake_fail(FAKE_UNMAP, 1, EFAULT);
	REFUSED(EFAULT, lab_domain_unmap_pool(domain, pool), "pool 'rx'", "cannot be unmapped",
		"'net'");
	cr_assert(fake_failed());
	reaches(domain, pool, LAB_DMA_BOTH);
	says_the_truth(domain);
	REFUSED(EBUSY, lab_pool_destroy(pool), "1 domains");
	OK(lab_device_close(dev));
	fake_fail(FAKE_UNMAP, 1, EFAULT);
	REFUSED(EFAULT, lab_domain_destroy(domain), "pool 'rx'", "'net'");
	cr_assert(fake_failed());
	translates(domain, pool);
	OK(lab_domain_destroy(domain));
	end_whole(pool);
	as_before(&ground);
}
