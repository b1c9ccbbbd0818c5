/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the machine has in hugepages, and how to reserve more. Control path only: everything here
 * reads or writes sysfs and may sleep.
 */
#ifndef LAB_HUGEPAGE_H
#define LAB_HUGEPAGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Size of an ordinary page; a pool on ordinary pages has segments of this size. */
#define LAB_PAGE_4K ((size_t)1 << 12)
#define LAB_PAGE_2M ((size_t)1 << 21)
#define LAB_PAGE_1G ((size_t)1 << 30)

/** Any NUMA node (for counting), or the node of the calling CPU (for placing). The zero default. */
#define LAB_NODE_ANY 0
/** NUMA node @n as the node argument of this library: node 0 is LAB_NODE(0), which is not zero. */
#define LAB_NODE(n) ((n) + 1)

/**
 * struct lab_hugepage_info - hugepages of one size.
 * @size: bytes of one hugepage.
 * @total: hugepages that the kernel holds in reserve, used or free.
 * @free: of these, in nobody's use. Some may be promised to mappings that have not touched them.
 * @mount: path of a hugetlbfs mount of this size, or "" (the library needs none: it uses memfds).
 */
struct lab_hugepage_info {
	size_t size;
	uint64_t total;
	uint64_t free;
	char mount[128];
};

/**
 * lab_hugepage_list() - the hugepage sizes of this machine, smallest first.
 * @info: array of @n entries to fill; may be NULL when @n is 0.
 * @n: its length.
 *
 * Return: how many sizes the machine has (may be more than @n; only @n are filled); 0 where
 * the kernel has none.
 */
int lab_hugepage_list(struct lab_hugepage_info *info, unsigned n);

/**
 * lab_hugepage_free() - free hugepages of one size.
 * @size: LAB_PAGE_2M, LAB_PAGE_1G or another size of lab_hugepage_list().
 * @node: LAB_NODE(n), or LAB_NODE_ANY for the whole machine.
 *
 * Pages that are promised to mappings which have not touched them yet do not count as free where
 * the kernel tells, which is for the whole machine (LAB_NODE_ANY).
 *
 * Return: the count, or -errno (-EINVAL: no such size or node).
 */
int64_t lab_hugepage_free(size_t size, int node);

/**
 * lab_hugepage_reserve() - make the kernel keep more hugepages in reserve.
 * @size: as in lab_hugepage_free().
 * @node: LAB_NODE(n), or LAB_NODE_ANY to let the kernel spread them.
 * @count: how many more.
 *
 * Needs write access to sysfs (root). The kernel may find fewer contiguous pages than asked for;
 * what it found stays reserved until lab_hugepage_unreserve(), also after the process has ended.
 *
 * Return: how many were added, 0..@count; or -errno.
 */
int64_t lab_hugepage_reserve(size_t size, int node, uint64_t count);

/**
 * lab_hugepage_unreserve() - the reverse; hugepages in use are given back when they are freed.
 *
 * Return: by how many the reserve shrank, 0..@count; or -errno.
 */
int64_t lab_hugepage_unreserve(size_t size, int node, uint64_t count);

#ifdef __cplusplus
}
#endif
#endif
