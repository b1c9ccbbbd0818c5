/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What a request asks for, between its method and its version. Knows how it is written; knows no
 * file.
 */
#ifndef TARGET_H
#define TARGET_H

#include <stdbool.h>

/** target_decode() - in place, the path alone: without a server's name before it and a query behind
 * it, and with the bytes that "%20" and the like stand for. False for what can be no path. */
bool target_decode(char *path);

#endif
