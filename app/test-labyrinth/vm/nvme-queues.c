/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The NVMe driver's queues against QEMU's disk: full, going round, several at a time, abandoned
 * with commands in flight, slept on, used without a system call, and in every mode of domain.
 *
 *	nvme-queues 0000:01:00.0
 */
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nvme-disk.h"

#define FRAMES 16384u
#define DEPTH  8u

static struct lab_pool *pool;

static void test_ownership(struct lab_nvme_queue *q)
{
	struct lab_nvme_completion done[DEPTH];
	void *f[DEPTH + 1];
	uint32_t got = 0;
	bool lent = true;

	disk_alloc(pool, f, DEPTH + 1);
	for (uint32_t i = 0; i < DEPTH; i++)
		lent = lent && lab_nvme_read(q, NSID, i * 8, 8, &f[i], 1, f[i]) == 0;
	tap_ok(lent && lab_nvme_in_flight(q) == DEPTH,
	       "a queue takes as many commands as it is deep");
	tap_ok(lab_nvme_read(q, NSID, 0, 8, &f[DEPTH], 1, NULL) == -EAGAIN, "and not one more");
	for (uint32_t i = 0; i < DEPTH; i++)
		lent = lent && lab_free(pool, f[i]) == -EBUSY;
	tap_ok(lent, "a frame in flight cannot be freed");
	tap_note("%s", lab_error_text());
	while (got < DEPTH) {
		int n = lab_nvme_poll(q, done, 3); /* fewer than there are */

		if (n < 0)
			disk_bail("lab_nvme_poll", lab_error_text());
		for (int i = 0; i < n; i++)
			lent = lent && !done[i].result && lab_free(pool, done[i].cookie) == 0;
		got += (uint32_t)n;
	}
	tap_ok(lent && disk_conserved(pool, 1), "after its completion it can be, once");
	tap_ok(lab_nvme_read(q, NSID, 0, 8, &f[DEPTH], 1, f[DEPTH]) == 0 &&
		       disk_finish(q, 0, f[DEPTH]) == 0 && lab_free(pool, f[DEPTH]) == 0,
	       "and the queue has room again");
}

struct confined {
	struct lab_nvme_queue *queue;
	void *frame[DEPTH + 1];
	void *idle[DEPTH + 1];
	unsigned nidle;
	unsigned ended;
	bool alive;
	bool unable;
};

/* The thread's last act is the only system call that it may make beside read() and write(). */
static void *confined(void *arg)
{
	struct confined *c = arg;
	struct lab_nvme_completion done;

	lab_lcore_register(pool, "confined");
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)) {
		c->unable = true;
		return NULL;
	}
	while (c->ended < 5000) {
		uint64_t lba = c->ended % 1000 * 8;
		void **top;
		int n;

		/* A full queue, wrong arguments and empty polls are part of the data path. */
		while (c->nidle && (top = &c->idle[c->nidle - 1]) &&
		       lab_nvme_read(c->queue, NSID, lba, 8, top, 1, *top) == 0)
			c->nidle--;
		n = lab_nvme_poll(c->queue, &done, 1);
		if (n < 0 || (n == 1 && done.result))
			break;
		if (n == 1) {
			c->idle[c->nidle++] = done.cookie;
			c->ended++;
			lab_nvme_flush(c->queue, NSID + 1, NULL);
		}
	}
	c->alive = true;
	syscall(SYS_exit, 0);
	return NULL;
}

/* The kernel ends a thread that makes another call (seccomp(2), strict mode). */
static void test_no_system_call(struct lab_nvme *nvme)
{
	struct confined c = {.queue = disk_must(lab_nvme_queue_create(nvme, DEPTH), "a queue")};
	pthread_t thread;

	disk_alloc(pool, c.frame, DEPTH + 1);
	memcpy(c.idle, c.frame, sizeof(c.idle));
	c.nidle = DEPTH + 1;
	if (pthread_create(&thread, NULL, confined, &c))
		disk_bail("pthread_create", "no thread");
	pthread_join(thread, NULL);
	if (c.unable)
		tap_ok(true, "no system call # SKIP this kernel has no seccomp");
	else
		tap_ok(c.alive && c.ended == 5000, "5000 reads without a system call");
	lab_nvme_queue_destroy(c.queue);
	tap_ok(lab_free_bulk(pool, c.frame, DEPTH + 1) == 0 && disk_conserved(pool, 0),
	       "their frames are all there");
}

/* Rings go round, with a depth that is no power of two, and one that is 1. */
static void test_rings(struct lab_nvme *nvme, uint32_t depth)
{
	struct lab_nvme_queue *q = disk_must(lab_nvme_queue_create(nvme, depth), "a queue");
	struct lab_nvme_completion done[16];
	uint32_t sent = 0, got = 0, total = 20 * (depth + 1);
	bool good = true;
	char name[100];
	void *f[300];

	disk_alloc(pool, f, depth);
	while (got < total) {
		while (sent < total && sent - got < depth &&
		       lab_nvme_flush(q, NSID, (void *)(uintptr_t)(sent + 1)) == 0)
			sent++;
		good = good && lab_nvme_in_flight(q) == sent - got;
		for (int i = 0, n = lab_nvme_poll(q, done, 16); i < n; i++, got++)
			good = good && !done[i].result;
	}
	lab_free_bulk(pool, f, depth);
	snprintf(name, sizeof(name), "%u commands through a queue of %u", total, depth);
	tap_ok(good && lab_nvme_queue_destroy(q) == 0, name);
}

static void test_queues(struct lab_nvme *nvme)
{
	struct lab_nvme_queue *q[9];
	unsigned n = 0;
	bool good = true;
	void *f;

	/* One is there already. */
	while (n < 9 && (q[n] = lab_nvme_queue_create(nvme, 2 + n)) != NULL)
		n++;
	tap_ok(n == 7 && errno == ENOSPC, "8 queues at one time, and no ninth");
	tap_note("%s", lab_error_text());
	disk_alloc(pool, &f, 1);
	for (unsigned i = 0; i < n; i++) {
		disk_fill(&f, 8, i, 8);
		good = good &&
		       !disk_finish(q[i], lab_nvme_write(q[i], NSID, 8, 8, &f, 1, &f), &f) &&
		       !disk_finish(q[n - 1 - i],
				    lab_nvme_read(q[n - 1 - i], NSID, 8, 8, &f, 1, &f), &f) &&
		       disk_filled(&f, 8, i, 8);
	}
	tap_ok(good, "what one wrote another reads");
	lab_free(pool, f);
	for (unsigned i = 0; i < n; i++)
		good = good && lab_nvme_queue_destroy(q[i]) == 0;
	tap_ok(good, "they are destroyed");
	for (unsigned round = 0; round < 50; round++) {
		q[0] = lab_nvme_queue_create(nvme, 4);
		good = good && q[0] && lab_nvme_queue_destroy(q[0]) == 0;
	}
	tap_ok(good, "and made and destroyed again, 50 times");
}

/* Commands that nobody waits for: their frames come back with the queue, or with the disk. */
static void test_abandoned(const char *device)
{
	struct lab_nvme *nvme = disk_open(device, pool, NULL, 0);
	struct lab_nvme_queue *q = disk_must(lab_nvme_queue_create(nvme, 16), "a queue");
	struct lab_nvme_queue *q2 = disk_must(lab_nvme_queue_create(nvme, 16), "a queue");
	void *f[16 * 8];
	int64_t taken;
	bool good = true;

	disk_alloc(pool, f, 16 * 8);
	for (uint32_t i = 0; i < 16; i++)
		good = good && !lab_nvme_read(i % 2 ? q : q2, NSID, i * 64, 64, f + i * 8, 8, NULL);
	tap_ok(good && lab_pool_destroy(pool) == -EBUSY, "16 reads are in flight");
	taken = lab_nvme_queue_destroy(q);
	tap_ok(taken == 8 * 8 && lab_free(pool, f[8]) == 0 && lab_free(pool, f[0]) == -EBUSY,
	       "destroying a queue gives its frames back, and no others");
	taken = lab_nvme_close(nvme);
	if (taken < 0)
		tap_note("%s", lab_error_text());
	f[8] = f[0];
	tap_ok(taken == 8 * 8 && lab_free_bulk(pool, f + 1, 16 * 8 - 1) == 0 &&
		       disk_conserved(pool, 0),
	       "closing the disk gives back the rest");
}

static void test_interrupts(const char *device)
{
	struct lab_nvme *nvme = disk_open(device, pool, NULL, LAB_NVME_INTERRUPTS);
	struct lab_nvme_queue *q = disk_must(lab_nvme_queue_create(nvme, DEPTH), "a queue");
	struct lab_nvme_queue *q2 = disk_must(lab_nvme_queue_create(nvme, DEPTH), "a queue");
	struct lab_nvme_completion done;
	bool good = true;
	double start;
	void *f;

	disk_alloc(pool, &f, 1);
	start = disk_now();
	tap_ok(lab_nvme_wait(q, 200) == 0 && disk_now() - start > 0.19,
	       "with nothing in flight a wait takes its time");
	for (unsigned i = 0; i < 200 && good; i++) {
		good = !lab_nvme_read(i % 2 ? q : q2, NSID, i, 1, &f, 1, &f) &&
		       lab_nvme_wait(i % 2 ? q : q2, 20000) == 1 &&
		       lab_nvme_poll(i % 2 ? q : q2, &done, 1) == 1 && !done.result;
	}
	tap_ok(good, "200 reads on two queues, each slept for");
	if (!good)
		tap_note("%s", lab_error_text());
	start = disk_now();
	tap_ok(lab_nvme_wait(q, 200) == 0 && disk_now() - start > 0.19,
	       "interrupts that are behind wake nobody");
	lab_free(pool, f);
	tap_ok(lab_nvme_close(nvme) == 0, "the disk is closed");
	nvme = disk_open(device, pool, NULL, 0);
	q = disk_must(lab_nvme_queue_create(nvme, DEPTH), "a queue");
	tap_ok(lab_nvme_wait(q, 0) == -ENOTSUP, "without interrupts a wait is refused");
	lab_nvme_close(nvme);
}

static void test_mode(const char *device, enum lab_domain_mode mode, const char *mode_name)
{
	struct lab_domain_config config = {.name = mode_name, .mode = mode};
	struct lab_domain *domain = disk_must(lab_domain_create(&config), "a domain");
	char name[100];
	bool good = true;

	for (unsigned round = 0; round < 3; round++) {
		struct lab_nvme *nvme = disk_open(device, pool, domain, 0);
		struct lab_nvme_queue *q = disk_must(lab_nvme_queue_create(nvme, 4), "a queue");

		for (uint32_t n = 1; n < 128 && good; n += 9)
			good = disk_round_trip(pool, q, n, n * 8 - n % 8, n);
		good = good && lab_nvme_close(nvme) == 0;
	}
	snprintf(name, sizeof(name), "1 to 127 frames in a %s domain, opened three times (%s)",
		 mode_name, lab_domain_backend(domain));
	tap_ok(good && lab_domain_unmap_pool(domain, pool) == 0 && lab_domain_destroy(domain) == 0,
	       name);
}

int main(int argc, char **argv)
{
	struct lab_nvme *nvme;

	if (argc != 2)
		disk_bail("usage", "nvme-queues ADDRESS");
	pool = disk_pool("nvme-queues", FRAMES);
	nvme = disk_open(argv[1], pool, NULL, 0);
	test_ownership(disk_must(lab_nvme_queue_create(nvme, DEPTH), "a queue"));
	test_rings(nvme, 1);
	test_rings(nvme, 2);
	test_rings(nvme, 7);
	test_rings(nvme, 257);
	test_queues(nvme);
	test_no_system_call(nvme);
	tap_ok(lab_nvme_close(nvme) == 0 && disk_conserved(pool, 0), "the disk is closed");
	test_abandoned(argv[1]);
	test_interrupts(argv[1]);
	test_mode(argv[1], LAB_DOMAIN_GUARDED, "guarded");
	test_mode(argv[1], LAB_DOMAIN_PREMAPPED, "premapped");
	test_mode(argv[1], LAB_DOMAIN_STRICT, "strict");
	tap_ok(disk_conserved(pool, 0) && lab_pool_destroy(pool) == 0, "and no frame is lost");
	return tap_done();
}
