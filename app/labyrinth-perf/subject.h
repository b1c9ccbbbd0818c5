/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A subject: one allocator under measurement, as a constructor, a destructor and its instance of
 * the hot loops. It knows no case.
 */
#ifndef PERF_SUBJECT_H
#define PERF_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each subject's cache, by lcore. Both libraries may hold 1.5 times it. */
#define CACHE_FRAMES 512u
#define FRAME_BYTES  4096u

struct lane;
typedef void (*loop_fn)(struct lane *lane);

/* See loops.h for what each does. */
struct loops {
	loop_fn ping, burst, held, random, fifo, rx, tx, crowd, crowd_timed, latency, iova,
		iova_any;
	loop_fn take, give;
};

struct subject {
	const char *name;
	const char *about;
	const struct loops *loops;
	/* Ops name of an rte_mempool, or flags of a Labyrinth pool. */
	const char *ops;
	uint32_t flags;
	/* A frame freed by one lane can be allocated by another. */
	bool shared;
	/* Has frames in memory of its own: can be created, measured and translated. */
	bool real;
	/* Another process can attach to the pool by its name. */
	bool processes;
	/* Such a pool can grow and shrink. */
	bool breathes;
	/* NULL on failure, with a sentence in why. */
	void *(*open)(const struct subject *subject, uint64_t frames, bool hugepages, char *why,
		      size_t why_size);
	void (*close)(void *pool);
	/* On each lane that used the pool, before close. */
	void (*leave)(void *pool);
	/* Bytes before what it hands out that lie in the frame, too. */
	size_t header;
	/* Bytes that the pool takes beside the frames' own 4096 each. */
	size_t (*beside)(void *pool);
};

#define SUBJECTS_MAX 10

/* All subjects of this build, in the order of the columns. */
extern const struct subject *const subjects[];
extern const unsigned subjects_n;

const struct subject *subject_find(const char *name);

extern const struct subject subject_labyrinth, subject_labyrinth_unprotected,
	subject_labyrinth_shared;
extern const struct subject subject_rte_ring, subject_rte_ring_rts, subject_rte_stack,
	subject_rte_lf_stack, subject_rte_labyrinth, subject_rte_labyrinth_frames;
extern const struct subject subject_bare;

#endif
