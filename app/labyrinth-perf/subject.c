/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The list of subjects in this build.
 */
#include "subject.h"

#include <string.h>

const struct subject *const subjects[] = {
	&subject_labyrinth,    &subject_labyrinth_unprotected, &subject_labyrinth_shared,
#ifdef PERF_DPDK
	&subject_rte_ring,     &subject_rte_ring_rts,          &subject_rte_stack,
	&subject_rte_lf_stack, &subject_rte_labyrinth,         &subject_rte_labyrinth_frames,
#endif
	&subject_bare,
};
const unsigned subjects_n = sizeof(subjects) / sizeof(subjects[0]);

const struct subject *subject_find(const char *name)
{
	for (unsigned i = 0; i < subjects_n; i++)
		if (!strcmp(subjects[i]->name, name))
			return subjects[i];
	return NULL;
}
