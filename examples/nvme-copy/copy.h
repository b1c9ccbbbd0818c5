/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A file on its way to a disk and back. Knows a file, a queue and a pool; knows nothing of how
 * these were opened.
 */
#ifndef COPY_H
#define COPY_H

#include <stdbool.h>
#include <stdint.h>

#include <labyrinth/labyrinth.h>
#include <labyrinth/nvme.h>

struct chunk;

/**
 * struct copy - what goes where.
 * @fd: the file.
 * @size: its bytes.
 * @pool: has frames for @depth commands of @transfer bytes.
 * @queue: takes @depth commands.
 * @ns: the namespace; has room for the file from block @lba on.
 * @lba: the first block.
 * @depth: commands in flight.
 * @transfer: bytes of a command, whole frames and whole blocks.
 * @chunks, @idle: copy_init()'s.
 */
struct copy {
	int fd;
	uint64_t size;
	struct lab_pool *pool;
	struct lab_nvme_queue *queue;
	struct lab_nvme_namespace ns;
	uint64_t lba;
	uint32_t depth;
	uint32_t transfer;
	struct chunk *chunks;
	struct chunk *idle;
};

/** copy_fail() - say @text on stderr; returns -1. */
int copy_fail(const char *text);

/** copy_init() - memory for @depth commands of @transfer bytes; 0, or -1, said on stderr. */
int copy_init(struct copy *c);

/** copy_run() - write the file, flush, read it back and compare; 0, or -1, said on stderr. */
int copy_run(struct copy *c);

/** copy_end() - free what copy_init() made, and frames that a failed run still holds. The disk is
 * closed by now: it has none of them. */
void copy_end(struct copy *c);

#endif
