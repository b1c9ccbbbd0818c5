/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The layout that the inlined hot path needs: the pool handle's first line, one lcore's cache, and
 * the frame table's byte. It is here so that a compiler can inline lab_alloc() and lab_free(), not
 * so that programs read it: the fields may change with every minor version.
 */
#ifndef LAB_LAYOUT_H
#define LAB_LAYOUT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LAB_FRAME_SHIFT 12
/** Bytes of a frame: the page size of x86-64, and NVMe's own. */
#define LAB_FRAME_SIZE  ((uint32_t)1 << LAB_FRAME_SHIFT)

#define LAB_BLOCK_SHIFT 5
/** Frames of a block: 32 contiguous, aligned frames whose 32 state bytes are four words. */
#define LAB_BLOCK_FRAMES (1u << LAB_BLOCK_SHIFT)

/** Marks an entry of block[] and of a magazine of blocks as a bundle's number. */
#define LAB_BUNDLE 0x80000000u

/** Granularity of the translation tables: the smallest hugepage. */
#define LAB_DELTA_SHIFT 21

/** Most lcores of one pool: what the state byte can name (see below). */
#define LAB_MAX_LCORES 96
/** Most devices that a pool can lend to, likewise. */
#define LAB_MAX_DEVICES 61
/** Most pools of one process: 8 bytes of static thread-local storage each. */
#define LAB_MAX_POOLS 32
/** Largest cache, in frames; like rte_mempool's it may hold 1.5 times as many before it flushes. */
#define LAB_CACHE_MAX  512
#define LAB_CACHE_ROOM (LAB_CACHE_MAX * 3 / 2)

/*
 * The state byte of a frame says whose it is. It is the truth: a cache's or a magazine's entry for
 * the frame is believed only where the byte agrees.
 *
 *   0            free: in the depot, or loose in the cache that just took it from there
 *   1..96        free: in the cache of lcore 1..96, which freed it (or took it by the block)
 *   97..192      held by whoever allocated on lcore 1..96
 *   193..253     lent to device 0..60
 *   254          in a bundle: the bundle's state says it for 32 frames at once
 *   255          retired; or, in a pool that breathes, not there now
 */
#define LAB_STATE_DEPOT        0u
#define LAB_STATE_FREED(lcore) ((uint8_t)(lcore))
#define LAB_STATE_FREE_LAST    LAB_STATE_FREED(LAB_MAX_LCORES)
#define LAB_STATE_HELD(lcore)  ((uint8_t)(LAB_MAX_LCORES + (lcore)))
#define LAB_STATE_HELD_FIRST   LAB_STATE_HELD(1)
/** 1 if a byte says that somebody holds the frame. */
#define LAB_STATE_IS_HELD(state) ((uint8_t)((state)-LAB_STATE_HELD_FIRST) < LAB_MAX_LCORES)
#define LAB_STATE_LENT(device)   ((uint8_t)(2 * LAB_MAX_LCORES + 1 + (device)))
#define LAB_STATE_LENT_FIRST     LAB_STATE_LENT(0)
#define LAB_STATE_BUNDLED        254u
#define LAB_STATE_RETIRED        255u

/*
 * A cache's first word counts two things at once, so that a hit writes one word for both: bits 0-10
 * the loose frames in objs[], bits 11-63 the frames handed out ever (2^53: at a nanosecond each,
 * 104 days of nothing else).
 */
#define LAB_LEN_BITS 11
#define LAB_LEN_MASK (((uint64_t)1 << LAB_LEN_BITS) - 1)
/** Added to the word for each frame that leaves objs[] for a caller: one less there, one more out.
 */
#define LAB_WORD_ALLOC (((uint64_t)1 << LAB_LEN_BITS) - 1)

/**
 * struct lab_cache - what one lcore keeps for itself. Written by that lcore alone; others read
 * counters only. Frames in it: (word & LAB_LEN_MASK) + 32 * blocks <= limit.
 */
struct lab_cache {
	/* line 0: all that a hit touches beside the frame pointer itself */
	uint64_t word;      /* loose frames, and frames handed out; see above */
	uint32_t loose_max; /* limit - 32 * blocks, or 0 while pressed: frees go the slow way */
	uint8_t freed;      /* LAB_STATE_FREED(this lcore); held is LAB_MAX_LCORES more */
	uint8_t held_first; /* the held states whose frames this lcore may free, lend and transfer:
			     */
	uint8_t held_count; /* those of its process's threads, or in a bound pool its own */
	uint8_t pressed;    /* 1: the reserve lacks frames; what is freed fills it up first */
	uint32_t blocks;    /* whole blocks: block[0..blocks) */
	uint32_t limit;     /* most frames it may hold */
	/*
	 * Below this, objs[] came from the depot, and the bytes still say so; from here on this
	 * lcore freed the frames itself, and the bytes must say that. May lie above the loose
	 * frames until the next one is added.
	 */
	uint32_t foreign;
	uint32_t in_bulk; /* loose frames that came back by the block since the last flush */
	uint32_t broken; /* flushes to go before bundles are formed again: the last ones were broken
			  */
	/* What is being done with a magazine, for who has to finish it: see cache.h. */
	uint32_t moving;
	uint64_t after;
	uint32_t had;
	uint32_t giving;  /* an lcore that this one is just transferring frames to, or 0 */
	uint64_t sampled; /* frames handed out ever, when the last site was sampled */

	/* line 1: the slow path's. frees = allocs + loose + 32 * blocks + flushed + dropped -
	 * refilled */
	uint64_t refilled; /* frames that came from the depot */
	uint64_t flushed;  /* frames that went to the depot */
	uint64_t dropped;  /* entries found to be duplicates and forgotten */
	uint64_t lent;     /* frames lent from this lcore */
	uint64_t taken;    /* frames taken back on this lcore */
	uint64_t misses;   /* allocation calls that found too few frames */
	uint32_t spare[2]; /* empty magazines kept back (number + 1, 0 for none) */
	uint32_t lcore;    /* 1..LAB_MAX_LCORES; 0 in the cache of threads that have none */
	uint32_t pad2;

	uint32_t block[32]; /* block numbers (frame number / 32), or bundle numbers | LAB_BUNDLE */
	uint64_t refused[16];
	void *objs[LAB_CACHE_ROOM + 8];
} __attribute__((aligned(64)));

/**
 * struct lab_pool - a process's handle of a pool. These are its first two lines, constant after
 * creation; the rest is the library's own.
 */
struct lab_pool {
	char *base;      /* first frame */
	uint8_t *state;  /* frame table, one byte a frame; NULL in an unprotected pool */
	uintptr_t table; /* state - base / 4096: frame f's byte is at table + f / 4096; or 0 */
	uint64_t frames; /* how many */
	uint32_t id;     /* index into lab_tls_cache */
	uint32_t node;   /* NUMA node of the frames */
	/* bulk calls of an exclusive pool, for this CPU; the second argument is the caller's cache
	 */
	int (*alloc_bulk)(struct lab_pool *, struct lab_cache *, void **, unsigned, uint32_t gfp);
	int (*free_bulk)(struct lab_pool *, struct lab_cache *, void *const *, unsigned);
	uint64_t bytes; /* of all frames */
	/* line 1: what to add to a virtual address in the n-th 2 MiB to make it another one */
	const uint64_t *iova_delta;
	const uint64_t *phys_delta; /* NULL: not known */
	struct lab_pool_priv *priv;
	struct lab_depot *depot;
	struct lab_depot *bundles; /* the bundle table; in it are the unused ones */
	uint32_t *home;            /* by frame: the bundle it is in, where its byte says so */
} __attribute__((aligned(64)));

/**
 * lab_tls_cache - the calling thread's cache in each pool of this process. A thread without one
 * finds an empty cache there that nothing fits into, so that every fast path falls through to the
 * slow one, which registers the thread. While allocations are to fail on purpose (lab_fault.h) it
 * finds another such one, which only says what lcore it has. That may change at any time: read it
 * by lab_shown_cache().
 */
extern __thread struct lab_cache *lab_tls_cache[LAB_MAX_POOLS]
	__attribute__((tls_model("initial-exec")));

#if defined(__SANITIZE_THREAD__)
#define LAB_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LAB_UNDER_TSAN 1
#endif
#endif

/**
 * lab_shown_cache() - the calling thread's pointer, read once.
 *
 * Another thread may exchange it meanwhile, and either value is good; but not one for one access
 * and another for the next. The empty statement keeps the compiler from reading it again. A relaxed
 * atomic would say the same, and gcc makes two instructions of one for it, where the variable is
 * thread-local: only ThreadSanitizer gets that.
 */
static inline struct lab_cache *lab_shown_cache(const struct lab_pool *pool)
{
#ifdef LAB_UNDER_TSAN
	return __atomic_load_n(&lab_tls_cache[pool->id], __ATOMIC_RELAXED);
#else
	struct lab_cache *c = lab_tls_cache[pool->id];

	__asm__("" : "+r"(c));
	return c;
#endif
}

#define lab_likely(x)   __builtin_expect(!!(x), 1)
#define lab_unlikely(x) __builtin_expect(!!(x), 0)

#ifdef __cplusplus
}
#endif
#endif
