/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Arenas: reserve virtual space, back it by an anonymous hugepage memfd, place, populate.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "arena.h"
#include "error.h"
#include "fault.h"
#include "hugepage.h"
#include "numa_node.h"

#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26 /* linux/memfd.h: log2 of the page size lies in bits 26-31 */
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14, asm-generic/mman-common.h */
#endif

/* Held from the mapping of memory until a child would not inherit it. */
static pthread_mutex_t mapping = PTHREAD_MUTEX_INITIALIZER;

void lab_arena_before_fork(void)
{
	pthread_mutex_lock(&mapping);
}

void lab_arena_after_fork(void)
{
	pthread_mutex_unlock(&mapping);
}

/* MemAvailable of the machine in bytes, or all there is if it does not tell. */
uint64_t lab_arena_memory_available(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	uint64_t kib = UINT64_MAX >> 10;
	char line[128];

	while (f && fgets(line, sizeof(line), f) &&
	       sscanf(line, "MemAvailable: %" SCNu64, &kib) != 1)
		;
	if (f)
		fclose(f);
	return kib << 10;
}

int lab_arena_fail_short(const struct lab_arena_request *r, int err)
{
	uint64_t need = r->bytes / r->page_size;
	int64_t have = lab_hugepage_free(r->page_size, r->node);
	char size[32], advice[256], where[32] = "";

	if (r->node != LAB_NODE_ANY)
		snprintf(where, sizeof(where), " on node %d", r->node - 1);
	if (r->page_size == LAB_PAGE_4K)
		return lab_fail(ENOMEM,
				"pool '%s' needs %zu MiB of ordinary memory and %" PRIu64
				" MiB are available (%s): ask for fewer frames",
				r->owner, r->bytes >> 20, lab_arena_memory_available() >> 20,
				strerror(err));
	lab_page_size_name(r->page_size, size);
	if (have >= 0 && (uint64_t)have < need)
		return lab_fail(
			ENOMEM,
			"pool '%s' needs %" PRIu64 " hugepages of %s%s and %" PRId64
			" are free: as root, %s",
			r->owner, need, size, where, have,
			lab_hugepage_advice(r->page_size, r->node, need, advice, sizeof(advice)));
	return lab_fail(err,
			"pool '%s' cannot populate %" PRIu64 " hugepages of %s%s although %" PRId64
			" are free (%s): look for a hugetlb limit of the cgroup",
			r->owner, need, size, where, have, strerror(err));
}

/* Nobody can cut it off under those who map it, or take that promise back. */
static int seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

/* Address space at a place of the caller's choice, and nowhere else. */
static int reserve_there(struct lab_arena *a, const struct lab_arena_request *r)
{
	char *there =
		(uintptr_t)r->address % r->page_size || lab_fault_create()
			? MAP_FAILED
			: mmap(r->address, r->bytes, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
			       -1, 0);

	if (there == MAP_FAILED)
		return lab_fail(EEXIST,
				"pool '%s' cannot lie at %p with its %zu MiB: that is no multiple "
				"of its pages, or this process has something else there",
				r->owner, r->address, r->bytes >> 20);
	a->base = there;
	return 0;
}

/* Anywhere, aligned to the pages that will be in it; ordinary ones to 2 MiB, so that runs of frames
 * that begin at a multiple of their length do by their addresses, too (pages.c). */
static int reserve_anywhere(struct lab_arena *a, const struct lab_arena_request *r)
{
	size_t page = r->page_size > LAB_PAGE_2M ? r->page_size : LAB_PAGE_2M;
	size_t span = r->bytes + page;
	char *reserved, *base;

	reserved = lab_fault_create() ? MAP_FAILED
				      : mmap(NULL, span, PROT_NONE,
					     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserved == MAP_FAILED)
		return lab_fail(
			ENOMEM,
			"pool '%s' cannot reserve %zu MiB of address space (%s): see ulimit -v",
			r->owner, span >> 20, strerror(errno));
	base = (char *)(((uintptr_t)reserved + page - 1) & ~(uintptr_t)(page - 1));
	if (base > reserved)
		munmap(reserved, (size_t)(base - reserved));
	if (base + r->bytes < reserved + span)
		munmap(base + r->bytes, (size_t)(reserved + span - base) - r->bytes);
	a->base = base;
	return 0;
}

static int reserve(struct lab_arena *a, const struct lab_arena_request *r)
{
	int err = 0;

	a->inside = r->inside;
	if (r->inside)
		a->base = r->address;
	else
		err = r->address ? reserve_there(a, r) : reserve_anywhere(a, r);
	a->bytes = r->bytes;
	a->seg_shift = (unsigned)__builtin_ctzll(r->page_size);
	a->fd = -1;
	return err;
}

/* In one step where the addresses stay reserved: nothing else can get in between. */
static void unmap(const struct lab_arena *a)
{
	if (!a->inside ||
	    mmap(a->base, a->bytes, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		munmap(a->base, a->bytes);
}

int lab_arena_reserve(struct lab_arena *a, const struct lab_arena_request *r)
{
	a->node = lab_numa_local();
	return reserve(a, r);
}

static int fail_ordinary(const struct lab_arena_request *r)
{
	return lab_fail(errno, "pool '%s' cannot have %zu MiB of ordinary memory (%s)", r->owner,
			r->bytes >> 20, strerror(errno));
}

/* The file that the segments lie in. */
static int make_file(const struct lab_arena *a, const struct lab_arena_request *r)
{
	unsigned flags = MFD_CLOEXEC | (r->shared ? MFD_ALLOW_SEALING : 0);
	int fd, err;

	if (r->page_size != LAB_PAGE_4K)
		flags |= MFD_HUGETLB | a->seg_shift << MFD_HUGE_SHIFT;
	fd = lab_fault_create() ? -1 : memfd_create("labyrinth", flags);
	if (fd >= 0 && !lab_fault_create() && ftruncate(fd, (off_t)r->bytes) == 0 &&
	    (!r->shared || seal(fd) == 0))
		return fd;
	err = r->page_size == LAB_PAGE_4K ? fail_ordinary(r) : lab_arena_fail_short(r, errno);
	if (fd >= 0)
		close(fd);
	return err;
}

/* Map the segments at an address aligned to their size. */
static int map_segments(struct lab_arena *a, const struct lab_arena_request *r)
{
	int err = reserve(a, r), fd;

	if (err)
		return err;
	if (r->page_size == LAB_PAGE_4K && !r->shared) {
		if (!lab_fault_create() && mprotect(a->base, r->bytes, PROT_READ | PROT_WRITE) == 0)
			return 0;
		err = fail_ordinary(r);
		goto unmap;
	}
	fd = make_file(a, r);
	if (fd < 0) {
		err = fd;
		goto unmap;
	}
	if (lab_fault_create() || mmap(a->base, r->bytes, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		err = r->page_size == LAB_PAGE_4K ? fail_ordinary(r)
						  : lab_arena_fail_short(r, errno);
		close(fd);
		goto unmap;
	}
	/* A private pool's mapping keeps the pages: without the descriptor nobody else can reach
	 * them. */
	if (r->shared)
		a->fd = fd;
	else
		close(fd);
	return 0;
unmap:
	unmap(a);
	return err;
}

/* Not for children of fork(), and not for core dumps. */
static int keep_private(const struct lab_arena *a, const struct lab_arena_request *r)
{
	if (lab_fault_create() || madvise(a->base, a->bytes, MADV_DONTFORK) < 0 ||
	    (!r->dump && madvise(a->base, a->bytes, MADV_DONTDUMP) < 0))
		return lab_fail(errno, "pool '%s' cannot be kept private (madvise: %s)", r->owner,
				strerror(errno));
	return 0;
}

int lab_arena_attach(struct lab_arena *a, const struct lab_arena_request *r, int fd)
{
	int err;

	pthread_mutex_lock(&mapping);
	err = reserve(a, r);
	if (!err && (lab_fault_create() || mmap(a->base, r->bytes, PROT_READ | PROT_WRITE,
						MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)) {
		err = lab_fail(errno, "the frames of pool '%s' cannot be mapped (%s)", r->owner,
			       strerror(errno));
		munmap(a->base, r->bytes);
		a->base = NULL;
	}
	if (!err)
		err = keep_private(a, r);
	pthread_mutex_unlock(&mapping);
	if (!err && (lab_fault_create() || madvise(a->base, a->bytes, MADV_POPULATE_WRITE) < 0))
		err = lab_fail(errno, "the frames of pool '%s' cannot be reached (%s)", r->owner,
			       strerror(errno));
	if (err && a->base)
		munmap(a->base, a->bytes);
	if (err)
		return err;
	if (r->page_size == LAB_PAGE_4K)
		mlock(a->base, a->bytes); /* as far as RLIMIT_MEMLOCK lets us */
	a->node = lab_numa_node_of(a->base);
	return 0;
}

int lab_arena_create(struct lab_arena *a, const struct lab_arena_request *r)
{
	int strict = r->node != LAB_NODE_ANY;
	int node = strict ? r->node - 1 : lab_numa_local();
	int err;

	/* Populating ordinary pages beyond what there is would wake the OOM killer, not fail. */
	if (r->page_size == LAB_PAGE_4K && r->bytes > lab_arena_memory_available())
		return lab_fail(ENOMEM,
				"pool '%s' needs %zu MiB of ordinary memory and %" PRIu64
				" MiB are available: ask for fewer frames",
				r->owner, r->bytes >> 20, lab_arena_memory_available() >> 20);
	pthread_mutex_lock(&mapping);
	err = map_segments(a, r);
	if (err) {
		pthread_mutex_unlock(&mapping);
		return err;
	}
	err = keep_private(a, r);
	pthread_mutex_unlock(&mapping);
	if (err)
		goto unmap;
	err = lab_numa_place(a->base, a->bytes, node, strict);
	if (err)
		goto unmap;
	if (lab_fault_create() || madvise(a->base, a->bytes, MADV_POPULATE_WRITE) < 0) {
		if (errno == EINVAL)
			err = lab_fail(ENOSYS,
				       "pool '%s' needs MADV_POPULATE_WRITE: Linux 5.14 or newer",
				       r->owner);
		else if (r->page_size == LAB_PAGE_4K)
			err = lab_fail(ENOMEM,
				       "pool '%s' needs %zu MiB of memory and the machine has less "
				       "(%s): ask for fewer frames",
				       r->owner, r->bytes >> 20, strerror(errno));
		else {
			/* First, so that what it has got already counts as free in the sentence. */
			lab_arena_destroy(a);
			return lab_arena_fail_short(r, ENOMEM);
		}
		goto unmap;
	}
	if (r->page_size == LAB_PAGE_4K)
		mlock(a->base, a->bytes); /* as far as RLIMIT_MEMLOCK lets us */
	a->node = lab_numa_node_of(a->base);
	return 0;
unmap:
	lab_arena_destroy(a);
	return err;
}

void lab_arena_destroy(struct lab_arena *a)
{
	unmap(a);
	a->base = NULL;
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

int lab_arena_phys(const struct lab_arena *a, uint64_t *phys)
{
	/* Documentation/admin-guide/mm/pagemap.rst: 8 bytes a page, bits 0-54 the frame number */
	const uint64_t pfn_mask = ((uint64_t)1 << 55) - 1;
	uint64_t entry, segments = a->bytes >> a->seg_shift;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	for (uint64_t i = 0; i < segments; i++) {
		uintptr_t va = (uintptr_t)a->base + (i << a->seg_shift);

		if (pread(fd, &entry, sizeof(entry), (off_t)(va >> 12 << 3)) != sizeof(entry) ||
		    (entry & pfn_mask) == 0) {
			err = -EPERM;
			break;
		}
		phys[i] = (entry & pfn_mask) << 12;
	}
	close(fd);
	return err;
}

int lab_metadata_memfd(const char *owner, size_t bytes)
{
	int err, fd = lab_fault_create()
			      ? -1
			      : memfd_create("labyrinth-tables", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && !lab_fault_create() && ftruncate(fd, (off_t)bytes) == 0 && seal(fd) == 0)
		return fd;
	err = lab_fail(errno, "pool '%s' cannot have %zu KiB for its tables (%s)", owner,
		       bytes >> 10, strerror(errno));
	if (fd >= 0)
		close(fd);
	return err;
}

int lab_metadata_map(const char *owner, size_t bytes, int must_lock, int fd, void **mem)
{
	struct rlimit limit = {0};
	int err = 0;
	char *p;

	pthread_mutex_lock(&mapping);
	p = lab_fault_create() ? MAP_FAILED
			       : mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				      fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || lab_fault_create() || madvise(p, bytes, MADV_DONTFORK) < 0)
		err = errno;
	pthread_mutex_unlock(&mapping);
	if (!err && (lab_fault_create() || madvise(p, bytes, MADV_POPULATE_WRITE) < 0))
		err = errno;
	if (err) {
		if (p != MAP_FAILED)
			munmap(p, bytes);
		return lab_fail(err, "pool '%s' cannot have %zu KiB for its tables (%s)", owner,
				bytes >> 10, strerror(err));
	}
	/* Swapped-out tables would page-fault on the data path. */
	if ((lab_fault_create() || mlock(p, bytes) < 0) && must_lock) {
		err = errno;
		getrlimit(RLIMIT_MEMLOCK, &limit);
		munmap(p, bytes);
		return lab_fail(
			err == ENOMEM ? EPERM : err,
			"pool '%s' cannot lock %zu KiB of tables in memory (RLIMIT_MEMLOCK is %zu "
			"KiB): raise it with ulimit -l or limits.d, or set LAB_POOL_FALLBACK",
			owner, bytes >> 10, (size_t)limit.rlim_cur >> 10);
	}
	*mem = p;
	return 0;
}

void lab_metadata_unmap(void *mem, size_t bytes)
{
	munmap(mem, bytes);
}
