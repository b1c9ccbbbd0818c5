/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Traffic that does not end by itself, to be killed, or to have its disk pulled out.
 *
 *	nvme-traffic run 0000:01:00.0
 * reads and writes until the disk goes: says "running" once there are commands in flight, and TAP
 * at its end.
 *
 *	nvme-traffic sleep 0000:01:00.0
 * waits for an interrupt that does not come, until the disk goes; says the same.
 *
 *	nvme-traffic watch SECONDS
 * fills all free hugepages of node 0, and says in TAP whether anybody writes to them.
 */
#include "nvme-disk.h"

#define DEPTH 64u
#define EACH  32u
/* Polled for at a time: nearly all others are in flight, always. */
#define FEW 4u

static void *frames[DEPTH][EACH];

/* Until lab_nvme_poll() or a submission says that the disk is gone; returns what it said. */
static int traffic(struct lab_nvme_queue *queue, uint64_t *ended)
{
	struct lab_nvme_completion done[FEW];
	uint64_t random = 12345;
	bool said = false;

	for (uint32_t i = 0; i < DEPTH; i++) {
		if (lab_nvme_write(queue, NSID, i * EACH * 8, EACH * 8, frames[i], EACH, frames[i]))
			disk_bail("submitting", lab_error_text());
	}
	for (;;) {
		int n = lab_nvme_poll(queue, done, FEW);

		if (n < 0)
			return n;
		for (int i = 0; i < n; i++) {
			uint64_t r = disk_random(&random);
			uint64_t lba = (r >> 8) % 500000;
			void **f = done[i].cookie;
			int rc;

			if (done[i].result)
				disk_bail("a command", lab_nvme_status_text(done[i].status));
			rc = (r & 1 ? lab_nvme_read : lab_nvme_write)(queue, NSID, lba, EACH * 8, f,
								      EACH, f);
			if (rc)
				return rc;
		}
		*ended += (uint64_t)n;
		if (*ended > DEPTH && !said) {
			said = true;
			printf("# running\n");
			fflush(stdout);
		}
	}
}

static int run(const char *device)
{
	/* Where watch() looks, should it be killed. */
	const struct lab_pool_config where = {
		.name = "traffic", .frames = 4096, .node = LAB_NODE(0)};
	struct lab_pool *pool = disk_must(lab_pool_create(&where), "a pool");
	struct lab_nvme_config config = {.device = device, .pool = pool};
	struct lab_nvme *nvme = disk_must(lab_nvme_open(&config), "lab_nvme_open");
	struct lab_nvme_queue *queue = disk_must(lab_nvme_queue_create(nvme, DEPTH), "a queue");
	uint32_t in_flight;
	uint64_t ended = 0;
	int64_t taken;
	double start;
	bool good;
	int rc;

	for (uint32_t i = 0; i < DEPTH; i++)
		disk_alloc(pool, frames[i], EACH);
	rc = traffic(queue, &ended);
	tap_ok(rc == -ENODEV, "the driver reports that the disk is going");
	tap_note("after %" PRIu64 " commands: %s", ended, lab_error_text());
	in_flight = lab_nvme_in_flight(queue);
	good = lab_nvme_read(queue, NSID, 0, EACH * 8, frames[0], EACH, NULL) == -ENODEV;
	tap_ok(good && lab_nvme_in_flight(queue) == in_flight, "it takes no more commands");
	start = disk_now();
	taken = lab_nvme_close(nvme);
	tap_ok(in_flight >= DEPTH - FEW && taken == (int64_t)in_flight * EACH &&
		       disk_now() - start < 10,
	       "closing it gives back what was in flight, and does not hang");
	tap_note("%u commands in flight, %" PRId64 " frames back", in_flight, taken);
	if (taken < 0)
		tap_note("%s", lab_error_text());
	tap_ok(disk_conserved(pool, (uint64_t)DEPTH * EACH), "all frames are held again");
	good = true;
	for (uint32_t i = 0; i < DEPTH; i++)
		good = lab_free_bulk(pool, frames[i], EACH) == 0 && good;
	tap_ok(good && disk_conserved(pool, 0) && lab_pool_destroy(pool) == 0,
	       "they are freed, none is lost, and the pool goes");
	return tap_done();
}

/* Nothing is in flight, and the wait has no end of its own. */
static int sleep_on(const char *device)
{
	struct lab_pool *pool = disk_pool("sleeper", 512);
	struct lab_nvme_config config = {
		.device = device, .pool = pool, .flags = LAB_NVME_INTERRUPTS};
	struct lab_nvme *nvme = disk_must(lab_nvme_open(&config), "lab_nvme_open");
	struct lab_nvme_queue *queue = disk_must(lab_nvme_queue_create(nvme, DEPTH), "a queue");
	int rc;

	printf("# running\n");
	fflush(stdout);
	rc = lab_nvme_wait(queue, -1);
	tap_ok(rc == -ENODEV, "who sleeps is woken when the disk is going");
	tap_note("%s", lab_error_text());
	tap_ok(lab_nvme_queue_create(nvme, 1) == NULL && errno == ENODEV,
	       "there are no new queues");
	tap_ok(lab_nvme_close(nvme) == 0 && disk_conserved(pool, 0) && lab_pool_destroy(pool) == 0,
	       "the disk is closed, and the pool goes");
	return tap_done();
}

static int watch(double seconds)
{
	int64_t pages = lab_hugepage_free(LAB_PAGE_2M, LAB_NODE(0));
	const struct timespec nap = {.tv_nsec = 50000000};
	uint64_t *word, words, changed = 0;
	struct lab_pool *pool;
	struct lab_pool_config config = {.name = "watch", .node = LAB_NODE(0)};
	size_t bytes;
	double end;

	config.frames = (uint64_t)pages * 512;
	pool = disk_must(lab_pool_create(&config), "a pool of all free hugepages");
	word = lab_pool_memory(pool, &bytes);
	words = bytes / sizeof(*word);
	for (uint64_t i = 0; i < words; i += 8)
		word[i] = ~i;
	end = disk_now() + seconds;
	while (disk_now() < end) {
		nanosleep(&nap, NULL);
		for (uint64_t i = 0; i < words; i += 8)
			changed += word[i] != ~i;
	}
	printf("# %" PRId64 " hugepages watched\n", pages);
	tap_ok(changed == 0, "nobody writes to memory that a killed program had");
	lab_pool_destroy(pool);
	return tap_done();
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "run"))
		return run(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "sleep"))
		return sleep_on(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "watch"))
		return watch(strtod(argv[2], NULL));
	disk_bail("usage", "nvme-traffic run ADDRESS | sleep ADDRESS | watch SECONDS");
	return EXIT_FAILURE;
}
