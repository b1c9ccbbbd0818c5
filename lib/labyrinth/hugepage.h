/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the machine has in hugepages, for the floors above: names of sizes, and the sysctl to raise.
 * Knows sysfs and libhugetlbfs, no pool and no arena.
 */
#ifndef HUGEPAGE_H
#define HUGEPAGE_H

#include <labyrinth/lab_hugepage.h>

/** lab_hugepage_exists() - 1 if the machine has hugepages of @size bytes. */
int lab_hugepage_exists(size_t size);

/** lab_hugepage_default() - 2 MiB, or the smallest size that the machine has; 0 if it has none. */
size_t lab_hugepage_default(void);

/** lab_page_size_name() - "2 MiB" and the like into @buf. Return: @buf. */
const char *lab_page_size_name(size_t size, char buf[32]);

/**
 * lab_hugepage_advice() - the command that would make @need hugepages free.
 * @size: hugepage size.
 * @node: as in lab_hugepage_free().
 * @need: how many the caller wants free.
 * @buf: receives the command.
 * @len: its size.
 *
 * Return: @buf.
 */
const char *lab_hugepage_advice(size_t size, int node, uint64_t need, char *buf, size_t len);

#endif
