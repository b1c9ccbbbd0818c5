/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Frames as external buffers of mbufs. What DPDK wants to know of each lies in a table beside the
 * frames, not in them, where a device could write to it.
 */
#include <errno.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_mbuf.h>

#include <labyrinth/lab_rte.h>
#include <labyrinth/labyrinth.h>

#include "error.h"
#include "log.h"
#include "memory.h"

/**
 * struct lab_rte_extbufs - of one pool.
 * @device: what the frames are lent to.
 * @info: by frame. DPDK counts in it how many mbufs have the frame.
 */
struct lab_rte_extbufs {
	struct lab_pool *pool;
	int device;
	struct rte_mbuf_ext_shared_info *info;
};

/* The last mbuf of a frame is freed. */
static void on_free(void *frame, void *arg)
{
	struct lab_rte_extbufs *x = arg;

	if (lab_take_back(x->pool, x->device, &frame, 1) != 1 || lab_free(x->pool, frame))
		LOG(ERR, "the frame of an mbuf cannot be freed: %s\n", lab_error_text());
}

static struct lab_rte_extbufs *fail(int err)
{
	rte_errno = -err;
	return NULL;
}

struct lab_rte_extbufs *lab_rte_extbufs_create(struct lab_pool *pool, const char *name)
{
	struct lab_rte_extbufs *x;
	int err;

	if (!pool || !name)
		return fail(lab_fail(EINVAL, "lab_rte_extbufs_create() needs a pool and a name"));
	err = memory_register(pool);
	if (err)
		return fail(err);
	x = calloc(1, sizeof(*x));
	if (x)
		x->info = calloc(lab_pool_frames(pool), sizeof(*x->info));
	if (!x || !x->info) {
		free(x);
		return fail(lab_fail(ENOMEM, "no memory for the %llu external buffers of pool '%s'",
				     (unsigned long long)lab_pool_frames(pool),
				     lab_pool_name(pool)));
	}
	x->pool = pool;
	x->device = lab_device_register(pool, name);
	if (x->device >= 0)
		return x;
	err = x->device;
	free(x->info);
	free(x);
	return fail(err);
}

int lab_rte_extbufs_destroy(struct lab_rte_extbufs *x)
{
	int err = x ? lab_device_release(x->pool, x->device) : 0;

	if (err)
		return err;
	if (x)
		free(x->info);
	free(x);
	return 0;
}

int lab_rte_extbuf_attach(struct lab_rte_extbufs *x, struct rte_mbuf *m, void *frame)
{
	uint32_t number = lab_frame_index(x->pool, frame);
	struct rte_mbuf_ext_shared_info *info;

	if (lab_lend(x->pool, x->device, &frame, 1) != 1)
		return -errno;
	info = &x->info[number];
	info->free_cb = on_free;
	info->fcb_opaque = x;
	rte_mbuf_ext_refcnt_set(info, 1);
	rte_pktmbuf_attach_extbuf(m, frame, memory_iova(x->pool, frame), LAB_FRAME_SIZE, info);
	return 0;
}
