/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Reports, for the floors above.
 */
#ifndef REPORT_H
#define REPORT_H

#include <labyrinth/lab_layout.h>

/** lab_report_leaks() - a pool goes whose frames are still held: say so where LABYRINTH_LEAKS wants
 * it, see lab_report.h. */
void lab_report_leaks(const struct lab_pool *pool);

#endif
