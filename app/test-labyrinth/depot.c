/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The depot from inside: stacks of magazines that several threads push and pop.
 */
#include "depot.h"
#include "test.h"
#include "work.h"

TestSuite(depot, .timeout = 60);

#define MAGAZINES 40u
#define CAPACITY  16u
#define NUMBER    0xffffffull /* see depot.h: bits 0-23 of a head */

static struct lab_depot *new_depot(void)
{
	struct lab_depot *depot = aligned_alloc(128, sizeof(*depot));
	size_t bytes = (size_t)MAGAZINES * lab_depot_stride(CAPACITY);
	void *magazines = aligned_alloc(64, bytes);

	memset(depot, 0xee, sizeof(*depot));
	memset(magazines, 0, bytes);
	lab_depot_init(depot, magazines, MAGAZINES, CAPACITY, lab_depot_stride(CAPACITY));
	return depot;
}

static void free_depot(struct lab_depot *depot)
{
	free(lab_depot_magazine(depot, 0));
	free(depot);
}

Test(depot, begins_with_empty_magazines_in_order)
{
	struct lab_depot *depot = new_depot();

	for (unsigned stack = 0; stack < LAB_DEPOT_STACKS; stack++) {
		if (stack != LAB_DEPOT_EMPTY)
			cr_assert_null(lab_depot_pop(depot, stack));
	}
	for (uint32_t i = 0; i < MAGAZINES; i++) {
		struct lab_magazine *mag = lab_depot_pop(depot, LAB_DEPOT_EMPTY);

		cr_assert_eq(mag, lab_depot_magazine(depot, i));
		cr_assert_eq(lab_depot_number(depot, mag), i);
	}
	cr_assert_null(lab_depot_pop(depot, LAB_DEPOT_EMPTY));
	cr_assert_null(lab_depot_pop(depot, LAB_DEPOT_EMPTY));
	free_depot(depot);
}

Test(depot, magazines_do_not_overlap)
{
	for (uint32_t capacity = 1; capacity <= 512; capacity += 13) {
		size_t end = offsetof(struct lab_magazine, item) + capacity * sizeof(uint32_t);

		cr_assert_geq(lab_depot_stride(capacity), end);
		cr_assert_eq(lab_depot_stride(capacity) % _Alignof(struct lab_magazine), 0);
	}
}

Test(depot, last_in_first_out_in_each_stack)
{
	struct lab_depot *depot = new_depot();
	struct lab_magazine *mag[MAGAZINES];

	for (unsigned i = 0; i < MAGAZINES; i++) {
		mag[i] = lab_depot_pop(depot, LAB_DEPOT_EMPTY);
		mag[i]->count = i;
		mag[i]->item[CAPACITY - 1] = ~i;
		lab_depot_push(depot, i % LAB_DEPOT_EMPTY, mag[i]);
	}
	for (unsigned i = MAGAZINES; i-- > 0;) {
		struct lab_magazine *top = lab_depot_pop(depot, i % LAB_DEPOT_EMPTY);

		cr_assert_eq(top, mag[i]);
		cr_assert_eq(top->count, i);
		cr_assert_eq(top->item[CAPACITY - 1], ~i);
		lab_depot_push(depot, LAB_DEPOT_EMPTY, top);
	}
	for (unsigned stack = 0; stack < LAB_DEPOT_EMPTY; stack++)
		cr_assert_null(lab_depot_pop(depot, stack));
	free_depot(depot);
}

/*
 * A thread reads the head and sleeps; others pop two magazines and push the first one back. The top
 * is the same again, what lies under it is not: the head must differ.
 */
Test(depot, a_head_never_comes_back)
{
	struct lab_depot *depot = new_depot();
	uint64_t *head = &depot->head[LAB_DEPOT_EMPTY].word;

	for (unsigned round = 0; round < 1000; round++) {
		uint64_t seen = *head;
		struct lab_magazine *top = lab_depot_pop(depot, LAB_DEPOT_EMPTY);
		struct lab_magazine *under = lab_depot_pop(depot, LAB_DEPOT_EMPTY);

		lab_depot_push(depot, LAB_DEPOT_EMPTY, top);
		cr_assert_eq(*head & NUMBER, seen & NUMBER, "the same magazine on top");
		cr_assert_neq(*head, seen, "a stalled pop would now take it wrongly");
		lab_depot_push(depot, LAB_DEPOT_EMPTY, under);
	}
	free_depot(depot);
}

/* The tag wraps after 2^40 pops; the number beside it must not be touched. */
Test(depot, the_tag_wraps_cleanly)
{
	struct lab_depot *depot = new_depot();
	uint64_t *head = &depot->head[LAB_DEPOT_EMPTY].word;

	*head |= ~NUMBER;
	for (uint32_t i = 0; i < MAGAZINES; i++)
		cr_assert_eq(lab_depot_pop(depot, LAB_DEPOT_EMPTY), lab_depot_magazine(depot, i));
	cr_assert_null(lab_depot_pop(depot, LAB_DEPOT_EMPTY));
	lab_depot_push(depot, LAB_DEPOT_EMPTY, lab_depot_magazine(depot, 7));
	cr_assert_eq(lab_depot_pop(depot, LAB_DEPOT_EMPTY), lab_depot_magazine(depot, 7));
	free_depot(depot);
}

/* Offsets only: a copy elsewhere is the same depot. */
Test(depot, it_can_lie_at_any_address)
{
	size_t bytes = sizeof(struct lab_depot) + MAGAZINES * lab_depot_stride(CAPACITY);
	char *here = aligned_alloc(128, (bytes + 127) & ~(size_t)127);
	char *there = aligned_alloc(128, (bytes + 127) & ~(size_t)127);
	struct lab_depot *depot = (void *)here, *copy = (void *)there;
	struct lab_magazine *mag;

	memset(here, 0, bytes);
	lab_depot_init(depot, here + sizeof(*depot), MAGAZINES, CAPACITY,
		       lab_depot_stride(CAPACITY));
	mag = lab_depot_pop(depot, LAB_DEPOT_EMPTY);
	mag->item[0] = 4711;
	lab_depot_push(depot, LAB_DEPOT_LOOSE, mag);
	memcpy(there, here, bytes);
	memset(here, 0xff, bytes);
	mag = lab_depot_pop(copy, LAB_DEPOT_LOOSE);
	cr_assert((char *)mag > there && (char *)mag < there + bytes);
	cr_assert_eq(mag->item[0], 4711);
	for (uint32_t i = 1; i < MAGAZINES; i++)
		cr_assert_eq(lab_depot_number(copy, lab_depot_pop(copy, LAB_DEPOT_EMPTY)), i);
	free(here);
	free(there);
}

/* Threads move magazines between stacks: each has one owner at a time, and none is lost. */
static struct {
	struct lab_depot *depot;
	uint32_t owner[MAGAZINES];
	uint32_t wrong, moved;
} crowd;

static void *mover(void *arg)
{
	uint64_t random = 88172645463325252ull + (uintptr_t)arg;
	uint32_t self = 1 + (uint32_t)(uintptr_t)arg, moved = 0;

	for (unsigned i = 0; i < 500000; i++) {
		/* Two stacks and two magazines at most: that is where heads come back. */
		struct lab_magazine *mag[2];
		unsigned have = 0, want = 1 + (random_next(&random) & 1);

		while (have < want) {
			mag[have] = lab_depot_pop(crowd.depot, random_next(&random) & 1);
			if (!mag[have])
				break;
			uint32_t *owner = &crowd.owner[lab_depot_number(crowd.depot, mag[have])];

			if (__atomic_exchange_n(owner, self, __ATOMIC_RELAXED) != 0)
				__atomic_add_fetch(&crowd.wrong, 1, __ATOMIC_RELAXED);
			have++;
		}
		moved += have;
		for (unsigned m = 0; m < have; m++) {
			uint32_t *owner = &crowd.owner[lab_depot_number(crowd.depot, mag[m])];

			if (__atomic_exchange_n(owner, 0, __ATOMIC_RELAXED) != self)
				__atomic_add_fetch(&crowd.wrong, 1, __ATOMIC_RELAXED);
			lab_depot_push(crowd.depot, random_next(&random) & 1, mag[m]);
		}
	}
	__atomic_add_fetch(&crowd.moved, moved, __ATOMIC_RELAXED);
	return NULL;
}

Test(depot, each_magazine_has_one_owner_in_a_crowd)
{
	pthread_t thread[4];
	unsigned left = 0;

	crowd.depot = new_depot();
	for (unsigned i = 0; i < 4; i++)
		lab_depot_push(crowd.depot, i & 1, lab_depot_pop(crowd.depot, LAB_DEPOT_EMPTY));
	for (uintptr_t t = 0; t < 4; t++)
		cr_assert_eq(pthread_create(&thread[t], NULL, mover, (void *)t), 0);
	for (unsigned t = 0; t < 4; t++)
		pthread_join(thread[t], NULL);
	cr_assert_eq(crowd.wrong, 0, "%u times a magazine had two owners", crowd.wrong);
	cr_assert_gt(crowd.moved, 0);
	for (unsigned stack = 0; stack < 2; stack++) {
		while (lab_depot_pop(crowd.depot, stack))
			left++;
	}
	cr_assert_eq(left, 4, "%u of 4 magazines are left", left);
	free_depot(crowd.depot);
}
