/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The numbering of objects: there and back for many strides and layouts of chunks, what is no
 * object refused. The addresses are made up: nothing is read there.
 *
 *	objects-test --no-huge -m 64 --no-pci [-- --seed N]
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <rte_common.h>
#include <rte_memory.h>

#include "../net/tap.h"
#include "dice.h"
#include "ground.h"
#include "objects.h"

#define CHUNKS  200
#define NUMBERS (1u << 16)
#define HEADER  64

static const uintptr_t CHUNKS_AT = 0x100000000000;

/* What objects_add() was told of a chunk, and what it said. */
struct chunk {
	uintptr_t from, to, first;
	uint32_t number, n;
};

struct layout {
	struct objects objects;
	unsigned chunks;
	struct chunk chunk[CHUNKS];
	uint8_t used[NUMBERS];
};

static struct layout layout;
static struct dice dice;
static const uint32_t strides[] = {8,    16,   24,   72,   128,  192,  320,  1000, 2048,
				   2304, 2368, 2432, 4096, 4104, 4160, 8192, 8960, 9000};

static uint64_t below(uint64_t n)
{
	return dice_below(&dice, n);
}

static bool begin(struct layout *l, uint32_t stride, uint32_t capacity)
{
	l->chunks = 0;
	memset(l->used, 0, sizeof(l->used));
	return objects_init(&l->objects, stride, capacity, SOCKET_ID_ANY) == 0;
}

/* A chunk of @bytes at @at. Sound: the objects are inside, their numbers behind all others, and not
 * one less than fit. */
static bool add(struct layout *l, uintptr_t at, uintptr_t bytes)
{
	struct chunk *c = &l->chunk[l->chunks];
	uint32_t stride = l->objects.stride, before = l->objects.count, fit;
	int n;

	c->from = at + HEADER;
	c->to = at + bytes + HEADER;
	fit = (uint32_t)(bytes / stride);
	n = objects_add(&l->objects, c->from, c->to, fit, &c->first, &c->number);
	if (n < 0 || (uint32_t)n > fit || (uint32_t)n + 1 < fit || (fit && !n)) {
		tap_note("stride %u: of %u objects %d are placed in a chunk of %" PRIuPTR
			 " bytes, the %uth",
			 stride, fit, n, bytes, l->chunks + 1);
		return false;
	}
	c->n = (uint32_t)n;
	l->chunks += n > 0;
	if (n > 0 && (c->first < c->from || c->first + (uintptr_t)c->n * stride > c->to ||
		      c->number < before || c->number + c->n != l->objects.count))
		return false;
	for (uint32_t i = 0; i < c->n; i++)
		l->used[c->number + i]++;
	return true;
}

/* ---- one at a time ---- */

static void *object_of(const struct layout *l, const struct chunk *c, uint32_t i)
{
	return (void *)(c->first + (uintptr_t)i * l->objects.stride);
}

static bool is_object(const struct layout *l, uintptr_t address)
{
	for (unsigned i = 0; i < l->chunks; i++) {
		uintptr_t distance = address - l->chunk[i].first;

		if (distance < (uintptr_t)l->chunk[i].n * l->objects.stride)
			return distance % l->objects.stride == 0;
	}
	return false;
}

/* What is no object has no number, or in the place of a gap one that no object has. */
static bool refused(const struct layout *l, uintptr_t address, const struct run *near)
{
	uint32_t number = objects_number(&l->objects, &near, (void *)address);

	if (is_object(l, address) || number == NO_NUMBER)
		return true;
	if (number < NUMBERS && !l->used[number])
		return true;
	tap_note("stride %u: %#" PRIxPTR " is no object, and passes for number %u",
		 l->objects.stride, address, number);
	return false;
}

static bool round_trip(const struct layout *l, const struct chunk *c, uint32_t i,
		       const struct run **near)
{
	void *object = object_of(l, c, i);
	const struct run *none = NULL, *none_either = NULL;
	uint32_t number = objects_number(&l->objects, &none, object);

	if (number == c->number + i && objects_number(&l->objects, near, object) == number &&
	    objects_at(&l->objects, near, number) == object &&
	    objects_at(&l->objects, &none_either, number) == object)
		return true;
	tap_note("stride %u, %u runs: object %p has number %u, and was given %u", l->objects.stride,
		 l->objects.runs, object, number, c->number + i);
	return false;
}

static bool sound(struct layout *l)
{
	static const intptr_t beside[] = {1, 4, 7, 8, 63, 64, -1, -8, -64};
	const struct run *near = NULL;
	bool good = true;

	for (unsigned i = 0; i < NUMBERS; i++)
		good = good && l->used[i] <= 1;
	for (unsigned c = 0; c < l->chunks && good; c++) {
		for (uint32_t i = 0; i < l->chunk[c].n && good; i++) {
			uintptr_t at = (uintptr_t)object_of(l, &l->chunk[c], i);

			good = round_trip(l, &l->chunk[c], i, &near) &&
			       refused(l, at + (uintptr_t)beside[i % RTE_DIM(beside)], near) &&
			       refused(l, at + 1 + below(l->objects.stride - 1), NULL);
		}
		good = good && refused(l, l->chunk[c].from - l->objects.stride, NULL) &&
		       refused(l, l->chunk[c].to, near) &&
		       refused(l, l->chunk[c].to + l->objects.stride, NULL);
	}
	/* in random order, and anywhere */
	for (unsigned i = 0; i < 2000 && good && l->chunks; i++) {
		const struct chunk *c = &l->chunk[below(l->chunks)];

		good = round_trip(l, c, (uint32_t)below(c->n), &near) &&
		       refused(l, c->first + below(1ull << (1 + below(47))), near) &&
		       refused(l, below(1ull << 52), NULL);
	}
	return good && refused(l, 0, NULL) && refused(l, UINTPTR_MAX, NULL);
}

/* ---- layouts ---- */

/* Chunks in the order of their addresses, then put into another. */
static unsigned place(struct chunk *at, uint32_t stride, unsigned kind)
{
	unsigned n = kind == 0 ? 8 : CHUNKS;
	uintptr_t next = CHUNKS_AT + 8 * below(512);

	for (unsigned i = 0; i < n; i++) {
		at[i].from = next;
		/* in small ones no object is left out for the sake of one run */
		at[i].to =
			next + ((kind ? 1 : 20) + below(60)) * stride + 8 * below(stride / 8 + 1);
		next = at[i].to;
		if (kind == 1) /* less than what a run leaves out, as a rule */
			next += 8 * below(14 * (stride / 8));
		else if (kind == 2) /* far apart */
			next += (1 + below(1u << 20)) * 4096 + 16 * stride;
		else if (kind >= 3) /* all sorts of */
			next += 8 * below(below(4) ? 3 * stride : 60 * stride);
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned other = kind == 4 ? n - 1 - i : (unsigned)below(n);
		struct chunk kept = at[i];

		if (kind == 5 || (kind == 4 && i < n / 2)) {
			at[i] = at[other];
			at[other] = kept;
		}
	}
	return n;
}

static void test_layout(unsigned kind)
{
	static const char *const names[] = {
		"one behind the other", "with gaps between them", "far apart",
		"near and far",         "in descending order",    "in any order, also into gaps"};
	static struct chunk at[CHUNKS];
	unsigned most = 0, least = CHUNKS;
	bool good = true;
	char name[80];

	for (unsigned s = 0; s < RTE_DIM(strides) && good; s++) {
		unsigned n = place(at, strides[s], kind);

		good = begin(&layout, strides[s], NUMBERS);
		/* settled twice: mempools are populated bit by bit */
		for (unsigned i = 0; i < n && good; i++) {
			good = add(&layout, at[i].from, at[i].to - at[i].from);
			if (good && i == n / 2)
				good = objects_settle(&layout.objects) == 0 && sound(&layout);
		}
		good = good && objects_settle(&layout.objects) == 0 && sound(&layout);
		most = RTE_MAX(most, layout.objects.runs);
		least = RTE_MIN(least, layout.objects.runs);
		objects_free(&layout.objects);
	}
	snprintf(name, sizeof(name), "chunks %s: each object has its number, nothing else has",
		 names[kind]);
	tap_ok(good, name);
	tap_note("%u to %u runs", least, most);
	if (kind == 0)
		tap_ok(most == 1, "chunks one behind the other are one run");
	if (kind == 2)
		tap_ok(most > 64, "more than 64 runs were tried");
}

/* A chunk that lies in what a run leaves out. */
static void test_inside_gap(void)
{
	const uint32_t stride = 2304;
	bool good = begin(&layout, stride, 1024);

	good = good && add(&layout, CHUNKS_AT, 10 * stride) &&
	       add(&layout, CHUNKS_AT + 20 * stride, 10 * stride) &&
	       add(&layout, CHUNKS_AT + 12 * stride, 4 * stride + 8) &&
	       objects_settle(&layout.objects) == 0 && sound(&layout);
	tap_ok(good, "a chunk inside the gap of a run hides no object of the run");
	objects_free(&layout.objects);
}

/* Each page is a chunk, as with physical addresses on ordinary pages. */
static void test_pages(void)
{
	bool good = begin(&layout, 2304, 1024);
	unsigned placed = 0;

	for (unsigned i = 0; i < 64 && good; i++)
		good = add(&layout, CHUNKS_AT + i * 4096ul, 4096);
	for (unsigned i = 0; i < layout.chunks; i++)
		placed += layout.chunk[i].n;
	good = good && objects_settle(&layout.objects) == 0 && sound(&layout);
	tap_ok(good && placed == 64, "each page that has room for an object has one");
	objects_free(&layout.objects);
}

static void test_capacity(void)
{
	uintptr_t first = 0;
	uint32_t number = 0, stride = 2304;
	bool good = begin(&layout, stride, 100);
	struct objects *o = &layout.objects;

	good = good && add(&layout, CHUNKS_AT, 60 * stride) &&
	       add(&layout, CHUNKS_AT + 1000 * stride, 40 * stride);
	tap_ok(good && o->count == 100, "as many objects as there are numbers");
	tap_ok(objects_add(o, CHUNKS_AT + 9000 * stride, CHUNKS_AT + 9002 * stride, 2, &first,
			   &number) == -ENOMEM &&
		       objects_add(o, CHUNKS_AT + 1040 * stride, CHUNKS_AT + 1042 * stride, 2,
				   &first, &number) == -ENOMEM,
	       "one more is refused, apart or behind the last");
	tap_ok(o->count == 100 && objects_settle(o) == 0 && sound(&layout),
	       "and those before are as they were");
	tap_ok(objects_add(o, 4096, 4096 + stride - 1, 5, &first, &number) == 0 &&
		       objects_add(o, 4096, 4096, 5, &first, &number) == 0 &&
		       objects_add(o, 4096, 8 * stride, 0, &first, &number) == 0,
	       "no room, or none wanted: none placed");
	objects_free(o);
}

/* More than 2^32 bytes in one run. */
static void test_large(void)
{
	const uint32_t stride = 9000, n = 4000000;
	const struct run *near = NULL;
	uintptr_t first = 0;
	uint32_t number = 0;
	bool good = begin(&layout, stride, n);

	good = good &&
	       objects_add(&layout.objects, CHUNKS_AT, CHUNKS_AT + (uintptr_t)n * stride, n, &first,
			   &number) == (int)n &&
	       objects_settle(&layout.objects) == 0;
	for (unsigned i = 0; i < 100000 && good; i++) {
		uint32_t of = i < 2 ? i * (n - 1) : (uint32_t)below(n);
		char *object = (char *)first + (uintptr_t)of * stride;

		good = objects_number(&layout.objects, &near, object) == of &&
		       objects_at(&layout.objects, &near, of) == object &&
		       objects_number(&layout.objects, &near, object + 8) == NO_NUMBER &&
		       objects_number(&layout.objects, &near, object + (1ull << 32)) ==
			       (((1ull << 32) % stride) ? NO_NUMBER : 0);
	}
	tap_ok(good, "36 GB of objects: each has its number");
	objects_free(&layout.objects);
}

int main(int argc, char **argv)
{
	int own = ground_init(argc, argv, 120);

	dice = dice_make(ground_option(argc - own, argv + own, "--seed", "0"));
	for (unsigned kind = 0; kind < 6; kind++)
		test_layout(kind);
	test_inside_gap();
	test_pages();
	test_capacity();
	test_large();
	return tap_done();
}
