/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The inside of a pool handle, for the library's own files.
 */
#ifndef POOL_H
#define POOL_H

#include <stdint.h>
#include <string.h>

#include <labyrinth/lab_error.h>
#include <labyrinth/lab_pool.h>

#include "arena.h"
#include "depot.h"
#include "fault.h"

/**
 * struct lab_label - a name that one thread writes while others read it: words stored and loaded
 * whole, so that a reader at worst sees the beginning of one name and the end of another.
 */
struct lab_label {
	uint64_t word[4];
};
#define LAB_LABEL_MAX sizeof(struct lab_label)

/** lab_label_set() - write a name, cut to @size - 1 characters. */
static inline void lab_label_set(struct lab_label *label, const char *name, size_t size)
{
	struct lab_label text = {{0}};

	memcpy(text.word, name, strnlen(name, size - 1));
	for (unsigned i = 0; i < 4; i++)
		__atomic_store_n(&label->word[i], text.word[i], __ATOMIC_RELAXED);
}

/** lab_label_get() - a copy of a name. Return: @buf. */
static inline const char *lab_label_get(const struct lab_label *label, char buf[LAB_LABEL_MAX])
{
	struct lab_label text;

	for (unsigned i = 0; i < 4; i++)
		text.word[i] = __atomic_load_n(&label->word[i], __ATOMIC_RELAXED);
	memcpy(buf, &text, sizeof(text));
	buf[sizeof(text) - 1] = '\0';
	return buf;
}

/** struct lab_slot - one lcore's, or one device's, entry in the pool's shared tables. */
struct lab_slot {
	uint32_t taken; /* 1 while a thread has it; of a device: the process that registered it */
	/* of a device: frames that it may still reach although nobody drives it any more */
	uint32_t quarantined;
	uint32_t absolver; /* of a device: the process that is just freeing those */
	uint32_t process;  /* of an lcore of a shared pool: the process that has it, by its id */
	/* of a device: frames lent to it to be sent, plus one, as its driver says; 0: it does not
	 */
	uint32_t sending;
	uint32_t pad;
	uint64_t since; /* it was taken, in seconds since 1970 */
	struct lab_label name;
};

/** Longest path of a pool's files, with the terminating zero: what a socket's address takes. */
#define LAB_PATH_MAX 108

/** Most processes of a shared pool. A private one has one, with all lcores. */
#define LAB_MAX_PROCESSES 32

/**
 * struct lab_process - a process's slot.
 * @state: of enum lab_process_state, see share/process.h.
 * @first: its lcores are from here on, @lcores of them. The first one has no thread in a shared
 *	pool: frames that are given to the process, not to a thread of it, are there.
 * @id: of this process and no other that had the slot before or will have it; 0 for none.
 * @pid: as it saw itself, for messages.
 * @base: where it has the frames: its caches list addresses.
 * @since: when it joined, in seconds since 1970.
 */
struct lab_process {
	uint32_t state;
	uint8_t first;
	uint8_t lcores;
	uint16_t pad;
	uint32_t id;
	uint32_t pid;
	uint64_t base;
	uint64_t since;
	struct lab_label name;
};

/**
 * struct lab_site - a sampled allocation, see site.h.
 * @frame: its number + 1 while it is held, or 0.
 * @process: whose the entry is, by its id; 0 for an entry that is nobody's.
 * @address: of the caller, in that process.
 */
struct lab_site {
	uint32_t frame;
	uint32_t process;
	uint32_t lcore;
	uint32_t pad;
	uint64_t since;
	uint64_t address;
};

/**
 * struct lab_head - what a pool is like: all that another process needs to plan the same tables.
 * @magic: LAB_MAGIC, stored when all tables are filled in.
 * @layout: LAB_LAYOUT of who made it.
 * @key: unlike that of any other pool that had or will have the name.
 * @since: when it was made, in seconds since 1970.
 * @group: whose members may attach, or LAB_NO_GROUP: whichever process answers.
 * @timeout_ms: how long LAB_GFP_KERNEL waits.
 * @frames: of all addresses; @began: that were there when it was made; @least: that always are.
 * @reserve, @min, @low, @high: watermarks, see lab_pool_config.
 */
struct lab_head {
	uint64_t magic;
	uint32_t layout;
	uint32_t flags;
	uint64_t frames;
	uint32_t seg_shift;
	uint32_t cache_frames;
	uint32_t max_lcores;
	uint32_t sample;
	uint32_t node;
	uint32_t phys_known; /* 1: plan.phys has been filled in */
	uint64_t key;
	uint64_t since;
	uint32_t group;
	uint32_t timeout_ms;
	uint64_t began;
	uint64_t reserve;
	uint64_t min;
	uint64_t low;
	uint64_t high;
	uint64_t least;
	char name[LAB_NAME_MAX];
};

#define LAB_NO_GROUP UINT32_MAX

#define LAB_MAGIC    0x48544e495259424cull /* "LBYRINTH" */
/** To be raised with any change of what processes share. */
#define LAB_LAYOUT 6u

/**
 * struct lab_plan - where each table lies in the mapping, from its beginning, and how large.
 * Follows from the head alone.
 * @bytes: of all tables.
 * @state: the frame table. @cache: one for each lcore. @phys: a physical address for each 2 MiB.
 * @home, @bundle, @bundle_map: see bundle.h. @magazine, @map: see depot.h. @site: see site.h.
 * @reserve, @reserve_map: see reserve.h.
 * @doomed: see doom.h.
 */
struct lab_plan {
	uint64_t frames;
	uint64_t bytes;
	uint64_t state;
	uint64_t cache;
	uint64_t phys;
	uint64_t home;
	uint64_t bundle;
	uint64_t bundle_map;
	uint64_t magazine;
	uint64_t map;
	uint64_t site;
	uint64_t reserve;
	uint64_t reserve_map;
	uint64_t doomed;
	uint32_t exclusive;
	uint32_t max_lcores;
	uint32_t capacity;
	uint32_t magazines;
	uint32_t bundles;
	uint32_t sites;
	uint32_t places; /* in the reserve */
	uint32_t sets;   /* of the depot: 1 in a pool without caches */
};

/**
 * struct lab_shared - the beginning of the pool's shared tables: numbers and offsets, no pointers.
 * Those that follow it in the mapping hold none either; the caches do, of the process that they
 * belong to.
 */
struct lab_shared {
	struct lab_head head;
	struct lab_slot slot[LAB_MAX_LCORES + 1]; /* by lcore; [0] is not used */
	struct lab_slot device[LAB_MAX_DEVICES];
	struct lab_process process[LAB_MAX_PROCESSES];
	uint64_t refused_nowhere[LAB_REFUSED_KINDS]; /* by threads without an lcore */
	uint64_t reaped_frames;                      /* given back for processes that died */
	uint64_t reaped_processes;
	uint64_t retired; /* frames out of circulation, as their bytes say too */
	uint64_t absent;  /* frames without memory: their bytes say "retired", but they are not */
	uint64_t grown;   /* frames that the keeper has added, ever */
	uint64_t shrunk;  /* and taken away */
	uint64_t pressed[LAB_MAX_LCORES / 64 + 1]; /* a bit an lcore: see reserve.h */
	uint32_t passed; /* of a common pool: 1 once a process has freed another's frame */
	uint32_t doomed; /* 0: no frame is marked, see doom.h */
};

/** Descriptors that a pool may keep; all are closed in a child of fork(). */
enum lab_pool_fd {
	LAB_FD_TABLES, /* the tables' memory; the frames' is the arena's */
	LAB_FD_LIFE,   /* a description of one's own of that, for locks: share/life.h */
	LAB_FD_NAME,   /* the name's lock: share/name.h */
	LAB_FD_LISTEN, /* where others attach, in the one process that answers */
	LAB_FD_STOP,   /* ends the keeper */
	LAB_FDS
};

/** struct lab_pool_priv - this process's side of it. */
struct lab_pool_priv {
	struct lab_pool pool; /* the public handle; first, so that one free serves both */
	struct lab_arena arena;
	struct lab_shared *shared;
	struct lab_plan plan;
	struct lab_depot depot;
	struct lab_depot bundles;
	struct lab_depot reserve;
	const struct lab_bulk *bulk; /* the bursts of an exclusive pool, for this CPU */
	size_t meta_bytes;
	uint64_t *delta; /* translation: to physical addresses, then to a device's */
	size_t delta_bytes;
	struct lab_cache *cache; /* [lcore - 1], 1..max_lcores */
	uint64_t *doomed;        /* a bit a frame: to be retired, see doom.h */
	uint32_t max_lcores;
	uint32_t cache_frames;
	uint32_t first; /* this process's threads have lcores from here to @last */
	uint32_t last;
	uint32_t home;    /* the lcore of frames that are the process's and no thread's, or 0 */
	uint32_t slot;    /* of struct lab_process */
	uint32_t flags;   /* of enum lab_pool_flags, as it was made */
	uint32_t sample;  /* one allocation in so many has its site noted; 0: none */
	uint32_t domains; /* IOMMU domains that map the frames; an atomic */
	int inherited;   /* 1 in a child of fork(), which has this handle and no memory behind it */
	int made;        /* 1: complete; others of the process may see it */
	int observer;    /* 1: the tables are mapped to be read, the frames not at all */
	int fd[LAB_FDS]; /* -1 for none */
	struct lab_keeper *keeper; /* of a shared pool */
	/* Of a pool that breathes: a unit more, at once. Return: 1, 0, or -errno. */
	int64_t (*grow)(struct lab_pool_priv *priv);
	struct lab_breath *breath; /* of a pool that breathes */
	struct lab_faults faults;  /* what is to fail on purpose, in this process */
	char name[LAB_NAME_MAX];
	char dir[LAB_PATH_MAX]; /* of a shared pool: the run-time directory when it was entered */
	char fallback[LAB_ERROR_TEXT_MAX + 128];
	void (*on_refusal)(struct lab_pool *pool, const struct lab_refusal *refusal, void *arg);
	void *on_refusal_arg;
	/* Where each lcore's thread keeps its pointer to the cache, to be cleared at destruction.
	 */
	struct lab_cache **tls[LAB_MAX_LCORES + 1];
};

/**
 * lab_pool_create_at() - lab_pool_create(), for a place that the caller has reserved.
 * @address: where the frames shall lie, inside a reservation that goes on after the pool and has
 *	room for max_frames; NULL: anywhere.
 */
struct lab_pool *lab_pool_create_at(const struct lab_pool_config *config, void *address);

/** lab_pool_may_go() - 0, or -EBUSY and a sentence why lab_pool_destroy() would refuse now. */
int lab_pool_may_go(const struct lab_pool *pool);
/** lab_fault_hit() - at a site: 1 if this call is to fail on purpose. */
static inline int lab_fault_hit(struct lab_pool_priv *priv, enum lab_fault_point point)
{
	return lab_faults_hit(&priv->faults, point);
}

/** lab_pool_shared() - 1 if other processes may have it too. */
static inline int lab_pool_is_shared(const struct lab_pool_priv *priv)
{
	return priv->fd[LAB_FD_TABLES] >= 0;
}

/** lab_pool_has_homes() - 1 if the first lcore of each process has no thread. */
static inline int lab_pool_has_homes(const struct lab_pool_priv *priv)
{
	return (priv->flags & LAB_POOL_SHARED) || priv->sample;
}

/** lab_pool_began_with() - how many frames the depot had when the pool was made. */
static inline uint64_t lab_pool_began_with(const struct lab_pool *pool)
{
	return pool->priv->flags & LAB_POOL_NUMBERS ? 0 : pool->priv->shared->head.began;
}

/** lab_pool_self() - the calling process's entry. */
static inline struct lab_process *lab_pool_self(const struct lab_pool *pool)
{
	return &pool->priv->shared->process[pool->priv->slot];
}

static inline struct lab_cache *lab_pool_cache(const struct lab_pool *pool, unsigned lcore)
{
	return &pool->priv->cache[lcore - 1];
}

#endif
