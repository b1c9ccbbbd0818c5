/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A frame's names: pointer, number, IOVA, physical address.
 */
#include <fcntl.h>

#include "test.h"

TestSuite(translate, .timeout = 60);

Test(translate, numbers_and_pointers_are_two_names_of_one_frame)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	char *base = lab_pool_memory(pool, NULL);

	for (uint32_t i = 0; i < FRAMES; i++) {
		cr_assert_eq(lab_frame_at(pool, i), base + (size_t)i * LAB_FRAME_SIZE);
		cr_assert_eq(lab_frame_index(pool, lab_frame_at(pool, i)), i);
	}
	end_whole(pool);
}

Test(translate, what_is_no_frame_has_no_number)
{
	struct lab_pool *pool = small_pool(FRAMES, 0), *other = small_pool(FRAMES, 0);
	char *base = lab_pool_memory(pool, NULL), *end = base + FRAMES * (size_t)LAB_FRAME_SIZE;
	static const unsigned inside[] = {1, 8, 63, 64, 2048, 4032, 4095};
	int on_stack;

	for (unsigned i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		cr_assert_eq(lab_frame_index(pool, base + inside[i]), LAB_FRAME_NONE);
		cr_assert_eq(lab_frame_index(pool, end - LAB_FRAME_SIZE + inside[i]),
			     LAB_FRAME_NONE);
		cr_assert_eq(lab_frame_index(pool, base - inside[i]), LAB_FRAME_NONE);
	}
	cr_assert_eq(lab_frame_index(pool, end), LAB_FRAME_NONE);
	cr_assert_eq(lab_frame_index(pool, end - 1), LAB_FRAME_NONE);
	cr_assert_eq(lab_frame_index(pool, base - LAB_FRAME_SIZE), LAB_FRAME_NONE);
	cr_assert_eq(lab_frame_index(pool, NULL), LAB_FRAME_NONE);
	cr_assert_eq(lab_frame_index(pool, (void *)(uintptr_t)-4096), LAB_FRAME_NONE);
	cr_assert_eq(lab_frame_index(pool, &on_stack), LAB_FRAME_NONE);
	cr_assert_eq(lab_frame_index(pool, lab_frame_at(other, 3)), LAB_FRAME_NONE);

	cr_assert_null(lab_frame_at(pool, FRAMES));
	cr_assert_null(lab_frame_at(pool, FRAMES + 1));
	cr_assert_null(lab_frame_at(pool, LAB_FRAME_NONE));
	end_whole(pool);
	end_whole(other);
}

Test(translate, ordinary_pages_have_virtual_iovas_and_no_physical_address)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	char *base = lab_pool_memory(pool, NULL), *end = base + FRAMES * (size_t)LAB_FRAME_SIZE;

	cr_assert_eq(lab_frame_iova(pool, base), (uintptr_t)base);
	cr_assert_eq(lab_frame_iova(pool, base + 5000), (uintptr_t)base + 5000);
	cr_assert_eq(lab_frame_iova(pool, end - 1), (uintptr_t)end - 1);
	cr_assert_eq(lab_frame_iova(pool, end), LAB_ADDR_NONE);
	cr_assert_eq(lab_frame_iova(pool, base - 1), LAB_ADDR_NONE);
	cr_assert_eq(lab_frame_iova(pool, NULL), LAB_ADDR_NONE);
	cr_assert_eq(lab_frame_phys(pool, base), LAB_ADDR_NONE);
	cr_assert_eq(lab_frame_phys(pool, end), LAB_ADDR_NONE);
	end_whole(pool);
}

/* The kernel's own answer: Documentation/admin-guide/mm/pagemap.rst. */
static uint64_t phys_by_pagemap(const void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	cr_assert_geq(fd, 0);
	cr_assert_eq(pread(fd, &entry, 8, (off_t)((uintptr_t)addr >> 12 << 3)), 8);
	close(fd);
	return (entry & (((uint64_t)1 << 55) - 1)) << 12;
}

Test(translate, hugepages_have_physical_addresses_for_root)
{
	struct lab_pool_config config = {.frames = 3 * 512};
	struct lab_pool *pool;

	skip_unless_root();
	skip_without_hugepages(LAB_PAGE_2M, 3);
	if (phys_by_pagemap(&config) == 0)
		cr_skip_test("the kernel hides physical addresses (CAP_SYS_ADMIN)");
	pool = pool_of(&config);
	for (uint32_t i = 0; i < 3 * 512; i++) {
		char *frame = lab_frame_at(pool, i);
		uint64_t phys = lab_frame_phys(pool, frame);

		cr_assert_eq(phys, phys_by_pagemap(frame), "frame %u", i);
		/* Contiguous within a segment, and at the same place in it. */
		cr_assert_eq(phys % LAB_PAGE_2M, (uintptr_t)frame % LAB_PAGE_2M);
		cr_assert_eq(lab_frame_phys(pool, frame + 777), phys + 777);
		cr_assert_eq(lab_frame_iova(pool, frame + 4095), phys + 4095);
	}
	cr_assert_eq(lab_frame_phys(pool, (char *)lab_frame_at(pool, 0) - 1), LAB_ADDR_NONE);
	cr_assert_eq(lab_frame_phys(pool, (char *)lab_frame_at(pool, 3 * 512 - 1) + 4096),
		     LAB_ADDR_NONE);
	end_whole(pool);
}

Test(translate, iova_is_virtual_where_asked_for)
{
	struct lab_pool_config config = {.frames = 512, .flags = LAB_POOL_IOVA_VA};
	struct lab_pool *pool;
	char *base;

	skip_without_hugepages(LAB_PAGE_2M, 1);
	pool = pool_of(&config);
	base = lab_pool_memory(pool, NULL);
	cr_assert_eq(lab_frame_iova(pool, base + 12345), (uintptr_t)base + 12345);
	if (geteuid() == 0)
		cr_assert_neq(lab_frame_phys(pool, base), (uintptr_t)base);
	end_whole(pool);
}

static void no_addresses_for_a_user(void *arg)
{
	struct lab_pool_config config = {.frames = 512, .flags = LAB_POOL_FALLBACK};
	struct lab_pool *pool;

	CHILD_EXPECT(setgid(65534) == 0 && setuid(65534) == 0);
	pool = lab_pool_create(&config);
	CHILD_EXPECT(pool != NULL);
	CHILD_EXPECT(lab_frame_phys(pool, pool->base) == LAB_ADDR_NONE);
	CHILD_EXPECT(lab_frame_iova(pool, pool->base) == (uintptr_t)pool->base);
	CHILD_EXPECT(lab_pool_destroy(pool) == 0);
}

Test(translate, physical_addresses_are_for_root_only)
{
	skip_unless_root();
	in_child(no_addresses_for_a_user, NULL);
}
