/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The library in one include.
 */
#ifndef LABYRINTH_H
#define LABYRINTH_H

#include "lab_alloc.h"
#include "lab_config.h"
#include "lab_device.h"
#include "lab_domain.h"
#include "lab_error.h"
#include "lab_fault.h"
#include "lab_frame.h"
#include "lab_gfp.h"
#include "lab_hugepage.h"
#include "lab_keeper.h"
#include "lab_layout.h"
#include "lab_lcore.h"
#include "lab_lend.h"
#include "lab_nodes.h"
#include "lab_numbers.h"
#include "lab_owner.h"
#include "lab_pages.h"
#include "lab_pool.h"
#include "lab_report.h"
#include "lab_retire.h"
#include "lab_share.h"
#include "lab_stats.h"

#endif
