/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Between objects and frames, several at a time, in a mempool whose objects are one run: without a
 * branch for each, so that compilers make vectors of it, and for the processor at hand.
 */
#ifndef CONVERT_H
#define CONVERT_H

#include "objects.h"

/**
 * struct converters - the loops.
 * @frames: the frames (of a pool that begins at @base) that stand for @objects. Return: 1; or 0 if
 *	any of the objects is none of the run's.
 * @objects: the reverse, also in place; @turned: into the reverse order, not in place.
 */
struct converters {
	int (*frames)(const struct objects *o, const char *base, void **frames,
		      void *const *objects, unsigned n);
	void (*objects)(const struct objects *o, const char *base, void **objects,
			void *const *frames, unsigned n);
	void (*turned)(const struct objects *o, const char *base, void **objects,
		       void *const *frames, unsigned n);
};

/** convert - those for this processor. */
extern struct converters convert;

#endif
