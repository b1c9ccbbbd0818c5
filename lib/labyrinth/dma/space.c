/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Address spaces: the bookkeeping around a backend's map and unmap, and what is said when they
 * fail.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <labyrinth/lab_alloc.h>

#include "error.h"
#include "explain.h"
#include "space.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct lab_domain_priv *domains;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int atfork_error;

void lab_dma_lock(void)
{
	pthread_mutex_lock(&lock);
}

void lab_dma_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/*
 * A child must not keep devices open when its parent is killed: the kernel stops DMA and unpins
 * pages at the last close. Mapped BARs are not inherited (MADV_DONTFORK).
 */
static void after_fork_in_child(void)
{
	for (struct lab_domain_priv *d = domains; d; d = d->next) {
		d->inherited = 1;
		memset(d->domain.pool, 0, sizeof(d->domain.pool));
		for (struct lab_device *dev = d->devices; dev; dev = dev->next) {
			close(dev->fd);
			dev->fd = -1;
		}
		d->ops->abandon(d);
		d->fd = -1;
	}
	domains = NULL;
	pthread_mutex_init(&lock, NULL);
}

static void watch_forks(void)
{
	atfork_error = pthread_atfork(lab_dma_lock, lab_dma_unlock, after_fork_in_child);
}

struct lab_domain_priv *lab_space_list(void)
{
	return domains;
}

int lab_space_enlist(struct lab_domain_priv *d)
{
	pthread_once(&once, watch_forks);
	if (atfork_error)
		return lab_fail(ENOMEM, "no memory to watch for fork()");
	d->next = domains;
	domains = d;
	return 0;
}

void lab_space_delist(struct lab_domain_priv *d)
{
	struct lab_domain_priv **link = &domains;

	while (*link && *link != d)
		link = &(*link)->next;
	if (*link)
		*link = d->next;
}

int lab_space_usable(const struct lab_domain_priv *d)
{
	if (d->inherited)
		return lab_fail(
			EPERM,
			"domain '%s' belongs to the parent of this process: fork() hands over "
			"no devices",
			d->name);
	return 0;
}

/* ---- counters: written by any lending thread of a strict domain ---- */

static void count(uint64_t *counter, uint64_t n)
{
	/* Relaxed: only sums; nothing is inferred from their order. */
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static void count_mapped(struct lab_domain_priv *d, uint64_t entries, uint64_t bytes)
{
	count(&d->stats.maps, 1);
	count(&d->stats.entries, entries);
	count(&d->stats.bytes, bytes);
}

/* ---- devices ---- */

static int learn_limits(struct lab_domain_priv *d)
{
	struct lab_iommu_limits limits = {0};
	unsigned bits = d->address_bits ? d->address_bits : 64;
	int err = d->ops->limits(d, &limits);

	if (err)
		return err;
	err = lab_iova_limit(&d->space, limits.range, limits.count, bits, limits.page);
	switch (err) {
	case 0:
		break;
	case -EADDRINUSE:
		err = lab_fail(
			EADDRINUSE,
			"the device cannot use addresses that domain '%s' has mapped already: "
			"open it before mapping pools, or in a domain of its own",
			d->name);
		break;
	case -EINVAL:
		err = lab_explain_narrow(d, &limits);
		break;
	default:
		err = lab_fail(-err, "no memory for the addresses of domain '%s'", d->name);
		break;
	}
	free(limits.range);
	if (err)
		return err;
	/* Beside threads that lend in a strict domain it is an estimate. */
	if (limits.entries)
		lab_store(&d->stats.entry_limit, limits.entries + lab_load(&d->stats.entries));
	return 0;
}

/* The kernel forgot everything: tell it again. */
static int replay(struct lab_domain_priv *d)
{
	for (unsigned i = 0; i < d->mappings.count; i++) {
		const struct lab_mapping *m = &d->mappings.mapping[i];
		int err = d->ops->map(d, m);

		if (err)
			return lab_explain_map(d, m, 1, "what was mapped before", -err);
		count_mapped(d, 1, m->bytes);
	}
	return 0;
}

static void forget(struct lab_domain_priv *d)
{
	/* Nobody lends in a domain without devices. */
	d->stats.entries = 0;
	d->stats.bytes = 0;
}

int lab_space_attach(struct lab_domain_priv *d, struct lab_device *dev)
{
	int err = d->ops->attach(d, dev);

	if (err)
		return err;
	err = learn_limits(d);
	if (!err && !d->devices && d->ops->forgetful)
		err = replay(d);
	if (err) {
		d->ops->detach(d, dev);
		if (!d->devices && d->ops->forgetful)
			forget(d);
		return err;
	}
	dev->next = d->devices;
	d->devices = dev;
	d->stats.devices++;
	return 0;
}

void lab_space_detach(struct lab_domain_priv *d, struct lab_device *dev)
{
	struct lab_device **link = &d->devices;

	while (*link != dev)
		link = &(*link)->next;
	*link = dev->next;
	d->stats.devices--;
	d->ops->detach(d, dev);
	if (!d->devices && d->ops->forgetful)
		forget(d);
}

/* ---- addresses ---- */

int lab_space_reserve(struct lab_domain_priv *d, struct lab_mapping *m, uint64_t align,
		      int must_align, const char *what)
{
	int err;

	for (;;) {
		err = lab_iova_take(&d->space, m->bytes, align, &m->iova);
		if (err != -ENOSPC || must_align || align <= 4096)
			break;
		/* Without this alignment the IOMMU needs smaller pages, no more. */
		align = align > (uint64_t)1 << LAB_DELTA_SHIFT ? (uint64_t)1 << LAB_DELTA_SHIFT
							       : 4096;
	}
	if (err == -ENOSPC)
		return lab_explain_full(d, m->bytes, align, what);
	if (err)
		return lab_fail(-err, "no memory for the addresses of %s", what);
	return 0;
}

void lab_space_release(struct lab_domain_priv *d, const struct lab_mapping *m)
{
	lab_iova_give(&d->space, m->iova);
}

/* ---- mappings ---- */

static int make_room(struct lab_mapping_list *list)
{
	unsigned room = list->room ? 2 * list->room : 16;
	struct lab_mapping *more;

	if (list->count < list->room)
		return 0;
	more = realloc(list->mapping, room * sizeof(*more));
	if (!more)
		return lab_fail(ENOMEM, "no memory to remember another mapping");
	list->mapping = more;
	list->room = room;
	return 0;
}

/* On purpose: 0, or -ENOMEM with a sentence. */
static int strike(struct lab_faults *faults, const struct lab_domain_priv *d, const char *what)
{
	if (lab_likely(!lab_faults_hit(faults, LAB_FAULT_MAP)))
		return 0;
	return lab_fail(ENOMEM,
			"%s cannot be mapped in domain '%s': injected by LAB_FAULT_MAP, see "
			"lab_fault_set() and LABYRINTH_FAULT",
			what, d->name);
}

int lab_space_map(struct lab_domain_priv *d, const struct lab_mapping *m, const char *what,
		  struct lab_domain_priv *from, uint64_t from_iova, int *shared,
		  struct lab_faults *faults)
{
	int err = make_room(&d->mappings), share = 0;

	if (!err)
		err = strike(faults, d, what);
	if (err)
		return err;
	/* Where pages cannot be shared (another permission, say) they are pinned again. */
	if (from && d->ops->share)
		share = d->ops->share(d, m, from, from_iova) == 0;
	if (!share) {
		err = d->ops->map(d, m);
		if (err)
			return lab_explain_map(d, m, 1, what, -err);
	}
	if (shared)
		*shared = share;
	d->mappings.mapping[d->mappings.count++] = *m;
	count_mapped(d, 1, m->bytes);
	return 0;
}

int lab_space_unmap(struct lab_domain_priv *d, const struct lab_mapping *m, const char *what)
{
	struct lab_mapping_list *list = &d->mappings;
	unsigned at = 0;

	/* Without a device a forgetful backend has nothing to unmap. */
	if (d->devices || !d->ops->forgetful) {
		int err = d->ops->unmap(d, m->iova, m->bytes);

		if (err)
			return lab_fail(-err,
					"%s cannot be unmapped from 0x%" PRIx64
					" in domain '%s' (%s)",
					what, m->iova, d->name, strerror(-err));
		count(&d->stats.unmaps, 1);
		count(&d->stats.entries, (uint64_t)-1);
		count(&d->stats.bytes, -m->bytes);
	}
	while (at < list->count && list->mapping[at].iova != m->iova)
		at++;
	if (at < list->count)
		list->mapping[at] = list->mapping[--list->count];
	return 0;
}

int lab_space_map_frame(struct lab_domain_priv *d, const struct lab_mapping *m, unsigned wanted,
			const char *what, struct lab_faults *faults)
{
	int err = strike(faults, d, what);

	if (err)
		return err;
	err = d->ops->map(d, m);
	if (err)
		return lab_explain_map(d, m, wanted, what, -err);
	count_mapped(d, 1, m->bytes);
	return 0;
}

int lab_space_unmap_frames(struct lab_domain_priv *d, uint64_t iova, unsigned n, const char *what)
{
	uint64_t bytes = (uint64_t)n << LAB_FRAME_SHIFT;
	int err = d->ops->unmap(d, iova, bytes);

	if (err)
		return lab_fail(-err,
				"%u frames of %s cannot be unmapped from 0x%" PRIx64
				" in domain '%s' (%s)",
				n, what, iova, d->name, strerror(-err));
	count(&d->stats.unmaps, 1);
	count(&d->stats.entries, -(uint64_t)n);
	count(&d->stats.bytes, -bytes);
	return 0;
}
