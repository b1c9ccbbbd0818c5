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

#endif
