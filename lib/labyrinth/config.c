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

/* The defaults of max_lcores. In a shared pool for eight processes with the default of lcores. */
#define PRIVATE_LCORES 32
#define SHARED_LCORES  (8 * (LAB_SHARE_LCORES + 1))
/* Of timeout_ms. */
#define KERNEL_TIMEOUT_MS 1000

int lab_config_breathes(const struct lab_pool_config *c)
{
	return (c->min_frames && c->min_frames != c->frames) ||
	       (c->max_frames && c->max_frames != c->frames);
}

unsigned lab_config_unit_shift(const struct lab_pool_config *c)
{
	size_t page = c->page_size < LAB_PAGE_2M ? LAB_PAGE_2M : c->page_size;

	return (unsigned)__builtin_ctzll(page) - LAB_FRAME_SHIFT;
}

static uint64_t round_up(const struct lab_pool_config *c, uint64_t frames)
{
	/* Ordinary pages are frames, and come in blocks; 0, not completed yet, counts as such. */
	uint64_t unit = LAB_BLOCK_FRAMES;

	if (c->page_size > LAB_PAGE_4K || lab_config_breathes(c))
		unit = (uint64_t)1 << lab_config_unit_shift(c);
	return (frames + unit - 1) / unit * unit;
}

uint64_t lab_config_round(const struct lab_pool_config *c)
{
	return round_up(c, c->frames);
}

struct lab_bounds lab_config_bounds(const struct lab_pool_config *c)
{
	return (struct lab_bounds){
		.min = round_up(c, c->min_frames ? c->min_frames : c->frames),
		.max = round_up(c, c->max_frames ? c->max_frames : c->frames),
	};
}

/* ---- watermarks ---- */

static uint64_t square_root(uint64_t n)
{
	uint64_t root = 0;

	for (uint64_t bit = (uint64_t)1 << 31; bit; bit >>= 1) {
		if ((root | bit) * (root | bit) <= n)
			root |= bit;
	}
	return root;
}

/* As the kernel sets min_free_kbytes: the square root of 16 times the KiB (mm/page_alloc.c,
 * calculate_min_free_kbytes()), here in frames. */
static uint64_t scaled(uint64_t frames)
{
	uint64_t least =
		square_root(16 * (frames << (LAB_FRAME_SHIFT - 10))) >> (LAB_FRAME_SHIFT - 10);

	return least < frames / 8 ? least : frames / 8;
}

#define IS_PERCENT(value) ((value) >> 63 && (value) != LAB_NONE)

static uint64_t count_of(uint64_t value, uint64_t frames, uint64_t otherwise)
{
	if (value == LAB_NONE)
		return 0;
	if (IS_PERCENT(value))
		return frames * (value & ~((uint64_t)1 << 63)) / 100;
	return value ? value : otherwise;
}

struct lab_marks lab_config_marks(const struct lab_pool_config *c)
{
	uint64_t frames = lab_config_round(c), least = scaled(frames), unit;
	struct lab_marks m;

	unit = lab_config_breathes(c) ? (uint64_t)1 << lab_config_unit_shift(c) : 0;
	/* Whole blocks, so that whole blocks are left beside it: the default is rounded down. */
	m.reserve = count_of(c->reserve, frames,
			     c->flags & (LAB_POOL_EXACT | LAB_POOL_NUMBERS)
				     ? 0
				     : least & ~(uint64_t)(LAB_BLOCK_FRAMES - 1));
	m.reserve = (m.reserve + LAB_BLOCK_FRAMES - 1) & ~(uint64_t)(LAB_BLOCK_FRAMES - 1);
	m.min = count_of(c->min, frames, least);
	m.low = count_of(c->low, frames, m.min + m.min / 4 + unit);
	m.high = count_of(c->high, frames, m.low + m.min / 4 + 2 * unit);
	return m;
}

static int check_mark(const char *name, uint64_t value, uint64_t frames)
{
	uint64_t most = IS_PERCENT(value) ? 100 : frames;
	uint64_t given = value & ~((uint64_t)1 << 63);

	if (value == LAB_NONE || given <= most)
		return 0;
	return lab_fail(EINVAL, "%s is %" PRIu64 "%s: at most %" PRIu64 "%s", name, given,
			IS_PERCENT(value) ? " percent" : " frames", most,
			IS_PERCENT(value) ? "" : ", which the pool has");
}

static int check_order(const struct lab_marks *m)
{
	if (m->min > m->low)
		return lab_fail(EINVAL,
				"low is %" PRIu64 " frames and min %" PRIu64
				": the watermarks are min, low and high in ascending order",
				m->low, m->min);
	if (m->low > m->high)
		return lab_fail(EINVAL,
				"high is %" PRIu64 " frames and low %" PRIu64
				": the watermarks are min, low and high in ascending order",
				m->high, m->low);
	return 0;
}

/* Hysteresis: what one hugepage more brings over low must not be given back for being over high. */
static int check_gap(const struct lab_pool_config *c, const struct lab_marks *m)
{
	uint64_t unit = (uint64_t)1 << lab_config_unit_shift(c);

	if (!lab_config_breathes(c) || m->high - m->low >= unit)
		return 0;
	return lab_fail(EINVAL,
			"high is %" PRIu64 " frames and low %" PRIu64
			": they are at least a hugepage, %" PRIu64
			" frames, apart, or the pool would grow and shrink in turns",
			m->high, m->low, unit);
}

static int check_marks(struct lab_pool_config *c)
{
	struct lab_bounds bounds = lab_config_bounds(c);
	struct lab_marks m = lab_config_marks(c);
	int err = check_mark("reserve", c->reserve, bounds.min);

	if (!err)
		err = check_mark("min", c->min, bounds.max);
	if (!err)
		err = check_mark("low", c->low, bounds.max);
	if (!err)
		err = check_mark("high", c->high, bounds.max);
	if (!err && m.reserve > LAB_DEPOT_MAX_MAGAZINES)
		err = lab_fail(EINVAL, "reserve is %" PRIu64 " frames: at most %u", m.reserve,
			       LAB_DEPOT_MAX_MAGAZINES);
	if (!err && m.reserve && c->flags & (LAB_POOL_EXACT | LAB_POOL_NUMBERS))
		err = lab_fail(EINVAL, "reserve is set, which means nothing in a pool with %s",
			       c->flags & LAB_POOL_EXACT ? "LAB_POOL_EXACT" : "LAB_POOL_NUMBERS");
	if (!err)
		err = check_order(&m);
	if (!err)
		err = check_gap(c, &m);
	if (c->timeout_ms == 0)
		c->timeout_ms = KERNEL_TIMEOUT_MS;
	return err;
}

static int check_bounds(const struct lab_pool_config *c)
{
	const char *what = c->flags & LAB_POOL_NUMBERS       ? "LAB_POOL_NUMBERS"
			   : c->flags & LAB_POOL_EXACT       ? "LAB_POOL_EXACT"
			   : c->flags & LAB_POOL_SHARED      ? "LAB_POOL_SHARED"
			   : c->flags & LAB_POOL_UNPROTECTED ? "LAB_POOL_UNPROTECTED"
							     : NULL;

	if (c->min_frames > c->frames)
		return lab_fail(EINVAL,
				"min_frames is %" PRIu64 " and frames %" PRIu64 ": at most that",
				c->min_frames, c->frames);
	if (c->max_frames && c->max_frames < c->frames)
		return lab_fail(EINVAL,
				"max_frames is %" PRIu64 " and frames %" PRIu64 ": at least that",
				c->max_frames, c->frames);
	if (c->max_frames > LAB_CONFIG_MAX_FRAMES)
		return lab_fail(EINVAL, "max_frames is %" PRIu64 ": a pool has at most %" PRIu64,
				c->max_frames, LAB_CONFIG_MAX_FRAMES);
	if (c->flags & LAB_POOL_STEPPED && !lab_config_breathes(c))
		return lab_fail(
			EINVAL,
			"LAB_POOL_STEPPED means something in a pool that breathes only: set "
			"min_frames or max_frames");
	if (c->grow_rate && !lab_config_breathes(c))
		return lab_fail(EINVAL, "grow_rate means something in a pool that breathes only: "
					"set min_frames or max_frames");
	if (lab_config_breathes(c) && !(c->flags & LAB_POOL_STEPPED) &&
	    c->max_lcores < 2u + (c->sample != 0))
		return lab_fail(
			EINVAL,
			"max_lcores is %u, and the keeper of a pool that breathes takes one%s: "
			"use %u or more, or LAB_POOL_STEPPED",
			c->max_lcores, c->sample ? ", as sample does" : "", 2u + (c->sample != 0));
	if (what && lab_config_breathes(c))
		return lab_fail(
			EINVAL,
			"min_frames or max_frames is set, and a pool with %s keeps its size", what);
	if (lab_config_breathes(c) && !(c->flags & LAB_POOL_STEPPED) &&
	    c->max_lcores < (c->sample ? 3 : 2))
		return lab_fail(EINVAL,
				"max_lcores is %u, and the keeper of a pool that breathes takes "
				"one%s: use %u or more",
				c->max_lcores, c->sample ? ", sample another" : "",
				c->sample ? 3u : 2u);
	return 0;
}

uint32_t lab_config_capacity(uint32_t cache_frames, uint32_t flags)
{
	return flags & LAB_POOL_UNPROTECTED ? cache_frames : cache_frames / 2;
}

uint64_t lab_config_magazines(uint64_t frames, uint32_t cache_frames, uint32_t flags,
			      uint32_t lcores)
{
	/* Without caches each frame is one. */
	return flags & LAB_POOL_EXACT
		       ? frames
		       : lab_depot_need(frames, lab_config_capacity(cache_frames, flags), lcores);
}

static int check_page_size(struct lab_pool_config *c)
{
	char size[32];

	if (c->flags & LAB_POOL_NUMBERS) {
		if (c->page_size || c->node != LAB_NODE_ANY)
			return lab_fail(EINVAL,
					"%s is set, which means nothing in a pool with "
					"LAB_POOL_NUMBERS: it has no memory",
					c->page_size ? "page_size" : "node");
		c->page_size = LAB_PAGE_4K;
		return 0;
	}

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

int lab_config_is_cache(uint32_t frames, uint32_t flags)
{
	if (flags & LAB_POOL_EXACT)
		return frames == 0;
	return frames >= LAB_CONFIG_MIN_CACHE && frames <= LAB_CACHE_MAX &&
	       frames % (2 * LAB_BLOCK_FRAMES) == 0;
}

static int check_cache(struct lab_pool_config *c)
{
	if (c->flags & LAB_POOL_EXACT && c->cache_frames)
		return lab_fail(EINVAL,
				"cache_frames is %u, and a pool with LAB_POOL_EXACT has no caches",
				c->cache_frames);
	if (c->flags & LAB_POOL_EXACT)
		return 0;
	if (c->cache_frames == 0)
		c->cache_frames = LAB_CACHE_MAX;
	if (!lab_config_is_cache(c->cache_frames, c->flags))
		return lab_fail(
			EINVAL,
			"cache_frames is %u: it must be a multiple of %u in %u..%u, or 0 for %u",
			c->cache_frames, 2 * LAB_BLOCK_FRAMES, LAB_CONFIG_MIN_CACHE, LAB_CACHE_MAX,
			LAB_CACHE_MAX);
	return 0;
}

/* What goes only with an owner for each frame. */
static int check_owners(struct lab_pool_config *c)
{
	const char *what = c->flags & LAB_POOL_SHARED    ? "LAB_POOL_SHARED"
			   : c->flags & LAB_POOL_BOUND   ? "LAB_POOL_BOUND"
			   : c->flags & LAB_POOL_NUMBERS ? "LAB_POOL_NUMBERS"
			   : c->flags & LAB_POOL_EXACT   ? "LAB_POOL_EXACT"
			   : c->sample                   ? "sample"
							 : NULL;

	if (what && c->flags & LAB_POOL_UNPROTECTED)
		return lab_fail(EINVAL,
				"%s needs to know who owns each frame: leave out "
				"LAB_POOL_UNPROTECTED",
				what);
	if (!(c->flags & LAB_POOL_SHARED) && (c->lcores || c->group))
		return lab_fail(EINVAL,
				"%s is set, which means something in a pool with LAB_POOL_SHARED "
				"only",
				c->lcores ? "lcores" : "group");
	if (c->flags & LAB_POOL_KEEP && !(c->flags & LAB_POOL_COMMON))
		return lab_fail(EINVAL, "LAB_POOL_KEEP means something in a pool with "
					"LAB_POOL_COMMON only");
	if (c->flags & LAB_POOL_COMMON &&
	    (!(c->flags & LAB_POOL_SHARED) || c->flags & LAB_POOL_BOUND))
		return lab_fail(EINVAL,
				"LAB_POOL_COMMON is for pools with LAB_POOL_SHARED and without "
				"LAB_POOL_BOUND: it lets each process free what others hold");
	if (c->lcores == 0 && c->flags & LAB_POOL_SHARED)
		c->lcores = LAB_SHARE_LCORES;
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
	if (out->frames > LAB_CONFIG_MAX_FRAMES)
		return lab_fail(EINVAL,
				"frames is %" PRIu64 ": a pool has at most %" PRIu64 " (8 TiB)",
				out->frames, LAB_CONFIG_MAX_FRAMES);
	if (out->flags & ~(uint32_t)LAB_POOL_KNOWN)
		return lab_fail(EINVAL, "flags is 0x%x, of which 0x%x is not known", out->flags,
				out->flags & ~(uint32_t)LAB_POOL_KNOWN);
	if (out->name && strlen(out->name) >= LAB_NAME_MAX)
		return lab_fail(EINVAL, "name '%.40s' is too long: at most %d characters",
				out->name, LAB_NAME_MAX - 1);
	err = check_cache(out);
	if (err)
		return err;
	err = check_owners(out);
	if (err)
		return err;
	if (out->max_lcores == 0)
		out->max_lcores = out->flags & LAB_POOL_SHARED ? SHARED_LCORES : PRIVATE_LCORES;
	if (out->max_lcores > LAB_MAX_LCORES)
		return lab_fail(EINVAL,
				"max_lcores is %u: a pool has at most %u lcores, because a frame's "
				"state byte names its owner",
				out->max_lcores, LAB_MAX_LCORES);
	if (out->sample && !(out->flags & LAB_POOL_SHARED) && out->max_lcores < 2)
		return lab_fail(EINVAL, "max_lcores is 1, and sample takes one: use 2 or more");
	if (out->flags & LAB_POOL_SHARED && out->lcores >= out->max_lcores)
		return lab_fail(EINVAL,
				"lcores is %u and max_lcores %u: each process of a shared pool "
				"takes one lcore beside those of its threads",
				out->lcores, out->max_lcores);
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
	if (lab_config_round(out) > LAB_CONFIG_MAX_FRAMES)
		return lab_fail(EINVAL,
				"frames is %" PRIu64 ", rounded up to whole pages %" PRIu64
				": a pool has at most %" PRIu64,
				out->frames, lab_config_round(out), LAB_CONFIG_MAX_FRAMES);
	err = check_bounds(out);
	if (!err)
		err = check_marks(out);
	if (err)
		return err;
	if (lab_config_magazines(lab_config_bounds(out).max, out->cache_frames, out->flags,
				 out->max_lcores) <= LAB_DEPOT_MAX_MAGAZINES)
		return 0;
	if (out->flags & LAB_POOL_EXACT)
		return lab_fail(EINVAL,
				"frames is %" PRIu64 ": a pool with LAB_POOL_EXACT has at most %u",
				out->frames, LAB_DEPOT_MAX_MAGAZINES);
	return lab_fail(EINVAL,
			"cache_frames is %u, too small for %" PRIu64
			" frames: use the default of %u",
			out->cache_frames, out->frames, LAB_CACHE_MAX);
}
