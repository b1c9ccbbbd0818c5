/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool that breathes, as devices see it: they reach a hugepage as soon as it has come, and not
 * any more when it has gone, whoever has its memory then; and while a thread keeps the pool, they
 * copy its frames.
 *
 *	breath-test EDU EDU EDU
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../net/tap.h"
#include "breathing.h"

#define EDUS    3u
#define WORKERS 2u
#define SECONDS 8
/* Faults are reported one at a time, and ten in five seconds. */
#define TRIES  12u

#define PUT    7001u /* seeds of patterns */
#define SECRET 7002u
#define POISON 7003u

static struct breathing breath;
static struct lab_domain *domain;
static struct lab_edu *edu[EDUS];
static struct guest_log log;

/* Of each hugepage: its addresses, as they were when it first came. */
static uint64_t iova[UNITS], phys[UNITS];

static void *unit_base(unsigned unit)
{
	return lab_frame_at(breath.pool, unit * UNIT);
}

/* The last frame that can be had; it is held. */
static void *take_one(void)
{
	void *frame = guest_must(lab_alloc(breath.pool, LAB_GFP_NOWAIT), "a frame");

	breath.frame[breath.held++] = frame;
	return frame;
}

/* A lent frame, moved one way by the first device. */
static void moved(void *frame, unsigned way)
{
	struct lab_device *dev = lab_edu_device(edu[0]);
	uint64_t at;

	guest_must_be(lab_device_lend(dev, breath.pool, &frame, 1, &at), 1, "lend");
	guest_must_be(guest_transfer(edu[0], way, at, LAB_EDU_MAX), 0, "a transfer");
	guest_must_be(lab_device_take_back(dev, breath.pool, &frame, 1), 1, "take back");
}

/* ---- it grows ---- */

/* The device is the first to touch a frame of what has come, and reads it from there. */
static bool first_touch(unsigned old)
{
	void *frame = take_one(), *to = breath.frame[0];

	moved(frame, LAB_EDU_TO_MEMORY);
	if (breathing_unit(&breath, frame) < old || !guest_is_filled(frame, LAB_EDU_MAX, PUT)) {
		tap_note("hugepage %u: the device did not write", breathing_unit(&breath, frame));
		return false;
	}
	guest_fill(frame, LAB_FRAME_SIZE, SECRET);
	memset(to, 0, LAB_FRAME_SIZE);
	guest_must_be(lab_edu_copy(edu[0], breath.pool, to, frame), 0, "a copy");
	return guest_is_filled(to, LAB_FRAME_SIZE, SECRET);
}

/* As far as it goes. */
static void grow(const char *when)
{
	int64_t before = hugepages(-1) + (int64_t)breathing_units(&breath);
	bool reached = true, kept = true;
	unsigned units;
	char name[96];

	for (units = (unsigned)breathing_units(&breath); units < UNITS;) {
		int64_t came;

		breathing_take(&breath);
		guest_fill(breath.frame[0], LAB_EDU_MAX, PUT);
		moved(breath.frame[0], LAB_EDU_FROM_MEMORY);
		came = lab_keeper_step(breath.pool);
		guest_must_be(came > 0, 1, "growth");
		reached &= first_touch(units);
		units += (unsigned)came;
		kept &= breathing_kept(&breath, domain, units);
	}
	breathing_take(&breath);
	snprintf(name, sizeof(name), "%s: the device is the first to reach what came", when);
	tap_ok(reached, name);
	snprintf(name, sizeof(name), "%s: one entry a hugepage, %u of them", when, UNITS);
	tap_ok(kept && units == UNITS, name);
	tap_ok(hugepages(-1) == before - (int64_t)UNITS, "and they are the kernel's count's");
}

static void note_addresses(void)
{
	for (unsigned u = 0; u < UNITS; u++) {
		iova[u] = lab_domain_iova(domain, breath.pool, unit_base(u));
		phys[u] = lab_frame_phys(breath.pool, unit_base(u));
	}
}

/* ---- it shrinks ---- */

/* Where this process's memory is, as root reads it. */
static uint64_t physical(const void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)addr / 4096 * 8)) != 8)
		guest_must(NULL, "the physical address of a page");
	close(fd);
	return (entry & (((uint64_t)1 << 55) - 1)) * 4096;
}

/* Somebody else's, who has no dealings with devices. */
struct stranger {
	char *at;
	uint64_t bytes;
	unsigned inherited; /* hugepages that were the pool's */
};

static struct stranger moves_in(unsigned first)
{
	struct stranger s = {.bytes = (uint64_t)hugepages(-1) * LAB_PAGE_2M};

	s.at = mmap(NULL, s.bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	guest_must(s.at == MAP_FAILED ? NULL : s.at, "all free hugepages");
	guest_fill(s.at, s.bytes, SECRET);
	for (uint64_t at = 0; at < s.bytes; at += LAB_PAGE_2M) {
		for (unsigned u = first; u < UNITS; u++)
			s.inherited += physical(s.at + at) == phys[u];
	}
	return s;
}

/* The hugepages from @first on are told to be written and read, until each is in the log. */
static bool attack(unsigned first, const char *address)
{
	bool seen[UNITS] = {false}, all = false;
	char device[16];
	uint64_t page;

	for (unsigned n = 0; n < TRIES && (n < 2 || !all); n++) {
		all = true;
		for (unsigned u = first; u < UNITS; u++) {
			unsigned way = n % 2 ? LAB_EDU_FROM_MEMORY : LAB_EDU_TO_MEMORY;

			if (seen[u] && n > 1)
				continue;
			guest_must_be(guest_transfer(edu[0], way, iova[u], LAB_EDU_MAX), 0,
				      "a transfer");
		}
		while (guest_log_fault(&log, device, &page)) {
			/* The log leaves "0000:" out. */
			for (unsigned u = first; u < UNITS; u++)
				seen[u] |= page == iova[u] && !strcmp(address + 5, device);
		}
		for (unsigned u = first; u < UNITS; u++)
			all &= seen[u];
		if (!all)
			sleep(1);
	}
	for (unsigned u = first; u < UNITS && !all; u++)
		tap_note("hugepage %u, 0x%" PRIx64 ": %s", u, iova[u], seen[u] ? "seen" : "not");
	return all;
}

static struct stranger shrink(const char *address)
{
	int64_t before = hugepages(-1), went;
	struct stranger other;
	void *mine;
	unsigned left;
	bool all;

	breathing_free(&breath, 0);
	went = breathing_settle(&breath);
	guest_must_be(went, 0, "the last step");
	left = (unsigned)breathing_units(&breath);
	tap_ok(left < UNITS && breathing_kept(&breath, domain, left),
	       "it shrinks, and so does the domain");
	tap_ok(hugepages(-1) == before + (int64_t)(UNITS - left), "the kernel has as many more");

	other = moves_in(left);
	tap_note("%u hugepages went, %u of them are another's now", UNITS - left, other.inherited);
	tap_ok(other.inherited == UNITS - left, "what went is another's now");
	mine = take_one();
	guest_fill(mine, LAB_EDU_MAX, POISON);
	moved(mine, LAB_EDU_FROM_MEMORY);
	all = attack(left, address);
	tap_ok(all, "the device's way there is blocked, and the kernel says so of each hugepage");
	tap_ok(guest_is_filled(other.at, other.bytes, SECRET), "nothing of another's is touched");
	memset(mine, 0, LAB_FRAME_SIZE);
	moved(mine, LAB_EDU_TO_MEMORY);
	tap_ok(!guest_is_filled(mine, LAB_EDU_MAX, SECRET) &&
		       (guest_is_filled(mine, LAB_EDU_MAX, POISON) ||
			guest_is_zero(mine, LAB_EDU_MAX)),
	       "nor has the device read any of it");
	return other;
}

static void comes_and_goes(const char *address)
{
	struct stranger other;
	uint64_t room;
	bool same = true;

	breathing_make(&breath, LAB_NODE_ANY, LAB_POOL_STEPPED);
	guest_must_be(lab_domain_map_pool(domain, breath.pool, LAB_DMA_BOTH), 0, "map");
	tap_ok(breathing_kept(&breath, domain, 1), "a pool of one hugepage is one entry");
	grow("it grows");
	note_addresses();
	other = shrink(address);

	/* All but five of them are given up, so that the pool has to use others than before. */
	room = 5 * LAB_PAGE_2M;
	munmap(other.at + other.bytes - room, room);
	other.bytes -= room;
	grow("it grows again");
	for (unsigned u = 0; u < UNITS; u++)
		same &= iova[u] == lab_domain_iova(domain, breath.pool, unit_base(u));
	tap_ok(same, "at the same addresses");
	tap_ok(guest_is_filled(other.at, other.bytes, SECRET), "nothing of another's is touched");
	munmap(other.at, other.bytes);
	breathing_free(&breath, 0);
	guest_must_be(breathing_settle(&breath), 0, "the last step");
	guest_must_be(lab_domain_unmap_pool(domain, breath.pool), 0, "unmap");
	tap_ok(breathing_end(&breath), "no frame is lost");
}

/* ---- with a keeper ---- */

static int stop;
static uint64_t spoiled; /* frames that somebody else has written */

/* Takes much and gives it back, again and again. What it holds is its own. */
static void *work(void *arg)
{
	uintptr_t id = (uintptr_t)arg;
	static void *frames[WORKERS][MOST];
	void **mine = frames[id];

	for (uint64_t wave = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); wave++) {
		unsigned want = wave % 3 == 2 ? 64 : 3 * UNIT, n = 0;

		for (unsigned tries = 0; n < want && tries < 2000; tries++) {
			unsigned got = lab_alloc_burst(breath.pool, mine + n, 32, LAB_GFP_NOWAIT);

			for (unsigned end = n + got; n < end; n++)
				guest_fill(mine[n], 64, id + 2 * wave);
			if (!got)
				usleep(200);
		}
		usleep(20000);
		for (unsigned i = 0; i < n; i++) {
			if (!guest_is_filled(mine[i], 64, id + 2 * wave))
				__atomic_fetch_add(&spoiled, 1, __ATOMIC_RELAXED);
		}
		guest_must_be(lab_free_bulk(breath.pool, mine, n), 0, "free");
		lab_lcore_drain(breath.pool);
		usleep(60000);
	}
	return NULL;
}

/* Each device moves a frame of its own, all at once. */
static void transfers(void *const *frame, unsigned way)
{
	for (unsigned d = 0; d < EDUS; d++) {
		void *f = frame[d];
		uint64_t at;

		guest_must_be(lab_device_lend(lab_edu_device(edu[d]), breath.pool, &f, 1, &at), 1,
			      "lend");
		guest_must_be(lab_edu_start(edu[d], way, at, LAB_EDU_MAX), 0, "start");
	}
	for (unsigned d = 0; d < EDUS; d++) {
		void *f = frame[d];

		guest_must_be(lab_edu_wait(edu[d]), 0, "a transfer");
		guest_must_be(lab_device_take_back(lab_edu_device(edu[d]), breath.pool, &f, 1), 1,
			      "take back");
	}
}

static unsigned copies(unsigned *arrived)
{
	time_t end = time(NULL) + SECONDS;
	unsigned n = 0, highest = 0;

	while (time(NULL) < end) {
		void *from[EDUS], *to[EDUS];

		for (unsigned d = 0; d < EDUS; d++) {
			from[d] = guest_must(lab_alloc(breath.pool, LAB_GFP_KERNEL), "a frame");
			guest_fill(from[d], LAB_EDU_MAX, n + d);
		}
		transfers(from, LAB_EDU_FROM_MEMORY);
		for (unsigned d = 0; d < EDUS; d++) {
			guest_must_be(lab_free(breath.pool, from[d]), 0, "free");
			to[d] = guest_must(lab_alloc(breath.pool, LAB_GFP_KERNEL), "a frame");
			if (breathing_unit(&breath, to[d]) > highest)
				highest = breathing_unit(&breath, to[d]);
		}
		transfers(to, LAB_EDU_TO_MEMORY);
		for (unsigned d = 0; d < EDUS; d++) {
			*arrived += guest_is_filled(to[d], LAB_EDU_MAX, n + d);
			guest_must_be(lab_free(breath.pool, to[d]), 0, "free");
		}
		lab_lcore_drain(breath.pool);
		n += EDUS;
	}
	tap_note("the highest hugepage that a device wrote into is number %u", highest);
	return n;
}

static void kept_by_a_thread(void)
{
	int64_t before = hugepages(-1);
	struct lab_keeper_stats k;
	struct lab_domain_stats d;
	unsigned n, arrived = 0;
	pthread_t id[WORKERS];
	char device[16];
	uint64_t page;

	breathing_make(&breath, LAB_NODE_ANY, 0);
	guest_must_be(lab_domain_map_pool(domain, breath.pool, LAB_DMA_BOTH), 0, "map");
	guest_log_close(&log);
	guest_log_open(&log);
	for (uintptr_t i = 0; i < WORKERS; i++)
		guest_must_be(pthread_create(&id[i], NULL, work, (void *)i), 0, "a thread");
	n = copies(&arrived);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(id[i], NULL);
	guest_must_be(lab_keeper_stats(breath.pool, &k), 0, "the keeper's statistics");
	tap_note("%u copies, %u arrived; %" PRIu64 " hugepages came, %" PRIu64 " went, %" PRIu64
		 " failures%s%s",
		 n, arrived, k.grown, k.shrunk, k.failed, k.failed ? ": " : "", k.why);
	tap_ok(n > 10 && arrived == n, "kept by a thread: each copy arrives");
	tap_ok(k.grown >= 10 && k.shrunk >= 10 && k.failed == 0, "while hugepages come and go");
	tap_ok(!guest_log_fault(&log, device, &page), "the IOMMU refuses nothing");
	tap_ok(spoiled == 0, "no frame has two owners");
	for (unsigned i = 0; i < 200 && k.hugepages > HIGH / UNIT + 1; i++) {
		usleep(10000);
		guest_must_be(lab_keeper_stats(breath.pool, &k), 0, "the keeper's statistics");
	}
	lab_domain_stats(domain, &d);
	tap_ok(k.hugepages <= HIGH / UNIT + 1 && d.entries == k.hugepages &&
		       d.bytes == k.hugepages * LAB_PAGE_2M &&
		       hugepages(-1) == before - (int64_t)k.hugepages,
	       "at rest pool, domain and kernel agree on its hugepages");
	guest_must_be(lab_domain_unmap_pool(domain, breath.pool), 0, "unmap");
	tap_ok(breathing_end(&breath) && hugepages(-1) == before,
	       "no frame and no hugepage is lost");
}

int main(int argc, char **argv)
{
	if (argc != 1 + EDUS) {
		fprintf(stderr, "usage: breath-test EDU EDU EDU\n");
		return EXIT_FAILURE;
	}
	domain = guest_domain("breath", LAB_DOMAIN_GUARDED);
	for (unsigned d = 0; d < EDUS; d++)
		edu[d] = guest_must(lab_edu_open(domain, argv[1 + d]), argv[1 + d]);
	guest_log_open(&log);
	comes_and_goes(argv[1]);
	kept_by_a_thread();
	for (unsigned d = 0; d < EDUS; d++)
		guest_must_be(lab_edu_close(edu[d]), 0, "close");
	guest_must_be(lab_domain_destroy(domain), 0, "destroy");
	guest_log_close(&log);
	return tap_done();
}
