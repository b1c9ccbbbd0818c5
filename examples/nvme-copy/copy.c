/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A file on its way to a disk and back, in frames that the disk reads and writes itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "copy.h"

#define BURST 32

/* One command's share of the file, and its frames while it has any. */
struct chunk {
	void **frames;
	uint32_t nframes;
	uint64_t offset;
	uint32_t bytes;
	struct chunk *next; /* while it is idle */
};

int copy_fail(const char *text)
{
	fprintf(stderr, "nvme-copy: %s\n", text);
	return -1;
}

/* @n bytes of the file from @offset on; behind its end there are zeros. */
static int file_read(const struct copy *c, void *to, size_t n, uint64_t offset)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(c->fd, (char *)to + done, n - done, (off_t)(offset + done));

		if (got < 0)
			return copy_fail(strerror(errno));
		if (got == 0)
			break;
		done += (size_t)got;
	}
	memset((char *)to + done, 0, n - done);
	return 0;
}

/* Takes frames for the chunk, fills them if they are to be written, and hands them to the disk. */
static int start(struct copy *c, struct chunk *chunk, uint64_t offset, bool writing)
{
	uint64_t left = c->size - offset;
	uint32_t blocks, nframes;
	uint64_t lba = c->lba + offset / c->ns.block_size;

	chunk->offset = offset;
	chunk->bytes = left < c->transfer ? (uint32_t)left : c->transfer;
	blocks = (chunk->bytes + c->ns.block_size - 1) / c->ns.block_size;
	nframes = (uint32_t)(((uint64_t)blocks * c->ns.block_size + LAB_FRAME_SIZE - 1) /
			     LAB_FRAME_SIZE);
	/* Cleared for reading: what is compared later came from the disk. */
	if (lab_alloc_bulk(c->pool, chunk->frames, nframes,
			   writing ? LAB_GFP_ATOMIC : LAB_GFP_ATOMIC | LAB_GFP_ZERO))
		return copy_fail("the pool has too few frames");
	chunk->nframes = nframes;
	for (uint32_t i = 0; writing && i < nframes; i++) {
		if (file_read(c, chunk->frames[i], LAB_FRAME_SIZE,
			      offset + (uint64_t)i * LAB_FRAME_SIZE))
			return -1;
	}
	if ((writing ? lab_nvme_write : lab_nvme_read)(c->queue, c->ns.nsid, lba, blocks,
						       chunk->frames, nframes, chunk))
		return copy_fail(lab_error_text());
	return 0;
}

/* The disk is done: the frames are ours again. */
static int finish(struct copy *c, const struct lab_nvme_completion *completion, bool writing)
{
	struct chunk *chunk = completion->cookie;
	char expected[LAB_FRAME_SIZE];

	if (completion->result)
		return copy_fail(lab_nvme_status_text(completion->status));
	for (uint32_t i = 0; !writing && i < chunk->nframes; i++) {
		uint32_t at = i * LAB_FRAME_SIZE, n = chunk->bytes - at;

		n = n < LAB_FRAME_SIZE ? n : LAB_FRAME_SIZE;
		if (file_read(c, expected, n, chunk->offset + at))
			return -1;
		if (memcmp(chunk->frames[i], expected, n))
			return copy_fail("the disk gave back other bytes than were written");
	}
	lab_free_bulk(c->pool, chunk->frames, chunk->nframes);
	chunk->nframes = 0;
	chunk->next = c->idle;
	c->idle = chunk;
	return 0;
}

/* The whole file once, with as many commands in flight as there are chunks. */
static int pass(struct copy *c, bool writing)
{
	struct lab_nvme_completion done[BURST];
	uint64_t offset = 0;

	while (offset < c->size || lab_nvme_in_flight(c->queue)) {
		int n;

		while (c->idle && offset < c->size) {
			struct chunk *chunk = c->idle;

			c->idle = chunk->next;
			if (start(c, chunk, offset, writing))
				return -1;
			offset += chunk->bytes;
		}
		n = lab_nvme_poll(c->queue, done, BURST);
		if (n < 0)
			return copy_fail(lab_error_text());
		for (int i = 0; i < n; i++) {
			if (finish(c, &done[i], writing))
				return -1;
		}
	}
	return 0;
}

static int flush(struct copy *c)
{
	struct lab_nvme_completion done;
	int n;

	if (lab_nvme_flush(c->queue, c->ns.nsid, NULL))
		return copy_fail(lab_error_text());
	while ((n = lab_nvme_poll(c->queue, &done, 1)) == 0)
		;
	if (n < 0)
		return copy_fail(lab_error_text());
	return done.result ? copy_fail(lab_nvme_status_text(done.status)) : 0;
}

int copy_init(struct copy *c)
{
	c->chunks = calloc(c->depth, sizeof(*c->chunks));
	for (uint32_t i = 0; c->chunks && i < c->depth; i++) {
		c->chunks[i].frames = calloc(c->transfer / LAB_FRAME_SIZE, sizeof(void *));
		if (!c->chunks[i].frames)
			return copy_fail("no memory");
		c->chunks[i].next = c->idle;
		c->idle = &c->chunks[i];
	}
	return c->chunks ? 0 : copy_fail("no memory");
}

int copy_run(struct copy *c)
{
	return pass(c, true) || flush(c) || pass(c, false) ? -1 : 0;
}

void copy_end(struct copy *c)
{
	for (uint32_t i = 0; c->chunks && i < c->depth; i++) {
		if (c->chunks[i].nframes)
			lab_free_bulk(c->pool, c->chunks[i].frames, c->chunks[i].nframes);
		free(c->chunks[i].frames);
	}
	free(c->chunks);
}
