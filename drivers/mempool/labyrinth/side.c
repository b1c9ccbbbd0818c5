/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Both sides of mempools: slots, pools, and how another process comes to one.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "errand.h"
#include "error.h"
#include "frames.h"
#include "log.h"
#include "memory.h"
#include "side.h"

/* Lcores beside EAL's: for threads that EAL does not know. */
#define SPARE_LCORES  8
#define SHARED_LCORES LAB_MAX_LCORES

#define SLOTS_ZONE    "labyrinth_slots"

struct side sides[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- what is said of refusals ---- */

void side_hold(void)
{
	pthread_mutex_lock(&lock);
}

void side_let_go(void)
{
	pthread_mutex_unlock(&lock);
}

static struct common *common_of_pool(const struct lab_pool *pool)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		/* Acquire: see side_pool(). */
		if (__atomic_load_n(&sides[i].key, __ATOMIC_ACQUIRE) && sides[i].pool == pool)
			return sides[i].common;
	}
	return NULL;
}

/* Whether this one is said: the first sixteen, and then each time that there are twice as many. */
static int is_said(struct common *common)
{
	/* Relaxed: a counter. */
	uint32_t before = __atomic_fetch_add(&common->refused, 1, __ATOMIC_RELAXED);

	return before < 16 || !(before & (before + 1));
}

void side_note_foreign(struct common *common, const void *object)
{
	if (is_said(common))
		LOG(ERR, "mempool '%s': %p was given back, and is none of its objects\n",
		    common->mempool, object);
}

void side_note_failure(struct common *common, const char *what)
{
	if (is_said(common))
		LOG(ERR, "mempool '%s': %s: %s\n", common->mempool, what, lab_error_text());
}

void side_on_refusal(struct lab_pool *pool, const struct lab_refusal *refusal, void *unused)
{
	struct common *common = common_of_pool(pool);
	const struct run *near = NULL;

	/* What is no object has been noted as such. */
	if (common && refusal->frame < common->objects.count &&
	    refusal->kind != LAB_REFUSED_INSIDE && is_said(common))
		LOG(ERR, "mempool '%s': object %p was given back, or taken, wrongly: %s\n",
		    common->mempool, objects_at(&common->objects, &near, refusal->frame),
		    refusal->text);
}

/* ---- pools ---- */

/* EAL's run-time configuration is a file that it keeps mapped, unless there is no secondary process
 * to find it (--in-memory, --no-shconf). */
static int maps_configuration(void)
{
	char path[PATH_MAX], real[PATH_MAX], line[PATH_MAX + 128];
	FILE *maps;
	int found = 0;

	snprintf(path, sizeof(path), "%s/config", rte_eal_get_runtime_dir());
	if (!realpath(path, real))
		return 0;
	maps = fopen("/proc/self/maps", "re");
	while (maps && !found && fgets(line, sizeof(line), maps)) {
		line[strcspn(line, "\n")] = '\0';
		found = strchr(line, '/') && strcmp(strchr(line, '/'), real) == 0;
	}
	if (maps)
		fclose(maps);
	return found;
}

int side_shares(void)
{
	static int known; /* 1: no, 2: yes */

	/* Relaxed: each thread would find the same. */
	if (!lab_load(&known))
		lab_store(&known, 1 + (rte_eal_process_type() == RTE_PROC_SECONDARY ||
				       maps_configuration()));
	return lab_load(&known) == 2;
}

void side_pool_name(const char *mempool, char name[LAB_NAME_MAX])
{
	/* Another mempool of the name may still be known to a secondary process, and another DPDK
	 * program may have one. */
	uint64_t unlike = rte_rdtsc() ^ (uint64_t)getpid() << 32;

	snprintf(name, LAB_NAME_MAX, "%.20s.%010" PRIx64, mempool,
		 unlike * UINT64_C(0x9e3779b97f4a7c15) >> 24);
	for (char *c = name; *c; c++) {
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
			    *c) ||
		    (c == name && *c == '.'))
			*c = '_';
	}
}

unsigned side_max_lcores(void)
{
	return side_shares() ? SHARED_LCORES : RTE_MAX(32u, RTE_MIN(side_lcores(), 96u));
}

unsigned side_lcores(void)
{
	unsigned most = side_shares() ? SHARED_LCORES / 2 - 1 : LAB_MAX_LCORES;

	return RTE_MIN(rte_lcore_count() + SPARE_LCORES, most);
}

void side_set_cache(struct lab_pool_config *config, unsigned cache_size, unsigned n)
{
	unsigned frames = RTE_MIN((cache_size + 63) / 64 * 64, (unsigned)LAB_CACHE_MAX);

	/* All lcores' caches together must not be able to hold all there is. */
	while (frames && frames * 3 / 2 * rte_lcore_count() > n)
		frames -= 64;
	if (frames)
		config->cache_frames = frames;
	else
		config->flags |= LAB_POOL_EXACT;
}

uint32_t side_keep(void)
{
	const char *wanted = getenv("LABYRINTH_DPDK_KEEP");

	return wanted && strcmp(wanted, "1") == 0 ? LAB_POOL_KEEP : 0;
}

/* For every object, and for the places across the borders of hugepages. */
static uint32_t numbers(const struct rte_mempool *mp)
{
	uint64_t bytes = (uint64_t)mp->size * (mp->header_size + mp->elt_size + mp->trailer_size);

	return mp->size + (uint32_t)(bytes >> 21) + 32;
}

static struct lab_pool *create_pool(const struct rte_mempool *mp, struct common *common, int *err)
{
	struct lab_pool_config config = {
		.name = common->pool[0] ? common->pool : mp->name,
		.frames = numbers(mp),
		.max_lcores = side_max_lcores(),
		.flags = LAB_POOL_NUMBERS | LAB_POOL_FALLBACK,
		.on_refusal = side_on_refusal,
	};

	side_set_cache(&config, mp->cache_size, mp->size);
	if (common->pool[0]) {
		config.flags |= LAB_POOL_SHARED | LAB_POOL_COMMON | side_keep();
		config.lcores = common->lcores;
	}
	return errand_create(&config, err);
}

static void publish(struct common *common, struct lab_pool *pool)
{
	struct side *side = &sides[common->slot];

	side->pool = pool;
	side->common = common;
	snprintf(side->mempool, sizeof(side->mempool), "%s", common->mempool);
	/* Release: see side_pool(). */
	__atomic_store_n(&side->key, common->key, __ATOMIC_RELEASE);
}

static void describe(const struct rte_mempool *mp, struct common *common, uint32_t slot)
{
	common->slot = slot;
	common->pid = (uint32_t)getpid();
	common->key = rte_rdtsc() << 6 | slot;
	common->lcores = side_lcores();
	snprintf(common->mempool, sizeof(common->mempool), "%s", mp->name);
	if (side_shares())
		side_pool_name(mp->name, common->pool);
}

/* The pool, made or given. */
static struct lab_pool *get_pool(struct rte_mempool *mp, struct common *common, int *err)
{
	const struct frames *frames = mp->pool_config;

	if (!frames || frames->magic != FRAMES_MAGIC)
		return create_pool(mp, common, err);
	common->frames = 1;
	common->memory = lab_pool_memory(frames->pool, NULL);
	snprintf(common->pool, sizeof(common->pool), "%s",
		 side_shares() ? lab_pool_name(frames->pool) : "");
	return frames->pool;
}

static int found(struct rte_mempool *mp, struct common *common)
{
	uint32_t stride = mp->header_size + mp->elt_size + mp->trailer_size;
	int slot = slot_take(), err = 0;
	struct lab_pool *pool;

	if (slot < 0)
		return lab_fail(ENOSPC, "there are %u mempools with these ops already", SLOTS);
	describe(mp, common, (uint32_t)slot);
	pool = get_pool(mp, common, &err);
	if (!pool)
		goto give_slot;
	err = objects_init(&common->objects, stride, (uint32_t)lab_pool_frames(pool),
			   mp->socket_id);
	if (err) {
		lab_fail(-err, "EAL has no memory left to list its objects");
		goto destroy;
	}
	publish(common, pool);
	return 0;
destroy:
	if (!common->frames)
		lab_pool_destroy(pool);
give_slot:
	slot_give((uint32_t)slot);
	return err;
}

/*
 * What lies in DPDK's own caches in front of ours is nobody's to check: a double free would not be
 * seen there, nor what a killed process leaves. A cache of no size, whose threshold any object is
 * above, is passed through. (mp->cache_size has to stay: the private area's place depends on it.)
 *
 * Who would rather have DPDK's inlined caches than these checks says so, and shares with nobody.
 */
static void set_aside_caches(struct rte_mempool *mp, const struct common *common)
{
	const char *wanted = getenv("LABYRINTH_DPDK_CACHE");

	if (wanted && strcmp(wanted, "1") == 0) {
		if (!common->pool[0])
			return;
		LOG(NOTICE,
		    "mempool '%s': LABYRINTH_DPDK_CACHE is ignored, because a killed process would "
		    "leave objects in such a cache; start with --in-memory\n",
		    mp->name);
	}
	for (unsigned lcore = 0; mp->cache_size && lcore < RTE_MAX_LCORE; lcore++)
		mp->local_cache[lcore].size = mp->local_cache[lcore].flushthresh = 0;
}

int side_create(struct rte_mempool *mp)
{
	struct common *common = rte_zmalloc_socket("labyrinth", sizeof(*common), 64, mp->socket_id);
	int err;

	if (!common) {
		LOG(ERR, "mempool '%s' cannot be made: EAL has no memory left for it\n", mp->name);
		return -ENOMEM;
	}
	err = found(mp, common);
	if (err) {
		LOG(ERR, "mempool '%s' cannot be made: %s\n", mp->name, lab_error_text());
		rte_free(common);
		return err;
	}
	set_aside_caches(mp, common);
	mp->pool_data = common;
	return 0;
}

/* What this process holds, all of it numbers that DPDK has taken out or forgotten: no leaks of the
 * program's, which a report would name. */
static void let_go(struct lab_pool *pool)
{
	for (uint32_t i = 0; i < lab_pool_frames(pool); i++) {
		struct lab_owner owner = lab_frame_owner(pool, i);

		if (owner.kind == LAB_OWNER_LCORE || owner.kind == LAB_OWNER_PROCESS)
			lab_free(pool, lab_frame_at(pool, i));
	}
}

void side_destroy(struct rte_mempool *mp)
{
	struct common *common = common_of(mp);
	struct lab_pool *pool = side_pool(common);

	/* Nobody who looks for pools, as telemetry does, meets this one from here on. */
	side_hold();
	sides[common->slot].key = 0;
	if (pool && !common->frames) {
		let_go(pool);
		lab_pool_destroy(pool);
	}
	side_let_go();
	slot_give(common->slot);
	objects_free(&common->objects);
	rte_free(common);
	mp->pool_data = NULL;
}

static struct lab_pool *attach(struct common *common)
{
	struct lab_attach_config config = {.name = common->pool,
					   .lcores = side_lcores(),
					   .flags = LAB_POOL_FALLBACK,
					   .address = common->memory,
					   .on_refusal = side_on_refusal};
	struct lab_pool *pool;
	int err;

	if (!common->pool[0]) {
		LOG(ERR,
		    "mempool '%s' is process %u's alone, which was started with --in-memory or "
		    "--no-shconf\n",
		    common->mempool, common->pid);
		return NULL;
	}
	pool = errand_attach(&config, &err);
	if (!pool)
		LOG(ERR, "mempool '%s' cannot be used by this process: %s\n", common->mempool,
		    lab_error_text());
	else if (common->frames)
		memory_attach(pool);
	return pool;
}

struct lab_pool *side_attach(struct common *common)
{
	struct side *side = &sides[common->slot];
	struct lab_pool *pool;

	pthread_mutex_lock(&lock);
	if (side->key == common->key) {
		pool = side->pool;
	} else {
		/* Another process has freed the mempool that had the slot. */
		if (side->key) {
			memory_detach(side->pool);
			lab_pool_destroy(side->pool);
		}
		side->key = 0;
		pool = attach(common);
		if (pool)
			publish(common, pool);
	}
	pthread_mutex_unlock(&lock);
	return pool;
}
