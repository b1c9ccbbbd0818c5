/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What EAL and Labyrinth know of each other from the moment that the plug-in is loaded: an EAL
 * lcore is called so in Labyrinth's messages and statistics too.
 */
#include <stdio.h>

#include <rte_common.h>
#include <rte_lcore.h>

#include <labyrinth/lab_lcore.h>

/* On the data path, on the thread: EAL's number of it is a thread-local variable. A thread that EAL
 * does not know keeps Labyrinth's name. */
static void name_lcore(char name[16])
{
	unsigned lcore = rte_lcore_id();

	if (lcore == rte_get_main_lcore() && lcore != LCORE_ID_ANY)
		snprintf(name, 16, "main-%u", lcore % 1000);
	else if (lcore != LCORE_ID_ANY)
		snprintf(name, 16, "eal-%u", lcore % 1000);
}

RTE_INIT(labyrinth_glue)
{
	lab_lcore_set_namer(name_lcore);
}
