/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * DPDK's rte_mempool as subjects, one for each of its ops. Elements are as large as a frame, spread
 * over the memory channels as DPDK's default has it, with DPDK's header before each.
 */
#include <stdio.h>

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mempool.h>

#include <labyrinth/lab_rte.h>
#include <labyrinth/labyrinth.h>

#include "lane.h"
#include "subject.h"

static inline bool subj_alloc(struct lane *lane, void **frame)
{
	return rte_mempool_get(lane->pool, frame) == 0;
}

static inline bool subj_free(struct lane *lane, void *frame)
{
	rte_mempool_put(lane->pool, frame);
	return true;
}

static inline bool subj_alloc_bulk(struct lane *lane, void **frames, unsigned n)
{
	return rte_mempool_get_bulk(lane->pool, frames, n) == 0;
}

static inline bool subj_free_bulk(struct lane *lane, void **frames, unsigned n)
{
	rte_mempool_put_bulk(lane->pool, frames, n);
	return true;
}

static inline uint64_t subj_iova(struct lane *lane, void *frame)
{
	return rte_mempool_virt2iova(frame);
}

static inline uint64_t subj_iova_any(struct lane *lane, void *frame)
{
	return rte_mem_virt2iova(frame);
}

#include "loops.h"

static size_t heap_bytes(void)
{
	struct rte_malloc_socket_stats stats;
	size_t bytes = 0;

	for (int i = 0; i < RTE_MAX_NUMA_NODES; i++)
		if (!rte_malloc_get_socket_stats(i, &stats))
			bytes += stats.heap_allocsz_bytes;
	return bytes;
}

/* The heap's growth while the newest pool was made: what subject->beside() reports. */
static size_t newest_bytes;

static void *rte_open(const struct subject *subject, uint64_t frames, bool hugepages, char *why,
		      size_t why_size)
{
	static unsigned number;
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_mempool *pool;
	size_t before = heap_bytes();
	int rc;

	snprintf(name, sizeof(name), "perf-%u", number++);
	pool = rte_mempool_create_empty(name, (unsigned)frames, FRAME_BYTES, CACHE_FRAMES, 0,
					SOCKET_ID_ANY, 0);
	if (!pool) {
		snprintf(why, why_size, "rte_mempool_create_empty: %s", rte_strerror(rte_errno));
		return NULL;
	}
	rc = rte_mempool_set_ops_byname(pool, subject->ops, NULL);
	if (rc) {
		snprintf(why, why_size, "DPDK here has no mempool ops \"%s\"", subject->ops);
		goto fail;
	}
	rc = rte_mempool_populate_default(pool);
	if (rc < 0) {
		snprintf(why, why_size, "rte_mempool_populate_default: %s", rte_strerror(-rc));
		goto fail;
	}
	newest_bytes = heap_bytes() - before;
	return pool;
fail:
	rte_mempool_free(pool);
	return NULL;
}

/* Objects that are a frame each, in memory of Labyrinth's: what is beside them is DPDK's and
 * Labyrinth's. */
static void *frames_open(const struct subject *subject, uint64_t frames, bool hugepages, char *why,
			 size_t why_size)
{
	static unsigned number;
	char name[RTE_MEMPOOL_NAMESIZE];
	size_t before = heap_bytes();
	struct rte_mempool *pool;

	snprintf(name, sizeof(name), "perf-frames-%u", number++);
	pool = lab_rte_mempool_create(name, (unsigned)frames, CACHE_FRAMES, SOCKET_ID_ANY,
				      hugepages ? 0 : LAB_RTE_FALLBACK);
	if (!pool) {
		snprintf(why, why_size, "%s", lab_error_text());
		return NULL;
	}
	newest_bytes = heap_bytes() - before + (size_t)pool->size * FRAME_BYTES +
		       lab_pool_metadata_bytes(lab_rte_mempool_pool(pool));
	return pool;
}

static void frames_close(void *pool)
{
	lab_rte_mempool_free(pool);
}

static void rte_close(void *pool)
{
	rte_mempool_free(pool);
}

/* A lane's cache is the pool's own: nothing to give back. */
static void rte_leave(void *pool)
{
}

static size_t rte_beside(void *pool)
{
	return newest_bytes - (size_t)((struct rte_mempool *)pool)->size * FRAME_BYTES;
}

#define RTE_SUBJECT(variable, its_name, its_ops, its_about, its_open, its_close, its_header) \
	const struct subject variable = {                                                    \
		.name = its_name,                                                            \
		.about = its_about,                                                          \
		.loops = &subj_loops,                                                        \
		.ops = its_ops,                                                              \
		.shared = true,                                                              \
		.real = true,                                                                \
		.open = its_open,                                                            \
		.close = its_close,                                                          \
		.leave = rte_leave,                                                          \
		.header = its_header,                                                        \
		.beside = rte_beside,                                                        \
	}

RTE_SUBJECT(subject_rte_ring, "rte-ring", "ring_mp_mc",
	    "rte_mempool with its default ops; the ratios are to this one", rte_open, rte_close, 0);
RTE_SUBJECT(subject_rte_ring_rts, "rte-ring-rts", "ring_mt_rts",
	    "rte_mempool with DPDK's remedy for more threads than CPUs", rte_open, rte_close, 0);
RTE_SUBJECT(subject_rte_stack, "rte-stack", "stack", "rte_mempool with a stack under a spinlock",
	    rte_open, rte_close, 0);
RTE_SUBJECT(subject_rte_lf_stack, "rte-lf-stack", "lf_stack",
	    "rte_mempool with a lock-free stack (16-byte compare and swap)", rte_open, rte_close,
	    0);
RTE_SUBJECT(subject_rte_labyrinth, "rte-labyrinth", LAB_RTE_OPS,
	    "rte_mempool with Labyrinth's ops: what a stock program gets", rte_open, rte_close, 0);
RTE_SUBJECT(subject_rte_labyrinth_frames, "rte-labyrinth-frames", LAB_RTE_OPS,
	    "the same, with objects that are a Labyrinth frame each", frames_open, frames_close,
	    LAB_RTE_HEADER);
