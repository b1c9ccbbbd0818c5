/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The thread's error sentence: who writes it. Knows no other part of the library.
 */
#ifndef ERROR_H
#define ERROR_H

#include <labyrinth/lab_error.h>

/**
 * lab_fail() - set the calling thread's error sentence.
 * @err: a positive errno; or 0 for a remark, which leaves errno alone.
 * @fmt: printf-style sentence: what is wrong, with what, what to do.
 *
 * Makes no system call, so that the data path can refuse with it. Also sets errno.
 *
 * Return: -@err.
 */
int lab_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

#endif
