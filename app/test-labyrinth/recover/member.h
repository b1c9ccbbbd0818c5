/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What a process of kills.c does, until it is killed: everything that can be done to a shared pool,
 * with phases of bursts, of which bundles are formed, and phases in which these are broken. It
 * times its calls, and obeys orders to stop and to say what it holds.
 */
#ifndef MEMBER_H
#define MEMBER_H

#include <errno.h>
#include <sys/resource.h>
#include <time.h>

#include "../work.h"
#include "crew.h"

#define AT_ONCE  160u
#define LEND_MAX 16u
#define ALL      (AT_ONCE + LEND_MAX + CREW_MAX * CREW_RING)
#define NAME     "kills"
#define PHASE    64u /* steps of one manner, and then of another */

static struct lab_pool *pool;
static struct crew_member *self;
static void *held[ALL], *lent[LEND_MAX];
static unsigned n_held, n_lent;
static int device;
static uint64_t began, began_cpu;
static struct rusage before;

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void begin_call(void)
{
	getrusage(RUSAGE_THREAD, &before);
	began = clock_ns(CLOCK_MONOTONIC);
	began_cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void end_call(void)
{
	uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - began_cpu;
	uint64_t took = clock_ns(CLOCK_MONOTONIC) - began;
	struct rusage after;

	getrusage(RUSAGE_THREAD, &after);
	self->calls++;
	if (cpu > self->worst_cpu)
		self->worst_cpu = cpu;
	self->slept += (uint64_t)(after.ru_nvcsw - before.ru_nvcsw);
	if (after.ru_nvcsw == before.ru_nvcsw && after.ru_nivcsw == before.ru_nivcsw &&
	    took > self->worst)
		self->worst = took;
}

static void complain(const char *what)
{
	snprintf(self->said, sizeof(self->said), "%s: %.200s", what, lab_error_text());
	self->failed++;
}

/* Before frames are given away: nobody else had them meanwhile. */
static void check(void *const *frames, unsigned n)
{
	if (crew_is_signed(pool, frames, n))
		return;
	snprintf(self->said, sizeof(self->said), "a frame that it holds had another owner, too");
	self->failed++;
}

static void allocate(uint64_t *random)
{
	unsigned had = n_held;
	unsigned want = random_below(random, 3) ? 1 + random_below(random, 40) : 32;
	lab_gfp_t gfp = random_below(random, 2) ? LAB_GFP_ATOMIC : LAB_GFP_NOWAIT;

	if (n_held + want > AT_ONCE)
		return;
	begin_call();
	if (random_below(random, 4) == 0)
		n_held += (held[n_held] = lab_alloc(pool, gfp)) != NULL;
	else
		n_held += lab_alloc_burst(pool, held + n_held, want, gfp);
	end_call();
	crew_sign(pool, held + had, n_held - had);
}

/* The last n of what is held, in no order, so that blocks are scattered, and bundles broken. */
static void shuffle(uint64_t *random, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned at = random_below(random, n_held);
		void *swap = held[at];

		held[at] = held[n_held - 1 - i];
		held[n_held - 1 - i] = swap;
	}
}

static void give_back(unsigned n)
{
	n_held -= n;
	check(held + n_held, n);
	begin_call();
	if (lab_free_bulk(pool, held + n_held, n))
		complain("free");
	end_call();
}

static void free_some(uint64_t *random)
{
	unsigned n = random_below(random, 3) ? 1 + random_below(random, 40) : 32;

	n = n < n_held ? n : n_held;
	if (random_below(random, 2))
		shuffle(random, n);
	give_back(n);
}

/* Bursts of 32, which come back as they went or in another order, up to the brim and down again, so
 * that caches are flushed: bundles are formed of these. */
static void burst(uint64_t *random)
{
	static int filling;
	unsigned had = n_held;

	filling = n_held + 32 <= AT_ONCE && (filling || n_held < 32);
	if (filling) {
		begin_call();
		n_held += lab_alloc_burst(pool, held + n_held, 32, LAB_GFP_ATOMIC);
		end_call();
		crew_sign(pool, held + had, n_held - had);
	} else if (n_held >= 32) {
		if (random_below(random, 8) == 0)
			shuffle(random, 32);
		give_back(32);
	}
}

/* Frames leave their bundles one by one, and go elsewhere. */
static void free_singly(uint64_t *random)
{
	for (unsigned n = random_below(random, 8); n-- && n_held;) {
		shuffle(random, 1);
		n_held--;
		check(held + n_held, 1);
		begin_call();
		if (lab_free(pool, held[n_held]))
			complain("free");
		end_call();
	}
}

/* To another process, which may be dead, or not there yet: then the frames stay. */
static void hand_over(unsigned me, uint64_t *random)
{
	unsigned other = random_below(random, crew->members), n = 1 + random_below(random, 8);
	uint32_t process = __atomic_load_n(&crew->member[other].process, __ATOMIC_ACQUIRE);
	struct crew_ring *ring = &crew->ring[me][other];

	while (other != me && process && n-- && n_held && crew_has_room(ring)) {
		void *frame = held[n_held - 1];
		unsigned done;

		check(&frame, 1);
		begin_call();
		done = lab_transfer(pool, lab_owner_process(process), &frame, 1);
		end_call();
		if (!done && errno != ESRCH)
			complain("transfer");
		if (!done)
			return;
		n_held--;
		crew_tell(ring, lab_frame_index(pool, frame));
	}
}

/* A number may be an old one, of what a dead process has told twice: then it is refused. */
static void take_in(unsigned me, unsigned most)
{
	uint32_t number;

	for (unsigned from = 0; from < crew->members; from++) {
		for (unsigned n = 0; n < most && n_held < ALL - LEND_MAX; n++) {
			void *frame;

			if (!crew_hear(&crew->ring[from][me], &number))
				break;
			frame = lab_frame_at(pool, number);
			if (!lab_accept(pool, &frame, 1))
				continue;
			crew_sign(pool, &frame, 1);
			held[n_held++] = frame;
		}
	}
}

static void lend_some(void)
{
	unsigned n = LEND_MAX - n_lent;

	n = n < n_held ? n : n_held;
	n = n < 4 ? n : 4;
	n_held -= n;
	if (lab_lend(pool, device, held + n_held, n) != n)
		complain("lend");
	memcpy(lent + n_lent, held + n_held, n * sizeof(*lent));
	n_lent += n;
}

static void take_back(void)
{
	if (lab_take_back(pool, device, lent, n_lent) != n_lent)
		complain("take-back");
	memcpy(held + n_held, lent, n_lent * sizeof(*lent));
	n_held += n_lent;
	n_lent = 0;
}

static int join(void)
{
	const struct lab_attach_config config = {
		.name = NAME, .lcores = 1, .flags = LAB_POOL_FALLBACK};

	pool = lab_pool_attach(&config);
	if (!pool) {
		complain("attach");
		return 0;
	}
	n_held = n_lent = 0;
	device = lab_device_register(pool, "device");
	if (device < 0)
		complain("register");
	__atomic_store_n(&self->process, lab_process_id(pool), __ATOMIC_RELEASE);
	return 1;
}

/* With all that it holds, sometimes: whoever leaves loses nothing, either. */
static void leave(uint64_t *random)
{
	__atomic_store_n(&self->process, 0, __ATOMIC_RELEASE);
	take_back();
	if (random_below(random, 2)) {
		lab_free_bulk(pool, held, n_held);
		n_held = 0;
	}
	if (lab_pool_destroy(pool) < 0)
		complain("leave");
}

/* To say what it holds, with all that was given to it; and to wait. */
static void obey(unsigned me, uint32_t order)
{
	while (__atomic_load_n(&crew->order, __ATOMIC_ACQUIRE) == order) {
		if (order % 4 == 3 && self->paused != order) {
			take_in(me, CREW_RING);
			if (lab_reclaim(pool) < 0)
				complain("reclaim");
			self->held = n_held;
			self->lent = n_lent;
		}
		/* Release: what it says is there for who reads that it has obeyed. */
		__atomic_store_n(&self->paused, order, __ATOMIC_RELEASE);
		usleep(50);
	}
}

static void anything(unsigned me, uint64_t *random)
{
	switch (random_below(random, 10)) {
	case 0:
	case 1:
	case 2:
		allocate(random);
		break;
	case 3:
	case 4:
		free_some(random);
		break;
	case 5:
		hand_over(me, random);
		break;
	case 6:
		if (n_held < AT_ONCE)
			take_in(me, 8);
		break;
	case 7:
		lend_some();
		break;
	case 8:
		take_back();
		break;
	default:
		if (random_below(random, 20) == 0)
			lab_lcore_unregister(pool);
		else if (random_below(random, 100) == 0)
			lab_pool_reap(pool);
		else if (random_below(random, 300) == 0) {
			leave(random);
			if (!join())
				_exit(1);
		}
	}
}

static void member(unsigned me, uint64_t random)
{
	self = &crew->member[me];
	if (pool)
		lab_pool_destroy(pool); /* the parent's handle */
	if (!join())
		return;
	for (uint32_t step = 0;; step++) {
		uint32_t order;

		while ((order = __atomic_load_n(&crew->order, __ATOMIC_ACQUIRE)) % 2)
			obey(me, order);
		if (__atomic_exchange_n(&self->reap, 0, __ATOMIC_ACQUIRE))
			lab_pool_reap(pool);
		/* Long enough in bursts for bundles to be formed again, see "broken" in cache.c. */
		if (step / PHASE % 8 == 0)
			anything(me, &random);
		else if (step / PHASE % 8 == 7 && random_below(&random, 4) == 0)
			free_singly(&random);
		else
			burst(&random);
	}
}

#endif
