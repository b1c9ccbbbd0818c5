/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The loops, one by one and with AVX2. All numbers are below 2^32, so that a product of two of
 * these is one instruction for each lane (which compilers do not find by themselves).
 */
#include <rte_common.h>

#include <labyrinth/lab_layout.h>

#include "convert.h"

/* ---- one by one, from number @i on ---- */

static inline int frames_from(unsigned i, const struct objects *o, const char *base, void **frames,
			      void *const *objects, unsigned n)
{
	uint64_t wrong = 0;

	for (; i < n; i++) {
		uint64_t distance = (uint64_t)(uintptr_t)objects[i] - o->only.base;
		uint32_t number = (uint32_t)(distance >> o->shift) * o->inverse;

		wrong |= ((uint64_t)number * o->stride ^ distance) | (number >= o->only.count);
		frames[i] = (void *)(uintptr_t)(base + ((uint64_t)number << LAB_FRAME_SHIFT));
	}
	return wrong == 0;
}

static inline void *object_at(const struct objects *o, const char *base, const void *frame)
{
	uint64_t offset = (uint64_t)((const char *)frame - base);

	return (void *)(o->only.base + (offset >> LAB_FRAME_SHIFT) * o->stride);
}

static inline void objects_from(unsigned i, const struct objects *o, const char *base,
				void **objects, void *const *frames, unsigned n)
{
	for (; i < n; i++)
		objects[i] = object_at(o, base, frames[i]);
}

static inline void turned_from(unsigned i, const struct objects *o, const char *base,
			       void **objects, void *const *frames, unsigned n)
{
	for (; i < n; i++)
		objects[n - 1 - i] = object_at(o, base, frames[i]);
}

static int frames_plain(const struct objects *o, const char *base, void **frames,
			void *const *objects, unsigned n)
{
	return frames_from(0, o, base, frames, objects, n);
}

static void objects_plain(const struct objects *o, const char *base, void **objects,
			  void *const *frames, unsigned n)
{
	objects_from(0, o, base, objects, frames, n);
}

static void turned_plain(const struct objects *o, const char *base, void **objects,
			 void *const *frames, unsigned n)
{
	turned_from(0, o, base, objects, frames, n);
}

struct converters convert = {frames_plain, objects_plain, turned_plain};

#ifdef LAB_HAVE_AVX2

/* ---- four at a time ---- */

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i load(void *const *at)
{
	/* Like loadu, but never in halves. */
	return _mm256_lddqu_si256((const __m256i *)(const void *)at);
}

AVX2 static inline void store(void **at, __m256i value)
{
	_mm256_storeu_si256((__m256i *)(void *)at, value);
}

AVX2 static int frames_avx2(const struct objects *o, const char *base, void **frames,
			    void *const *objects, unsigned n)
{
	const __m256i first = _mm256_set1_epi64x((long long)o->only.base);
	const __m256i at = _mm256_set1_epi64x((long long)(uintptr_t)base);
	const __m256i inverse = _mm256_set1_epi64x(o->inverse);
	const __m256i stride = _mm256_set1_epi64x(o->stride);
	const __m256i count = _mm256_set1_epi64x(o->only.count);
	const __m256i low = _mm256_set1_epi64x(UINT32_MAX);
	const __m128i shift = _mm_cvtsi32_si128((int)o->shift);
	__m256i wrong = _mm256_setzero_si256(), good = _mm256_set1_epi64x(-1);
	unsigned i = 0;

	for (; i + 4 <= n; i += 4) {
		__m256i distance = _mm256_sub_epi64(load(objects + i), first);
		__m256i number = _mm256_and_si256(
			_mm256_mul_epu32(_mm256_srl_epi64(distance, shift), inverse), low);

		wrong = _mm256_or_si256(
			wrong, _mm256_xor_si256(_mm256_mul_epu32(number, stride), distance));
		good = _mm256_and_si256(good, _mm256_cmpgt_epi64(count, number));
		store(frames + i, _mm256_add_epi64(at, _mm256_slli_epi64(number, LAB_FRAME_SHIFT)));
	}
	/* testc: 1 if all bits of @good are set. */
	return _mm256_testz_si256(wrong, wrong) &&
	       _mm256_testc_si256(good, _mm256_set1_epi64x(-1)) &&
	       (i == n || frames_from(i, o, base, frames, objects, n));
}

AVX2 static inline __m256i four_objects(const struct objects *o, const char *base,
					void *const *frames)
{
	__m256i offset =
		_mm256_sub_epi64(load(frames), _mm256_set1_epi64x((long long)(uintptr_t)base));

	return _mm256_add_epi64(_mm256_set1_epi64x((long long)o->only.base),
				_mm256_mul_epu32(_mm256_srli_epi64(offset, LAB_FRAME_SHIFT),
						 _mm256_set1_epi64x(o->stride)));
}

AVX2 static void objects_avx2(const struct objects *o, const char *base, void **objects,
			      void *const *frames, unsigned n)
{
	unsigned i = 0;

	for (; i + 4 <= n; i += 4)
		store(objects + i, four_objects(o, base, frames + i));
	objects_from(i, o, base, objects, frames, n);
}

AVX2 static void turned_avx2(const struct objects *o, const char *base, void **objects,
			     void *const *frames, unsigned n)
{
	unsigned i = 0;

	for (; i + 4 <= n; i += 4)
		store(objects + n - 4 - i,
		      _mm256_permute4x64_epi64(four_objects(o, base, frames + i), 0x1b));
	turned_from(i, o, base, objects, frames, n);
}

RTE_INIT(labyrinth_convert)
{
	if (__builtin_cpu_supports("avx2"))
		convert = (struct converters){frames_avx2, objects_avx2, turned_avx2};
}

#endif
