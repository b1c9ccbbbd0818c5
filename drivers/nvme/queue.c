/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Queues made and ended: their rings, their slots, and the pages for PRP lists. Leaves using them
 * to io.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <labyrinth/labyrinth.h>

#include "ctrl.h"
#include "error.h"

#define RUN_MAX 512u /* frames, lab_run_alloc() */

static uint32_t pages(uint64_t bytes)
{
	return (uint32_t)((bytes + NVME_PAGE - 1) / NVME_PAGE);
}

/*
 * The queue with its arrays, in one mapping that is populated: I/O does not fault on it. On failure
 * NULL, with a sentence.
 */
static struct lab_nvme_queue *allocate(struct lab_nvme *nvme, uint32_t depth)
{
	uint32_t max_frames = nvme->info.max_transfer / NVME_PAGE;
	size_t slots = sizeof(struct lab_nvme_queue);
	size_t iova = slots + depth * sizeof(struct nvme_slot);
	size_t frames = iova + max_frames * sizeof(uint64_t);
	size_t bytes = frames + (size_t)depth * max_frames * sizeof(void *);
	struct lab_nvme_queue *q = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (q == MAP_FAILED) {
		lab_fail(ENOMEM,
			 "%s: no %zu bytes of memory for a queue of %u commands: ask for less, or "
			 "for a smaller max_transfer",
			 nvme->name, bytes, depth);
		return NULL;
	}
	q->nvme = nvme;
	q->bytes = bytes;
	q->depth = depth;
	q->entries = depth + 1;
	q->max_frames = max_frames;
	q->phase = 1;
	q->slot = (void *)((char *)q + slots);
	q->iova = (void *)((char *)q + iova);
	q->frames = (void *)((char *)q + frames);
	for (uint32_t i = 0; i < depth; i++)
		q->slot[i].next = i + 1 < depth ? i + 1 : NVME_NO_SLOT;
	return q;
}

/* Each slot's pages lie beside each other, in one run. On failure the caller frees what there is.
 */
static int allocate_lists(struct lab_nvme_queue *q)
{
	uint32_t each = lab_nvme_prp_pages(q->max_frames);
	uint32_t in_run = each ? RUN_MAX / each : 0; /* slots */
	int rc = 0;

	if (!each)
		return 0;
	q->list = calloc((q->depth + in_run - 1) / in_run, sizeof(*q->list));
	if (!q->list)
		return lab_fail(ENOMEM, "%s: no memory for a queue", q->nvme->name);
	for (uint32_t i = 0; i < q->depth && !rc; i++) {
		struct lab_run *run = &q->list[i / in_run];
		uint32_t offset = i % in_run * each * NVME_PAGE;
		uint32_t slots = q->depth - i < in_run ? q->depth - i : in_run;

		if (i % in_run == 0) {
			rc = lab_run_alloc(q->nvme->domain, slots * each, 0, LAB_DMA_READ, run);
			if (rc)
				break;
			q->nlists++;
		}
		q->slot[i].list.entries = (uint64_t *)(void *)((char *)run->addr + offset);
		q->slot[i].list.iova = run->iova + offset;
	}
	return rc;
}

static int allocate_rings(struct lab_nvme_queue *q)
{
	struct lab_domain *domain = q->nvme->domain;
	int rc = lab_run_alloc(domain, pages((uint64_t)q->entries << NVME_SQE_SHIFT), 0,
			       LAB_DMA_READ, &q->sq_run);

	if (!rc)
		rc = lab_run_alloc(domain, pages((uint64_t)q->entries << NVME_CQE_SHIFT), 0,
				   LAB_DMA_BOTH, &q->cq_run);
	q->sq = q->sq_run.addr;
	q->cq = q->cq_run.addr;
	return rc;
}

void lab_nvme_queue_free(struct lab_nvme_queue *q, bool runs)
{
	if (runs) {
		lab_run_free(q->nvme->domain, &q->sq_run);
		lab_run_free(q->nvme->domain, &q->cq_run);
		for (uint32_t i = 0; i < q->nlists; i++)
			lab_run_free(q->nvme->domain, &q->list[i]);
	}
	free(q->list);
	munmap(q, q->bytes);
}

/* A number for the queue, with its doorbells and its interrupt. Under the lock. */
static int place(struct lab_nvme_queue *q)
{
	struct lab_nvme *nvme = q->nvme;
	uint32_t id = 1;

	while (id <= nvme->info.queues && nvme->queue[id])
		id++;
	if (id > nvme->info.queues)
		return lab_fail(ENOSPC,
				"%s: there are %u queues already: destroy one, or open the "
				"controller with more (the controller sets a limit too)",
				nvme->name, nvme->info.queues);
	q->id = id;
	q->vector = nvme->vectors > 1 ? id : 0;
	q->sq_doorbell = nvme_sq_doorbell(id, nvme->stride);
	q->cq_doorbell = nvme_cq_doorbell(id, nvme->stride);
	return 0;
}

struct lab_nvme_queue *lab_nvme_queue_create(struct lab_nvme *nvme, uint32_t depth)
{
	char why[LAB_ERROR_TEXT_MAX];
	struct lab_nvme_queue *q;
	int rc;

	if (depth == 0 || depth > nvme->info.max_depth) {
		lab_fail(EINVAL, "%s: a queue of %u commands: ask for 1 to %u", nvme->name, depth,
			 nvme->info.max_depth);
		return NULL;
	}
	if (lab_nvme_health(nvme))
		return NULL;
	q = allocate(nvme, depth);
	if (!q)
		return NULL;
	pthread_mutex_lock(&nvme->lock);
	rc = place(q);
	if (!rc)
		rc = allocate_rings(q);
	if (!rc)
		rc = allocate_lists(q);
	if (!rc)
		rc = lab_nvme_admin_create_pair(q);
	if (!rc)
		nvme->queue[q->id] = q;
	pthread_mutex_unlock(&nvme->lock);
	if (!rc)
		return q;
	/*
	 * After -ETIMEDOUT, or half a pair, the controller may have the rings all the same: then
	 * they stay with the domain.
	 */
	memcpy(why, lab_error_text(), sizeof(why));
	lab_nvme_queue_free(q, !__atomic_load_n(&nvme->failed, __ATOMIC_RELAXED));
	lab_fail(-rc, "%s", why);
	return NULL;
}

int64_t lab_nvme_queue_recall(struct lab_nvme_queue *q)
{
	struct lab_nvme *nvme = q->nvme;
	int64_t taken = 0;

	for (uint32_t i = 0; i < q->depth; i++) {
		struct nvme_slot *slot = &q->slot[i];

		if (slot->next != NVME_BUSY)
			continue;
		if (slot->frames)
			taken += lab_device_take_back(nvme->dev, nvme->pool,
						      q->frames + (size_t)i * q->max_frames,
						      slot->frames);
		slot->next = q->free;
		q->free = i;
	}
	q->in_flight = 0;
	return taken;
}

int64_t lab_nvme_queue_destroy(struct lab_nvme_queue *q)
{
	struct lab_nvme *nvme;
	int64_t taken;
	int rc;

	if (!q)
		return 0;
	nvme = q->nvme;
	rc = lab_nvme_ensure_lcore(nvme);
	if (rc)
		return rc;
	pthread_mutex_lock(&nvme->lock);
	/* Relaxed: see lab_nvme_fatal(). */
	if (__atomic_load_n(&nvme->failed, __ATOMIC_RELAXED))
		rc = lab_nvme_health(nvme);
	else
		rc = lab_nvme_admin_delete_pair(q);
	if (!rc)
		nvme->queue[q->id] = NULL;
	pthread_mutex_unlock(&nvme->lock);
	if (rc)
		return rc;
	/* 5.6: with the submission queue, all that was in flight has been carried out or aborted.
	 */
	taken = lab_nvme_queue_recall(q);
	lab_nvme_queue_free(q, true);
	return taken;
}
