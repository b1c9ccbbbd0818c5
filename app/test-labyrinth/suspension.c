/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A thread stopped anywhere in an allocation or a free delays nobody. A child process has two
 * threads: this one steps the first by single instructions (ptrace) and leaves it stopped, and then
 * the second must do its work, refills and flushes included, as if it were alone.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>

#include "test.h"
#include "work.h"

TestSuite(suspension, .timeout = 120);

#define POOL_FRAMES 1024u
#define HELD        128u /* more than a cache of 64 holds: every round refills and flushes */
#define BOUND_S     10.0 /* for work of well under a millisecond, on a machine with other load */

/* Shared by the tracer and the child. */
struct stage {
	uint32_t ready;  /* the stepped thread's id, once it is at work */
	uint32_t rounds; /* that it has done */
	uint32_t stop;
	uint32_t asked, answered; /* pieces of work for the other thread */
	uint32_t pairs;           /* in one piece */
	uint32_t wrong;
	uint32_t flags;             /* of the pool */
	uint64_t refilled, flushed; /* by the other thread */
};

static struct stage *stage;
static struct lab_pool *pool;

/* One round: everything that moves frames between a caller, a cache and the depot. */
static void one_round(void)
{
	void *frame[HELD];
	unsigned n = 0, got;

	for (; n < 40; n++)
		frame[n] = lab_alloc(pool, LAB_GFP_ATOMIC);
	stage->wrong += lab_alloc_bulk(pool, frame + n, 32, LAB_GFP_ATOMIC) != 0;
	n += 32;
	got = lab_alloc_burst(pool, frame + n, HELD - n, LAB_GFP_ATOMIC);
	stage->wrong += got != HELD - n;
	stage->wrong += lab_free_bulk(pool, frame + 40, 32) != 0;
	for (n = 0; n < 40; n++)
		stage->wrong += lab_free(pool, frame[n]) != 0;
	stage->wrong += lab_free_bulk(pool, frame + 72, HELD - 72) != 0;
}

static void *stepped(void *arg)
{
	one_round();
	__atomic_store_n(&stage->ready, (uint32_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	while (!__atomic_load_n(&stage->stop, __ATOMIC_ACQUIRE)) {
		one_round();
		__atomic_add_fetch(&stage->rounds, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* Bursts that refill and flush each time, and single frames. */
static void work_on(void)
{
	for (uint32_t i = 0; i < stage->pairs; i++) {
		void *frame[160], *one = lab_alloc(pool, LAB_GFP_ATOMIC);

		stage->wrong += !one || lab_free(pool, one) != 0;
		if (i % 128)
			continue;
		if (lab_alloc_bulk(pool, frame, 160, LAB_GFP_ATOMIC) != 0)
			stage->wrong++;
		else
			stage->wrong += lab_free_bulk(pool, frame, 160) != 0;
	}
}

/* The child: it never returns. */
static void perform(void)
{
	struct lab_pool_config config = {.frames = POOL_FRAMES,
					 .page_size = LAB_PAGE_4K,
					 .cache_frames = 64,
					 .flags = stage->flags | LAB_POOL_FALLBACK};
	struct lab_pool_stats stats;
	struct lab_lcore_stats mine;
	pthread_t thread;
	void *all[POOL_FRAMES];

	pool = lab_pool_create(&config);
	if (!pool || lab_lcore_register(pool, "other") != 1 ||
	    pthread_create(&thread, NULL, stepped, NULL) != 0)
		_exit(2);
	while (!__atomic_load_n(&stage->stop, __ATOMIC_ACQUIRE)) {
		if (__atomic_load_n(&stage->asked, __ATOMIC_ACQUIRE) == stage->answered) {
			sched_yield();
			continue;
		}
		work_on();
		lab_lcore_stats(pool, 1, &mine);
		stage->refilled = mine.refilled;
		stage->flushed = mine.flushed;
		__atomic_store_n(&stage->answered, stage->answered + 1, __ATOMIC_RELEASE);
	}
	pthread_join(thread, NULL);
	lab_pool_stats(pool, &stats);
	if (stage->wrong || stats.held || stats.dropped)
		_exit(3);
	if (lab_alloc_burst(pool, all, POOL_FRAMES, 0) != POOL_FRAMES)
		_exit(4);
	_exit(0);
}

/* The stepped thread is stopped: the other must finish @pairs meanwhile. */
static int other_finishes(uint32_t pairs)
{
	double end = seconds_now() + BOUND_S;
	uint32_t asked = stage->asked + 1;

	stage->pairs = pairs;
	__atomic_store_n(&stage->asked, asked, __ATOMIC_RELEASE);
	while (__atomic_load_n(&stage->answered, __ATOMIC_ACQUIRE) != asked) {
		if (seconds_now() > end)
			return 0;
		sched_yield();
	}
	return 1;
}

static pid_t child, thread_id;

static void end_child(void)
{
	if (child <= 0)
		return;
	kill(child, SIGKILL);
	/* The traced thread first: its process is not done before its tracer has seen it end. */
	if (thread_id > 0)
		waitpid(thread_id, NULL, __WALL);
	waitpid(child, NULL, __WALL);
	child = 0;
}

static void wait_for_stop(void)
{
	int status;

	cr_assert_eq(waitpid(thread_id, &status, __WALL), thread_id);
	cr_assert(WIFSTOPPED(status), "status 0x%x", status);
}

static void start_child(uint32_t flags)
{
	stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	memset(stage, 0, sizeof(*stage));
	stage->flags = flags;
	child = fork();
	if (child == 0)
		perform();
	while (!__atomic_load_n(&stage->ready, __ATOMIC_ACQUIRE)) {
		cr_assert_eq(waitpid(child, NULL, WNOHANG), 0, "the child ended");
		usleep(100);
	}
	thread_id = (pid_t)stage->ready;
	if (ptrace(PTRACE_SEIZE, thread_id, 0, 0) != 0) {
		int err = errno;

		end_child();
		cr_skip_test("ptrace is not allowed here: %s", strerror(err));
	}
	cr_assert_eq(ptrace(PTRACE_INTERRUPT, thread_id, 0, 0), 0);
	wait_for_stop();
}

static void step(unsigned instructions)
{
	while (instructions--) {
		cr_assert_eq(ptrace(PTRACE_SINGLESTEP, thread_id, 0, 0), 0);
		wait_for_stop();
	}
}

static void let_go_and_check(void)
{
	int status;

	__atomic_store_n(&stage->stop, 1, __ATOMIC_RELEASE);
	cr_assert_eq(ptrace(PTRACE_DETACH, thread_id, 0, 0), 0);
	cr_assert_eq(waitpid(child, &status, 0), child);
	child = 0;
	cr_assert_eq(status, 0, "the child found something wrong: status 0x%x, %u", status,
		     stage->wrong);
}

/*
 * Steps of random length, so that over some rounds the stops fall everywhere. Not of fixed short
 * ones: the other thread moves the depot at each stop, and lock-free means that then it, and not
 * the stepped thread in its retry, gets on.
 */
#define LONGEST_STEP (UNDER_ASAN ? 400u : 40u) /* longer than a retry */
#define WALK_ROUNDS  40u
#define WALK_S       4.0

static void walk(uint32_t flags)
{
	uint64_t random = random_seed();
	double end = seconds_now() + WALK_S;
	unsigned stops = 0;
	uint64_t refilled, flushed;
	uint32_t first;

	start_child(flags);
	first = stage->rounds;
	/* On a busy machine it takes as long as these take. */
	while ((stage->rounds < first + WALK_ROUNDS && seconds_now() < end) || stops <= 100 ||
	       stage->rounds == first) {
		step(1 + random_below(&random, LONGEST_STEP));
		refilled = stage->refilled;
		flushed = stage->flushed;
		if (!other_finishes(256)) {
			end_child();
			cr_assert_fail("after %u stops the other thread stands still", stops);
		}
		cr_assert_gt(stage->refilled, refilled, "the other thread had to refill");
		cr_assert_gt(stage->flushed, flushed, "the other thread had to flush");
		stops++;
	}
	cr_log_info("%u stops in %u rounds", stops, stage->rounds - first);
	cr_assert_gt(stops, 100);
	cr_assert_gt(stage->rounds, first, "the walk got through no whole round");
	let_go_and_check();
}

Test(suspension, stopped_anywhere_exclusive, .fini = end_child)
{
	walk(0);
}

Test(suspension, stopped_anywhere_unprotected, .fini = end_child)
{
	walk(LAB_POOL_UNPROTECTED);
}

Test(suspension, stopped_for_a_hundred_thousand_pairs, .fini = end_child)
{
	uint64_t random = random_seed();
	double end = seconds_now() + 5;

	start_child(0);
	for (unsigned stop = 0; stop < 60 && (stop < 10 || seconds_now() < end); stop++) {
		step(1 + random_below(&random, 1500));
		if (!other_finishes(100000)) {
			end_child();
			cr_assert_fail("the other thread stands still");
		}
	}
	let_go_and_check();
}

/* A whole process stopped by a signal while it works is no different: SIGSTOP, SIGCONT. */
Test(suspension, stopped_by_a_signal_and_continued, .fini = end_child)
{
	start_child(0);
	cr_assert_eq(ptrace(PTRACE_DETACH, thread_id, 0, 0), 0);
	for (unsigned i = 0; i < 100; i++) {
		int status;

		cr_assert_eq(kill(child, SIGSTOP), 0);
		cr_assert_eq(waitpid(child, &status, WUNTRACED), child);
		cr_assert(WIFSTOPPED(status));
		cr_assert_eq(kill(child, SIGCONT), 0);
		cr_assert(other_finishes(1000));
	}
	__atomic_store_n(&stage->stop, 1, __ATOMIC_RELEASE);
	int status;

	cr_assert_eq(waitpid(child, &status, 0), child);
	child = 0;
	cr_assert_eq(status, 0, "status 0x%x", status);
}
