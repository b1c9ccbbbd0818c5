/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool that breathes, for the test programs of the VM lab.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "../net/tap.h"
#include "breathing.h"

void breathing_make(struct breathing *b, int node, unsigned flags)
{
	const struct lab_pool_config config = {.name = "breathes",
					       .frames = UNIT,
					       .max_frames = MOST,
					       .page_size = LAB_PAGE_2M,
					       .node = node,
					       .reserve = 32,
					       .min = 32,
					       .low = LOW,
					       .high = HIGH,
					       .max_lcores = 8,
					       .flags = flags};

	memset(b, 0, sizeof(*b));
	b->pool = guest_must(lab_pool_create(&config), "a pool that breathes");
}

uint64_t breathing_units(struct breathing *b)
{
	struct lab_keeper_stats stats;

	guest_must_be(lab_keeper_stats(b->pool, &stats), 0, "the keeper's statistics");
	return stats.hugepages;
}

void breathing_take(struct breathing *b)
{
	unsigned got;

	do {
		unsigned room = MOST - b->held < 32 ? MOST - b->held : 32;

		got = lab_alloc_burst(b->pool, b->frame + b->held, room, LAB_GFP_NOWAIT);
		b->held += got;
	} while (got);
}

void breathing_free(struct breathing *b, unsigned unit)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < b->held; i++) {
		if (breathing_unit(b, b->frame[i]) < unit)
			b->frame[kept++] = b->frame[i];
		else
			guest_must_be(lab_free(b->pool, b->frame[i]), 0, "free");
	}
	b->held = kept;
	lab_lcore_drain(b->pool);
}

int64_t breathing_settle(struct breathing *b)
{
	int64_t did;

	do
		did = lab_keeper_step(b->pool);
	while (did > 0);
	return did;
}

void breathing_wait(void)
{
	/* It asks again after a second (breath.c). */
	nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 200000000}, NULL);
}

unsigned breathing_unit(const struct breathing *b, const void *frame)
{
	return lab_frame_index(b->pool, frame) / UNIT;
}

bool breathing_kept(struct breathing *b, struct lab_domain *domain, uint64_t units)
{
	struct lab_domain_stats d = {.entries = units, .bytes = units * LAB_PAGE_2M};
	struct lab_pool_stats s;
	uint64_t have = breathing_units(b);
	int invalid = lab_pool_validate(b->pool);

	lab_pool_stats(b->pool, &s);
	if (domain)
		lab_domain_stats(domain, &d);
	if (have == units && s.total == units * UNIT && s.held == b->held && s.lent == 0 &&
	    d.entries == units && d.bytes == units * LAB_PAGE_2M && !invalid)
		return true;
	tap_note("wanted %" PRIu64 " hugepages and %u frames held; there are %" PRIu64
		 " hugepages, %" PRIu64 " frames, %" PRIu64 " held, %" PRIu64 " lent, %" PRIu64
		 " entries, %" PRIu64 " bytes mapped: %s",
		 units, b->held, have, s.total, s.held, s.lent, d.entries, d.bytes,
		 invalid ? lab_error_text() : "valid");
	return false;
}

bool breathing_end(struct breathing *b)
{
	bool home;

	breathing_free(b, 0);
	home = lab_pool_validate(b->pool) == 0 && guest_all_home(b->pool);
	return lab_pool_destroy(b->pool) == 0 && home;
}

int64_t hugepages(int node)
{
	return lab_hugepage_free(LAB_PAGE_2M, node < 0 ? LAB_NODE_ANY : LAB_NODE(node));
}
