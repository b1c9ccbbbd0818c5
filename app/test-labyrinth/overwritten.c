/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Single words of a shared pool's tables are overwritten: what a living process has stays its own,
 * and what cannot be put in order is named. (recover/damage.c does it at random.)
 */
#include "bundle.h"
#include "cache.h"
#include "pool.h"
#include "share/process.h"
#include "shared.h"
#include "site.h"

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

/* A bundle in the depot lists a frame that there is not. */
static void lists(uint32_t number)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	struct lab_pool_stats stats;
	struct lab_bundle *bundle;
	void *frames[32];
	uint32_t n = 0;

	cr_assert_gt(scatter(pool), 0);
	lab_lcore_unregister(pool);
	do
		bundle = lab_bundle_at(pool, n++);
	while (bundle->where != LAB_MAGAZINE_LISTED);
	bundle->frame[number % 32] = number;
	while (lab_alloc_bulk(pool, frames, 32, 0) == 0) {
		for (unsigned k = 0; k < 32; k++)
			cr_assert_neq(lab_frame_index(pool, frames[k]), LAB_FRAME_NONE);
	}
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.refused[LAB_DROPPED_DAMAGED], 1);
	cr_assert_eq(lab_pool_validate(pool), -EUCLEAN);
}

Test(overwritten, a_bundles_numbers_become_no_pointers)
{
	lists(FRAMES);
	lists(0x123456);
	lists(0x7fffffff);
	lists(0x80000000);
	lists(UINT32_MAX);
	shared_end();
}

/* ---- what lab_pool_validate() finds ---- */

static struct lab_pool *surveyed;

static void finds(void *word, uint8_t value, const char *says)
{
	uint8_t *byte = word, was = *byte;

	cr_assert_eq(lab_pool_validate(surveyed), 0, "%s", lab_error_text());
	*byte = value;
	cr_assert_eq(lab_pool_validate(surveyed), -EUCLEAN, "not found: %s", says);
	text_has(says, NULL);
	*byte = was;
}

Test(overwritten, validate_finds_who_has_what)
{
	struct lab_pool *pool = surveyed = shared_pool(0);
	struct other *other = other_start(other_holds);
	struct lab_shared *shared = pool->priv->shared;
	struct lab_process *p = slot_of(pool, other->process);
	struct lab_cache *c = lab_pool_cache(pool, p->first + 1u);
	void *frame = lab_alloc(pool, 0);
	uint8_t *state = &pool->state[lab_frame_index(pool, frame)];

	finds(&p->lcores, 0, "has 0 lcores");
	finds(&p->lcores, 200, "has 200 lcores");
	finds(&p->first, slot_of(pool, lab_process_id(pool))->first, "two processes have lcore");
	finds(&shared->slot[p->first].process, 1, "says that it is that of id 1");
	finds(&c->lent, 9, "its counters say 9");
	finds(&c->taken, 1, "its counters say 7");
	finds(&shared->device[0].quarantined, 7, "7 frames in quarantine");
	finds(state, LAB_STATE_LENT(5), "lent to device 5");
	finds(state, LAB_STATE_HELD(50), "name lcore 50");
	finds(state, LAB_STATE_HELD(96), "name lcore 96");
	other_kill(other);
	lab_pool_reap(pool);
	finds(&shared->device[0].quarantined, 9, "9 frames in quarantine");
	lab_device_absolve(pool, "device");
	cr_assert_eq(lab_free(pool, frame), 0);
	end_whole(pool);
	shared_end();
}

Test(overwritten, validate_finds_sites_of_no_frame)
{
	struct lab_pool_config config = {.name = "sampled",
					 .frames = FRAMES,
					 .page_size = LAB_PAGE_4K,
					 .sample = 1,
					 .flags = LAB_POOL_FALLBACK};
	struct lab_pool *pool = surveyed = pool_of(&config);
	struct lab_site *site = lab_site_at(pool->priv, 5);

	finds(&site->process, 32, "site 5 of process id 32 is in use for no frame");
	finds(&site->frame, 32, "site 5");
	end_whole(pool);
	shared_end();
}
