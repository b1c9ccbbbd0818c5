/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The NVMe driver against QEMU's disk, one command at a time: what it is, transfers of all awkward
 * sizes, the disk's errors, and what is refused.
 *
 *	nvme-test 0000:01:00.0 SERIAL MAX-TRANSFER
 *
 * MAX-TRANSFER is what the disk allows in bytes (MDTS), 0 for no limit.
 */
#include "nvme-disk.h"

#define FRAMES 16384u
#define DEPTH  8u

static struct lab_pool *pool;
static void *frame[DISK_LARGEST / LAB_FRAME_SIZE + 1];

static void test_identify(struct lab_nvme *nvme, const char *serial, uint32_t limit)
{
	struct lab_nvme_info info;
	struct lab_nvme_namespace ns = {0};

	lab_nvme_info(nvme, &info);
	tap_note("%s, serial %s, firmware %s, version %x, %u queues of %u, %u bytes a command",
		 info.model, info.serial, info.firmware, info.version, info.queues, info.max_depth,
		 info.max_transfer);
	/* QEMU's documentation of -device nvme: Red Hat's vendor, "QEMU NVMe Ctrl", 64 queues. */
	tap_ok(info.vendor == 0x1b36 && !strcmp(info.model, "QEMU NVMe Ctrl") &&
		       !strcmp(info.serial, serial) && info.firmware[0] &&
		       info.version >= 0x00010300,
	       "identify gives QEMU's vendor, model, serial, firmware and version");
	tap_ok(info.queues == 8 && info.max_depth >= 1023 && info.namespaces == 1,
	       "8 queues, as by default, of at least 1023 commands, and one namespace");
	tap_ok(info.max_transfer == (limit && limit < DISK_LARGEST ? limit : DISK_LARGEST),
	       "the largest transfer is the least of MDTS and what was asked for");
	tap_ok(lab_nvme_namespace(nvme, 0, &ns) == 0 && ns.nsid == NSID && ns.block_size == 512 &&
		       ns.metadata == 0 && ns.blocks >= 512u << 11,
	       "namespace 1 has blocks of 512 bytes, 512 MiB of them at least");
	tap_ok(lab_nvme_namespace(nvme, 1, &ns) == -ENOENT, "there is no second namespace");
}

static void test_sizes(struct lab_nvme *nvme, struct lab_nvme_queue *queue)
{
	static const uint32_t frames[] = {1, 2, 3, 127, 128, 511, 512, 513, 514, 1023, 1024};
	struct lab_nvme_info info;
	char name[100];

	lab_nvme_info(nvme, &info);
	for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
		if (frames[i] > info.max_transfer / LAB_FRAME_SIZE)
			break;
		snprintf(name, sizeof(name), "%u frames go out and come back, whole", frames[i]);
		tap_ok(disk_round_trip(pool, queue, 1000 * i + 7, frames[i] * 8, i), name);
		snprintf(name, sizeof(name), "%u frames, 1 to 7 blocks in the last one", frames[i]);
		tap_ok(disk_round_trip(pool, queue, 33 * i, frames[i] * 8 - 7, 100 + i) &&
			       disk_round_trip(pool, queue, 33 * i, frames[i] * 8 - 1, 200 + i),
		       name);
	}
}

/*
 * Compare (6.6): the disk reads all frames through the PRP lists, and says whether they are what it
 * has. One byte anywhere must be seen.
 */
static void test_compare(struct lab_nvme_queue *queue, uint32_t n)
{
	struct lab_nvme_command compare = {.opcode = 5, .nsid = NSID, .cdw12 = n * 8 - 1};
	struct lab_nvme_completion done = {0};
	bool good = true;
	char name[100];
	int cookie;

	disk_alloc(pool, frame, n);
	disk_fill(frame, n * 8, n, 0);
	for (uint32_t i = 0, m; i < n && good; i += m) {
		m = n - i < 128 ? n - i : 128;
		good = !disk_finish(
			queue, lab_nvme_write(queue, NSID, i * 8, m * 8, frame + i, m, &cookie),
			&cookie);
	}
	good = good &&
	       !disk_finish(queue, lab_nvme_submit(queue, &compare, frame, n, &cookie), &cookie);
	snprintf(name, sizeof(name), "%u frames of one command are what the disk has", n);
	tap_ok(good && disk_conserved(pool, n), name);
	good = true;
	/* Each place is read from its own frame: one byte in any of these is seen. */
	for (uint32_t k = 0; k <= 8; k++) {
		uint32_t i = k * (n - 1) / 8;
		uint8_t *byte = (uint8_t *)frame[i] + i % LAB_FRAME_SIZE;

		*byte ^= 1;
		good = good && lab_nvme_submit(queue, &compare, frame, n, &cookie) == 0 &&
		       disk_next(queue, &done) == 1 && done.status == 0x285 && done.result == -EIO;
		*byte ^= 1;
	}
	snprintf(name, sizeof(name), "%u frames, and one byte of one is not", n);
	tap_ok(good && disk_conserved(pool, n), name);
	lab_free_bulk(pool, frame, n);
}

/*
 * Three list pages and more: QEMU (hw/nvme, up to 7.2 at least) takes no more than 1024 pieces
 * (IOV_MAX) in a command whatever its MDTS says, and answers with an internal error. Either it
 * works, or that is what the driver reports, and the frames come back.
 */
static void test_beyond_qemu(struct lab_nvme_queue *queue, uint32_t n)
{
	struct lab_nvme_completion done = {0};
	char name[100];
	int cookie;
	bool good;

	disk_alloc(pool, frame, n);
	good = lab_nvme_write(queue, NSID, 0, n * 8, frame, n, &cookie) == 0 &&
	       disk_next(queue, &done) == 1 && done.cookie == &cookie && disk_conserved(pool, n);
	lab_free_bulk(pool, frame, n);
	if (done.result == 0)
		good = good && disk_round_trip(pool, queue, 3, n * 8 - 3, n);
	else
		good = good && done.status == 0x006 && done.result == -EIO &&
		       disk_round_trip(pool, queue, 3, 8, n);
	snprintf(name, sizeof(name), "%u frames: %s", n,
		 done.result ? "the disk's refusal arrives, and the frames with it" : "whole");
	tap_ok(good, name);
}

/* True if @rc is the error @err, said with @part, and nothing is lent. */
static bool refused(int rc, int err, const char *part, uint64_t held)
{
	if (rc == -err && strstr(lab_error_text(), part) && disk_conserved(pool, held))
		return true;
	tap_note("%d: %s", rc, lab_error_text());
	return false;
}

static void test_refusals(struct lab_nvme *nvme, struct lab_nvme_queue *q, const char *device)
{
	struct lab_nvme_config config = {.device = device, .pool = pool};
	struct lab_pool *other = disk_pool("other", 512);
	void *foreign = lab_alloc(other, 0), *mixed[3], *f[2];
	struct lab_nvme_namespace ns;
	struct lab_nvme_info info;
	uint32_t over;

	lab_nvme_info(nvme, &info);
	lab_nvme_namespace(nvme, 0, &ns);
	over = info.max_transfer / 512 + 1;
	disk_alloc(pool, f, 2);
	tap_ok(refused(lab_nvme_read(q, 2, 0, 8, f, 1, NULL), EINVAL, "no namespace 2", 2) &&
		       refused(lab_nvme_read(q, 0, 0, 8, f, 1, NULL), EINVAL, "no namespace 0",
			       2) &&
		       refused(lab_nvme_flush(q, 7, NULL), EINVAL, "no namespace 7", 2),
	       "a namespace that is not there is refused");
	tap_ok(refused(lab_nvme_read(q, NSID, 0, 0, f, 0, NULL), EINVAL, "at least one", 2),
	       "no blocks at all are refused");
	tap_ok(refused(lab_nvme_read(q, NSID, ns.blocks - 7, 8, f, 1, NULL), ERANGE, "ends at",
		       2) &&
		       refused(lab_nvme_write(q, NSID, ns.blocks, 1, f, 1, NULL), ERANGE, "ends at",
			       2) &&
		       refused(lab_nvme_write(q, NSID, UINT64_MAX, 2, f, 1, NULL), ERANGE,
			       "ends at", 2),
	       "blocks beyond the end are refused");
	tap_ok(refused(lab_nvme_read(q, NSID, 0, 16, f, 1, NULL), EINVAL, "need 2 frames, not 1",
		       2) &&
		       refused(lab_nvme_read(q, NSID, 0, 8, f, 2, NULL), EINVAL,
			       "need 1 frames, not 2", 2) &&
		       refused(lab_nvme_read(q, NSID, 0, 9, f, 1, NULL), EINVAL,
			       "need 2 frames, not 1", 2),
	       "a count of frames that does not fit the blocks is refused");
	tap_ok(refused(lab_nvme_read(q, NSID, 0, over, frame, over / 8 + 1, NULL), EMSGSIZE,
		       "the limit is", 2),
	       "more than the largest transfer is refused, with the limit");
	mixed[0] = f[0];
	mixed[1] = f[1];
	mixed[2] = foreign;
	tap_ok(refused(lab_nvme_write(q, NSID, 0, 24, mixed, 3, NULL), EXDEV, "of pool 'other'", 2),
	       "a frame of another pool is refused, and those before it are held again");
	mixed[1] = (char *)f[1] + 512;
	tap_ok(refused(lab_nvme_write(q, NSID, 0, 16, mixed, 2, NULL), EINVAL, "inside frame", 2),
	       "a pointer into a frame is refused");
	mixed[1] = f[0];
	tap_ok(refused(lab_nvme_write(q, NSID, 0, 16, mixed, 2, NULL), EBUSY, "lent to", 2),
	       "the same frame twice in one command is refused");
	lab_free(pool, f[1]);
	mixed[1] = f[1];
	tap_ok(refused(lab_nvme_write(q, NSID, 0, 16, mixed, 2, NULL), EALREADY, "free", 1),
	       "a frame that is free is refused");
	tap_ok(!lab_nvme_queue_create(nvme, 0) && errno == EINVAL &&
		       !lab_nvme_queue_create(nvme, info.max_depth + 1) && errno == EINVAL,
	       "queues of no commands, or of too many, are refused");
	tap_ok(!lab_nvme_open(&config) && errno == EBUSY, "the disk cannot be opened twice");
	tap_note("%s", lab_error_text());
	lab_free(pool, f[0]);
	lab_free(other, foreign);
	tap_ok(lab_pool_destroy(other) == 0 && lab_nvme_in_flight(q) == 0 &&
		       disk_conserved(pool, 0),
	       "nothing is in flight after all that");
}

/* The disk's own errors, past the driver's checks. */
static void test_errors(struct lab_nvme *nvme, struct lab_nvme_queue *q)
{
	struct lab_nvme_command read = {.opcode = 2, .nsid = NSID}, c;
	struct lab_nvme_completion done = {0};
	struct lab_nvme_namespace ns;
	int cookie;
	void *f;

	lab_nvme_namespace(nvme, 0, &ns);
	disk_alloc(pool, &f, 1);
	c = read;
	c.cdw10 = (uint32_t)ns.blocks;
	c.cdw11 = (uint32_t)(ns.blocks >> 32);
	tap_ok(lab_nvme_submit(q, &c, &f, 1, &cookie) == 0 && disk_next(q, &done) == 1 &&
		       done.result == -ERANGE && done.status == 0x080 && done.cookie == &cookie &&
		       disk_conserved(pool, 1),
	       "the disk's error for a block beyond its end arrives, and the frame with it");
	tap_note("%s", lab_nvme_status_text(done.status));
	c = read;
	c.nsid = 0x1000;
	tap_ok(lab_nvme_submit(q, &c, &f, 1, &cookie) == 0 && disk_next(q, &done) == 1 &&
		       done.result == -EINVAL && done.status == 0x00b && disk_conserved(pool, 1),
	       "likewise for a namespace that cannot be");
	c.nsid = 77;
	tap_ok(lab_nvme_submit(q, &c, &f, 1, &cookie) == 0 && disk_next(q, &done) == 1 &&
		       done.result == -EINVAL && done.status != 0 && disk_conserved(pool, 1),
	       "and for one that is not there");
	c = read;
	c.opcode = 0x7f;
	tap_ok(lab_nvme_submit(q, &c, NULL, 0, &cookie) == 0 && disk_next(q, &done) == 1 &&
		       done.result == -EINVAL && done.status == 0x001,
	       "likewise for an opcode that is none");
	disk_fill(&f, 8, 5, 64);
	tap_ok(!disk_finish(q, lab_nvme_write(q, NSID, 64, 8, &f, 1, &cookie), &cookie) &&
		       !disk_finish(q, lab_nvme_flush(q, NSID, &cookie), &cookie),
	       "after errors it writes and flushes as before");
	/* Write Zeroes (6.17): dword 12 the number of blocks less one. */
	c = (struct lab_nvme_command){.opcode = 8, .nsid = NSID, .cdw10 = 64, .cdw12 = 7};
	tap_ok(!disk_finish(q, lab_nvme_submit(q, &c, NULL, 0, &cookie), &cookie) &&
		       !disk_finish(q, lab_nvme_read(q, NSID, 64, 8, &f, 1, &cookie), &cookie) &&
		       ((char *)f)[0] == 0 && !memcmp(f, (char *)f + 1, LAB_FRAME_SIZE - 1),
	       "a command that the driver has no function for works: Write Zeroes");
	lab_free(pool, f);
}

/* Opening the disk and making a queue, with the n-th call of one kind failing, until none is left.
 */
static bool opens_in_the_end(const char *address, struct lab_pool *of, enum lab_fault_point point,
			     unsigned *failed)
{
	const struct lab_nvme_config config = {
		.device = address, .pool = pool, .max_transfer = DISK_LARGEST};
	struct lab_fault fault = {.nth = 0};
	struct lab_nvme *nvme = NULL;
	bool whole = false;

	for (*failed = 0; !whole && fault.nth++ < 100; *failed += !whole) {
		struct lab_nvme_queue *queue = NULL;

		if (lab_fault_set(of, point, &fault))
			return false;
		errno = 0;
		nvme = lab_nvme_open(&config);
		if (nvme)
			queue = lab_nvme_queue_create(nvme, DEPTH);
		whole = queue != NULL;
		if (!whole && (errno != ENOMEM || !lab_error_text()[0])) {
			tap_note("call %" PRIu64 ": errno %d, %s", fault.nth, errno,
				 lab_error_text());
			return false;
		}
		lab_fault_set(of, point, NULL);
		if (nvme && lab_nvme_close(nvme))
			return false;
		if (!disk_conserved(pool, 0))
			return false;
	}
	return whole;
}

static void test_faults(const char *address)
{
	unsigned failed;
	bool good = opens_in_the_end(address, NULL, LAB_FAULT_MAP, &failed);

	tap_note("%u runs could not be mapped", failed);
	tap_ok(good && failed > 1,
	       "each mapping of a run fails once: nothing is left, then it works");
	good = opens_in_the_end(address, NULL, LAB_FAULT_CREATE, &failed);
	tap_note("%u steps could not be made", failed);
	tap_ok(good && failed, "so does each step that asks the system");
	good = opens_in_the_end(address, pool, LAB_FAULT_MAP, &failed);
	tap_ok(good && failed, "and the mapping of the pool");
}

int main(int argc, char **argv)
{
	struct lab_nvme *nvme;
	struct lab_nvme_queue *queue;

	if (argc != 4)
		disk_bail("usage", "nvme-test ADDRESS SERIAL MAX-TRANSFER");
	pool = disk_pool("nvme-test", FRAMES);
	test_faults(argv[1]);
	nvme = disk_open(argv[1], pool, NULL, 0);
	test_identify(nvme, argv[2], (uint32_t)strtoul(argv[3], NULL, 0));
	queue = disk_must(lab_nvme_queue_create(nvme, DEPTH), "a queue");
	test_sizes(nvme, queue);
	if (strtoul(argv[3], NULL, 0) == 0) {
		test_compare(queue, 514);
		test_compare(queue, 1024);
		test_beyond_qemu(queue, 1025);
		test_beyond_qemu(queue, DISK_LARGEST / LAB_FRAME_SIZE);
	}
	test_refusals(nvme, queue, argv[1]);
	test_errors(nvme, queue);
	tap_ok(lab_nvme_close(nvme) == 0 && disk_conserved(pool, 0), "the disk is closed");
	tap_ok(disk_conserved(pool, 0) && lab_pool_destroy(pool) == 0, "and no frame is lost");
	return tap_done();
}
