/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The team of pinned threads. See team.h.
 */
#include "team.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dpdk.h"

struct job {
	unsigned lanes;           /* lanes 0..lanes take part */
	loop_fn loop[LANES_MAX];  /* what each runs */
	bool timed;               /* warm up, meet, then run again and keep the time */
	uint64_t warm;            /* steps of the warm-up */
	void (*call)(void *pool); /* or this, on every lane */
	void *pool;               /*   with this */
};

struct team {
	pthread_mutex_t mutex;
	pthread_cond_t go, done;
	unsigned number;  /* of the job; a lane runs each number once */
	unsigned running; /* lanes still at it */
	bool quit;
	bool stop;
	struct job job;
	unsigned met; /* lanes that have come to the start line */
	struct orders orders;
	struct relay relay;
	struct member {
		struct team *team;
		pthread_t thread;
		int cpu;
		struct lane lane;
	} member[LANES_MAX];
	unsigned members;
};

double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Spins, so that the lanes start within some hundred nanoseconds; yields where they share a CPU. */
static void meet(struct team *team)
{
	__atomic_add_fetch(&team->met, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&team->met, __ATOMIC_ACQUIRE) < team->job.lanes)
		if (team->job.lanes > 2)
			sched_yield();
		else
			cpu_relax();
}

static void work(struct team *team, struct lane *lane)
{
	loop_fn loop = team->job.loop[lane->id];
	uint64_t steps = lane->steps;
	double start;

	if (team->job.call) {
		team->job.call(team->job.pool);
		return;
	}
	if (!team->job.timed) {
		loop(lane);
		return;
	}
	lane->steps = team->job.warm;
	loop(lane);
	lane->steps = steps;
	lane->frames = 0;
	memset(&lane->hist, 0, sizeof(lane->hist));
	meet(team);
	start = now_ns();
	loop(lane);
	lane->ns = now_ns() - start;
}

static void *member_main(void *arg)
{
	struct member *member = arg;
	struct team *team = member->team;
	unsigned seen = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(member->cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	if (!dpdk_thread_enter())
		member->lane.failed = true;

	pthread_mutex_lock(&team->mutex);
	team->running--;
	pthread_cond_signal(&team->done);
	for (;;) {
		while (team->number == seen && !team->quit)
			pthread_cond_wait(&team->go, &team->mutex);
		if (team->quit)
			break;
		seen = team->number;
		if (member->lane.id >= team->job.lanes)
			continue;
		pthread_mutex_unlock(&team->mutex);
		work(team, &member->lane);
		pthread_mutex_lock(&team->mutex);
		if (--team->running == 0)
			pthread_cond_signal(&team->done);
	}
	pthread_mutex_unlock(&team->mutex);
	dpdk_thread_leave();
	return NULL;
}

static uint64_t draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed >> 11;
}

/* Sizes 1..RANDOM_BURST that tile FIFO_SLOTS exactly, so that no burst crosses the ring's end. */
static unsigned tile(uint8_t *sizes, uint64_t *seed)
{
	unsigned left = FIFO_SLOTS, n = 0;

	while (left) {
		unsigned size = 1 + (unsigned)(draw(seed) % RANDOM_BURST);

		if (size > left)
			size = left;
		sizes[n++] = (uint8_t)size;
		left -= size;
	}
	return n;
}

static void orders_make(struct orders *orders)
{
	uint64_t seed = 0x2545f4914f6cdd1du;

	for (unsigned i = 0; i < RANDOM_HELD; i++)
		orders->random[i] = (uint16_t)i;
	for (unsigned i = RANDOM_HELD; i > 1; i--) {
		unsigned j = (unsigned)(draw(&seed) % i);
		uint16_t swap = orders->random[i - 1];

		orders->random[i - 1] = orders->random[j];
		orders->random[j] = swap;
	}
	orders->fifo_allocs = tile(orders->fifo_alloc, &seed);
	orders->fifo_frees = tile(orders->fifo_free, &seed);
}

static void team_wait(struct team *team)
{
	pthread_mutex_lock(&team->mutex);
	while (team->running)
		pthread_cond_wait(&team->done, &team->mutex);
	pthread_mutex_unlock(&team->mutex);
}

static void team_go(struct team *team, const struct job *job)
{
	pthread_mutex_lock(&team->mutex);
	team->job = *job;
	team->running = job->lanes;
	team->met = 0;
	team->stop = false;
	team->number++;
	pthread_cond_broadcast(&team->go);
	pthread_mutex_unlock(&team->mutex);
}

struct team *team_start(const int *cpus, unsigned cpus_n, uint64_t held_max)
{
	struct team *team = aligned_alloc(128, sizeof(*team));

	if (!team)
		return NULL;
	memset(team, 0, sizeof(*team));
	pthread_mutex_init(&team->mutex, NULL);
	pthread_cond_init(&team->go, NULL);
	pthread_cond_init(&team->done, NULL);
	orders_make(&team->orders);
	for (unsigned i = 0; i < LANES_MAX; i++) {
		struct member *member = &team->member[i];

		member->team = team;
		member->cpu = cpus[i % cpus_n];
		member->lane.id = i;
		member->lane.orders = &team->orders;
		member->lane.relay = &team->relay;
		member->lane.stop = &team->stop;
		member->lane.held_max = held_max;
		member->lane.held = aligned_alloc(64, (held_max * sizeof(void *) + 63) / 64 * 64);
		if (!member->lane.held)
			goto fail;
		/* written now, so that no loop takes a page fault */
		memset(member->lane.held, 0, held_max * sizeof(void *));
		team->running++;
		if (pthread_create(&member->thread, NULL, member_main, member)) {
			team->running--;
			goto fail;
		}
		team->members++;
	}
	team_wait(team);
	if (!team_failed(team))
		return team;
fail:
	team_stop(team);
	return NULL;
}

void team_stop(struct team *team)
{
	pthread_mutex_lock(&team->mutex);
	team->quit = true;
	pthread_cond_broadcast(&team->go);
	pthread_mutex_unlock(&team->mutex);
	for (unsigned i = 0; i < team->members; i++)
		pthread_join(team->member[i].thread, NULL);
	for (unsigned i = 0; i < LANES_MAX; i++)
		free(team->member[i].lane.held);
	free(team);
}

struct lane *team_lane(struct team *team, unsigned id)
{
	return &team->member[id].lane;
}

void team_reset(struct team *team, void *pool)
{
	team->relay.head = team->relay.head_seen = 0;
	team->relay.tail = team->relay.tail_seen = 0;
	for (unsigned i = 0; i < LANES_MAX; i++) {
		struct lane *lane = &team->member[i].lane;

		lane->pool = pool;
		lane->n = BURST;
		lane->frames = 0;
		lane->held_n = 0;
		lane->failed = false;
		lane->ns = 0;
		memset(&lane->hist, 0, sizeof(lane->hist));
	}
}

void team_run(struct team *team, unsigned n, loop_fn loop)
{
	struct job job = {.lanes = n};

	for (unsigned i = 0; i < n; i++)
		job.loop[i] = loop;
	team_go(team, &job);
	team_wait(team);
}

void team_run_timed(struct team *team, unsigned n, const loop_fn *loops, uint64_t warm)
{
	struct job job = {.lanes = n, .timed = true, .warm = warm};

	for (unsigned i = 0; i < n; i++)
		job.loop[i] = loops[i];
	team_go(team, &job);
	team_wait(team);
}

double team_run_for(struct team *team, unsigned n, loop_fn loop, double seconds)
{
	struct timespec t = {.tv_sec = (time_t)seconds,
			     .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
	struct job job = {.lanes = n};
	double start, end;

	for (unsigned i = 0; i < n; i++)
		job.loop[i] = loop;
	start = now_ns();
	team_go(team, &job);
	nanosleep(&t, NULL);
	__atomic_store_n(&team->stop, true, __ATOMIC_RELAXED);
	end = now_ns();
	team_wait(team);
	return (end - start) / 1e9;
}

void team_each(struct team *team, void (*call)(void *pool), void *pool)
{
	struct job job = {.lanes = LANES_MAX, .call = call, .pool = pool};

	team_go(team, &job);
	team_wait(team);
}

bool team_failed(const struct team *team)
{
	for (unsigned i = 0; i < LANES_MAX; i++)
		if (team->member[i].lane.failed)
			return true;
	return false;
}
