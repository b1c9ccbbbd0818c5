/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Runs on the made-up machine: memory for rings, each by itself.
 */
#include "ground.h"
#include "work.h"

TestSuite(dma_run, .timeout = 60);

#define CHUNK 512u /* frames that one chunk has */

static struct lab_domain *domain;
static struct lab_device *dev;
static struct ground ground;

static void begin(void)
{
	ground = level_ground();
	domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "rings");
	dev = opened(domain, FAKE_NIC);
}

static void end(void)
{
	OK(lab_device_close(dev));
	OK(lab_domain_destroy(domain));
	as_before(&ground);
}

static struct lab_run run_of(uint32_t frames, uint64_t align)
{
	struct lab_run run;

	OK(lab_run_alloc(domain, frames, align, LAB_DMA_BOTH, &run));
	cr_assert_eq(run.frames, frames);
	cr_assert_eq(run.iova & ((align ? align : 4096) - 1), 0);
	cr_assert_eq((uintptr_t)run.addr & 4095, 0);
	cr_assert_eq(fake_reach(domain, run.iova, (uint64_t)frames * LAB_FRAME_SIZE, LAB_DMA_BOTH),
		     run.addr);
	return run;
}

/* All bytes are those of @value. */
static int filled(const struct lab_run *run, int value)
{
	const char *byte = run->addr;
	size_t bytes = (size_t)run->frames * LAB_FRAME_SIZE;

	return byte[0] == value && memcmp(byte, byte + 1, bytes - 1) == 0;
}

static void fill(struct lab_run *run, int value)
{
	memset(run->addr, value, (size_t)run->frames * LAB_FRAME_SIZE);
}

Test(dma_run, aligned_and_zeroed)
{
	begin();
	for (uint64_t align = 4096; align <= 2u << 20; align *= 2) {
		struct lab_run a = run_of(3, align), b = run_of(1, align);

		cr_assert(filled(&a, 0) && filled(&b, 0));
		fill(&a, 0x5a);
		cr_assert(filled(&b, 0));
		fill(&b, 0x5a);
		OK(lab_run_free(domain, &a));
		OK(lab_run_free(domain, &b));
		cr_assert_null(a.addr);
		cr_assert_eq(a.iova, 0);
		cr_assert_eq(a.frames, 0);
		OK(lab_run_free(domain, &a)); /* does nothing */
		cr_assert_eq(fake_entries(domain), 0);
	}
	end();
}

/* A device that runs over the end of one ring finds no other. */
Test(dma_run, each_is_a_mapping_of_its_own)
{
	struct lab_run run[4];

	begin();
	for (unsigned i = 0; i < 4; i++) {
		unsigned access = i < 3 ? i + 1 : LAB_DMA_BOTH;

		OK(lab_run_alloc(domain, 2, 0, access, &run[i]));
		cr_assert_eq(fake_entries(domain), i + 1);
		cr_assert_eq(fake_reach(domain, run[i].iova, 8192, access), run[i].addr);
		cr_assert_null(fake_reach(domain, run[i].iova, 8193, access));
		if (access != LAB_DMA_BOTH)
			cr_assert_null(fake_reach(domain, run[i].iova, 1, LAB_DMA_BOTH));
	}
	cr_assert_eq(fake.calls[FAKE_MAP], 4);
	says_the_truth(domain);
	/* Neighbours in memory, but gone by themselves. */
	OK(lab_run_free(domain, &run[1]));
	cr_assert_eq(fake_entries(domain), 3);
	for (unsigned i = 0; i < 4; i++) {
		if (i != 1)
			cr_assert_not_null(fake_reach(domain, run[i].iova, 8192, 0));
	}
	end(); /* with three of them alive: they go with the domain */
}

Test(dma_run, another_chunk_when_one_is_full)
{
	struct lab_run all = {0}, one, rest;
	char *first;

	begin();
	all = run_of(CHUNK, 0);
	first = all.addr;
	one = run_of(1, 0);
	cr_assert((char *)one.addr < first || (char *)one.addr >= first + CHUNK * 4096ull);
	rest = run_of(CHUNK - 1, 0);
	cr_assert_eq((char *)rest.addr, (char *)one.addr + 4096);
	OK(lab_run_free(domain, &all));
	all = run_of(CHUNK, 0); /* the same again */
	cr_assert_eq(all.addr, first);
	OK(lab_run_free(domain, &one));
	one = run_of(1, 0);
	cr_assert_eq((char *)rest.addr, (char *)one.addr + 4096);
	end();
}

Test(dma_run, what_is_no_run_is_not_freed)
{
	struct lab_domain *other;
	struct lab_run run, wrong;

	begin();
	other = domain_on(&fake_keeping_ops, LAB_DOMAIN_GUARDED, "others");
	run = run_of(4, 0);
	wrong = run;
	REFUSED(ENOENT, lab_run_free(other, &wrong), "'others'", "no run at");
	wrong.addr = (char *)run.addr + 4096; /* inside it */
	REFUSED(ENOENT, lab_run_free(domain, &wrong), "'rings'", "no run at");
	wrong.addr = (char *)run.addr + 1;
	REFUSED(ENOENT, lab_run_free(domain, &wrong), "no run at");
	wrong.addr = (char *)run.addr + 4 * 4096; /* free memory of the chunk */
	REFUSED(ENOENT, lab_run_free(domain, &wrong), "no run at");
	wrong.addr = &wrong;
	REFUSED(ENOENT, lab_run_free(domain, &wrong), "no run at");
	wrong = run;
	wrong.frames = 1; /* the domain knows better */
	wrong.iova = 0;
	OK(lab_run_free(domain, &wrong));
	cr_assert_eq(fake_entries(domain), 0);
	REFUSED(ENOENT, lab_run_free(domain, &run), "no run at");
	REFUSED(EINVAL, lab_run_free(NULL, &run), "NULL");
	OK(lab_run_free(domain, NULL));
	OK(lab_domain_destroy(other));
	end();
}

Test(dma_run, a_map_or_unmap_that_fails)
{
	struct lab_run run = {.frames = 9}, again;

	begin();
	fake_fail(FAKE_MAP, 1, ENOMEM);
	REFUSED(ENOMEM, lab_run_alloc(domain, 1, 0, LAB_DMA_BOTH, &run), "a run", "'rings'");
	cr_assert(fake_failed());
	cr_assert_null(run.addr);
	says_the_truth(domain);
	run = run_of(2, 0);
	fill(&run, 7);
	fake_fail(FAKE_UNMAP, 1, EFAULT);
	REFUSED(EFAULT, lab_run_free(domain, &run), "a run", "cannot be unmapped", "'rings'");
	cr_assert(fake_failed());
	cr_assert_not_null(run.addr);
	again = run_of(1, 0); /* elsewhere: a device reaches the other still */
	cr_assert((char *)again.addr < (char *)run.addr ||
		  (char *)again.addr >= (char *)run.addr + 8192);
	cr_assert(filled(&run, 7));
	OK(lab_run_free(domain, &run));
	OK(lab_run_free(domain, &again));
	says_the_truth(domain);
	end();
}

#define OLD 60u

/* Many of all sizes, in any order: none has a byte of another. */
Test(dma_run, at_random)
{
	uint64_t seed = random_seed(), random = seed;
	static struct lab_run run[OLD];
	unsigned n = 0;

	begin();
	fprintf(stderr, "# seed 0x%llx\n", (unsigned long long)seed);
	for (unsigned i = 0; i < 1500; i++) {
		unsigned which = random_below(&random, OLD);

		if (which < n) {
			cr_assert(filled(&run[which], 1 + (run[which].iova >> 12) % 100));
			OK(lab_run_free(domain, &run[which]));
			run[which] = run[--n];
		} else {
			run[n] = run_of(1 + random_below(&random, i % 50 ? 20 : 512),
					4096u << random_below(&random, 10));
			cr_assert(filled(&run[n], 0));
			fill(&run[n], 1 + (run[n].iova >> 12) % 100);
			n++;
		}
		cr_assert_eq(fake_entries(domain), n, "seed 0x%llx", (unsigned long long)seed);
	}
	says_the_truth(domain);
	end();
}
