/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A process is killed while it creates a shared pool, or attaches to one, or leaves it: at each of
 * its system calls, before and behind it (what others see of a pool that is being made are files,
 * sockets and locks), and at random instants. Then a pool of the same name can be created, or
 * attached to, and is whole; and in the end nothing is left in the run-time directory.
 *
 *	founding RANDOM-KILLS [SEED]
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/ptrace.h>

#include "../net/tap.h"
#include "../work.h"
#include "crew.h"

#define FRAMES   256u
#define NAME     "founding"
#define MOST_BAD 5u
#define LIMIT_S  20u /* of a process that is not killed */

static struct lab_pool *create(void)
{
	const struct lab_pool_config config = {.name = NAME,
					       .frames = FRAMES,
					       .page_size = LAB_PAGE_4K,
					       .cache_frames = 64,
					       .max_lcores = 24,
					       .lcores = 1,
					       .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};

	return lab_pool_create(&config);
}

static struct lab_pool *attach(void)
{
	const struct lab_attach_config config = {
		.name = NAME, .lcores = 1, .flags = LAB_POOL_FALLBACK};

	return lab_pool_attach(&config);
}

/* What a process says of itself, in memory that all have. */
static void say(const char *what)
{
	snprintf(crew->member[0].said, sizeof(crew->member[0].said), "%s: %.200s", what,
		 lab_error_text());
}

/* ---- in processes of their own; each returns 1 if all is well ---- */

/* To be killed on the way. */
static int found_and_leave(void)
{
	struct lab_pool *pool = create();

	if (!pool)
		say("create, the victim");
	return pool && lab_pool_destroy(pool) == 0;
}

static int enter_and_leave(void)
{
	struct lab_pool *pool = attach();
	void *frames[40];

	if (!pool)
		say("attach, the victim");
	if (pool)
		lab_alloc_burst(pool, frames, 40, 0);
	return pool && lab_pool_destroy(pool) >= 0;
}

static int is_whole(struct lab_pool *pool)
{
	struct lab_pool_stats stats;
	void *frames[64];
	int good;

	if (lab_alloc_bulk(pool, frames, 64, 0) || lab_free_bulk(pool, frames, 64))
		return 0;
	lab_lcore_unregister(pool);
	good = lab_pool_reap(pool) >= 0 && lab_pool_validate(pool) == 0;
	lab_pool_stats(pool, &stats);
	return good && stats.free == FRAMES;
}

/* Whoever comes next finds everything as if nothing had been: with a second process beside it. */
static int create_anew(void)
{
	struct lab_pool *pool = create(), *second = pool ? attach() : NULL;
	int good = pool && second && is_whole(pool);

	if (!good)
		say("after it was killed");
	if (second && lab_pool_destroy(second))
		good = 0;
	return (!pool || lab_pool_destroy(pool) == 0) && good;
}

static int attach_anew(void)
{
	struct lab_pool *pool = attach();
	int good = pool && is_whole(pool);

	if (!good)
		say("after it was killed");
	return (!pool || lab_pool_destroy(pool) == 0) && good;
}

/* ---- in the one that kills, which has no pool ---- */

static pid_t start(int (*body)(void), int traced)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(LIMIT_S);
		if (traced) {
			ptrace(PTRACE_TRACEME, 0, NULL, NULL);
			raise(SIGSTOP);
		}
		_exit(body() ? 0 : 1);
	}
	return pid;
}

static int succeeds(int (*body)(void))
{
	pid_t pid = start(body, 0);
	int status = 1;

	return waitpid(pid, &status, 0) == pid && status == 0;
}

/* Lets it go to its n-th stop at a system call, and kills it. Return: 0 if it ended before. */
static int kill_at_call(int (*body)(void), unsigned nth)
{
	pid_t pid = start(body, 1);
	int status = 0;

	waitpid(pid, &status, 0);
	for (unsigned i = 0; i < nth && WIFSTOPPED(status); i++) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid)
			return 0;
	}
	if (!WIFSTOPPED(status))
		return 0;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return 1;
}

static void kill_at_random(int (*body)(void), uint64_t *random, uint32_t most_us)
{
	pid_t pid = start(body, 0);

	usleep(random_below(random, most_us));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static unsigned files_left(void)
{
	DIR *dir = opendir(crew_dir);
	struct dirent *entry;
	unsigned n = 0;

	while (dir && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (n++ < 3)
			tap_note("left: %s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return n;
}

struct outcome {
	unsigned kills, bad;
};

static void look(struct outcome *outcome, int (*body)(void), const char *when, unsigned nth)
{
	outcome->kills++;
	crew->member[0].said[0] = '\0';
	if (succeeds(body))
		return;
	outcome->bad++;
	tap_note("%s %u: %s", when, nth, crew->member[0].said);
}

/* All system calls of what is killed, and then random instants. */
static struct outcome sweep(int (*victim)(void), int (*next)(void), unsigned kills,
			    uint64_t *random)
{
	struct outcome outcome = {0};
	double began;
	uint32_t most_us;

	for (unsigned nth = 1; outcome.bad < MOST_BAD && kill_at_call(victim, nth); nth++)
		look(&outcome, next, "killed at stop", nth);
	tap_note("%u stops at system calls", outcome.kills);
	began = seconds_now();
	succeeds(victim);
	most_us = (uint32_t)((seconds_now() - began) * 1e6) + 1000;
	for (unsigned i = 0; i < kills && outcome.bad < MOST_BAD; i++) {
		kill_at_random(victim, random, most_us);
		look(&outcome, next, "random kill", i);
	}
	return outcome;
}

/* Keeps a pool while others come and are killed. */
static int keep_it(void)
{
	struct lab_pool *pool = create();

	alarm(0);
	if (!pool)
		say("create, the one that stays");
	__atomic_store_n(&crew->member[1].paused, pool ? 1 : 2, __ATOMIC_RELEASE);
	while (pool && !__atomic_load_n(&crew->order, __ATOMIC_ACQUIRE))
		usleep(1000);
	return pool && is_whole(pool) && lab_pool_destroy(pool) == 0;
}

int main(int argc, char **argv)
{
	unsigned kills = argc > 1 ? (unsigned)atoi(argv[1]) : 50;
	uint64_t random = (argc > 2 ? strtoull(argv[2], NULL, 0) : random_seed()) | 1;
	struct outcome outcome;
	int status = 1;
	pid_t pid;

	tap_note("seed %" PRIu64, random);
	if (!crew_begin()) {
		printf("Bail out! no directory\n");
		return EXIT_FAILURE;
	}
	outcome = sweep(found_and_leave, create_anew, kills, &random);
	tap_ok(outcome.bad == 0 && outcome.kills > kills + 40,
	       "killed while it creates a pool: the name is the next one's, and the pool is whole");
	tap_note("%u kills, %u bad", outcome.kills, outcome.bad);
	tap_ok(files_left() == 0, "and it leaves nothing in the run-time directory");
	pid = start(keep_it, 0);
	while (!__atomic_load_n(&crew->member[1].paused, __ATOMIC_ACQUIRE))
		usleep(1000);
	outcome = sweep(enter_and_leave, attach_anew, kills, &random);
	tap_ok(outcome.bad == 0 && outcome.kills > kills + 40,
	       "killed while it attaches: others attach, and the pool is whole");
	tap_note("%u kills, %u bad", outcome.kills, outcome.bad);
	__atomic_store_n(&crew->order, 1, __ATOMIC_RELEASE);
	tap_ok(waitpid(pid, &status, 0) == pid && status == 0, "as it is for the one that stayed");
	tap_ok(files_left() == 0 && rmdir(crew_dir) == 0, "and nothing is left");
	return tap_done();
}
