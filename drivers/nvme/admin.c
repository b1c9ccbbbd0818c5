/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The admin queue: one command at a time, waited for (NVM Express Base Specification 1.4, section
 * 5). Knows queues as addresses and sizes; knows no frames.
 */
#include <errno.h>
#include <string.h>

#include "ctrl.h"
#include "error.h"

#define ADMIN_ENTRIES 32u
#define ADMIN_MS      10000

int lab_nvme_admin_create(struct lab_nvme *nvme)
{
	struct nvme_admin *a = &nvme->admin;
	int rc = lab_run_alloc(nvme->domain, 3, 0, LAB_DMA_BOTH, &a->run);

	if (rc)
		return rc;
	a->sq = a->run.addr;
	a->cq = (void *)((char *)a->run.addr + NVME_PAGE);
	a->page = (char *)a->run.addr + 2 * NVME_PAGE;
	a->page_iova = a->run.iova + 2 * NVME_PAGE;
	a->phase = 1;
	return 0;
}

void lab_nvme_admin_start(struct lab_nvme *nvme)
{
	lab_mmio_write32(nvme->bar, NVME_AQA, (ADMIN_ENTRIES - 1) << 16 | (ADMIN_ENTRIES - 1));
	lab_mmio_write64(nvme->bar, NVME_ASQ, nvme->admin.run.iova);
	lab_mmio_write64(nvme->bar, NVME_ACQ, nvme->admin.run.iova + NVME_PAGE);
}

/* A device that is about to leave still answers: only one that is gone ends the wait. */
static int wait_completion(struct lab_nvme *nvme, const char *what)
{
	struct nvme_admin *a = &nvme->admin;
	struct nvme_cqe *cqe = &a->cq[a->head];
	int64_t end = lab_nvme_now_ms() + ADMIN_MS;

	for (;;) {
		bool late = lab_nvme_now_ms() > end;

		/* Acquire: the completion's other words are read after its phase. */
		if ((__atomic_load_n(&cqe->status, __ATOMIC_ACQUIRE) & 1) == a->phase)
			return 0;
		if (lab_device_status(nvme->dev) == LAB_DEVICE_GONE ||
		    lab_mmio_read32(nvme->bar, NVME_CSTS) == NVME_GONE)
			return lab_fail(ENODEV, "%s: %s: the controller is gone: close it",
					nvme->name, what);
		if (late) {
			lab_nvme_fatal(nvme);
			return lab_fail(ETIMEDOUT,
					"%s: %s: no answer in %u ms: close the controller",
					nvme->name, what, ADMIN_MS);
		}
		lab_nvme_nap();
	}
}

int lab_nvme_admin_run(struct lab_nvme *nvme, struct nvme_sqe *command, const char *what,
		       uint32_t *value)
{
	struct nvme_admin *a = &nvme->admin;
	struct nvme_cqe cqe;
	int rc;

	command->cid = ++a->cid;
	a->sq[a->tail] = *command;
	a->tail = (a->tail + 1) % ADMIN_ENTRIES;
	lab_mmio_write32(nvme->bar, nvme_sq_doorbell(0, nvme->stride), a->tail);
	rc = wait_completion(nvme, what);
	if (rc)
		return rc;
	cqe = a->cq[a->head];
	a->head = (a->head + 1) % ADMIN_ENTRIES;
	if (a->head == 0)
		a->phase ^= 1;
	lab_mmio_write32(nvme->bar, nvme_cq_doorbell(0, nvme->stride), a->head);
	if (cqe.cid != command->cid) {
		lab_nvme_fatal(nvme);
		return lab_fail(EIO, "%s: %s: the controller answered command %u instead of %u",
				nvme->name, what, cqe.cid, command->cid);
	}
	if (nvme_status(&cqe))
		return lab_fail(EIO, "%s: %s failed: %s (status 0x%03x)", nvme->name, what,
				lab_nvme_status_text(nvme_status(&cqe)), nvme_status(&cqe));
	if (value)
		*value = cqe.value;
	return 0;
}

int lab_nvme_admin_queues(struct lab_nvme *nvme, uint32_t want)
{
	struct nvme_sqe command = {
		.opcode = NVME_ADMIN_SET_FEATURES,
		.cdw10 = NVME_FEATURE_QUEUES,
		.cdw11 = (want - 1) << 16 | (want - 1),
	};
	uint32_t granted = 0, sq, cq;
	int rc = lab_nvme_admin_run(nvme, &command, "setting the number of queues", &granted);

	if (rc)
		return rc;
	sq = (granted & 0xffff) + 1;
	cq = (granted >> 16) + 1;
	nvme->info.queues = sq < cq ? sq : cq;
	if (nvme->info.queues > want) /* it may grant more than was asked for */
		nvme->info.queues = want;
	return 0;
}

/* The completion queue first, and last: a submission queue refers to it. */
int lab_nvme_admin_create_pair(struct lab_nvme_queue *q)
{
	uint32_t size_id = (q->entries - 1) << 16 | q->id;
	struct nvme_sqe cq = {
		.opcode = NVME_ADMIN_CREATE_CQ,
		.prp1 = q->cq_run.iova,
		.cdw10 = size_id,
		.cdw11 = q->vector << 16 | (q->nvme->vectors ? NVME_QUEUE_INTERRUPT : 0) |
			 NVME_QUEUE_CONTIGUOUS,
	};
	struct nvme_sqe sq = {
		.opcode = NVME_ADMIN_CREATE_SQ,
		.prp1 = q->sq_run.iova,
		.cdw10 = size_id,
		.cdw11 = q->id << 16 | NVME_QUEUE_CONTIGUOUS,
	};
	struct nvme_sqe undo = {.opcode = NVME_ADMIN_DELETE_CQ, .cdw10 = q->id};
	int rc = lab_nvme_admin_run(q->nvme, &cq, "creating a completion queue", NULL);
	char why[LAB_ERROR_TEXT_MAX];

	if (rc)
		return rc;
	rc = lab_nvme_admin_run(q->nvme, &sq, "creating a submission queue", NULL);
	if (rc) {
		memcpy(why, lab_error_text(), sizeof(why));
		if (lab_nvme_admin_run(q->nvme, &undo, "deleting a completion queue", NULL))
			lab_nvme_fatal(q->nvme);
		return lab_fail(-rc, "%s", why);
	}
	return 0;
}

int lab_nvme_admin_delete_pair(struct lab_nvme_queue *q)
{
	struct nvme_sqe sq = {.opcode = NVME_ADMIN_DELETE_SQ, .cdw10 = q->id};
	struct nvme_sqe cq = {.opcode = NVME_ADMIN_DELETE_CQ, .cdw10 = q->id};
	int rc = lab_nvme_admin_run(q->nvme, &sq, "deleting a submission queue", NULL);

	if (rc)
		return rc;
	rc = lab_nvme_admin_run(q->nvme, &cq, "deleting a completion queue", NULL);
	if (rc)
		lab_nvme_fatal(q->nvme); /* half a queue cannot be used again */
	return rc;
}
