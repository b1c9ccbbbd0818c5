/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Domains: made, and given pools. Knows pools and address spaces; of devices only that each needs a
 * number in every pool that it may be lent frames of.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_keeper.h>
#include <labyrinth/lab_lend.h>

#include "domain.h"
#include "error.h"
#include "fault.h"
#include "frame_table.h"
#include "lcore.h"
#include "pieces.h"
#include "pool.h"
#include "run.h"
#include "space.h"

static const struct lab_iommu_ops *const backends[] = {&lab_iommufd_ops, &lab_type1_ops,
						       &lab_noiommu_ops};

/* "pool 'rx'", for sentences. */
static const char *pool_what(const struct lab_pool *pool, char buf[LAB_NAME_MAX + 8])
{
	snprintf(buf, LAB_NAME_MAX + 8, "pool '%s'", pool->priv->name);
	return buf;
}

/* ---- creation ---- */

static const struct lab_iommu_ops *pick_backend(const char *name)
{
	const char *asked = name ? "config.backend" : "LABYRINTH_IOMMU";

	if (!name || !*name)
		name = getenv("LABYRINTH_IOMMU");
	/* Where iommufd can hold devices, not only address spaces, sysfs has this class. */
	if (!name || !*name)
		return access("/dev/iommu", F_OK) == 0 && access("/sys/class/vfio-dev", F_OK) == 0
			       ? &lab_iommufd_ops
			       : &lab_type1_ops;
	for (unsigned i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		if (!strcmp(backends[i]->name, name))
			return backends[i];
	}
	lab_fail(EINVAL, "%s is \"%.32s\"; there are iommufd, type1 and noiommu", asked, name);
	return NULL;
}

struct lab_domain *lab_domain_create_on(const struct lab_domain_config *config,
					const struct lab_iommu_ops *ops, void *backend)
{
	struct lab_domain_priv *d;
	int err;

	if (config->mode > LAB_DOMAIN_STRICT) {
		lab_fail(EINVAL, "a domain's mode is guarded, premapped or strict, not %d",
			 (int)config->mode);
		return NULL;
	}
	if (config->address_bits &&
	    (config->address_bits < LAB_FRAME_SHIFT || config->address_bits > 64)) {
		lab_fail(EINVAL, "a domain's address_bits are 12 to 64, or 0 for all, not %u",
			 config->address_bits);
		return NULL;
	}
	if (ops->physical && config->mode == LAB_DOMAIN_STRICT) {
		lab_fail(EINVAL, "a strict domain needs an IOMMU, and the backend is \"%s\"",
			 ops->name);
		return NULL;
	}
	/* Of runs, for which the process's points are: see lab_fault.h. */
	if (lab_faults_read_process())
		return NULL;
	d = lab_fault_create() ? NULL : calloc(1, sizeof(*d));
	if (!d) {
		lab_fail(ENOMEM, "no memory for a domain");
		return NULL;
	}
	snprintf(d->name, sizeof(d->name), "%.31s",
		 config->name && *config->name ? config->name : "domain");
	d->ops = ops;
	d->backend = backend;
	d->mode = config->mode;
	d->address_bits = config->address_bits;
	d->fd = -1;
	lab_pieces_begin();
	lab_dma_lock();
	err = d->ops->open(d);
	if (!err) {
		err = lab_space_enlist(d);
		if (err)
			d->ops->close(d);
	}
	lab_dma_unlock();
	if (err) {
		free(d);
		errno = -err;
		return NULL;
	}
	return &d->domain;
}

struct lab_domain *lab_domain_create(const struct lab_domain_config *config)
{
	static const struct lab_domain_config zero;
	const struct lab_iommu_ops *ops;

	if (!config)
		config = &zero;
	ops = pick_backend(config->backend);
	return ops ? lab_domain_create_on(config, ops, NULL) : NULL;
}

/* ---- devices' numbers ---- */

static void release_number(struct lab_device *dev, struct lab_pool *pool)
{
	/* Fails where frames are in quarantine: then the number stays theirs. */
	lab_device_release(pool, dev->number[pool->id]);
	dev->number[pool->id] = -1;
}

static int give_numbers(struct lab_domain_priv *d, struct lab_pool *pool)
{
	for (struct lab_device *dev = d->devices; dev; dev = dev->next) {
		int number = lab_device_register(pool, dev->pci.address);

		if (number < 0) {
			for (struct lab_device *done = d->devices; done != dev; done = done->next)
				release_number(done, pool);
			return number;
		}
		dev->number[pool->id] = number;
	}
	return 0;
}

int lab_domain_admit(struct lab_domain_priv *d, struct lab_device *dev)
{
	for (unsigned id = 0; id < LAB_MAX_POOLS; id++) {
		int number;

		if (!d->map[id].pool)
			continue;
		number = lab_device_register(d->map[id].pool, dev->pci.address);
		if (number < 0) {
			lab_domain_dismiss(dev);
			return number;
		}
		dev->number[id] = number;
	}
	return 0;
}

void lab_domain_dismiss(struct lab_device *dev)
{
	for (unsigned id = 0; id < LAB_MAX_POOLS; id++) {
		if (dev->number[id] >= 0)
			release_number(dev, dev->domain->map[id].pool);
	}
}

/* ---- pools ---- */

/* Serial number of the pins; under the lock. */
static uint64_t last_pin;

/* A domain that has mapped the same pool, and whose pins serve @access. */
static struct lab_domain_priv *find_sharer(const struct lab_domain_priv *d,
					   const struct lab_pool *pool, unsigned access)
{
	for (struct lab_domain_priv *other = lab_space_list(); other; other = other->next) {
		const struct lab_domain_map *m = &other->map[pool->id];

		if (other != d && other->ops == d->ops && m->pool == pool && m->mapped &&
		    !(access & ~m->pin_access & LAB_DMA_WRITE))
			return other;
	}
	return NULL;
}

/* Its pages are pinned: by itself, or through another domain, which counts them. */
static void note_pins(struct lab_domain_priv *d, struct lab_domain_map *map,
		      const struct lab_domain_map *other)
{
	map->pin = other ? other->pin : ++last_pin;
	map->pin_access = other ? other->pin_access : map->at.access;
	d->stats.shared_bytes += other ? map->at.bytes : 0;
}

/* The pages stay pinned while any domain has them: if @d counted them, another one does now. */
static void pass_pins_on(struct lab_domain_priv *d, struct lab_domain_map *map)
{
	if (map->shared) {
		d->stats.shared_bytes -= map->at.bytes;
		return;
	}
	for (struct lab_domain_priv *other = lab_space_list(); other && map->pin;
	     other = other->next) {
		struct lab_domain_map *m = &other->map[map->pool->id];

		if (other != d && m->pool == map->pool && m->mapped && m->pin == map->pin) {
			m->shared = 0;
			other->stats.shared_bytes -= m->at.bytes;
			return;
		}
	}
}

/* Addresses, and for all but strict domains the mapping. */
static int place(struct lab_domain_priv *d, struct lab_domain_map *map, const char *what)
{
	const struct lab_pool *pool = map->pool;
	struct lab_domain_priv *sharer;
	int err;

	if (d->ops->physical) {
		if (pool->phys_delta)
			return 0;
		return lab_fail(ENOTSUP,
				"%s has no physical addresses, which domain '%s' needs: put it on "
				"hugepages, as root",
				what, d->name);
	}
	err = lab_space_reserve(d, &map->at, lab_pool_page_size(pool), 0, what);
	if (err || d->mode == LAB_DOMAIN_STRICT)
		return err;
	if (lab_pool_breathes(pool)) {
		err = lab_pieces_map(d, map, what);
		if (err)
			lab_space_release(d, &map->at);
		map->pieces = !err;
		return err;
	}
	sharer = find_sharer(d, pool, map->at.access);
	err = lab_space_map(d, &map->at, what, sharer, sharer ? sharer->map[pool->id].at.iova : 0,
			    &map->shared, &pool->priv->faults);
	if (err)
		lab_space_release(d, &map->at);
	map->mapped = !err;
	if (!err)
		note_pins(d, map, map->shared && sharer ? &sharer->map[pool->id] : NULL);
	return err;
}

static int displace(struct lab_domain_priv *d, struct lab_domain_map *map, const char *what)
{
	int err = map->mapped   ? lab_space_unmap(d, &map->at, what)
		  : map->pieces ? lab_pieces_unmap(d, map, what)
				: 0;

	if (err)
		return err;
	if (!d->ops->physical)
		lab_space_release(d, &map->at);
	pass_pins_on(d, map);
	return 0;
}

static int map_pool(struct lab_domain_priv *d, struct lab_pool *pool, unsigned access)
{
	struct lab_domain_map *map = &d->map[pool->id];
	struct lab_domain_pool *translate = &d->domain.pool[pool->id];
	char what[LAB_NAME_MAX + 8];
	int err;

	if (pool->priv->flags & LAB_POOL_NUMBERS)
		return lab_fail(EINVAL,
				"pool '%s' cannot be mapped in domain '%s': it is a pool of "
				"numbers, and has no memory",
				pool->priv->name, d->name);
	if (map->pool)
		return lab_fail(EEXIST, "pool '%s' is mapped in domain '%s' already",
				pool->priv->name, d->name);
	if (!d->devices)
		return lab_fail(
			ENODEV,
			"pool '%s' cannot be mapped in domain '%s' yet: open a device there "
			"first, only then the IOMMU says what addresses it can use",
			pool->priv->name, d->name);
	map->pool = pool;
	map->at = (struct lab_mapping){.addr = pool->base, .bytes = pool->bytes, .access = access};
	map->mapped = map->pieces = map->shared = 0;
	map->pin = 0;
	pool_what(pool, what);
	err = place(d, map, what);
	if (!err) {
		err = give_numbers(d, pool);
		if (err)
			displace(d, map, what);
	}
	if (err) {
		map->pool = NULL;
		return err;
	}
	map->delta = map->at.iova - (uint64_t)(uintptr_t)pool->base;
	translate->shift = d->ops->physical ? LAB_DELTA_SHIFT : 63;
	/* Release: who finds the table finds its shift and entries. */
	__atomic_store_n(&translate->delta, d->ops->physical ? pool->phys_delta : &map->delta,
			 __ATOMIC_RELEASE);
	/* Relaxed: only read at the pool's destruction, which the caller orders after this. */
	__atomic_fetch_add(&pool->priv->domains, 1, __ATOMIC_RELAXED);
	return 0;
}

static int refuse_lent(const struct lab_domain_priv *d, const struct lab_pool *pool)
{
	for (const struct lab_device *dev = d->devices; dev && pool->state; dev = dev->next) {
		uint64_t lent = lab_frame_table_count_state(pool->state, pool->frames,
							    LAB_STATE_LENT(dev->number[pool->id]));

		if (lent)
			return lab_fail(EBUSY,
					"pool '%s' cannot be unmapped from domain '%s': %" PRIu64
					" frames are lent to %s; take them back first",
					pool->priv->name, d->name, lent, dev->pci.address);
	}
	return 0;
}

static int unmap_pool(struct lab_domain_priv *d, struct lab_pool *pool)
{
	struct lab_domain_map *map = &d->map[pool->id];
	char what[LAB_NAME_MAX + 8];
	int err;

	if (map->pool != pool)
		return lab_fail(ENOENT, "pool '%s' is not mapped in domain '%s'", pool->priv->name,
				d->name);
	err = refuse_lent(d, pool);
	if (!err)
		err = displace(d, map, pool_what(pool, what));
	if (err)
		return err;
	__atomic_store_n(&d->domain.pool[pool->id].delta, NULL, __ATOMIC_RELAXED);
	for (struct lab_device *dev = d->devices; dev; dev = dev->next)
		release_number(dev, pool);
	map->pool = NULL;
	/* Release: the destruction that finds no domain finds the mapping gone. */
	__atomic_fetch_sub(&pool->priv->domains, 1, __ATOMIC_RELEASE);
	return 0;
}

static int check_arguments(const struct lab_domain *domain, const struct lab_pool *pool)
{
	if (!domain || !pool)
		return lab_fail(EINVAL, "a domain and a pool are needed; NULL was passed");
	return lab_space_usable((const struct lab_domain_priv *)domain);
}

int lab_domain_map_pool(struct lab_domain *domain, struct lab_pool *pool, unsigned access)
{
	int err = check_arguments(domain, pool);

	if (err)
		return err;
	if (!access || access & ~(unsigned)LAB_DMA_BOTH)
		return lab_fail(EINVAL,
				"a pool's access is LAB_DMA_READ, LAB_DMA_WRITE or both, not 0x%x",
				access);
	lab_dma_lock();
	err = map_pool((struct lab_domain_priv *)domain, pool, access);
	lab_dma_unlock();
	return err;
}

int lab_domain_unmap_pool(struct lab_domain *domain, struct lab_pool *pool)
{
	int err = check_arguments(domain, pool);

	if (err)
		return err;
	lab_dma_lock();
	err = unmap_pool((struct lab_domain_priv *)domain, pool);
	lab_dma_unlock();
	return err;
}

int lab_domain_premap(struct lab_domain_priv *d)
{
	struct lab_pool *pool[LAB_MAX_POOLS], *fresh[LAB_MAX_POOLS];
	unsigned n = lab_lcore_pools(pool), done = 0;

	for (unsigned i = 0; i < n; i++) {
		int err;

		if (d->map[pool[i]->id].pool)
			continue;
		err = map_pool(d, pool[i], LAB_DMA_BOTH);
		if (err) {
			while (done)
				unmap_pool(d, fresh[--done]);
			errno = -err;
			return err;
		}
		fresh[done++] = pool[i];
	}
	return 0;
}

/* ---- the rest ---- */

int lab_domain_destroy(struct lab_domain *domain)
{
	struct lab_domain_priv *d = (struct lab_domain_priv *)domain;
	int err = 0;

	if (!d)
		return 0;
	lab_dma_lock();
	if (d->inherited) {
		free(d->mappings.mapping);
		lab_iova_fini(&d->space);
		free(d);
		lab_dma_unlock();
		return 0;
	}
	if (d->devices)
		err = lab_fail(
			EBUSY,
			"domain '%s' cannot be destroyed: %s and %u other devices are open in "
			"it; close them first",
			d->name, d->devices->pci.address, d->stats.devices - 1);
	for (unsigned id = 0; id < LAB_MAX_POOLS && !err; id++) {
		if (d->map[id].pool)
			err = unmap_pool(d, d->map[id].pool);
	}
	if (!err) {
		lab_run_fini(d);
		d->ops->close(d);
		lab_space_delist(d);
		lab_iova_fini(&d->space);
		free(d->mappings.mapping);
		free(d);
	}
	lab_dma_unlock();
	return err;
}

const char *lab_domain_name(const struct lab_domain *domain)
{
	return ((const struct lab_domain_priv *)domain)->name;
}

const char *lab_domain_backend(const struct lab_domain *domain)
{
	return ((const struct lab_domain_priv *)domain)->ops->name;
}

enum lab_domain_mode lab_domain_mode(const struct lab_domain *domain)
{
	return ((const struct lab_domain_priv *)domain)->mode;
}

void lab_domain_stats(struct lab_domain *domain, struct lab_domain_stats *stats)
{
	struct lab_domain_priv *d = (struct lab_domain_priv *)domain;

	lab_dma_lock();
	/* Threads of a strict domain count on without the lock. */
	*stats = (struct lab_domain_stats){
		.entries = lab_load(&d->stats.entries),
		.entry_limit = d->stats.entry_limit,
		.bytes = lab_load(&d->stats.bytes),
		.shared_bytes = d->stats.shared_bytes,
		.maps = lab_load(&d->stats.maps),
		.unmaps = lab_load(&d->stats.unmaps),
		.devices = d->stats.devices,
	};
	lab_dma_unlock();
}
