/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Wrong frames in a burst that is freed: each of them stays where it was, all others are freed.
 */
#include "refusals.h"

TestSuite(bursts, .timeout = 60);

/* Bursts that travel as blocks, as loose frames, and as both. */
static const unsigned sizes[] = {2, 3, 5, 31, 32, 33, 40, 63, 64, 65, 100, 256, 1000};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* The ways to be wrong; each makes one frame of the burst so. */
enum wrong { FREED, LENT, INSIDE, OTHER_POOL, OUTSIDE, WRONGS };

static const struct {
	int err;
	enum lab_refusal_kind kind;
	const char *attempt;
	const char *owner;
} wrongs[WRONGS] = {
	[FREED] = {EALREADY, LAB_REFUSED_DOUBLE_FREE, "free of frame", "it is free, in the "},
	[LENT] = {EBUSY, LAB_REFUSED_LENT, "free of frame", "it is lent to device 0 (nic)"},
	[INSIDE] = {EINVAL, LAB_REFUSED_INSIDE, "free of 0x", "it lies 64 bytes inside frame"},
	[OTHER_POOL] = {EXDEV, LAB_REFUSED_OTHER_POOL, "free of 0x", "of pool 'test', not of"},
	[OUTSIDE] = {EFAULT, LAB_REFUSED_OUTSIDE, "free of 0x", "in no pool"},
};

struct scene {
	struct lab_pool *pool, *other;
	struct seen seen;
	int device;
	void *foreign;
	char outside[4096];
};

static void open_scene(struct scene *s)
{
	s->pool = watched_pool("rx", &s->seen);
	s->other = small_pool(64, 0);
	s->device = lab_device_register(s->pool, "nic");
	s->foreign = lab_alloc(s->other, LAB_GFP_ATOMIC);
}

static void close_scene(struct scene *s)
{
	conserved(s->other, 1, 0);
	cr_assert_eq(lab_free(s->other, s->foreign), 0);
	end_whole(s->other);
	end_whole(s->pool);
}

/* Frees a burst of @n held frames of which the one at @at is made wrong, and looks. */
static void one_wrong(struct scene *s, void **frame, unsigned n, unsigned at, enum wrong wrong)
{
	void *good = frame[at];
	struct expected e = {.err = wrongs[wrong].err,
			     .kind = wrongs[wrong].kind,
			     .frame = LAB_FRAME_NONE,
			     .attempt = wrongs[wrong].attempt,
			     .owner = wrongs[wrong].owner};
	struct before before;
	int rc;

	if (wrong == FREED)
		cr_assert_eq(lab_free(s->pool, good), 0);
	else if (wrong == LENT)
		cr_assert_eq(lab_lend(s->pool, s->device, &good, 1), 1);
	else if (wrong == INSIDE)
		frame[at] = (char *)good + 64;
	else
		frame[at] = wrong == OUTSIDE ? (void *)s->outside : s->foreign;
	e.address = frame[at];
	if (wrong < OTHER_POOL)
		e.frame = lab_frame_index(s->pool, good);
	before = before_call(s->pool, &s->seen);
	rc = lab_free_bulk(s->pool, frame, n);
	cr_assert_eq(rc, -e.err, "burst of %u, wrong at %u: %d", n, at, rc);
	reported(s->pool, &s->seen, &before, &e);
	free(before.state);
	conserved(s->pool, wrong >= INSIDE, wrong == LENT);
	if (wrong == LENT)
		cr_assert_eq(lab_take_back(s->pool, s->device, &good, 1), 1);
	if (wrong != FREED)
		cr_assert_eq(lab_free(s->pool, good), 0);
	conserved(s->pool, 0, 0);
}

/* A fresh pool gives whole blocks. */
Test(bursts, one_wrong_frame_among_blocks)
{
	for (enum wrong wrong = 0; wrong < WRONGS; wrong++) {
		for (unsigned i = 0; i < SIZES; i++) {
			unsigned n = sizes[i];
			const unsigned at[] = {0, 1, n / 2, n - 1};

			for (unsigned a = 0; a < 4 && at[a] < n; a++) {
				void *frame[1000];
				struct scene s;

				open_scene(&s);
				cr_assert_eq(lab_alloc_bulk(s.pool, frame, n, 0), 0);
				one_wrong(&s, frame, n, at[a], wrong);
				close_scene(&s);
			}
		}
	}
}

/* Every place in one block. */
Test(bursts, every_place_in_a_block)
{
	struct scene s;

	for (enum wrong wrong = 0; wrong < WRONGS; wrong++) {
		for (unsigned at = 0; at < LAB_BLOCK_FRAMES; at++) {
			void *frame[LAB_BLOCK_FRAMES];

			open_scene(&s);
			cr_assert_eq(lab_alloc_bulk(s.pool, frame, LAB_BLOCK_FRAMES, 0), 0);
			cr_assert_eq(lab_frame_index(s.pool, frame[0]) % LAB_BLOCK_FRAMES, 0,
				     "a burst of 32 from a fresh pool is a block");
			one_wrong(&s, frame, LAB_BLOCK_FRAMES, at, wrong);
			close_scene(&s);
		}
	}
}

/* The same among frames that were freed in another order, so that nothing travels as a block. */
Test(bursts, one_wrong_frame_among_loose_ones)
{
	struct scene s;
	void *frame[FRAMES];

	open_scene(&s);
	cr_assert_eq(lab_alloc_bulk(s.pool, frame, FRAMES, 0), 0);
	for (unsigned i = 0; i < FRAMES; i++)
		cr_assert_eq(lab_free(s.pool, frame[i * 1001 % FRAMES]), 0);
	for (enum wrong wrong = 0; wrong < WRONGS; wrong++) {
		for (unsigned i = 0; i < SIZES; i++) {
			unsigned n = sizes[i];
			const unsigned at[] = {0, 1, n / 2, n - 1};

			for (unsigned a = 0; a < 4 && at[a] < n; a++) {
				cr_assert_eq(lab_alloc_bulk(s.pool, frame, n, 0), 0);
				one_wrong(&s, frame, n, at[a], wrong);
			}
		}
	}
	close_scene(&s);
}

Test(bursts, one_wrong_frame_among_bundles)
{
	static const unsigned lengths[] = {1, 32, 40, 96};

	for (enum wrong wrong = 0; wrong < WRONGS; wrong++) {
		for (unsigned i = 0; i < 4; i++) {
			unsigned n = lengths[i];

			for (unsigned at = 0; at < n; at += 7) {
				void *frame[96];
				struct scene s;

				open_scene(&s);
				cr_assert_gt(scatter(s.pool), 0, "nothing travels as a bundle");
				cr_assert_eq(lab_alloc_bulk(s.pool, frame, n, 0), 0);
				one_wrong(&s, frame, n, at, wrong);
				close_scene(&s);
			}
		}
	}
}

/* Frames leave bundles one by one, in any order, while others travel on whole. */
Test(bursts, bundles_are_taken_apart)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	int nic = lab_device_register(pool, "nic");
	uint8_t seen[FRAMES] = {0};
	void *frame[FRAMES];

	for (unsigned round = 0; round < 3; round++) {
		cr_assert_gt(scatter(pool), 0);
		for (unsigned i = 0; i < FRAMES; i += 32)
			cr_assert_eq(lab_alloc_bulk(pool, frame + i, 32, 0), 0);
		memset(seen, 0, sizeof(seen));
		mark_once(pool, frame, FRAMES, seen);
		for (unsigned i = 0; i < FRAMES; i++) {
			void **one = &frame[(i * 1013 + round) % FRAMES];

			if (i % 3 == 0) {
				cr_assert_eq(lab_lend(pool, nic, one, 1), 1);
				cr_assert_eq(lab_free(pool, *one), -EBUSY);
				cr_assert_eq(lab_take_back(pool, nic, one, 1), 1);
			}
			cr_assert_eq(i & 1 ? lab_free(pool, *one) : lab_free_bulk(pool, one, 1), 0);
			cr_assert_eq(lab_free(pool, *one), -EALREADY);
			if (i % 100 == 0)
				conserved(pool, FRAMES - 1 - i, 0);
		}
		conserved(pool, 0, 0);
		/* Loose again; what is broken is not bundled for a while. */
		allocatable_once(pool, FRAMES);
		for (unsigned i = 0; i < 40; i++)
			allocatable_once(pool, FRAMES);
	}
	end_whole(pool);
}

/* The same frame twice in one burst: freed once, refused once. */
Test(bursts, a_frame_twice_in_one_burst)
{
	for (unsigned i = 0; i < SIZES; i++) {
		unsigned n = sizes[i];
		const unsigned first[] = {0, 0, n / 2, n > 1 ? n - 2 : 0};
		const unsigned second[] = {1, n - 1, n - 1, n - 1};

		for (unsigned a = 0; a < 4; a++) {
			void *frame[1000];
			struct lab_pool_stats stats;
			struct scene s;

			if (first[a] == second[a])
				continue;
			open_scene(&s);
			cr_assert_eq(lab_alloc_bulk(s.pool, frame, n, 0), 0);
			void *lost = frame[second[a]];

			frame[second[a]] = frame[first[a]];
			cr_assert_eq(lab_free_bulk(s.pool, frame, n), -EALREADY);
			cr_assert_eq(s.seen.calls, 1);
			cr_assert_eq(s.seen.last.kind, LAB_REFUSED_DOUBLE_FREE);
			cr_assert_eq(s.seen.last.address, frame[first[a]]);
			conserved(s.pool, 1, 0);
			lab_pool_stats(s.pool, &stats);
			cr_assert_eq(stats.frees, n - 1);
			cr_assert_eq(lab_free(s.pool, lost), 0);
			close_scene(&s);
		}
	}
}

/* 32 frames that are a block but not in its order, and 32 that are not one block at all. */
Test(bursts, almost_blocks)
{
	struct scene s;
	void *frame[96];

	open_scene(&s);
	for (unsigned swap = 1; swap < 32; swap++) {
		void *first;

		cr_assert_eq(lab_alloc_bulk(s.pool, frame, 32, 0), 0);
		first = frame[0];
		frame[0] = frame[swap];
		frame[swap] = first;
		cr_assert_eq(lab_free_bulk(s.pool, frame, 32), 0);
		conserved(s.pool, 0, 0);
	}
	cr_assert_eq(lab_alloc_bulk(s.pool, frame, 96, 0), 0);
	for (unsigned shift = 1; shift < 32; shift += 5) {
		/* From the middle of one block into the next. */
		cr_assert_eq(lab_free_bulk(s.pool, frame + shift, 32), 0);
		conserved(s.pool, 64, 0);
		cr_assert_eq(lab_free_bulk(s.pool, frame, shift), 0);
		cr_assert_eq(lab_free_bulk(s.pool, frame + shift + 32, 64 - shift), 0);
		cr_assert_eq(lab_alloc_bulk(s.pool, frame, 96, 0), 0);
	}
	cr_assert_eq(lab_free_bulk(s.pool, frame, 96), 0);
	close_scene(&s);
}

/* All of a burst is wrong, in ways of its own: the first error is returned, each is counted. */
Test(bursts, the_first_of_several_errors)
{
	struct scene s;
	struct lab_pool_stats stats;
	void *frame[5], *burst[5];

	open_scene(&s);
	cr_assert_eq(lab_alloc_bulk(s.pool, frame, 5, 0), 0);
	burst[0] = frame[4];
	burst[1] = (char *)frame[0] + 1;
	burst[2] = s.foreign;
	burst[3] = frame[4];
	burst[4] = s.outside;
	cr_assert_eq(lab_free_bulk(s.pool, burst, 5), -EINVAL);
	lab_pool_stats(s.pool, &stats);
	cr_assert_eq(stats.refused[LAB_REFUSED_INSIDE], 1);
	cr_assert_eq(stats.refused[LAB_REFUSED_OTHER_POOL], 1);
	cr_assert_eq(stats.refused[LAB_REFUSED_DOUBLE_FREE], 1);
	cr_assert_eq(stats.refused[LAB_REFUSED_OUTSIDE], 1);
	conserved(s.pool, 4, 0);
	cr_assert_eq(lab_free_bulk(s.pool, frame, 4), 0);
	/* The whole block again. */
	for (unsigned i = 0; i < 5; i++)
		burst[i] = frame[4];
	cr_assert_eq(lab_free_bulk(s.pool, burst, 5), -EALREADY);
	close_scene(&s);
}

/* The frame table ends with the last block: nothing behind it may be read as one. (What lies next
 * to the pool's memory may be another pool's.) */
Test(bursts, across_the_ends_of_the_pool)
{
	struct scene s;
	void *frame[FRAMES], *burst[32];
	char *first, *last;
	int rc;

	open_scene(&s);
	cr_assert_eq(lab_alloc_bulk(s.pool, frame, FRAMES, 0), 0);
	first = lab_frame_at(s.pool, 0);
	last = lab_frame_at(s.pool, FRAMES - 16);
	for (unsigned i = 0; i < 32; i++)
		burst[i] = last + i * (size_t)LAB_FRAME_SIZE;
	rc = lab_free_bulk(s.pool, burst, 32);
	cr_assert(rc == -EFAULT || rc == -EXDEV, "%d", rc);
	conserved(s.pool, FRAMES - 16, 0);
	cr_assert_eq(s.seen.calls, 16);
	for (unsigned i = 0; i < 32; i++)
		burst[i] = first + ((int)i - 16) * (long)LAB_FRAME_SIZE;
	rc = lab_free_bulk(s.pool, burst, 32);
	cr_assert(rc == -EFAULT || rc == -EXDEV, "%d", rc);
	conserved(s.pool, FRAMES - 32, 0);
	cr_assert_eq(s.seen.calls, 32);
	for (uint32_t i = 16; i < FRAMES - 16; i++)
		cr_assert_eq(lab_free(s.pool, lab_frame_at(s.pool, i)), 0);
	close_scene(&s);
}
