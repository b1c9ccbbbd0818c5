/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Refusals: what is said, counted and reported when a step of a frame is not allowed. Knows states
 * and names; changes no frame.
 */
#ifndef REFUSAL_H
#define REFUSAL_H

#include <labyrinth/lab_pool.h>

/** lab_refuse_free() - explain why @frame cannot be freed to @pool. Return: -errno. */
int lab_refuse_free(struct lab_pool *pool, const void *frame) __attribute__((cold));

/** lab_refuse_lend() - explain why @frame cannot be lent. Return: -errno. */
int lab_refuse_lend(struct lab_pool *pool, const void *frame) __attribute__((cold));

/** lab_refuse_transfer() - explain why @frame cannot be transferred. Return: -errno. */
int lab_refuse_transfer(struct lab_pool *pool, const void *frame) __attribute__((cold));

/** lab_refuse_accept() - explain why @frame was not there to be accepted. Return: -errno. */
int lab_refuse_accept(struct lab_pool *pool, const void *frame) __attribute__((cold));

/** lab_refuse_take_back() - explain why @frame cannot be taken back from @device. Return: -errno.
 */
int lab_refuse_take_back(struct lab_pool *pool, const void *frame, int device)
	__attribute__((cold));

/** lab_refuse_retire() - explain why @frame cannot be retired: it is none, or is so already.
 * Return: -errno. */
int lab_refuse_retire(struct lab_pool *pool, const void *frame) __attribute__((cold));

/** lab_refuse_child() - explain that a child of fork() has the handle only. Return: -EPERM. */
int lab_refuse_child(const struct lab_pool *pool) __attribute__((cold));

/** lab_report_duplicate() - a cache's or magazine's entry for frame number @frame was forgotten. */
void lab_report_duplicate(struct lab_pool *pool, uint32_t frame) __attribute__((cold));

/** lab_report_damage() - magazine number @magazine, or with LAB_FRAME_NONE a bundle, lists what
 * there is not: it is not used. */
void lab_report_damage(struct lab_pool *pool, uint32_t magazine) __attribute__((cold));

#endif
