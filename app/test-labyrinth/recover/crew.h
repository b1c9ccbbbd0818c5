/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Processes that share a pool, under a run-time directory of their own, and a page of memory by
 * which they are told what to do. Any of them may be killed at any time, so nothing here waits for
 * one that may be dead.
 */
#ifndef CREW_H
#define CREW_H

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <labyrinth/labyrinth.h>

#define CREW_MAX  8u
#define CREW_RING 64u /* numbers in a ring */

/* From one process to another: numbers of frames. One writes, one reads; either may begin anew. */
struct crew_ring {
	uint32_t head, tail;
	uint32_t number[CREW_RING];
};

/* What one process says of itself. */
struct crew_member {
	uint32_t process;   /* its lab_process_id(), 0 while it has none */
	uint32_t paused;    /* the last order that it has obeyed */
	uint32_t held;      /* then: frames that it holds */
	uint32_t lent;      /* and that it has lent */
	uint32_t failed;    /* calls that must not fail, and did */
	uint32_t reap;      /* 1: it is to reap, now */
	uint64_t calls;     /* of alloc, free and transfer */
	uint64_t worst;     /* of them, in nanoseconds, if the thread was not switched out */
	uint64_t worst_cpu; /* in nanoseconds of the CPU's time */
	uint64_t slept;     /* in them, how often the thread gave the CPU up by itself */
	char said[256];     /* why it failed */
};

struct crew {
	uint32_t order; /* odd: stop; see crew_member.paused */
	uint32_t members;
	struct crew_member member[CREW_MAX];
	struct crew_ring ring[CREW_MAX][CREW_MAX]; /* [from][to] */
};

static struct crew *crew;
static pid_t crew_pid[CREW_MAX];
static char crew_dir[] = "/tmp/labyrinth-recover.XXXXXX";

static inline int crew_begin(void)
{
	crew = mmap(NULL, sizeof(*crew), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return crew != MAP_FAILED && mkdtemp(crew_dir) &&
	       setenv("LABYRINTH_RUNTIME_DIR", crew_dir, 1) == 0;
}

static inline void crew_end(void)
{
	rmdir(crew_dir); /* fails, and is seen, if the pool left something there */
}

/* Starts a process that runs @body and dies with the caller. */
static inline void crew_start(unsigned i, void (*body)(unsigned, uint64_t), uint64_t seed)
{
	pid_t parent = getpid();

	crew->member[i].process = 0;
	fflush(stdout);
	crew_pid[i] = fork();
	if (crew_pid[i] != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		body(i, seed);
	_exit(0);
}

/* Return: its status; it is gone. */
static inline int crew_kill(unsigned i)
{
	int status = 0;

	kill(crew_pid[i], SIGKILL);
	waitpid(crew_pid[i], &status, 0);
	crew_pid[i] = 0;
	crew->member[i].process = 0;
	return status;
}

/* Who holds a frame writes so into it, and sees at the end whether anybody else did. */
static inline void crew_sign(struct lab_pool *pool, void *const *frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		*(volatile uint64_t *)frames[i] =
			(uint64_t)lab_process_id(pool) << 32 | lab_frame_index(pool, frames[i]);
}

static inline int crew_is_signed(struct lab_pool *pool, void *const *frames, unsigned n)
{
	unsigned good = 0;

	for (unsigned i = 0; i < n; i++)
		good += *(volatile uint64_t *)frames[i] ==
			((uint64_t)lab_process_id(pool) << 32 | lab_frame_index(pool, frames[i]));
	return good == n;
}

/* 1 if it went in. */
static inline int crew_tell(struct crew_ring *ring, uint32_t number)
{
	uint32_t tail = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);

	if (tail - __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) >= CREW_RING)
		return 0;
	ring->number[tail % CREW_RING] = number;
	/* Release: the number is there for who reads the tail. */
	__atomic_store_n(&ring->tail, tail + 1, __ATOMIC_RELEASE);
	return 1;
}

static inline int crew_has_room(const struct crew_ring *ring)
{
	return __atomic_load_n(&ring->tail, __ATOMIC_RELAXED) -
		       __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) <
	       CREW_RING;
}

static inline int crew_hear(struct crew_ring *ring, uint32_t *number)
{
	uint32_t head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);

	if (__atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) == head)
		return 0;
	*number = ring->number[head % CREW_RING];
	__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
	return 1;
}

#endif
