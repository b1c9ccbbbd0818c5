/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What if it were killed here? A process joins a pool, allocates, frees, lends, transfers, and
 * leaves, and is single-stepped through all of it. After each instruction the tables are copied, as
 * they would be left, and the copy is reaped: not a frame may be lost or listed twice. Nobody dies,
 * so that hundreds of thousands of instants take seconds. Then the same with the one that reaps,
 * from some of these instants on.
 *
 *	sweep [SEED [PAGES]]    PAGES: of how many instants who reaps goes on, at most 64
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <labyrinth/labyrinth.h>

#include "../net/tap.h"
#include "../work.h"
#include "arena.h"
#include "lcore.h"
#include "share/life.h"
#include "share/process.h"
#include "share/reap.h"
#include "tables.h"

#define FRAMES   192u
#define CACHE    64u
#define LCORES   4u
#define SURVIVOR 0u /* its slot; it has lcores 1 and 2 */
#define VICTIM   1u /* lcores 3 and 4 */
#define AT_ONCE  176u
#define CALLS    100u
#define PAGES    64u
#define MOST_BAD 10u

static struct lab_pool *pool, *copy;
static void *tables, *copied;
static size_t bytes;

/* A pool whose tables a child shares, and a second handle for the copies. */
static int prepare(uint32_t flags)
{
	const struct lab_pool_config config = {.name = "sweep",
					       .frames = FRAMES,
					       .page_size = LAB_PAGE_4K,
					       .cache_frames = CACHE,
					       .max_lcores = LCORES,
					       .flags = flags};
	const struct lab_process survivor = {.state = LAB_PROCESS_ACTIVE,
					     .first = 1,
					     .lcores = 2,
					     .id = LAB_MAX_PROCESSES + SURVIVOR};
	struct lab_pool_priv *priv;
	int fd;

	pool = lab_pool_create(&config);
	copy = lab_pool_create(&config);
	if (!pool || !copy)
		return 0;
	priv = pool->priv;
	bytes = priv->meta_bytes;
	fd = lab_metadata_memfd("sweep", bytes);
	tables = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memcpy(tables, priv->shared, bytes);
	lab_tables_point_at(priv, tables);
	/* The survivor is alive for who looks through another description of the file. */
	lab_life_take(lab_life_open(fd, 0), SURVIVOR);
	priv->fd[LAB_FD_TABLES] = fd;
	priv->fd[LAB_FD_LIFE] = lab_life_open(fd, 0);
	memset(priv->shared->process, 0, sizeof(priv->shared->process));
	priv->shared->process[SURVIVOR] = survivor;
	/* The copies list addresses of the first pool's frames: so both are at one address. */
	copied = copy->priv->shared;
	copy->base = pool->base;
	lab_tables_point_at(copy->priv, copied);
	return 1;
}

/* All that a thread holds comes back singly, and in no order. */
static unsigned scatter(void **held, unsigned n, uint64_t *random)
{
	while (n) {
		unsigned i = random_below(random, n);
		void *frame = held[i];

		held[i] = held[--n];
		lab_free(pool, frame);
	}
	return 0;
}

/* Calls of all kinds, of all sizes, so that caches fill and run dry. */
static void work(uint64_t random)
{
	const struct lab_owner survivor = lab_owner_process(LAB_MAX_PROCESSES + SURVIVOR);
	int device = lab_device_register(pool, "device");
	void *held[AT_ONCE + 64];
	unsigned n = 0;

	for (unsigned i = 0; i < CALLS; i++) {
		unsigned want = 1 + random_below(&random, 40);

		if (random_below(&random, 3) == 0)
			want = 32;
		if (random_below(&random, 2) && n + want <= AT_ONCE) {
			if (random_below(&random, 4) == 0)
				n += lab_alloc_burst(pool, held + n, want, 0);
			else if (lab_alloc_bulk(pool, held + n, want, 0) == 0)
				n += want;
		} else if (n && random_below(&random, 4) == 0) {
			lab_free(pool, held[--n]);
		} else if (n) {
			want = want < n ? want : n;
			n -= want;
			/* From the middle, so that blocks are scattered. */
			if (n && random_below(&random, 2)) {
				void *swap = held[n];

				held[n] = held[0];
				held[0] = swap;
			}
			lab_free_bulk(pool, held + n, want);
		}
		if (random_below(&random, 8) == 0)
			n = scatter(held, n, &random);
		if (random_below(&random, 16) == 0)
			lab_lcore_unregister(pool);
		if (n && random_below(&random, 24) == 0)
			n -= lab_transfer(pool, survivor, held + n - 1, 1);
		if (n && random_below(&random, 8) == 0 && lab_lend(pool, device, held, 2 % n) &&
		    random_below(&random, 2))
			lab_take_back(pool, device, held, 2 % n);
		while (n && lab_frame_owner(pool, lab_frame_index(pool, held[0])).kind ==
				    LAB_OWNER_DEVICE)
			memmove(held, held + 1, --n * sizeof(held[0]));
	}
}

/* As fork(), but without the handlers, which take the pool away from a child. Stopped at once. */
static pid_t start(void (*body)(uint64_t), uint64_t seed)
{
	pid_t pid = (pid_t)syscall(SYS_fork);
	int status;

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		body(seed);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return pid;
}

static void victim(uint64_t seed)
{
	if (lab_process_join(pool->priv, 1) == 0) {
		work(seed);
		lab_process_leave(pool->priv);
	}
}

static void reaper(uint64_t unused)
{
	struct lab_process *dead = &pool->priv->shared->process[VICTIM];

	(void)unused;
	if (dead->state != LAB_PROCESS_FREE)
		lab_reap_process(pool, dead, 1);
}

/* 1 if nothing is lost when the copy is reaped. */
static int reaped_well(uint64_t instant)
{
	struct lab_pool_stats stats, census;
	struct lab_process *dead = &copy->priv->shared->process[VICTIM];

	memcpy(copied, tables, bytes);
	if ((dead->state != LAB_PROCESS_FREE && lab_reap_process(copy, dead, 1) < 0) ||
	    lab_pool_validate(copy)) {
		tap_note("instant %" PRIu64 ": %s", instant, lab_error_text());
		return 0;
	}
	lab_pool_stats(copy, &stats);
	lab_pool_census(copy, &census);
	/* What is held was transferred to the survivor. */
	if (stats.cached == 0 && stats.free == census.free && stats.held == census.held &&
	    stats.lent == census.lent && stats.lent == stats.quarantined)
		return 1;
	tap_note("instant %" PRIu64 ": %" PRIu64 " free, %" PRIu64 " cached, %" PRIu64
		 " held, %" PRIu64 " lent, %" PRIu64 " quarantined; counted %" PRIu64 ", %" PRIu64
		 ", %" PRIu64,
		 instant, stats.free, stats.cached, stats.held, stats.lent, stats.quarantined,
		 census.free, census.held, census.lent);
	return 0;
}

/* What a program left at some instants, for others to begin with. */
struct album {
	char *page[PAGES];
	unsigned pages, most;
	uint64_t random;
};

/* Each page is any of all instants with the same chance (reservoir sampling). */
static void keep(struct album *album, uint64_t instant)
{
	uint64_t at = instant < album->most ? instant
					    : random_next(&album->random) % (uint32_t)(instant + 1);

	if (at >= album->most)
		return;
	if (!album->page[at]) {
		album->page[at] = malloc(bytes);
		album->pages++;
	}
	memcpy(album->page[at], tables, bytes);
}

/* Steps a program through all of it. Return: the instants; the bad ones are added to @bad. */
static uint64_t sweep(void (*body)(uint64_t), uint64_t seed, struct album *album, uint64_t *bad)
{
	pid_t pid = start(body, seed);
	uint64_t instant = 0;
	int status = 0;

	for (;; instant++) {
		if (!reaped_well(instant) && ++*bad > MOST_BAD)
			break;
		if (album)
			keep(album, instant);
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid ||
		    !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
			break;
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		tap_note("instant %" PRIu64 ": it did not end by itself (%#x)", instant, status);
		++*bad;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	return instant;
}

int main(int argc, char **argv)
{
	struct album album = {.random = argc > 1 ? strtoull(argv[1], NULL, 0) : random_seed()};
	uint64_t bad = 0, instants;

	album.most = argc > 2 ? (unsigned)atoi(argv[2]) % (PAGES + 1) : 3;
	if (!prepare(0)) {
		printf("Bail out! %s\n", lab_error_text());
		return EXIT_FAILURE;
	}
	tap_note("seed %" PRIu64 ", %zu bytes of tables", album.random, bytes);
	instants = sweep(victim, album.random, &album, &bad);
	tap_ok(bad == 0 && instants > 10000, "killed at any instruction, nothing is lost");
	tap_note("%" PRIu64 " instants, %" PRIu64 " bad", instants, bad);
	bad = instants = 0;
	for (unsigned i = 0; i < album.pages && bad <= MOST_BAD; i++) {
		memcpy(tables, album.page[i], bytes);
		instants += sweep(reaper, 0, NULL, &bad);
		free(album.page[i]);
	}
	tap_ok(bad == 0 && instants > 1000, "nor when who reaps is killed at any instruction, too");
	tap_note("%" PRIu64 " instants after %u of the first, %" PRIu64 " bad", instants,
		 album.pages, bad);
	return tap_done();
}
