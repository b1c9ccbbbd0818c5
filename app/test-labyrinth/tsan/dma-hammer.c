/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Domains under ThreadSanitizer, on the made-up machine: threads lend and take back, in a guarded
 * and in a strict domain, while another maps and unmaps a second pool, makes runs, opens and closes
 * a second device, and reads what the domains say of themselves.
 */
#include <stdlib.h>
#include <string.h>

#include "dma/fake.h"
#include "net/tap.h"
#include "work.h"

#define LENDERS 3u
#define MOST    24u
#define STEPS   3000u
#define ROUNDS  400u
#define FRAMES  512u

/** struct hammer - one domain, and what its threads share. */
struct hammer {
	struct lab_domain *domain;
	struct lab_device *nic;
	struct lab_pool *pool, *other;
	uint32_t running; /* lenders */
	uint32_t wrong;
	const char *first_wrong;
	uint64_t seed;
};

struct lender {
	struct hammer *hammer;
	uint64_t random;
};

static void wrong(struct hammer *h, const char *what)
{
	/* Relaxed: read after the threads were joined. */
	if (__atomic_fetch_add(&h->wrong, 1, __ATOMIC_RELAXED) == 0) {
		__atomic_store_n(&h->first_wrong, what, __ATOMIC_RELAXED);
		tap_note("%s: %s", what, lab_error_text());
	}
}

static void lend_once(struct hammer *h, uint64_t *random)
{
	unsigned n = 1 + random_below(random, MOST), back;
	void *frame[MOST];
	uint64_t iova[MOST];

	if (lab_alloc_bulk(h->pool, frame, n, 0))
		return; /* the others have them */
	for (unsigned i = 0; i < n; i++)
		memset(frame[i], (int)n, 64);
	if (lab_device_lend(h->nic, h->pool, frame, n, iova) != n)
		wrong(h, "a lend fell short");
	for (unsigned i = 0; i < n; i++) {
		if (fake_reach(h->domain, iova[i], LAB_FRAME_SIZE, LAB_DMA_BOTH) != frame[i])
			wrong(h, "the device does not reach a frame that it was lent");
	}
	back = random_below(random, n + 1);
	if (lab_device_take_back(h->nic, h->pool, frame, back) != back ||
	    lab_device_take_back(h->nic, h->pool, frame + back, n - back) != n - back)
		wrong(h, "a take-back fell short");
	/* In a strict domain nobody has mapped it again: it is still ours. */
	if (lab_domain_mode(h->domain) == LAB_DOMAIN_STRICT &&
	    fake_reach(h->domain, iova[0], LAB_FRAME_SIZE, 0))
		wrong(h, "the device reaches a frame that was taken back");
	if (lab_free_bulk(h->pool, frame, n))
		wrong(h, "a free was refused");
}

static void *lender(void *arg)
{
	struct lender *l = arg;

	for (unsigned i = 0; i < STEPS; i++)
		lend_once(l->hammer, &l->random);
	__atomic_fetch_sub(&l->hammer->running, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* The control path, at the same time. */
static void manage_once(struct hammer *h)
{
	struct lab_domain_stats stats;
	struct lab_device *disk;
	struct lab_run run;
	void *frame;

	if (lab_domain_map_pool(h->domain, h->other, LAB_DMA_BOTH))
		wrong(h, "a pool is not mapped");
	disk = lab_device_open(h->domain, FAKE_DISK);
	if (!disk)
		wrong(h, "the second device does not open");
	frame = lab_alloc(h->other, 0);
	if (disk && lab_device_lend(disk, h->other, &frame, 1, NULL) != 1)
		wrong(h, "a lend to the second device fell short");
	if (disk && lab_device_close(disk) != 1)
		wrong(h, "the second device has not what it was lent");
	if (lab_free(h->other, frame))
		wrong(h, "what was taken back cannot be freed");
	if (lab_run_alloc(h->domain, 5, 16384, LAB_DMA_BOTH, &run))
		wrong(h, "no run");
	else
		memset(run.addr, 1, 5 * (size_t)LAB_FRAME_SIZE);
	if (lab_run_free(h->domain, &run))
		wrong(h, "a run is not freed");
	lab_domain_stats(h->domain, &stats);
	if (stats.devices != 1 || stats.entries > FRAMES + 2)
		wrong(h, "the statistics are wrong");
	if (lab_domain_unmap_pool(h->domain, h->other))
		wrong(h, "a pool is not unmapped");
}

static struct lab_pool *pool_called(const char *name)
{
	struct lab_pool_config config = {.name = name,
					 .frames = FRAMES,
					 .page_size = LAB_PAGE_4K,
					 .cache_frames = 64,
					 .flags = LAB_POOL_FALLBACK};

	return lab_pool_create(&config);
}

static int is_whole(const struct lab_pool *pool)
{
	struct lab_pool_stats stats;

	lab_pool_census(pool, &stats);
	return stats.held == 0 && stats.lent == 0 &&
	       stats.free + stats.cached + stats.retired == stats.total && stats.total == FRAMES;
}

static void let_loose(struct hammer *h)
{
	struct lender self[LENDERS];
	pthread_t thread[LENDERS];

	h->running = LENDERS;
	for (unsigned i = 0; i < LENDERS; i++) {
		self[i] = (struct lender){h, h->seed + 2 * i};
		if (pthread_create(&thread[i], NULL, lender, &self[i]))
			abort();
	}
	for (unsigned i = 0; i < ROUNDS && __atomic_load_n(&h->running, __ATOMIC_RELAXED); i++)
		manage_once(h);
	for (unsigned i = 0; i < LENDERS; i++)
		pthread_join(thread[i], NULL);
}

static void hammer(const char *name, enum lab_domain_mode mode, const struct lab_iommu_ops *ops)
{
	struct lab_domain_config config = {.name = name, .mode = mode};
	struct hammer h = {.seed = random_seed()};
	unsigned entries;
	char what[80];

	fake_power_on();
	h.pool = pool_called("rx");
	h.other = pool_called("tx");
	h.domain = lab_domain_create_on(&config, ops, NULL);
	h.nic = h.domain ? lab_device_open(h.domain, FAKE_NIC) : NULL;
	if (!tap_ok(h.pool && h.other && h.nic &&
			    lab_domain_map_pool(h.domain, h.pool, LAB_DMA_BOTH) == 0,
		    name)) {
		tap_note("%s", lab_error_text());
		return;
	}
	let_loose(&h);
	snprintf(what, sizeof(what), "%s: nobody finds anything wrong", name);
	if (!tap_ok(h.wrong == 0, what))
		tap_note("seed 0x%llx: %u times, first: %s", (unsigned long long)h.seed, h.wrong,
			 h.first_wrong);
	snprintf(what, sizeof(what), "%s: no frame is lost", name);
	tap_ok(is_whole(h.pool) && is_whole(h.other), what);
	entries = fake_entries(h.domain);
	snprintf(what, sizeof(what), "%s: %u mappings are left, as should be", name, entries);
	tap_ok(entries == (mode == LAB_DOMAIN_STRICT ? 0 : 1), what);
	snprintf(what, sizeof(what), "%s: all of it goes", name);
	if (!tap_ok(lab_device_close(h.nic) == 0 && lab_domain_destroy(h.domain) == 0 &&
			    lab_pool_destroy(h.pool) == 0 && lab_pool_destroy(h.other) == 0,
		    what))
		tap_note("%s", lab_error_text());
	snprintf(what, sizeof(what), "%s: the machine has nothing to complain of", name);
	if (!tap_ok(fake.wrong == 0 && fake_entries(NULL) == 0, what))
		tap_note("%u times, first: %s", fake.wrong, fake.first_wrong);
}

int main(void)
{
	hammer("guarded", LAB_DOMAIN_GUARDED, &fake_keeping_ops);
	hammer("strict", LAB_DOMAIN_STRICT, &fake_keeping_ops);
	hammer("strict, forgetful", LAB_DOMAIN_STRICT, &fake_forgetful_ops);
	return tap_done();
}
