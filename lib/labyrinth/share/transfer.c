/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Transfer. To another process it is a store of the frame's byte, and a look at whether that
 * process is still there. The new owner may die at any time, and its reaper looks at each byte
 * once: so first the byte, then the look (and the reaper the other way round, see
 * lab_reap_process()). If it is gone, the reaper has taken the frame or will never see it, and the
 * compare-and-swap tells which.
 *
 * The byte names an lcore, not a process. Before the compare-and-swap the frame could have been
 * reaped, allocated by a third process and given to the lcore's next one: the byte would be the
 * same again. So the giver says first which lcore it gives to (lab_cache.giving), and nobody joins
 * with an lcore that somebody says so of. Who took the frame read the giver's byte, and the next
 * one joins after that: it sees what the giver said before.
 */
#include <errno.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_frame.h>
#include <labyrinth/lab_lend.h>
#include <labyrinth/lab_owner.h>
#include <labyrinth/lab_share.h>

#include "bundle.h"
#include "error.h"
#include "frame_table.h"
#include "home.h"
#include "lcore.h"
#include "refusal.h"
#include "share/keeper.h"
#include "share/process.h"

uint32_t lab_process_id(const struct lab_pool *pool)
{
	return pool->priv->inherited || pool->priv->observer ? 0 : lab_pool_self(pool)->id;
}

static int is_active(const struct lab_process *p, uint32_t id)
{
	return lab_load(&p->state) == LAB_PROCESS_ACTIVE && lab_load(&p->id) == id;
}

static struct lab_process *process_at(const struct lab_pool *pool, uint32_t id)
{
	return &pool->priv->shared->process[id % LAB_MAX_PROCESSES];
}

int lab_process_is_active(const struct lab_pool *pool, uint32_t id)
{
	return !pool->priv->inherited && is_active(process_at(pool, id), id);
}

/* What to write for an owner that is not a device: 0 if there is none. */
static uint8_t state_for(const struct lab_pool *pool, const struct lab_cache *c,
			 struct lab_owner to, uint32_t *process)
{
	const struct lab_shared *shared = pool->priv->shared;
	int slot;

	*process = to.id;
	if (to.kind == LAB_OWNER_PROCESS && lab_process_is_active(pool, to.id)) {
		if (!lab_pool_is_shared(pool->priv))
			return LAB_STATE_HELD(c->lcore);
		slot = process_at(pool, to.id)->first;
		/* 0 if somebody has overwritten it. */
		return slot >= 1 && slot <= (int)pool->priv->max_lcores ? LAB_STATE_HELD(slot) : 0;
	}
	if (to.kind != LAB_OWNER_LCORE || to.id < 1 || to.id > pool->priv->max_lcores ||
	    !lab_load(&shared->slot[to.id].taken))
		return 0;
	slot = lab_process_of(shared, to.id);
	if (slot < 0)
		return 0;
	*process = lab_load(&shared->process[slot].id);
	return is_active(&shared->process[slot], *process) ? LAB_STATE_HELD(to.id) : 0;
}

static int refuse_owner(const struct lab_pool *pool, struct lab_owner to)
{
	static const char *const kind[] = {"owner", "process", "lcore", "device"};

	return lab_fail(ESRCH, "pool '%s' has no %s %u to transfer frames to%s", pool->priv->name,
			kind[to.kind <= LAB_OWNER_DEVICE ? to.kind : 0], to.id,
			to.kind == LAB_OWNER_PROCESS ? ": it has left, or died" : "");
}

/* One frame that the caller owns gets a new byte. 0: the caller does not own it. */
static int pass(struct lab_pool *pool, struct lab_cache *c, const void *frame, uint8_t to,
		uint32_t from)
{
	uint32_t index = lab_frame_index(pool, frame);

	if (index == LAB_FRAME_NONE)
		return 0;
	if (lab_likely(LAB_HELD_HERE(c, lab_load(&pool->state[index])))) {
		lab_home_put(pool, index, from, to);
		return 1;
	}
	/* First to this lcore, because home[] is not free before. */
	if (!lab_bundle_leave(pool, c, index, LAB_STATE_HELD(c->lcore)) &&
	    !lab_home_leave(pool, index, LAB_STATE_HELD(c->lcore)))
		return 0;
	lab_home_put(pool, index, from, to);
	return 1;
}

/* The new owner has gone. What its reaper did not see goes back to the pool from here. */
static void take_back_from_dead(struct lab_pool *pool, struct lab_cache *c, void *const *frames,
				unsigned n, uint8_t to)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t expected = to;

		/* Relaxed: the frame has been with nobody else. */
		if (__atomic_compare_exchange_n(&pool->state[lab_frame_index(pool, frames[i])],
						&expected, LAB_STATE_HELD(c->lcore), 0,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			lab_free(pool, frames[i]);
	}
}

/*
 * Say which lcore is given to, and only then rely on its process being there. A fence on either
 * side: this one stores `giving` and then reads the slot; who joins has read that the lcore is
 * nobody's, and then reads `giving` (process.c). So either the process is found gone here, or who
 * joins finds the lcore given to. Return: @state, or 0 if it is gone.
 */
static uint8_t announce(const struct lab_pool *pool, struct lab_cache *c, uint8_t state,
			uint32_t process)
{
	lab_store(&c->giving, (uint32_t)state - LAB_MAX_LCORES);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (lab_likely(is_active(process_at(pool, process), process)))
		return state;
	lab_store_release(&c->giving, 0u);
	return 0;
}

unsigned lab_transfer(struct lab_pool *pool, struct lab_owner to, void *const *frames, unsigned n)
{
	struct lab_cache *c;
	uint32_t process, self;
	unsigned done = 0;
	uint8_t state;

	if (to.kind == LAB_OWNER_DEVICE)
		return lab_lend(pool, (int)to.id, frames, n);
	c = lab_lcore_self(pool);
	if (!c)
		return 0;
	if (!pool->state) {
		lab_fail(ENOTSUP, "pool '%s' is unprotected: its frames have no owner to change",
			 pool->priv->name);
		return 0;
	}
	state = state_for(pool, c, to, &process);
	if (state)
		state = announce(pool, c, state, process);
	if (!state) {
		refuse_owner(pool, to);
		return 0;
	}
	self = lab_home_given(lab_pool_self(pool)->id);
	while (done < n && pass(pool, c, frames[done], state, self))
		done++;
	if (done < n)
		lab_refuse_transfer(pool, frames[done]);
	/* See above. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (lab_unlikely(!is_active(process_at(pool, process), process)))
		take_back_from_dead(pool, c, frames, done, state);
	/* Release: after the last look at the bytes. */
	lab_store_release(&c->giving, 0u);
	return done;
}

unsigned lab_accept(struct lab_pool *pool, void *const *frames, unsigned n)
{
	struct lab_cache *c = lab_lcore_self(pool);
	unsigned done = 0;

	for (; c && done < n; done++) {
		uint32_t index = pool->state ? lab_frame_index(pool, frames[done]) : LAB_FRAME_NONE;

		if (index == LAB_FRAME_NONE ||
		    !lab_home_leave(pool, index, LAB_STATE_HELD(c->lcore))) {
			lab_refuse_accept(pool, frames[done]);
			break;
		}
	}
	return done;
}

/* 1 if a frame is at home because a process gave it that has gone. */
static int is_orphan(const struct lab_pool *pool, uint64_t frame)
{
	uint32_t from, id;

	if (lab_load(&pool->state[frame]) != LAB_STATE_HELD(pool->priv->home))
		return 0;
	from = lab_load(&pool->home[frame]);
	if ((from & (LAB_HOME_SITE | LAB_HOME_GIVEN)) != LAB_HOME_GIVEN)
		return 0;
	/* The slot is in the low bits, as in an id. */
	id = lab_load(&process_at(pool, from)->id);
	return lab_home_given(id) != from || !lab_process_is_active(pool, id);
}

int64_t lab_reclaim(struct lab_pool *pool)
{
	struct lab_cache *c;
	int64_t n = lab_pool_reap(pool), rest;

	/* One that cannot be reaped does not keep the others' from coming back. */
	if (n < 0 && n != -EUCLEAN)
		return n;
	c = lab_lcore_self(pool);
	if (!c)
		return -errno;
	/* What others may have had of those that are gone: the caller knows that they have not. */
	rest = lab_keeper_reap(pool->priv, LAB_REAP_ALL);
	n = rest > 0 ? rest : 0;
	for (uint64_t i = 0; i < pool->frames; i++) {
		if (is_orphan(pool, i) && lab_home_leave(pool, i, LAB_STATE_HELD(c->lcore))) {
			lab_free(pool, lab_frame_at(pool, (uint32_t)i));
			n++;
		}
	}
	return n;
}

struct lab_owner lab_frame_owner(const struct lab_pool *pool, uint32_t frame)
{
	struct lab_owner nobody = {LAB_OWNER_NONE, 0};
	uint8_t state;

	if (!pool->state || frame >= pool->frames)
		return nobody;
	state = lab_frame_state(pool, frame);
	if (lab_state_is_lent(state))
		return lab_owner_device(state - LAB_STATE_LENT_FIRST);
	if (!LAB_STATE_IS_HELD(state))
		return nobody;
	for (unsigned i = 0; i < LAB_MAX_PROCESSES; i++) {
		const struct lab_process *p = &pool->priv->shared->process[i];

		if (lab_load(&p->state) != LAB_PROCESS_FREE && p->first == state - LAB_MAX_LCORES &&
		    lab_pool_has_homes(pool->priv))
			return lab_owner_process(lab_load(&p->id));
	}
	return lab_owner_lcore(state - LAB_MAX_LCORES);
}
