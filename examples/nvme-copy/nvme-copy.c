/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Writes a file's contents to an NVMe disk, reads them back, and compares: the disk reads and
 * writes the pool's frames itself, and no byte is copied in between. Read this to see how a driver
 * that lends frames is used.
 *
 *	nvme-copy FILE 0000:01:00.0 --overwrite
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy.h"

struct arguments {
	const char *file;
	struct lab_nvme_config disk;
	struct copy copy;
	bool overwrite;
	bool strict;
};

static const struct argp_option options[] = {
	{"overwrite", 'o', NULL, 0, "required: what is on the disk will be lost", 0},
	{"lba", 'l', "BLOCK", 0, "the first block to write (0)", 0},
	{"depth", 'd', "N", 0, "commands in flight (32)", 0},
	{"transfer", 't', "BYTES", 0, "bytes of a command, or less if the disk says so (131072)",
	 0},
	{"strict", 's', NULL, 0, "map each frame only while the disk has it", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

/* The whole of @arg as a number from @least to @most, or an end with a sentence. */
static uint64_t number(struct argp_state *state, const char *arg, const char *what, uint64_t least,
		       uint64_t most)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(arg, &end, 0);
	if (end == arg || *end || errno || *arg == '-' || value < least || value > most)
		argp_error(state, "%s is '%s'; it must be a number from %" PRIu64 " to %" PRIu64,
			   what, arg, least, most);
	return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 'o':
		a->overwrite = true;
		break;
	case 'l':
		a->copy.lba = number(state, arg, "--lba", 0, UINT64_MAX - 1);
		break;
	case 'd':
		a->copy.depth = (uint32_t)number(state, arg, "--depth", 1, LAB_NVME_DEPTH_MAX);
		break;
	case 't':
		a->copy.transfer = (uint32_t)number(state, arg, "--transfer", LAB_FRAME_SIZE,
						    LAB_NVME_TRANSFER_MAX);
		a->copy.transfer -= a->copy.transfer % LAB_FRAME_SIZE;
		break;
	case 's':
		a->strict = true;
		break;
	case ARGP_KEY_ARG:
		if (state->arg_num > 1)
			argp_error(state, "one file and one disk only");
		if (state->arg_num == 0)
			a->file = arg;
		else
			a->disk.device = arg;
		break;
	case ARGP_KEY_END:
		if (!a->disk.device)
			argp_error(state, "name a file and a disk's PCI address");
		if (!a->overwrite)
			argp_error(state,
				   "this overwrites the disk %s: say --overwrite if you mean it",
				   a->disk.device);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* The file, and frames for as many commands as shall be in flight. */
static int prepare(struct arguments *a)
{
	struct copy *c = &a->copy;
	struct lab_pool_config pool = {
		.name = "nvme-copy",
		.frames = (uint64_t)c->depth * (c->transfer / LAB_FRAME_SIZE),
	};
	struct stat st;

	c->fd = open(a->file, O_RDONLY | O_CLOEXEC);
	if (c->fd < 0 || fstat(c->fd, &st))
		return copy_fail(strerror(errno));
	c->size = (uint64_t)st.st_size;
	c->pool = lab_pool_create(&pool);
	return c->pool ? copy_init(c) : copy_fail(lab_error_text());
}

static int run(struct arguments *a, struct lab_nvme *nvme)
{
	struct copy *c = &a->copy;
	struct lab_nvme_info info;
	uint64_t blocks;

	lab_nvme_info(nvme, &info);
	if (lab_nvme_namespace(nvme, 0, &c->ns))
		return copy_fail(lab_error_text());
	blocks = c->size / c->ns.block_size + (c->size % c->ns.block_size != 0);
	if (c->lba > c->ns.blocks || blocks > c->ns.blocks - c->lba)
		return copy_fail("the file is larger than the disk is from --lba on");
	if (c->transfer > info.max_transfer)
		c->transfer = info.max_transfer;
	c->transfer -= c->transfer % c->ns.block_size;
	if (!c->transfer)
		return copy_fail("--transfer is less than a block of this disk");
	c->queue = lab_nvme_queue_create(nvme, c->depth);
	if (!c->queue)
		return copy_fail(lab_error_text());
	if (copy_run(c))
		return -1;
	printf("nvme-copy: %" PRIu64 " bytes written to %s (%s, %s) from block %" PRIu64
	       " on, read back, and equal; %" PRIu32 " bytes a command\n",
	       c->size, a->disk.device, info.model, info.serial, c->lba, c->transfer);
	return 0;
}

/* Every frame is in the pool again, or it says so by its status. */
static int clean_up(struct copy *c)
{
	struct lab_pool_stats s;

	copy_end(c);
	if (c->fd >= 0)
		close(c->fd);
	if (!c->pool)
		return -1;
	lab_pool_stats(c->pool, &s);
	printf("nvme-copy: frames total=%" PRIu64 " free=%" PRIu64 " cached=%" PRIu64
	       " held=%" PRIu64 " lent=%" PRIu64 "\n",
	       s.total, s.free, s.cached, s.held, s.lent);
	return lab_pool_destroy(c->pool) || s.free + s.cached != s.total ? -1 : 0;
}

int main(int argc, char **argv)
{
	const struct argp argp = {options,
				  parse,
				  "FILE DISK (a PCI address, for example 0000:01:00.0)",
				  "Write FILE to an NVMe disk, read it back, and compare.",
				  NULL,
				  NULL,
				  NULL};
	struct arguments a = {.copy = {.fd = -1, .depth = 32, .transfer = 131072}};
	struct lab_domain_config domain = {.name = "nvme-copy", .mode = LAB_DOMAIN_STRICT};
	struct lab_nvme *nvme = NULL;
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	rc = prepare(&a);
	if (!rc && a.strict) {
		a.disk.domain = lab_domain_create(&domain);
		rc = a.disk.domain ? 0 : copy_fail(lab_error_text());
	}
	if (!rc) {
		a.disk.pool = a.copy.pool;
		a.disk.max_transfer = a.copy.transfer;
		nvme = lab_nvme_open(&a.disk);
		rc = nvme ? run(&a, nvme) : copy_fail(lab_error_text());
	}
	/* Whatever is still in flight comes back with this. */
	if (lab_nvme_close(nvme) < 0)
		rc = copy_fail(lab_error_text());
	if (lab_domain_destroy(a.disk.domain))
		rc = copy_fail(lab_error_text());
	if (clean_up(&a.copy))
		rc = -1;
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
