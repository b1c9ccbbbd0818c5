/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The frame table: one state byte a frame, and the word-wise view of a block's 32 bytes. Knows
 * states, not who moves them.
 *
 * Bytes are relaxed atomics. A correct program orders every two steps on one frame itself: the
 * frame travels through a magazine (release, acquire), or from one thread to another by the
 * program's own means. An incorrect one (two threads free one frame in the same instant) gets two
 * entries for one byte: the byte names one of the two caches, and the other's entry is dropped when
 * that lcore meets it, in an allocation or a flush.
 */
#ifndef FRAME_TABLE_H
#define FRAME_TABLE_H

#include <stdint.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_layout.h>

static inline int lab_state_is_lent(uint8_t state)
{
	return (uint8_t)(state - LAB_STATE_LENT_FIRST) < LAB_MAX_DEVICES;
}

/** lab_state_is_free() - 1 if a byte says that nobody holds the frame. */
static inline int lab_state_is_free(uint8_t state)
{
	return state <= LAB_STATE_FREE_LAST;
}

/** lab_block_state() - the four words of block number @block. */
static inline uint64_t *lab_block_state(const struct lab_pool *pool, uint32_t block)
{
	return (uint64_t *)(void *)(pool->state + ((uint64_t)block << LAB_BLOCK_SHIFT));
}

/** lab_block_word() - a word of eight bytes @state. */
static inline uint64_t lab_block_word(uint8_t state)
{
	return state * 0x0101010101010101ull;
}

/** lab_block_is() - 1 if all 32 bytes are those of @value. */
static inline int lab_block_is(const uint64_t *word, uint64_t value)
{
	return ((lab_load(&word[0]) ^ value) | (lab_load(&word[1]) ^ value) |
		(lab_load(&word[2]) ^ value) | (lab_load(&word[3]) ^ value)) == 0;
}

/**
 * lab_block_move() - step a whole block from one state to another, both as words.
 * Return: 1; or 0, with nothing changed, if any of the 32 bytes is not @from's.
 */
static inline int lab_block_move(uint64_t *word, uint64_t from, uint64_t to)
{
	if (lab_unlikely(!lab_block_is(word, from)))
		return 0;
	lab_store(&word[0], to);
	lab_store(&word[1], to);
	lab_store(&word[2], to);
	lab_store(&word[3], to);
	return 1;
}

/** lab_frame_table_count_state() - how many bytes are exactly @wanted. */
uint64_t lab_frame_table_count_state(const uint8_t *state, uint64_t frames, uint8_t wanted);

#endif
