/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Runs: cut from chunks of 2 MiB that belong to the domain, each mapped by itself, so that a device
 * reaches a ring and not what lies beside it. Knows chunks and the address space; no pool.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <labyrinth/lab_hugepage.h>

#include "arena.h"
#include "error.h"
#include "run.h"
#include "space.h"

#define CHUNK_BYTES  ((uint64_t)1 << LAB_DELTA_SHIFT)
#define CHUNK_FRAMES ((uint32_t)(CHUNK_BYTES >> LAB_FRAME_SHIFT))

/**
 * struct lab_run_chunk - 2 MiB that runs are cut from.
 * @next: of the domain.
 * @arena: the memory.
 * @phys: its physical address, where addresses are physical.
 * @used: by frame: the run's length at its first frame, CHUNK_FRAMES + 1 inside it, 0: free.
 * @iova: by first frame: where the run is mapped.
 */
struct lab_run_chunk {
	struct lab_run_chunk *next;
	struct lab_arena arena;
	uint64_t phys;
	uint16_t used[CHUNK_FRAMES];
	uint64_t iova[CHUNK_FRAMES];
};

#define INSIDE (CHUNK_FRAMES + 1)

/* The first frame of a free stretch, or CHUNK_FRAMES. */
static uint32_t find(const struct lab_run_chunk *c, uint32_t frames, uint32_t align)
{
	for (uint32_t at = 0; at + frames <= CHUNK_FRAMES; at += align) {
		uint32_t n = 0;

		while (n < frames && !c->used[at + n])
			n++;
		if (n == frames)
			return at;
	}
	return CHUNK_FRAMES;
}

static void mark(struct lab_run_chunk *c, uint32_t at, uint32_t frames, int used)
{
	for (uint32_t i = 0; i < frames; i++)
		c->used[at + i] = !used ? 0 : i ? INSIDE : (uint16_t)frames;
}

/* Near the device if there is room, else anywhere; on a hugepage, else on ordinary pages, which
 * only an IOMMU can put beside each other. */
static int get_memory(struct lab_domain_priv *d, struct lab_arena *arena)
{
	int node = d->devices->pci.node;
	struct lab_arena_request request = {.owner = d->name,
					    .bytes = CHUNK_BYTES,
					    .page_size = LAB_PAGE_2M,
					    .node = node >= 0 ? LAB_NODE(node) : LAB_NODE_ANY};
	int err = lab_arena_create(arena, &request);

	if (err && node >= 0) {
		request.node = LAB_NODE_ANY;
		err = lab_arena_create(arena, &request);
	}
	if (err && !d->ops->physical) {
		request.page_size = LAB_PAGE_4K;
		err = lab_arena_create(arena, &request);
	}
	return err;
}

static struct lab_run_chunk *new_chunk(struct lab_domain_priv *d)
{
	struct lab_run_chunk *c = lab_fault_create() ? NULL : calloc(1, sizeof(*c));

	if (!c) {
		lab_fail(ENOMEM, "no memory for runs of domain '%s'", d->name);
		return NULL;
	}
	if (get_memory(d, &c->arena)) {
		free(c);
		return NULL;
	}
	if (d->ops->physical && lab_arena_phys(&c->arena, &c->phys)) {
		lab_fail(EPERM, "domain '%s' uses physical addresses, and only root learns these",
			 d->name);
		lab_arena_destroy(&c->arena);
		free(c);
		return NULL;
	}
	c->next = d->runs;
	d->runs = c;
	return c;
}

static int map(struct lab_domain_priv *d, const struct lab_run_chunk *c, uint64_t align,
	       unsigned access, struct lab_run *run)
{
	struct lab_mapping m = {.addr = run->addr,
				.bytes = (uint64_t)run->frames << LAB_FRAME_SHIFT,
				.access = access};
	int err;

	if (d->ops->physical) {
		run->iova = c->phys + (uint64_t)((char *)run->addr - c->arena.base);
		return 0;
	}
	err = lab_space_reserve(d, &m, align, 1, "a run");
	if (err)
		return err;
	err = lab_space_map(d, &m, "a run", NULL, 0, NULL, &lab_faults_process);
	if (err)
		lab_space_release(d, &m);
	run->iova = m.iova;
	return err;
}

static int unmap(struct lab_domain_priv *d, const struct lab_run *run)
{
	struct lab_mapping m = {.addr = run->addr,
				.iova = run->iova,
				.bytes = (uint64_t)run->frames << LAB_FRAME_SHIFT};
	int err = 0;

	if (!d->ops->physical) {
		err = lab_space_unmap(d, &m, "a run");
		if (!err)
			lab_space_release(d, &m);
	}
	return err;
}

static int allocate(struct lab_domain_priv *d, uint64_t align, unsigned access, struct lab_run *run)
{
	uint32_t step = (uint32_t)(align >> LAB_FRAME_SHIFT), at = CHUNK_FRAMES;
	struct lab_run_chunk *c;
	int err = lab_space_usable(d);

	if (err)
		return err;
	if (!d->devices)
		return lab_fail(ENODEV,
				"domain '%s' has no device yet, and maps nothing before: open one",
				d->name);
	for (c = d->runs; c; c = c->next) {
		at = find(c, run->frames, step);
		if (at != CHUNK_FRAMES)
			break;
	}
	if (!c) {
		c = new_chunk(d);
		if (!c)
			return -errno;
		at = 0;
	}
	run->addr = c->arena.base + ((uint64_t)at << LAB_FRAME_SHIFT);
	err = map(d, c, align, access, run);
	if (err)
		return err;
	memset(run->addr, 0, (size_t)run->frames << LAB_FRAME_SHIFT);
	mark(c, at, run->frames, 1);
	c->iova[at] = run->iova;
	return 0;
}

int lab_run_alloc(struct lab_domain *domain, uint32_t frames, uint64_t align, unsigned access,
		  struct lab_run *run)
{
	struct lab_run wanted = {.frames = frames};
	int err;

	if (!domain || !run)
		return lab_fail(EINVAL, "lab_run_alloc() needs a domain and a place for the run");
	memset(run, 0, sizeof(*run));
	if (!align)
		align = LAB_FRAME_SIZE;
	if (!frames || frames > CHUNK_FRAMES)
		return lab_fail(EINVAL, "a run has 1 to %u frames, not %u", CHUNK_FRAMES, frames);
	if (align & (align - 1) || align < LAB_FRAME_SIZE || align > CHUNK_BYTES)
		return lab_fail(
			EINVAL,
			"a run's alignment is a power of two from 4096 to 2097152, not %llu",
			(unsigned long long)align);
	if (!access || access & ~(unsigned)LAB_DMA_BOTH)
		return lab_fail(EINVAL,
				"a run's access is LAB_DMA_READ, LAB_DMA_WRITE or both, not 0x%x",
				access);
	lab_dma_lock();
	err = allocate((struct lab_domain_priv *)domain, align, access, &wanted);
	lab_dma_unlock();
	if (!err)
		*run = wanted;
	return err;
}

/* The run at @addr, as it was given out; NULL if there is none. */
static struct lab_run_chunk *find_run(struct lab_domain_priv *d, const void *addr,
				      struct lab_run *run)
{
	for (struct lab_run_chunk *c = d->runs; c; c = c->next) {
		uint64_t off = (uint64_t)((uintptr_t)addr - (uintptr_t)c->arena.base);
		uint32_t at = (uint32_t)(off >> LAB_FRAME_SHIFT);

		if (off >= CHUNK_BYTES || off & (LAB_FRAME_SIZE - 1) || !c->used[at] ||
		    c->used[at] == INSIDE)
			continue;
		run->addr = c->arena.base + off;
		run->frames = c->used[at];
		run->iova = c->iova[at];
		return c;
	}
	return NULL;
}

int lab_run_free(struct lab_domain *domain, struct lab_run *run)
{
	struct lab_domain_priv *d = (struct lab_domain_priv *)domain;
	struct lab_run_chunk *c;
	struct lab_run found = {0};
	int err;

	if (!run || !run->addr)
		return 0;
	if (!d)
		return lab_fail(EINVAL, "lab_run_free() needs the run's domain; NULL was passed");
	lab_dma_lock();
	err = lab_space_usable(d);
	c = err ? NULL : find_run(d, run->addr, &found);
	if (!err && !c)
		err = lab_fail(ENOENT, "domain '%s' has no run at %p", d->name, run->addr);
	if (!err)
		err = unmap(d, &found);
	if (!err && c) {
		mark(c, (uint32_t)(((char *)found.addr - c->arena.base) >> LAB_FRAME_SHIFT),
		     found.frames, 0);
		memset(run, 0, sizeof(*run));
	}
	lab_dma_unlock();
	return err;
}

void lab_run_fini(struct lab_domain_priv *d)
{
	while (d->runs) {
		struct lab_run_chunk *c = d->runs;

		for (uint32_t at = 0; at < CHUNK_FRAMES; at++) {
			struct lab_run run = {.addr = c->arena.base +
						      ((uint64_t)at << LAB_FRAME_SHIFT),
					      .iova = c->iova[at],
					      .frames = c->used[at]};

			/* What cannot be unmapped now goes with the whole address space. */
			if (run.frames && run.frames != INSIDE)
				unmap(d, &run);
		}
		d->runs = c->next;
		lab_arena_destroy(&c->arena);
		free(c);
	}
}
