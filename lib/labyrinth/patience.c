/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Waiting for frames. Those who free them tell nobody, so that they need no system call: who waits
 * looks again, soon at first and then each millisecond.
 */
#include <errno.h>
#include <time.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_stats.h>

#include "error.h"
#include "patience.h"
#include "watermark.h"

#define FIRST_NAP_NS 20000u
#define LAST_NAP_NS  1000000u

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int lab_patience_can(const struct lab_pool *pool, unsigned wanted)
{
	uint64_t most = pool->frames - pool->priv->plan.places;

	if (wanted <= most)
		return 1;
	lab_fail(
		ENOMEM,
		"pool '%s' never has %u frames for a LAB_GFP_KERNEL caller: at most %llu, beside a "
		"reserve of %u",
		pool->priv->name, wanted, (unsigned long long)most, pool->priv->plan.places);
	return 0;
}

void lab_patience_prepare(struct lab_pool *pool)
{
	struct lab_pool_priv *priv = pool->priv;

	if (priv->grow && lab_watermark_free(pool) < priv->shared->head.min)
		priv->grow(priv);
}

/* The time is over: what there was, and what helps. */
static void give_up(const struct lab_pool *pool, unsigned wanted)
{
	const struct lab_pool_priv *priv = pool->priv;
	struct lab_pool_stats stats;
	const char *what_helps = "let it grow (max_frames)";

	lab_pool_stats(pool, &stats);
	if (priv->grow && stats.total < pool->frames)
		what_helps = "it may grow and could not: lab_keeper_stats() says why";
	else if (priv->grow)
		what_helps = "it has max_frames: raise that";
	lab_fail(ENOMEM,
		 "pool '%s' could not give %u frame%s to a LAB_GFP_KERNEL caller within %u ms: "
		 "%llu of its %llu frames are free, %llu of them in the reserve, and %llu lie in "
		 "caches; %s, or raise timeout_ms",
		 priv->name, wanted, wanted == 1 ? "" : "s", priv->shared->head.timeout_ms,
		 (unsigned long long)stats.free, (unsigned long long)stats.total,
		 (unsigned long long)stats.reserved, (unsigned long long)stats.cached, what_helps);
}

int lab_patience_lasts(struct lab_pool *pool, struct lab_patience *p, unsigned wanted)
{
	struct lab_pool_priv *priv = pool->priv;
	uint32_t timeout_ms = priv->shared->head.timeout_ms;
	uint64_t now = now_ns();

	if (!p->until)
		*p = (struct lab_patience){.until = now + (uint64_t)timeout_ms * 1000000,
					   .nap_ns = FIRST_NAP_NS};
	if (now >= p->until) {
		give_up(pool, wanted);
		return 0;
	}
	if (priv->grow && priv->grow(priv) > 0)
		return 1;
	nanosleep(&(struct timespec){.tv_nsec = (long)p->nap_ns}, NULL);
	p->nap_ns = p->nap_ns * 2 < LAST_NAP_NS ? p->nap_ns * 2 : LAST_NAP_NS;
	return 1;
}
