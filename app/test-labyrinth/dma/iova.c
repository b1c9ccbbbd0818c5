/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The IOVA allocator by itself, at its edges and against a model that is too simple to be wrong: a
 * byte a page.
 */
#include "test.h"
#include "work.h"

#include "dma/iova.h"

TestSuite(dma_iova, .timeout = 60);

#define K4  ((uint64_t)4096)
#define M2  ((uint64_t)1 << 21)
#define G1  ((uint64_t)1 << 30)
#define TOP UINT64_MAX

static struct lab_iova_space space;

static void limit(const struct lab_iova_range *range, unsigned count, unsigned bits)
{
	cr_assert_eq(lab_iova_limit(&space, range, count, bits, K4), 0);
}

static uint64_t take(uint64_t bytes, uint64_t align)
{
	uint64_t iova = 0;

	cr_assert_eq(lab_iova_take(&space, bytes, align, &iova), 0, "0x%llx bytes do not fit",
		     (unsigned long long)bytes);
	cr_assert_eq(iova & (align - 1), 0);
	return iova;
}

static void refuse(uint64_t bytes, uint64_t align)
{
	uint64_t iova = 12345;

	cr_assert_eq(lab_iova_take(&space, bytes, align, &iova), -ENOSPC);
	cr_assert_eq(iova, 12345);
}

Test(dma_iova, the_lowest_that_fit_come_first)
{
	static const struct lab_iova_range all = {0, TOP};

	limit(&all, 1, 48);
	cr_assert_eq(lab_iova_last(&space), ((uint64_t)1 << 48) - 1);
	cr_assert_eq(take(K4, K4), LAB_IOVA_MIN);
	cr_assert_eq(take(1, 1), LAB_IOVA_MIN + K4); /* a page at least */
	cr_assert_eq(take(M2, M2), M2);
	cr_assert_eq(take(G1, G1), G1);
	cr_assert_eq(take(K4, K4), LAB_IOVA_MIN + 2 * K4);
	cr_assert_eq(take(M2 + 1, K4), 2 * M2);
	cr_assert_eq(take(K4, K4), LAB_IOVA_MIN + 3 * K4);
	/* What comes back is used again, and only by what fits in it. */
	cr_assert_eq(lab_iova_give(&space, LAB_IOVA_MIN + K4), 0);
	cr_assert_eq(take(2 * K4, K4), LAB_IOVA_MIN + 4 * K4);
	cr_assert_eq(take(K4, K4), LAB_IOVA_MIN + K4);
	lab_iova_fini(&space);
}

Test(dma_iova, only_what_was_taken_can_be_given_back)
{
	static const struct lab_iova_range all = {0, TOP};
	uint64_t iova;

	limit(&all, 1, 64);
	cr_assert_eq(lab_iova_give(&space, LAB_IOVA_MIN), -ENOENT);
	iova = take(2 * M2, M2);
	cr_assert_eq(lab_iova_give(&space, iova + M2), -ENOENT);
	cr_assert_eq(lab_iova_give(&space, iova - K4), -ENOENT);
	cr_assert_eq(lab_iova_give(&space, iova), 0);
	cr_assert_eq(lab_iova_give(&space, iova), -ENOENT);
	lab_iova_fini(&space);
	cr_assert_eq(lab_iova_last(&space), 0);
}

/* x86 keeps these for interrupts. Ranges come in any order, and some touch or overlap. */
Test(dma_iova, reserved_addresses_are_left_out)
{
	static const struct lab_iova_range ranges[] = {{0xfef00000, 0xffffffff},
						       {0x100000000, ((uint64_t)1 << 39) - 1},
						       {0x80000000, 0xfedfffff},
						       {0, 0x8fffffff},
						       {0x1000, 0x1fff}};
	uint64_t count[3] = {0};

	limit(ranges, 5, 64);
	cr_assert_eq(space.usable.count, 2);
	for (;;) {
		uint64_t iova;

		if (lab_iova_take(&space, 16 * M2, M2, &iova))
			break;
		cr_assert_geq(iova, LAB_IOVA_MIN);
		cr_assert(iova + 16 * M2 <= 0xfee00000 || iova >= 0xfef00000, "0x%llx",
			  (unsigned long long)iova);
		cr_assert_leq(iova + 16 * M2, (uint64_t)1 << 39);
		count[iova < 0xfee00000 ? 0 : iova < 4 * G1 ? 1 : 2]++;
	}
	/* From 2 MiB to the hole; then from the next multiple of 2 MiB on, across 4 GiB. */
	cr_assert_eq(count[0], (0xfee00000 - M2) / (16 * M2));
	cr_assert_eq(count[1] + count[2], (((uint64_t)1 << 39) - 0xff000000) / (16 * M2));
	lab_iova_fini(&space);
}

Test(dma_iova, a_width_of_39_bits)
{
	static const struct lab_iova_range all = {0, TOP};
	uint64_t n = 0, iova;

	limit(&all, 1, 39);
	cr_assert_eq(lab_iova_last(&space), ((uint64_t)1 << 39) - 1);
	refuse((uint64_t)1 << 39, K4);
	while (lab_iova_take(&space, G1, G1, &iova) == 0)
		cr_assert_eq(iova, ++n * G1);
	cr_assert_eq(n, 511);
	/* The first GiB has room below, but not aligned so. */
	refuse(G1, K4);
	cr_assert_eq(take(G1 - M2, M2), M2);
	lab_iova_fini(&space);
}

Test(dma_iova, the_top_of_64_bits)
{
	static const struct lab_iova_range top = {TOP - 2 * M2 + 1, TOP};

	limit(&top, 1, 64);
	cr_assert_eq(lab_iova_last(&space), TOP);
	refuse(2 * M2 + 1, K4);
	refuse(M2, G1);
	refuse(TOP, K4); /* rounded up it is 2^64 */
	refuse(TOP - K4 + 1, K4);
	refuse(0, K4);
	cr_assert_eq(take(2 * M2, M2), TOP - 2 * M2 + 1);
	refuse(K4, K4);
	cr_assert_eq(lab_iova_give(&space, TOP - 2 * M2 + 1), 0);
	cr_assert_eq(take(M2, K4), TOP - 2 * M2 + 1);
	cr_assert_eq(take(M2 - K4, K4), TOP - M2 + 1);
	cr_assert_eq(take(1, K4), TOP - K4 + 1); /* the very last page */
	refuse(1, K4);
	lab_iova_fini(&space);
}

Test(dma_iova, all_of_64_bits)
{
	static const struct lab_iova_range all = {0, TOP};

	limit(&all, 1, 64);
	cr_assert_eq(take((uint64_t)1 << 63, (uint64_t)1 << 63), (uint64_t)1 << 63);
	refuse((uint64_t)1 << 63, K4);
	cr_assert_eq(take(((uint64_t)1 << 63) - LAB_IOVA_MIN, K4), LAB_IOVA_MIN);
	refuse(K4, K4);
	lab_iova_fini(&space);
}

/* A range between taken ones, each filling its range to the end. */
Test(dma_iova, full_ranges_are_passed_over)
{
	static const struct lab_iova_range ranges[] = {
		{M2, 2 * M2 - 1}, {4 * M2, 5 * M2 - 1}, {8 * M2, 9 * M2 - 1}};

	limit(ranges, 3, 64);
	for (unsigned round = 0; round < 3; round++) {
		cr_assert_eq(take(M2, K4), M2);
		cr_assert_eq(take(M2, K4), 4 * M2);
		cr_assert_eq(take(M2, K4), 8 * M2);
		refuse(K4, K4);
		cr_assert_eq(lab_iova_give(&space, 4 * M2), 0);
		cr_assert_eq(take(K4, K4), 4 * M2);
		refuse(M2, K4);
		cr_assert_eq(take(M2 - K4, K4), 4 * M2 + K4);
		refuse(K4, K4);
		cr_assert_eq(lab_iova_give(&space, 4 * M2), 0);
		cr_assert_eq(lab_iova_give(&space, 4 * M2 + K4), 0);
		cr_assert_eq(lab_iova_give(&space, 8 * M2), 0);
		cr_assert_eq(lab_iova_give(&space, M2), 0);
	}
	lab_iova_fini(&space);
}

/* What cannot be used leaves everything as it was. */
Test(dma_iova, limits_change_while_addresses_are_taken)
{
	static const struct lab_iova_range all = {0, TOP}, low = {0, G1 - 1}, high = {G1, TOP};
	static const struct lab_iova_range around[] = {{0, 3 * M2 - 1}, {3 * M2 + K4, TOP}};
	uint64_t iova;

	limit(&all, 1, 48);
	iova = take(4 * M2, M2);
	cr_assert_eq(lab_iova_limit(&space, &high, 1, 48, K4), -EADDRINUSE);
	cr_assert_eq(lab_iova_limit(&space, around, 2, 48, K4), -EADDRINUSE);
	cr_assert_eq(lab_iova_limit(&space, &all, 1, 22, K4), -EADDRINUSE);
	cr_assert_eq(lab_iova_limit(&space, &all, 0, 48, K4), -EINVAL);
	cr_assert_eq(lab_iova_limit(&space, &all, 1, 16, K4), -EINVAL);
	cr_assert_eq(lab_iova_last(&space), ((uint64_t)1 << 48) - 1);
	cr_assert_eq(space.page, K4);
	limit(&low, 1, 48);
	cr_assert_eq(lab_iova_last(&space), G1 - 1);
	refuse(G1, K4);
	cr_assert_eq(lab_iova_give(&space, iova), 0);
	limit(&high, 1, 48);
	cr_assert_eq(take(K4, K4), G1);
	lab_iova_fini(&space);
}

Test(dma_iova, whole_pages_only)
{
	static const struct lab_iova_range ragged[] = {
		{M2 + 1, 2 * M2 + 4094}, {3 * M2 + 1, 3 * M2 + K4}, {TOP - 10, TOP}};

	limit(ragged, 3, 64);
	cr_assert_eq(space.usable.count, 1);
	cr_assert_eq(lab_iova_last(&space), 2 * M2 - 1);
	cr_assert_eq(take(K4, K4), M2 + K4);
	lab_iova_fini(&space);
	/* An IOMMU with pages of 64 KiB. */
	cr_assert_eq(lab_iova_limit(&space, ragged, 3, 64, 65536), 0);
	cr_assert_eq(take(1, 1), M2 + 65536);
	cr_assert_eq(take(1, 1), M2 + 2 * 65536);
	lab_iova_fini(&space);
}

/* ---- against the model ---- */

#define PAGES   16384u /* of 4 KiB: 64 MiB */
#define OLD     256u
#define ACTIONS 4000u

/* By page: 0 free, 1 taken, 2 reserved. */
static uint8_t model[PAGES];

static unsigned model_find(unsigned pages, unsigned align)
{
	for (unsigned at = 0; at + pages <= PAGES; at += align) {
		unsigned n = 0;

		while (n < pages && !model[at + n])
			n++;
		if (n == pages)
			return at;
	}
	return PAGES;
}

static void model_set(unsigned at, unsigned pages, uint8_t to)
{
	unsigned same = 0;

	for (unsigned i = at; i < at + pages; i++) {
		same += model[i] == to;
		model[i] = to;
	}
	cr_assert_eq(same, 0, "%u pages of %u at page %u were so already", same, pages, at);
}

/* Some holes, of some pages each. */
static unsigned make_limits(uint64_t *random, struct lab_iova_range *range)
{
	unsigned holes = random_below(random, 6), n = 0, at = 0;

	memset(model, 0, sizeof(model));
	memset(model, 2, LAB_IOVA_MIN / K4);
	for (unsigned i = 0; i < holes; i++) {
		unsigned first = at + random_below(random, PAGES / 8);
		unsigned last = first + random_below(random, 300);

		memset(model + first, 2, last - first + 1);
		if (first > at)
			range[n++] = (struct lab_iova_range){at * K4, first * K4 - 1};
		at = last + 1;
	}
	range[n++] = (struct lab_iova_range){at * K4, PAGES * K4 - 1};
	return n;
}

static void random_walk(uint64_t seed)
{
	static struct {
		unsigned at, pages;
	} old[OLD];
	struct lab_iova_range range[8];
	uint64_t random = seed, iova;
	unsigned olds = 0, n = make_limits(&random, range);

	limit(range, n, 48);
	for (unsigned i = 0; i < ACTIONS; i++) {
		unsigned which = random_below(&random, OLD);

		if (which < olds) {
			cr_assert_eq(lab_iova_give(&space, old[which].at * K4), 0);
			model_set(old[which].at, old[which].pages, 0);
			old[which] = old[--olds];
		} else if (olds < OLD) {
			unsigned shift = random_below(&random, 10);
			unsigned pages = 1 + random_below(&random, 1u << random_below(&random, 11));
			unsigned want = model_find(pages, 1u << shift);
			int err = lab_iova_take(&space, pages * K4, K4 << shift, &iova);

			cr_assert_eq(err, want == PAGES ? -ENOSPC : 0, "seed 0x%llx: %u pages: %d",
				     (unsigned long long)seed, pages, err);
			if (err)
				continue;
			cr_assert_eq(iova, want * K4, "seed 0x%llx: 0x%llx, not 0x%llx",
				     (unsigned long long)seed, (unsigned long long)iova,
				     (unsigned long long)(want * K4));
			model_set(want, pages, 1);
			old[olds].at = want;
			old[olds++].pages = pages;
		}
		cr_assert_eq(space.taken.count, olds, "seed 0x%llx: %u are taken, not %u",
			     (unsigned long long)seed, space.taken.count, olds);
	}
	/* Page by page the rest is to be had, all of it and once. */
	while (lab_iova_take(&space, K4, K4, &iova) == 0)
		model_set((unsigned)(iova / K4), 1, 1);
	cr_assert_eq(model_find(1, 1), PAGES);
	lab_iova_fini(&space);
}

Test(dma_iova, like_the_model)
{
	const char *again = getenv("TEST_SEED");
	uint64_t seed = again ? strtoull(again, NULL, 0) : random_seed();

	fprintf(stderr, "# TEST_SEED=0x%llx repeats this\n", (unsigned long long)seed);
	for (unsigned i = 0; i < 8; i++)
		random_walk(seed + 2 * i);
}

Test(dma_iova, filled_to_the_last_page_and_refilled)
{
	static const struct lab_iova_range all = {0, PAGES * K4 - 1};
	const unsigned pages = PAGES - LAB_IOVA_MIN / K4;
	uint64_t seed = random_seed();

	fprintf(stderr, "# seed 0x%llx\n", (unsigned long long)seed);
	limit(&all, 1, 48);
	for (unsigned i = 0; i < pages / 64; i++)
		cr_assert_eq(take(64 * K4, K4), LAB_IOVA_MIN + i * 64 * K4);
	refuse(64 * K4, K4);
	for (unsigned round = 0; round < 2000; round++) {
		uint64_t iova = LAB_IOVA_MIN + random_below(&seed, pages / 64) * 64 * K4;

		cr_assert_eq(lab_iova_give(&space, iova), 0);
		cr_assert_eq(take(64 * K4, K4), iova);
		refuse(64 * K4, K4);
	}
	lab_iova_fini(&space);
}
