/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * One error style for the whole library: pointers return NULL and set errno, integers return a
 * negative errno, and one sentence says what was wrong, with what, and what to do about it.
 */
#ifndef LAB_ERROR_H
#define LAB_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/** Longest error sentence, with its terminating zero. */
#define LAB_ERROR_TEXT_MAX 512

/**
 * lab_error_text() - the sentence of the calling thread's most recent error.
 *
 * Return: a zero-terminated string owned by the library, valid until the thread's next error; the
 * empty string if the thread has had none. Success does not clear it. An allocation that returns
 * "no frame" because the pool is empty is an answer, not an error, and leaves the text alone.
 *
 * Thread-safe; never sleeps.
 */
const char *lab_error_text(void);

#ifdef __cplusplus
}
#endif
#endif
