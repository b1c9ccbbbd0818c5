/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Allocation and return, one frame and many, in both modes.
 */
#include "test.h"
#include "work.h"

TestSuite(alloc, .timeout = 60);

/* Around a block (32), a cache (512), what it may hold (768) and more than that. */
static const unsigned sizes[] = {0,   1,   2,   7,   31,  32,  33,  63,  64,   65,   255,
				 256, 511, 512, 513, 767, 768, 769, 800, 1023, 1024, 1025};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

Test(alloc, frames_are_aligned_and_in_the_pool)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);
		size_t bytes;
		char *memory = lab_pool_memory(pool, &bytes);
		void *frame[FRAMES];

		cr_assert_eq(bytes, FRAMES * (size_t)LAB_FRAME_SIZE);
		for (unsigned i = 0; i < FRAMES; i++) {
			frame[i] = lab_alloc(pool, LAB_GFP_ATOMIC);
			cr_assert_not_null(frame[i]);
			cr_assert_eq((uintptr_t)frame[i] % LAB_FRAME_SIZE, 0);
			cr_assert((char *)frame[i] >= memory && (char *)frame[i] < memory + bytes);
			memset(frame[i], 0x5a, LAB_FRAME_SIZE);
		}
		cr_assert_eq(lab_free_bulk(pool, frame, FRAMES), 0);
		end_whole(pool);
	}
}

Test(alloc, no_frame_has_two_owners)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);
		uint8_t seen[FRAMES] = {0};
		void *frame[FRAMES];

		for (unsigned i = 0; i < FRAMES; i++) {
			frame[i] = lab_alloc(pool, LAB_GFP_ATOMIC);
			mark_once(pool, &frame[i], 1, seen);
		}
		conserved(pool, FRAMES, 0);
		for (unsigned i = 0; i < FRAMES; i++)
			cr_assert_eq(lab_free(pool, frame[i]), 0);
		end_whole(pool);
	}
}

Test(alloc, running_out_is_an_answer)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);
		void *frame[FRAMES], *more[2];
		char before[LAB_ERROR_TEXT_MAX];
		struct lab_pool_stats stats;

		for (int round = 0; round < 3; round++) {
			for (unsigned i = 0; i < FRAMES; i++)
				cr_assert_not_null(frame[i] = lab_alloc(pool, LAB_GFP_ATOMIC));
			snprintf(before, sizeof(before), "%s", lab_error_text());
			errno = 0;
			cr_assert_null(lab_alloc(pool, LAB_GFP_ATOMIC));
			cr_assert_eq(lab_alloc_burst(pool, more, 2, LAB_GFP_ATOMIC), 0);
			cr_assert_eq(errno, 0, "no frame is no error");
			cr_assert_eq(lab_alloc_bulk(pool, more, 2, LAB_GFP_ATOMIC), -ENOMEM);
			cr_assert_str_eq(before, lab_error_text());
			conserved(pool, FRAMES, 0);
			/* One comes back, one goes out. */
			cr_assert_eq(lab_free(pool, frame[7]), 0);
			cr_assert_eq(lab_alloc(pool, LAB_GFP_ATOMIC), frame[7]);
			cr_assert_null(lab_alloc(pool, LAB_GFP_ATOMIC));
			cr_assert_eq(lab_free_bulk(pool, frame, FRAMES), 0);
			conserved(pool, 0, 0);
		}
		lab_pool_stats(pool, &stats);
		cr_assert_eq(stats.misses, 3 * 4, "%llu misses", (unsigned long long)stats.misses);
		end_whole(pool);
	}
}

Test(alloc, bulk_and_burst_of_all_sizes)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);
		void *frame[1025];

		for (unsigned round = 0; round < 2; round++) {
			for (unsigned s = 0; s < SIZES; s++) {
				uint8_t seen[FRAMES] = {0};
				unsigned n = sizes[s];

				if (round)
					cr_assert_eq(lab_alloc_burst(pool, frame, n, 0), n);
				else
					cr_assert_eq(lab_alloc_bulk(pool, frame, n, 0), 0);
				mark_once(pool, frame, n, seen);
				conserved(pool, n, 0);
				cr_assert_eq(lab_free_bulk(pool, frame, n), 0);
				conserved(pool, 0, 0);
			}
		}
		end_whole(pool);
	}
}

Test(alloc, bulk_is_all_or_nothing_at_the_edge)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);
		void *held[FRAMES], *frame[1200];

		for (unsigned s = 0; s < SIZES; s++) {
			unsigned left = sizes[s], hold = FRAMES - left;

			cr_assert_eq(lab_alloc_bulk(pool, held, hold, LAB_GFP_ATOMIC), 0);
			for (unsigned over = 1; over < 40; over += 3) {
				cr_assert_eq(lab_alloc_bulk(pool, frame, left + over, 0), -ENOMEM);
				conserved(pool, hold, 0);
			}
			cr_assert_eq(lab_alloc_bulk(pool, frame, left, LAB_GFP_ATOMIC), 0);
			conserved(pool, FRAMES, 0);
			cr_assert_eq(lab_free_bulk(pool, frame, left), 0);
			cr_assert_eq(lab_free_bulk(pool, held, hold), 0);
			conserved(pool, 0, 0);
		}
		end_whole(pool);
	}
}

Test(alloc, burst_gives_what_there_is)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);
		void *held[FRAMES], *frame[1200];

		for (unsigned s = 0; s < SIZES; s++) {
			unsigned left = sizes[s], hold = FRAMES - left;

			cr_assert_eq(lab_alloc_burst(pool, held, hold, LAB_GFP_ATOMIC), hold);
			cr_assert_eq(lab_alloc_burst(pool, frame, left + 33, 0), left);
			cr_assert_eq(lab_alloc_burst(pool, frame + left, 33, 0), 0);
			conserved(pool, FRAMES, 0);
			cr_assert_eq(lab_free_bulk(pool, frame, left), 0);
			cr_assert_eq(lab_free_bulk(pool, held, hold), 0);
		}
		end_whole(pool);
	}
}

/* Frames in any order, in pieces of any size, by other calls than those that they came by. */
Test(alloc, any_order_and_any_pieces)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);
		uint64_t random = 0x1234567;
		void *frame[FRAMES];

		for (int round = 0; round < 20; round++) {
			uint8_t seen[FRAMES] = {0};

			for (unsigned have = 0, n; have < FRAMES; have += n) {
				n = 1 + random_below(&random, 90);
				n = n < FRAMES - have ? n : FRAMES - have;
				if (n == 1)
					cr_assert_not_null(frame[have] = lab_alloc(pool, 0));
				else if (n & 1)
					cr_assert_eq(lab_alloc_bulk(pool, frame + have, n, 0), 0);
				else
					cr_assert_eq(lab_alloc_burst(pool, frame + have, n, 0), n);
			}
			mark_once(pool, frame, FRAMES, seen);
			for (unsigned i = FRAMES; i > 1; i--) {
				unsigned other = random_below(&random, i);
				void *swap = frame[i - 1];

				frame[i - 1] = frame[other];
				frame[other] = swap;
			}
			for (unsigned given = 0, n; given < FRAMES; given += n) {
				n = 1 + random_below(&random, 90);
				n = n < FRAMES - given ? n : FRAMES - given;
				cr_assert_eq(n == 1 ? lab_free(pool, frame[given])
						    : lab_free_bulk(pool, frame + given, n),
					     0);
			}
			conserved(pool, 0, 0);
		}
		end_whole(pool);
	}
}

Test(alloc, zero_really_zeroes)
{
	FOR_BOTH_MODES(flags)
	{
		static const char zeros[LAB_FRAME_SIZE];
		struct lab_pool *pool = small_pool(FRAMES, flags);
		void *frame[FRAMES];

		for (int call = 0; call < 4; call++) {
			unsigned n = call == 0 ? 1 : call == 1 ? 32 : call == 2 ? 100 : FRAMES;

			cr_assert_eq(lab_alloc_bulk(pool, frame, FRAMES, 0), 0);
			for (unsigned i = 0; i < FRAMES; i++)
				memset(frame[i], 0xa5, LAB_FRAME_SIZE);
			cr_assert_eq(lab_free_bulk(pool, frame, FRAMES), 0);
			if (call == 0)
				frame[0] = lab_alloc(pool, LAB_GFP_ATOMIC | LAB_GFP_ZERO);
			else if (call == 1)
				cr_assert_eq(lab_alloc_bulk(pool, frame, n, LAB_GFP_ZERO), 0);
			else
				cr_assert_eq(lab_alloc_burst(pool, frame, n, LAB_GFP_ZERO), n);
			for (unsigned i = 0; i < n; i++)
				cr_assert_eq(memcmp(frame[i], zeros, LAB_FRAME_SIZE), 0);
			cr_assert_eq(lab_free_bulk(pool, frame, n), 0);
		}
		end_whole(pool);
	}
}

/* Each unknown bit, on a thread's first call and on a hit. */
Test(alloc, unknown_flags_are_refused_by_name)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);
		void *frame[32];
		char bit_name[16];

		for (int warm = 0; warm < 2; warm++) {
			for (unsigned bit = 0; bit < 32; bit++) {
				lab_gfp_t gfp = (lab_gfp_t)1 << bit;

				if (gfp & LAB_GFP_KNOWN)
					continue;
				snprintf(bit_name, sizeof(bit_name), "0x%x", gfp);
				errno = 0;
				cr_assert_null(lab_alloc(pool, gfp | LAB_GFP_ATOMIC));
				cr_assert_eq(errno, EINVAL);
				text_has(bit_name, "LAB_GFP_ATOMIC", "'test'", NULL);
				cr_assert_eq(lab_alloc_bulk(pool, frame, 32, gfp), -EINVAL);
				cr_assert_eq(lab_alloc_bulk(pool, frame, 1, gfp), -EINVAL);
				errno = 0;
				cr_assert_eq(lab_alloc_burst(pool, frame, 32, gfp), 0);
				cr_assert_eq(errno, EINVAL);
				text_has(bit_name, NULL);
			}
			conserved(pool, 0, 0);
			cr_assert_eq(lab_alloc_bulk(pool, frame, 32, LAB_GFP_ATOMIC), 0);
			cr_assert_eq(lab_free_bulk(pool, frame, 32), 0);
		}
		end_whole(pool);
	}
}

Test(alloc, exclusive_flag_needs_an_exclusive_pool)
{
	struct lab_pool *pool = small_pool(FRAMES, LAB_POOL_UNPROTECTED);
	struct lab_pool *exclusive = small_pool(FRAMES, 0);
	void *frame[32];

	for (int warm = 0; warm < 2; warm++) {
		errno = 0;
		cr_assert_null(lab_alloc(pool, LAB_GFP_ATOMIC | LAB_GFP_EXCLUSIVE));
		cr_assert_eq(errno, ENOTSUP);
		text_has("LAB_GFP_EXCLUSIVE", "LAB_POOL_UNPROTECTED", "'test'", NULL);
		cr_assert_eq(lab_alloc_bulk(pool, frame, 32, LAB_GFP_EXCLUSIVE), -ENOTSUP);
		cr_assert_eq(lab_alloc_burst(pool, frame, 32, LAB_GFP_EXCLUSIVE), 0);
		conserved(pool, 0, 0);
		cr_assert_eq(lab_alloc_bulk(pool, frame, 32, LAB_GFP_ATOMIC), 0);
		cr_assert_eq(lab_free_bulk(pool, frame, 32), 0);

		frame[0] = lab_alloc(exclusive, LAB_GFP_EXCLUSIVE);
		cr_assert_not_null(frame[0]);
		cr_assert_eq(lab_free(exclusive, frame[0]), 0);
		cr_assert_eq(lab_alloc_bulk(exclusive, frame, 32, LAB_GFP_EXCLUSIVE), 0);
		cr_assert_eq(lab_free_bulk(exclusive, frame, 32), 0);
		cr_assert_eq(lab_alloc_burst(exclusive, frame, 31, LAB_GFP_EXCLUSIVE), 31);
		cr_assert_eq(lab_free_bulk(exclusive, frame, 31), 0);
	}
	end_whole(pool);
	end_whole(exclusive);
}

Test(alloc, the_namesake)
{
	struct lab_pool *pool = small_pool(32, 0), *other = small_pool(32, LAB_POOL_UNPROTECTED);
	uint8_t seen[32] = {0};
	void *page[32];

	for (unsigned i = 0; i < 32; i++) {
		page[i] = labyrinth_void_alloc_page_gfp_atomic_exclusive(pool);
		mark_once(pool, &page[i], 1, seen);
	}
	errno = 0;
	cr_assert_null(labyrinth_void_alloc_page_gfp_atomic_exclusive(pool));
	cr_assert_eq(errno, 0);
	cr_assert_eq(lab_free_bulk(pool, page, 32), 0);
	cr_assert_null(labyrinth_void_alloc_page_gfp_atomic_exclusive(other));
	cr_assert_eq(errno, ENOTSUP);
	end_whole(pool);
	end_whole(other);
}

/* The smallest pool there is, and caches larger than the pool. */
Test(alloc, small_caches_and_small_pools)
{
	static const uint32_t caches[] = {64, 128, 256, 512};

	FOR_BOTH_MODES(flags)
	{
		for (unsigned i = 0; i < 4; i++) {
			for (unsigned frames = 32; frames <= 1024; frames += frames) {
				struct lab_pool_config config = {.frames = frames,
								 .page_size = LAB_PAGE_4K,
								 .cache_frames = caches[i],
								 .flags =
									 flags | LAB_POOL_FALLBACK};
				struct lab_pool *pool = pool_of(&config);
				void *frame[1024];

				for (unsigned n = 1; n <= frames; n += n < 40 ? 1 : 37) {
					cr_assert_eq(lab_alloc_bulk(pool, frame, n, 0), 0);
					cr_assert_eq(lab_free_bulk(pool, frame, n), 0);
				}
				end_whole(pool);
			}
		}
	}
}
