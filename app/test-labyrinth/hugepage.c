/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the machine has in hugepages, and reserving more.
 */
#include <dirent.h>

#include "test.h"

TestSuite(hugepage, .timeout = 60);

#define SYSFS "/sys/kernel/mm/hugepages"

Test(hugepage, the_list_is_the_kernels)
{
	struct lab_hugepage_info info[8];
	int n = lab_hugepage_list(info, 8), in_sysfs = 0;
	DIR *dir = opendir(SYSFS);
	struct dirent *entry;
	char path[128];

	while (dir && (entry = readdir(dir)) != NULL)
		in_sysfs += strncmp(entry->d_name, "hugepages-", 10) == 0;
	if (dir)
		closedir(dir);
	cr_assert_eq(n, in_sysfs, "%d sizes listed, %d in sysfs", n, in_sysfs);
	for (int i = 0; i < n && i < 8; i++) {
		snprintf(path, sizeof(path), SYSFS "/hugepages-%zukB", info[i].size >> 10);
		cr_assert_eq(access(path, F_OK), 0, "%s", path);
		cr_assert(info[i].free <= info[i].total);
		cr_assert(i == 0 || info[i].size > info[i - 1].size, "smallest first");
	}
}

Test(hugepage, a_short_list_is_filled_as_far_as_it_goes)
{
	struct lab_hugepage_info info[2];
	int n = lab_hugepage_list(NULL, 0);

	if (n < 1)
		cr_skip_test("this kernel has no hugepages");
	memset(info, 0x77, sizeof(info));
	cr_assert_eq(lab_hugepage_list(info, 1), n);
	cr_assert_neq(info[0].size, 0x7777777777777777);
	cr_assert_eq(info[1].size, 0x7777777777777777, "wrote behind the array");
}

Test(hugepage, free_is_counted_by_machine_and_by_node)
{
	struct lab_hugepage_info info[8];
	int n = lab_hugepage_list(info, 8);

	if (n < 1)
		cr_skip_test("this kernel has no hugepages");
	for (int i = 0; i < n && i < 8; i++) {
		cr_assert_geq(lab_hugepage_free(info[i].size, LAB_NODE_ANY), 0);
		if (access("/sys/devices/system/node/node0", F_OK) == 0)
			cr_assert_geq(lab_hugepage_free(info[i].size, LAB_NODE(0)), 0);
	}
}

Test(hugepage, no_such_size_or_node)
{
	static const size_t no_size[] = {0, 1, 4096, 3 << 20, (size_t)1 << 62, SIZE_MAX};

	for (unsigned i = 0; i < sizeof(no_size) / sizeof(no_size[0]); i++) {
		cr_assert_eq(lab_hugepage_free(no_size[i], LAB_NODE_ANY), -EINVAL, "%zu",
			     no_size[i]);
		cr_assert_eq(errno, EINVAL);
		text_has("no hugepages of", NULL);
		cr_assert_eq(lab_hugepage_reserve(no_size[i], LAB_NODE_ANY, 1), -EINVAL);
		cr_assert_eq(lab_hugepage_unreserve(no_size[i], LAB_NODE_ANY, 1), -EINVAL);
	}
	cr_assert_eq(lab_hugepage_free(LAB_PAGE_2M, LAB_NODE(4711)), -EINVAL);
	text_has("node4711", NULL);
	cr_assert_eq(lab_hugepage_reserve(LAB_PAGE_2M, LAB_NODE(4711), 1), -EINVAL);
}

static uint64_t total_of(size_t size)
{
	struct lab_hugepage_info info[8];
	int n = lab_hugepage_list(info, 8);

	for (int i = 0; i < n && i < 8; i++) {
		if (info[i].size == size)
			return info[i].total;
	}
	return 0;
}

Test(hugepage, reserve_and_give_back)
{
	uint64_t before = total_of(LAB_PAGE_2M);
	int64_t got, returned;

	skip_unless_root();
	if (access(SYSFS "/hugepages-2048kB/nr_hugepages", W_OK) != 0)
		cr_skip_test("the hugepage reserve cannot be written here");
	got = lab_hugepage_reserve(LAB_PAGE_2M, LAB_NODE_ANY, 3);
	cr_assert(got >= 0 && got <= 3, "%lld: %s", (long long)got, lab_error_text());
	if (got == 0)
		cr_skip_test("the kernel finds no contiguous 2 MiB");
	cr_assert_eq(total_of(LAB_PAGE_2M), before + (uint64_t)got);
	returned = lab_hugepage_unreserve(LAB_PAGE_2M, LAB_NODE_ANY, (uint64_t)got);
	cr_assert_eq(returned, got);
	cr_assert_eq(total_of(LAB_PAGE_2M), before);
	cr_assert_eq(lab_hugepage_reserve(LAB_PAGE_2M, LAB_NODE_ANY, 0), 0);
	cr_assert_eq(lab_hugepage_unreserve(LAB_PAGE_2M, LAB_NODE_ANY, 0), 0);
	/* More than the machine has memory for, up to what would overflow a sum. */
	cr_assert_eq(lab_hugepage_reserve(LAB_PAGE_2M, LAB_NODE_ANY, (uint64_t)1 << 40), -EINVAL);
	text_has("1099511627776 pages of 2048 KiB", "the machine has memory for", NULL);
	cr_assert_eq(lab_hugepage_reserve(LAB_PAGE_2M, LAB_NODE_ANY, UINT64_MAX), -EINVAL);
	cr_assert_eq(total_of(LAB_PAGE_2M), before);
}

static void reserve_as_a_user(void *arg)
{
	CHILD_EXPECT(setgid(65534) == 0 && setuid(65534) == 0);
	CHILD_EXPECT(lab_hugepage_reserve(LAB_PAGE_2M, LAB_NODE_ANY, 1) == -EACCES);
	CHILD_EXPECT(strstr(lab_error_text(), "run as root"));
	CHILD_EXPECT(strstr(lab_error_text(), "nr_hugepages"));
}

Test(hugepage, reserving_needs_root)
{
	skip_unless_root();
	if (access(SYSFS "/hugepages-2048kB", F_OK) != 0)
		cr_skip_test("this kernel has no 2 MiB pages");
	in_child(reserve_as_a_user, NULL);
}
