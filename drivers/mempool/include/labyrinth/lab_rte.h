/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Labyrinth under DPDK. A stock program needs none of this: it loads librte_mempool_labyrinth.so
 * (-d) and names its ops (--mbuf-pool-ops-name=labyrinth). This is for programs that want more than
 * that: mempools whose objects are exactly one frame each, and frames as external buffers of mbufs.
 *
 * Link with -lrte_mempool_labyrinth (labyrinth-dpdk.pc). EAL must have been initialised. All calls
 * here are for the control path and may sleep, except lab_rte_extbuf_attach() and what frees an
 * mbuf. Where one fails it sets rte_errno, and lab_error_text() says why in a sentence.
 */
#ifndef LAB_RTE_H
#define LAB_RTE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lab_pool;
struct rte_device;
struct rte_mbuf;
struct rte_mempool;

/** Name of the mempool ops, as --mbuf-pool-ops-name and rte_mempool_set_ops_byname() take it. */
#define LAB_RTE_OPS "labyrinth"

/** Bytes before an object of a mempool: DPDK's header of it. It lies in the frame. */
#define LAB_RTE_HEADER 64
/** Bytes of an element of lab_rte_mempool_create(): a frame less that header. */
#define LAB_RTE_ELEMENT (4096 - LAB_RTE_HEADER)
/** Bytes of data, headroom included, in an mbuf of lab_rte_pktmbuf_pool_create() without private
 * area: a frame less the header and less struct rte_mbuf. */
#define LAB_RTE_DATA_ROOM (LAB_RTE_ELEMENT - 128)

/**
 * enum lab_rte_flags - of the functions that create mempools.
 * @LAB_RTE_EAL_MEMORY: the frames lie in memory of EAL's, which it can hand to others (virtio-user
 *	needs that), and not in memory of Labyrinth's.
 * @LAB_RTE_FALLBACK: on ordinary pages where hugepages cannot be had, as LAB_POOL_FALLBACK.
 */
enum lab_rte_flags {
	LAB_RTE_EAL_MEMORY = 1 << 0,
	LAB_RTE_FALLBACK = 1 << 1,
};

/**
 * lab_rte_mempool_create() - a mempool whose objects are one frame each: DPDK's header, and then
 * LAB_RTE_ELEMENT bytes.
 * @name: of the mempool, unlike any other.
 * @n: how many objects; rounded up to whole pages of the frames (512 on hugepages of 2 MiB).
 * @cache_size: of each lcore's cache, as rte_mempool_create() takes it; rounded up to a multiple of
 *	64. It is Labyrinth's; DPDK's own in front of it is left out. 0: no object stays in a cache.
 * @socket_id: NUMA node of the frames, or SOCKET_ID_ANY.
 * @flags: of enum lab_rte_flags.
 *
 * The objects are dense in virtual addresses, from a multiple of 4096 on. EAL knows the memory
 * (rte_extmem_register()); for devices behind an IOMMU there is lab_rte_dma_map().
 *
 * Return: the mempool, until lab_rte_mempool_free(); or NULL. Not thread-safe, as with DPDK.
 */
struct rte_mempool *lab_rte_mempool_create(const char *name, unsigned n, unsigned cache_size,
					   int socket_id, unsigned flags);

/**
 * lab_rte_pktmbuf_pool_create() - the same of mbufs: header, mbuf, private area and data inside one
 * frame.
 * @priv_size: of each mbuf's private area, a multiple of 8, 0 for none. It is taken from the data:
 *	LAB_RTE_DATA_ROOM - @priv_size bytes, headroom included, remain.
 */
struct rte_mempool *lab_rte_pktmbuf_pool_create(const char *name, unsigned n, unsigned cache_size,
						uint16_t priv_size, int socket_id, unsigned flags);

/**
 * lab_rte_mempool_free() - give a mempool of the two above back, with its memory.
 * @mp: no object of it is in use, and no device has it mapped; NULL is allowed.
 *
 * Return: 0; or how many objects were still in use: they are gone now.
 */
int64_t lab_rte_mempool_free(struct rte_mempool *mp);

/**
 * lab_rte_mempool_pool() - the Labyrinth pool behind a mempool with Labyrinth's ops, for its
 * statistics and reports.
 *
 * Its frames are the objects' numbers: in a mempool of the functions above these are the frames
 * that the objects lie in; in others the pool has no memory (lab_numbers.h).
 *
 * In a secondary process this, or any get or put, attaches to a pool of the functions above: before
 * that its memory is not there, so who receives mbufs without having allocated any calls this
 * first.
 *
 * Return: the pool, as long as the mempool; or NULL: its ops are others.
 */
struct lab_pool *lab_rte_mempool_pool(const struct rte_mempool *mp);

/**
 * lab_rte_dma_map() - let a device of DPDK's reach a pool's frames.
 * @pool: one of the program's own, or lab_rte_mempool_pool(). If EAL does not know its memory yet
 *it is registered. Of a mempool whose objects lie in EAL's memory, nothing is to be done.
 * @dev: of a port: rte_eth_dev_info.device.
 *
 * Needed for PCI devices behind an IOMMU (vfio-pci). A device whose driver has no such mappings
 * (-ENOTSUP from DPDK: vdevs) needs none, and that is no error.
 *
 * Return: 0; or a negative errno.
 */
int lab_rte_dma_map(struct lab_pool *pool, struct rte_device *dev);

/** lab_rte_dma_unmap() - the reverse, before the pool or the device goes. */
int lab_rte_dma_unmap(struct lab_pool *pool, struct rte_device *dev);

/**
 * lab_rte_forget() - EAL forgets a pool's memory, which lab_rte_dma_map() or
 * lab_rte_extbufs_create() told it of: before lab_pool_destroy(), and when no device has it mapped.
 * For pools of the program's own; lab_rte_mempool_free() does it by itself.
 */
void lab_rte_forget(struct lab_pool *pool);

/** struct lab_rte_extbufs - frames of a pool that mbufs may have as external buffers. */
struct lab_rte_extbufs;

/**
 * lab_rte_extbufs_create() - make what mbufs need to have frames of a pool.
 * @pool: with memory; EAL is told of that.
 * @name: what the mbufs are called as an owner: a frame is lent to them as to a device.
 *
 * Costs 24 bytes a frame, beside the frames. They are this process's own: mbufs that have such
 * frames are freed here.
 *
 * Return: until lab_rte_extbufs_destroy(); or NULL.
 */
struct lab_rte_extbufs *lab_rte_extbufs_create(struct lab_pool *pool, const char *name);

/** lab_rte_extbufs_destroy() - the reverse. Return: 0; or -EBUSY: mbufs have frames still. */
int lab_rte_extbufs_destroy(struct lab_rte_extbufs *extbufs);

/**
 * lab_rte_extbuf_attach() - an mbuf has a frame as its data.
 * @extbufs: of the frame's pool.
 * @m: a direct mbuf with nothing in it, of any mempool. (net_af_xdp takes an mbuf of the mempool of
 *	its port for one with data inside: use another mempool there, which may have no data room.)
 * @frame: held by the caller.
 *
 * The frame is lent from here on: nobody but the mbufs frees it. When the last mbuf that has it is
 * freed (there are several after rte_pktmbuf_clone()), by any thread, it is taken back and freed.
 * All 4096 bytes are data; rte_pktmbuf_reset_headroom() or rte_pktmbuf_append() say what is used.
 *
 * Return: 0; or a negative errno (-EALREADY, -EBUSY: the frame is not held; see lab_lend()), and
 * the mbuf is as before. Thread-safe; never sleeps.
 */
int lab_rte_extbuf_attach(struct lab_rte_extbufs *extbufs, struct rte_mbuf *m, void *frame);

#ifdef __cplusplus
}
#endif
#endif
