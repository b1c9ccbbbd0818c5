/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Slots: a small number for each mempool, the same in all processes of a DPDK program, whichever of
 * them made it.
 */
#ifndef SLOT_H
#define SLOT_H

#include <stdint.h>

/** Mempools at one time; a process can have LAB_MAX_POOLS pools anyway. */
#define SLOTS 64

/** slot_take() - one that no mempool has. Return: its number; or -1: there is none, or no memory.
 */
int slot_take(void);

/** slot_give() - the mempool is gone. */
void slot_give(uint32_t slot);

#endif
