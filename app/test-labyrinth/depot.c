/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The depot from inside: sets of magazines that several threads push and pop.
 */
#include "depot.h"
#include "test.h"
#include "work.h"

TestSuite(depot, .timeout = 60);

#define MAGAZINES 40u
#define CAPACITY  16u
#define SELF      3u
#define FILLED    (LAB_DEPOT_SETS - 1u)

static struct lab_magazine *pop(struct lab_depot *depot, unsigned set)
{
	return lab_depot_pop(depot, set, SELF);
}

static size_t magazine_bytes(uint32_t magazines)
{
	return ((size_t)magazines * lab_depot_stride(CAPACITY) + 127) & ~(size_t)127;
}

/* Magazines, and the maps behind them, in one piece. */
static struct lab_depot *depot_of(uint32_t magazines)
{
	struct lab_depot *depot = malloc(sizeof(*depot));
	size_t bytes = magazine_bytes(magazines) + lab_depot_map_bytes(magazines, LAB_DEPOT_SETS);
	char *memory = aligned_alloc(128, bytes);

	memset(depot, 0xee, sizeof(*depot));
	memset(memory, 0, bytes);
	lab_depot_point_at(depot, memory, memory + magazine_bytes(magazines), LAB_DEPOT_SETS,
			   magazines, CAPACITY, lab_depot_stride(CAPACITY));
	lab_depot_fill(depot);
	return depot;
}

static struct lab_depot *new_depot(void)
{
	return depot_of(MAGAZINES);
}

static void free_depot(struct lab_depot *depot)
{
	free(lab_depot_magazine(depot, 0));
	free(depot);
}

Test(depot, begins_with_empty_magazines_in_order)
{
	struct lab_depot *depot = new_depot();

	for (unsigned set = 1; set < LAB_DEPOT_SETS; set++)
		cr_assert_null(pop(depot, set));
	for (uint32_t i = 0; i < MAGAZINES; i++) {
		struct lab_magazine *mag = pop(depot, LAB_DEPOT_EMPTY);

		cr_assert_eq(mag, lab_depot_magazine(depot, i));
		cr_assert_eq(lab_depot_number(depot, mag), i);
	}
	cr_assert_null(pop(depot, LAB_DEPOT_EMPTY));
	cr_assert_null(pop(depot, LAB_DEPOT_EMPTY));
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

Test(depot, lowest_first_in_each_set)
{
	struct lab_depot *depot = new_depot();
	struct lab_magazine *mag[MAGAZINES];

	for (unsigned i = 0; i < MAGAZINES; i++) {
		mag[i] = pop(depot, LAB_DEPOT_EMPTY);
		cr_assert_eq(mag[i]->where, LAB_MAGAZINE_OF(SELF));
		mag[i]->count = i;
		mag[i]->item[CAPACITY - 1] = ~i;
	}
	for (unsigned i = MAGAZINES; i-- > 0;) {
		lab_depot_push(depot, 1 + i % FILLED, mag[i]);
		cr_assert_eq(mag[i]->where, 1 + i % FILLED);
	}
	for (unsigned i = 0; i < MAGAZINES; i++) {
		struct lab_magazine *first = pop(depot, 1 + i % FILLED);

		cr_assert_eq(first, mag[i]);
		cr_assert_eq(first->count, i);
		cr_assert_eq(first->item[CAPACITY - 1], ~i);
		lab_depot_push(depot, LAB_DEPOT_EMPTY, first);
	}
	for (unsigned set = 1; set < LAB_DEPOT_SETS; set++)
		cr_assert_null(pop(depot, set));
	free_depot(depot);
}

/* More magazines than a word of the summary has words: each is found, wherever it lies. */
Test(depot, every_magazine_of_many_is_found)
{
	enum { MANY = 64 * 64 * 2 + 17 };
	struct lab_depot *depot = depot_of(MANY);
	uint64_t random = 20261124;

	for (uint32_t i = 0; i < MANY; i++)
		cr_assert_eq(pop(depot, LAB_DEPOT_EMPTY), lab_depot_magazine(depot, i));
	for (unsigned round = 0; round < 20000; round++) {
		uint32_t number = random_below(&random, MANY);
		unsigned set = random_below(&random, LAB_DEPOT_SETS);

		lab_depot_push(depot, set, lab_depot_magazine(depot, number));
		cr_assert_eq(pop(depot, set), lab_depot_magazine(depot, number));
		for (unsigned other = 0; other < LAB_DEPOT_SETS; other++)
			cr_assert_null(pop(depot, other));
	}
	free_depot(depot);
}

/* What a thread leaves that is killed between taking a magazine and taking it out of the map. */
Test(depot, a_map_that_is_wrong_is_not_believed)
{
	struct lab_depot *depot = new_depot();
	struct lab_magazine *third = lab_depot_magazine(depot, 2);

	third->where = LAB_MAGAZINE_OF(7);
	for (uint32_t i = 1; i < MAGAZINES; i++)
		cr_assert_neq(pop(depot, LAB_DEPOT_EMPTY), third);
	cr_assert_null(pop(depot, LAB_DEPOT_EMPTY));
	cr_assert_eq(third->where, LAB_MAGAZINE_OF(7));
	lab_depot_push(depot, LAB_DEPOT_LOOSE, third);
	cr_assert_null(pop(depot, LAB_DEPOT_EMPTY));
	cr_assert_eq(pop(depot, LAB_DEPOT_LOOSE), third);
	lab_depot_push(depot, LAB_DEPOT_EMPTY, third);
	cr_assert_eq(pop(depot, LAB_DEPOT_EMPTY), third);
	free_depot(depot);
}

/* No addresses in what is shared: a copy elsewhere is the same depot. */
Test(depot, it_can_lie_at_any_address)
{
	size_t maps = magazine_bytes(MAGAZINES);
	size_t bytes = maps + lab_depot_map_bytes(MAGAZINES, LAB_DEPOT_SETS);
	struct lab_depot *depot = new_depot(), copy;
	char *here = depot->mags, *there = aligned_alloc(128, bytes);
	struct lab_magazine *mag;

	mag = pop(depot, LAB_DEPOT_EMPTY);
	mag->item[0] = 4711;
	lab_depot_push(depot, LAB_DEPOT_LOOSE, mag);
	memcpy(there, here, bytes);
	memset(here, 0xff, bytes);
	lab_depot_point_at(&copy, there, there + maps, LAB_DEPOT_SETS, MAGAZINES, CAPACITY,
			   lab_depot_stride(CAPACITY));
	mag = pop(&copy, LAB_DEPOT_LOOSE);
	cr_assert((char *)mag >= there && (char *)mag < there + bytes);
	cr_assert_eq(mag->item[0], 4711);
	for (uint32_t i = 1; i < MAGAZINES; i++)
		cr_assert_eq(lab_depot_number(&copy, pop(&copy, LAB_DEPOT_EMPTY)), i);
	free(there);
	free_depot(depot);
}

/* Threads move magazines between sets: each has one owner at a time, and none is lost. */
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
		/* Few magazines in two sets: everybody wants the same ones. */
		struct lab_magazine *mag[2];
		unsigned have = 0, want = 1 + (random_next(&random) & 1);

		while (have < want) {
			mag[have] =
				lab_depot_pop(crowd.depot, 1 + (random_next(&random) & 1), self);
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
			lab_depot_push(crowd.depot, 1 + (random_next(&random) & 1), mag[m]);
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
		lab_depot_push(crowd.depot, 1 + (i & 1), pop(crowd.depot, LAB_DEPOT_EMPTY));
	for (uintptr_t t = 0; t < 4; t++)
		cr_assert_eq(pthread_create(&thread[t], NULL, mover, (void *)t), 0);
	for (unsigned t = 0; t < 4; t++)
		pthread_join(thread[t], NULL);
	cr_assert_eq(crowd.wrong, 0, "%u times a magazine had two owners", crowd.wrong);
	cr_assert_gt(crowd.moved, 0);
	for (unsigned set = 1; set <= 2; set++) {
		while (pop(crowd.depot, set))
			left++;
	}
	cr_assert_eq(left, 4, "%u of 4 magazines are left", left);
	free_depot(crowd.depot);
}
