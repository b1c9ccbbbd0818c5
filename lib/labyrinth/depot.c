/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Push and pop of the depot's stacks (Treiber's stack with a tag).
 */
#include "depot.h"

#define NUMBER_BITS 24
#define NUMBER_MASK (((uint64_t)1 << NUMBER_BITS) - 1)
#define TAG_ONE     ((uint64_t)1 << NUMBER_BITS)

void lab_depot_init(struct lab_depot *depot, void *mags, uint32_t count, uint32_t capacity,
		    uint32_t stride)
{
	depot->capacity = capacity;
	depot->stride = stride;
	depot->magazines = count;
	depot->offset = (uint64_t)((char *)mags - (char *)depot);
	for (uint32_t i = 0; i < LAB_DEPOT_STACKS; i++)
		depot->head[i].word = 0;
	/* Linked from the last to the first, so that they are taken in ascending order. */
	for (uint32_t i = count; i-- > 0;)
		lab_depot_push(depot, LAB_DEPOT_EMPTY, lab_depot_magazine(depot, i));
}

struct lab_magazine *lab_depot_pop(struct lab_depot *depot, enum lab_depot_stack stack)
{
	uint64_t *head = &depot->head[stack].word;
	/*
	 * Acquire: the magazine's contents and `next` were written before the release that made it
	 * the top. The load of `next` may see a later owner's value, when another thread pops in
	 * between; then the tag has moved and the compare-and-swap fails.
	 */
	uint64_t old = __atomic_load_n(head, __ATOMIC_ACQUIRE);

	while (old & NUMBER_MASK) {
		struct lab_magazine *mag =
			lab_depot_magazine(depot, (uint32_t)(old & NUMBER_MASK) - 1);
		uint64_t next = __atomic_load_n(&mag->next, __ATOMIC_RELAXED);
		uint64_t new = ((old & ~NUMBER_MASK) + TAG_ONE) | next;

		/* Acquire on success and on failure, for the reason above; a pop publishes nothing.
		 */
		if (__atomic_compare_exchange_n(head, &old, new, 0, __ATOMIC_ACQUIRE,
						__ATOMIC_ACQUIRE))
			return mag;
	}
	return NULL;
}

void lab_depot_push(struct lab_depot *depot, enum lab_depot_stack stack, struct lab_magazine *mag)
{
	uint64_t *head = &depot->head[stack].word;
	uint64_t number = (uint64_t)lab_depot_number(depot, mag) + 1;
	uint64_t old = __atomic_load_n(head, __ATOMIC_RELAXED);
	uint64_t new;

	do {
		/* Relaxed: published by the release below; readers that raced revalidate. */
		__atomic_store_n(&mag->next, (uint32_t)(old & NUMBER_MASK), __ATOMIC_RELAXED);
		new = (old & ~NUMBER_MASK) | number;
		/* Release: the items and `next` are visible to whoever acquires this head. The tag
		 * is left alone: between a pop's two reads of one head with the magazine gone and
		 * back lies another pop, and that one moved the tag. */
	} while (!__atomic_compare_exchange_n(head, &old, new, 0, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}
