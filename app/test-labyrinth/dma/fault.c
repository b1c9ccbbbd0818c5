/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Mappings that fail on purpose, before the backend hears of them: of a pool, of a lent frame, of a
 * run; and each step of making a domain and its runs. All is as before, and can be tried again.
 */
#include "ground.h"

TestSuite(dma_fault, .timeout = 60);

#define N 8u

static void set(struct lab_pool *pool, enum lab_fault_point point, uint64_t nth, uint64_t every)
{
	const struct lab_fault fault = {.nth = nth, .every = every};

	OK(lab_fault_set(pool, point, &fault));
}

Test(dma_fault, a_pool_cannot_be_mapped)
{
	struct ground ground = level_ground();
	struct lab_pool *pool = named_pool("rx", 64, 0), *other = named_pool("tx", 64, 0);
	struct lab_domain *domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "one");
	struct lab_device *dev = opened(domain, FAKE_NIC);

	set(pool, LAB_FAULT_MAP, 1, 0);
	OK(lab_domain_map_pool(domain, other, LAB_DMA_BOTH));
	REFUSED(ENOMEM, lab_domain_map_pool(domain, pool, LAB_DMA_BOTH), "pool 'rx'", "'one'",
		"injected");
	translates_nothing(domain, pool);
	says_the_truth(domain);
	OK(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH));
	translates(domain, pool);
	cr_assert_eq(lab_fault_count(pool, LAB_FAULT_MAP), 1);
	cr_assert_eq(lab_fault_count(other, LAB_FAULT_MAP), 0);
	cr_assert_eq(lab_fault_count(NULL, LAB_FAULT_MAP), 0);
	OK(lab_device_close(dev));
	OK(lab_domain_destroy(domain));
	end_whole(pool);
	end_whole(other);
	as_before(&ground);
}

/* A premapped domain maps all pools when a device comes: with the second one the first goes, too.
 */
Test(dma_fault, a_premapped_domain_gets_no_device)
{
	struct ground ground = level_ground();
	struct lab_pool *pool[2] = {named_pool("rx", 64, 0), named_pool("tx", 64, 0)};
	struct lab_domain *domain = domain_on(&fake_forgetful_ops, LAB_DOMAIN_PREMAPPED, "one");

	for (unsigned i = 0; i < 2; i++) {
		set(pool[i], LAB_FAULT_MAP, 1, 0);
		FELL_SHORT(ENOMEM, 0, lab_device_open(domain, FAKE_NIC), "injected");
		cr_assert_eq(fake_entries(NULL), 0);
		translates_nothing(domain, pool[0]);
	}
	OK(lab_device_close(opened(domain, FAKE_NIC)));
	OK(lab_domain_destroy(domain));
	end_whole(pool[0]);
	end_whole(pool[1]);
	as_before(&ground);
}

Test(dma_fault, a_frame_cannot_be_lent)
{
	struct ground ground = level_ground();
	struct lab_pool *pool = named_pool("rx", 64, 0);
	struct lab_domain *domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_STRICT, "one");
	struct lab_device *dev = opened(domain, FAKE_NIC);
	uint64_t iova[N];
	void *frame[N];

	OK(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH));
	OK(lab_alloc_bulk(pool, frame, N, 0));
	for (unsigned nth = 1; nth <= N; nth++) {
		set(pool, LAB_FAULT_MAP, nth, 0);
		FELL_SHORT(ENOMEM, nth - 1, lab_device_lend(dev, pool, frame, N, iova),
			   "a lent frame", "injected");
		/* Those before it are lent, it and those behind are not. */
		conserved(pool, N - (nth - 1), nth - 1);
		says_the_truth(domain);
		cr_assert_eq(lab_device_take_back(dev, pool, frame, nth - 1), nth - 1);
	}
	OK(lab_fault_set(pool, LAB_FAULT_MAP, NULL));
	cr_assert_eq(lab_device_lend(dev, pool, frame, N, iova), N);
	cr_assert_eq(lab_device_take_back(dev, pool, frame, N), N);
	OK(lab_free_bulk(pool, frame, N));
	OK(lab_device_close(dev));
	OK(lab_domain_destroy(domain));
	OK(lab_pool_validate(pool));
	end_whole(pool);
	as_before(&ground);
}

Test(dma_fault, a_run_cannot_be_mapped)
{
	struct ground ground = level_ground();
	struct lab_domain *domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "one");
	struct lab_device *dev = opened(domain, FAKE_NIC);
	struct lab_run run[3];

	/* With a chunk of its own, and from one that is there. */
	for (unsigned i = 0; i < 3; i++) {
		set(NULL, LAB_FAULT_MAP, 1, 0);
		REFUSED(ENOMEM, lab_run_alloc(domain, 4, 0, LAB_DMA_BOTH, &run[i]), "a run",
			"'one'", "injected");
		cr_assert_null(run[i].addr);
		says_the_truth(domain);
		OK(lab_run_alloc(domain, 4, 0, LAB_DMA_BOTH, &run[i]));
	}
	cr_assert_eq(lab_fault_count(NULL, LAB_FAULT_MAP), 3);
	for (unsigned i = 0; i < 3; i++)
		OK(lab_run_free(domain, &run[i]));
	OK(lab_device_close(dev));
	OK(lab_domain_destroy(domain));
	as_before(&ground);
}

/* Pages of the chunk, its table, its mapping: a fallback may do in place of what fails. */
Test(dma_fault, each_step_of_a_run_fails_once)
{
	struct ground ground = level_ground();
	unsigned failed = 0;

	for (uint64_t nth = 1;; nth++) {
		struct lab_domain *domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "one");
		struct lab_device *dev = opened(domain, FAKE_NIC);
		uint64_t before = lab_fault_count(NULL, LAB_FAULT_CREATE), struck;
		struct lab_run run;
		int err;

		set(NULL, LAB_FAULT_CREATE, nth, 0);
		errno = 0;
		err = lab_run_alloc(domain, 4, 0, LAB_DMA_BOTH, &run);
		struck = lab_fault_count(NULL, LAB_FAULT_CREATE) - before;
		OK(lab_fault_set(NULL, LAB_FAULT_CREATE, NULL));
		if (err) {
			cr_assert_eq(struck, 1);
			cr_assert_eq(errno, -err);
			text_has("'one'", NULL);
			cr_assert_null(run.addr);
			failed++;
		}
		OK(err ? lab_run_alloc(domain, 4, 0, LAB_DMA_BOTH, &run) : 0);
		says_the_truth(domain);
		OK(lab_run_free(domain, &run));
		OK(lab_device_close(dev));
		OK(lab_domain_destroy(domain));
		as_before(&ground);
		if (!struck)
			break;
	}
	cr_assert_gt(failed, 0);
}

Test(dma_fault, a_domain_cannot_be_made)
{
	struct ground ground = level_ground();
	struct lab_domain_config config = {.name = "one"};

	set(NULL, LAB_FAULT_CREATE, 1, 0);
	FELL_SHORT(ENOMEM, 0, lab_domain_create_on(&config, &fake_keeping_ops, NULL), "domain");
	OK(lab_domain_destroy(domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "one")));
	as_before(&ground);
}

Test(dma_fault, the_environment_orders_for_runs_too)
{
	struct ground ground = level_ground();
	struct lab_domain_config config = {.name = "one"};
	struct lab_domain *domain;
	struct lab_device *dev;
	struct lab_run run;

	setenv("LABYRINTH_FAULT", "mapp:nth=2", 1);
	FELL_SHORT(EINVAL, 0, lab_domain_create_on(&config, &fake_keeping_ops, NULL), "\"mapp\"",
		   "\"map\"");
	setenv("LABYRINTH_FAULT", "map:nth=2", 1);
	domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "one");
	dev = opened(domain, FAKE_NIC);
	OK(lab_run_alloc(domain, 1, 0, LAB_DMA_BOTH, &run));
	REFUSED(ENOMEM, lab_run_alloc(domain, 1, 0, LAB_DMA_BOTH, &run), "injected");
	OK(lab_device_close(dev));
	OK(lab_domain_destroy(domain));
	as_before(&ground);
}
