/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What one process does between two instructions of another. A page of the tables is taken away
 * from one mapping of them, so that the next access there stops its thread; what the others do
 * meanwhile is done by the signal's handler, which then gives the page back.
 */
#include <signal.h>
#include <sys/syscall.h>

#include "bundle.h"
#include "cache.h"
#include "frame_table.h"
#include "lcore.h"
#include "pool.h"
#include "share/process.h"
#include "share/reap.h"
#include "shared.h"
#include "site.h"

TestSuite(races, .timeout = 60, .init = shared_begin);

static struct {
	char *page;
	pid_t thread;
	void (*meanwhile)(void);
} trap;

static void *page_of(const void *at)
{
	return (void *)((uintptr_t)at & ~(uintptr_t)4095);
}

static void on_trap(int signal, siginfo_t *info, void *unused)
{
	void (*meanwhile)(void) = trap.meanwhile;

	(void)unused;
	if (page_of(info->si_addr) != (void *)trap.page)
		raise(SIGABRT);
	/* A keeper waits until the page is back. */
	if ((pid_t)syscall(SYS_gettid) != trap.thread || signal != SIGSEGV) {
		usleep(1000);
		return;
	}
	mprotect(trap.page, 4096, PROT_READ | PROT_WRITE);
	trap.meanwhile = NULL;
	meanwhile();
}

/* The next access of this thread to the page of @at lets @meanwhile happen first. */
static void set_trap(void *at, void (*meanwhile)(void))
{
	const struct sigaction action = {.sa_sigaction = on_trap,
					 .sa_flags = SA_SIGINFO | SA_NODEFER};

	trap.page = page_of(at);
	trap.thread = (pid_t)syscall(SYS_gettid);
	trap.meanwhile = meanwhile;
	sigaction(SIGSEGV, &action, NULL);
	cr_assert_eq(mprotect(trap.page, 4096, PROT_NONE), 0);
}

/* ---- a frame has left the dead process's bundle, and a survivor just makes one of it ---- */

#define ALL   12288u
#define FIRST 6144u /* its byte is on a page of the frame table that has nothing else */

static struct lab_pool *pool;
static struct lab_cache *survivor;
static uint32_t members[LAB_BLOCK_FRAMES], survivors_bundle;

/* 32 frames, from the @at-th on, as loose ones in an lcore's cache. */
static void loose(uint32_t at, const struct lab_cache *c, uint32_t *number)
{
	for (uint32_t i = 0; i < LAB_BLOCK_FRAMES; i++) {
		number[i] = at + i;
		pool->state[number[i]] = c->freed;
	}
}

static void form(void)
{
	cr_assert_eq(lab_bundle_form(pool, survivor, members, &survivors_bundle), 1);
}

Test(races, a_survivors_new_bundle_is_not_dissolved)
{
	struct lab_pool_config config = {.name = "private",
					 .frames = ALL,
					 .page_size = LAB_PAGE_4K,
					 .max_lcores = 4,
					 .flags = LAB_POOL_FALLBACK};
	uint32_t number[LAB_BLOCK_FRAMES], entry;
	struct lab_process *dead;
	struct lab_cache *victim;

	pool = pool_of(&config);
	dead = &pool->priv->shared->process[1];
	*dead = (struct lab_process){
		.state = LAB_PROCESS_ACTIVE, .first = 3, .lcores = 2, .id = 33};
	pool->priv->shared->slot[3].process = pool->priv->shared->slot[4].process = 33;
	survivor = lab_pool_cache(pool, 1);
	victim = lab_pool_cache(pool, 4);
	loose(FIRST, victim, number);
	cr_assert_eq(lab_bundle_form(pool, victim, number, &entry), 1);
	/* The first frame leaves it singly, and is loose in the survivor's cache, with 31 others.
	 */
	lab_bundle_at(pool, entry & ~LAB_BUNDLE)->left--;
	loose(FIRST + 1024, survivor, members);
	members[0] = FIRST;
	pool->state[FIRST] = survivor->freed;
	set_trap(&pool->state[FIRST], form);
	cr_assert_geq(lab_reap_process(pool, dead, 0), 31, "%s", lab_error_text());
	cr_assert_null(trap.meanwhile);
	cr_assert_eq(pool->state[FIRST], LAB_STATE_BUNDLED);
	cr_assert_eq(pool->home[FIRST], survivors_bundle & ~LAB_BUNDLE);
	/* Its frames never were the depot's, so nothing more can be said of the pool. */
	shared_end();
}

/* ---- somebody absolves a device of the dead ---- */

static struct lab_pool *mine, *yours;

static void by_counters_as_by_bytes(uint64_t lent, uint64_t quarantined)
{
	struct lab_pool_stats stats;

	lab_pool_stats(mine, &stats);
	cr_assert_eq(stats.quarantined, quarantined);
	conserved(mine, 0, lent);
	cr_assert_eq(lab_pool_validate(mine), 0, "%s", lab_error_text());
}

static void kill_who_lends(void)
{
	struct other *other = other_start(other_holds);

	other_kill(other);
	lab_pool_reap(mine);
	by_counters_as_by_bytes(8, 8);
}

Test(races, who_absolves_may_leave)
{
	mine = shared_pool(0);
	kill_who_lends();
	yours = attach_as("shared");
	cr_assert_eq(lab_device_absolve(yours, "device"), 8);
	by_counters_as_by_bytes(0, 0);
	cr_assert_eq(lab_pool_destroy(yours), 0);
	by_counters_as_by_bytes(0, 0);
	end_whole(mine);
	shared_end();
}

/* Its third frame is freed by somebody who is killed before it is. */
static void absolve_and_die(struct lab_pool *shared, struct other *other)
{
	struct lab_slot *slot = shared->priv->shared->device;
	struct lab_cache *c = lab_lcore_self(shared);

	(void)other;
	slot->absolver = slot->taken = lab_process_id(shared);
	for (uint32_t n = 0, i = 0; n < 3; i++) {
		if (shared->state[i] != LAB_STATE_LENT(0))
			continue;
		shared->state[i] = LAB_STATE_HELD(c->lcore);
		if (++n < 3)
			lab_free(shared, lab_frame_at(shared, i));
	}
}

Test(races, who_absolves_may_be_killed)
{
	struct other *other;

	mine = shared_pool(0);
	kill_who_lends();
	other = other_start(absolve_and_die);
	/* Meanwhile nobody else does it. */
	cr_assert_eq(lab_device_absolve(mine, "device"), 0);
	other_kill(other);
	lab_pool_reap(mine);
	by_counters_as_by_bytes(5, 5);
	cr_assert_eq(lab_device_absolve(mine, "device"), 5);
	by_counters_as_by_bytes(0, 0);
	end_whole(mine);
	shared_end();
}

static void *many[ALL];
static int next_device;

static void lend_to_the_next(void)
{
	/* If another one has absolved it meanwhile, its number is free for a new device. */
	lab_device_absolve(yours, "device");
	next_device = lab_device_register(yours, "next");
	cr_assert_eq(lab_alloc_bulk(yours, many, FIRST + 1024, 0), 0);
	cr_assert_eq(lab_lend(yours, next_device, many, FIRST + 1024), FIRST + 1024);
}

Test(races, a_new_devices_frames_are_not_absolved)
{
	struct lab_pool_config config = {.name = "shared",
					 .frames = ALL,
					 .page_size = LAB_PAGE_4K,
					 .lcores = 2,
					 .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};

	mine = pool_of(&config);
	kill_who_lends();
	yours = attach_as("shared");
	cr_assert_geq(lab_lcore_register(mine, "mine"), 0);
	/* When it has looked at the first half of the bytes. */
	set_trap(&mine->state[FIRST], lend_to_the_next);
	cr_assert_eq(lab_device_absolve(mine, "device"), 8);
	by_counters_as_by_bytes(FIRST + 1024, 0);
	cr_assert_eq(lab_take_back(yours, next_device, many, FIRST + 1024), FIRST + 1024);
	cr_assert_eq(lab_free_bulk(yours, many, FIRST + 1024), 0);
	cr_assert_eq(lab_device_release(yours, next_device), 0);
	cr_assert_eq(lab_pool_destroy(yours), 0);
	end_whole(mine);
	shared_end();
}

/* ---- the new owner dies while a frame is given to it ---- */

static struct lab_pool *third, *target, *newcomer;
static void *given;

static struct lab_process *slot_of(const struct lab_pool *seen, const struct lab_pool *whose)
{
	return &seen->priv->shared->process[lab_process_id(whose) % LAB_MAX_PROCESSES];
}

/* The byte says that the frame is the target's. That leaves, another comes, and a third process
 * gets the frame and gives it to that one. */
static void give_it_again(void)
{
	uint32_t number = lab_frame_index(mine, given);
	unsigned n = 0;

	cr_assert_eq(lab_pool_destroy(target), 1);
	newcomer = attach_as("shared");
	cr_assert_not_null(newcomer, "%s", lab_error_text());
	while ((many[n] = lab_alloc(third, 0)) && lab_frame_index(third, many[n]) != number)
		n++;
	cr_assert_not_null(many[n]);
	cr_assert_eq(lab_transfer(third, lab_owner_process(lab_process_id(newcomer)), &many[n], 1),
		     1);
	cr_assert_eq(lab_free_bulk(third, many, n), 0);
}

static void before_the_second_look(void)
{
	set_trap(slot_of(mine, target), give_it_again);
}

Test(races, a_frame_given_to_the_dead_is_not_taken_from_the_next)
{
	struct lab_pool_config config = {.name = "shared",
					 .frames = ALL,
					 .page_size = LAB_PAGE_4K,
					 .lcores = 2,
					 .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};
	unsigned n = FIRST + 1;

	mine = pool_of(&config);
	third = attach_as("shared");
	target = attach_as("shared");
	cr_assert_eq(lab_alloc_bulk(mine, many, n, 0), 0);
	for (unsigned i = 0; i < n; i++) {
		if (lab_frame_index(mine, many[i]) == FIRST) {
			given = many[i];
			many[i] = many[--n];
		}
	}
	cr_assert_not_null(given);
	cr_assert_eq(lab_free_bulk(mine, many, n), 0);
	set_trap(&mine->state[FIRST], before_the_second_look);
	cr_assert_eq(lab_transfer(mine, lab_owner_process(lab_process_id(target)), &given, 1), 1);
	cr_assert_null(trap.meanwhile);
	cr_assert_eq(lab_frame_owner(mine, FIRST).id, lab_process_id(newcomer));
	given = lab_frame_at(newcomer, FIRST);
	cr_assert_eq(lab_accept(newcomer, &given, 1), 1, "%s", lab_error_text());
	cr_assert_eq(lab_free(newcomer, given), 0);
	cr_assert_eq(lab_pool_destroy(third), 0);
	cr_assert_eq(lab_pool_destroy(newcomer), 0);
	end_whole(mine);
	shared_end();
}

/* ---- who samples a frame is killed before it has written whose it is ---- */

static void sample_and_die(struct lab_pool *shared, struct other *other)
{
	struct lab_pool_priv *priv = shared->priv;
	struct lab_cache *c = lab_lcore_self(shared);
	uint32_t start = (uint32_t)(c->word >> LAB_LEN_BITS) * 64 + c->lcore * 97;

	/* The eight that it would try. Its first store to one, and no more: */
	for (uint32_t i = 0; i < 8; i++) {
		struct lab_site *site = lab_site_at(priv, (start + i) % priv->plan.sites);

		other->number[i] = (start + i) % priv->plan.sites;
		if (!site->process)
			site->process = lab_process_id(shared);
	}
}

Test(races, sites_of_the_dead_are_free)
{
	struct lab_pool_config config = {.name = "shared",
					 .frames = FRAMES,
					 .page_size = LAB_PAGE_4K,
					 .sample = 16,
					 .lcores = 2,
					 .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};
	struct other *other;

	mine = pool_of(&config);
	other = other_start(sample_and_die);
	other_kill(other);
	lab_pool_reap(mine);
	for (uint32_t i = 0; i < 8; i++) {
		const struct lab_site *site = lab_site_at(mine->priv, other->number[i]);

		cr_assert_eq(site->frame, 0);
		cr_assert_eq(site->process, 0);
	}
	end_whole(mine);
	shared_end();
}
