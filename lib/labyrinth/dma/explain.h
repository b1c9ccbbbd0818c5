/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Why memory did not get into an address space, in a sentence that names the number needed.
 */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "iommu.h"

/**
 * lab_explain_map() - the kernel refused a mapping.
 * @m: the one that it refused, of @wanted alike.
 * @what: what was to be mapped, at the beginning of a sentence.
 * @err: the kernel's error, positive.
 *
 * Return: -@err, with a sentence.
 */
int lab_explain_map(struct lab_domain_priv *d, const struct lab_mapping *m, unsigned wanted,
		    const char *what, int err);

/**
 * lab_explain_full() - there are no addresses for @bytes in the domain. The caller holds the lock.
 *
 * Return: -ENOSPC, with a sentence.
 */
int lab_explain_full(struct lab_domain_priv *d, uint64_t bytes, uint64_t align, const char *what);

/**
 * lab_explain_narrow() - the domain's address_bits leave nothing of what the IOMMU can use.
 *
 * Return: -EINVAL, with a sentence.
 */
int lab_explain_narrow(struct lab_domain_priv *d, const struct lab_iommu_limits *limits);

#endif
