/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * IOVA allocator: which addresses of a domain are taken. Knows numbers; knows no memory, no kernel
 * and no device.
 */
#ifndef IOVA_H
#define IOVA_H

#include <stdint.h>

/** No IOVA below this is given out, so that a null pointer or a forgotten register faults. */
#define LAB_IOVA_MIN 0x10000u

/** struct lab_iova_range - addresses from @first to @last, both included. */
struct lab_iova_range {
	uint64_t first;
	uint64_t last;
};

/** struct lab_iova_list - ranges in rising order, none touching or overlapping another wrongly. */
struct lab_iova_list {
	struct lab_iova_range *range;
	unsigned count;
	unsigned room;
};

/**
 * struct lab_iova_space - the addresses of one domain.
 * @usable: what the IOMMU can translate: its width less the reserved ranges.
 * @taken: what has been given out; each entry is one call's.
 * @page: the IOMMU's smallest page in bytes; all addresses and lengths are multiples of it.
 */
struct lab_iova_space {
	struct lab_iova_list usable;
	struct lab_iova_list taken;
	uint64_t page;
};

/**
 * lab_iova_limit() - say which addresses can be used from now on.
 * @space: the space; zeroed before the first call.
 * @range: usable ranges, in any order.
 * @count: how many.
 * @bits: 1 to 64: addresses have no more bits than this.
 * @page: a power of two.
 *
 * Return: 0, or nothing has changed: -EADDRINUSE: an address that was given out is not among them;
 * -EINVAL: none is left; -ENOMEM. No sentence is set.
 */
int lab_iova_limit(struct lab_iova_space *space, const struct lab_iova_range *range, unsigned count,
		   unsigned bits, uint64_t page);

/**
 * lab_iova_take() - the lowest free addresses that fit.
 * @space: the space.
 * @bytes: length, not 0; rounded up to @page.
 * @align: a power of two.
 * @iova: receives the first address, a multiple of @align.
 *
 * Return: 0; -ENOSPC: no hole is long enough; -ENOMEM. No sentence is set.
 */
int lab_iova_take(struct lab_iova_space *space, uint64_t bytes, uint64_t align, uint64_t *iova);

/** lab_iova_give() - give back what one lab_iova_take() took. Return: 0, or -ENOENT. */
int lab_iova_give(struct lab_iova_space *space, uint64_t iova);

/**
 * lab_iova_bits() - the fewest address bits with which @bytes would find room too.
 * @space: what is taken. @range, @count, @page: as for lab_iova_limit(). @bytes, @align: as for
 * lab_iova_take().
 *
 * Return: 12 to 64, or 0 if no width is enough.
 */
unsigned lab_iova_bits(const struct lab_iova_space *space, const struct lab_iova_range *range,
		       unsigned count, uint64_t page, uint64_t bytes, uint64_t align);

/** lab_iova_last() - the highest usable address, for messages; 0 if there is none. */
uint64_t lab_iova_last(const struct lab_iova_space *space);

/** lab_iova_fini() - forget everything. */
void lab_iova_fini(struct lab_iova_space *space);

#endif
