/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The loops, once for DPDK's baseline and once with AVX2. All numbers are below 2^32, and a product
 * of two of these is one instruction for each lane.
 */
#include <rte_common.h>

#include <labyrinth/lab_layout.h>

#include "convert.h"

#define BODY static inline __attribute__((always_inline))

BODY int frames_body(const struct objects *o, const char *base, void **frames, void *const *objects,
		     unsigned n)
{
	const uint64_t first = o->only.base, at = (uint64_t)(uintptr_t)base;
	const uint64_t inverse = o->inverse, stride = o->stride, count = o->only.count;
	const uint32_t shift = o->shift;
	uint64_t wrong = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t distance = (uint64_t)(uintptr_t)objects[i] - first;
		uint64_t number = (uint32_t)((uint32_t)(distance >> shift) * inverse);

		/* Both below 2^32: the difference is negative unless the number is too large. */
		wrong |= (number * stride ^ distance) | ~(number - count) >> 63;
		frames[i] = (void *)(uintptr_t)(at + (number << LAB_FRAME_SHIFT));
	}
	return wrong == 0;
}

BODY uint64_t object_at(uint64_t first, uint64_t stride, const char *base, const void *frame)
{
	uint64_t offset = (uint64_t)((const char *)frame - base);

	return first + (uint32_t)(offset >> LAB_FRAME_SHIFT) * stride;
}

BODY void objects_body(const struct objects *o, const char *base, void **objects,
		       void *const *frames, unsigned n)
{
	const uint64_t first = o->only.base, stride = o->stride;

	for (unsigned i = 0; i < n; i++)
		objects[i] = (void *)(uintptr_t)object_at(first, stride, base, frames[i]);
}

BODY void turned_body(const struct objects *o, const char *base, void **objects,
		      void *const *frames, unsigned n)
{
	const uint64_t first = o->only.base, stride = o->stride;

	for (unsigned i = 0; i < n; i++)
		objects[i] = (void *)(uintptr_t)object_at(first, stride, base, frames[n - 1 - i]);
}

#define VARIANT(name, attributes)                                                                  \
	static attributes int frames_##name(const struct objects *o, const char *base,             \
					    void **restrict frames, void *const *restrict objects, \
					    unsigned n)                                            \
	{                                                                                          \
		return frames_body(o, base, frames, objects, n);                                   \
	}                                                                                          \
	static attributes void objects_##name(const struct objects *o, const char *base,           \
					      void **restrict objects,                             \
					      void *const *restrict frames, unsigned n)            \
	{                                                                                          \
		objects_body(o, base, objects, frames, n);                                         \
	}                                                                                          \
	static attributes void turned_##name(const struct objects *o, const char *base,            \
					     void **restrict objects,                              \
					     void *const *restrict frames, unsigned n)             \
	{                                                                                          \
		turned_body(o, base, objects, frames, n);                                          \
	}

VARIANT(base, )
struct converters convert = {frames_base, objects_base, turned_base};

#ifdef LAB_HAVE_AVX2
VARIANT(avx2, __attribute__((target("avx2"))))

RTE_INIT(labyrinth_convert)
{
	if (__builtin_cpu_supports("avx2"))
		convert = (struct converters){frames_avx2, objects_avx2, turned_avx2};
}
#endif
