/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Each number is checked before it is used to compute another. That the tables are as long as a
 * pool of this description plans them is the strongest check, and the last.
 */
#include <errno.h>

#include "config.h"
#include "error.h"
#include "share/head.h"
#include "tables.h"

static int wrong(const char *name, const char *what, uint64_t value)
{
	return lab_fail(EPROTO,
			"what was offered as pool '%s' is none, or was damaged: its %s is %llu",
			name, what, (unsigned long long)value);
}

static int check_numbers(const struct lab_head *h, const char *name)
{
	uint64_t unit = h->seg_shift < 64 ? (uint64_t)1 << h->seg_shift >> LAB_FRAME_SHIFT : 0;

	if (h->flags & ~(uint32_t)LAB_POOL_KNOWN || !(h->flags & LAB_POOL_SHARED) ||
	    h->flags & LAB_POOL_UNPROTECTED)
		return wrong(name, "word of flags", h->flags);
	if (h->seg_shift < LAB_FRAME_SHIFT || h->seg_shift > 34)
		return wrong(name, "page size's logarithm", h->seg_shift);
	if (h->frames == 0 || h->frames > LAB_CONFIG_MAX_FRAMES || h->frames % unit ||
	    h->frames % LAB_BLOCK_FRAMES)
		return wrong(name, "number of frames", h->frames);
	if (!lab_config_is_cache(h->cache_frames, h->flags))
		return wrong(name, "cache size", h->cache_frames);
	if (h->max_lcores == 0 || h->max_lcores > LAB_MAX_LCORES)
		return wrong(name, "number of lcores", h->max_lcores);
	if (h->began > h->frames || h->began % LAB_BLOCK_FRAMES || h->least > h->began)
		return wrong(name, "number of frames at its beginning", h->began);
	if (h->reserve > h->began || h->reserve % LAB_BLOCK_FRAMES)
		return wrong(name, "reserve", h->reserve);
	if (strnlen(h->name, sizeof(h->name)) == sizeof(h->name))
		return wrong(name, "name's length", sizeof(h->name));
	return 0;
}

int lab_head_check(const struct lab_head *head, const char *name, uint64_t tables, uint64_t arena)
{
	struct lab_plan plan;
	int err;

	if (head->magic != LAB_MAGIC)
		return wrong(name, "first word", head->magic);
	if (head->layout != LAB_LAYOUT)
		return lab_fail(EPROTONOSUPPORT,
				"pool '%s' has tables of layout %u, and this program knows %u: "
				"build both with the same version of Labyrinth",
				name, head->layout, LAB_LAYOUT);
	err = check_numbers(head, name);
	if (err)
		return err;
	lab_tables_plan(&plan, head);
	if (plan.bytes != tables)
		return wrong(name, "tables' length", tables);
	if (lab_head_memory(head) != arena)
		return wrong(name, "frames' length", arena);
	return 0;
}
