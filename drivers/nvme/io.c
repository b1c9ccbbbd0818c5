/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Commands submitted, and reaped: the data path. Knows rings, doorbells, slots and frames. No lock
 * and, in a domain that is not strict, no system call but in lab_nvme_wait().
 *
 * A queue is full when its slots are: there is one ring entry more than slots, so neither ring can
 * overflow, and the heads that completions carry are not needed.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <labyrinth/labyrinth.h>

#include "ctrl.h"
#include "error.h"

/* Polls in a row that find nothing, before the controller is asked how it is. */
#define IDLE_POLLS 65536u

static const struct lab_nvme_namespace *find_namespace(const struct lab_nvme *nvme, uint32_t nsid)
{
	const struct lab_nvme_namespace *ns = nvme->ns;
	uint32_t n = nvme->info.namespaces;

	/* Nearly always they are numbered from 1 without gaps. */
	if (lab_likely(nsid - 1 < n && ns[nsid - 1].nsid == nsid))
		return &ns[nsid - 1];
	for (uint32_t i = 0; i < n; i++) {
		if (ns[i].nsid == nsid)
			return &ns[i];
	}
	lab_fail(EINVAL, "%s: there is no namespace %u among the %u that can be used", nvme->name,
		 nsid, n);
	return NULL;
}

static int fail_status(struct lab_nvme *nvme)
{
	int rc = lab_nvme_health(nvme);

	return rc ? rc : lab_fail(ENODEV, "%s: the controller is gone: close it", nvme->name);
}

/* Lends, describes, and rings. All but the data pointer and the identifier is in @sqe. */
static int submit(struct lab_nvme_queue *q, struct nvme_sqe *sqe, void *const *frames, uint32_t n,
		  void *cookie)
{
	struct lab_nvme *nvme = q->nvme;
	struct nvme_slot *slot;
	struct nvme_prp prp;
	uint32_t id = q->free;
	unsigned lent;

	/* Relaxed: see lab_nvme_fatal(). */
	if (lab_unlikely(lab_device_status(nvme->dev) != LAB_DEVICE_PRESENT ||
			 __atomic_load_n(&nvme->failed, __ATOMIC_RELAXED)))
		return fail_status(nvme);
	if (id == NVME_NO_SLOT)
		return -EAGAIN;
	lent = n ? lab_device_lend(nvme->dev, nvme->pool, frames, n, q->iova) : 0;
	if (lab_unlikely(lent < n)) {
		int err = errno;

		if (lent)
			lab_device_take_back(nvme->dev, nvme->pool, frames, lent);
		errno = err;
		return -err;
	}
	slot = &q->slot[id];
	q->free = slot->next;
	slot->next = NVME_BUSY;
	slot->cookie = cookie;
	slot->frames = n;
	for (uint32_t i = 0; i < n; i++)
		q->frames[(size_t)id * q->max_frames + i] = frames[i];
	prp = lab_nvme_prp_build(&slot->list, q->iova, n);
	sqe->cid = (uint16_t)id;
	sqe->prp1 = prp.prp1;
	sqe->prp2 = prp.prp2;
	q->sq[q->tail] = *sqe;
	q->tail = q->tail + 1 == q->entries ? 0 : q->tail + 1;
	q->in_flight++;
	/* Its release fence: the command and its PRP list are in memory before the bell rings. */
	lab_mmio_write32(nvme->bar, q->sq_doorbell, q->tail);
	return 0;
}

/* 6.9, 6.15: dwords 10 and 11 the first block, dword 12 how many more. */
static int submit_blocks(struct lab_nvme_queue *q, uint8_t opcode, uint32_t nsid, uint64_t lba,
			 uint32_t blocks, void *const *frames, uint32_t nframes, void *cookie)
{
	struct lab_nvme *nvme = q->nvme;
	const struct lab_nvme_namespace *ns = find_namespace(nvme, nsid);
	struct nvme_sqe sqe = {
		.opcode = opcode,
		.nsid = nsid,
		.cdw10 = (uint32_t)lba,
		.cdw11 = (uint32_t)(lba >> 32),
		.cdw12 = blocks - 1,
	};
	uint64_t bytes, need;

	if (lab_unlikely(!ns))
		return -EINVAL;
	bytes = (uint64_t)blocks * ns->block_size;
	need = (bytes + LAB_FRAME_SIZE - 1) >> LAB_FRAME_SHIFT;
	if (lab_unlikely(ns->metadata))
		return lab_fail(ENOTSUP,
				"%s: namespace %u has %u bytes of metadata with each block, which "
				"this driver does not move: format it without",
				nvme->name, nsid, ns->metadata);
	if (lab_unlikely(blocks == 0 || lba >= ns->blocks || blocks > ns->blocks - lba))
		return lab_fail(
			blocks ? ERANGE : EINVAL,
			"%s: %u blocks from %llu on: ask for at least one, and namespace %u "
			"ends at %llu",
			nvme->name, blocks, (unsigned long long)lba, nsid,
			(unsigned long long)ns->blocks);
	if (lab_unlikely(bytes > nvme->info.max_transfer))
		return lab_fail(EMSGSIZE,
				"%s: %llu bytes in one command: the limit is %u (the controller's, "
				"or config.max_transfer): split it",
				nvme->name, (unsigned long long)bytes, nvme->info.max_transfer);
	if (lab_unlikely(need != nframes))
		return lab_fail(EINVAL, "%s: %u blocks of %u bytes need %llu frames, not %u",
				nvme->name, blocks, ns->block_size, (unsigned long long)need,
				nframes);
	return submit(q, &sqe, frames, nframes, cookie);
}

int lab_nvme_read(struct lab_nvme_queue *q, uint32_t nsid, uint64_t lba, uint32_t blocks,
		  void *const *frames, uint32_t nframes, void *cookie)
{
	return submit_blocks(q, NVME_READ, nsid, lba, blocks, frames, nframes, cookie);
}

int lab_nvme_write(struct lab_nvme_queue *q, uint32_t nsid, uint64_t lba, uint32_t blocks,
		   void *const *frames, uint32_t nframes, void *cookie)
{
	return submit_blocks(q, NVME_WRITE, nsid, lba, blocks, frames, nframes, cookie);
}

int lab_nvme_flush(struct lab_nvme_queue *q, uint32_t nsid, void *cookie)
{
	struct nvme_sqe sqe = {.opcode = NVME_FLUSH, .nsid = nsid};

	if (lab_unlikely(!find_namespace(q->nvme, nsid)))
		return -EINVAL;
	return submit(q, &sqe, NULL, 0, cookie);
}

int lab_nvme_submit(struct lab_nvme_queue *q, const struct lab_nvme_command *c, void *const *frames,
		    uint32_t nframes, void *cookie)
{
	struct nvme_sqe sqe = {
		.opcode = c->opcode,
		.nsid = c->nsid,
		.cdw10 = c->cdw10,
		.cdw11 = c->cdw11,
		.cdw12 = c->cdw12,
		.cdw13 = c->cdw13,
		.cdw14 = c->cdw14,
		.cdw15 = c->cdw15,
	};

	if (lab_unlikely(nframes > q->max_frames))
		return lab_fail(EMSGSIZE, "%s: %u frames in one command: the limit is %u",
				q->nvme->name, nframes, q->max_frames);
	return submit(q, &sqe, frames, nframes, cookie);
}

/*
 * The next completion, if there is one. Acquire: its other words, and the data that the device
 * wrote before it (PCI Express keeps a device's posted writes in order), are read after the phase.
 */
static const struct nvme_cqe *next_completion(const struct lab_nvme_queue *q)
{
	const struct nvme_cqe *cqe = &q->cq[q->head];

	return (__atomic_load_n(&cqe->status, __ATOMIC_ACQUIRE) & 1u) == q->phase ? cqe : NULL;
}

/* Frees the command's slot; its frames are the caller's. */
static void finish(struct lab_nvme_queue *q, const struct nvme_cqe *cqe,
		   struct lab_nvme_completion *completion)
{
	struct lab_nvme *nvme = q->nvme;
	struct nvme_slot *slot = &q->slot[cqe->cid];
	uint16_t status = nvme_status(cqe);
	unsigned taken = 0;

	completion->cookie = slot->cookie;
	completion->status = status;
	completion->value = cqe->value;
	completion->result = lab_likely(status == 0) ? 0 : lab_nvme_status_errno(status);
	if (slot->frames)
		taken = lab_device_take_back(nvme->dev, nvme->pool,
					     q->frames + (size_t)cqe->cid * q->max_frames,
					     slot->frames);
	/* Somebody took a frame back behind our back: nobody knows what the data is. */
	if (lab_unlikely(taken < slot->frames))
		completion->result = -EIO;
	slot->next = q->free;
	q->free = cqe->cid;
	q->in_flight--;
}

int lab_nvme_poll(struct lab_nvme_queue *q, struct lab_nvme_completion *completions, unsigned n)
{
	struct lab_nvme *nvme = q->nvme;
	const struct nvme_cqe *cqe;
	unsigned done = 0, seen = 0;

	while (done < n && (cqe = next_completion(q))) {
		if (lab_likely(cqe->cid < q->depth && q->slot[cqe->cid].next == NVME_BUSY))
			finish(q, cqe, &completions[done++]);
		else
			lab_nvme_fatal(nvme); /* of a command that was not submitted */
		seen++;
		if (++q->head == q->entries) {
			q->head = 0;
			q->phase ^= 1;
		}
	}
	/* The entries are free for the controller, and no more is read from them. */
	if (seen)
		lab_mmio_write32(nvme->bar, q->cq_doorbell, q->head);
	if (done) {
		q->idle = 0;
		return (int)done;
	}
	/* Relaxed: see lab_nvme_fatal(). */
	if (lab_unlikely(lab_device_status(nvme->dev) != LAB_DEVICE_PRESENT ||
			 __atomic_load_n(&nvme->failed, __ATOMIC_RELAXED)))
		return fail_status(nvme);
	if (lab_unlikely(++q->idle >= IDLE_POLLS)) {
		q->idle = 0;
		return lab_nvme_health(nvme);
	}
	return 0;
}

int lab_nvme_wait(struct lab_nvme_queue *q, int timeout_ms)
{
	struct lab_nvme *nvme = q->nvme;
	struct pollfd fd[2];
	int64_t end = lab_nvme_now_ms() + timeout_ms;

	if (!nvme->vectors)
		return lab_fail(ENOTSUP,
				"%s: the controller was opened without interrupts: open it with "
				"LAB_NVME_INTERRUPTS, or poll",
				nvme->name);
	fd[0] = (struct pollfd){.fd = lab_device_irq_fd(nvme->dev, q->vector), .events = POLLIN};
	fd[1] = (struct pollfd){.fd = lab_device_fd(nvme->dev), .events = POLLIN};
	for (;;) {
		int64_t left = end - lab_nvme_now_ms();
		uint64_t count;
		int rc;

		if (next_completion(q))
			return 1;
		rc = lab_nvme_health(nvme);
		if (rc)
			return rc;
		if (timeout_ms >= 0 && left < 0)
			return 0;
		/*
		 * An interrupt that came since the look above left its count in the descriptor; one
		 * that belongs to completions which were polled long ago did too, and ends in
		 * another look.
		 */
		rc = poll(fd, 2, timeout_ms < 0 ? -1 : (int)left);
		if (rc < 0)
			return errno == EINTR ? 0 : lab_fail(errno, "%s: poll failed", nvme->name);
		if (fd[0].revents & POLLIN && read(fd[0].fd, &count, sizeof(count)) > 0)
			lab_device_irq_unmask(nvme->dev);
	}
}

uint32_t lab_nvme_in_flight(const struct lab_nvme_queue *q)
{
	return q->in_flight;
}
