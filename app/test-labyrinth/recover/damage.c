/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Words of a pool's tables are overwritten, as a process that shares them could: in the frame
 * table, the magazines, the maps, the bundles, the slots. Whoever goes on with such a pool gets
 *refusals and runs out of frames, but does not crash, gets no address that is not a frame's, and
 * lab_pool_validate() finds it.
 *
 *	damage ROUNDS [SEED]    0 ROUNDS: one, of a seed that was printed, in this process
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <labyrinth/labyrinth.h>

#include "../net/tap.h"
#include "../work.h"
#include "pool.h"
#include "share/process.h"
#include "share/reap.h"

#define FRAMES  1024u
#define AT_ONCE 600u
#define LCORES  4u

static struct lab_pool *pool;

static int is_frame(const void *frame)
{
	return lab_frame_index(pool, frame) != LAB_FRAME_NONE;
}

static int work(uint64_t *random, unsigned calls)
{
	static void *held[AT_ONCE + 64];
	static unsigned n;

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

/* Any word but those of caches, which are each one thread's own, and of lists within bundles. */
static void overwrite(uint64_t *random)
{
	const struct lab_plan *plan = &pool->priv->plan;
	char *tables = (char *)pool->priv->shared;
	uint64_t at, bundles = plan->bundle + (uint64_t)plan->bundles * 144;

	do
		at = random_next(random) % plan->bytes & ~3ull;
	while ((at >= plan->cache && at < plan->phys) ||
	       (at >= plan->bundle && at < bundles && (at - plan->bundle) % 144 >= 16));
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

/* In a process of its own, which it may take down. */
static int round_of(uint64_t random)
{
	const struct lab_pool_config config = {.name = "damage",
					       .frames = FRAMES,
					       .page_size = LAB_PAGE_4K,
					       .cache_frames = 64,
					       .max_lcores = LCORES,
					       .flags = LAB_POOL_FALLBACK};
	struct lab_pool_stats stats;
	struct lab_process *other;

	pool = lab_pool_create(&config);
	if (!pool || !work(&random, 200))
		return 2;
	/* Another process, with two of the lcores. */
	other = &pool->priv->shared->process[1];
	*other = (struct lab_process){
		.state = LAB_PROCESS_ACTIVE, .first = 3, .lcores = 2, .id = 33};
	for (unsigned n = 1 + random_below(&random, 16); n--;)
		overwrite(&random);
	if (!work(&random, 400))
		return 3;
	lab_pool_stats(pool, &stats);
	lab_pool_census(pool, &stats);
	lab_pool_validate(pool);
	lab_reap_process(pool, other, random_below(&random, 2));
	for (uint32_t frame = 0; frame < FRAMES; frame++)
		lab_frame_owner(pool, frame);
	return work(&random, 200) ? 0 : 4;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 500, bad = 0;
	uint64_t random = (argc > 2 ? strtoull(argv[2], NULL, 0) : random_seed()) | 1;

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
	tap_note("%u rounds, %u bad", rounds, bad);
	return tap_done();
}
