/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Frames on their way to a device and back. The data path of a device: a state byte and a table
 * look-up a frame, and in a strict domain the mapping too.
 */
#include <errno.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_lend.h>

#include "error.h"
#include "lcore.h"
#include "pool.h"
#include "space.h"

static int refuse_pool(const struct lab_device *dev, const struct lab_pool *pool)
{
	if (!pool)
		return lab_fail(EINVAL, "%s: frames have a pool; NULL was passed",
				dev->pci.address);
	return lab_fail(
		EPERM,
		"frames of pool '%s' cannot be lent to %s: the pool is not mapped in domain "
		"'%s'; lab_domain_map_pool() first",
		pool->priv->name, dev->pci.address, dev->domain->name);
}

/* The device's number in a pool that its domain maps, or -errno. */
static int number_of(const struct lab_device *dev, const struct lab_pool *pool)
{
	int number = lab_likely(pool != NULL) ? dev->number[pool->id] : -1;

	return lab_likely(number >= 0) ? number : refuse_pool(dev, pool);
}

/* Frames are lent already, and now mapped: 0, or how many at the end could not be. */
static unsigned map_frames(struct lab_device *dev, struct lab_pool *pool, void *const *frames,
			   unsigned n)
{
	struct lab_domain_priv *d = dev->domain;
	struct lab_mapping m = {.bytes = LAB_FRAME_SIZE, .access = d->map[pool->id].at.access};

	for (unsigned i = 0; i < n; i++) {
		m.addr = frames[i];
		m.iova = lab_domain_iova(&d->domain, pool, frames[i]);
		if (lab_space_map_frame(d, &m, n - i, "a lent frame", &pool->priv->faults))
			return n - i;
	}
	return 0;
}

unsigned lab_device_lend(struct lab_device *dev, struct lab_pool *pool, void *const *frames,
			 unsigned n, uint64_t *iova)
{
	int number = number_of(dev, pool);
	unsigned done;

	if (lab_unlikely(number < 0))
		return 0;
	done = lab_lend(pool, number, frames, n);
	if (lab_unlikely(dev->domain->mode == LAB_DOMAIN_STRICT) && done) {
		unsigned failed = map_frames(dev, pool, frames, done);
		int err = errno;

		done -= failed;
		lab_take_back(pool, number, frames + done, failed);
		errno = err;
	}
	for (unsigned i = 0; iova && i < done; i++)
		iova[i] = lab_domain_iova(&dev->domain->domain, pool, frames[i]);
	return done;
}

/* How many of the first frames lie one behind the other and are all lent to the device. */
static unsigned stretch(const struct lab_pool *pool, int number, void *const *frames, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		uint32_t index = lab_frame_index(pool, frames[i]);

		if (index == LAB_FRAME_NONE ||
		    (i && (char *)frames[i] != (char *)frames[i - 1] + LAB_FRAME_SIZE))
			break;
		if (pool->state && lab_load(&pool->state[index]) != LAB_STATE_LENT(number))
			break;
	}
	return i;
}

/* The IOMMU first, the owner's byte then: nobody holds what a device still reaches. */
static unsigned take_back_strict(struct lab_device *dev, struct lab_pool *pool, int number,
				 void *const *frames, unsigned n)
{
	const struct lab_domain *domain = &dev->domain->domain;
	unsigned done = 0;

	/* Before anything is unmapped: a thread without an lcore could hold nothing. */
	if (!lab_lcore_self(pool))
		return 0;
	while (done < n) {
		unsigned len = stretch(pool, number, frames + done, n - done);

		/* What cannot be taken back is refused there, with a sentence. */
		if (!len)
			return done + lab_take_back(pool, number, frames + done, 1);
		if (lab_space_unmap_frames(dev->domain, lab_domain_iova(domain, pool, frames[done]),
					   len, pool->priv->name))
			return done;
		done += lab_take_back(pool, number, frames + done, len);
	}
	return done;
}

unsigned lab_device_take_back(struct lab_device *dev, struct lab_pool *pool, void *const *frames,
			      unsigned n)
{
	int number = number_of(dev, pool);

	if (lab_unlikely(number < 0))
		return 0;
	if (lab_unlikely(dev->domain->mode == LAB_DOMAIN_STRICT))
		return take_back_strict(dev, pool, number, frames, n);
	return lab_take_back(pool, number, frames, n);
}

int lab_device_note_sending(struct lab_device *dev, struct lab_pool *pool, uint32_t n)
{
	int number = number_of(dev, pool);

	return lab_unlikely(number < 0) ? number : lab_note_sending(pool, number, n);
}
