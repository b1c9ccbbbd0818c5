/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Memory as edu sees it: what arrives, what permission stops, several pools and domains, runs, and
 * translation. What must not arrive is isolation-test.c's.
 *
 *	dma-test EDU EDU
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../net/tap.h"
#include "guest.h"

/* The body of a case: a name, the result and what was it in. */
static void ok_in(bool pass, enum lab_domain_mode mode, const char *what)
{
	char name[128];

	snprintf(name, sizeof(name), "%s: %s", guest_mode_name(mode), what);
	tap_ok(pass, name);
}

static void round_trip(const char *address, enum lab_domain_mode mode)
{
	struct lab_pool *pool = guest_pool("round-trip", 1024);
	struct lab_domain *domain = guest_domain("round-trip", mode);
	struct lab_edu *edu = guest_must(lab_edu_open(domain, address), address);
	struct lab_domain_stats s;
	void *from, *to;

	lab_domain_stats(domain, &s);
	/* A premapped domain has it already. */
	if (mode == LAB_DOMAIN_PREMAPPED)
		ok_in(s.entries == 1 && s.bytes == pool->bytes, mode, "opening maps the pools");
	else
		guest_must_be(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH), 0, "map the pool");
	from = guest_must(lab_alloc(pool, LAB_GFP_EXCLUSIVE), "a frame");
	to = guest_must(lab_alloc(pool, LAB_GFP_EXCLUSIVE | LAB_GFP_ZERO), "a frame");
	guest_fill(from, LAB_FRAME_SIZE, 1);
	ok_in(lab_edu_copy(edu, pool, to, from) == 0 && guest_is_filled(to, LAB_FRAME_SIZE, 1) &&
		      guest_is_filled(from, LAB_FRAME_SIZE, 1),
	      mode, "a frame is copied by the device");
	ok_in(lab_free(pool, from) == 0 && lab_free(pool, to) == 0 && guest_all_home(pool), mode,
	      "its frames are the caller's again");

	lab_domain_stats(domain, &s);
	ok_in(s.devices == 1 && (mode == LAB_DOMAIN_STRICT
					 ? s.entries == 0 && s.bytes == 0 && s.maps == s.unmaps
					 : s.entries == 1 && s.bytes == pool->bytes),
	      mode, "what is mapped is counted");
	ok_in(lab_domain_unmap_pool(domain, pool) == 0 && lab_edu_close(edu) == 0 &&
		      lab_domain_destroy(domain) == 0 && lab_pool_destroy(pool) == 0,
	      mode, "everything is given back");
}

/* Of two pools, one may only be read and one only be written. */
static void permission(const char *address, enum lab_domain_mode mode)
{
	struct lab_pool *readable = guest_pool("readable", 512);
	struct lab_pool *writable = guest_pool("writable", 512);
	struct lab_domain *domain = guest_domain("permission", mode);
	struct lab_edu *edu = guest_must(lab_edu_open(domain, address), address);
	struct lab_device *dev = lab_edu_device(edu);
	void *r = guest_must(lab_alloc(readable, LAB_GFP_EXCLUSIVE), "a frame");
	void *w = guest_must(lab_alloc(writable, LAB_GFP_EXCLUSIVE | LAB_GFP_ZERO), "a frame");
	uint64_t at_r, at_w;

	guest_must_be(lab_domain_map_pool(domain, readable, LAB_DMA_READ), 0, "map to read");
	guest_must_be(lab_domain_map_pool(domain, writable, LAB_DMA_WRITE), 0, "map to write");
	guest_must_be(lab_device_lend(dev, readable, &r, 1, &at_r), 1, "lend");
	guest_must_be(lab_device_lend(dev, writable, &w, 1, &at_w), 1, "lend");

	guest_fill(r, LAB_FRAME_SIZE, 2);
	guest_transfer(edu, LAB_EDU_FROM_MEMORY, at_r, LAB_EDU_MAX);
	guest_transfer(edu, LAB_EDU_TO_MEMORY, at_w, LAB_EDU_MAX);
	ok_in(guest_is_filled(w, LAB_EDU_MAX, 2), mode,
	      "reads what it may read, and writes what it may write");
	/* The buffer holds pattern 2; the frame gets another, which the write would destroy. */
	guest_fill(r, LAB_FRAME_SIZE, 3);
	guest_transfer(edu, LAB_EDU_TO_MEMORY, at_r, LAB_EDU_MAX);
	ok_in(guest_is_filled(r, LAB_FRAME_SIZE, 3), mode, "cannot write what it may only read");
	/* The reverse is the kernel's to give; on VT-d it does not (lab_domain.h). Not judged. */
	guest_fill(w, LAB_FRAME_SIZE, 4);
	guest_transfer(edu, LAB_EDU_FROM_MEMORY, at_w, LAB_EDU_MAX);
	memset(w, 0, LAB_FRAME_SIZE);
	guest_transfer(edu, LAB_EDU_TO_MEMORY, at_w, LAB_EDU_MAX);
	tap_note("%s: with this IOMMU a device %s read what it may only write",
		 guest_mode_name(mode), guest_is_filled(w, 64, 4) ? "can" : "cannot");

	guest_must_be(lab_device_take_back(dev, readable, &r, 1), 1, "take back");
	guest_must_be(lab_device_take_back(dev, writable, &w, 1), 1, "take back");
	lab_free(readable, r);
	lab_free(writable, w);
	guest_must_be(lab_edu_close(edu), 0, "close");
	guest_must_be(lab_domain_destroy(domain), 0, "destroy the domain");
	ok_in(lab_pool_destroy(readable) == 0 && lab_pool_destroy(writable) == 0, mode,
	      "a destroyed domain leaves its pools free to go");
}

/* What the kernel counts of this process: one of them, by the backend. */
static uint64_t pinned_kib(void)
{
	return guest_status_kib("VmPin") + guest_status_kib("VmLck");
}

/* One pool, two domains with a device each. */
static void shared_pool(const char *address[2])
{
	struct lab_pool *pool = guest_pool("shared", 1024);
	void *frame = guest_must(lab_alloc(pool, LAB_GFP_EXCLUSIVE | LAB_GFP_ZERO), "a frame");
	struct lab_domain *domain[2];
	struct lab_domain_stats s[2];
	struct lab_edu *edu[2];
	uint64_t expected, pinned[3];

	for (int i = 0; i < 2; i++) {
		pinned[i] = pinned_kib();
		domain[i] = guest_domain(i ? "second" : "first", LAB_DOMAIN_GUARDED);
		edu[i] = guest_must(lab_edu_open(domain[i], address[i]), address[i]);
		guest_must_be(lab_domain_map_pool(domain[i], pool, LAB_DMA_BOTH), 0, "map");
		lab_domain_stats(domain[i], &s[i]);
	}
	expected = strcmp(lab_domain_backend(domain[0]), "iommufd") ? 0 : pool->bytes;
	tap_ok(s[0].bytes == pool->bytes && s[0].shared_bytes == 0,
	       "the first domain of a pool pins its pages");
	pinned[2] = pinned_kib();
	tap_note("the kernel counts %" PRIu64 ", %" PRIu64 " and %" PRIu64
		 " KiB with %zu KiB in no, one and two domains (%s)",
		 pinned[0], pinned[1], pinned[2], pool->bytes / 1024,
		 lab_domain_backend(domain[0]));
	tap_ok(pinned[1] - pinned[0] == pool->bytes / 1024, "so the kernel's account says");
	tap_ok(s[1].bytes == pool->bytes && s[1].shared_bytes == expected,
	       expected ? "the second shares them" : "the second pins them again (type1)");
	tap_ok(pinned[2] - pinned[1] == (expected ? 0 : pool->bytes / 1024),
	       "so the kernel's account says");
	guest_load(edu[0], pool, 5);
	guest_load(edu[1], pool, 6);
	guest_put(edu[0], pool, frame);
	tap_ok(guest_is_filled(frame, LAB_EDU_MAX, 5), "the first device reaches it");
	guest_put(edu[1], pool, frame);
	tap_ok(guest_is_filled(frame, LAB_EDU_MAX, 6), "the second device reaches it");

	/* The pages stay pinned for the second when the first goes. */
	tap_ok(guest_refused(lab_pool_destroy(pool), EBUSY, "first"),
	       "a pool is not destroyed under its domains");
	guest_must_be(lab_domain_unmap_pool(domain[0], pool), 0, "unmap");
	tap_ok(lab_domain_iova(domain[0], pool, frame) == LAB_ADDR_NONE &&
		       lab_domain_iova(domain[1], pool, frame) != LAB_ADDR_NONE,
	       "unmapped in one domain, translated in the other");
	guest_load(edu[1], pool, 7);
	guest_put(edu[1], pool, frame);
	tap_ok(guest_is_filled(frame, LAB_EDU_MAX, 7), "and reached in the other");
	lab_domain_stats(domain[1], &s[1]);
	tap_ok(pinned_kib() == pinned[1] && s[1].shared_bytes == 0, "which counts it now");
	guest_must_be(lab_domain_map_pool(domain[0], pool, LAB_DMA_BOTH), 0, "map again");
	tap_ok(pinned_kib() == pinned[2], "mapped again in the first, it is counted as before");
	guest_load(edu[0], pool, 13);
	guest_put(edu[0], pool, frame);
	tap_ok(guest_is_filled(frame, LAB_EDU_MAX, 13), "and reached there");
	lab_free(pool, frame);
	for (int i = 0; i < 2; i++) {
		guest_must_be(lab_edu_close(edu[i]), 0, "close");
		guest_must_be(lab_domain_destroy(domain[i]), 0, "destroy the domain");
	}
	guest_must_be(lab_pool_destroy(pool), 0, "destroy the pool");
}

/* Two devices in one domain see the same. */
static void shared_domain(const char *address[2])
{
	struct lab_pool *pool = guest_pool("one-domain", 512);
	struct lab_domain *domain = guest_domain("one-domain", LAB_DOMAIN_GUARDED);
	struct lab_edu *edu[2];
	struct lab_domain_stats s;
	void *frame = guest_must(lab_alloc(pool, LAB_GFP_EXCLUSIVE), "a frame");

	edu[0] = guest_must(lab_edu_open(domain, address[0]), address[0]);
	guest_must_be(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH), 0, "map");
	edu[1] = guest_must(lab_edu_open(domain, address[1]), address[1]);
	lab_domain_stats(domain, &s);
	tap_ok(s.devices == 2 && s.entries == 1, "a second device joins what is mapped");
	guest_load(edu[0], pool, 8);
	guest_put(edu[0], pool, frame);
	guest_load(edu[1], pool, 9);
	guest_put(edu[1], pool, frame);
	tap_ok(guest_is_filled(frame, LAB_EDU_MAX, 9), "and reaches it");
	tap_ok(guest_refused(lab_domain_destroy(domain), EBUSY, "one-domain"),
	       "a domain with open devices is not destroyed");
	guest_must_be(lab_edu_close(edu[0]), 0, "close");
	guest_load(edu[1], pool, 10);
	guest_put(edu[1], pool, frame);
	tap_ok(guest_is_filled(frame, LAB_EDU_MAX, 10), "one closed, the other goes on");
	/* The last device takes type1's mappings with it; the next one is to find them again. */
	guest_must_be(lab_edu_close(edu[1]), 0, "close");
	edu[0] = guest_must(lab_edu_open(domain, address[0]), address[0]);
	guest_load(edu[0], pool, 11);
	guest_put(edu[0], pool, frame);
	tap_ok(guest_is_filled(frame, LAB_EDU_MAX, 11), "all closed and one opened: it works");
	guest_must_be(lab_edu_close(edu[0]), 0, "close");
	lab_free(pool, frame);
	guest_must_be(lab_domain_destroy(domain), 0, "destroy the domain");
	guest_must_be(lab_pool_destroy(pool), 0, "destroy the pool");
}

static void runs(const char *address)
{
	static const struct {
		uint32_t frames;
		uint64_t align;
	} ask[] = {{1, 0}, {16, 65536}, {3, 4096}, {512, 2097152}, {7, 1048576}};
	struct lab_pool *pool = guest_pool("runs", 512);
	struct lab_domain *domain = guest_domain("runs", LAB_DOMAIN_STRICT);
	struct lab_edu *edu = guest_must(lab_edu_open(domain, address), address);
	struct lab_run run[5], again;
	struct lab_domain_stats s;
	bool aligned = true, zero = true, apart = true;

	guest_must_be(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH), 0, "map");
	for (int i = 0; i < 5; i++) {
		guest_must_be(
			lab_run_alloc(domain, ask[i].frames, ask[i].align, LAB_DMA_BOTH, &run[i]),
			0, "a run");
		aligned &= run[i].iova % (ask[i].align ? ask[i].align : 4096) == 0 &&
			   run[i].frames == ask[i].frames;
		zero &= guest_is_zero(run[i].addr, (size_t)run[i].frames * LAB_FRAME_SIZE);
		memset(run[i].addr, i + 1, (size_t)run[i].frames * LAB_FRAME_SIZE);
		for (int j = 0; j < i; j++) {
			uint64_t end = run[j].iova + (uint64_t)run[j].frames * LAB_FRAME_SIZE;
			uint64_t mine = run[i].iova + (uint64_t)run[i].frames * LAB_FRAME_SIZE;

			apart &= run[i].iova >= end || mine <= run[j].iova;
		}
	}
	lab_domain_stats(domain, &s);
	tap_ok(aligned, "runs are as long and as aligned as asked for");
	tap_ok(zero && apart, "runs are zeroed and apart");
	tap_ok(s.entries == 5, "each run is one entry");
	/* The last frame of the longest, from the last byte but one transfer on. */
	guest_load(edu, pool, 12);
	guest_transfer(edu, LAB_EDU_TO_MEMORY, run[3].iova + 512 * LAB_FRAME_SIZE - LAB_EDU_MAX,
		       LAB_EDU_MAX);
	guest_transfer(edu, LAB_EDU_TO_MEMORY, run[1].iova + 8 * LAB_FRAME_SIZE - 1024,
		       LAB_EDU_MAX);
	tap_ok(guest_is_filled((char *)run[3].addr + 512 * LAB_FRAME_SIZE - LAB_EDU_MAX,
			       LAB_EDU_MAX, 12) &&
		       guest_is_filled((char *)run[1].addr + 8 * LAB_FRAME_SIZE - 1024, LAB_EDU_MAX,
				       12),
	       "the device writes to their last byte and across their frames");
	again = run[1];
	tap_ok(lab_run_free(domain, &run[1]) == 0 && !run[1].addr && !run[1].iova,
	       "a run is freed, and is zero then");
	tap_ok(guest_refused(lab_run_free(domain, &again), ENOENT, "run"),
	       "a run is not freed twice");
	lab_domain_stats(domain, &s);
	tap_ok(s.entries == 4, "its entry is gone");
	again.addr = NULL;
	tap_ok(lab_run_alloc(domain, 16, 65536, LAB_DMA_READ, &again) == 0 &&
		       guest_is_zero(again.addr, 16 * LAB_FRAME_SIZE),
	       "its memory is zeroed before it is used again");
	guest_transfer(edu, LAB_EDU_TO_MEMORY, again.iova, LAB_EDU_MAX);
	tap_ok(guest_is_zero(again.addr, 16 * LAB_FRAME_SIZE),
	       "a run to be read cannot be written by the device");
	tap_ok(guest_refused(lab_run_alloc(domain, 0, 0, LAB_DMA_BOTH, &again), EINVAL, "512") &&
		       guest_refused(lab_run_alloc(domain, 513, 0, LAB_DMA_BOTH, &again), EINVAL,
				     "512") &&
		       guest_refused(lab_run_alloc(domain, 1, 12288, LAB_DMA_BOTH, &again), EINVAL,
				     "power of two"),
	       "runs that cannot be are refused");
	guest_must_be(lab_edu_close(edu), 0, "close");
	/* With the domain go the runs that were not freed. */
	guest_must_be(lab_domain_destroy(domain), 0, "destroy the domain");
	guest_must_be(lab_pool_destroy(pool), 0, "destroy the pool");
}

/* Every frame of a pool of several segments; what the IOMMU cannot reach is never handed out. */
static void translation(const char *address, enum lab_domain_mode mode)
{
	struct lab_pool *pool = guest_pool("translation", 8192);
	struct lab_domain *domain = guest_domain("translation", mode);
	struct lab_edu *edu = guest_must(lab_edu_open(domain, address), address);
	/* VT-d's capability register, bits 16-21: one less than its guest address width. */
	FILE *f = fopen("/sys/class/iommu/dmar0/intel-iommu/cap", "re");
	uint64_t cap = 0, first, at = 0;
	unsigned width;
	bool each = true;

	if (!f || fscanf(f, "%" SCNx64, &cap) != 1)
		tap_note("no VT-d capability register");
	if (f)
		fclose(f);
	width = cap ? (cap >> 16 & 0x3f) + 1 : 64;
	if (mode != LAB_DOMAIN_PREMAPPED)
		guest_must_be(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH), 0, "map");
	first = lab_domain_iova(domain, pool, lab_frame_at(pool, 0));
	for (uint32_t i = 0; i < lab_pool_frames(pool); i++) {
		at = lab_domain_iova(domain, pool, lab_frame_at(pool, i));
		each &= at == first + (uint64_t)i * LAB_FRAME_SIZE;
		each &= lab_domain_iova(domain, pool, (char *)lab_frame_at(pool, i) + 77) ==
			at + 77;
	}
	ok_in(each, mode, "every frame has its address, in one range");
	ok_in(first % LAB_PAGE_2M == 0, mode, "aligned as its hugepages are");
	tap_note("the IOMMU has %u bits; the pool begins at %#" PRIx64, width, first);
	ok_in(width == 64 || at >> width == 0, mode, "within the IOMMU's width");
	ok_in(lab_domain_iova(domain, pool, pool->base - 1) == LAB_ADDR_NONE &&
		      lab_domain_iova(domain, pool, pool->base + pool->bytes) == LAB_ADDR_NONE &&
		      lab_domain_iova(domain, pool, &at) == LAB_ADDR_NONE,
	      mode, "addresses outside have none");
	guest_must_be(lab_edu_close(edu), 0, "close");
	guest_must_be(lab_domain_destroy(domain), 0, "destroy the domain");
	guest_must_be(lab_pool_destroy(pool), 0, "destroy the pool");
}

int main(int argc, char **argv)
{
	static const enum lab_domain_mode modes[] = {LAB_DOMAIN_GUARDED, LAB_DOMAIN_PREMAPPED,
						     LAB_DOMAIN_STRICT};
	const char *address[2];

	if (argc != 3) {
		fprintf(stderr, "usage: dma-test EDU EDU\n");
		return EXIT_FAILURE;
	}
	address[0] = argv[1];
	address[1] = argv[2];
	for (int i = 0; i < 3; i++) {
		round_trip(address[0], modes[i]);
		translation(address[0], modes[i]);
	}
	permission(address[0], LAB_DOMAIN_GUARDED);
	permission(address[0], LAB_DOMAIN_STRICT);
	shared_pool(address);
	shared_domain(address);
	runs(address[0]);
	return tap_done();
}
