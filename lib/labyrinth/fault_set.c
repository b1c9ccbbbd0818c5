/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Failures on purpose, by call. Knows pools, and that allocations are inlined.
 */
#include <errno.h>

#include "error.h"
#include "fault.h"
#include "lcore.h"
#include "pool.h"
#include "refusal.h"

static int check(const struct lab_pool *pool, enum lab_fault_point point)
{
	if ((unsigned)point >= LAB_FAULT_POINTS)
		return lab_fail(EINVAL, "%d is no point that can fail: see enum lab_fault_point",
				(int)point);
	if (pool && point == LAB_FAULT_CREATE)
		return lab_fail(EINVAL,
				"LAB_FAULT_CREATE is the process's, and not pool '%s''s: pass NULL",
				pool->priv->name);
	if (!pool && point != LAB_FAULT_CREATE && point != LAB_FAULT_MAP)
		return lab_fail(EINVAL,
				"lab_fault_set() needs a pool, but for LAB_FAULT_CREATE and "
				"LAB_FAULT_MAP; NULL was passed");
	return 0;
}

int lab_fault_set(struct lab_pool *pool, enum lab_fault_point point, const struct lab_fault *fault)
{
	int err = check(pool, point);

	if (err)
		return err;
	if (pool && (pool->priv->inherited || pool->priv->observer))
		return lab_refuse_child(pool);
	lab_faults_set(pool ? &pool->priv->faults : &lab_faults_process, point, fault);
	if (point == LAB_FAULT_ALLOC)
		lab_lcore_hide_caches(pool);
	return 0;
}

uint64_t lab_fault_count(const struct lab_pool *pool, enum lab_fault_point point)
{
	const struct lab_faults *f = pool ? &pool->priv->faults : &lab_faults_process;

	if ((unsigned)point >= LAB_FAULT_POINTS)
		return 0;
	/* Relaxed: a counter. */
	return __atomic_load_n(&f->point[point].injected, __ATOMIC_RELAXED);
}
