/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A controller and its queues, as the files of this folder share them: ctrl.c starts and stops the
 * controller, admin.c talks to it, queue.c makes queues, io.c uses them.
 */
#ifndef NVME_CTRL_H
#define NVME_CTRL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <labyrinth/lab_device.h>
#include <labyrinth/nvme.h>

#include "prp.h"
#include "regs.h"
#include "spec.h"

#define NVME_PAGE 4096u

/**
 * struct nvme_admin - the admin queue, for one command at a time. One run: a page of commands, a
 * page of completions, a page that Identify fills.
 */
struct nvme_admin {
	struct lab_run run;
	struct nvme_sqe *sq;
	struct nvme_cqe *cq;
	void *page;
	uint64_t page_iova;
	uint32_t tail;
	uint32_t head;
	uint16_t cid;
	uint16_t phase;
};

/** struct lab_nvme - a controller. Constant after lab_nvme_open() but for @failed, @lock's and
 * @stopped. */
struct lab_nvme {
	struct lab_device *dev;
	struct lab_domain *domain;
	struct lab_pool *pool;
	volatile void *bar;
	const char *name;
	bool own_domain;
	bool stopped; /* it does not touch memory any more */
	int failed;   /* set once, by any thread: it has misbehaved, and is to be closed */
	uint64_t cap;
	uint32_t stride;
	uint32_t vectors; /* interrupts, or 0 */
	struct lab_nvme_info info;
	struct lab_nvme_namespace *ns;

	pthread_mutex_t lock; /* of what follows: the control path */
	struct nvme_admin admin;
	struct lab_nvme_queue *queue[LAB_NVME_QUEUES_MAX + 1]; /* by number, from 1 */
};

#define NVME_NO_SLOT UINT32_MAX

/**
 * struct nvme_slot - a command identifier, in flight or free.
 * @cookie: the caller's.
 * @frames: how many were lent; they stand in lab_nvme_queue.frames.
 * @next: next free slot, or NVME_NO_SLOT; NVME_BUSY while in flight.
 * @list: its PRP list pages.
 */
struct nvme_slot {
	void *cookie;
	uint32_t frames;
	uint32_t next;
	struct nvme_prp_list list;
};

#define NVME_BUSY (UINT32_MAX - 1)

/** struct lab_nvme_queue - a pair of queues, used by one thread at a time. */
struct lab_nvme_queue {
	struct lab_nvme *nvme;
	struct nvme_sqe *sq;
	struct nvme_cqe *cq;
	struct nvme_slot *slot;
	void **frames;  /* max_frames for each slot */
	uint64_t *iova; /* max_frames, for the command being made */
	uint32_t max_frames;
	uint32_t entries; /* of each ring: depth + 1, because a full ring would look empty */
	uint32_t depth;
	uint32_t tail;
	uint32_t head;
	uint32_t phase;
	uint32_t free; /* first free slot */
	uint32_t in_flight;
	uint32_t idle; /* polls in a row that found nothing */
	uint32_t sq_doorbell;
	uint32_t cq_doorbell;
	/* the rest is for control */
	uint32_t id;
	uint32_t vector;
	uint32_t nlists;
	struct lab_run sq_run;
	struct lab_run cq_run;
	struct lab_run *list; /* nlists runs of PRP list pages */
	size_t bytes;         /* of the mapping that this struct begins */
};

/* ctrl.c */

/** lab_nvme_fatal() - remember that the controller has misbehaved. */
void lab_nvme_fatal(struct lab_nvme *nvme);

/** lab_nvme_health() - 0, or -ENODEV or -EIO with a sentence. Reads a register, which takes a
 * microsecond. */
int lab_nvme_health(struct lab_nvme *nvme);

/** lab_nvme_ensure_lcore() - 0, or -ENOSPC: the calling thread could not take back a frame. */
int lab_nvme_ensure_lcore(const struct lab_nvme *nvme);

/** lab_nvme_now_ms() - the monotonic clock. */
int64_t lab_nvme_now_ms(void);

/** lab_nvme_nap() - sleep a moment between two looks at a register. */
void lab_nvme_nap(void);

/* admin.c; the caller has the lock, or the controller to itself */

/** lab_nvme_admin_create() - memory for the admin queue. */
int lab_nvme_admin_create(struct lab_nvme *nvme);

/** lab_nvme_admin_start() - tell the controller where it is; before it is enabled. */
void lab_nvme_admin_start(struct lab_nvme *nvme);

/**
 * lab_nvme_admin_run() - run one command to its end.
 * @command: all but its identifier.
 * @what: its name, for messages.
 * @value: receives the result; may be NULL.
 *
 * Return: 0, or -errno with a sentence: -EIO (it failed), -ETIMEDOUT, -ENODEV.
 */
int lab_nvme_admin_run(struct lab_nvme *nvme, struct nvme_sqe *command, const char *what,
		       uint32_t *value);

/** lab_nvme_admin_queues() - ask for @want I/O queues; their number goes to info.queues. */
int lab_nvme_admin_queues(struct lab_nvme *nvme, uint32_t want);

/** lab_nvme_admin_create_pair(), lab_nvme_admin_delete_pair() - tell the controller of a pair of
 * queues. */
int lab_nvme_admin_create_pair(struct lab_nvme_queue *q);
int lab_nvme_admin_delete_pair(struct lab_nvme_queue *q);

/* identify.c */

/** lab_nvme_identify() - fill info and the namespaces. @max_transfer is the caller's limit. */
int lab_nvme_identify(struct lab_nvme *nvme, uint32_t max_transfer);

/* queue.c */

/** lab_nvme_queue_recall() - take back what is in flight, the controller having stopped; how many
 * frames came. */
int64_t lab_nvme_queue_recall(struct lab_nvme_queue *q);

/** lab_nvme_queue_free() - free a queue's memory, and its runs too if @runs. */
void lab_nvme_queue_free(struct lab_nvme_queue *q, bool runs);

/* status.c */

/** lab_nvme_status_errno() - 0 or -errno for a status (type << 8 | code). */
int lab_nvme_status_errno(uint16_t status);

/** nvme_status() - type << 8 | code of a completion. */
static inline uint16_t nvme_status(const struct nvme_cqe *cqe)
{
	return cqe->status >> 1 & 0x7ff;
}

#endif
