/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Arrays of pointers and arrays of numbers.
 */
#include "lanes.h"

#if defined(__x86_64__)
#define AVX2      __attribute__((target("avx2")))
#define HAVE_AVX2 __builtin_cpu_supports("avx2") /* a load and a test */
#else
#define AVX2
#define HAVE_AVX2 0
#endif

LAB_INLINE void to_frames(void **frames, const uint32_t *numbers, uint32_t n, uint64_t base)
{
	uint32_t i = 0;

	for (; i + 4 <= n; i += 4) {
		lab_lane32 k = *(const lab_lane32 *)(numbers + i);

		*(lab_lane *)(frames + i) =
			(__builtin_convertvector(k, lab_lane) << LAB_FRAME_SHIFT) + base;
	}
	for (; i < n; i++)
		frames[i] = (void *)(uintptr_t)(base + ((uint64_t)numbers[i] << LAB_FRAME_SHIFT));
}

LAB_INLINE void to_numbers(uint32_t *numbers, void *const *frames, uint32_t n, uint64_t base)
{
	uint32_t i = 0;

	for (; i + 4 <= n; i += 4) {
		lab_lane p = *(const lab_lane *)(frames + i);

		*(lab_lane32 *)(numbers + i) =
			__builtin_convertvector((p - base) >> LAB_FRAME_SHIFT, lab_lane32);
	}
	for (; i < n; i++)
		numbers[i] = (uint32_t)(((uint64_t)(uintptr_t)frames[i] - base) >> LAB_FRAME_SHIFT);
}

AVX2 static void to_frames_avx2(void **frames, const uint32_t *numbers, uint32_t n, uint64_t base)
{
	to_frames(frames, numbers, n, base);
}

AVX2 static void to_numbers_avx2(uint32_t *numbers, void *const *frames, uint32_t n, uint64_t base)
{
	to_numbers(numbers, frames, n, base);
}

void lab_frames_from_numbers(void **frames, const uint32_t *numbers, uint32_t n, const void *base)
{
	if (HAVE_AVX2)
		to_frames_avx2(frames, numbers, n, (uint64_t)(uintptr_t)base);
	else
		to_frames(frames, numbers, n, (uint64_t)(uintptr_t)base);
}

void lab_numbers_from_frames(uint32_t *numbers, void *const *frames, uint32_t n, const void *base)
{
	if (HAVE_AVX2)
		to_numbers_avx2(numbers, frames, n, (uint64_t)(uintptr_t)base);
	else
		to_numbers(numbers, frames, n, (uint64_t)(uintptr_t)base);
}
