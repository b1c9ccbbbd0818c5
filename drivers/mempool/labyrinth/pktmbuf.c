/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Mempools whose objects are exactly one frame each.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <labyrinth/lab_rte.h>
#include <labyrinth/labyrinth.h>

#include "errand.h"
#include "error.h"
#include "frames.h"
#include "log.h"
#include "memory.h"
#include "side.h"

/**
 * struct wanted - what is to be made.
 * @data_room: 0: no mbufs. @priv_size: of each mbuf.
 * @frames: the pool, unless the frames are in EAL's memory.
 */
struct wanted {
	const char *name;
	unsigned n;
	unsigned cache_size;
	int socket;
	unsigned flags;
	uint16_t data_room;
	uint16_t priv_size;
	struct frames frames;
};

/* DPDK's own errors have no sentence. */
static int fail_rte(int err, const char *name, const char *call)
{
	err = err < 0 ? -err : err;
	return lab_fail(err, "mempool '%s' cannot be made (%s: %s)", name, call, rte_strerror(err));
}

static int check(const struct wanted *w)
{
	if (!w->name || w->n == 0)
		return lab_fail(EINVAL, "a mempool needs a name and a number of objects");
	if (strlen(w->name) >= RTE_MEMPOOL_NAMESIZE)
		return lab_fail(ENAMETOOLONG, "mempool '%s': its name has more than %d characters",
				w->name, (int)RTE_MEMPOOL_NAMESIZE - 1);
	if (w->flags & ~(unsigned)(LAB_RTE_EAL_MEMORY | LAB_RTE_FALLBACK))
		return lab_fail(EINVAL,
				"mempool '%s': flags is 0x%x, of which only LAB_RTE_EAL_MEMORY and "
				"LAB_RTE_FALLBACK are known",
				w->name, w->flags);
	if (w->cache_size > RTE_MEMPOOL_CACHE_MAX_SIZE)
		return lab_fail(EINVAL, "mempool '%s': cache_size is %u, and at most %u", w->name,
				w->cache_size, RTE_MEMPOOL_CACHE_MAX_SIZE);
	if (w->priv_size % RTE_MBUF_PRIV_ALIGN || w->priv_size >= LAB_RTE_DATA_ROOM)
		return lab_fail(EINVAL,
				"mempool '%s': priv_size is %u: it must be a multiple of %u and "
				"leave some of the %u bytes",
				w->name, w->priv_size, RTE_MBUF_PRIV_ALIGN, LAB_RTE_DATA_ROOM);
	return 0;
}

/* ---- Labyrinth's memory ---- */

static int make_pool(struct wanted *w)
{
	char shared[LAB_NAME_MAX];
	struct lab_pool_config config = {
		.name = w->name,
		.frames = w->n,
		.node = w->socket == SOCKET_ID_ANY ? LAB_NODE_ANY : LAB_NODE(w->socket),
		.max_lcores = side_max_lcores(),
		/* Mempools have no flags: nobody could ask for it. */
		.reserve = LAB_NONE,
		.flags = w->flags & LAB_RTE_FALLBACK ? LAB_POOL_FALLBACK : 0,
		.on_refusal = side_on_refusal,
	};
	int err;

	side_set_cache(&config, w->cache_size, w->n);
	w->frames.magic = FRAMES_MAGIC;
	if (rte_eal_iova_mode() == RTE_IOVA_VA)
		config.flags |= LAB_POOL_IOVA_VA;
	if (side_shares()) {
		side_pool_name(w->name, shared);
		config.name = shared;
		config.flags |= LAB_POOL_SHARED | LAB_POOL_COMMON | side_keep();
		config.lcores = side_lcores();
	}
	w->frames.pool = errand_create(&config, &err);
	if (!w->frames.pool)
		return err;
	w->n = (unsigned)lab_pool_frames(w->frames.pool);
	/* What fails from here on is undone by who called, with the pool. */
	return memory_register(w->frames.pool);
}

static void destroy_pool(struct lab_pool *pool)
{
	char text[256];

	/* The reason why is the caller's to read. */
	snprintf(text, sizeof(text), "%s", lab_error_text());
	memory_unregister(pool);
	side_hold();
	if (lab_pool_destroy(pool) < 0)
		LOG(ERR, "a mempool's memory stays: %s\n", lab_error_text());
	side_let_go();
	lab_fail(0, "%s", text);
}

/* In pieces that are contiguous for a device. */
static int populate(struct rte_mempool *mp, struct lab_pool *pool)
{
	size_t bytes;
	char *first = lab_pool_memory(pool, &bytes);

	for (size_t done = 0; done < bytes;) {
		char *at = first + done;
		uint64_t n = memory_contiguous(pool, at);
		int objects =
			rte_mempool_populate_iova(mp, at, memory_iova(pool, at), n, NULL, NULL);

		if (objects < 0)
			return fail_rte(objects, mp->name, "rte_mempool_populate_iova");
		done += n;
	}
	return 0;
}

/* ---- mempools ---- */

static int fill(struct rte_mempool *mp, const struct wanted *w)
{
	struct rte_pktmbuf_pool_private about = {.mbuf_data_room_size = w->data_room,
						 .mbuf_priv_size = w->priv_size};
	int err;

	if (w->data_room)
		rte_pktmbuf_pool_init(mp, &about);
	if (w->frames.pool) {
		err = populate(mp, w->frames.pool);
		/* It was read when the first piece came. */
		mp->pool_config = NULL;
	} else {
		err = rte_mempool_populate_default(mp);
		err = err < 0 ? fail_rte(err, w->name, "rte_mempool_populate_default") : 0;
	}
	if (!err && w->data_room)
		rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	return err;
}

static struct rte_mempool *make_mempool(struct wanted *w)
{
	/* A pool of frames has its cache already. */
	unsigned cache_size = w->frames.pool ? 0 : w->cache_size;
	unsigned private = w->data_room ? sizeof(struct rte_pktmbuf_pool_private) : 0;
	struct rte_mempool *mp =
		rte_mempool_create_empty(w->name, w->n, LAB_RTE_ELEMENT, cache_size, private,
					 w->socket, RTE_MEMPOOL_F_NO_SPREAD);
	int err;

	if (!mp) {
		fail_rte(rte_errno, w->name, "rte_mempool_create_empty");
		return NULL;
	}
	err = rte_mempool_set_ops_byname(mp, LAB_RTE_OPS, w->frames.pool ? &w->frames : NULL);
	if (err)
		fail_rte(err, w->name, "rte_mempool_set_ops_byname");
	else
		err = fill(mp, w);
	if (!err)
		return mp;
	rte_mempool_free(mp);
	return NULL;
}

static struct rte_mempool *create(struct wanted *w)
{
	struct rte_mempool *mp = NULL;
	int err = check(w);

	if (!err && !(w->flags & LAB_RTE_EAL_MEMORY))
		err = make_pool(w);
	if (!err) {
		mp = make_mempool(w);
		err = mp ? 0 : -errno;
	}
	if (err && w->frames.pool)
		destroy_pool(w->frames.pool);
	if (err)
		rte_errno = -err;
	return mp;
}

struct rte_mempool *lab_rte_mempool_create(const char *name, unsigned n, unsigned cache_size,
					   int socket_id, unsigned flags)
{
	struct wanted w = {.name = name,
			   .n = n,
			   .cache_size = cache_size,
			   .socket = socket_id,
			   .flags = flags};

	return create(&w);
}

struct rte_mempool *lab_rte_pktmbuf_pool_create(const char *name, unsigned n, unsigned cache_size,
						uint16_t priv_size, int socket_id, unsigned flags)
{
	struct wanted w = {.name = name,
			   .n = n,
			   .cache_size = cache_size,
			   .socket = socket_id,
			   .flags = flags,
			   .priv_size = priv_size,
			   .data_room = (uint16_t)(LAB_RTE_DATA_ROOM - priv_size)};

	return create(&w);
}

/* pool_data is whatever a mempool's ops made of it. */
static int is_ours(const struct rte_mempool *mp)
{
	return mp && mp->pool_data && mp->flags & RTE_MEMPOOL_F_POOL_CREATED &&
	       strcmp(rte_mempool_get_ops(mp->ops_index)->name, LAB_RTE_OPS) == 0;
}

struct lab_pool *lab_rte_mempool_pool(const struct rte_mempool *mp)
{
	return is_ours(mp) ? side_pool(common_of(mp)) : NULL;
}

int64_t lab_rte_mempool_free(struct rte_mempool *mp)
{
	struct lab_pool *pool = lab_rte_mempool_pool(mp);
	int frames = pool && common_of(mp)->frames;
	struct lab_pool_stats stats = {0};

	if (pool)
		lab_pool_stats(pool, &stats);
	/* That takes all objects out that are there: from here on all seem to be in use. */
	rte_mempool_free(mp);
	if (frames)
		destroy_pool(pool);
	return (int64_t)stats.held;
}
