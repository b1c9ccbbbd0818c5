/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A device's watch: a thread that sleeps until the kernel wants the device back or reports that it
 * failed, so that a polling loop learns it from a word in memory.
 */
#ifndef WATCH_H
#define WATCH_H

#include "iommu.h"

/** lab_watch_start() - begin. Return: 0, or -errno with a sentence and nothing started. */
int lab_watch_start(struct lab_device *dev);

/** lab_watch_stop() - end the thread; the status stays readable. */
void lab_watch_stop(struct lab_device *dev);

/** lab_watch_gone() - the caller has found out that the device is gone. */
void lab_watch_gone(struct lab_device *dev);

/** lab_watch_free() - the end of it, after lab_watch_stop(); NULL is allowed. */
void lab_watch_free(struct lab_watch *watch);

#endif
