/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Checking a configuration.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "config.h"
#include "depot.h"
#include "error.h"
#include "hugepage.h"
#include "numa_node.h"

/* What the depot's 24-bit magazine numbers reach with the default cache, with room to spare: 8 TiB.
 */
#define MAX_FRAMES ((uint64_t)1 << 31)
/* Two blocks: with less, a flush that makes room for a block could find no full magazine. */
#define MIN_CACHE 64

uint64_t lab_config_round(const struct lab_pool_config *c)
{
	/* Ordinary pages are frames, and come in blocks; 0, not completed yet, counts as such. */
	uint64_t unit =
		c->page_size <= LAB_PAGE_4K ? LAB_BLOCK_FRAMES : c->page_size >> LAB_FRAME_SHIFT;

	return (c->frames + unit - 1) / unit * unit;
}

uint32_t lab_config_capacity(const struct lab_pool_config *c)
{
	return c->flags & LAB_POOL_UNPROTECTED ? c->cache_frames : c->cache_frames / 2;
}

static int check_page_size(struct lab_pool_config *c)
{
	char size[32];

	if (c->page_size == 0) {
		c->page_size = lab_hugepage_default();
		if (c->page_size)
			return 0;
		if (!(c->flags & LAB_POOL_FALLBACK))
			return lab_fail(
				ENOENT,
				"this kernel has no hugepages: set page_size to LAB_PAGE_4K or "
				"flags to LAB_POOL_FALLBACK for ordinary pages");
		c->page_size = LAB_PAGE_4K;
		return 0;
	}
	if (c->page_size != LAB_PAGE_4K && !lab_hugepage_exists(c->page_size))
		return lab_fail(EINVAL,
				"page_size is %zu (%s) and this machine has no such pages: see "
				"/sys/kernel/mm/hugepages, or use 0",
				c->page_size, lab_page_size_name(c->page_size, size));
	return 0;
}

int lab_config_complete(const struct lab_pool_config *config, struct lab_pool_config *out)
{
	int err;

	if (!config)
		return lab_fail(EINVAL, "lab_pool_create() needs a configuration; NULL was passed");
	*out = *config;
	if (out->frames == 0)
		return lab_fail(EINVAL,
				"frames is 0: say how many frames of %u bytes the pool shall have",
				LAB_FRAME_SIZE);
	if (out->frames > MAX_FRAMES)
		return lab_fail(EINVAL,
				"frames is %" PRIu64 ": a pool has at most %" PRIu64 " (8 TiB)",
				out->frames, MAX_FRAMES);
	if (out->flags & ~(uint32_t)(LAB_POOL_UNPROTECTED | LAB_POOL_FALLBACK | LAB_POOL_DUMP |
				     LAB_POOL_IOVA_VA))
		return lab_fail(EINVAL, "flags is 0x%x, of which 0x%x is not known", out->flags,
				out->flags & ~(uint32_t)15);
	if (out->name && strlen(out->name) >= LAB_NAME_MAX)
		return lab_fail(EINVAL, "name '%.40s' is too long: at most %d characters",
				out->name, LAB_NAME_MAX - 1);
	if (out->cache_frames == 0)
		out->cache_frames = LAB_CACHE_MAX;
	if (out->cache_frames < MIN_CACHE || out->cache_frames > LAB_CACHE_MAX ||
	    out->cache_frames % (2 * LAB_BLOCK_FRAMES))
		return lab_fail(
			EINVAL,
			"cache_frames is %u: it must be a multiple of %u in %u..%u, or 0 for %u",
			out->cache_frames, 2 * LAB_BLOCK_FRAMES, MIN_CACHE, LAB_CACHE_MAX,
			LAB_CACHE_MAX);
	if (out->max_lcores == 0)
		out->max_lcores = 32;
	if (out->max_lcores > LAB_MAX_LCORES)
		return lab_fail(EINVAL,
				"max_lcores is %u: a pool has at most %u lcores, because a frame's "
				"state byte names its owner",
				out->max_lcores, LAB_MAX_LCORES);
	if (out->node < 0)
		return lab_fail(EINVAL, "node is %d: use LAB_NODE(n) for node n, or LAB_NODE_ANY",
				out->node);
	if (out->node != LAB_NODE_ANY) {
		err = lab_numa_check(out->node - 1);
		if (err)
			return err;
	}
	err = check_page_size(out);
	if (err)
		return err;
	if (lab_config_round(out) > MAX_FRAMES)
		return lab_fail(EINVAL,
				"frames is %" PRIu64 ", rounded up to whole pages %" PRIu64
				": a pool has at most %" PRIu64,
				out->frames, lab_config_round(out), MAX_FRAMES);
	if (lab_depot_need(lab_config_round(out), lab_config_capacity(out), out->max_lcores) >
	    LAB_DEPOT_MAX_MAGAZINES)
		return lab_fail(EINVAL,
				"cache_frames is %u, too small for %" PRIu64
				" frames: use the default of %u",
				out->cache_frames, out->frames, LAB_CACHE_MAX);
	return 0;
}
