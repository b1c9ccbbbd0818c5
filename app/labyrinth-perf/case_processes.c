/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * shared, transfer, reap: what it costs that several processes have a pool. Method:
 *
 *  shared    two that hold 1024 frames, taken and given by 32, at once, on two CPUs: this process
 *            and a second one where the subject can be shared, two threads of this one where not.
 *            The figure is this process's first lane's nanoseconds by frame.
 *  transfer  bursts of 32 that one process allocates and transfers, and another accepts and frees;
 *            both are handles of this process, at two addresses, on one lane. The figures are
 *            nanoseconds by frame of the transfer, of the accepting, and of all four steps.
 *  reap      a second process allocates 100000 frames (nine tenths of the pool where that is less,
 *            as with --quick) and is killed (SIGKILL). The figure is the time from when it is gone
 * until lab_pool_reap() has given back all of them.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <labyrinth/labyrinth.h>

#include "bench.h"

#define REAPED 100000u

/* A process that attaches to a subject's pool, and is told apart from one that could not. */
struct second {
	pid_t pid;
	volatile int *ready; /* 1: it runs; -1: it could not */
};

typedef void (*second_fn)(struct lab_pool *pool, const struct subject *subject,
			  volatile int *ready);

/* The second of the CPUs that this process may use, as the team's second lane. */
static void take_second_cpu(void)
{
	cpu_set_t may, one;
	int n = 0;

	sched_getaffinity(0, sizeof(may), &may);
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &may) && n++ == 1)
			CPU_SET(cpu, &one);
	}
	if (CPU_COUNT(&one))
		sched_setaffinity(0, sizeof(one), &one);
}

static bool second_start(struct second *second, const struct subject *subject, const char *name,
			 second_fn body, char *why, size_t why_size)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	second->ready = page;
	second->pid = fork();
	if (second->pid == 0) {
		const struct lab_attach_config config = {
			.name = name, .lcores = 1, .flags = LAB_POOL_FALLBACK};
		struct lab_pool *pool;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pool = lab_pool_attach(&config);
		if (pool)
			body(pool, subject, second->ready);
		snprintf((char *)page + 64, 512, "%s", lab_error_text());
		*second->ready = -1;
		_exit(1);
	}
	while (*second->ready == 0 && waitpid(second->pid, NULL, WNOHANG) == 0)
		usleep(100);
	if (*second->ready == 1)
		return true;
	snprintf(why, why_size, "the second process could not: %s", (char *)page + 64);
	munmap(page, 4096);
	return false;
}

static void second_kill(struct second *second)
{
	kill(second->pid, SIGKILL);
	waitpid(second->pid, NULL, 0);
	munmap((void *)(uintptr_t)second->ready, 4096);
}

/* ---- shared ---- */

static void hold_forever(struct lab_pool *pool, const struct subject *subject, volatile int *ready)
{
	static void *held[HELD_FRAMES];
	static bool stop;
	struct lane lane = {.pool = pool, .n = BURST, .steps = 1, .held = held, .stop = &stop};

	take_second_cpu();
	subject->loops->held(&lane);
	*ready = lane.failed ? -1 : 1;
	for (lane.steps = 1000; !lane.failed;)
		subject->loops->held(&lane);
}

bool round_shared(const struct bench *bench, const struct bench_case *c,
		  const struct subject *subject, void *pool, double *out, char *why,
		  size_t why_size)
{
	const loop_fn loops[2] = {subject->loops->held, subject->loops->held};
	struct lane *lane = team_lane(bench->team, 0);
	struct second second;
	unsigned lanes = subject->processes ? 1 : 2;

	if (subject->processes &&
	    !second_start(&second, subject, lab_pool_name(pool), hold_forever, why, why_size))
		return false;
	for (unsigned i = 0; i < lanes; i++) {
		team_lane(bench->team, i)->n = c->n;
		team_lane(bench->team, i)->steps = c->steps;
	}
	team_run_timed(bench->team, lanes, loops, c->steps / 8 + 1);
	if (subject->processes) {
		second_kill(&second);
		lab_pool_reap(pool);
	}
	if (!bench_ok(bench, c, subject, why, why_size))
		return false;
	out[0] = lane->ns / (double)lane->frames;
	return true;
}

/* ---- transfer ---- */

static struct lab_pool *other; /* the second handle of lane->pool */

/* Leaves the two parts' times in lane->hist's place: sums are enough. */
static double transfer_ns, accept_ns;

static void loop_transfer(struct lane *lane)
{
	struct lab_owner to = lab_owner_process(lab_process_id(other));
	struct lab_pool *pool = lane->pool;
	void *frames[BURST], *there[BURST];
	double at[3];

	for (uint64_t i = 0; i < lane->steps; i++) {
		if (lab_alloc_bulk(pool, frames, BURST, LAB_GFP_ATOMIC)) {
			lane->failed = true;
			return;
		}
		at[0] = (double)cycles_fenced();
		lane->failed |= lab_transfer(pool, to, frames, BURST) != BURST;
		at[1] = (double)cycles_fenced();
		for (unsigned k = 0; k < BURST; k++)
			there[k] = lab_frame_at(other, lab_frame_index(pool, frames[k]));
		at[2] = (double)cycles_fenced();
		lane->failed |= lab_accept(other, there, BURST) != BURST;
		accept_ns += (double)cycles_fenced() - at[2];
		transfer_ns += at[1] - at[0];
		lane->failed |= lab_free_bulk(other, there, BURST) != 0;
	}
	lane->frames += lane->steps * BURST;
}

bool round_transfer(const struct bench *bench, const struct bench_case *c,
		    const struct subject *subject, void *pool, double *out, char *why,
		    size_t why_size)
{
	const struct lab_attach_config config = {
		.name = lab_pool_name(pool), .lcores = 2, .flags = LAB_POOL_FALLBACK};
	const loop_fn loops[1] = {loop_transfer};
	struct lane *lane = team_lane(bench->team, 0);
	uint64_t bursts = c->steps + c->steps / 8 + 1;

	other = lab_pool_attach(&config);
	if (!other) {
		snprintf(why, why_size, "%s", lab_error_text());
		return false;
	}
	lane->steps = c->steps;
	transfer_ns = accept_ns = 0;
	team_run_timed(bench->team, 1, loops, c->steps / 8 + 1);
	team_each(bench->team, subject->leave, other);
	lab_pool_destroy(other);
	if (!bench_ok(bench, c, subject, why, why_size))
		return false;
	/* The sums are of the warm-up, too. */
	out[0] = transfer_ns / bench->cycles_per_ns / (double)bursts / BURST;
	out[1] = accept_ns / bench->cycles_per_ns / (double)bursts / BURST;
	out[2] = lane->ns / (double)lane->frames;
	return true;
}

/* ---- reap ---- */

/* Fewer where the pool is smaller. */
static unsigned reaped_of(uint64_t frames)
{
	return frames / 10 * 9 < REAPED ? (unsigned)(frames / 10 * 9) : REAPED;
}

static void take_many(struct lab_pool *pool, const struct subject *subject, volatile int *ready)
{
	static void *held[REAPED];
	unsigned want = reaped_of(lab_pool_frames(pool));

	*ready = lab_alloc_burst(pool, held, want, LAB_GFP_ATOMIC) == want ? 1 : -1;
	for (;;)
		pause();
}

bool round_reap(const struct bench *bench, const struct bench_case *c,
		const struct subject *subject, void *pool, double *out, char *why, size_t why_size)
{
	struct lab_pool_stats stats = {0};
	struct second second;
	double start;

	pool = subject->open(subject, bench->large_frames, bench->hugepages, why, why_size);
	if (!pool)
		return false;
	if (!second_start(&second, subject, lab_pool_name(pool), take_many, why, why_size)) {
		subject->close(pool);
		return false;
	}
	second_kill(&second);
	start = now_ns();
	do {
		lab_pool_reap(pool);
		lab_pool_stats(pool, &stats);
	} while (!stats.reaped_processes);
	out[0] = (now_ns() - start) / 1e6;
	lab_pool_stats(pool, &stats);
	if (stats.held) {
		snprintf(why, why_size, "%s: %llu frames were not reaped", c->name,
			 (unsigned long long)stats.held);
		subject->close(pool);
		return false;
	}
	subject->close(pool);
	return true;
}
