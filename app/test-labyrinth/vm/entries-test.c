/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What mapping costs, in calls to the kernel and in entries of its accounts.
 *
 *	entries-test EDU EDU
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../net/tap.h"
#include "guest.h"
#include "ioctls.h"

#define GIB_FRAMES ((unsigned)(LAB_PAGE_1G / LAB_FRAME_SIZE))
#define BURST      32u

/* The device writes the last frame, and reads it from there. Allocation picks frames: take all. */
static bool reaches_last(struct lab_edu *edu, struct lab_pool *pool)
{
	void **all = guest_must(calloc(GIB_FRAMES, sizeof(*all)), "memory");
	void *last = lab_frame_at(pool, GIB_FRAMES - 1), *other;
	struct lab_device *dev = lab_edu_device(edu);
	uint64_t at;
	bool reached;

	guest_must_be(lab_alloc_bulk(pool, all, GIB_FRAMES, LAB_GFP_EXCLUSIVE), 0, "all frames");
	other = all[0] == last ? all[1] : all[0];
	guest_fill(other, LAB_EDU_MAX, 1);
	guest_must_be(lab_device_lend(dev, pool, &other, 1, &at), 1, "lend");
	guest_must_be(guest_transfer(edu, LAB_EDU_FROM_MEMORY, at, LAB_EDU_MAX), 0, "a transfer");
	guest_must_be(lab_device_take_back(dev, pool, &other, 1), 1, "take back");
	guest_put(edu, pool, last);
	reached = guest_is_filled(last, LAB_EDU_MAX, 1);
	guest_must_be(lab_free_bulk(pool, all, GIB_FRAMES), 0, "free all");
	free(all);
	return reached;
}

/* What the IOMMU's own table has for the pool: all of it, and in large pages only. The kernel
 * prints a line a leaf: its first page, and the entries above it, of which five are a page of 4
 * KiB. */
static void large_pages(const char *device, const struct lab_domain *domain,
			const struct lab_pool *pool)
{
	uint64_t first = lab_domain_iova(domain, pool, pool->base), bytes = 0, page;
	unsigned count[6] = {0};
	char path[96], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/debug/iommu/intel/%s/domain_translation_struct",
		 device);
	f = fopen(path, "re");
	if (!f) {
		tap_note("this kernel does not show the IOMMU's tables");
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		unsigned columns = 0;
		uint64_t at;

		if (sscanf(line, "%" SCNx64 " |", &page) != 1)
			continue;
		for (const char *c = line; (c = strstr(c + 1, "\t0x"));)
			columns++;
		at = page * LAB_FRAME_SIZE;
		if (at < first || at >= first + pool->bytes || columns < 3 || columns > 5)
			continue;
		count[columns]++;
		bytes += columns == 3 ? LAB_PAGE_1G : columns == 4 ? LAB_PAGE_2M : LAB_FRAME_SIZE;
	}
	fclose(f);
	tap_note("in the IOMMU's table: %u pages of 1 GiB, %u of 2 MiB, %u of 4 KiB", count[3],
		 count[4], count[5]);
	tap_ok(count[5] == 0 && bytes == pool->bytes, "the IOMMU uses large pages only");
}

static void whole_gib(char **address)
{
	struct lab_pool *pool = guest_pool("1 GiB", GIB_FRAMES);
	struct lab_domain *domain[2];
	struct lab_edu *edu[2];
	struct lab_domain_stats s;
	unsigned unmaps = 0;

	for (int i = 0; i < 2; i++) {
		domain[i] = guest_domain(i ? "second" : "first", LAB_DOMAIN_GUARDED);
		edu[i] = guest_must(lab_edu_open(domain[i], address[i]), address[i]);
		ioctls.maps = 0;
		guest_must_be(lab_domain_map_pool(domain[i], pool, LAB_DMA_BOTH), 0, "map 1 GiB");
		lab_domain_stats(domain[i], &s);
		tap_note("%s: %u map calls, %" PRIu64 " entries of %" PRIu64 ", %" PRIu64
			 " bytes shared",
			 lab_domain_backend(domain[i]), ioctls.maps, s.entries, s.entry_limit,
			 s.shared_bytes);
		tap_ok(ioctls.maps == 1 && s.maps == 1 && s.entries == 1 && s.bytes == LAB_PAGE_1G,
		       i ? "1 GiB in a second domain: one call, one entry"
			 : "mapping 1 GiB takes one call and one entry");
		large_pages(address[i], domain[i], pool);
		ioctls.maps = ioctls.unmaps = 0;
		tap_ok(reaches_last(edu[i], pool), "the device reaches its last frame");
		tap_ok(ioctls.maps + ioctls.unmaps == 0, "lending it takes no call");
	}
	for (int i = 0; i < 2; i++) {
		ioctls.unmaps = 0;
		guest_must_be(lab_domain_unmap_pool(domain[i], pool), 0, "unmap");
		unmaps += ioctls.unmaps;
		guest_must_be(lab_edu_close(edu[i]), 0, "close");
		guest_must_be(lab_domain_destroy(domain[i]), 0, "destroy the domain");
	}
	tap_ok(unmaps == 2, "unmapping it takes one call a domain");
	guest_must_be(lab_pool_destroy(pool), 0, "destroy the pool");
}

/* A burst of frames that lie side by side. */
static void strict_burst(const char *address)
{
	struct lab_pool *pool = guest_pool("burst", 512);
	struct lab_domain *domain = guest_domain("burst", LAB_DOMAIN_STRICT);
	struct lab_edu *edu = guest_must(lab_edu_open(domain, address), address);
	struct lab_device *dev = lab_edu_device(edu);
	void *frames[BURST];
	struct lab_domain_stats s;
	bool beside = true;

	ioctls.maps = 0;
	guest_must_be(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH), 0, "map");
	tap_ok(ioctls.maps == 0, "strict: a pool takes no call and no entry");
	guest_must_be(lab_alloc_bulk(pool, frames, BURST, LAB_GFP_EXCLUSIVE), 0, "frames");
	for (unsigned i = 1; i < BURST; i++)
		beside &= (char *)frames[i] == (char *)frames[i - 1] + LAB_FRAME_SIZE;
	if (!beside)
		tap_note("the frames do not lie side by side");
	ioctls.maps = ioctls.unmaps = 0;
	guest_must_be(lab_device_lend(dev, pool, frames, BURST, NULL), BURST, "lend");
	lab_domain_stats(domain, &s);
	tap_ok(ioctls.maps == BURST && s.entries == BURST && s.bytes == BURST * LAB_FRAME_SIZE,
	       "strict: each lent frame is one call and one entry");
	guest_must_be(lab_device_take_back(dev, pool, frames, BURST), BURST, "take back");
	lab_domain_stats(domain, &s);
	tap_ok(beside && ioctls.unmaps == 1 && s.entries == 0 && s.bytes == 0,
	       "strict: frames side by side are taken back by one call");
	guest_must_be(lab_free_bulk(pool, frames, BURST), 0, "free");
	guest_must_be(lab_edu_close(edu), 0, "close");
	guest_must_be(lab_domain_destroy(domain), 0, "destroy the domain");
	guest_must_be(lab_pool_destroy(pool), 0, "destroy the pool");
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: entries-test EDU EDU\n");
		return EXIT_FAILURE;
	}
	whole_gib(argv + 1);
	strict_burst(argv[1]);
	return tap_done();
}
