/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Several pointers at a time: generate a block's 32 pointers, compare them, and turn arrays of
 * pointers into numbers and back. Pure arithmetic; knows no pool.
 *
 * Written in the compiler's own vectors; what is compiled for AVX2 does four pointers an
 * instruction.
 */
#ifndef LANES_H
#define LANES_H

#include <stdint.h>

#include <labyrinth/lab_layout.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#ifdef __has_feature
#define LAB_CLANG_TSAN __has_feature(thread_sanitizer)
#else
#define LAB_CLANG_TSAN 0
#endif

#define LAB_INLINE static inline __attribute__((always_inline))

/* Four pointers; unaligned, because the array is the caller's. */
typedef uint64_t lab_lane __attribute__((vector_size(32), aligned(8), may_alias));
typedef uint8_t lab_bytes __attribute__((vector_size(32), aligned(8), may_alias));
typedef uint32_t lab_lane32 __attribute__((vector_size(16), aligned(4), may_alias));

#define LAB_LANES (LAB_BLOCK_FRAMES / 4)

/** LAB_SPLAT() - 32 bytes of one value, as lanes; each instruction set has its own best way. */
#ifdef __AVX2__
#define LAB_SPLAT(byte) ((lab_lane)((lab_bytes){} + (uint8_t)(byte)))
#else
#define LAB_SPLAT(byte) ((lab_lane){} + (uint64_t)((uint8_t)(byte)*0x0101010101010101u))
#endif

/* The first four pointers of a block. */
#define LAB_LANE_FIRST(first)                                                        \
	((lab_lane){(first), (first) + LAB_FRAME_SIZE, (first) + 2 * LAB_FRAME_SIZE, \
		    (first) + 3 * LAB_FRAME_SIZE})

/* Each lane is the first plus a constant: no addition waits for the one before it. */
#define LAB_LANE_STEP(i) ((lab_lane){} + (uint64_t)(i)*4 * LAB_FRAME_SIZE)

/*
 * 32 state bytes at once. Others may write a byte of them atomically at the same time: frames of
 * one block may have several owners, and then the comparison that follows fails, whichever of the
 * old and new bytes it saw. The language has no atomic access of 32 bytes; volatile keeps the
 * compiler from splitting or repeating it, and where the processor splits it, it splits between
 * bytes, which are independent. The race detector wants it in words that it knows.
 */
LAB_INLINE void lab_state_load(const uint8_t *state, lab_lane *out)
{
#if defined(__SANITIZE_THREAD__) || LAB_CLANG_TSAN
	const uint64_t *word = (const uint64_t *)(const void *)state;

	for (unsigned i = 0; i < 4; i++)
		(*out)[i] = __atomic_load_n(&word[i], __ATOMIC_RELAXED);
#else
	*out = *(const volatile lab_lane *)(const void *)state;
#endif
}

/** lab_state_store() - the reverse, for a block that is wholly the caller's. */
LAB_INLINE void lab_state_store(uint8_t *state, const lab_lane *value)
{
#if defined(__SANITIZE_THREAD__) || LAB_CLANG_TSAN
	uint64_t *word = (uint64_t *)(void *)state;

	for (unsigned i = 0; i < 4; i++)
		__atomic_store_n(&word[i], (*value)[i], __ATOMIC_RELAXED);
#else
	*(volatile lab_lane *)(void *)state = *value;
#endif
}

/** lab_lanes_generate() - the 32 pointers of the block that begins at @first. */
LAB_INLINE void lab_lanes_generate(void **frames, uint64_t first)
{
	lab_lane p = LAB_LANE_FIRST(first);

#pragma GCC unroll 8
	for (unsigned i = 0; i < LAB_LANES; i++)
		*(lab_lane *)(frames + 4 * i) = p + LAB_LANE_STEP(i);
}

/** lab_lane_zero() - 1 if all bits are zero. */
LAB_INLINE int lab_lane_zero(const lab_lane *v)
{
#ifdef __AVX2__
	return _mm256_testz_si256((__m256i)*v, (__m256i)*v);
#else
	return ((*v)[0] | (*v)[1] | (*v)[2] | (*v)[3]) == 0;
#endif
}

/** lab_lanes_differ() - sets bits in @out unless 32 pointers are those of one block, in order. */
LAB_INLINE void lab_lanes_differ(void *const *frames, lab_lane *out)
{
	uint64_t first = (uint64_t)(uintptr_t)frames[0];
	lab_lane p = LAB_LANE_FIRST(first);
	lab_lane diff[2] = {{0}, {0}};

#pragma GCC unroll 8
	for (unsigned i = 0; i < LAB_LANES; i++)
		diff[i & 1] |= *(const lab_lane *)(frames + 4 * i) ^ (p + LAB_LANE_STEP(i));
	*out |= diff[0] | diff[1];
}

/** LAB_LANES_LISTED() - four pointers from four numbers. */
#define LAB_LANES_LISTED(numbers, base)                                                           \
	((__builtin_convertvector(*(const lab_lane32 *)(numbers), lab_lane) << LAB_FRAME_SHIFT) + \
	 (base))

/** LAB_LANE32_MIN() - of four numbers each, the smaller. */
#ifdef __AVX2__
#define LAB_LANE32_MIN(a, b) ((lab_lane32)_mm_min_epu32((__m128i)(a), (__m128i)(b)))
#else
#define LAB_LANE32_MIN(a, b) (((a) & (lab_lane32)((a) < (b))) | ((b) & (lab_lane32)((a) >= (b))))
#endif

/**
 * lab_lanes_generate_listed() - the 32 pointers of a bundle.
 * @most: the last frame's number. The list lies in memory that other processes may write: above
 *	this, a number is taken for this, so that whatever it says, the pointers are frames'.
 */
LAB_INLINE void lab_lanes_generate_listed(void **frames, const uint32_t *numbers, uint64_t base,
					  uint32_t most)
{
	const lab_lane32 last = (lab_lane32){} + most;

#pragma GCC unroll 8
	for (unsigned i = 0; i < LAB_LANES; i++) {
		lab_lane32 n = *(const lab_lane32 *)(numbers + 4 * i);

		n = LAB_LANE32_MIN(n, last);
		*(lab_lane *)(frames + 4 * i) =
			(__builtin_convertvector(n, lab_lane) << LAB_FRAME_SHIFT) + base;
	}
}

/** lab_lanes_differ_listed() - sets bits in @out unless 32 pointers are those of a bundle, in
 * order. */
LAB_INLINE void lab_lanes_differ_listed(void *const *frames, const uint32_t *numbers, uint64_t base,
					lab_lane *out)
{
	lab_lane diff[2] = {{0}, {0}};

#pragma GCC unroll 8
	for (unsigned i = 0; i < LAB_LANES; i++)
		diff[i & 1] |= *(const lab_lane *)(frames + 4 * i) ^
			       LAB_LANES_LISTED(numbers + 4 * i, base);
	*out |= diff[0] | diff[1];
}

/** lab_frames_from_numbers() - @n frame pointers from their numbers. */
void lab_frames_from_numbers(void **frames, const uint32_t *numbers, uint32_t n, const void *base);

/** lab_numbers_from_frames() - the reverse. */
void lab_numbers_from_frames(uint32_t *numbers, void *const *frames, uint32_t n, const void *base);

#endif
