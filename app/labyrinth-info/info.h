/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What labyrinth-info writes.
 */
#ifndef INFO_H
#define INFO_H

#include <stdio.h>

#include "map.h"

/** text_write() - the report, the depot, and the map as letters. */
int text_write(FILE *out, const struct lab_pool *pool);

/** html_write() - a page with the map as a picture. */
int html_write(FILE *out, const struct lab_pool *pool);

/** brief_write() - one line: the time, totals, and each owner's frames. */
int brief_write(FILE *out, const struct lab_pool *pool);

/** every_parse() - seconds from 0.01 to a day; 0 if @text is none of these. */
double every_parse(const char *text);

/** every_begin_page() - what stands between two pages, and the time; @again: it is not the first.
 */
void every_begin_page(FILE *out, int again);

/** every_wait() - sleep until the next look is due; the first call counts from itself. */
void every_wait(double seconds);

#endif
