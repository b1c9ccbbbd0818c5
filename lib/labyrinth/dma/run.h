/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Runs of a domain, for the floors above: what is left of them at its end.
 */
#ifndef RUN_H
#define RUN_H

#include "iommu.h"

/** lab_run_fini() - unmap and free all runs of a domain that has no devices. Under the lock. */
void lab_run_fini(struct lab_domain_priv *d);

#endif
