/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the NVMe programs of the VM lab share: pools, patterns, one command at a time, conservation.
 * Knows the public headers only.
 */
#ifndef NVME_DISK_H
#define NVME_DISK_H

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include <labyrinth/labyrinth.h>
#include <labyrinth/nvme.h>

#include "../net/tap.h"

__attribute__((noreturn)) static inline void disk_bail(const char *what, const char *why)
{
	printf("Bail out! %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

/* @p, or the program's end with the library's sentence. */
static inline void *disk_must(void *p, const char *what)
{
	if (!p)
		disk_bail(what, lab_error_text());
	return p;
}

static inline struct lab_pool *disk_pool(const char *name, uint64_t frames)
{
	struct lab_pool_config config = {.name = name, .frames = frames};

	return disk_must(lab_pool_create(&config), "a pool");
}

static inline void disk_alloc(struct lab_pool *pool, void **frames, unsigned n)
{
	if (lab_alloc_bulk(pool, frames, n, LAB_GFP_ATOMIC))
		disk_bail("frames", "the pool has too few");
}

static inline double disk_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* xorshift64*: the next random number; the state must not be 0. */
static inline uint64_t disk_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1du;
}

/* 512 bytes of noise that belong to one block of the disk and one @seed, and to no other. */
static inline void disk_fill_block(void *at, uint64_t seed, uint64_t block)
{
	uint64_t state = (seed + 1) * 0x9e3779b97f4a7c15u ^ (block + 1) * 0xbf58476d1ce4e5b9u;
	uint64_t *word = at;

	state = state ? state : 1;
	for (unsigned i = 0; i < 64; i++)
		word[i] = disk_random(&state);
}

static inline void disk_fill(void *const *frames, uint32_t blocks, uint64_t seed, uint64_t block)
{
	for (uint32_t i = 0; i < blocks; i++)
		disk_fill_block((char *)frames[i / 8] + i % 8 * 512, seed, block + i);
}

static inline bool disk_filled(void *const *frames, uint32_t blocks, uint64_t seed, uint64_t block)
{
	uint64_t expected[64];

	for (uint32_t i = 0; i < blocks; i++) {
		disk_fill_block(expected, seed, block + i);
		if (memcmp((char *)frames[i / 8] + i % 8 * 512, expected, 512)) {
			tap_note("block %" PRIu64 " differs", block + i);
			return false;
		}
	}
	return true;
}

/* Polls for the next completion, 30 s at most: 1, or what lab_nvme_poll() said, or -ETIMEDOUT. */
static inline int disk_next(struct lab_nvme_queue *queue, struct lab_nvme_completion *done)
{
	double end = disk_now() + 30;
	int n;

	while ((n = lab_nvme_poll(queue, done, 1)) == 0) {
		if (disk_now() > end)
			return -ETIMEDOUT;
	}
	return n;
}

/* One command to its end. @rc is what submitting it said. 0, or its error, said in a note. */
static inline int disk_finish(struct lab_nvme_queue *queue, int rc, void *cookie)
{
	struct lab_nvme_completion done;

	if (rc) {
		tap_note("submitting: %s", lab_error_text());
		return rc;
	}
	rc = disk_next(queue, &done);
	if (rc != 1) {
		tap_note("polling: %d %s", rc, rc == -ETIMEDOUT ? "" : lab_error_text());
		return rc;
	}
	if (done.cookie != cookie) {
		tap_note("another command's cookie came back");
		return -EPROTO;
	}
	if (done.result)
		tap_note("status 0x%03x: %s", done.status, lab_nvme_status_text(done.status));
	return done.result;
}

/* At a quiet point: @held frames are held, none is lent, all others are free; by both counts. */
static inline bool disk_conserved(const struct lab_pool *pool, uint64_t held)
{
	struct lab_pool_stats s, census;

	lab_pool_stats(pool, &s);
	lab_pool_census(pool, &census);
	if (s.held == held && s.lent == 0 && s.free + s.cached + held == s.total &&
	    census.held == held && census.lent == 0 &&
	    census.free + census.cached + held == s.total)
		return true;
	tap_note("total=%" PRIu64 " free=%" PRIu64 " cached=%" PRIu64 " held=%" PRIu64
		 " lent=%" PRIu64 "; by census free=%" PRIu64 " cached=%" PRIu64 " held=%" PRIu64
		 " lent=%" PRIu64,
		 s.total, s.free, s.cached, s.held, s.lent, census.free, census.cached, census.held,
		 census.lent);
	return false;
}

#define NSID 1u
/* Largest transfer that is tried on a disk without limit: 8 MiB, 5 pages of PRP lists. */
#define DISK_LARGEST (8u << 20)

static inline struct lab_nvme *disk_open(const char *device, struct lab_pool *pool,
					 struct lab_domain *domain, uint32_t flags)
{
	struct lab_nvme_config config = {.device = device,
					 .pool = pool,
					 .domain = domain,
					 .max_transfer = DISK_LARGEST,
					 .flags = flags};

	return disk_must(lab_nvme_open(&config), "lab_nvme_open");
}

/* Writes @blocks, then reads them into other frames; a guard behind the last block stays. */
static inline bool disk_round_trip(struct lab_pool *pool, struct lab_nvme_queue *queue,
				   uint64_t lba, uint32_t blocks, uint64_t seed)
{
	uint32_t n = (blocks + 7) / 8, tail = blocks % 8 * 512;
	void **frame = disk_must(calloc(n, sizeof(void *)), "memory");
	bool good;

	disk_alloc(pool, frame, n);
	disk_fill(frame, blocks, seed, lba);
	good = !disk_finish(queue, lab_nvme_write(queue, NSID, lba, blocks, frame, n, &seed),
			    &seed);
	for (uint32_t i = 0; i < n; i++)
		memset(frame[i], 0x5a, LAB_FRAME_SIZE);
	good = good &&
	       !disk_finish(queue, lab_nvme_read(queue, NSID, lba, blocks, frame, n, &seed), &seed);
	good = good && disk_filled(frame, blocks, seed, lba);
	for (uint32_t i = tail; tail && i < LAB_FRAME_SIZE; i++)
		good = good && ((uint8_t *)frame[n - 1])[i] == 0x5a;
	lab_free_bulk(pool, frame, n);
	free(frame);
	return good && disk_conserved(pool, 0);
}

#endif
