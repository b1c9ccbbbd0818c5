/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Lending: the steps HELD -> LENT -> HELD, and the table of devices. In an unprotected pool only
 * the counts change.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_frame.h>
#include <labyrinth/lab_lend.h>

#include "bundle.h"
#include "error.h"
#include "frame_table.h"
#include "home.h"
#include "lcore.h"
#include "lend.h"
#include "pool.h"
#include "refusal.h"

int lab_device_register(struct lab_pool *pool, const char *name)
{
	struct lab_slot *device;

	if (!pool)
		return lab_fail(EINVAL, "lab_device_register() needs a pool; NULL was passed");
	if (pool->priv->inherited || pool->priv->observer)
		return lab_refuse_child(pool);
	if (!name || !*name)
		return lab_fail(EINVAL, "a device of pool '%s' needs a name, for messages",
				pool->priv->name);
	device = pool->priv->shared->device;
	for (int i = 0; i < LAB_MAX_DEVICES; i++) {
		uint32_t expected = 0;

		/* Acquire: pairs with the release in lab_device_release(), for the name. */
		if (!__atomic_compare_exchange_n(&device[i].taken, &expected,
						 lab_pool_self(pool)->id, 0, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		lab_label_set(&device[i].name, name, LAB_LABEL_MAX);
		lab_store(&device[i].sending, 0u);
		lab_store(&device[i].since, (uint64_t)time(NULL));
		return i;
	}
	return lab_fail(ENOSPC, "pool '%s' lends to %d devices already: release one first",
			pool->priv->name, LAB_MAX_DEVICES);
}

static __attribute__((cold)) int refuse_device(const struct lab_pool *pool, int device)
{
	char name[LAB_LABEL_MAX];

	if (!pool)
		return lab_fail(EINVAL, "a device needs a pool; NULL was passed");
	if (pool->priv->inherited || pool->priv->observer)
		return lab_refuse_child(pool);
	if (device < 0 || device >= LAB_MAX_DEVICES ||
	    !lab_load(&pool->priv->shared->device[device].taken))
		return lab_fail(ENOENT, "pool '%s' has no device %d", pool->priv->name, device);
	return lab_fail(EPERM,
			"device %d (%s) of pool '%s' is another process's: transfer the frames to "
			"that, and let it lend them",
			device, lab_label_get(&pool->priv->shared->device[device].name, name),
			pool->priv->name);
}

/* Only who registered a device lends to it: so a dead process's lent frames are those of its
 * devices. */
static int check_device(const struct lab_pool *pool, int device)
{
	if (lab_likely(pool && (unsigned)device < LAB_MAX_DEVICES && !pool->priv->inherited &&
		       !pool->priv->observer &&
		       lab_load(&pool->priv->shared->device[device].taken) ==
			       lab_pool_self(pool)->id))
		return 0;
	return refuse_device(pool, device);
}

static uint64_t count_lent(const struct lab_pool *pool, int device)
{
	if (!pool->state)
		return 0;
	return lab_frame_table_count_state(pool->state, pool->frames, LAB_STATE_LENT(device));
}

int lab_device_release(struct lab_pool *pool, int device)
{
	int err = check_device(pool, device);
	uint64_t lent;

	if (err)
		return err;
	lent = count_lent(pool, device);
	if (lent) {
		char name[LAB_LABEL_MAX];

		return lab_fail(
			EBUSY,
			"device %d (%s) still has %llu frames of pool '%s': take them back first",
			device, lab_label_get(&pool->priv->shared->device[device].name, name),
			(unsigned long long)lent, pool->priv->name);
	}
	lab_store(&pool->priv->shared->device[device].sending, 0u);
	/* Release: the slot's next owner sees it as this one left it. */
	__atomic_store_n(&pool->priv->shared->device[device].taken, 0, __ATOMIC_RELEASE);
	return 0;
}

int lab_note_sending(struct lab_pool *pool, int device, uint32_t n)
{
	int err = check_device(pool, device);

	if (lab_unlikely(err))
		return err;
	/* Relaxed: it is for who looks on, and orders nothing. */
	lab_store(&pool->priv->shared->device[device].sending, n < UINT32_MAX ? n + 1 : n);
	return 0;
}

unsigned lab_lend(struct lab_pool *pool, int device, void *const *frames, unsigned n)
{
	struct lab_cache *c = lab_lcore_self(pool);
	unsigned done = 0;

	if (lab_unlikely(!c || check_device(pool, device)))
		return 0;
	for (; pool->state && done < n; done++) {
		uint32_t index = lab_frame_index(pool, frames[done]);

		/* Relaxed: the driver's doorbell or ring index orders it before the device sees it.
		 */
		if (lab_likely(index != LAB_FRAME_NONE) &&
		    lab_likely(LAB_HELD_HERE(c, lab_load(&pool->state[index]))))
			lab_store(&pool->state[index], LAB_STATE_LENT(device));
		else if (index == LAB_FRAME_NONE ||
			 (!lab_bundle_leave(pool, c, index, LAB_STATE_LENT(device)) &&
			  !lab_home_leave(pool, index, LAB_STATE_LENT(device)))) {
			lab_refuse_lend(pool, frames[done]);
			break;
		}
	}
	if (!pool->state)
		done = n;
	lab_store(&c->lent, c->lent + done);
	return done;
}

unsigned lab_take_back(struct lab_pool *pool, int device, void *const *frames, unsigned n)
{
	struct lab_cache *c = lab_lcore_self(pool);
	unsigned done = 0;

	if (lab_unlikely(!c || check_device(pool, device)))
		return 0;
	for (; pool->state && done < n; done++) {
		uint32_t index = lab_frame_index(pool, frames[done]);

		if (lab_unlikely(index == LAB_FRAME_NONE) ||
		    lab_unlikely(lab_load(&pool->state[index]) != LAB_STATE_LENT(device))) {
			lab_refuse_take_back(pool, frames[done], device);
			break;
		}
		lab_store(&pool->state[index], LAB_STATE_HELD(c->lcore));
	}
	if (!pool->state)
		done = n;
	lab_store(&c->taken, c->taken + done);
	return done;
}

/* ---- what a device still has when it is closed ---- */

uint32_t lab_lend_next(const struct lab_pool *pool, int device, uint32_t from)
{
	for (uint64_t i = from; pool->state && i < pool->frames; i++) {
		if (lab_load(&pool->state[i]) == LAB_STATE_LENT(device))
			return (uint32_t)i;
	}
	return LAB_FRAME_NONE;
}

/* Nobody else moves these frames: their device is closed. */
int64_t lab_lend_recall(struct lab_pool *pool, int device)
{
	struct lab_cache *c = lab_lcore_self(pool);
	int64_t n = 0;

	if (!c)
		return -errno;
	for (uint32_t i = 0; (i = lab_lend_next(pool, device, i)) != LAB_FRAME_NONE; i++, n++)
		lab_store(&pool->state[i], LAB_STATE_HELD(c->lcore));
	lab_store(&c->taken, c->taken + (uint64_t)n);
	return n;
}

uint64_t lab_lend_count(const struct lab_pool *pool)
{
	const struct lab_slot *device = pool->priv->shared->device;
	uint64_t n = 0;

	for (int i = 0; i < LAB_MAX_DEVICES; i++) {
		if (lab_load(&device[i].taken) == lab_pool_self(pool)->id)
			n += count_lent(pool, i);
	}
	return n;
}

uint64_t lab_lend_quarantine(struct lab_pool *pool, int device)
{
	uint64_t n = count_lent(pool, device);
	struct lab_cache *c = n ? lab_lcore_self(pool) : NULL;

	if (!c)
		return n;
	/* From now on the device counts them. Who is killed between the two has its counters set
	 * right by its reaper. */
	lab_store(&pool->priv->shared->device[device].quarantined, (uint32_t)n);
	lab_store(&c->taken, c->taken + n);
	return n;
}

static int64_t take_absolved(struct lab_pool *pool, struct lab_cache *c, int device)
{
	int64_t n = 0;

	for (uint32_t i = 0; (i = lab_lend_next(pool, device, i)) != LAB_FRAME_NONE; i++) {
		uint8_t expected = LAB_STATE_LENT(device);

		/* Relaxed: who opened and reset the device, or vouches for it, has ordered that. By
		 * compare-and-swap, should its last driver still take frames back. */
		if (!__atomic_compare_exchange_n(&pool->state[i], &expected,
						 LAB_STATE_HELD(c->lcore), 0, __ATOMIC_RELAXED,
						 __ATOMIC_RELAXED))
			continue;
		lab_free(pool, lab_frame_at(pool, i));
		n++;
	}
	return n;
}

/* 1 if frames are in quarantine for a device of that name. */
static int is_quarantined(const struct lab_slot *slot, const char *name)
{
	char label[LAB_LABEL_MAX];

	return lab_load(&slot->quarantined) &&
	       strncmp(lab_label_get(&slot->name, label), name, LAB_LABEL_MAX) == 0;
}

/*
 * One absolves a device at a time: another would go on looking for its frames while somebody
 * already lends to the next device of the number. Killed on the way, it is the reaper that counts
 * what is left in quarantine (reap.c), and the device is absolved again.
 */
static int64_t absolve(struct lab_pool *pool, int device, const char *name)
{
	struct lab_slot *slot = &pool->priv->shared->device[device];
	uint32_t nobody = 0, self = lab_pool_self(pool)->id;
	struct lab_cache *c = lab_lcore_self(pool);
	int64_t n = 0;

	if (!c)
		return -errno;
	/* Acquire: pairs with the release below, and so what is in quarantine now is this device's.
	 */
	if (!__atomic_compare_exchange_n(&slot->absolver, &nobody, self, 0, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return 0;
	if (is_quarantined(slot, name)) {
		/* For its reaper, should it die. */
		lab_store(&slot->taken, self);
		n = take_absolved(pool, c, device);
		lab_store(&slot->quarantined, 0u);
		/* Release: the slot's next owner sees it as this one left it. */
		lab_store_release(&slot->taken, 0u);
	}
	lab_store_release(&slot->absolver, 0u);
	return n;
}

int64_t lab_device_absolve(struct lab_pool *pool, const char *name)
{
	const struct lab_slot *slot;
	int64_t n = 0, some;

	if (!pool || !name)
		return lab_fail(EINVAL, "lab_device_absolve() needs a pool and a device's name");
	if (pool->priv->inherited || pool->priv->observer)
		return lab_refuse_child(pool);
	slot = pool->priv->shared->device;
	for (int device = 0; device < LAB_MAX_DEVICES; device++) {
		if (!is_quarantined(&slot[device], name))
			continue;
		some = absolve(pool, device, name);
		if (some < 0)
			return some;
		n += some;
	}
	return n;
}
