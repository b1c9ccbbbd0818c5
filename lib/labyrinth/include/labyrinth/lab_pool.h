/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools: made from a configuration, destroyed, described. Control path: every call here may sleep.
 */
#ifndef LAB_POOL_H
#define LAB_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "lab_hugepage.h"
#include "lab_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Longest pool name, with its terminating zero. */
#define LAB_NAME_MAX 32

/** LAB_PERCENT() - of lab_pool_config.frames, rounded up as these are: for @reserve, @min, @low and
 * @high of it. 0 to 100. */
#define LAB_PERCENT(n) ((uint64_t)1 << 63 | (uint64_t)(n))
/** None at all, for these four, where 0 would give a default. */
#define LAB_NONE UINT64_MAX

/** How many threads of a process may use a shared pool, if it does not say. */
#define LAB_SHARE_LCORES 8

/**
 * enum lab_pool_flags - what a pool is like; the zero default is the safe choice of each.
 * @LAB_POOL_UNPROTECTED: ownership is not checked. For those who count cycles: a double free then
 *	corrupts the pool as it would in any other allocator.
 * @LAB_POOL_FALLBACK: where hugepages are short, take ordinary pages instead of failing. Such
 *	frames have no known physical address; lab_pool_fallback() tells.
 * @LAB_POOL_DUMP: let core dumps contain the frames. By default they stay out.
 * @LAB_POOL_IOVA_VA: devices use virtual addresses (they sit behind an IOMMU that is set up so).
 *	By default they use physical ones where these are known.
 * @LAB_POOL_SHARED: other processes may attach, see lab_share.h. Needs a name.
 * @LAB_POOL_BOUND: a frame is bound to the lcore that holds it: only that one may free, lend or
 *	transfer it. By default any thread of the process may.
 * @LAB_POOL_EXACT: no lcore has a cache: each frame that is free can be had by any thread at any
 *	time, for some atomic operations a frame. For small pools that several threads share.
 * @LAB_POOL_COMMON: of a shared pool: any of its processes may free what any of them holds, for
 *	programs whose processes pass frames on without lab_transfer(). See lab_share.h for what
 *	that means when one dies. There are no bundles.
 * @LAB_POOL_KEEP: of a common pool: leave alone what a dead process held from the beginning, not
 *	only once a process has freed another's frame.
 * @LAB_POOL_NUMBERS: the pool has no memory. It hands out numbers, for objects that lie elsewhere:
 *	see lab_numbers.h.
 * @LAB_POOL_STEPPED: of a pool that breathes, and refused for any other: no thread of its own, the
 *	application calls lab_keeper_step().
 */
enum lab_pool_flags {
	LAB_POOL_UNPROTECTED = 1 << 0,
	LAB_POOL_FALLBACK = 1 << 1,
	LAB_POOL_DUMP = 1 << 2,
	LAB_POOL_IOVA_VA = 1 << 3,
	LAB_POOL_SHARED = 1 << 4,
	LAB_POOL_BOUND = 1 << 5,
	LAB_POOL_NUMBERS = 1 << 6,
	LAB_POOL_EXACT = 1 << 7,
	LAB_POOL_COMMON = 1 << 8,
	LAB_POOL_KEEP = 1 << 9,
	LAB_POOL_STEPPED = 1 << 10,
	LAB_POOL_KNOWN = (1 << 11) - 1,
};

/**
 * enum lab_refusal_kind - why an exclusive pool refused a call, or dropped an entry.
 * @LAB_REFUSED_DOUBLE_FREE: the frame is free already (-EALREADY).
 * @LAB_REFUSED_LENT: the frame is lent to a device (-EBUSY).
 * @LAB_REFUSED_OTHER_POOL: the address lies in another pool of this process (-EXDEV).
 * @LAB_REFUSED_INSIDE: the address lies inside a frame, not at its start (-EINVAL).
 * @LAB_REFUSED_OUTSIDE: the address lies in no pool of this process (-EFAULT).
 * @LAB_REFUSED_NOT_LENT: a take-back of a frame that is not lent to that device (-EPERM).
 * @LAB_REFUSED_NOT_HELD: a lend of a frame that nobody holds (-EALREADY).
 * @LAB_REFUSED_RETIRED: the frame is out of circulation (-EPERM).
 * @LAB_REFUSED_FOREIGN: another process holds the frame, or in a bound pool another lcore (-EPERM).
 * @LAB_DROPPED_DUPLICATE: not a refusal of this call, but the trace of an earlier one: two threads
 *	freed one frame in the same instant and both were believed; the second entry was found by an
 *	allocation (or a flush) and forgotten, and the frame is where its state says. (The guide
 *	says exactly what can slip through, under "What exclusive does not see".)
 * @LAB_DROPPED_DAMAGED: not of this call, either: the pool's tables have been overwritten, by this
 *	process or another that shares them. What makes no sense is not used any more.
 */
enum lab_refusal_kind {
	LAB_REFUSED_DOUBLE_FREE,
	LAB_REFUSED_LENT,
	LAB_REFUSED_OTHER_POOL,
	LAB_REFUSED_INSIDE,
	LAB_REFUSED_OUTSIDE,
	LAB_REFUSED_NOT_LENT,
	LAB_REFUSED_NOT_HELD,
	LAB_REFUSED_RETIRED,
	LAB_REFUSED_FOREIGN,
	LAB_DROPPED_DUPLICATE,
	LAB_DROPPED_DAMAGED,
	LAB_REFUSED_KINDS
};

/**
 * struct lab_refusal - one refused call, as handed to lab_pool_config.on_refusal.
 * @kind: why.
 * @address: the pointer that was passed.
 * @frame: its frame number, or UINT32_MAX when it is none of this pool's.
 * @lcore: who tried (1..LAB_MAX_LCORES, 0 for a thread without lcore).
 * @state: the frame's state byte as found (see lab_layout.h); 0 when there is no frame.
 * @text: the sentence, as in lab_error_text().
 */
struct lab_refusal {
	enum lab_refusal_kind kind;
	const void *address;
	uint32_t frame;
	uint32_t lcore;
	uint8_t state;
	const char *text;
};

/**
 * struct lab_pool_config - what to make. All zero but @frames is a good pool.
 * @name: up to LAB_NAME_MAX - 1 characters, for messages; NULL gives "pool-N".
 * @frames: frames wanted; rounded up to whole segments (512 frames on 2 MiB pages, 262144 on 1 GiB,
 *	a block of 32 on ordinary ones). At most 2^31 (8 TiB).
 * @page_size: LAB_PAGE_2M, LAB_PAGE_1G, LAB_PAGE_4K (ordinary pages), or 0: 2 MiB, or the machine's
 *	smallest hugepage where there is no such size.
 * @node: LAB_NODE(n) binds the frames to NUMA node n; LAB_NODE_ANY: the node of the calling CPU.
 * @cache_frames: size of each lcore's cache, 64 to LAB_CACHE_MAX, a multiple of 64; 0 gives
 *	LAB_CACHE_MAX. It may hold 1.5 times as many before it flushes.
 * @max_lcores: threads that may have a cache at one time, 1 to LAB_MAX_LCORES, in a shared pool
 *	those of all processes; 0 gives 32, or 72 in a shared pool. Each takes about 12 KiB (18 KiB
 *	in an unprotected pool).
 * @flags: of enum lab_pool_flags.
 * @lcores: of a shared pool: how many of them are for the threads of this process; 0 gives
 *	LAB_SHARE_LCORES. It takes one more, for frames that are the process's and no thread's.
 * @group: of a shared pool: the name of a group whose members may attach; NULL: only the same user.
 * @sample: note where in the program every so many-th frame was allocated, for reports; 0: none.
 *	Takes one lcore of @max_lcores in a pool that is not shared.
 * @reserve: frames that only LAB_GFP_ATOMIC gets. Here and in the three marks: a count,
 *	LAB_PERCENT(n) of @frames, LAB_NONE, or 0 for the default. That is 2 * sqrt(@frames), as the
 *	kernel's min_free_kbytes scales (mm/page_alloc.c: sqrt(16 * KiB)), and at most an eighth of
 *	@frames. In whole blocks of 32 frames: the default is rounded down, what is given up; a
 *	count is at most @min_frames. None in a pool with LAB_POOL_EXACT or LAB_POOL_NUMBERS.
 * @min, @low, @high: watermarks of the depot: frames that are free there beside the reserve. In a
 *	pool that breathes the keeper adds hugepages under @low and gives some back above @high, and
 *	under @min a LAB_GFP_KERNEL caller adds one itself; in others they do nothing. The defaults:
 *	@min as the reserve's default, but not in blocks; @low a quarter more, and in a pool that
 *	breathes a hugepage; @high another quarter of @min, and there two hugepages more. They
 *	ascend, and there @high is a hugepage above @low at least.
 * @min_frames, @max_frames: how small and how large the pool may become; all three rounded up as
 *	@frames is, and to 2 MiB. 0: as @frames. Where one differs from @frames the pool breathes:
 *	see lab_keeper.h; its keeper's thread takes one lcore of @max_lcores. Refused in pools that
 *	are shared, exact, unprotected, or of numbers.
 * @timeout_ms: how long a LAB_GFP_KERNEL caller waits at most; 0: 1000.
 * @grow_rate: of a pool that breathes: MiB a second that the keeper adds or gives back at most; 0:
 *	no limit.
 * @on_refusal: called on each refusal, on the thread that tried, from the data path; must not sleep
 *	and must not call into the same pool. NULL for none.
 * @on_refusal_arg: its last argument.
 */
struct lab_pool_config {
	const char *name;
	uint64_t frames;
	size_t page_size;
	int node;
	uint32_t cache_frames;
	uint32_t max_lcores;
	uint32_t flags;
	uint32_t lcores;
	uint32_t sample;
	uint64_t reserve;
	uint64_t min;
	uint64_t low;
	uint64_t high;
	uint64_t min_frames;
	uint64_t max_frames;
	uint32_t timeout_ms;
	uint32_t grow_rate;
	const char *group;
	void (*on_refusal)(struct lab_pool *pool, const struct lab_refusal *refusal, void *arg);
	void *on_refusal_arg;
};

/**
 * lab_pool_create() - reserve hugepages and make a pool of them.
 * @config: what to make; read during the call only (the name is copied).
 *
 * The frames are populated before the call returns, so that no access to them faults. The kernel
 * does not swap hugepages or move them for its own needs; migrate_pages(2), a change of cpuset,
 * soft offline or memory hot-remove can, until a driver pins them. The memory is anonymous: it has
 * no name in any file system, a child does not inherit it over fork, and core dumps leave it out.
 *
 * Return: the pool, owned by the caller until lab_pool_destroy(); or NULL with errno:
 * EINVAL (a bad field, named in lab_error_text()), ENOMEM (too few hugepages: the text says how
 * many are needed, how many are free, and the sysctl), EPERM (the tables cannot be locked in
 * memory, or a NUMA policy was refused), ENOSPC (this process has LAB_MAX_POOLS pools already),
 * ENOENT (the kernel has no hugepages at all), ENOSYS (Linux is older than 5.14), EAGAIN (no
 * thread-specific key is left).
 *
 * Thread-safe; may sleep.
 */
struct lab_pool *lab_pool_create(const struct lab_pool_config *config);

/**
 * lab_pool_destroy() - give a pool's memory back to the kernel.
 * @pool: a pool that no thread is using any more; NULL is allowed and does nothing.
 *
 * Return: 0; or the number of frames that were still held (a leak of the caller's: they are gone
 * now); or -EBUSY, and the pool lives on, when frames are lent to a device, which might still
 * write, or when a domain maps the pool.
 *
 * Thread-safe against other pools; may sleep.
 */
int64_t lab_pool_destroy(struct lab_pool *pool);

/** lab_pool_name() - the pool's name; valid as long as the pool. */
const char *lab_pool_name(const struct lab_pool *pool);

/** lab_pool_frames() - how many frames the pool has, after rounding up; one that breathes, how many
 * it may have at most: lab_pool_stats.total is what there is. */
static inline uint64_t lab_pool_frames(const struct lab_pool *pool)
{
	return pool->frames;
}

/** lab_pool_page_size() - bytes of one segment: the page that backs it. */
size_t lab_pool_page_size(const struct lab_pool *pool);

/** lab_pool_exclusive() - 1 if ownership is checked, 0 if the pool is unprotected. */
static inline int lab_pool_exclusive(const struct lab_pool *pool)
{
	return pool->state != NULL;
}

/** lab_pool_node() - the NUMA node of the first frame as LAB_NODE(n), fit for another pool's
 * config. */
static inline int lab_pool_node(const struct lab_pool *pool)
{
	return LAB_NODE((int)pool->node);
}

/**
 * lab_pool_fallback() - why the pool lies on ordinary pages.
 *
 * Return: NULL if it lies on what was asked for; else one sentence saying what was short and what
 * is lost by it.
 */
const char *lab_pool_fallback(const struct lab_pool *pool);

/** lab_pool_metadata_bytes() - memory beside the frames: frame table, depot, caches, segment table;
 * in a pool that breathes, for as many frames as it may have. */
size_t lab_pool_metadata_bytes(const struct lab_pool *pool);

/**
 * lab_pool_memory() - the frames' memory as one range, for registering it with a device.
 * @pool: the pool.
 * @bytes: receives the length; may be NULL.
 *
 * Return: the first frame; or NULL, and a length of 0, if the pool has no memory
 * (LAB_POOL_NUMBERS). The allocator's own tables are never inside the range. Of a pool that
 * breathes it is all that may ever be there: where there is no hugepage now, reading or writing is
 * a SIGSEGV.
 */
void *lab_pool_memory(const struct lab_pool *pool, size_t *bytes);

/**
 * lab_pool_each() - the pools of this process, those that it only observes left out.
 * @pools: room for LAB_MAX_POOLS.
 *
 * Return: how many. Thread-safe, but says nothing of how long they live: for who creates and
 * destroys the pools, or keeps others from it meanwhile. May sleep.
 */
unsigned lab_pool_each(struct lab_pool *pools[LAB_MAX_POOLS]);

#ifdef __cplusplus
}
#endif
#endif
