/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A whole lot of random blocks, written in random order and read back in another one, with 32
 * commands in flight, while a second thread allocates and frees from the same pool and watches that
 * nobody writes to what it holds.
 *
 *	nvme-volume 0000:01:00.0 MIB
 */
#include <pthread.h>

#include "nvme-disk.h"

#define DEPTH  32u
#define BLOCKS 128u /* of a command, at most: 16 frames */
#define EACH   (BLOCKS / 8)
#define BURST  64u

struct volume {
	struct lab_pool *pool;
	struct lab_nvme_queue *queue;
	uint32_t chunks;
	uint32_t *order;
	uint64_t seed;
	uint64_t errors;
	int stop; /* of the other thread; relaxed: it only has to arrive some time */
	uint64_t bursts;
	uint64_t trampled;
};

struct chunk {
	uint32_t number;
	void *frames[EACH];
	struct chunk *next;
};

/* The other thread: random bursts, each frame stamped, and looked at before it is freed. */
static void *neighbour(void *arg)
{
	struct volume *v = arg;
	uint64_t random = 4711;
	void *frames[BURST];

	while (!__atomic_load_n(&v->stop, __ATOMIC_RELAXED)) {
		unsigned want = 1 + (unsigned)(disk_random(&random) % BURST);
		unsigned n = lab_alloc_burst(v->pool, frames, want, LAB_GFP_ATOMIC);

		for (unsigned i = 0; i < n; i++) {
			uint64_t *word = frames[i];

			for (unsigned w = 0; w < 512; w += 64)
				word[w] = (uintptr_t)word ^ v->bursts ^ w;
		}
		sched_yield(); /* hold them a while: the disk is at work meanwhile */
		for (unsigned i = 0; i < n; i++) {
			uint64_t *word = frames[i];

			for (unsigned w = 0; w < 512; w += 64)
				v->trampled += word[w] != ((uintptr_t)word ^ v->bursts ^ w);
		}
		if (lab_free_bulk(v->pool, frames, n))
			v->trampled++;
		v->bursts++;
	}
	return NULL;
}

static void shuffle(struct volume *v, uint64_t seed)
{
	for (uint32_t i = 0; i < v->chunks; i++)
		v->order[i] = i;
	for (uint32_t i = v->chunks - 1; i > 0 && i < v->chunks; i--) {
		uint32_t j = (uint32_t)(disk_random(&seed) % (i + 1)), old = v->order[i];

		v->order[i] = v->order[j];
		v->order[j] = old;
	}
}

static void start(struct volume *v, struct chunk *c, uint32_t number, bool writing)
{
	uint64_t block = (uint64_t)number * BLOCKS;

	c->number = number;
	while (lab_alloc_bulk(v->pool, c->frames, EACH, LAB_GFP_ATOMIC))
		sched_yield(); /* the neighbour has them for a moment */
	if (writing)
		disk_fill(c->frames, BLOCKS, v->seed, block);
	if ((writing ? lab_nvme_write : lab_nvme_read)(v->queue, NSID, block, BLOCKS, c->frames,
						       EACH, c))
		disk_bail("submitting", lab_error_text());
}

static void finish(struct volume *v, const struct lab_nvme_completion *done, bool writing)
{
	struct chunk *c = done->cookie;

	if (done->result) {
		tap_note("chunk %u: %s", c->number, lab_nvme_status_text(done->status));
		v->errors++;
	} else if (!writing &&
		   !disk_filled(c->frames, BLOCKS, v->seed, (uint64_t)c->number * BLOCKS)) {
		v->errors++;
	}
	if (lab_free_bulk(v->pool, c->frames, EACH))
		v->errors++;
}

/* Returns the most commands that were in flight at one time. */
static uint32_t pass(struct volume *v, struct chunk *chunks, bool writing)
{
	struct lab_nvme_completion done[DEPTH];
	struct chunk *idle = NULL;
	uint32_t next = 0, most = 0;
	double last = disk_now();

	for (unsigned i = 0; i < DEPTH; i++) {
		chunks[i].next = idle;
		idle = &chunks[i];
	}
	while (next < v->chunks || lab_nvme_in_flight(v->queue)) {
		int n;

		while (idle && next < v->chunks) {
			struct chunk *c = idle;

			idle = c->next;
			start(v, c, v->order[next++], writing);
		}
		if (lab_nvme_in_flight(v->queue) > most)
			most = lab_nvme_in_flight(v->queue);
		n = lab_nvme_poll(v->queue, done, DEPTH);
		if (n < 0)
			disk_bail("lab_nvme_poll", lab_error_text());
		if (n > 0)
			last = disk_now();
		else if (disk_now() - last > 30)
			disk_bail("lab_nvme_poll", "nothing ended for 30 s");
		for (int i = 0; i < n; i++) {
			struct chunk *c = done[i].cookie;

			finish(v, &done[i], writing);
			c->next = idle;
			idle = c;
		}
	}
	return most;
}

int main(int argc, char **argv)
{
	static struct chunk chunks[DEPTH];
	struct volume v = {.seed = 1};
	struct lab_nvme_config config = {0};
	struct lab_nvme *nvme;
	pthread_t thread;
	char name[100];
	unsigned long mib;
	uint32_t deep;
	int cookie;

	if (argc != 3)
		disk_bail("usage", "nvme-volume ADDRESS MIB");
	mib = strtoul(argv[2], NULL, 0);
	if (mib == 0 || mib > 4096)
		disk_bail("MIB", "1 to 4096");
	v.chunks = (uint32_t)(mib * 2048 / BLOCKS);
	v.order = malloc(v.chunks * sizeof(*v.order));
	/* Small enough that both run dry at times. */
	v.pool = disk_pool("volume", 1024);
	config.device = argv[1];
	config.pool = v.pool;
	nvme = disk_must(lab_nvme_open(&config), "lab_nvme_open");
	v.queue = disk_must(lab_nvme_queue_create(nvme, DEPTH), "a queue");
	if (!v.order || pthread_create(&thread, NULL, neighbour, &v))
		disk_bail("starting", "no memory or no thread");

	shuffle(&v, 17);
	deep = pass(&v, chunks, true);
	snprintf(name, sizeof(name), "%lu MiB of random blocks are written, %u commands in flight",
		 mib, DEPTH);
	tap_ok(v.errors == 0 && deep == DEPTH, name);
	tap_ok(!disk_finish(v.queue, lab_nvme_flush(v.queue, NSID, &cookie), &cookie),
	       "and flushed");
	shuffle(&v, 99);
	deep = pass(&v, chunks, false);
	tap_ok(v.errors == 0 && deep == DEPTH, "read back in another order, they are equal");

	__atomic_store_n(&v.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	snprintf(name, sizeof(name), "a second thread's frames were its own, in %" PRIu64 " bursts",
		 v.bursts);
	tap_ok(v.trampled == 0 && v.bursts > 100, name);
	tap_ok(lab_nvme_close(nvme) == 0 && disk_conserved(v.pool, 0), "no frame is lost");
	tap_ok(lab_pool_destroy(v.pool) == 0, "and the pool goes");
	free(v.order);
	return tap_done();
}
