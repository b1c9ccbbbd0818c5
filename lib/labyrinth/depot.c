/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Push and pop of the depot's sets.
 */
#include "depot.h"

#define BITS 64u

/* The maps are arrays of words: `summary` of them, padded to two cache lines, then a bit a
 * magazine. */
static uint64_t align_128(uint64_t bytes)
{
	return (bytes + 127) & ~(uint64_t)127;
}

static uint32_t words_for(uint32_t bits)
{
	return (bits + BITS - 1) / BITS;
}

static uint64_t map_bytes(uint32_t magazines)
{
	uint32_t words = words_for(magazines);

	return align_128((uint64_t)words_for(words) * sizeof(uint64_t)) +
	       align_128((uint64_t)words * sizeof(uint64_t));
}

uint64_t lab_depot_map_bytes(uint32_t magazines, uint32_t sets)
{
	return map_bytes(magazines) * sets;
}

static uint64_t *summary_of(const struct lab_depot *depot, enum lab_depot_set set)
{
	return (uint64_t *)(void *)(depot->maps + set * depot->map_bytes);
}

static uint64_t *words_of(const struct lab_depot *depot, uint64_t *summary)
{
	return (uint64_t *)((uintptr_t)summary + align_128(depot->summary * sizeof(uint64_t)));
}

void lab_depot_point_at(struct lab_depot *depot, void *mags, void *maps, uint32_t sets,
			uint32_t count, uint32_t capacity, uint32_t stride)
{
	depot->capacity = capacity;
	depot->stride = stride;
	depot->magazines = count;
	depot->sets = sets;
	depot->summary = words_for(words_for(count));
	depot->mags = mags;
	depot->maps = maps;
	depot->map_bytes = map_bytes(count);
}

void lab_depot_fill(struct lab_depot *depot)
{
	for (uint32_t i = 0; i < depot->magazines; i++)
		lab_depot_push(depot, LAB_DEPOT_EMPTY, lab_depot_magazine(depot, i));
}

/*
 * A word of the map was found empty: take its bit out of the summary, and put it back if the word
 * is not empty any more. Sequentially consistent here and in lab_depot_push(): of one who clears
 * the summary and then reads the word, and one who sets the word and then reads the summary, at
 * least one sees what the other wrote.
 */
static void tidy(uint64_t *summary, uint64_t bit, const uint64_t *word)
{
	__atomic_fetch_and(summary, ~bit, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(word, __ATOMIC_SEQ_CST))
		__atomic_fetch_or(summary, bit, __ATOMIC_SEQ_CST);
}

/* One magazine out of those of a word that the map shows in @seen. */
static struct lab_magazine *take_from(struct lab_depot *depot, enum lab_depot_set set,
				      uint32_t lcore, uint64_t *word, uint64_t seen, uint32_t first)
{
	uint32_t turn = 0;

	/* Bits behind the last magazine are nobody's: somebody has overwritten the map. */
	if (lab_unlikely(depot->magazines - first < BITS))
		seen &= ((uint64_t)1 << (depot->magazines - first)) - 1;
	while (seen) {
		uint64_t turned = turn ? seen >> turn | seen << (BITS - turn) : seen;
		uint32_t bit = ((uint32_t)__builtin_ctzll(turned) + turn) % BITS;
		struct lab_magazine *mag = lab_depot_magazine(depot, first + bit);
		uint32_t expected = set, mine = LAB_MAGAZINE_OF(lcore);

		mine |= lab_depot_has_blocks(set) ? LAB_MAGAZINE_BLOCKS : 0;

		/* Acquire: the items were written before the release that put it here. On failure
		 * nothing of it is read. */
		if (__atomic_compare_exchange_n(&mag->where, &expected, mine, 0, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED)) {
			/* Relaxed: a hint. Only the owner puts the magazine back, and sets the bit
			 * after it has cleared it here. */
			__atomic_fetch_and(word, ~((uint64_t)1 << bit), __ATOMIC_RELAXED);
			return mag;
		}
		/* Another lcore was quicker: go where few others are. */
		seen &= ~((uint64_t)1 << bit);
		turn = lcore * 11 % BITS;
	}
	return NULL;
}

struct lab_magazine *lab_depot_pop(struct lab_depot *depot, enum lab_depot_set set, uint32_t lcore)
{
	uint64_t *summary = summary_of(depot, set), *words = words_of(depot, summary);

	for (uint32_t i = 0; i < depot->summary; i++) {
		/* Relaxed, and so are the words: hints. What they lead to is acquired. */
		uint64_t some = __atomic_load_n(&summary[i], __ATOMIC_RELAXED);

		for (; some; some &= some - 1) {
			uint32_t at = i * BITS + (uint32_t)__builtin_ctzll(some);

			if (at * BITS >= depot->magazines)
				break;
			uint64_t seen = __atomic_load_n(&words[at], __ATOMIC_RELAXED);
			struct lab_magazine *mag =
				take_from(depot, set, lcore, &words[at], seen, at * BITS);

			if (mag)
				return mag;
			if (!seen)
				tidy(&summary[i], some & -some, &words[at]);
		}
	}
	return NULL;
}

struct lab_magazine *lab_depot_pop_thoroughly(struct lab_depot *depot, enum lab_depot_set set,
					      uint32_t lcore)
{
	struct lab_magazine *mag = lab_depot_pop(depot, set, lcore);
	uint64_t *words = words_of(depot, summary_of(depot, set));

	/* Not by the summary: a thread that is stopped inside tidy() may have a bit of it in hand.
	 */
	for (uint32_t at = 0; !mag && at * BITS < depot->magazines; at++)
		mag = take_from(depot, set, lcore, &words[at],
				__atomic_load_n(&words[at], __ATOMIC_RELAXED), at * BITS);
	return mag;
}

struct lab_magazine *lab_depot_claim(struct lab_depot *depot, uint32_t number, uint32_t lcore)
{
	struct lab_magazine *mag = lab_depot_magazine(depot, number);
	/* Relaxed: a guess, which the compare-and-swap puts to the test. */
	uint32_t set = __atomic_load_n(&mag->where, __ATOMIC_RELAXED);

	if (set >= depot->sets || (set == LAB_DEPOT_EMPTY && depot->sets > 1))
		return NULL;
	return lab_depot_take(depot, set, number, lcore);
}

struct lab_magazine *lab_depot_take(struct lab_depot *depot, enum lab_depot_set set,
				    uint32_t number, uint32_t lcore)
{
	/* All of that word that take_from() may have to look at is this one magazine. */
	return take_from(depot, set, lcore, &words_of(depot, summary_of(depot, set))[number / BITS],
			 (uint64_t)1 << (number % BITS), number - number % BITS);
}

/* The map leads to a magazine. */
static void show(struct lab_depot *depot, enum lab_depot_set set, uint32_t number)
{
	uint64_t *summary = summary_of(depot, set);
	uint32_t at = number / BITS;
	uint64_t bit = (uint64_t)1 << (at % BITS);

	/* Sequentially consistent: see tidy(). */
	__atomic_fetch_or(&words_of(depot, summary)[at], (uint64_t)1 << (number % BITS),
			  __ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&summary[at / BITS], __ATOMIC_SEQ_CST) & bit))
		__atomic_fetch_or(&summary[at / BITS], bit, __ATOMIC_SEQ_CST);
}

void lab_depot_push(struct lab_depot *depot, enum lab_depot_set set, struct lab_magazine *mag)
{
	/* Release: the items are visible to whoever acquires this word. From here on it is there
	 * for all; the map helps them to find it. */
	__atomic_store_n(&mag->where, (uint32_t)set, __ATOMIC_RELEASE);
	show(depot, set, lab_depot_number(depot, mag));
}

void lab_depot_mend(struct lab_depot *depot)
{
	for (uint32_t i = 0; i < depot->magazines; i++) {
		/* Relaxed: a hint is made of it. If it is popped meanwhile the bit is set wrongly,
		 * and pops skip it. */
		uint32_t set =
			__atomic_load_n(&lab_depot_magazine(depot, i)->where, __ATOMIC_RELAXED);

		if (set < depot->sets)
			show(depot, set, i);
	}
}

void lab_depot_retire_hints(struct lab_depot *depot, const struct lab_magazine *mag)
{
	uint32_t number = lab_depot_number(depot, mag);

	/* Relaxed: hints. Only the owner pushes the magazine, after this. */
	for (uint32_t set = 0; set < depot->sets; set++)
		__atomic_fetch_and(&words_of(depot, summary_of(depot, set))[number / BITS],
				   ~((uint64_t)1 << (number % BITS)), __ATOMIC_RELAXED);
}

int lab_depot_is_shown(const struct lab_depot *depot, const struct lab_magazine *mag)
{
	uint32_t number = lab_depot_number(depot, mag), at = number / BITS;
	uint64_t *summary = summary_of(depot, __atomic_load_n(&mag->where, __ATOMIC_RELAXED));

	return __atomic_load_n(&words_of(depot, summary)[at], __ATOMIC_RELAXED) >> (number % BITS) &
	       __atomic_load_n(&summary[at / BITS], __ATOMIC_RELAXED) >> (at % BITS) & 1;
}
