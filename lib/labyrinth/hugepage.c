/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Hugepage discovery and reservation. Sizes and mounts come from libhugetlbfs, counts from sysfs.
 * Knows no pool and no arena.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hugetlbfs.h>

#include "error.h"
#include "hugepage.h"

/* More sizes than any architecture of Linux has (arm64 with 64 KiB pages has three). */
#define MAX_SIZES 8

static int compare_sizes(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static int hugepage_sizes(long sizes[MAX_SIZES])
{
	int n = gethugepagesizes(sizes, MAX_SIZES);

	if (n > 0)
		qsort(sizes, (size_t)n, sizeof(*sizes), compare_sizes);
	return n < 0 ? 0 : n;
}

int lab_hugepage_exists(size_t size)
{
	long sizes[MAX_SIZES];
	int n = hugepage_sizes(sizes);

	for (int i = 0; i < n; i++) {
		if ((size_t)sizes[i] == size)
			return 1;
	}
	return 0;
}

/* The sysfs folder of a size, of one node or of the whole machine. */
static void counter_path(char *path, size_t len, size_t size, int node, const char *counter)
{
	if (node == LAB_NODE_ANY)
		snprintf(path, len, "/sys/kernel/mm/hugepages/hugepages-%zukB/%s", size >> 10,
			 counter);
	else
		snprintf(path, len, "/sys/devices/system/node/node%d/hugepages/hugepages-%zukB/%s",
			 node - 1, size >> 10, counter);
}

static int64_t read_counter(size_t size, int node, const char *counter)
{
	char path[160];
	uint64_t value;
	FILE *f;

	if (!lab_hugepage_exists(size) || node < 0)
		return lab_fail(EINVAL,
				"this machine has no hugepages of %zu bytes on node argument %d",
				size, node);
	counter_path(path, sizeof(path), size, node, counter);
	f = fopen(path, "re");
	if (!f)
		return lab_fail(
			EINVAL,
			"this machine has no hugepages of %zu KiB%s: %s cannot be read (%s)",
			size >> 10, node == LAB_NODE_ANY ? "" : " on that node", path,
			strerror(errno));
	if (fscanf(f, "%" SCNu64, &value) != 1)
		value = 0;
	fclose(f);
	return (int64_t)value;
}

int lab_hugepage_list(struct lab_hugepage_info *info, unsigned n)
{
	long sizes[MAX_SIZES];
	int found = hugepage_sizes(sizes);

	for (int i = 0; i < found && (unsigned)i < n; i++) {
		const char *mount = hugetlbfs_find_path_for_size(sizes[i]);
		int64_t total = read_counter((size_t)sizes[i], LAB_NODE_ANY, "nr_hugepages");
		int64_t free = read_counter((size_t)sizes[i], LAB_NODE_ANY, "free_hugepages");

		info[i].size = (size_t)sizes[i];
		info[i].total = total < 0 ? 0 : (uint64_t)total;
		info[i].free = free < 0 ? 0 : (uint64_t)free;
		snprintf(info[i].mount, sizeof(info[i].mount), "%s", mount ? mount : "");
	}
	return found;
}

size_t lab_hugepage_default(void)
{
	long sizes[MAX_SIZES];
	int n = hugepage_sizes(sizes);

	if (lab_hugepage_exists(LAB_PAGE_2M))
		return LAB_PAGE_2M;
	return n > 0 ? (size_t)sizes[0] : 0;
}

int64_t lab_hugepage_free(size_t size, int node)
{
	int64_t free = read_counter(size, node, "free_hugepages");
	int64_t promised;

	/* Pages promised to mappings that have not touched them yet are free in name only. */
	if (free <= 0 || node != LAB_NODE_ANY)
		return free;
	promised = read_counter(size, node, "resv_hugepages");
	return promised > 0 ? (free > promised ? free - promised : 0) : free;
}

/* By how much the reserve changed, 0 or more, whichever way. */
static int64_t change_reserve(size_t size, int node, uint64_t count, int more)
{
	int64_t before = read_counter(size, node, "nr_hugepages"), after;
	char path[160], value[24];
	uint64_t target,
		memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	int fd, len;
	ssize_t done;

	if (before < 0)
		return before;
	counter_path(path, sizeof(path), size, node, "nr_hugepages");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return lab_fail(errno,
				"cannot change the hugepage reserve: %s cannot be written (%s); "
				"run as root",
				path, strerror(errno));
	if (count > memory / size) {
		close(fd);
		return lab_fail(EINVAL,
				"cannot change the hugepage reserve by %" PRIu64
				" pages of %zu KiB: the machine has memory for %" PRIu64,
				count, size >> 10, memory / size);
	}
	target = more ? (uint64_t)before + count
		      : (count < (uint64_t)before ? (uint64_t)before - count : 0);
	len = snprintf(value, sizeof(value), "%" PRIu64, target);
	done = write(fd, value, (size_t)len);
	if (done < 0) {
		int err = errno;

		close(fd);
		return lab_fail(err,
				"cannot change the hugepage reserve: writing %s to %s failed (%s)",
				value, path, strerror(err));
	}
	close(fd);
	after = read_counter(size, node, "nr_hugepages");
	if (after < 0)
		return after;
	after = more ? after - before : before - after;
	return after < 0 ? 0 : after; /* somebody else changed it at the same time */
}

int64_t lab_hugepage_reserve(size_t size, int node, uint64_t count)
{
	return change_reserve(size, node, count, 1);
}

int64_t lab_hugepage_unreserve(size_t size, int node, uint64_t count)
{
	return change_reserve(size, node, count, 0);
}

const char *lab_page_size_name(size_t size, char buf[32])
{
	if (size % 1024)
		snprintf(buf, 32, "%zu bytes", size);
	else if (size >= LAB_PAGE_1G)
		snprintf(buf, 32, "%zu GiB", size >> 30);
	else if (size >= ((size_t)1 << 20))
		snprintf(buf, 32, "%zu MiB", size >> 20);
	else
		snprintf(buf, 32, "%zu KiB", size >> 10);
	return buf;
}

const char *lab_hugepage_advice(size_t size, int node, uint64_t need, char *buf, size_t len)
{
	int64_t total = read_counter(size, node, "nr_hugepages");
	int64_t free = lab_hugepage_free(size, node);
	char path[160];
	uint64_t target =
		(uint64_t)(total < 0 ? 0 : total) + need - (uint64_t)(free < 0 ? 0 : free);

	counter_path(path, sizeof(path), size, node, "nr_hugepages");
	if (node == LAB_NODE_ANY && size == LAB_PAGE_2M)
		snprintf(buf, len, "sysctl -w vm.nr_hugepages=%" PRIu64, target);
	else
		snprintf(buf, len, "echo %" PRIu64 " > %s", target, path);
	return buf;
}
