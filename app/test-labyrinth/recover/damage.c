/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Words of a pool's tables are overwritten, as a process that shares them could: in the frame
 * table, the magazines, the maps, the bundles, the slots. Who goes on with such a pool, or joins it
 * later, gets refusals and runs out of frames, but does not crash, and gets no address that is not
 * a frame's. lab_pool_validate() finds each byte of the frame table that cannot be right; of other
 * damages it is printed how many it finds.
 *
 *	damage ROUNDS [SEED]    0 ROUNDS: one, of a seed that was printed, in this process
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <labyrinth/labyrinth.h>

#include "../net/tap.h"
#include "../work.h"
#include "arena.h"
#include "bundle.h"
#include "pool.h"
#include "share/life.h"
#include "share/process.h"
#include "share/reap.h"

#define FRAMES  1024u
#define AT_ONCE 600u
#define LCORES  6u
#define BYTES   16u /* of the frame table that are overwritten singly in a round */

/* 1 where the library checks each number of a bundle's list when it uses it. */
#ifndef LISTS_ARE_BOUNDED
#define LISTS_ARE_BOUNDED 1
#endif

/* 1 where validate compares what a loose list has with the byte itself. */
#ifndef LISTS_ARE_EXACT
#define LISTS_ARE_EXACT 1
#endif

static struct lab_pool *pool;
static void *held[AT_ONCE + 64];
static unsigned n;

/* Of all rounds, in memory that all processes have. */
static struct {
	uint32_t bytes, named, unsure; /* of the frame table: must be named, were, need not */
	uint32_t pools, found, joined; /* damaged, of which validate says so, joined after that */
} * seen;

static int is_frame(const void *frame)
{
	return lab_frame_index(pool, frame) != LAB_FRAME_NONE;
}

static int work(uint64_t *random, unsigned calls)
{
	for (unsigned i = 0; i < calls; i++) {
		unsigned want = random_below(random, 2) ? 32 : 1 + random_below(random, 40);

		if (random_below(random, 2) && n + want <= AT_ONCE) {
			unsigned got = lab_alloc_burst(pool, held + n, want, 0);

			for (unsigned k = 0; k < got; k++) {
				if (!is_frame(held[n + k]))
					return 0;
			}
			n += got;
		} else if (n) {
			want = want < n ? want : n;
			n -= want;
			lab_free_bulk(pool, held + n, want);
		}
		if (random_below(random, 20) == 0)
			lab_lcore_unregister(pool);
	}
	return 1;
}

/* Any word but those of caches, which are each one thread's own. */
static void overwrite(uint64_t *random)
{
	const struct lab_plan *plan = &pool->priv->plan;
	char *tables = (char *)pool->priv->shared;
	uint64_t at, bundles = plan->bundle + (uint64_t)plan->bundles * LAB_BUNDLE_BYTES;

	do
		at = random_next(random) % plan->bytes & ~3ull;
	while ((at >= plan->cache && at < plan->phys) ||
	       (!LISTS_ARE_BOUNDED && at >= plan->bundle && at < bundles &&
		(at - plan->bundle) % LAB_BUNDLE_BYTES >= 16));
	switch (random_below(random, 4)) {
	case 0:
		*(uint32_t *)(void *)(tables + at) = random_next(random);
		break;
	case 1:
		*(uint32_t *)(void *)(tables + at) ^= 1u << random_below(random, 32);
		break;
	case 2:
		*(uint8_t *)(tables + at) = (uint8_t)random_next(random);
		break;
	default:
		*(uint32_t *)(void *)(tables + at) = ~0u;
	}
}

/* Whether a frame that is @is cannot be @becomes. What a cache took from the depot may say that it
 * is the cache's; one that is held may be anybody's, or lent. */
static int is_decidable(uint8_t is, uint8_t becomes)
{
	if (is == LAB_STATE_BUNDLED)
		return 1;
	/* It may be taken for one of a bundle that is not in use. */
	if (becomes == LAB_STATE_BUNDLED && !LISTS_ARE_EXACT)
		return 0;
	if (LAB_STATE_IS_HELD(is))
		return becomes <= LAB_STATE_FREE_LAST || becomes == LAB_STATE_RETIRED;
	return is != LAB_STATE_DEPOT || becomes > 2;
}

/* One byte at a time, of a pool that is in order otherwise. Return: 1 if all that can be told is.
 */
static int name_bytes(uint64_t *random)
{
	int good = lab_pool_validate(pool) == 0;

	for (unsigned i = 0; i < BYTES && good; i++) {
		uint32_t frame = random_below(random, FRAMES);
		uint8_t is = pool->state[frame], becomes = (uint8_t)random_next(random);
		int named, must = is_decidable(is, becomes);

		if (is == becomes)
			continue;
		pool->state[frame] = becomes;
		named = lab_pool_validate(pool) != 0;
		pool->state[frame] = is;
		__atomic_add_fetch(must ? &seen->bytes : &seen->unsure, 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&seen->named, must && named, __ATOMIC_RELAXED);
		if (must && !named)
			tap_note("frame %u is %u, and %u is not named", frame, is, becomes);
		good = (!must || named) && lab_pool_validate(pool) == 0;
	}
	return good;
}

/* One more process of the pool, for which this handle then is: alive for all others, by a lock of
 * its own. Return: its slot, or NULL. */
static struct lab_process *join(int fd)
{
	struct lab_pool_priv *priv = pool->priv;

	priv->fd[LAB_FD_LIFE] = lab_life_open(fd, 0);
	return lab_process_join(priv, 1) ? NULL : lab_pool_self(pool);
}

/* Instead of the one that a private pool has, two processes. Return: the other. */
static struct lab_process *make_two(int fd)
{
	struct lab_pool_priv *priv = pool->priv;
	struct lab_process *other;
	uint32_t home, first, last;
	int life;

	memset(priv->shared->process, 0, sizeof(priv->shared->process));
	if (!join(fd))
		return NULL;
	home = priv->home;
	first = priv->first;
	last = priv->last;
	life = priv->fd[LAB_FD_LIFE];
	other = join(fd);
	priv->slot = 0;
	priv->home = home;
	priv->first = first;
	priv->last = last;
	priv->fd[LAB_FD_LIFE] = life;
	return other;
}

/* This process leaves, with all that it has, and another joins. */
static void join_anew(int fd)
{
	lab_lcore_unregister(pool);
	n = 0;
	lab_process_leave(pool->priv);
	if (join(fd))
		__atomic_add_fetch(&seen->joined, 1, __ATOMIC_RELAXED);
}

/* In a process of its own, which it may take down. */
static int round_of(uint64_t random)
{
	const struct lab_pool_config config = {.name = "damage",
					       .frames = FRAMES,
					       .page_size = LAB_PAGE_4K,
					       .cache_frames = 64,
					       .max_lcores = LCORES,
					       .flags = LAB_POOL_FALLBACK};
	int fd = lab_metadata_memfd("life", 4096);
	struct lab_pool_stats stats;
	struct lab_process *other;

	pool = lab_pool_create(&config);
	other = pool ? make_two(fd) : NULL;
	if (!other || !work(&random, 200))
		return 2;
	if (!name_bytes(&random))
		return 5;
	for (unsigned words = 1 + random_below(&random, 16); words--;)
		overwrite(&random);
	__atomic_add_fetch(&seen->pools, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&seen->found, lab_pool_validate(pool) != 0, __ATOMIC_RELAXED);
	if (!work(&random, 400))
		return 3;
	lab_pool_stats(pool, &stats);
	lab_pool_census(pool, &stats);
	lab_pool_validate(pool);
	lab_reap_process(pool, other, random_below(&random, 2));
	for (uint32_t frame = 0; frame < FRAMES; frame++)
		lab_frame_owner(pool, frame);
	if (!work(&random, 200))
		return 4;
	join_anew(fd);
	return work(&random, 200) ? 0 : 6;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 500, bad = 0;
	uint64_t random = (argc > 2 ? strtoull(argv[2], NULL, 0) : random_seed()) | 1;

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		return EXIT_FAILURE;
	if (rounds == 0)
		return round_of(random);
	tap_note("seed %" PRIu64, random);
	for (unsigned i = 0; i < rounds && bad < 10; i++) {
		uint64_t seed = ((uint64_t)random_next(&random) << 16) | 1;
		int status = 0;
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			alarm(10);
			_exit(round_of(seed));
		}
		waitpid(pid, &status, 0);
		if (status) {
			bad++;
			tap_note("round %u, seed %" PRIu64 ": status %#x", i, seed, status);
		}
	}
	tap_ok(bad == 0, "overwritten tables crash nobody");
	tap_note("%u rounds, %u bad; %u of %u damaged pools are found to be so, %u were joined",
		 rounds, bad, seen->found, seen->pools, seen->joined);
	tap_ok(seen->named == seen->bytes && seen->bytes > rounds &&
		       seen->found > seen->pools / 2 && seen->joined > seen->pools / 2,
	       "validate names each byte of the frame table that cannot be right");
	tap_note("%u of %u; %u more could be right", seen->named, seen->bytes, seen->unsure);
	return tap_done();
}
