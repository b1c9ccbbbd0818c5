/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the driver says goes to EAL's log: --log-level=mempool.labyrinth:debug shows more of it.
 */
#ifndef LOG_H
#define LOG_H

#include <rte_log.h>

extern int labyrinth_logtype;

#define LOG(level, ...) rte_log(RTE_LOG_##level, labyrinth_logtype, "labyrinth: " __VA_ARGS__)

#endif
