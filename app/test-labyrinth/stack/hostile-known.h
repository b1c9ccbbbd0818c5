/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Packets that are known to have ended, stopped or robbed a program.
 */
#ifndef HOSTILE_KNOWN_H
#define HOSTILE_KNOWN_H

#include "hostile.h"

/**
 * hostile_known() - the next packet of one of them.
 * @h: the generator: its victim, and, where it takes a connection, what was heard.
 * @which: from 0 on.
 * @step: from 0 on; after each packet the victim is to have its turns.
 * @frame: HOSTILE_FRAME_MAX bytes; receives the packet.
 *
 * Return: its bytes; 0: that was all of it.
 */
uint32_t hostile_known(struct hostile *h, unsigned which, unsigned step, uint8_t *frame);

/** hostile_known_name() - what it is; NULL: there are no more. */
const char *hostile_known_name(unsigned which);

#endif
