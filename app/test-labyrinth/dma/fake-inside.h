/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the two halves of the made-up machine know of each other: its functions (fake.c) and its
 * IOMMU (fake-space.c). For them only.
 */
#ifndef FAKE_INSIDE_H
#define FAKE_INSIDE_H

#include "fake.h"

/** fake_wrong() - the library has done what no kernel would let it do. */
void fake_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** fake_enter() - take the machine's lock and count a call; 0, or -errno if it is to fail. */
int fake_enter(enum fake_op op);

/** fake_leave() - the reverse. Return: @err. */
int fake_leave(int err);

/** fake_leave_saying() - likewise, for those calls that owe a sentence. */
int fake_leave_saying(int err, enum fake_op op);

/** fake_lock() - only take it. */
void fake_lock(void);

/** fake_devices_in() - how many functions a domain has. With the lock. */
unsigned fake_devices_in(const struct lab_domain_priv *d);

/** fake_space_forget() - a domain has no mappings any more. With the lock. */
void fake_space_forget(const struct lab_domain_priv *d);

/** fake_space_end() - likewise, and there should be none. */
void fake_space_end(const struct lab_domain_priv *d);

/** fake_limits(), fake_map(), fake_unmap(), fake_share() - see struct lab_iommu_ops. */
int fake_limits(struct lab_domain_priv *d, struct lab_iommu_limits *limits);
int fake_map(struct lab_domain_priv *d, const struct lab_mapping *m);
int fake_unmap(struct lab_domain_priv *d, uint64_t iova, uint64_t bytes);
int fake_share(struct lab_domain_priv *d, const struct lab_mapping *m, struct lab_domain_priv *from,
	       uint64_t from_iova);

#endif
