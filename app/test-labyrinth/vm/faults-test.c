/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Every call to the kernel fails once, each in a run of its own: what was begun is undone, nothing
 * stays open, mapped, locked or lost, and the device works afterwards.
 *
 *	faults-test EDU
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../net/tap.h"
#include "guest.h"
#include "ioctls.h"

#define FRAMES    512u
#define BURST     4u
#define CALLS_MAX 400u /* the scenario makes fewer */

struct scene {
	struct lab_pool *pool;
	struct lab_domain *domain;
	struct lab_edu *edu;
	struct lab_run run;
	unsigned failures; /* steps that failed */
	unsigned mute;     /* of these, without a sentence */
	bool stuck;        /* a step of taking down failed twice */
};

/* Counts a failed step. Return: 1 if it went well. */
static bool did(struct scene *s, bool well)
{
	if (!well) {
		s->failures++;
		s->mute += !*lab_error_text();
	}
	return well;
}

/* Building up ends at the first failure; taking down goes on, and each step may be tried again. */
static void build(struct scene *s, const char *address, enum lab_domain_mode mode)
{
	const struct lab_domain_config config = {.name = "faults", .mode = mode};
	struct lab_device *dev;
	void *frames[BURST];
	unsigned lent, back;

	s->domain = lab_domain_create(&config);
	if (!did(s, s->domain))
		return;
	s->edu = lab_edu_open(s->domain, address);
	if (!did(s, s->edu))
		return;
	dev = lab_edu_device(s->edu);
	if (mode != LAB_DOMAIN_PREMAPPED &&
	    !did(s, lab_domain_map_pool(s->domain, s->pool, LAB_DMA_BOTH) == 0))
		return;
	if (!did(s, lab_run_alloc(s->domain, 4, 0, LAB_DMA_BOTH, &s->run) == 0))
		return;
	if (!did(s, lab_device_irq_enable(dev, 1) == 0))
		return;
	did(s, lab_device_irq_disable(dev) == 0);
	guest_must_be(lab_alloc_bulk(s->pool, frames, BURST, LAB_GFP_EXCLUSIVE), 0, "frames");
	lent = lab_device_lend(dev, s->pool, frames, BURST, NULL);
	did(s, lent == BURST);
	/* What is not taken back stays lent, and can be taken back by another call. */
	back = lab_device_take_back(dev, s->pool, frames, lent);
	if (!did(s, back == lent))
		back += lab_device_take_back(dev, s->pool, frames + back, lent - back);
	s->stuck |= back != lent;
	s->stuck |= lab_free_bulk(s->pool, frames, BURST) != 0;
}

static void take_down(struct scene *s, enum lab_domain_mode mode)
{
	if (s->run.addr && !did(s, lab_run_free(s->domain, &s->run) == 0) && s->run.addr)
		s->stuck |= lab_run_free(s->domain, &s->run) != 0;
	if (s->domain && s->edu &&
	    lab_domain_iova(s->domain, s->pool, s->pool->base) != LAB_ADDR_NONE &&
	    !did(s, lab_domain_unmap_pool(s->domain, s->pool) == 0))
		s->stuck |= lab_domain_unmap_pool(s->domain, s->pool) != 0;
	/* With nothing lent, closing cannot fail. */
	s->stuck |= s->edu && lab_edu_close(s->edu) != 0;
	if (s->domain && !did(s, lab_domain_destroy(s->domain) == 0))
		s->stuck |= lab_domain_destroy(s->domain) != 0;
	(void)mode;
}

/* A program that does the same without faults finds everything as it should be. */
static bool usable(const char *address)
{
	struct lab_pool *pool = guest_pool("after", FRAMES);
	struct lab_domain *domain = guest_domain("after", LAB_DOMAIN_GUARDED);
	struct lab_edu *edu = lab_edu_open(domain, address);
	bool well = edu && lab_domain_map_pool(domain, pool, LAB_DMA_BOTH) == 0;

	if (!well)
		tap_note("not usable: %s", lab_error_text());
	well &= lab_edu_close(edu) == 0;
	well &= lab_domain_destroy(domain) == 0;
	return lab_pool_destroy(pool) == 0 && well;
}

/* One run with call @k failing. Return: 1 if the scenario made so many calls. */
static bool run(const char *address, enum lab_domain_mode mode, unsigned k, int error, bool *well)
{
	unsigned fds = guest_fds();
	uint64_t locked = guest_status_kib("VmLck"), pinned = guest_status_kib("VmPin");
	int64_t huge = lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY);
	struct scene s = {.pool = guest_pool("faults", FRAMES)};
	struct lab_domain_stats stats = {0};
	bool home, fine;
	int64_t gone;

	ioctls = (struct ioctls){.fail_at = k, .fail_errno = error};
	build(&s, address, mode);
	if (s.domain)
		lab_domain_stats(s.domain, &stats);
	take_down(&s, mode);
	ioctls.fail_at = 0;
	home = guest_all_home(s.pool);
	gone = lab_pool_destroy(s.pool);
	fine = !s.stuck && !s.mute && home && gone == 0 && guest_fds() == fds &&
	       guest_status_kib("VmLck") == locked && guest_status_kib("VmPin") == pinned &&
	       lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY) == huge;
	/* A call that nobody may miss is missed by nobody; without one, every step succeeds. */
	if (!ioctls.failed)
		fine &= s.failures == 0;
	if (!fine || !usable(address)) {
		*well = false;
		tap_note(
			"%s, call %u (request %#lx) failing with %s: %u steps failed, %u mute%s%s; "
			"destroy %" PRId64 "; descriptors %u -> %u, VmLck %" PRIu64 " -> %" PRIu64
			", VmPin %" PRIu64 " -> %" PRIu64 ", hugepages %" PRId64 " -> %" PRId64
			": %s",
			guest_mode_name(mode), k, ioctls.failed, strerror(error), s.failures,
			s.mute, s.stuck ? ", stuck" : "", home ? "" : ", frames lost", gone, fds,
			guest_fds(), locked, guest_status_kib("VmLck"), pinned,
			guest_status_kib("VmPin"), huge,
			lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY), lab_error_text());
	}
	return ioctls.failed != 0;
}

int main(int argc, char **argv)
{
	static const enum lab_domain_mode modes[] = {LAB_DOMAIN_GUARDED, LAB_DOMAIN_PREMAPPED,
						     LAB_DOMAIN_STRICT};
	static const int errors[] = {ENOMEM, EIO};
	char name[128];

	if (argc != 2) {
		fprintf(stderr, "usage: faults-test EDU\n");
		return EXIT_FAILURE;
	}
	/* What the library, libnuma and libc open or allocate once. */
	guest_must(usable(argv[1]) ? argv : NULL, "the device");
	for (int m = 0; m < 3; m++) {
		for (int e = 0; e < 2; e++) {
			bool well = true;
			unsigned k = 1;

			while (k < CALLS_MAX && run(argv[1], modes[m], k, errors[e], &well))
				k++;
			snprintf(name, sizeof(name),
				 "%s: each of %u calls failing with %s is undone",
				 guest_mode_name(modes[m]), k - 1, strerror(errors[e]));
			tap_ok(well && k > 10 && k < CALLS_MAX, name);
		}
	}
	return tap_done();
}
