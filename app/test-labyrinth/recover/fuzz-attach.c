/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What a process believes that attaches to a pool, for libFuzzer: an answer that came through a
 * socket, the head of a pool's tables, real files with such a head, the key in a name's lock; and
 * what the one who answers believes, a question. Nothing may crash; and where a head is believed,
 * each table that it leads to must lie within the file.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "share/head.h"
#include "share/meet.h"
#include "share/name.h"
#include "tables.h"

/* For its check() of files; the rest of it is in the library. */
#define lab_pool_attach  fuzz_pool_attach
#define lab_pool_observe fuzz_pool_observe
#define lab_pool_reap    fuzz_pool_reap
#include "share/attach.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(const uint8_t *data, size_t size)
{
	static int pair[2] = {-1, -1};
	struct lab_answer answer;
	int fds[LAB_MEET_FDS] = {-1, -1}, sent = 0;

	if (pair[0] < 0 && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		abort();
	if (size < sizeof(answer)) {
		if (!size)
			return;
		if (send(pair[0], data, size, 0) < 0)
			abort();
	} else {
		/* One that may be right, with one, two, or no descriptors. */
		int out[LAB_MEET_FDS] = {pair[0], pair[1]};

		memcpy(&answer, data, sizeof(answer));
		sent = (int)(answer.key % (LAB_MEET_FDS + 1));
		answer.magic ^= LAB_MAGIC;
		lab_meet_answer(pair[0], &answer, out, (unsigned)sent);
	}
	if (lab_meet_receive(pair[1], "fuzz", &answer, fds) == 0 && answer.magic != LAB_MAGIC)
		abort();
	for (unsigned i = 0; i < LAB_MEET_FDS; i++) {
		if ((fds[i] >= 0) != ((int)i < sent))
			abort();
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

static void within(const struct lab_plan *plan, uint64_t at, uint64_t bytes)
{
	if (at > plan->bytes || bytes > plan->bytes - at)
		abort();
}

/* A good head, changed by the input. */
static struct lab_head head_of(const uint8_t *data, size_t size)
{
	struct lab_head h = {.magic = LAB_MAGIC,
			     .layout = LAB_LAYOUT,
			     .flags = LAB_POOL_SHARED,
			     .frames = 1024,
			     .seg_shift = 12,
			     .cache_frames = 512,
			     .max_lcores = 72,
			     .key = 7,
			     .name = "fuzz"};

	for (size_t i = 0; i < size && i < sizeof(h); i++)
		((uint8_t *)&h)[i] ^= data[i];
	return h;
}

/* 1 if its tables can be planned at all. */
static int is_plannable(const struct lab_head *h)
{
	return h->frames && h->frames <= LAB_CONFIG_MAX_FRAMES && h->cache_frames >= 64 &&
	       h->cache_frames <= LAB_CACHE_MAX && h->max_lcores <= LAB_MAX_LCORES;
}

static void believed(const struct lab_head *h, uint64_t tables)
{
	struct lab_plan plan;

	lab_tables_plan(&plan, h);
	if (tables != plan.bytes || h->magic != LAB_MAGIC ||
	    memchr(h->name, 0, sizeof(h->name)) == NULL)
		abort();
	within(&plan, 0, sizeof(struct lab_shared));
	within(&plan, plan.state, plan.frames);
	within(&plan, plan.cache, (uint64_t)plan.max_lcores * sizeof(struct lab_cache));
	within(&plan, plan.home, plan.frames * sizeof(uint32_t));
	within(&plan, plan.magazine, (uint64_t)plan.magazines * lab_depot_stride(plan.capacity));
	within(&plan, plan.map, lab_depot_map_bytes(plan.magazines, LAB_DEPOT_SETS));
	within(&plan, plan.bundle_map, lab_depot_map_bytes(plan.bundles, 1));
	within(&plan, plan.site, plan.sites * sizeof(struct lab_site));
	within(&plan, plan.phys, (plan.frames >> 9) * sizeof(uint64_t));
}

/* And files of the length that it wants, or that the input says. */
static void head(const uint8_t *data, size_t size)
{
	struct lab_head h = head_of(data, size);
	struct lab_plan plan;
	uint64_t tables;

	if (!is_plannable(&h)) {
		if (lab_head_check(&h, "fuzz", 4096, lab_head_memory(&h)) == 0)
			abort();
		return;
	}
	lab_tables_plan(&plan, &h);
	tables = plan.bytes;
	if (size > sizeof(h))
		tables ^= data[sizeof(h)];
	if (lab_head_check(&h, "fuzz", tables, lab_head_memory(&h)) == 0)
		believed(&h, tables);
}

static int file_of(const void *content, size_t bytes, uint64_t length, int seals)
{
	int fd = memfd_create("fuzz", MFD_ALLOW_SEALING);

	/* Sparse: its length costs nothing. */
	if (fd < 0 || ftruncate(fd, (off_t)(length & 0xffffffffff)) ||
	    (content && pwrite(fd, content, bytes, 0) != (ssize_t)bytes) ||
	    fcntl(fd, F_ADD_SEALS, seals))
		abort();
	return fd;
}

/* Memory as it is handed over, with or without its seals, too short, or with another head. The
 * first three bytes say in what it differs from what it should be. */
static void files(const uint8_t *data, size_t size)
{
	const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct lab_answer answer = {.key = 7};
	struct lab_head h, found;
	struct lab_plan plan = {.bytes = sizeof(h)};
	uint64_t tables, arena;
	int fds[LAB_MEET_FDS], seals[LAB_MEET_FDS];

	if (size < 3)
		return;
	h = head_of(data + 3, size - 3);
	if (is_plannable(&h))
		lab_tables_plan(&plan, &h);
	tables = plan.bytes ^ data[0];
	arena = (lab_head_memory(&h) & 0xffffffff) ^ (uint64_t)data[1] << 12;
	seals[0] = all & ~(data[2] & 7 ? 1 << (data[2] & 3) : 0);
	seals[1] = all & ~(data[2] & 56 ? 1 << (data[2] >> 4 & 3) : 0);
	fds[0] = file_of(&h, tables < sizeof(h) ? tables : sizeof(h), tables, seals[0]);
	fds[1] = data[2] & 64 ? -1 : file_of(NULL, 0, arena, seals[1]);
	if (check("fuzz", &answer, fds, &found) == 0) {
		/* Nobody can cut it off any more, and it is the pool that was asked for. */
		believed(&found, tables);
		if (seals[0] != all || found.key != answer.key || strcmp(found.name, "fuzz") ||
		    (!(found.flags & LAB_POOL_NUMBERS) &&
		     (fds[1] < 0 || seals[1] != all || arena != lab_head_memory(&found))))
			abort();
	}
	for (unsigned i = 0; i < LAB_MEET_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

static void question(const uint8_t *data, size_t size)
{
	static int pair[2] = {-1, -1};
	struct lab_ask ask = {0}, sent = {0};
	int heard;

	if (pair[0] < 0 &&
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair))
		abort();
	if (lab_meet_hear(pair[1], &ask) != 0)
		abort(); /* nobody has asked yet */
	if (size >= sizeof(sent)) {
		memcpy(&sent, data, sizeof(sent));
		sent.magic ^= LAB_MAGIC;
		size = sizeof(sent) + (size == sizeof(sent) + 1);
	}
	if (!size)
		return;
	if (send(pair[0], size == sizeof(sent) ? (const void *)&sent : data, size, 0) < 0)
		abort();
	heard = lab_meet_hear(pair[1], &ask);
	if ((heard == 1) != (size == sizeof(sent) && sent.magic == LAB_MAGIC) || heard == 0)
		abort();
	if (heard == 1 && memcmp(&ask, &sent, sizeof(ask)) != 0)
		abort();
}

static char directory[] = "/tmp/labyrinth-fuzz.XXXXXX";

static void remove_directory(void)
{
	rmdir(directory);
}

/* What a name's lock has in it, besides the lock. */
static void lock_file(const uint8_t *data, size_t size)
{
	static int ready;
	const uint64_t key = 0x0123456789abcdef;
	char path[LAB_PATH_MAX], dir[LAB_PATH_MAX];
	uint64_t found = 0;
	int fd;

	if (!ready) {
		if (!mkdtemp(directory) || setenv("LABYRINTH_RUNTIME_DIR", directory, 1))
			abort();
		atexit(remove_directory);
		ready = 1;
	}
	if (lab_name_path(path, directory, "fuzz", ".lock"))
		abort();
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		abort();
	for (size_t i = 0; i < size && i < 16; i++) {
		uint8_t byte = i < sizeof(key) ? data[i] ^ ((const uint8_t *)&key)[i] : data[i];

		if (write(fd, &byte, 1) != 1)
			abort();
	}
	if (pread(fd, &found, sizeof(found), 0) < (ssize_t)sizeof(found))
		found = 0;
	close(fd);
	fd = lab_name_join("fuzz", key, dir);
	if ((fd >= 0) != (found == key))
		abort();
	if (fd >= 0)
		lab_name_leave(dir, "fuzz", fd);
	unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	switch (data[0] % 16) {
	case 0:
		lock_file(data + 1, size - 1); /* makes and removes a file */
		break;
	case 1:
	case 2:
	case 3:
		question(data + 1, size - 1);
		break;
	case 4:
	case 5:
	case 6:
		files(data + 1, size - 1);
		break;
	case 7:
	case 8:
	case 9:
	case 10:
		answer(data + 1, size - 1);
		break;
	default:
		head(data + 1, size - 1);
	}
	return 0;
}
