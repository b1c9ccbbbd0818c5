/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * One process produces frames, another consumes them; their numbers go through a ring in memory
 * that they share. Either is killed again and again, and started anew. Each frame is one's at a
 * time, and in the end all are free.
 *
 *	ring SECONDS [SEED]
 */
#include <errno.h>
#include <inttypes.h>

#include "../net/tap.h"
#include "../work.h"
#include "crew.h"

#define FRAMES   1024u
#define BURST    32u
#define NAME     "ring"
#define PRODUCER 0u
#define CONSUMER 1u

static struct lab_pool *pool;
static struct crew_member *self;

static void complain(const char *what)
{
	snprintf(self->said, sizeof(self->said), "%s: %.200s", what, lab_error_text());
	__atomic_add_fetch(&self->failed, 1, __ATOMIC_RELAXED);
}

static int join(unsigned me)
{
	const struct lab_attach_config config = {
		.name = NAME, .lcores = 1, .flags = LAB_POOL_FALLBACK};

	self = &crew->member[me];
	lab_pool_destroy(pool); /* the parent's handle */
	pool = lab_pool_attach(&config);
	if (!pool) {
		complain("attach");
		return 0;
	}
	__atomic_store_n(&self->process, lab_process_id(pool), __ATOMIC_RELEASE);
	return 1;
}

static void produce(unsigned me, uint64_t unused)
{
	struct crew_ring *ring = &crew->ring[PRODUCER][CONSUMER];
	unsigned round = 0;

	(void)unused;
	if (!join(me))
		return;
	for (;;) {
		uint32_t to = __atomic_load_n(&crew->member[CONSUMER].process, __ATOMIC_ACQUIRE);
		void *frames[BURST];
		unsigned n = 0, sent = 0;

		/* A burst as a whole, so that bundles are formed where they come back, and are
		 * broken where they are given away. */
		if (CREW_RING - (ring->tail - __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE)) >=
		    BURST)
			n = lab_alloc_burst(pool, frames, BURST, LAB_GFP_ATOMIC);
		crew_sign(pool, frames, n);
		if (!crew_is_signed(pool, frames, n))
			complain("a produced frame had another owner, too");
		/* One time in eight they come back untouched, and in another order. */
		if (n && ++round % 8 == 0) {
			void *last = frames[n - 1];

			frames[n - 1] = frames[0];
			frames[0] = last;
			to = 0;
		}
		if (to)
			sent = lab_transfer(pool, lab_owner_process(to), frames, n);
		for (unsigned i = 0; i < sent; i++)
			crew_tell(ring, lab_frame_index(pool, frames[i]));
		if (lab_free_bulk(pool, frames + sent, n - sent))
			complain("free");
		if (!sent)
			usleep(20);
	}
}

static void consume(unsigned me, uint64_t unused)
{
	struct crew_ring *ring = &crew->ring[PRODUCER][CONSUMER];
	struct lab_depot_stats depot;
	uint32_t producer = 0, number;
	void *got[BURST];
	unsigned n = 0;

	(void)unused;
	if (!join(me))
		return;
	for (;;) {
		uint32_t now = __atomic_load_n(&crew->member[PRODUCER].process, __ATOMIC_ACQUIRE);
		void *frame;

		if (!crew_hear(ring, &number)) {
			/* All that was told is accepted: what the last one did not tell of comes
			 * back. */
			if (now != producer && lab_reclaim(pool) < 0)
				complain("reclaim");
			producer = now;
			usleep(20);
			continue;
		}
		frame = lab_frame_at(pool, number);
		if (!lab_accept(pool, &frame, 1))
			continue;
		crew_sign(pool, &frame, 1);
		self->calls++;
		got[n++] = frame;
		if (n < BURST)
			continue;
		/* Mostly together, now and then singly. */
		if (!crew_is_signed(pool, got, n))
			complain("a consumed frame had another owner, too");
		for (; self->calls % 5 == 0 && n; n--) {
			if (lab_free(pool, got[n - 1]))
				complain("free");
		}
		if (n && lab_free_bulk(pool, got, n))
			complain("free");
		n = 0;
		lab_pool_depot_stats(pool, &depot);
		self->held = depot.bundles_used > self->held ? depot.bundles_used : self->held;
	}
}

int main(int argc, char **argv)
{
	const struct lab_pool_config config = {.name = NAME,
					       .frames = FRAMES,
					       .page_size = LAB_PAGE_4K,
					       .cache_frames = 64,
					       .max_lcores = 16,
					       .lcores = 1,
					       .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};
	double seconds = argc > 1 ? atof(argv[1]) : 5, end;
	uint64_t random = (argc > 2 ? strtoull(argv[2], NULL, 0) : random_seed()) | 1, kills = 0;
	struct lab_pool_stats stats;
	uint64_t consumed, failed;

	tap_note("seed %" PRIu64, random);
	if (!crew_begin() || !(pool = lab_pool_create(&config))) {
		printf("Bail out! %s\n", lab_error_text());
		return EXIT_FAILURE;
	}
	crew->members = 2;
	crew_start(PRODUCER, produce, 0);
	crew_start(CONSUMER, consume, 0);
	for (end = seconds_now() + seconds; seconds_now() < end; kills++) {
		unsigned victim = random_below(&random, 2);

		usleep(2000 + random_below(&random, 10000));
		crew_kill(victim);
		usleep(random_below(&random, 3000));
		crew_start(victim, victim == PRODUCER ? produce : consume, 0);
	}
	crew_kill(PRODUCER);
	usleep(50000); /* the consumer takes what is in the ring */
	consumed = crew->member[CONSUMER].calls;
	failed = crew->member[PRODUCER].failed + crew->member[CONSUMER].failed;
	tap_ok(failed == 0, "no frame has two owners, and no call fails");
	if (failed)
		tap_note("%s; %s", crew->member[0].said, crew->member[1].said);
	tap_ok(consumed > 1000, "frames come through");
	tap_ok(crew->member[CONSUMER].held > 0, "and bundles are among them");
	tap_note("%" PRIu64 " frames, %" PRIu64 " kills in %.0f s; up to %u bundles", consumed,
		 kills, seconds, crew->member[CONSUMER].held);
	crew_kill(CONSUMER);
	usleep(300000);
	lab_pool_reap(pool);
	lab_pool_stats(pool, &stats);
	tap_ok(stats.free == FRAMES && lab_pool_validate(pool) == 0,
	       "with both of them dead, all frames are free");
	tap_note("%" PRIu64 " free, %" PRIu64 " held: %s", stats.free, stats.held,
		 lab_error_text());
	tap_ok(lab_pool_destroy(pool) == 0 && rmdir(crew_dir) == 0, "and nothing is left");
	return tap_done();
}
