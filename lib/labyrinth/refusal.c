/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Refusals. On the data path, but the cold side of it: no system call, no lock, no allocation.
 */
#include <errno.h>
#include <stdio.h>

#include <labyrinth/lab_error.h>
#include <labyrinth/lab_frame.h>
#include <labyrinth/lab_lcore.h>

#include "bundle.h"
#include "error.h"
#include "frame_table.h"
#include "place.h"
#include "pool.h"
#include "refusal.h"

static void describe_held(const struct lab_pool_priv *priv, unsigned lcore, char *buf, size_t len)
{
	const struct lab_shared *shared = priv->shared;
	char name[LAB_LABEL_MAX], process[LAB_LABEL_MAX];

	lab_label_get(&shared->slot[lcore].name, name);
	for (unsigned i = 0; i < LAB_MAX_PROCESSES && lab_pool_is_shared(priv); i++) {
		const struct lab_process *p = &shared->process[i];

		if (i == priv->slot || !lab_load(&p->state) || lcore - p->first >= p->lcores)
			continue;
		lab_label_get(&p->name, process);
		if (lcore == p->first)
			snprintf(buf, len, "held by process %u (%s)", p->pid, process);
		else
			snprintf(buf, len, "held by lcore %u (%s) of process %u (%s)", lcore, name,
				 p->pid, process);
		return;
	}
	if (lcore == priv->home)
		snprintf(buf, len, "held by this process");
	else
		snprintf(buf, len, "held, allocated by lcore %u (%s)", lcore, name);
}

/* "held, allocated by lcore 3 (rx)" and the like. */
static const char *describe(const struct lab_pool *pool, uint8_t state, char *buf, size_t len)
{
	const struct lab_shared *shared = pool->priv->shared;
	char name[LAB_LABEL_MAX];

	if (state == LAB_STATE_DEPOT)
		snprintf(buf, len, "free, in the depot or just out of it");
	else if (state == LAB_STATE_RETIRED)
		snprintf(buf, len, "retired");
	else if (lab_state_is_free(state))
		snprintf(buf, len, "free, in the cache of lcore %u (%s)", state,
			 lab_label_get(&shared->slot[state].name, name));
	else if (LAB_STATE_IS_HELD(state))
		describe_held(pool->priv, state - LAB_MAX_LCORES, buf, len);
	else
		snprintf(buf, len, "lent to device %u (%s)", state - LAB_STATE_LENT_FIRST,
			 lab_label_get(&shared->device[state - LAB_STATE_LENT_FIRST].name, name));
	return buf;
}

static int report(struct lab_pool *pool, enum lab_refusal_kind kind, const void *address,
		  uint32_t frame, uint8_t state, int err)
{
	struct lab_pool_priv *priv = pool->priv;
	unsigned lcore = lab_lcore_id(pool);
	struct lab_refusal refusal = {.kind = kind,
				      .address = address,
				      .frame = frame,
				      .lcore = lcore,
				      .state = state,
				      .text = lab_error_text()};

	if (lcore) {
		struct lab_cache *cache = lab_pool_cache(pool, lcore);

		lab_store(&cache->refused[kind], cache->refused[kind] + 1);
	} else {
		/* Relaxed: a counter that several threads share and nothing depends on. */
		__atomic_fetch_add(&priv->shared->refused_nowhere[kind], 1, __ATOMIC_RELAXED);
	}
	if (priv->on_refusal)
		priv->on_refusal(pool, &refusal, priv->on_refusal_arg);
	return -err;
}

/* An address that is no frame of this pool: say whose it is. */
static int refuse_address(struct lab_pool *pool, const void *address, const char *attempt)
{
	char name[LAB_NAME_MAX];
	uint32_t frame;
	uint64_t off = (uint64_t)((uintptr_t)address - (uintptr_t)pool->base);

	if (off < pool->frames << LAB_FRAME_SHIFT) {
		frame = (uint32_t)(off >> LAB_FRAME_SHIFT);
		lab_fail(
			EINVAL,
			"%s of %p refused: it lies %u bytes inside frame %u of pool '%s'; pass the "
			"frame's first byte",
			attempt, address, (unsigned)(off & (LAB_FRAME_SIZE - 1)), frame,
			pool->priv->name);
		return report(pool, LAB_REFUSED_INSIDE, address, frame, 0, EINVAL);
	}
	if (!address) {
		lab_fail(EFAULT, "%s of NULL refused: it is no frame of pool '%s'", attempt,
			 pool->priv->name);
		return report(pool, LAB_REFUSED_OUTSIDE, address, LAB_FRAME_NONE, 0, EFAULT);
	}
	if (lab_place_of(address, name, &frame)) {
		lab_fail(EXDEV, "%s of %p refused: it is frame %u of pool '%s', not of pool '%s'",
			 attempt, address, frame, name, pool->priv->name);
		return report(pool, LAB_REFUSED_OTHER_POOL, address, LAB_FRAME_NONE, 0, EXDEV);
	}
	lab_fail(EFAULT,
		 "%s of %p refused: it lies in no pool of this process (pool '%s' is %p..%p)",
		 attempt, address, pool->priv->name, (void *)pool->base,
		 (void *)(pool->base + (pool->frames << LAB_FRAME_SHIFT)));
	return report(pool, LAB_REFUSED_OUTSIDE, address, LAB_FRAME_NONE, 0, EFAULT);
}

static int refuse_state(struct lab_pool *pool, const void *address, uint32_t frame, uint8_t state,
			const char *attempt, enum lab_refusal_kind kind, int err)
{
	char where[128], name[LAB_LABEL_MAX] = "none";
	unsigned lcore = lab_lcore_id(pool);

	if (lcore)
		lab_label_get(&pool->priv->shared->slot[lcore].name, name);

	lab_fail(err, "%s of frame %u of pool '%s' by lcore %u (%s) refused: it is %s", attempt,
		 frame, pool->priv->name, lcore, name, describe(pool, state, where, sizeof(where)));
	return report(pool, kind, address, frame, state, err);
}

static int refuse_give(struct lab_pool *pool, const void *frame, const char *attempt,
		       enum lab_refusal_kind when_free)
{
	uint32_t index = lab_frame_index(pool, frame);
	uint8_t state;

	if (index == LAB_FRAME_NONE || !pool->state)
		return refuse_address(pool, frame, attempt);
	state = lab_frame_state(pool, index);
	if (lab_state_is_lent(state))
		return refuse_state(pool, frame, index, state, attempt, LAB_REFUSED_LENT, EBUSY);
	if (state == LAB_STATE_RETIRED)
		return refuse_state(pool, frame, index, state, attempt, LAB_REFUSED_RETIRED, EPERM);
	if (LAB_STATE_IS_HELD(state))
		return refuse_state(pool, frame, index, state, attempt, LAB_REFUSED_FOREIGN, EPERM);
	return refuse_state(pool, frame, index, state, attempt, when_free, EALREADY);
}

int lab_refuse_free(struct lab_pool *pool, const void *frame)
{
	return refuse_give(pool, frame, "free", LAB_REFUSED_DOUBLE_FREE);
}

int lab_refuse_lend(struct lab_pool *pool, const void *frame)
{
	return refuse_give(pool, frame, "lend", LAB_REFUSED_NOT_HELD);
}

int lab_refuse_transfer(struct lab_pool *pool, const void *frame)
{
	return refuse_give(pool, frame, "transfer", LAB_REFUSED_NOT_HELD);
}

int lab_refuse_accept(struct lab_pool *pool, const void *frame)
{
	return refuse_give(pool, frame, "accepting", LAB_REFUSED_NOT_HELD);
}

int lab_refuse_retire(struct lab_pool *pool, const void *frame)
{
	uint32_t index = lab_frame_index(pool, frame);

	if (index == LAB_FRAME_NONE)
		return refuse_address(pool, frame, "retirement");
	return refuse_state(pool, frame, index, LAB_STATE_RETIRED, "retirement",
			    LAB_REFUSED_RETIRED, EALREADY);
}

int lab_refuse_take_back(struct lab_pool *pool, const void *frame, int device)
{
	uint32_t index = lab_frame_index(pool, frame);
	char attempt[80], name[LAB_LABEL_MAX];

	snprintf(attempt, sizeof(attempt), "take-back from device %d (%.31s)", device,
		 lab_label_get(&pool->priv->shared->device[device].name, name));
	if (index == LAB_FRAME_NONE || !pool->state)
		return refuse_address(pool, frame, attempt);
	return refuse_state(pool, frame, index, lab_frame_state(pool, index), attempt,
			    LAB_REFUSED_NOT_LENT, EPERM);
}

int lab_refuse_child(const struct lab_pool *pool)
{
	if (pool->priv->observer)
		return lab_fail(EROFS,
				"pool '%s' is only looked at by this process: lab_pool_attach() to "
				"use it",
				pool->priv->name);
	return lab_fail(EPERM,
			"pool '%s' belongs to the process that made it: a child of fork() has no "
			"access to its frames",
			pool->priv->name);
}

void lab_report_duplicate(struct lab_pool *pool, uint32_t frame)
{
	uint8_t state = lab_frame_state(pool, frame);
	char where[128];
	int saved =
		errno; /* the call that met it goes on, and may find nothing: no error of its own */

	lab_fail(EALREADY,
		 "frame %u of pool '%s' was freed twice in the same instant: one entry is dropped, "
		 "the "
		 "frame is %s",
		 frame, pool->priv->name, describe(pool, state, where, sizeof(where)));
	report(pool, LAB_DROPPED_DUPLICATE, lab_frame_at(pool, frame), frame, state, EALREADY);
	errno = saved;
}

void lab_report_damage(struct lab_pool *pool, uint32_t magazine)
{
	char what[32] = "a bundle";

	if (magazine != LAB_FRAME_NONE)
		snprintf(what, sizeof(what), "magazine %u", magazine);
	lab_fail(EUCLEAN,
		 "%s of pool '%s' lists frames that there are not: something has overwritten the "
		 "tables; its frames stay out of use",
		 what, pool->priv->name);
	report(pool, LAB_DROPPED_DAMAGED, NULL, LAB_FRAME_NONE, 0, EUCLEAN);
}
