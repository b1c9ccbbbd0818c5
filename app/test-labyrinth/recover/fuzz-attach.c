/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What a process believes that attaches to a pool, for libFuzzer: an answer that came through a
 * socket, and the head of a pool's tables. Nothing may crash; and where a head is believed, each
 * table that it leads to must lie within the file.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "share/head.h"
#include "share/meet.h"
#include "tables.h"

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

/* A good head, changed by the input, and files of the length that it wants, or that the input says.
 */
static void head(const uint8_t *data, size_t size)
{
	struct lab_head h = {.magic = LAB_MAGIC,
			     .layout = LAB_LAYOUT,
			     .flags = LAB_POOL_SHARED,
			     .frames = 1024,
			     .seg_shift = 21,
			     .cache_frames = 512,
			     .max_lcores = 72,
			     .name = "fuzz"};
	struct lab_plan plan;
	uint64_t tables;

	for (size_t i = 0; i < size && i < sizeof(h); i++)
		((uint8_t *)&h)[i] ^= data[i];
	if (h.frames == 0 || h.frames > LAB_CONFIG_MAX_FRAMES || h.cache_frames < 64 ||
	    h.cache_frames > LAB_CACHE_MAX || h.max_lcores > LAB_MAX_LCORES) {
		if (lab_head_check(&h, "fuzz", 4096, h.frames << LAB_FRAME_SHIFT) == 0)
			abort();
		return;
	}
	lab_tables_plan(&plan, &h);
	tables = plan.bytes;
	if (size > sizeof(h))
		tables ^= data[sizeof(h)];
	if (lab_head_check(&h, "fuzz", tables, h.frames << LAB_FRAME_SHIFT))
		return;
	if (tables != plan.bytes || h.magic != LAB_MAGIC ||
	    memchr(h.name, 0, sizeof(h.name)) == NULL)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && data[0] & 1)
		answer(data + 1, size - 1);
	else if (size)
		head(data + 1, size - 1);
	return 0;
}
