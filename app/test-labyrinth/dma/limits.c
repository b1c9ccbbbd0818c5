/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the made-up machine's IOMMU can and cannot do: addresses too few, too narrow or none of its
 * own, and a number of mappings that the kernel allows.
 */
#include "ground.h"

TestSuite(dma_limits, .timeout = 60);

#define M2 ((uint64_t)1 << 21)

Test(dma_limits, too_few_addresses)
{
	struct ground ground = level_ground();
	/* 1 MiB less what lies below LAB_IOVA_MIN */
	struct lab_domain_config config = {.name = "thin", .address_bits = 20};
	struct lab_domain *domain = lab_domain_create_on(&config, &fake_keeping_ops, NULL);
	struct lab_device *dev = opened(domain, FAKE_NIC);
	struct lab_pool *wide = named_pool("wide", FRAMES, 0), *fits = named_pool("fits", 224, 0);
	struct lab_run run;

	REFUSED(ENOSPC, lab_domain_map_pool(domain, wide, LAB_DMA_BOTH), "pool 'wide'", "8192 KiB",
		"'thin'", "0xfffff", "24 address_bits");
	translates_nothing(domain, wide);
	OK(lab_pool_destroy(wide)); /* it is not mapped at all */
	OK(lab_domain_map_pool(domain, fits, LAB_DMA_BOTH));
	reaches(domain, fits, LAB_DMA_BOTH);
	OK(lab_run_alloc(domain, 16, 0, LAB_DMA_BOTH, &run));
	REFUSED(ENOSPC, lab_run_alloc(domain, 1, 0, LAB_DMA_BOTH, &(struct lab_run){0}), "a run",
		"4 KiB", "'thin'");
	OK(lab_domain_unmap_pool(domain, fits));
	OK(lab_domain_map_pool(domain, fits, LAB_DMA_BOTH));
	OK(lab_device_close(dev));
	OK(lab_domain_destroy(domain));

	config.address_bits = 14; /* all of it below LAB_IOVA_MIN */
	domain = lab_domain_create_on(&config, &fake_keeping_ops, NULL);
	cr_assert_not_null(domain);
	FELL_SHORT(EINVAL, 0, lab_device_open(domain, FAKE_NIC), "'thin'", "14 bits",
		   "the fewest address_bits that work are 17");
	OK(lab_domain_destroy(domain));
	config.address_bits = 17;
	domain = lab_domain_create_on(&config, &fake_keeping_ops, NULL);
	OK(lab_device_close(opened(domain, FAKE_NIC)));
	OK(lab_domain_destroy(domain));
	end_whole(fits);
	as_before(&ground);
}

/* Whatever is missing, the number that is named works, and one less does not. */
Test(dma_limits, the_width_that_is_named_works)
{
	struct ground ground = level_ground();
	struct lab_pool *first = named_pool("first", 128, 0),
			*second = named_pool("second", 128, 0);

	for (uint32_t bits = 18; bits; bits++) {
		struct lab_domain_config config = {.name = "thin", .address_bits = bits};
		struct lab_domain *domain = lab_domain_create_on(&config, &fake_keeping_ops, NULL);
		struct lab_device *dev = opened(domain, FAKE_NIC);
		int rc = lab_domain_map_pool(domain, first, LAB_DMA_BOTH);

		if (!rc)
			rc = lab_domain_map_pool(domain, second, LAB_DMA_BOTH);
		/* 64 KiB below LAB_IOVA_MIN, and then 512 KiB each */
		if (bits == 20)
			text_has("pool 'second'", "21 address_bits", NULL);
		else if (bits < 20)
			text_has("pool 'first'", "20 address_bits", NULL);
		cr_assert_eq(rc, bits < 21 ? -ENOSPC : 0, "%u bits: %s", bits, lab_error_text());
		OK(lab_device_close(dev));
		OK(lab_domain_destroy(domain));
		if (!rc)
			break;
	}
	end_whole(first);
	end_whole(second);
	as_before(&ground);
}

/* It is the IOMMU that reaches no further: there is no number to name. */
Test(dma_limits, an_iommu_that_is_too_narrow)
{
	static const uint32_t asked[] = {20, 22, 64, 0};
	struct ground ground = level_ground();
	struct lab_pool *pool = named_pool("rx", FRAMES, 0);
	struct lab_domain_config config = {.name = "thin"};
	struct lab_domain *domain;

	fake.range[0].last = ((uint64_t)1 << 22) - 1;
	fake.ranges = 1;
	for (unsigned i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct lab_device *dev;

		config.address_bits = asked[i];
		domain = lab_domain_create_on(&config, &fake_keeping_ops, NULL);
		dev = opened(domain, FAKE_NIC);
		REFUSED(ENOSPC, lab_domain_map_pool(domain, pool, LAB_DMA_BOTH), "pool 'rx'",
			"8192 KiB", "'thin'", "the IOMMU reaches no further", "smaller pool");
		OK(lab_device_close(dev));
		OK(lab_domain_destroy(domain));
	}
	fake.range[0] = (struct lab_iova_range){0, LAB_IOVA_MIN - 1};
	domain = lab_domain_create_on(&config, &fake_keeping_ops, NULL);
	FELL_SHORT(EINVAL, 0, lab_device_open(domain, FAKE_NIC), "'thin'", "leave no address");
	OK(lab_domain_destroy(domain));
	end_whole(pool);
	as_before(&ground);
}

/* The second device of a domain reaches less than the first. */
Test(dma_limits, a_narrow_device)
{
	struct ground ground = level_ground();
	struct lab_pool *pool = named_pool("rx", 64, 0);
	struct lab_domain *domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "net");
	struct lab_device *nic, *disk;

	fake_device(FAKE_DISK)->narrow = 1;
	fake.range[0].first = (uint64_t)1 << 34; /* of this IOMMU */
	fake.range[0].last = ((uint64_t)1 << 35) - 1;
	fake.range[1].last = ((uint64_t)1 << 34) - 1;
	fake.range[1].first = 0xf0000000;
	nic = opened(domain, FAKE_NIC);
	OK(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH));
	disk = opened(domain, FAKE_DISK); /* what is mapped lies low enough */
	OK(lab_device_close(disk));
	OK(lab_domain_unmap_pool(domain, pool));
	OK(lab_device_close(nic));

	fake.ranges = 1; /* high addresses only */
	nic = opened(domain, FAKE_NIC);
	OK(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH));
	fake.ranges = 2;
	FELL_SHORT(EADDRINUSE, 0, lab_device_open(domain, FAKE_DISK), "'net'", "mapped already",
		   "domain of its own");
	cr_assert_null(fake_device(FAKE_DISK)->dev);
	cr_assert_eq(domain_stats(domain).devices, 1);
	reaches(domain, pool, LAB_DMA_BOTH);
	OK(lab_device_close(nic));
	OK(lab_domain_destroy(domain));
	end_whole(pool);
	as_before(&ground);
}

Test(dma_limits, the_kernels_limit_of_entries)
{
	struct ground ground = level_ground();
	struct lab_pool *a = named_pool("a", 64, 0), *b = named_pool("b", 64, 0);
	struct lab_domain *domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "net");
	struct lab_device *nic, *disk;

	fake.entries = 1;
	nic = opened(domain, FAKE_NIC);
	cr_assert_eq(domain_stats(domain).entry_limit, 1);
	OK(lab_domain_map_pool(domain, a, LAB_DMA_BOTH));
	REFUSED(ENOSPC, lab_domain_map_pool(domain, b, LAB_DMA_BOTH), "pool 'b'", "'net'",
		"it has 1 mappings, needs 1 more", "allows 1", "write 2 or more",
		"dma_entry_limit");
	translates_nothing(domain, b);
	fake.entries = 3;
	disk = opened(domain, FAKE_DISK);
	cr_assert_eq(domain_stats(domain).entry_limit, 3); /* two are left, and one is taken */
	OK(lab_domain_map_pool(domain, b, LAB_DMA_BOTH));
	OK(lab_device_close(nic));
	OK(lab_device_close(disk));
	OK(lab_domain_destroy(domain));
	end_whole(a);
	end_whole(b);
	as_before(&ground);
}

Test(dma_limits, addresses_are_aligned_as_hugepages_are)
{
	struct ground ground = level_ground();
	struct lab_domain *domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "net");
	struct lab_device *dev = opened(domain, FAKE_NIC);
	struct lab_pool_config config = {.name = "huge", .frames = 512, .page_size = LAB_PAGE_2M};
	struct lab_pool *pool, *small;
	struct lab_run run;

	skip_without_hugepages(LAB_PAGE_2M, 1);
	pool = pool_of(&config);
	small = named_pool("small", 64, 0);
	OK(lab_run_alloc(domain, 3, 0, LAB_DMA_BOTH, &run));
	OK(lab_domain_map_pool(domain, small, LAB_DMA_BOTH));
	OK(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH));
	cr_assert_eq(lab_domain_iova(domain, pool, lab_frame_at(pool, 0)) & (M2 - 1), 0);
	reaches(domain, pool, LAB_DMA_BOTH);
	OK(lab_device_close(dev));
	OK(lab_domain_destroy(domain));
	end_whole(pool);
	end_whole(small);
	as_before(&ground);
}

/* Without an IOMMU addresses are the memory's own, and nothing is mapped. */
Test(dma_limits, physical_addresses)
{
	struct ground ground = level_ground();
	struct lab_pool_config config = {.name = "huge", .frames = 1024, .page_size = LAB_PAGE_2M};
	struct lab_domain *domain = domain_on(&fake_physical_ops, LAB_DOMAIN_GUARDED, "bare");
	struct lab_device *dev = opened(domain, FAKE_NIC);
	struct lab_pool *small = named_pool("small", 64, 0), *pool;
	struct lab_run run;

	REFUSED(ENOTSUP, lab_domain_map_pool(domain, small, LAB_DMA_BOTH), "'small'",
		"no physical addresses", "'bare'", "hugepages, as root");
	end_whole(small);
	skip_unless_root();
	skip_without_hugepages(LAB_PAGE_2M, 3);
	pool = pool_of(&config);
	OK(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH));
	for (uint32_t i = 0; i < 1024; i++)
		cr_assert_eq(lab_domain_iova(domain, pool, lab_frame_at(pool, i)),
			     lab_frame_phys(pool, lab_frame_at(pool, i)));
	OK(lab_run_alloc(domain, 2, 0, LAB_DMA_BOTH, &run));
	cr_assert_eq(run.iova & 4095, 0);
	OK(lab_run_free(domain, &run));
	cr_assert_eq(fake.calls[FAKE_MAP] + fake.calls[FAKE_UNMAP], 0);
	OK(lab_domain_unmap_pool(domain, pool));
	OK(lab_device_close(dev));
	OK(lab_domain_destroy(domain));
	end_whole(pool);
	as_before(&ground);
}
