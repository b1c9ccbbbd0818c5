/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * create, memory: what a pool costs as a whole. Method:
 *
 * Both make a pool of 262144 frames (1 GiB; fewer where hugepages are short, or with --quick: the
 * line under the table says how many) and destroy it.
 *
 *  create   right before each pool, a memfd of the same size on the same pages is mapped, populated
 *           with MADV_POPULATE_WRITE and unmapped: what the kernel needs in any case. The figures
 *           are milliseconds to create; to create beyond that populate; and to destroy. Without
 *           hugepages DPDK sets its memory aside at start and populates nothing here.
 *  memory   bytes that the library takes for a pool beside 4096 for each frame, by frame (from
 *           lab_pool_metadata_bytes(), and from the growth of DPDK's heap); and the share of the
 *           pool's frames that are aligned to 4096 bytes (where an object is a frame with its
 * header, with that).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

/* Debian 12's C library has neither in its headers; values of linux/mman.h and linux/memfd.h. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21u << 26)
#endif

/* Milliseconds to map and populate that many bytes; negative if it cannot be done. */
static double populate_ms(size_t bytes, bool hugepages)
{
	int fd = memfd_create("perf-populate", hugepages ? MFD_HUGETLB | MFD_HUGE_2MB : 0);
	double start = now_ns(), ms = -1;
	void *at;

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)bytes) == 0) {
		at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (at != MAP_FAILED) {
			if (madvise(at, bytes, MADV_POPULATE_WRITE) == 0)
				ms = (now_ns() - start) / 1e6;
			munmap(at, bytes);
		}
	}
	close(fd);
	return ms;
}

bool round_create(const struct bench *bench, const struct bench_case *c,
		  const struct subject *subject, void *pool, double *out, char *why,
		  size_t why_size)
{
	double plain = populate_ms(bench->large_frames * FRAME_BYTES, bench->hugepages);
	double start, made, gone;

	if (plain < 0) {
		snprintf(why, why_size, "%s: cannot populate %llu MiB of plain memory: %s", c->name,
			 (unsigned long long)(bench->large_frames * FRAME_BYTES >> 20),
			 strerror(errno));
		return false;
	}
	start = now_ns();
	pool = subject->open(subject, bench->large_frames, bench->hugepages, why, why_size);
	if (!pool)
		return false;
	made = now_ns();
	subject->close(pool);
	gone = now_ns();
	out[0] = (made - start) / 1e6;
	out[1] = out[0] - plain;
	out[2] = (gone - made) / 1e6;
	return true;
}

bool round_memory(const struct bench *bench, const struct bench_case *c,
		  const struct subject *subject, void *pool, double *out, char *why,
		  size_t why_size)
{
	struct lane *lane = team_lane(bench->team, 0);
	uint64_t aligned = 0, n;

	pool = subject->open(subject, bench->large_frames, bench->hugepages, why, why_size);
	if (!pool)
		return false;
	team_reset(bench->team, pool);
	lane->steps = UINT64_MAX;
	team_run(bench->team, 1, subject->loops->take);
	n = lane->held_n;
	for (uint64_t i = 0; i < n; i++)
		aligned += ((uintptr_t)lane->held[i] - subject->header) % FRAME_BYTES == 0;
	out[0] = (double)subject->beside(pool) / (double)n;
	out[1] = 100.0 * (double)aligned / (double)n;
	team_run(bench->team, 1, subject->loops->give);
	team_each(bench->team, subject->leave, pool);
	subject->close(pool);
	return true;
}
