/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The depot: magazines in lock-free sets. Knows item numbers (of frames, or of blocks of frames)
 * and lcores' numbers, and nothing of what they mean.
 *
 * Each magazine says itself where it is: in one of the sets, or in the hands of an lcore. That one
 * word is the truth, and moves by one store or one compare-and-swap, so a thread that is killed
 * between any two instructions leaves every magazine in exactly one place. The sets' maps, a bit a
 * magazine and above it a bit a word, only help to find one: a bit that is set wrongly is skipped,
 * and one that is missing is set again by lab_depot_mend().
 *
 * Nobody waits: a thread stopped anywhere holds at most the magazines it has popped.
 */
#ifndef DEPOT_H
#define DEPOT_H

#include <stddef.h>
#include <stdint.h>

#include <labyrinth/lab_layout.h>

/** What a set's magazines contain. */
enum lab_depot_set {
	LAB_DEPOT_EMPTY,
	LAB_DEPOT_BLOCKS,         /* full magazines of block numbers */
	LAB_DEPOT_LOOSE,          /* full magazines of frame numbers */
	LAB_DEPOT_BLOCKS_PARTIAL, /* not full: what lcores left behind */
	LAB_DEPOT_LOOSE_PARTIAL,
	LAB_DEPOT_SPARSE, /* loose ones of hugepages that are to become idle: taken last */
	LAB_DEPOT_SETS
};

/** lab_magazine.where: a set, or one of these. */
#define LAB_MAGAZINE_LISTED    0xffu /* of a bundle's descriptor: the bundle says whose it is */
#define LAB_MAGAZINE_OF(lcore) (0x100u + (lcore))
#define LAB_MAGAZINE_BLOCKS    0x1000u /* added to that: its numbers are those of blocks */
/** The lcore that has a magazine, 0 for the pool's creation; -1 if it is in a set, or listed. */
#define LAB_MAGAZINE_LCORE(where) \
	((int)((where) & ~LAB_MAGAZINE_BLOCKS) - 0x100 < 0 ? -1 : (int)((where)&0xff))

/** lab_depot_has_blocks() - 1 if a set's magazines list blocks. */
static inline int lab_depot_has_blocks(enum lab_depot_set set)
{
	return set == LAB_DEPOT_BLOCKS || set == LAB_DEPOT_BLOCKS_PARTIAL;
}

/** struct lab_magazine - a fixed array of numbers. A thread owns it between pop and push. */
struct lab_magazine {
	uint32_t where;
	uint32_t count; /* items in use */
	uint32_t item[];
};

/**
 * struct lab_depot - where a process has the magazines and the maps. Its own and constant: nothing
 * that another process could overwrite is relied upon to find them.
 * @capacity: frames that a full magazine stands for, and the length of item[].
 * @stride: bytes from one magazine to the next.
 * @magazines: how many.
 * @sets: how many of enum lab_depot_set it has.
 * @summary: words of the upper level of a set's map, which come first.
 * @mark: for hand.h: which depot it is, where a lcore says what it moves.
 * @mags: the first magazine.
 * @maps: the first set's map.
 * @map_bytes: from one set's map to the next.
 */
struct lab_depot {
	uint32_t capacity;
	uint32_t stride;
	uint32_t magazines;
	uint32_t sets;
	uint32_t summary;
	uint32_t mark;
	char *mags;
	char *maps;
	uint64_t map_bytes;
};

#define LAB_DEPOT_MAX_MAGAZINES ((1u << 24) - 1)

/** Empty magazines that an lcore keeps back, so that a refill's serves the next flush. */
#define LAB_SPARE_MAGAZINES 2

/**
 * lab_depot_need() - how many magazines never run out: one for every `capacity` frames (full ones),
 * and for each lcore its spares, one in its hands, and what it may leave behind partly filled.
 */
static inline uint64_t lab_depot_need(uint64_t frames, uint32_t capacity, uint32_t lcores)
{
	return (frames + capacity - 1) / capacity + (uint64_t)lcores * (LAB_SPARE_MAGAZINES + 4) +
	       8;
}

/** lab_depot_stride() - bytes of one magazine. */
static inline uint32_t lab_depot_stride(uint32_t capacity)
{
	return (uint32_t)((sizeof(struct lab_magazine) + capacity * sizeof(uint32_t) + 15) & ~15ul);
}

/** lab_depot_map_bytes() - bytes of the maps of @sets sets of @magazines, a multiple of 128. */
uint64_t lab_depot_map_bytes(uint32_t magazines, uint32_t sets);

/**
 * lab_depot_point_at() - say where the magazines and the maps are.
 * @mags: @count of them, @stride bytes each.
 * @maps: lab_depot_map_bytes() of @count and @sets, aligned to 128.
 */
void lab_depot_point_at(struct lab_depot *depot, void *mags, void *maps, uint32_t sets,
			uint32_t count, uint32_t capacity, uint32_t stride);

/** lab_depot_fill() - make all magazines, zeroed as the maps are, empty ones of the depot. */
void lab_depot_fill(struct lab_depot *depot);

static inline struct lab_magazine *lab_depot_magazine(const struct lab_depot *depot,
						      uint32_t number)
{
	return (struct lab_magazine *)(void *)(depot->mags + (uint64_t)number * depot->stride);
}

/**
 * lab_depot_pop() - take a magazine, the lowest if nobody else wants it.
 *
 * Return: it, owned by @lcore; or NULL. Where others push and pop meanwhile, NULL says that there
 * was none where this thread looked when it looked there: who must be sure looks again.
 */
struct lab_magazine *lab_depot_pop(struct lab_depot *depot, enum lab_depot_set set, uint32_t lcore);

/**
 * lab_depot_pop_thoroughly() - likewise; but before it says NULL it looks at the whole map, so that
 * a magazine that was shown there all the while is found, whatever others do and wherever they are
 * stopped. A look at each 64 magazines.
 */
struct lab_magazine *lab_depot_pop_thoroughly(struct lab_depot *depot, enum lab_depot_set set,
					      uint32_t lcore);

/**
 * lab_depot_claim() - take the magazine numbered @number, from whichever set it is in; but not an
 * empty one, unless the depot has no other set.
 *
 * Return: it, owned by @lcore, and its word says whether it lists blocks; or NULL: it is in no such
 * set, or another was quicker.
 */
struct lab_magazine *lab_depot_claim(struct lab_depot *depot, uint32_t number, uint32_t lcore);

/** lab_depot_take() - likewise, out of that one set. */
struct lab_magazine *lab_depot_take(struct lab_depot *depot, enum lab_depot_set set,
				    uint32_t number, uint32_t lcore);

/** lab_depot_is_shown() - 1 if the map of the set that a magazine is in leads to it. */
int lab_depot_is_shown(const struct lab_depot *depot, const struct lab_magazine *mag);

/** lab_depot_mend() - each magazine that is in a set is shown by the set's map again, whoever was
 * killed between the two. Others may push and pop meanwhile. */
void lab_depot_mend(struct lab_depot *depot);

/** lab_depot_retire_hints() - no map shows a magazine any more that the caller owns, or has taken
 * from a dead lcore. */
void lab_depot_retire_hints(struct lab_depot *depot, const struct lab_magazine *mag);

/** lab_depot_push() - put a magazine that the caller owns. */
void lab_depot_push(struct lab_depot *depot, enum lab_depot_set set, struct lab_magazine *mag);

/** lab_depot_number() - a magazine's number. */
static inline uint32_t lab_depot_number(const struct lab_depot *depot,
					const struct lab_magazine *mag)
{
	return (uint32_t)((uint64_t)((const char *)mag - depot->mags) / depot->stride);
}

#endif
