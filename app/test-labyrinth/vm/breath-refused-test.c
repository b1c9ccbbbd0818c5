/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool that breathes and cannot grow: because its domain cannot map more, or the machine has no
 * hugepage left. It says why and stays as it is, in the domain as well; devices go on; and with
 * what the sentence asks for it grows.
 *
 *	breath-refused-test EDU           as root
 *	breath-refused-test --memlock EDU with a soft RLIMIT_MEMLOCK that one hugepage just fits in,
 *	                                  a hard one for more, and without CAP_IPC_LOCK
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <labyrinth/lab_fault.h>

#include "../net/tap.h"
#include "breathing.h"

#define LIMIT_FILE "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"

static struct breathing breath;
static struct lab_domain *domain;
static struct lab_edu *edu;

static void begin(const char *address)
{
	domain = guest_domain("refusing", LAB_DOMAIN_GUARDED);
	edu = guest_must(lab_edu_open(domain, address), address);
	breathing_make(&breath, LAB_NODE_ANY, LAB_POOL_STEPPED);
	guest_must_be(lab_domain_map_pool(domain, breath.pool, LAB_DMA_BOTH), 0, "map");
}

static void end(const char *what)
{
	char name[96];

	breathing_free(&breath, 0);
	breathing_settle(&breath);
	guest_must_be(lab_domain_unmap_pool(domain, breath.pool), 0, "unmap");
	snprintf(name, sizeof(name), "%s: no frame is lost", what);
	tap_ok(breathing_end(&breath), name);
	guest_must_be(lab_edu_close(edu), 0, "close");
	guest_must_be(lab_domain_destroy(domain), 0, "destroy");
}

/* Two frames that are held, the last that came and the first. */
static bool device_copies(void)
{
	void *from = breath.frame[breath.held - 1], *to = breath.frame[0];

	guest_fill(from, LAB_FRAME_SIZE, breath.held);
	memset(to, 0, LAB_FRAME_SIZE);
	return lab_edu_copy(edu, breath.pool, to, from) == 0 &&
	       guest_is_filled(to, LAB_FRAME_SIZE, breath.held);
}

/* What the kernel counts of this process. */
static uint64_t pinned_kib(void)
{
	return guest_status_kib("VmPin") + guest_status_kib("VmLck");
}

/* All frames are in use: a step fails, and says so. */
static void is_refused(const char *what, int error, const char *sentence, const char *more)
{
	uint64_t units = breathing_units(&breath), pinned = pinned_kib();
	int64_t huge = hugepages(-1), did;
	struct lab_keeper_stats k;
	char name[128];

	breathing_take(&breath);
	did = lab_keeper_step(breath.pool);
	snprintf(name, sizeof(name), "%s: the step says why it does not grow", what);
	if (tap_ok(guest_refused(did, error, sentence) && guest_refused(did, error, more), name))
		tap_note("%s", lab_error_text());
	guest_must_be(lab_keeper_stats(breath.pool, &k), 0, "the keeper's statistics");
	snprintf(name, sizeof(name), "%s: so do the keeper's statistics", what);
	tap_ok(k.failed == 1 && strstr(k.why, sentence), name);
	snprintf(name, sizeof(name), "%s: pool, domain and kernel have what they had", what);
	tap_ok(breathing_kept(&breath, domain, units) && hugepages(-1) == huge &&
		       pinned_kib() == pinned,
	       name);
	snprintf(name, sizeof(name), "%s: none is asked for again at once", what);
	tap_ok(lab_keeper_step(breath.pool) == 0 && !lab_alloc(breath.pool, LAB_GFP_NOWAIT), name);
	snprintf(name, sizeof(name), "%s: the device goes on", what);
	tap_ok(device_copies(), name);
	breathing_free(&breath, (unsigned)units - 1);
	snprintf(name, sizeof(name), "%s: so do the frames", what);
	breathing_take(&breath);
	tap_ok(breathing_kept(&breath, domain, units) && device_copies(), name);
}

/* What was short is there now. */
static void grows(const char *what)
{
	uint64_t units = breathing_units(&breath);
	int64_t did;
	char name[128];

	breathing_wait();
	breathing_take(&breath);
	did = lab_keeper_step(breath.pool);
	if (did < 0)
		tap_note("%s", lab_error_text());
	breathing_take(&breath);
	snprintf(name, sizeof(name), "%s: then it grows, and the device reaches it", what);
	tap_ok(did > 0 && breathing_kept(&breath, domain, units + (uint64_t)did) && device_copies(),
	       name);
}

/* ---- what refuses ---- */

static void on_purpose(const char *address)
{
	const struct lab_fault first = {.nth = 1}, second = {.nth = 2};

	begin(address);
	lab_fault_set(breath.pool, LAB_FAULT_MAP, &first);
	is_refused("a mapping fails", ENOMEM, "pool 'breathes' cannot be mapped in domain",
		   "injected");
	grows("a mapping fails");
	lab_fault_set(breath.pool, LAB_FAULT_MAP, &second);
	breathing_take(&breath);
	tap_ok(lab_keeper_step(breath.pool) == 1 && breathing_kept(&breath, domain, 4),
	       "the second of two mappings fails: the first one's hugepage has come");
	end("a mapping fails");
}

static void write_limit(int64_t entries)
{
	FILE *f = guest_must(fopen(LIMIT_FILE, "we"), LIMIT_FILE);

	guest_must_be(fprintf(f, "%" PRId64, entries) > 0 && fclose(f) == 0, 1, LIMIT_FILE);
}

static void entry_limit(const char *address)
{
	int64_t before = guest_sysfs_number(LIMIT_FILE, 0);
	struct lab_keeper_stats k;

	write_limit(4);
	begin(address);
	write_limit(before);
	grows("4 entries are allowed, of which it has 1");
	grows("4 entries are allowed, of which it has 3");
	is_refused("4 entries are allowed", ENOSPC, "needs 1 more, and the kernel allows 4",
		   LIMIT_FILE);
	guest_must_be(lab_keeper_stats(breath.pool, &k), 0, "the keeper's statistics");
	tap_ok(!strstr(k.why, "lend fewer"), "its advice is not to lend fewer frames");
	/* One that goes makes room for one that comes. */
	breathing_free(&breath, 0);
	guest_must_be(breathing_settle(&breath), 0, "the last step");
	tap_ok(breathing_kept(&breath, domain, 3), "4 entries are allowed: one goes");
	grows("4 entries are allowed, and one went");
	end("4 entries are allowed");
}

/* Others have all of the machine's but one. */
static void no_hugepage(const char *address)
{
	static const char what[] = "the machine has none left";
	struct lab_pool *hog;

	begin(address);
	hog = guest_pool("hog", (uint64_t)(hugepages(-1) - 1) * UNIT);
	grows("the machine has one left");
	tap_ok(hugepages(-1) == 0, "and that was the last one");
	is_refused(what, ENOMEM, "pool 'breathes' needs 1 hugepages of 2 MiB and 0 are free",
		   "as root, sysctl -w vm.nr_hugepages=");
	guest_must_be(lab_pool_destroy(hog), 0, "destroy");
	grows(what);
	end(what);
}

static void memlock(const char *address)
{
	struct rlimit limit;
	char sentence[64];

	guest_must_be(getrlimit(RLIMIT_MEMLOCK, &limit), 0, "RLIMIT_MEMLOCK");
	begin(address);
	snprintf(sentence, sizeof(sentence), "RLIMIT_MEMLOCK is %" PRIu64 " KiB and ",
		 (uint64_t)limit.rlim_cur / 1024);
	is_refused("RLIMIT_MEMLOCK", ENOMEM, sentence, " KiB are needed");
	limit.rlim_cur = limit.rlim_max;
	guest_must_be(setrlimit(RLIMIT_MEMLOCK, &limit), 0, "RLIMIT_MEMLOCK");
	grows("RLIMIT_MEMLOCK raised");
	end("RLIMIT_MEMLOCK");
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--memlock")) {
		memlock(argv[2]);
		return tap_done();
	}
	if (argc != 2) {
		fprintf(stderr, "usage: breath-refused-test [--memlock] EDU\n");
		return EXIT_FAILURE;
	}
	on_purpose(argv[1]);
	domain = guest_domain("which", LAB_DOMAIN_GUARDED);
	if (!strcmp(lab_domain_backend(domain), "type1")) {
		guest_must_be(lab_domain_destroy(domain), 0, "destroy");
		entry_limit(argv[1]);
	} else {
		guest_must_be(lab_domain_destroy(domain), 0, "destroy");
	}
	no_hugepage(argv[1]);
	return tap_done();
}
