/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The seam between domains and devices above and the kernel's interfaces below: what a backend
 * implements, and the parts of a domain and a device that it reads. A unit test puts a fake here.
 */
#ifndef IOMMU_H
#define IOMMU_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include <labyrinth/lab_device.h>
#include <labyrinth/lab_domain.h>

#include "iova.h"
#include "pci.h"

#define LAB_DOMAIN_NAME_MAX 32
/** PCI BARs of a function (PCI Local Bus Specification 3.0, 6.1). */
#define LAB_BARS 6
/** Most interrupts of a function (MSI-X table size, PCI 3.0, 6.8.2). */
#define LAB_IRQS_MAX 2048

struct lab_domain_priv;
struct lab_run_chunk;
struct lab_vfio_group;

/** struct lab_mapping - memory that devices see at an address. */
struct lab_mapping {
	void *addr;
	uint64_t iova;
	uint64_t bytes;
	unsigned access; /* of enum lab_dma_access */
};

/**
 * struct lab_iommu_limits - what an address space can do, once a device is in it.
 * @range: usable addresses; allocated by the backend, freed by the caller.
 * @count: how many ranges.
 * @page: smallest page in bytes.
 * @entries: mappings that can still be added, or 0 if the kernel sets no limit.
 */
struct lab_iommu_limits {
	struct lab_iova_range *range;
	unsigned count;
	uint64_t page;
	uint64_t entries;
};

/** enum lab_irq_kind - VFIO's interrupt indexes for PCI (linux/vfio.h), in its order. */
enum lab_irq_kind {
	LAB_IRQ_INTX,
	LAB_IRQ_MSI,
	LAB_IRQ_MSIX,
	LAB_IRQ_ERR, /* the device has failed */
	LAB_IRQ_REQ, /* the kernel wants it back */
	LAB_IRQ_KINDS
};

/**
 * struct lab_iommu_ops - a backend. Calls return 0 or -errno; those marked * set a sentence, for
 * the others the caller knows better what to say. The caller holds the control path's lock, but for
 * @map and @unmap of a strict domain's frames, which are thread-safe.
 * @name: what lab_domain_config.backend says.
 * @physical: IOVAs are physical addresses: nothing is mapped, @map and @unmap are not called.
 * @counts_by_user: RLIMIT_MEMLOCK is held against what all processes of a user have pinned, not
 *	against what this one has locked.
 * @forgetful: the mappings end with the last device, and are to be made again with the next.
 * @find: * look a function up by its address, and say what it is.
 * @open: * prepare d->fd.
 * @close: the reverse; all mappings end.
 * @abandon: in a child of fork(): close the child's descriptors, and nothing else.
 * @attach: * open dev->fd inside the address space. dev->pci is filled.
 * @detach: the reverse; closes dev->fd.
 * @limits: * what can be used. There is a device.
 * @map: let devices reach memory.
 * @unmap: the reverse, for exactly one or several whole mappings side by side.
 * @share: like @map, for memory that domain @from has mapped at @from_iova: its pages are pinned
 *	once. NULL where there is no such thing.
 * @describe: * fill the rest of dev: BARs, interrupts, configuration space, reset.
 * @reset: reset the function.
 * @irqs: connect the first @n interrupts of a kind to event descriptors; @n = 0 disconnects.
 * @irq_unmask: of INTx.
 */
struct lab_iommu_ops {
	const char *name;
	int physical;
	int counts_by_user;
	int forgetful;
	int (*find)(const char *address, struct lab_pci *pci);
	int (*open)(struct lab_domain_priv *d);
	void (*close)(struct lab_domain_priv *d);
	void (*abandon)(struct lab_domain_priv *d);
	int (*attach)(struct lab_domain_priv *d, struct lab_device *dev);
	void (*detach)(struct lab_domain_priv *d, struct lab_device *dev);
	int (*limits)(struct lab_domain_priv *d, struct lab_iommu_limits *limits);
	int (*map)(struct lab_domain_priv *d, const struct lab_mapping *m);
	int (*unmap)(struct lab_domain_priv *d, uint64_t iova, uint64_t bytes);
	int (*share)(struct lab_domain_priv *d, const struct lab_mapping *m,
		     struct lab_domain_priv *from, uint64_t from_iova);
	int (*describe)(struct lab_device *dev);
	int (*reset)(struct lab_device *dev);
	int (*irqs)(struct lab_device *dev, enum lab_irq_kind kind, unsigned n, const int *fds);
	int (*irq_unmask)(struct lab_device *dev);
};

/**
 * struct lab_domain_map - a pool's place in a domain.
 * @pool: NULL: there is none.
 * @at: where, and for what.
 * @delta: what lab_domain_pool.delta points to, where one entry translates the whole pool.
 * @mapped: 0 where frames are mapped one by one, or addresses are physical.
 * @pieces: 1 where each hugepage is mapped by itself, because it may go (breath.h).
 * @pin: what pinned its pages, the same for all domains that share them; 0: nothing did.
 * @pin_access: what these pins serve: a page pinned for reading cannot be shared for writing.
 * @shared: its pages are counted in another domain.
 */
struct lab_domain_map {
	struct lab_pool *pool;
	struct lab_mapping at;
	uint64_t delta;
	int mapped;
	int pieces;
	uint64_t pin;
	unsigned pin_access;
	int shared;
};

/** struct lab_mapping_list - what the kernel has been told to map, but for single frames. */
struct lab_mapping_list {
	struct lab_mapping *mapping;
	unsigned count;
	unsigned room;
};

/** struct lab_domain_priv - a domain; the public part first, so that one pointer is both. */
struct lab_domain_priv {
	struct lab_domain domain;
	const struct lab_iommu_ops *ops;
	void *backend; /* the backend's own */
	int fd;
	uint32_t ioas; /* iommufd's number of the address space */
	char name[LAB_DOMAIN_NAME_MAX];
	enum lab_domain_mode mode;
	uint32_t address_bits;
	struct lab_iova_space space;
	struct lab_mapping_list mappings;
	struct lab_domain_map map[LAB_MAX_POOLS];
	struct lab_run_chunk *runs;
	struct lab_vfio_group *groups; /* type1's */
	struct lab_device *devices;
	struct lab_domain_stats stats; /* entries, bytes, maps, unmaps are relaxed atomics */
	struct lab_domain_priv *next;  /* of all domains */
	int inherited;                 /* 1 in a child of fork() */
};

/** struct lab_bar - a region of VFIO's device descriptor. */
struct lab_bar {
	uint64_t offset;
	uint64_t bytes; /* 0: none, or I/O ports */
	void *addr;     /* where it is mapped, or NULL */
};

/** struct lab_device - an open function. */
struct lab_device {
	struct lab_domain_priv *domain;
	struct lab_pci pci;
	int fd;
	struct lab_vfio_group *group; /* type1's */
	uint64_t config_offset;
	uint64_t config_bytes;
	struct lab_bar bar[LAB_BARS];
	unsigned irq_count[LAB_IRQ_KINDS];
	int can_reset;
	/* what lab_device_register() gave, by pool id; -1: none. Written under the lock, before the
	 * caller learns that the pool is mapped. */
	int number[LAB_MAX_POOLS];
	enum lab_irq_kind irq_kind;
	unsigned irqs;
	int *irq_fd;
	struct lab_watch *watch;
	struct lab_device *next; /* of the domain */
};

extern const struct lab_iommu_ops lab_iommufd_ops;
extern const struct lab_iommu_ops lab_type1_ops;
extern const struct lab_iommu_ops lab_noiommu_ops;

#endif
