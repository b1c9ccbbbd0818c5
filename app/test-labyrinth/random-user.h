/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A thread that uses a pool in every right way at random: it allocates singly and in bursts, writes
 * its mark in the frames, passes some to other threads, lends some to a device, frees them in any
 * order, and comes and goes as an lcore. It counts what it finds wrong. Knows no test framework, so
 * that programs under ThreadSanitizer can use it too.
 */
#ifndef RANDOM_USER_H
#define RANDOM_USER_H

#include <string.h>

#include <labyrinth/labyrinth.h>

#include "work.h"

#define USER_ROOM 700u

/** struct crowd - what the threads of one test share. */
struct crowd {
	struct lab_pool *pool;
	struct mailbox mailbox;
	int device;
	unsigned steps; /* of each thread */
	uint32_t wrong;
	const char *first_wrong;
};

/** struct random_user - one thread. */
struct random_user {
	struct crowd *crowd;
	uint64_t random;
	uint32_t self; /* not 0 */
	unsigned count, lent;
	void *frame[USER_ROOM]; /* [0, lent) are with the device */
};

static inline void user_wrong(struct crowd *crowd, const char *what)
{
	/* Relaxed: read after the threads were joined. */
	if (__atomic_fetch_add(&crowd->wrong, 1, __ATOMIC_RELAXED) == 0)
		__atomic_store_n(&crowd->first_wrong, what, __ATOMIC_RELAXED);
}

/* A word at each end of the frame says who holds it: a second owner would find the first's. */
static inline void user_mark(struct random_user *u, void *frame, uint64_t mark)
{
	uint64_t *word = frame;

	word[0] = word[LAB_FRAME_SIZE / 8 - 1] = mark;
}

static inline int user_marked(const void *frame, uint64_t mark)
{
	const uint64_t *word = frame;

	return word[0] == mark && word[LAB_FRAME_SIZE / 8 - 1] == mark;
}

static inline uint64_t user_mark_of(uint32_t self, const void *frame)
{
	return ((uint64_t)self << 48) ^ (uint64_t)(uintptr_t)frame;
}

static inline void user_took(struct random_user *u, unsigned n)
{
	for (; n; n--, u->count++) {
		void *frame = u->frame[u->count];

		if (lab_frame_index(u->crowd->pool, frame) == LAB_FRAME_NONE)
			user_wrong(u->crowd, "what came is no frame of the pool");
		user_mark(u, frame, user_mark_of(u->self, frame));
	}
}

static inline void user_check_last(struct random_user *u, unsigned n)
{
	for (unsigned i = u->count - n; i < u->count; i++) {
		if (!user_marked(u->frame[i], user_mark_of(u->self, u->frame[i])))
			user_wrong(u->crowd, "somebody else wrote to a frame that was held");
	}
}

/* Brings random frames of those not lent to the end. */
static inline void user_shuffle_last(struct random_user *u, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned at = u->count - 1 - i;
		unsigned other = u->lent + random_below(&u->random, at - u->lent + 1);
		void *swap = u->frame[at];

		u->frame[at] = u->frame[other];
		u->frame[other] = swap;
	}
}

static inline unsigned user_some(struct random_user *u, unsigned most)
{
	/* Often a block, often little, sometimes much. */
	unsigned kind = random_below(&u->random, 4);
	unsigned n = kind == 0   ? LAB_BLOCK_FRAMES
		     : kind == 1 ? 1 + random_below(&u->random, 8)
		     : kind == 2 ? 1 + random_below(&u->random, 100)
				 : LAB_BLOCK_FRAMES * (1 + random_below(&u->random, 4));

	return n < most ? n : most;
}

static inline void user_alloc(struct random_user *u)
{
	struct lab_pool *pool = u->crowd->pool;
	unsigned n = user_some(u, USER_ROOM - u->count);
	void **out = u->frame + u->count;

	switch (random_below(&u->random, 3)) {
	case 0:
		if (n && (*out = lab_alloc(pool, LAB_GFP_ATOMIC)) != NULL)
			user_took(u, 1);
		break;
	case 1:
		if (lab_alloc_bulk(pool, out, n, LAB_GFP_ATOMIC) == 0)
			user_took(u, n);
		break;
	default:
		user_took(u, lab_alloc_burst(pool, out, n, LAB_GFP_ATOMIC));
	}
}

static inline void user_free(struct random_user *u)
{
	struct lab_pool *pool = u->crowd->pool;
	unsigned n = user_some(u, u->count - u->lent);

	if (random_below(&u->random, 2))
		user_shuffle_last(u, n);
	user_check_last(u, n);
	if (n == 1 && random_below(&u->random, 2)) {
		if (lab_free(pool, u->frame[u->count - 1]) != 0)
			user_wrong(u->crowd, "a free was refused");
	} else if (lab_free_bulk(pool, u->frame + u->count - n, n) != 0) {
		user_wrong(u->crowd, "a bulk free was refused");
	}
	u->count -= n;
}

static inline void user_pass_on(struct random_user *u)
{
	struct mailbox *box = &u->crowd->mailbox;
	unsigned n = user_some(u, u->count - u->lent);
	void *frame;

	user_check_last(u, n);
	while (n-- && mailbox_put(box, u->frame[u->count - 1]))
		u->count--;
	for (n = user_some(u, USER_ROOM - u->count); n && (frame = mailbox_take(box)); n--) {
		u->frame[u->count] = frame;
		user_took(u, 1);
	}
}

static inline void user_lend(struct random_user *u)
{
	struct crowd *crowd = u->crowd;
	unsigned n = user_some(u, u->count - u->lent);

	if (random_below(&u->random, 2)) {
		if (lab_lend(crowd->pool, crowd->device, u->frame + u->lent, n) != n)
			user_wrong(crowd, "a lend was refused");
		u->lent += n;
	} else {
		if (lab_take_back(crowd->pool, crowd->device, u->frame, u->lent) != u->lent)
			user_wrong(crowd, "a take-back was refused");
		u->lent = 0;
	}
}

static inline void *random_user(void *arg)
{
	struct random_user *u = arg;
	struct lab_pool *pool = u->crowd->pool;

	for (unsigned step = 0; step < u->crowd->steps; step++) {
		unsigned what = random_below(&u->random, 1000);

		if (what < 430)
			user_alloc(u);
		else if (what < 850)
			user_free(u);
		else if (what < 950)
			user_pass_on(u);
		else if (what < 995)
			user_lend(u);
		else if (what < 998)
			lab_lcore_unregister(pool);
		else if (lab_lcore_register(pool, "user") < 1)
			user_wrong(u->crowd, "no lcore");
	}
	if (lab_take_back(pool, u->crowd->device, u->frame, u->lent) != u->lent)
		user_wrong(u->crowd, "the last take-back was refused");
	u->lent = 0;
	while (u->count)
		user_free(u);
	return NULL;
}

/* Runs @n threads to their ends, and frees what is left in the mailbox. */
static inline void random_crowd(struct crowd *crowd, struct random_user *user, unsigned n,
				uint64_t seed)
{
	pthread_t thread[16];
	void *frame;

	pthread_mutex_init(&crowd->mailbox.lock, NULL);
	crowd->device = lab_device_register(crowd->pool, "nic");
	for (unsigned i = 0; i < n; i++) {
		memset(&user[i], 0, sizeof(user[i]));
		user[i].crowd = crowd;
		user[i].self = i + 1;
		user[i].random = (seed + i) * 0x9e3779b97f4a7c15ull | 1;
		pthread_create(&thread[i], NULL, random_user, &user[i]);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	while ((frame = mailbox_take(&crowd->mailbox)) != NULL) {
		if (lab_free(crowd->pool, frame) != 0)
			user_wrong(crowd, "a frame from the mailbox was refused");
	}
	if (lab_device_release(crowd->pool, crowd->device) != 0)
		user_wrong(crowd, "the device still has frames");
}

#endif
