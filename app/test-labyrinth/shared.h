/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Shared pools for the Criterion suites: a run-time directory of the test's own, and processes that
 * attach and stay until they are killed. They are started by a process that was forked before any
 * pool, and with it a keeper's thread, existed: what a sanitizer's allocator locks does not survive
 * a fork in a program with threads.
 */
#ifndef SHARED_H
#define SHARED_H

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "test.h"

static char shared_dir[] = "/tmp/labyrinth-test.XXXXXX";

#define OTHERS 4

/* What a process that stays says of itself. */
struct other {
	pid_t pid;
	uint32_t ready; /* 1: it has done what it was to do; 2: it could not */
	uint32_t process;
	uint32_t number[64];
	char text[256];
};

typedef void (*other_fn)(struct lab_pool *pool, struct other *other);

/* What the process that starts others is asked: to start one, to kill it, or to run a function. */
struct order {
	other_fn start;
	void (*run)(void *);
	struct other *other;
};

static struct other *others;
static unsigned others_n;
static int starter[2];

static inline struct lab_pool *attach_as(const char *name)
{
	const struct lab_attach_config config = {
		.name = name, .lcores = 2, .flags = LAB_POOL_FALLBACK};

	return lab_pool_attach(&config);
}

static inline void other_live(const struct order *order)
{
	struct lab_pool *pool = attach_as("shared");

	if (pool) {
		order->other->process = lab_process_id(pool);
		order->start(pool, order->other);
	}
	snprintf(order->other->text, sizeof(order->other->text), "%s", lab_error_text());
	__atomic_store_n(&order->other->ready, pool ? 1 : 2, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

static inline int obey_order(const struct order *order)
{
	int status = 0;
	pid_t pid;

	if (!order->start && !order->run) {
		kill(order->other->pid, SIGKILL);
		waitpid(order->other->pid, &status, 0);
		return status;
	}
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (order->run)
			order->run(NULL);
		else
			other_live(order);
		_exit(0);
	}
	if (order->run)
		waitpid(pid, &status, 0);
	else
		order->other->pid = pid;
	return status;
}

static inline void shared_begin(void)
{
	struct order order;

	child_words();
	others = mmap(NULL, OTHERS * sizeof(*others), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_not_null(mkdtemp(shared_dir));
	cr_assert_eq(setenv("LABYRINTH_RUNTIME_DIR", shared_dir, 1), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, starter), 0);
	if (fork() != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(starter[0]);
	while (read(starter[1], &order, sizeof(order)) == (ssize_t)sizeof(order)) {
		int status = obey_order(&order);

		if (write(starter[1], &status, sizeof(status)) < 0)
			break;
	}
	_exit(0);
}

static inline int give_order(struct order order)
{
	int status = -1;

	cr_assert_eq(write(starter[0], &order, sizeof(order)), (ssize_t)sizeof(order));
	cr_assert_eq(read(starter[0], &status, sizeof(status)), (ssize_t)sizeof(status));
	return status;
}

/* Runs a function in a process of its own; see CHILD_EXPECT(). */
static inline void elsewhere(void (*run)(void *))
{
	int status;

	child_words()[0] = '\0';
	status = give_order((struct order){.run = run});
	cr_assert_eq(status, 0, "wait status 0x%x: %s", status, child_words());
}

static inline void shared_end(void)
{
	cr_assert_eq(rmdir(shared_dir), 0, "something is left in %s", shared_dir);
}

static inline struct lab_pool *shared_pool(uint32_t flags)
{
	struct lab_pool_config config = {.name = "shared",
					 .frames = FRAMES,
					 .page_size = LAB_PAGE_4K,
					 .cache_frames = 64,
					 .lcores = 2,
					 .flags = flags | LAB_POOL_SHARED | LAB_POOL_FALLBACK};

	return pool_of(&config);
}

/* Starts a process that attaches, does something, and waits to be killed. */
static inline struct other *other_start(other_fn start)
{
	struct other *other = &others[others_n++];

	give_order((struct order){.start = start, .other = other});
	while (!__atomic_load_n(&other->ready, __ATOMIC_ACQUIRE))
		usleep(100);
	cr_assert_eq(other->ready, 1, "%s", other->text);
	return other;
}

static inline void other_kill(struct other *other)
{
	give_order((struct order){.other = other});
}

static inline void other_nothing(struct lab_pool *pool, struct other *other)
{
	(void)pool;
	(void)other;
}

/* It holds 40 frames, has lent 8 to "device", and has some in its cache. */
static inline void other_holds(struct lab_pool *pool, struct other *other)
{
	void *frames[64];
	int device = lab_device_register(pool, "device");

	lab_alloc_burst(pool, frames, 64, LAB_GFP_ATOMIC);
	lab_lend(pool, device, frames, 8);
	lab_note_sending(pool, device, 3);
	lab_free_bulk(pool, frames + 48, 16);
	other->number[0] = lab_frame_index(pool, frames[8]);
}

#endif
