/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools in which any process may free what another holds, and what that means when one dies.
 */
#include "shared.h"

TestSuite(common, .timeout = 60, .init = shared_begin);

static void frees_it(struct lab_pool *pool, struct other *other)
{
	void *frame = lab_frame_at(pool, other->number[1]);

	other->number[2] = (uint32_t)-lab_free(pool, frame);
}

static void holds_40(struct lab_pool *pool, struct other *other)
{
	void *frames[40];

	lab_alloc_bulk(pool, frames, 40, LAB_GFP_ATOMIC);
	for (unsigned i = 0; i < 40; i++)
		other->number[i] = lab_frame_index(pool, frames[i]);
}

static void common_pool(uint32_t flags, void (*then)(struct lab_pool *pool))
{
	struct lab_pool *pool = shared_pool(LAB_POOL_COMMON | flags);

	then(pool);
	conserved(pool, 0, 0);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	end_whole(pool);
	shared_end();
}

static void freed_elsewhere(struct lab_pool *pool)
{
	void *frame = lab_alloc(pool, LAB_GFP_ATOMIC);
	struct other *other = &others[others_n];

	other->number[1] = lab_frame_index(pool, frame);
	other_start(frees_it);
	cr_assert_eq(other->number[2], 0);
	cr_assert_eq(lab_free(pool, frame), -EALREADY);
	other_kill(other);
	lab_pool_reap(pool);
}

Test(common, common_frames_are_freed_by_any_process)
{
	common_pool(0, freed_elsewhere);
}

static void reaped_at_once(struct lab_pool *pool)
{
	other_kill(other_start(holds_40));
	cr_assert_geq(lab_pool_reap(pool), 40);
}

Test(common, nothing_has_passed_so_the_dead_are_reaped)
{
	common_pool(0, reaped_at_once);
}

/* What the dead held comes back as it is freed, or with lab_reclaim(). */
static void kept(struct lab_pool *pool)
{
	struct other *other = other_start(holds_40);
	struct lab_owner owner;

	other_kill(other);
	lab_pool_reap(pool);
	conserved(pool, 40, 0);
	owner = lab_frame_owner(pool, other->number[0]);
	cr_assert_eq(owner.kind, LAB_OWNER_LCORE);
	for (unsigned i = 0; i < 30; i++)
		cr_assert_eq(lab_free(pool, lab_frame_at(pool, other->number[i])), 0);
	conserved(pool, 10, 0);
	/* Others can join meanwhile, with other lcores. */
	other_kill(other_start(other_nothing));
	conserved(pool, 10, 0);
	cr_assert_eq(lab_reclaim(pool), 10);
}

Test(common, what_may_be_in_use_is_left_alone)
{
	common_pool(LAB_POOL_KEEP, kept);
}

/* Its slot is free again as soon as nothing of it is held. */
static void freed_to_the_end(struct lab_pool *pool)
{
	for (unsigned round = 0; round < 40; round++) {
		struct other *other = other_start(holds_40);

		others_n = 0;
		other_kill(other);
		lab_pool_reap(pool);
		for (unsigned i = 0; i < 40; i++)
			cr_assert_eq(lab_free(pool, lab_frame_at(pool, other->number[i])), 0);
		lab_pool_reap(pool);
		memset(other, 0, sizeof(*other));
	}
}

Test(common, slots_of_the_dead_come_back)
{
	common_pool(LAB_POOL_KEEP, freed_to_the_end);
}
