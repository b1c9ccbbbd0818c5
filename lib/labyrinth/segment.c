/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Segments, mapped over a reservation and back.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "error.h"
#include "hugepage.h"
#include "numa_node.h"
#include "segment.h"

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26 /* asm-generic/hugetlb_encode.h: log2 of the page size, bits 26-31 */
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14, asm-generic/mman-common.h */
#endif

/* Address space and nothing else, whatever was there. */
static void reserve_again(char *there, size_t bytes)
{
	if (mmap(there, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
		 -1, 0) != MAP_FAILED)
		return;
	/* For want of the kernel's own memory: then the mapping stays, without anything in it. */
	madvise(there, bytes, MADV_DONTNEED);
}

/* Without a file: a part of it can be given back by itself. */
static int map(const struct lab_arena *a, const struct lab_arena_request *r, char *there)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	if (r->page_size != LAB_PAGE_4K)
		flags |= MAP_HUGETLB | (int)(a->seg_shift << MAP_HUGE_SHIFT);
	if (mmap(there, r->bytes, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED)
		return lab_arena_fail_short(r, errno);
	if (madvise(there, r->bytes, MADV_DONTFORK) < 0 ||
	    (!r->dump && madvise(there, r->bytes, MADV_DONTDUMP) < 0))
		return lab_fail(errno, "pool '%s' cannot be kept private (madvise: %s)", r->owner,
				strerror(errno));
	return 0;
}

static int populate(const struct lab_arena_request *r, char *there)
{
	int strict = r->node != LAB_NODE_ANY;
	int err = lab_numa_place(there, r->bytes, strict ? r->node - 1 : lab_numa_local(), strict);

	if (err)
		return err;
	if (madvise(there, r->bytes, MADV_POPULATE_WRITE) < 0)
		return errno == EINVAL
			       ? lab_fail(
					 ENOSYS,
					 "pool '%s' needs MADV_POPULATE_WRITE: Linux 5.14 or newer",
					 r->owner)
			       : lab_arena_fail_short(r, ENOMEM);
	if (r->page_size == LAB_PAGE_4K)
		mlock(there, r->bytes); /* as far as RLIMIT_MEMLOCK lets us */
	return 0;
}

int lab_segment_add(const struct lab_arena *a, const struct lab_arena_request *r, size_t at)
{
	char *there = a->base + at;
	int err;

	if (r->page_size == LAB_PAGE_4K && r->bytes > lab_arena_memory_available())
		return lab_arena_fail_short(r, ENOMEM);
	lab_arena_before_fork();
	err = map(a, r, there);
	if (err)
		reserve_again(there, r->bytes);
	lab_arena_after_fork();
	if (err)
		return err;
	err = populate(r, there);
	if (err)
		reserve_again(there, r->bytes);
	return err;
}

void lab_segment_remove(const struct lab_arena *a, size_t at, size_t bytes)
{
	reserve_again(a->base + at, bytes);
}
