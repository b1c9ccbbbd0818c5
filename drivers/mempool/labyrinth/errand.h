/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools that are made and attached where a keeper may live.
 */
#ifndef ERRAND_H
#define ERRAND_H

struct lab_attach_config;
struct lab_pool;
struct lab_pool_config;

/** errand_create() - lab_pool_create() on a control thread. Return: NULL with *@err and
 * lab_error_text() in the calling thread. */
struct lab_pool *errand_create(const struct lab_pool_config *config, int *err);

/** errand_attach() - lab_pool_attach(), likewise. */
struct lab_pool *errand_attach(const struct lab_attach_config *config, int *err);

#endif
