/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The depot under ThreadSanitizer: threads move magazines between stacks, and write to them as
 * their owners do, without atomics. Two owners at a time would be a race that it reports.
 */
#include <stdlib.h>
#include <string.h>

#include "depot.h"
#include "net/tap.h"
#include "work.h"

#define MAGAZINES 24u
#define CAPACITY  8u
#define THREADS   4u
#define ROUNDS    60000u

static struct lab_depot depot __attribute__((aligned(128)));
static uint32_t owner[MAGAZINES], wrong;

static void *mover(void *arg)
{
	uint32_t self = 1 + (uint32_t)(uintptr_t)arg;
	uint64_t random = self * 0x9e3779b97f4a7c15ull;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct lab_magazine *mag[3];
		unsigned have = 0, want = 1 + random_below(&random, 3);

		for (; have < want; have++) {
			mag[have] =
				lab_depot_pop(&depot, random_below(&random, LAB_DEPOT_SETS), self);
			if (!mag[have])
				break;
			if (owner[lab_depot_number(&depot, mag[have])] != 0)
				__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
			owner[lab_depot_number(&depot, mag[have])] = self;
			for (unsigned k = 1; k < CAPACITY; k++) {
				if (mag[have]->item[k] != mag[have]->item[0])
					__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
			}
			for (unsigned k = 0; k < CAPACITY; k++)
				mag[have]->item[k] = self * ROUNDS + i;
			mag[have]->count = i;
		}
		while (have--) {
			if (owner[lab_depot_number(&depot, mag[have])] != self)
				__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
			owner[lab_depot_number(&depot, mag[have])] = 0;
			lab_depot_push(&depot, random_below(&random, LAB_DEPOT_SETS), mag[have]);
		}
	}
	return NULL;
}

int main(void)
{
	void *magazines = calloc(MAGAZINES, lab_depot_stride(CAPACITY));
	void *maps = calloc(1, lab_depot_map_bytes(MAGAZINES, LAB_DEPOT_SETS));
	pthread_t thread[THREADS];
	unsigned left = 0;
	uint8_t seen[MAGAZINES] = {0};
	struct lab_magazine *mag;

	lab_depot_point_at(&depot, magazines, maps, LAB_DEPOT_SETS, MAGAZINES, CAPACITY,
			   lab_depot_stride(CAPACITY));
	lab_depot_fill(&depot);
	for (uintptr_t t = 0; t < THREADS; t++)
		pthread_create(&thread[t], NULL, mover, (void *)t);
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(thread[t], NULL);
	for (unsigned set = 0; set < LAB_DEPOT_SETS; set++) {
		while ((mag = lab_depot_pop(&depot, set, 1)) != NULL) {
			left++;
			wrong += seen[lab_depot_number(&depot, mag)]++ != 0;
		}
	}
	tap_ok(wrong == 0, "a magazine has one owner at any time");
	tap_ok(left == MAGAZINES, "no magazine is lost");
	free(magazines);
	free(maps);
	return tap_done();
}
