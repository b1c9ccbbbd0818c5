/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A domain's address space: addresses, mappings, and the devices that see them, through the seam of
 * iommu.h. Knows memory ranges; knows no pool and no frame.
 */
#ifndef SPACE_H
#define SPACE_H

#include "fault.h"
#include "iommu.h"

/**
 * lab_dma_lock(), lab_dma_unlock() - the control path's lock: one for the process, so that domains
 * may look at each other. All functions below are called with it, but for those on frames.
 */
void lab_dma_lock(void);
void lab_dma_unlock(void);

/** lab_space_list() - the first of the process's domains; the rest follows by next. */
struct lab_domain_priv *lab_space_list(void);

/** lab_space_enlist(), lab_space_delist() - a domain comes and goes. */
int lab_space_enlist(struct lab_domain_priv *d);
void lab_space_delist(struct lab_domain_priv *d);

/**
 * lab_space_attach() - open dev->fd inside the address space, and learn its limits. Where the
 * mappings went with the last device, they are made again.
 *
 * Return: 0, or -errno with a sentence and everything as before.
 */
int lab_space_attach(struct lab_domain_priv *d, struct lab_device *dev);

/** lab_space_detach() - the reverse; dev->fd is closed. */
void lab_space_detach(struct lab_domain_priv *d, struct lab_device *dev);

/**
 * lab_space_reserve() - set addresses aside for memory, without mapping it.
 * @m: the IOVA is set; the rest is given.
 * @align: what to align it to, if there is room; the IOMMU's page is the least.
 * @must_align: fail rather than align to less.
 * @what: for the sentence, "pool 'rx'".
 *
 * Return: 0, or -ENOSPC or -ENOMEM with a sentence.
 */
int lab_space_reserve(struct lab_domain_priv *d, struct lab_mapping *m, uint64_t align,
		      int must_align, const char *what);

/** lab_space_release() - the reverse. */
void lab_space_release(struct lab_domain_priv *d, const struct lab_mapping *m);

/**
 * lab_space_map() - map memory at reserved addresses, and remember it.
 * @from: a domain that has mapped the same memory at @from_iova, to share its pinned pages with; or
 *	NULL.
 * @shared: receives 1 if they are shared; may be NULL.
 * @faults: whose LAB_FAULT_MAP lets it fail on purpose.
 *
 * Return: 0, or -errno with a sentence and nothing changed.
 */
int lab_space_map(struct lab_domain_priv *d, const struct lab_mapping *m, const char *what,
		  struct lab_domain_priv *from, uint64_t from_iova, int *shared,
		  struct lab_faults *faults);

/** lab_space_unmap() - the reverse. Return: 0, or -errno with a sentence, and it is still mapped.
 */
int lab_space_unmap(struct lab_domain_priv *d, const struct lab_mapping *m, const char *what);

/** lab_space_map_frame() - map a lent frame of a strict domain, the first of @wanted; remembered by
 * its owner's byte only. No lock. Return: 0, or -errno with a sentence. */
int lab_space_map_frame(struct lab_domain_priv *d, const struct lab_mapping *m, unsigned wanted,
			const char *what, struct lab_faults *faults);

/** lab_space_unmap_frames() - the reverse, for @n mappings of one frame each side by side. */
int lab_space_unmap_frames(struct lab_domain_priv *d, uint64_t iova, unsigned n, const char *what);

/** lab_space_usable() - 0 if calls on the domain make sense; -EPERM with a sentence in a child of
 * fork(). */
int lab_space_usable(const struct lab_domain_priv *d);

#endif
