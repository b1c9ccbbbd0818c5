/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Labyrinth's pools as subjects: exclusive (ownership checked) and unprotected. Public headers
 * only.
 */
#include <labyrinth/labyrinth.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lane.h"
#include "subject.h"

static inline bool subj_alloc(struct lane *lane, void **frame)
{
	*frame = lab_alloc(lane->pool, LAB_GFP_ATOMIC);
	return *frame != NULL;
}

static inline bool subj_free(struct lane *lane, void *frame)
{
	return lab_free(lane->pool, frame) == 0;
}

static inline bool subj_alloc_bulk(struct lane *lane, void **frames, unsigned n)
{
	return lab_alloc_bulk(lane->pool, frames, n, LAB_GFP_ATOMIC) == 0;
}

static inline bool subj_free_bulk(struct lane *lane, void **frames, unsigned n)
{
	return lab_free_bulk(lane->pool, frames, n) == 0;
}

static inline uint64_t subj_iova(struct lane *lane, void *frame)
{
	return lab_frame_iova(lane->pool, frame);
}

/* The same call: a pool translates any address in it. */
static inline uint64_t subj_iova_any(struct lane *lane, void *frame)
{
	return lab_frame_iova(lane->pool, frame);
}

#include "loops.h"

/* Where shared pools meet: a directory of this program's own, removed when it ends. */
static char directory[] = "/tmp/labyrinth-perf.XXXXXX";

static void remove_directory(void)
{
	rmdir(directory);
}

static void make_directory(void)
{
	static bool made;

	if (!made && mkdtemp(directory)) {
		setenv("LABYRINTH_RUNTIME_DIR", directory, 1);
		atexit(remove_directory);
	}
	made = true;
}

static void *labyrinth_open(const struct subject *subject, uint64_t frames, bool hugepages,
			    char *why, size_t why_size)
{
	struct lab_pool_config config = {
		.name = subject->name,
		.frames = frames,
		.page_size = hugepages ? LAB_PAGE_2M : LAB_PAGE_4K,
		.cache_frames = CACHE_FRAMES,
		.flags = subject->flags,
	};
	struct lab_pool *pool;

	if (subject->processes) {
		make_directory();
		config.lcores = LANES_MAX + 1;
		config.max_lcores = 3 * (LANES_MAX + 2);
	}
	pool = lab_pool_create(&config);

	if (!pool)
		snprintf(why, why_size, "%s", lab_error_text());
	return pool;
}

static void labyrinth_close(void *pool)
{
	lab_pool_destroy(pool);
}

static void labyrinth_leave(void *pool)
{
	lab_lcore_unregister(pool);
}

static size_t labyrinth_beside(void *pool)
{
	return lab_pool_metadata_bytes(pool);
}

const struct subject subject_labyrinth = {
	.name = "labyrinth",
	.about = "an exclusive pool: every free and allocation checked for ownership",
	.loops = &subj_loops,
	.shared = true,
	.real = true,
	.breathes = true,
	.open = labyrinth_open,
	.close = labyrinth_close,
	.leave = labyrinth_leave,
	.beside = labyrinth_beside,
};

const struct subject subject_labyrinth_unprotected = {
	.name = "labyrinth-unprotected",
	.about = "the same pool without ownership checks",
	.loops = &subj_loops,
	.flags = LAB_POOL_UNPROTECTED,
	.shared = true,
	.real = true,
	.open = labyrinth_open,
	.close = labyrinth_close,
	.leave = labyrinth_leave,
	.beside = labyrinth_beside,
};

const struct subject subject_labyrinth_shared = {
	.name = "labyrinth-shared",
	.about = "an exclusive pool that several processes can share",
	.loops = &subj_loops,
	.flags = LAB_POOL_SHARED,
	.shared = true,
	.real = true,
	.processes = true,
	.open = labyrinth_open,
	.close = labyrinth_close,
	.leave = labyrinth_leave,
	.beside = labyrinth_beside,
};
