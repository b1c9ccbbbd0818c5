/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Domains: the IOMMU address spaces in which devices see pools, and nothing else. Control path:
 * every call may sleep, but lab_domain_iova(), which is a table look-up.
 */
#ifndef LAB_DOMAIN_H
#define LAB_DOMAIN_H

#include <stdint.h>

#include "lab_frame.h"
#include "lab_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum lab_dma_access - what a device may do to memory.
 * @LAB_DMA_READ: read it, as for sending.
 * @LAB_DMA_WRITE: write it, as for receiving. VT-d under Linux (up to 6.12 at least) cannot keep a
 *	device from reading what it may write: there this is LAB_DMA_BOTH.
 * @LAB_DMA_BOTH: both.
 */
enum lab_dma_access {
	LAB_DMA_READ = 1 << 0,
	LAB_DMA_WRITE = 1 << 1,
	LAB_DMA_BOTH = LAB_DMA_READ | LAB_DMA_WRITE,
};

/**
 * enum lab_domain_mode - how much a domain's devices reach.
 * @LAB_DOMAIN_GUARDED: the pools that were given to the domain by lab_domain_map_pool(), whole.
 *	Lending costs a store a frame.
 * @LAB_DOMAIN_PREMAPPED: likewise, and opening a device maps every pool that the process has at
 *	that moment, for reading and writing.
 * @LAB_DOMAIN_STRICT: of these pools only the frames that are lent now. Each lend maps and each
 *	take-back unmaps, with a system call for each, so both may sleep: for control buffers, or
 *	for batches off the polling thread. All devices of one domain reach what is lent to one of
 *them.
 *
 * In every mode a device also reaches the runs of its domain; never the allocator's own tables.
 */
enum lab_domain_mode {
	LAB_DOMAIN_GUARDED,
	LAB_DOMAIN_PREMAPPED,
	LAB_DOMAIN_STRICT,
};

/**
 * struct lab_domain_config - what to make. All zero is a good domain.
 * @name: up to 31 characters, for messages; NULL gives "domain".
 * @backend: "iommufd", "type1", or "noiommu"; NULL: what the environment variable LABYRINTH_IOMMU
 *	names, or else iommufd where the kernel has it, and VFIO type1 where not. "noiommu" must be
 *	named: without an IOMMU a device can write anywhere in the machine.
 * @mode: of enum lab_domain_mode.
 * @address_bits: 12 to 64: no IOVA is wider, for devices with a narrow address bus; 0: as wide as
 *	the IOMMU allows.
 */
struct lab_domain_config {
	const char *name;
	const char *backend;
	enum lab_domain_mode mode;
	uint32_t address_bits;
};

/**
 * struct lab_domain_pool - how to translate one pool's addresses.
 * @delta: what to add to a virtual address, by (offset in the pool) >> @shift; NULL: not mapped.
 * @shift: 63 where the whole pool is contiguous, so that there is one entry.
 */
struct lab_domain_pool {
	const uint64_t *delta;
	uint64_t shift;
};

/**
 * struct lab_domain - an address space. The first member is here so that translation can be
 * inlined; the rest is the library's own.
 * @pool: by lab_pool.id.
 */
struct lab_domain {
	struct lab_domain_pool pool[LAB_MAX_POOLS];
};

/**
 * struct lab_domain_stats - what a domain has mapped.
 * @entries: mappings that exist now: one a pool, or of a pool that breathes one a hugepage; one a
 *	run; and in strict mode one a lent frame.
 * @entry_limit: most that the kernel allows (type1: dma_entry_limit), or 0 if it sets no limit.
 * @bytes: mapped now.
 * @shared_bytes: of these, pinned through another domain already, and counted there (IOAS_COPY).
 * @maps: map calls made to the kernel, ever.
 * @unmaps: unmap calls made to the kernel, ever.
 * @devices: open in this domain.
 */
struct lab_domain_stats {
	uint64_t entries;
	uint64_t entry_limit;
	uint64_t bytes;
	uint64_t shared_bytes;
	uint64_t maps;
	uint64_t unmaps;
	uint32_t devices;
};

/**
 * lab_domain_create() - make an address space without devices and mappings.
 * @config: what to make; read during the call only. NULL is all zero.
 *
 * Return: the domain, owned by the caller until lab_domain_destroy(); or NULL with errno and a
 * sentence in lab_error_text(): EINVAL (a bad field, named), ENODEV (this kernel has no VFIO, or
 * not the backend that was named: the text says what to load), EACCES (no permission on
 * /dev/vfio/vfio or /dev/iommu), ENOMEM.
 *
 * Thread-safe; may sleep.
 */
struct lab_domain *lab_domain_create(const struct lab_domain_config *config);

/**
 * lab_domain_destroy() - unmap everything, free the runs, give the address space back.
 * @domain: a domain that no thread is using any more; NULL is allowed and does nothing.
 *
 * Return: 0; -EBUSY, and the domain lives on: devices are open in it (close them first).
 *
 * May sleep.
 */
int lab_domain_destroy(struct lab_domain *domain);

/** lab_domain_name() - the domain's name; valid as long as the domain. */
const char *lab_domain_name(const struct lab_domain *domain);

/** lab_domain_backend() - "iommufd", "type1" or "noiommu"; valid as long as the domain. */
const char *lab_domain_backend(const struct lab_domain *domain);

/** lab_domain_mode() - the domain's mode. */
enum lab_domain_mode lab_domain_mode(const struct lab_domain *domain);

/**
 * lab_domain_map_pool() - let the domain's devices reach a pool.
 * @domain: a domain in which a device is open: only then does the kernel tell what addresses the
 *	IOMMU can use.
 * @pool: the pool. It cannot be destroyed while it is mapped. One pool may be mapped in several
 *	domains; iommufd then pins its pages once.
 * @access: of enum lab_dma_access.
 *
 * The whole pool becomes one range of IOVAs, aligned as its hugepages are, with one entry in the
 * IOMMU's accounts; or, of a pool that breathes, an entry for each hugepage: those that come are
 * mapped before their first frame can be allocated, and unmapped before they go. In strict mode the
 * range is set aside and nothing is mapped.
 *
 * Return: 0, or -errno with a sentence and nothing changed: -EINVAL, -EEXIST (it is mapped here
 * already), -ENODEV (no device is open in the domain yet), -ENOMEM (RLIMIT_MEMLOCK: the text says
 * what is needed), -ENOSPC (the kernel's limit of entries, or no IOVAs that are free and wide
 * enough), -ENOTSUP (noiommu, and a pool without physical addresses).
 *
 * Thread-safe; may sleep.
 */
int lab_domain_map_pool(struct lab_domain *domain, struct lab_pool *pool, unsigned access);

/**
 * lab_domain_unmap_pool() - the reverse.
 *
 * The caller sees to it that no thread is lending frames of the pool in this domain meanwhile.
 *
 * Return: 0; -ENOENT: it is not mapped here; -EBUSY: frames are still lent to a device of the
 * domain, the text says how many and to whom.
 */
int lab_domain_unmap_pool(struct lab_domain *domain, struct lab_pool *pool);

/**
 * lab_domain_iova() - the address that the domain's devices use for a byte of a pool.
 * @domain: the domain.
 * @pool: the pool.
 * @addr: a pointer to a frame, or into one.
 *
 * In strict mode the address leads somewhere only while the frame is lent.
 *
 * Return: the address, or LAB_ADDR_NONE if @addr is outside the pool or the pool is not mapped.
 *
 * Thread-safe; never sleeps: a table look-up.
 */
static inline uint64_t lab_domain_iova(const struct lab_domain *domain, const struct lab_pool *pool,
				       const void *addr)
{
	const struct lab_domain_pool *p = &domain->pool[pool->id];
	uint64_t off = (uint64_t)((uintptr_t)addr - (uintptr_t)pool->base);

	if (lab_unlikely(off >= pool->bytes || !p->delta))
		return LAB_ADDR_NONE;
	return (uint64_t)(uintptr_t)addr + p->delta[off >> p->shift];
}

/** lab_domain_stats() - what the domain has mapped, now. Thread-safe. */
void lab_domain_stats(struct lab_domain *domain, struct lab_domain_stats *stats);

/**
 * struct lab_run - frames beside each other in a device's eyes, for descriptor rings.
 * @addr: the first byte, zeroed.
 * @iova: the address that the domain's devices use for it.
 * @frames: how many.
 *
 * Runs are the domain's own memory, on a hugepage where one is free: not frames of a pool, and not
 * counted there.
 */
struct lab_run {
	void *addr;
	uint64_t iova;
	uint32_t frames;
};

/**
 * lab_run_alloc() - a run of frames, mapped for the domain's devices.
 * @domain: a domain in which a device is open.
 * @frames: how many, 1 to 512 (2 MiB).
 * @align: bytes, a power of two from 4096 to 2 MiB, to which @iova is aligned; 0 means 4096.
 * @access: of enum lab_dma_access.
 * @run: receives the run.
 *
 * Return: 0, or -errno with a sentence and nothing changed, as lab_domain_map_pool().
 *
 * Thread-safe; may sleep.
 */
int lab_run_alloc(struct lab_domain *domain, uint32_t frames, uint64_t align, unsigned access,
		  struct lab_run *run);

/**
 * lab_run_free() - unmap a run and reuse its memory.
 * @domain: the domain it came from.
 * @run: the run; *@run is zero after the call. A zero run does nothing.
 *
 * The device must not be using it: call it after a reset, or after the queue is off.
 *
 * Return: 0; -ENOENT: the domain has no such run.
 *
 * Thread-safe; may sleep.
 */
int lab_run_free(struct lab_domain *domain, struct lab_run *run);

#ifdef __cplusplus
}
#endif
#endif
