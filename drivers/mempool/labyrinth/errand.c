/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool is made, or attached, on one of EAL's control threads: the keeper's thread takes over the
 * CPUs of the one that starts it, which shall not be an lcore's.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_lcore.h>

#include <labyrinth/labyrinth.h>

#include "errand.h"
#include "error.h"

struct errand {
	const struct lab_pool_config *create;
	const struct lab_attach_config *attach;
	struct lab_pool *pool;
	int err;
	char text[512];
};

static void *run_errand(void *arg)
{
	struct errand *errand = arg;

	errand->pool =
		errand->create ? lab_pool_create(errand->create) : lab_pool_attach(errand->attach);
	if (!errand->pool) {
		errand->err = -errno;
		snprintf(errand->text, sizeof(errand->text), "%s", lab_error_text());
	}
	return NULL;
}

static struct lab_pool *send(struct errand *errand, int *err)
{
	pthread_t thread;

	*err = rte_ctrl_thread_create(&thread, "lab-errand", NULL, run_errand, errand);
	if (*err) {
		lab_fail(-*err, "no control thread can be made (%s)", rte_strerror(-*err));
		return NULL;
	}
	pthread_join(thread, NULL);
	*err = errand->err;
	/* The error was another thread's. */
	if (*err)
		lab_fail(-*err, "%s", errand->text);
	return errand->pool;
}

struct lab_pool *errand_create(const struct lab_pool_config *config, int *err)
{
	struct errand errand = {.create = config};

	return send(&errand, err);
}

struct lab_pool *errand_attach(const struct lab_attach_config *config, int *err)
{
	struct errand errand = {.attach = config};

	return send(&errand, err);
}
