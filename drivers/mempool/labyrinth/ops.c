/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The mempool ops: objects in and out of a Labyrinth pool, by their numbers. The data path makes no
 * system call and takes no lock, as the library's own; only a process's first call for a mempool of
 * another one's, which attaches, may sleep.
 */
#include <errno.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_mempool.h>

#include "convert.h"
#include "log.h"
#include "side.h"

RTE_LOG_REGISTER(labyrinth_logtype, mempool.labyrinth, NOTICE);

/* Objects that are converted in one step, on the stack. */
#define STEP 64

static int lab_mempool_alloc(struct rte_mempool *mp)
{
	return side_create(mp);
}

/* DPDK takes all objects out that are there before it calls this, so that all seem to be in use. */
static void lab_mempool_free(struct rte_mempool *mp)
{
	/* NULL: it was never populated, or could not be. */
	if (mp->pool_data)
		side_destroy(mp);
}

/* ---- objects, and the pool's frames, which stand for their numbers ---- */

/* The pool of a mempool that is one run, as most are, and is known in this process. */
static inline struct lab_pool *simple(const struct common *common)
{
	const struct side *side = &sides[common->slot];

	/* Acquire, twice: who finds the length, or the key, finds the run, or the pool. */
	return likely(__atomic_load_n(&common->objects.only.count, __ATOMIC_ACQUIRE) != 0 &&
		      __atomic_load_n(&side->key, __ATOMIC_ACQUIRE) == common->key)
		       ? side->pool
		       : NULL;
}

/* Any other, with the tables of objects in order; or NULL. */
static __attribute__((noinline)) struct lab_pool *ready(struct common *common)
{
	/* Acquire: who finds them in order finds the tables. */
	if (__atomic_load_n(&common->objects.stale, __ATOMIC_ACQUIRE) &&
	    objects_settle(&common->objects))
		return NULL;
	return side_pool(common);
}

/* What is none of the mempool's objects is refused by the pool, which has no frame there. If it
 * has, because the objects lie in its frames, the pointer is made one into the middle. */
static void *no_frame(struct common *common, const struct lab_pool *pool, void *object)
{
	side_note_foreign(common, object);
	return lab_frame_index(pool, object) == LAB_FRAME_NONE ? object : (char *)object + 1;
}

static void to_frames(struct common *common, const struct lab_pool *pool, void **frames,
		      void *const *objects, unsigned n)
{
	const struct run *near = NULL;

	for (unsigned i = 0; i < n; i++) {
		uint32_t number = objects_number(&common->objects, &near, objects[i]);

		if (likely(number != NO_NUMBER))
			frames[i] = lab_frame_at(pool, number);
		else
			frames[i] = no_frame(common, pool, objects[i]);
	}
}

static void to_objects(const struct common *common, const struct lab_pool *pool, void **objects,
		       unsigned n)
{
	const struct run *near = NULL;

	for (unsigned i = 0; i < n; i++) {
		uint64_t offset = (uint64_t)((const char *)objects[i] - pool->base);

		objects[i] =
			objects_at(&common->objects, &near, (uint32_t)(offset >> LAB_FRAME_SHIFT));
	}
}

/* One, in a mempool that is one run. NULL if it is none of its objects. */
static inline void *frame_of(const struct objects *o, const struct lab_pool *pool,
			     const void *object)
{
	uint32_t place = run_place(o, &o->only, (uintptr_t)object);

	return likely(place != NO_NUMBER) ? pool->base + ((uint64_t)place << LAB_FRAME_SHIFT)
					  : NULL;
}

static inline void *object_of(const struct objects *o, const struct lab_pool *pool,
			      const void *frame)
{
	uint64_t offset = (uint64_t)((const char *)frame - pool->base);

	return (void *)(o->only.base + (offset >> LAB_FRAME_SHIFT) * o->stride);
}

/* What is refused has been said. Any other reason is not the program's mistake, and mempools ignore
 * what a put returns. */
static int put_failed(struct common *common, int err)
{
	if (err == -ENOSPC || err == -EPERM || err == -ENOBUFS)
		side_note_failure(common, "an object could not be put back, and is lost");
	return err;
}

/* ---- in ---- */

static __attribute__((noinline)) int enqueue_any(struct common *common, void *const *objects,
						 unsigned n)
{
	struct lab_pool *pool = ready(common);
	void *frames[STEP];
	int err = 0;

	if (!pool)
		return -ENODEV;
	while (n) {
		unsigned step = RTE_MIN(n, (unsigned)STEP);
		int refused;

		to_frames(common, pool, frames, objects, step);
		refused = lab_free_bulk(pool, frames, step);
		err = err ? err : refused;
		objects += step;
		n -= step;
	}
	return err ? put_failed(common, err) : 0;
}

static __attribute__((noinline)) int enqueue_many(struct common *common, struct lab_pool *pool,
						  void *const *objects, unsigned n)
{
	void *frames[STEP];
	int err = 0;

	while (n) {
		unsigned step = RTE_MIN(n, (unsigned)STEP);
		int refused;

		if (likely(convert.frames(&common->objects, pool->base, frames, objects, step)))
			refused = lab_free_bulk(pool, frames, step);
		else
			refused = enqueue_any(common, objects, step);
		err = err ? err : refused;
		objects += step;
		n -= step;
	}
	return likely(!err) ? 0 : put_failed(common, err);
}

static int lab_mempool_enqueue(struct rte_mempool *mp, void *const *objects, unsigned n)
{
	struct common *common = common_of(mp);
	struct lab_pool *pool = simple(common);
	void *frame;
	int err;

	if (unlikely(!pool))
		return enqueue_any(common, objects, n);
	if (n != 1)
		return enqueue_many(common, pool, objects, n);
	frame = frame_of(&common->objects, pool, *objects);
	if (unlikely(!frame))
		return enqueue_any(common, objects, 1);
	err = lab_free(pool, frame);
	return likely(!err) ? 0 : put_failed(common, err);
}

/* ---- out ---- */

/* None left is a normal answer, and has no sentence. */
static int get_failed(struct common *common, int err)
{
	if (err == -ENOMEM)
		return -ENOBUFS;
	if (err != -ENOBUFS)
		side_note_failure(common, "no object can be had");
	return err;
}

/* DPDK's own cache, which all calls pass through, hands objects on in the reverse order. Groups of
 * frames are known by their order, so they are turned round once more. */
static inline int is_cache(const struct rte_mempool *mp, void **objects)
{
	return mp->cache_size && (uintptr_t)objects - (uintptr_t)mp->local_cache <
					 RTE_MAX_LCORE * sizeof(mp->local_cache[0]);
}

static void turn_round(void **objects, unsigned n)
{
	for (unsigned i = 0, j = n - 1; n && i < j; i++, j--) {
		void *object = objects[i];

		objects[i] = objects[j];
		objects[j] = object;
	}
}

static __attribute__((noinline)) int dequeue_any(struct rte_mempool *mp, void **objects, unsigned n)
{
	struct common *common = common_of(mp);
	struct lab_pool *pool = ready(common);
	int err;

	/* Before anything is written, here and in dequeue_most(): who asks for so many has no room
	 * for them. */
	if (n > common->objects.count)
		return -ENOBUFS;
	err = pool ? lab_alloc_bulk(pool, objects, n, LAB_GFP_ATOMIC) : -ENODEV;

	if (err)
		return get_failed(common, err);
	to_objects(common, pool, objects, n);
	if (is_cache(mp, objects))
		turn_round(objects, n);
	return 0;
}

/* More than fit on the stack, in place. */
static int dequeue_most(struct rte_mempool *mp, struct lab_pool *pool, void **objects, unsigned n)
{
	const struct objects *o = &common_of(mp)->objects;
	int err = n > o->count ? -ENOMEM : lab_alloc_bulk(pool, objects, n, LAB_GFP_ATOMIC);

	if (unlikely(err))
		return get_failed(common_of(mp), err);
	convert.objects(o, pool->base, objects, objects, n);
	if (is_cache(mp, objects))
		turn_round(objects, n);
	return 0;
}

static __attribute__((noinline)) int dequeue_many(struct rte_mempool *mp, struct lab_pool *pool,
						  void **objects, unsigned n)
{
	const struct objects *o = &common_of(mp)->objects;
	void *frames[STEP];
	int err;

	if (unlikely(n > STEP))
		return dequeue_most(mp, pool, objects, n);
	err = lab_alloc_bulk(pool, frames, n, LAB_GFP_ATOMIC);
	if (unlikely(err))
		return get_failed(common_of(mp), err);
	if (is_cache(mp, objects))
		convert.turned(o, pool->base, objects, frames, n);
	else
		convert.objects(o, pool->base, objects, frames, n);
	return 0;
}

static int lab_mempool_dequeue(struct rte_mempool *mp, void **objects, unsigned n)
{
	struct common *common = common_of(mp);
	struct lab_pool *pool = simple(common);
	void *frame;

	if (unlikely(!pool))
		return dequeue_any(mp, objects, n);
	if (n != 1)
		return dequeue_many(mp, pool, objects, n);
	frame = lab_alloc(pool, LAB_GFP_ATOMIC);
	if (unlikely(!frame))
		return lab_lcore_id(pool) ? -ENOBUFS : get_failed(common, -ENOSPC);
	*objects = object_of(&common->objects, pool, frame);
	return 0;
}

static unsigned lab_mempool_count(const struct rte_mempool *mp)
{
	/* NULL: it has not been populated yet. */
	struct lab_pool *pool = mp->pool_data ? side_pool(common_of(mp)) : NULL;
	struct lab_pool_stats stats;

	if (!pool)
		return 0;
	lab_pool_stats(pool, &stats);
	return (unsigned)(stats.free + stats.cached);
}

/* Objects that are exactly a frame, header and all, begin where one does. */
static int is_frame(const struct rte_mempool *mp)
{
	return mp->header_size + mp->elt_size + mp->trailer_size == LAB_FRAME_SIZE;
}

/* The place across the border of two chunks is left out (objects.h), so in each there may be one
 * object less than fit. Frames have no such places. */
static ssize_t lab_mempool_calc(const struct rte_mempool *mp, uint32_t n, uint32_t page_shift,
				size_t *min_chunk, size_t *align)
{
	size_t spare = is_frame(mp) ? 0 : mp->header_size + mp->elt_size + mp->trailer_size;
	ssize_t bytes =
		rte_mempool_op_calc_mem_size_helper(mp, n, page_shift, spare, min_chunk, align);

	if (is_frame(mp))
		*align = RTE_MAX(*align, (size_t)LAB_FRAME_SIZE);
	return bytes;
}

/* A chunk is contiguous for devices, so objects may lie across its pages. */
static int lab_mempool_populate(struct rte_mempool *mp, unsigned most, void *chunk, rte_iova_t iova,
				size_t bytes, rte_mempool_populate_obj_cb_t *add, void *arg)
{
	struct common *common = common_of(mp);
	struct lab_pool *pool = side_pool(common);
	uintptr_t start = (uintptr_t)chunk, end = start + bytes, object = 0;
	uint32_t number = 0;
	int n, err = 0;

	if (!pool)
		return -ENODEV;
	if (is_frame(mp))
		start = RTE_ALIGN_CEIL(start, LAB_FRAME_SIZE);
	n = objects_add(&common->objects, start + mp->header_size, end + mp->header_size, most,
			&object, &number);
	for (int i = 0; i < n; i++, object += common->objects.stride)
		add(mp, arg, (void *)object,
		    iova == RTE_BAD_IOVA ? iova : iova + (object - (uintptr_t)chunk));
	/* Frames have been there since their pool was made. */
	if (n > 0 && !common->frames)
		err = lab_numbers_add(pool, number, (uint32_t)n);
	/* So that no call on the data path has to, unless more comes later. */
	if (n > 0 && !err && (unsigned)n == most)
		objects_settle(&common->objects);
	if (n < 0 || err) {
		LOG(ERR, "mempool '%s' cannot be populated: %s\n", mp->name,
		    err ? lab_error_text() : "no number is left for its objects");
		return err ? err : n;
	}
	return n;
}

static const struct rte_mempool_ops ops = {
	.name = "labyrinth",
	.alloc = lab_mempool_alloc,
	.free = lab_mempool_free,
	.enqueue = lab_mempool_enqueue,
	.dequeue = lab_mempool_dequeue,
	.get_count = lab_mempool_count,
	.calc_mem_size = lab_mempool_calc,
	.populate = lab_mempool_populate,
};

RTE_MEMPOOL_REGISTER_OPS(ops);
