/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A domain with a NIC, and a pool with frames in hand: where lending begins.
 */
#ifndef LENDING_GROUND_H
#define LENDING_GROUND_H

#include "ground.h"

#define N 96u

static struct lab_domain *domain;
static struct lab_device *nic;
static struct lab_pool *pool;
static struct ground ground;
static void *frame[N];
static uint64_t iova[N];

static inline void begin(enum lab_domain_mode mode)
{
	ground = level_ground();
	domain = domain_on(&fake_keeping_ops, mode, "net");
	nic = opened(domain, FAKE_NIC);
	pool = named_pool("rx", FRAMES, 0);
	OK(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH));
	OK(lab_alloc_bulk(pool, frame, N, 0));
}

/* The domain and the device are whole, and the frames are back in the pool. */
static inline void end(void)
{
	says_the_truth(domain);
	OK(lab_device_close(nic));
	OK(lab_domain_destroy(domain));
	end_whole(pool);
	as_before(&ground);
}

static inline void give_up_frames(void)
{
	OK(lab_free_bulk(pool, frame, N));
}

static inline int is_strict(void)
{
	return lab_domain_mode(domain) == LAB_DOMAIN_STRICT;
}

/* A device reaches these, at the addresses that lending gave; in a strict domain no others. */
static inline void reached(unsigned first, unsigned n, int yes)
{
	for (unsigned i = first; i < first + n; i++)
		cr_assert_eq(fake_reach(domain, lab_domain_iova(domain, pool, frame[i]),
					LAB_FRAME_SIZE, LAB_DMA_BOTH),
			     yes || !is_strict() ? frame[i] : NULL);
}

#endif
