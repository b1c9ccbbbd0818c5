/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Domains, for the floors above and for tests.
 */
#ifndef DOMAIN_H
#define DOMAIN_H

#include "iommu.h"

/**
 * lab_domain_create_on() - lab_domain_create() with a backend of the caller's: a test's.
 * @config: its backend is not looked at.
 * @ops: the backend.
 * @backend: the domain's backend member, for the backend's own use.
 */
struct lab_domain *lab_domain_create_on(const struct lab_domain_config *config,
					const struct lab_iommu_ops *ops, void *backend);

/** lab_domain_premap() - map every pool of the process that is not mapped yet. Under the lock.
 * Return: 0, or -errno with a sentence and none of them mapped. */
int lab_domain_premap(struct lab_domain_priv *d);

/** lab_domain_admit() - give a device its numbers in the pools that are mapped. Under the lock.
 * Return: 0, or -errno with a sentence and none given. */
int lab_domain_admit(struct lab_domain_priv *d, struct lab_device *dev);

/** lab_domain_dismiss() - take the numbers back, where nothing is lent in their name. */
void lab_domain_dismiss(struct lab_device *dev);

#endif
