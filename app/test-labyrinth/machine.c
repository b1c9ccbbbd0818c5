/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool against the machine: hugepages of each size, shortages, NUMA nodes, limits, and whether
 * everything goes back.
 */
#include <inttypes.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/resource.h>

#include "process.h"
#include "test.h"

TestSuite(machine, .timeout = 60);

static uint64_t hugepages_of(size_t size)
{
	struct lab_hugepage_info info[8];
	int n = lab_hugepage_list(info, 8);

	for (int i = 0; i < n && i < 8; i++) {
		if (info[i].size == size)
			return info[i].total;
	}
	cr_skip_test("this kernel has no pages of %zu MiB", size >> 20);
	return 0;
}

Test(machine, a_pool_on_2_mib_pages)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool_config config = {
			.frames = 2048, .page_size = LAB_PAGE_2M, .flags = flags};
		struct lab_pool *pool;
		uint64_t before = holdings_now().hugetlb_kib;

		skip_without_hugepages(LAB_PAGE_2M, 4);
		pool = pool_of(&config);
		cr_assert_eq(holdings_now().hugetlb_kib, before + 4 * 2048, "populated at once");
		memset(lab_pool_memory(pool, NULL), 0x33, 4 * LAB_PAGE_2M);
		end_whole(pool);
		cr_assert_eq(holdings_now().hugetlb_kib, before);
	}
}

Test(machine, a_pool_on_1_gib_pages)
{
	struct lab_pool_config config = {.frames = 1, .page_size = LAB_PAGE_1G};
	int64_t reserved = 0;
	struct lab_pool *pool;
	char *memory;

	hugepages_of(LAB_PAGE_1G);
	if (lab_hugepage_free(LAB_PAGE_1G, LAB_NODE_ANY) < 1)
		reserved = lab_hugepage_reserve(LAB_PAGE_1G, LAB_NODE_ANY, 1);
	if (reserved < 0 || lab_hugepage_free(LAB_PAGE_1G, LAB_NODE_ANY) < 1)
		cr_skip_test("there is no free 1 GiB page and none can be reserved");
	pool = lab_pool_create(&config);
	if (pool) {
		memory = lab_pool_memory(pool, NULL);
		memory[LAB_PAGE_1G - 1] = 1;
		cr_expect_eq(lab_pool_frames(pool), 262144);
		cr_expect_eq((uintptr_t)memory % LAB_PAGE_1G, 0);
		cr_expect_eq(lab_frame_at(pool, 262143), memory + LAB_PAGE_1G - 4096);
		if (lab_frame_phys(pool, memory) != LAB_ADDR_NONE) {
			cr_expect_eq(lab_frame_phys(pool, memory) % LAB_PAGE_1G, 0);
			cr_expect_eq(lab_frame_phys(pool, memory + LAB_PAGE_1G - 1),
				     lab_frame_phys(pool, memory) + LAB_PAGE_1G - 1);
		}
		cr_expect_eq(lab_pool_destroy(pool), 0);
	}
	cr_expect_not_null(pool, "%s", lab_error_text());
	if (reserved > 0)
		lab_hugepage_unreserve(LAB_PAGE_1G, LAB_NODE_ANY, (uint64_t)reserved);
}

Test(machine, a_shortage_says_how_many_and_what_to_do)
{
	uint64_t pages = hugepages_of(LAB_PAGE_2M) + 7, need, have, target;
	struct lab_pool_config config = {
		.name = "big", .frames = pages * 512, .page_size = LAB_PAGE_2M};
	struct holdings before = holdings_now(), after;

	errno = 0;
	cr_assert_null(lab_pool_create(&config));
	cr_assert_eq(errno, ENOMEM);
	cr_assert_eq(sscanf(lab_error_text(),
			    "pool 'big' needs %" SCNu64 " hugepages of 2 MiB and %" SCNu64
			    " are free: as root, sysctl -w vm.nr_hugepages=%" SCNu64,
			    &need, &have, &target),
		     3, "%s", lab_error_text());
	cr_assert_eq(need, pages);
	cr_assert_lt(have, pages);
	cr_assert_geq(target, pages);
	after = holdings_now();
	cr_assert(holdings_same(&before, &after, UNDER_ASAN));

	config.node = LAB_NODE(0);
	errno = 0;
	cr_assert_null(lab_pool_create(&config));
	cr_assert_eq(errno, ENOMEM);
	text_has("on node 0", "nr_hugepages", "echo", NULL);
}

/* 8 TiB: numbers of this size must not overflow anywhere on the way to the refusal. */
Test(machine, the_largest_pool_is_a_shortage_too)
{
	struct lab_pool_config config = {.frames = (uint64_t)1 << 31};

	hugepages_of(LAB_PAGE_2M);
	errno = 0;
	cr_assert_null(lab_pool_create(&config));
	cr_assert_eq(errno, ENOMEM, "%d: %s", errno, lab_error_text());
	text_has("4194304 hugepages of 2 MiB", NULL);
}

/* Hugepages refused by the kernel, whatever the machine has: the answer of a full cgroup, say. */
static void without_hugepages(void *arg)
{
	struct lab_pool_config config = {.name = "poor", .frames = 100, .page_size = LAB_PAGE_2M};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	struct holdings before, after;
	struct lab_pool *pool;

	CHILD_EXPECT(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSPC), SCMP_SYS(memfd_create), 0) ==
		     0);
	CHILD_EXPECT(seccomp_load(filter) == 0);
	seccomp_release(filter);
	lab_pool_create(&config);
	before = holdings_now();
	CHILD_EXPECT(lab_pool_create(&config) == NULL);
	after = holdings_now();
	CHILD_EXPECT(holdings_same(&before, &after, UNDER_ASAN));
	CHILD_EXPECT(errno == ENOMEM || errno == ENOSPC);
	CHILD_EXPECT(strstr(lab_error_text(), "pool 'poor'"));

	config.flags = LAB_POOL_FALLBACK;
	pool = lab_pool_create(&config);
	CHILD_EXPECT(pool != NULL);
	CHILD_EXPECT(lab_pool_page_size(pool) == LAB_PAGE_4K);
	CHILD_EXPECT(lab_pool_frames(pool) == 128);
	CHILD_EXPECT(lab_pool_fallback(pool) != NULL);
	CHILD_EXPECT(strstr(lab_pool_fallback(pool), "on ordinary pages"));
	CHILD_EXPECT(strstr(lab_pool_fallback(pool), "without lasting physical addresses"));
	CHILD_EXPECT(strstr(lab_pool_fallback(pool), "because "));
	CHILD_EXPECT(lab_frame_phys(pool, pool->base) == LAB_ADDR_NONE);
	CHILD_EXPECT(lab_free(pool, lab_alloc(pool, LAB_GFP_ATOMIC)) == 0);
	CHILD_EXPECT(lab_pool_destroy(pool) == 0);
}

Test(machine, fallback_says_what_is_lost)
{
	hugepages_of(LAB_PAGE_2M);
	in_child(without_hugepages, NULL);
}

Test(machine, node_0)
{
	struct lab_pool_config config = {
		.frames = 64, .page_size = LAB_PAGE_4K, .node = LAB_NODE(0)};
	struct lab_pool *pool = lab_pool_create(&config);

	if (!pool && errno == EPERM)
		cr_skip_test("NUMA policy is not allowed here: %s", lab_error_text());
	cr_assert_not_null(pool, "%s", lab_error_text());
	cr_assert_eq(lab_pool_node(pool), LAB_NODE(0));
	end_whole(pool);
	skip_without_hugepages(LAB_PAGE_2M, 1);
	config.page_size = LAB_PAGE_2M;
	pool = pool_of(&config);
	cr_assert_eq(lab_pool_node(pool), LAB_NODE(0));
	end_whole(pool);
}

static void under_a_memlock_limit(void *arg)
{
	const rlim_t *bytes = arg;
	struct rlimit limit = {*bytes, *bytes};
	struct lab_pool_config config = {
		.name = "locked", .frames = 4096, .page_size = LAB_PAGE_4K};
	struct holdings before, after;
	struct lab_pool *pool;
	char says[40];

	CHILD_EXPECT(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	/* Another user has no CAP_IPC_LOCK, which lifts the limit. */
	CHILD_EXPECT(geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0));
	lab_pool_create(&config);
	before = holdings_now();
	errno = 0;
	CHILD_EXPECT(lab_pool_create(&config) == NULL);
	CHILD_EXPECT(errno == EPERM);
	after = holdings_now();
	CHILD_EXPECT(holdings_same(&before, &after, UNDER_ASAN));
	snprintf(says, sizeof(says), "RLIMIT_MEMLOCK is %zu KiB", (size_t)*bytes >> 10);
	CHILD_EXPECT(strstr(lab_error_text(), says));
	CHILD_EXPECT(strstr(lab_error_text(), "pool 'locked' cannot lock"));
	CHILD_EXPECT(strstr(lab_error_text(), "ulimit -l"));

	config.flags = LAB_POOL_FALLBACK; /* then it only tries */
	pool = lab_pool_create(&config);
	CHILD_EXPECT(pool != NULL);
	CHILD_EXPECT(lab_pool_destroy(pool) == 0);
}

Test(machine, locking_tables_needs_permission)
{
	static const rlim_t limits[] = {0, 64 << 10};

	skip_under_asan();
	for (unsigned i = 0; i < 2; i++)
		in_child(under_a_memlock_limit, (void *)&limits[i]);
}

Test(machine, nothing_leaks)
{
	struct lab_pool_config config = {.frames = 1024, .flags = LAB_POOL_FALLBACK};
	struct holdings before = {0}, after;

	for (int round = 0; round < 60; round++) {
		struct lab_pool *pool;
		void *frame;

		config.page_size = round & 1 ? LAB_PAGE_4K : 0;
		config.flags ^= round & 2 ? LAB_POOL_UNPROTECTED : 0;
		pool = pool_of(&config);
		frame = lab_alloc(pool, LAB_GFP_ATOMIC);
		cr_assert_not_null(frame);
		if (round % 3)
			cr_assert_eq(lab_free(pool, frame), 0);
		cr_assert_eq(lab_pool_destroy(pool), round % 3 ? 0 : 1,
			     "destroy tells of the frames that were held");
		if (round == 5)
			before = holdings_now();
	}
	after = holdings_now();
	cr_assert(holdings_same(&before, &after, UNDER_ASAN),
		  "descriptors %u, %u; mappings %u, %u; KiB %llu, %llu; hugepages %llu, %llu",
		  before.descriptors, after.descriptors, before.mappings, after.mappings,
		  (unsigned long long)before.address_kib, (unsigned long long)after.address_kib,
		  (unsigned long long)before.hugetlb_kib, (unsigned long long)after.hugetlb_kib);
}
