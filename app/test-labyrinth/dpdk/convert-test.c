/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The loops that convert many objects at a time, for any processor and for this one, against the
 * calls that convert one. The addresses are made up: nothing is read there.
 *
 *	convert-test --no-huge -m 64 --no-pci [-- --seed N]
 */
#include <rte_common.h>
#include <rte_memory.h>

#include "../net/tap.h"
#include "convert.h"
#include "dice.h"
#include "ground.h"

#define HEADER   64
#define FRAME(n) ((void *)(FRAMES_AT + ((uintptr_t)(n) << 12)))

static const uintptr_t FRAMES_AT = 0x700000000000, CHUNKS_AT = 0x100000000000;

extern struct converters convert_base;

static struct dice dice;
static const uint32_t strides[] = {8,    16,   24,   72,   128,  192,  320,  1000, 2048,
				   2304, 2368, 2432, 4096, 4104, 4160, 8192, 8960, 9000};

static uint64_t below(uint64_t n)
{
	return dice_below(&dice, n);
}

static bool frames_right(const struct converters *c, const struct objects *o, void **objects,
			 unsigned n)
{
	const struct run *near = NULL;
	void *frames[65], *kept;

	for (unsigned i = 0; i <= n; i++)
		frames[i] = NULL;
	if (!c->frames(o, (char *)FRAMES_AT, frames, objects, n) || frames[n])
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (frames[i] != FRAME(objects_number(o, &near, objects[i])))
			return false;
	}
	/* one that is none, anywhere: inside, before the first, behind the last, 2^32 numbers on */
	for (unsigned i = 0; i < n; i++) {
		uintptr_t at = (uintptr_t)objects[i];
		uintptr_t none[] = {at + 8, at + 1, o->only.base - o->stride,
				    o->only.base + (uintptr_t)o->only.count * o->stride,
				    at + ((uintptr_t)o->stride << 32)};

		kept = objects[i];
		/* the first is an object where they are 8 bytes apart */
		objects[i] = (void *)none[o->stride > 8 ? below(5) : 1 + below(4)];
		if (c->frames(o, (char *)FRAMES_AT, frames, objects, n)) {
			tap_note("stride %u: %p passes for an object", o->stride, objects[i]);
			return false;
		}
		objects[i] = kept;
	}
	return true;
}

static bool objects_right(const struct converters *c, const struct objects *o, void **objects,
			  unsigned n)
{
	const struct run *near = NULL;
	void *frames[64], *straight[65] = {NULL}, *turned[65] = {NULL};

	for (unsigned i = 0; i < n; i++)
		frames[i] = FRAME(objects_number(o, &near, objects[i]));
	c->objects(o, (char *)FRAMES_AT, straight, frames, n);
	c->turned(o, (char *)FRAMES_AT, turned, frames, n);
	for (unsigned i = 0; i < n; i++) {
		if (straight[i] != objects[i] || turned[i] != objects[n - 1 - i])
			return false;
	}
	return !straight[n] && !turned[n];
}

static bool converts(const struct converters *c, uint32_t stride, uint32_t count)
{
	uintptr_t first = 0;
	uint32_t number = 0;
	void *objects[64];
	struct objects o;
	bool good = objects_init(&o, stride, count, SOCKET_ID_ANY) == 0;

	good = good &&
	       objects_add(&o, CHUNKS_AT + HEADER, CHUNKS_AT + HEADER + (uintptr_t)count * stride,
			   count, &first, &number) == (int)count &&
	       objects_settle(&o) == 0;
	for (unsigned n = 0; n <= 64 && good; n++) {
		for (unsigned i = 0; i < n; i++)
			objects[i] = (void *)(first + below(count) * stride);
		if (n) {
			objects[0] = (void *)first;
			objects[n - 1] = (void *)(first + (uintptr_t)(count - 1) * stride);
		}
		good = frames_right(c, &o, objects, n) && objects_right(c, &o, objects, n);
	}
	objects_free(&o);
	return good;
}

static void test_converters(const struct converters *c, const char *name)
{
	bool good = true;

	for (unsigned s = 0; s < RTE_DIM(strides) && good; s++)
		good = converts(c, strides[s], 1000) && converts(c, strides[s], 3000000) &&
		       converts(c, strides[s], 1);
	tap_ok(good, name);
}

int main(int argc, char **argv)
{
	int own = ground_init(argc, argv, 120);

	dice = dice_make(ground_option(argc - own, argv + own, "--seed", "0"));
	test_converters(&convert_base, "many at a time as one at a time, on any processor");
	if (convert.frames != convert_base.frames && __builtin_cpu_supports("avx2"))
		test_converters(&convert, "many at a time as one at a time, with AVX2");
	else
		printf("ok %u - with AVX2 # SKIP this processor has none\n", ++tap_tests);
	return tap_done();
}
