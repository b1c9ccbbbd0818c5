/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Registering a pool's memory with EAL, and mapping it for devices.
 */
#include <errno.h>
#include <stdlib.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include <labyrinth/lab_rte.h>
#include <labyrinth/labyrinth.h>

#include "error.h"
#include "log.h"
#include "memory.h"

uint64_t memory_iova(const struct lab_pool *pool, const void *address)
{
	uint64_t phys;

	if (rte_eal_iova_mode() == RTE_IOVA_VA)
		return (uintptr_t)address;
	phys = lab_frame_phys(pool, address);
	return phys == LAB_ADDR_NONE ? RTE_BAD_IOVA : phys;
}

uint64_t memory_contiguous(const struct lab_pool *pool, const char *at)
{
	uint64_t page = lab_pool_page_size(pool), n = page, bytes;
	const char *first = lab_pool_memory(pool, (size_t *)&bytes);
	uint64_t iova = memory_iova(pool, at);

	while (at + n < first + bytes && memory_iova(pool, at + n) == iova + n)
		n += page;
	return n;
}

static int is_registered(const void *first, size_t bytes)
{
	const struct rte_memseg_list *list = rte_mem_virt2memseg_list(first);

	return list && list->base_va == first && list->len == bytes;
}

int memory_register(struct lab_pool *pool)
{
	uint64_t page = lab_pool_page_size(pool);
	size_t bytes;
	char *first = lab_pool_memory(pool, &bytes);
	unsigned pages = (unsigned)(bytes / page);
	rte_iova_t *iova;
	int err = 0;

	if (!first)
		return lab_fail(EINVAL, "pool '%s' has no memory that EAL could know of",
				lab_pool_name(pool));
	if (is_registered(first, bytes))
		return 0;
	iova = malloc(pages * sizeof(*iova));
	if (!iova)
		return lab_fail(ENOMEM, "no memory to list the %u pages of pool '%s'", pages,
				lab_pool_name(pool));
	for (unsigned i = 0; i < pages && !err; i++) {
		iova[i] = memory_iova(pool, first + i * page);
		if (iova[i] == RTE_BAD_IOVA)
			err = lab_fail(ENOTSUP,
				       "EAL's devices use physical addresses, and those of pool "
				       "'%s' are not known: run as root with hugepages, or with "
				       "--iova-mode=va",
				       lab_pool_name(pool));
	}
	if (!err && rte_extmem_register(first, bytes, iova, pages, page))
		err = lab_fail(rte_errno,
			       "EAL does not take the memory of pool '%s' (rte_extmem_register: "
			       "%s)",
			       lab_pool_name(pool), rte_strerror(rte_errno));
	free(iova);
	return err;
}

void memory_unregister(struct lab_pool *pool)
{
	size_t bytes;
	void *first = lab_pool_memory(pool, &bytes);

	if (first && is_registered(first, bytes) && rte_extmem_unregister(first, bytes))
		LOG(ERR,
		    "EAL keeps a list of the memory of pool '%s' (%s): a secondary process has it "
		    "still\n",
		    lab_pool_name(pool), rte_strerror(rte_errno));
}

void memory_attach(const struct lab_pool *pool)
{
	size_t bytes;
	void *first = lab_pool_memory(pool, &bytes);

	if (rte_extmem_attach(first, bytes))
		LOG(ERR, "EAL does not know the memory of pool '%s' in this process (%s)\n",
		    lab_pool_name(pool), rte_strerror(rte_errno));
}

void memory_detach(const struct lab_pool *pool)
{
	size_t bytes;
	void *first = lab_pool_memory(pool, &bytes);

	if (first)
		rte_extmem_detach(first, bytes);
}

/* ---- for devices ---- */

/* DPDK 22.11 calls them experimental; there are no others. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

typedef int (*map_fn)(struct rte_device *dev, void *addr, uint64_t iova, size_t len);

/* Each contiguous part. Return: 0 or a negative errno. @done: how many bytes were mapped. */
static int map_parts(const struct lab_pool *pool, struct rte_device *dev, map_fn map, size_t bytes,
		     size_t *done)
{
	char *first = lab_pool_memory(pool, NULL);

	for (*done = 0; *done < bytes;) {
		char *at = first + *done;
		uint64_t n = RTE_MIN(memory_contiguous(pool, at), bytes - *done);

		if (map(dev, at, memory_iova(pool, at), n))
			return -(rte_errno ? rte_errno : EIO);
		*done += n;
	}
	return 0;
}

static int refuse(const char *call)
{
	rte_errno = EINVAL;
	return lab_fail(EINVAL, "%s() needs a pool and a device", call);
}

int lab_rte_dma_map(struct lab_pool *pool, struct rte_device *dev)
{
	size_t bytes = 0, done = 0, undone;
	int err;

	if (!pool || !dev)
		return refuse("lab_rte_dma_map");
	/* Objects in EAL's memory: EAL has it mapped. */
	if (!lab_pool_memory(pool, NULL))
		return 0;
	err = memory_register(pool);
	if (err) {
		rte_errno = -err;
		return err;
	}
	lab_pool_memory(pool, &bytes);
	err = map_parts(pool, dev, rte_dev_dma_map, bytes, &done);
	if (err == -ENOTSUP && done == 0)
		return 0; /* a device that reads memory as the program does */
	if (!err)
		return 0;
	map_parts(pool, dev, rte_dev_dma_unmap, done, &undone);
	lab_fail(-err, "pool '%s' cannot be mapped for device %s (%s)", lab_pool_name(pool),
		 rte_dev_name(dev), rte_strerror(-err));
	rte_errno = -err;
	return err;
}

void lab_rte_forget(struct lab_pool *pool)
{
	if (pool)
		memory_unregister(pool);
}

int lab_rte_dma_unmap(struct lab_pool *pool, struct rte_device *dev)
{
	size_t bytes = 0, done = 0;
	int err;

	if (!pool || !dev)
		return refuse("lab_rte_dma_unmap");
	lab_pool_memory(pool, &bytes);
	err = map_parts(pool, dev, rte_dev_dma_unmap, bytes, &done);
	return err == -ENOTSUP && done == 0 ? 0 : err;
}
