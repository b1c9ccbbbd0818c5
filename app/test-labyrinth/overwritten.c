/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Single words of a shared pool's tables are overwritten: what a living process has stays its own,
 * and what cannot be put in order is named. (recover/damage.c does it at random.)
 */
#include "pool.h"
#include "shared.h"
#include "share/process.h"

TestSuite(overwritten, .timeout = 60, .init = shared_begin);

static struct lab_process *slot_of(const struct lab_pool *pool, uint32_t id)
{
	return &pool->priv->shared->process[id % LAB_MAX_PROCESSES];
}

static void cannot_be_reaped(struct lab_pool *pool, struct lab_process *dead)
{
	struct lab_pool_stats before, stats;

	lab_pool_stats(pool, &before);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(lab_pool_reap(pool), -EUCLEAN);
		text_has("overwritten the tables", "cannot be reaped", NULL);
		cr_assert_eq(dead->state, LAB_PROCESS_STUCK);
		usleep(150000);
	}
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.reaped_processes, before.reaped_processes);
	cr_assert_eq(stats.reaped_frames, before.reaped_frames);
}

Test(overwritten, who_cannot_be_reaped_is_not_counted)
{
	struct lab_pool *pool = shared_pool(0);
	struct other *other = other_start(other_holds);
	struct lab_process *dead = slot_of(pool, other->process);
	uint8_t first = dead->first;

	dead->first = 0;
	other_kill(other);
	cannot_be_reaped(pool, dead);
	/* It can, as soon as it is in order again, by who asks for it. */
	dead->first = first;
	cr_assert_eq(lab_pool_reap(pool), 40 + 16, "%s", lab_error_text());
	lab_device_absolve(pool, "device");
	end_whole(pool);
	shared_end();
}

Test(overwritten, lcores_without_a_process_are_given_to_nobody)
{
	struct lab_pool *pool = shared_pool(0), *next;
	struct other *other = other_start(other_holds);
	struct lab_process *dead = slot_of(pool, other->process);
	unsigned first = dead->first, lcores = dead->lcores;

	dead->lcores = 0;
	other_kill(other);
	cannot_be_reaped(pool, dead);
	next = attach_as("shared");
	cr_assert_not_null(next, "%s", lab_error_text());
	cr_assert(next->priv->home >= first + lcores || next->priv->last < first);
	cr_assert_eq(lab_pool_destroy(next), 0);
	dead->lcores = (uint8_t)lcores;
	lab_pool_reap(pool);
	lab_device_absolve(pool, "device");
	end_whole(pool);
	shared_end();
}

Test(overwritten, a_living_processs_frames_stay_its_own)
{
	struct lab_pool *pool = shared_pool(0);
	struct other *other = other_start(other_holds);
	struct lab_process *self = slot_of(pool, lab_process_id(pool));
	uint8_t lcores = self->lcores, first = self->first;
	void *frames[20];

	cr_assert_eq(lab_alloc_bulk(pool, frames, 20, 0), 0);
	self->lcores = 1;
	other_kill(other);
	cr_assert_geq(lab_pool_reap(pool), 0, "%s", lab_error_text());
	for (unsigned i = 0; i < 20; i++)
		cr_assert_eq(pool->state[lab_frame_index(pool, frames[i])],
			     LAB_STATE_HELD(lab_tls_cache[pool->id]->lcore));
	self->lcores = lcores;
	/* Nor is it reaped for one that says it had all of them. */
	other = other_start(other_holds);
	slot_of(pool, other->process)->first = first;
	other_kill(other);
	cannot_be_reaped(pool, slot_of(pool, other->process));
	for (unsigned i = 0; i < 20; i++)
		cr_assert_eq(lab_free(pool, frames[i]), 0, "%s", lab_error_text());
	slot_of(pool, other->process)->first = first + lcores;
	lab_pool_reap(pool);
	lab_device_absolve(pool, "device");
	end_whole(pool);
	shared_end();
}
