/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Frames lent to devices of the made-up machine, in every mode, and what becomes of those that a
 * device still has when it is closed.
 */
#include "ground.h"

TestSuite(dma_loan, .timeout = 60);

#define N 96u

static struct lab_domain *domain;
static struct lab_device *nic;
static struct lab_pool *pool;
static struct ground ground;
static void *frame[N];
static uint64_t iova[N];

static void begin(enum lab_domain_mode mode)
{
	ground = level_ground();
	domain = domain_on(&fake_keeping_ops, mode, "net");
	nic = opened(domain, FAKE_NIC);
	pool = named_pool("rx", FRAMES, 0);
	OK(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH));
	OK(lab_alloc_bulk(pool, frame, N, 0));
}

/* The domain and the device are whole, and the frames are back in the pool. */
static void end(void)
{
	says_the_truth(domain);
	OK(lab_device_close(nic));
	OK(lab_domain_destroy(domain));
	end_whole(pool);
	as_before(&ground);
}

static void give_up_frames(void)
{
	OK(lab_free_bulk(pool, frame, N));
}

static int is_strict(void)
{
	return lab_domain_mode(domain) == LAB_DOMAIN_STRICT;
}

/* A device reaches these, at the addresses that lending gave; in a strict domain no others. */
static void reached(unsigned first, unsigned n, int yes)
{
	for (unsigned i = first; i < first + n; i++)
		cr_assert_eq(fake_reach(domain, lab_domain_iova(domain, pool, frame[i]),
					LAB_FRAME_SIZE, LAB_DMA_BOTH),
			     yes || !is_strict() ? frame[i] : NULL);
}

Test(dma_loan, there_and_back)
{
	for (int mode = LAB_DOMAIN_GUARDED; mode <= LAB_DOMAIN_STRICT; mode++) {
		begin((enum lab_domain_mode)mode);
		fake.calls[FAKE_MAP] = 0;
		memset(iova, 0xff, sizeof(iova));
		cr_assert_eq(lab_device_lend(nic, pool, frame, 60, iova), 60);
		for (unsigned i = 0; i < 60; i++)
			cr_assert_eq(iova[i], lab_domain_iova(domain, pool, frame[i]));
		cr_assert_eq(iova[60], UINT64_MAX);
		cr_assert_eq(fake.calls[FAKE_MAP], is_strict() ? 60 : 0); /* one each */
		reached(0, 60, 1);
		reached(60, N - 60, 0);
		conserved(pool, N - 60, 60);
		cr_assert_eq(lab_device_lend(nic, pool, frame + 60, 4, NULL), 4);
		cr_assert_eq(lab_device_lend(nic, pool, frame, 0, NULL), 0);
		says_the_truth(domain);
		cr_assert_eq(lab_device_take_back(nic, pool, frame + 20, 44), 44);
		reached(20, 44, 0);
		reached(0, 20, 1);
		cr_assert_eq(lab_device_take_back(nic, pool, frame, 20), 20);
		reached(0, N, 0);
		conserved(pool, N, 0);
		cr_assert_eq(fake_entries(domain), is_strict() ? 0 : 1);
		give_up_frames();
		end();
	}
}

/* Pools of a plain kind have no owners, and yet their frames travel. */
Test(dma_loan, unprotected)
{
	for (int mode = LAB_DOMAIN_GUARDED; mode <= LAB_DOMAIN_STRICT; mode++) {
		struct lab_pool *plain;

		begin((enum lab_domain_mode)mode);
		plain = named_pool("plain", 64, LAB_POOL_UNPROTECTED);
		give_up_frames();
		OK(lab_domain_map_pool(domain, plain, LAB_DMA_BOTH));
		OK(lab_alloc_bulk(plain, frame, 32, 0));
		cr_assert_eq(lab_device_lend(nic, plain, frame, 32, iova), 32);
		conserved(plain, 0, 32);
		for (unsigned i = 0; i < 32; i++)
			cr_assert_eq(fake_reach(domain, iova[i], LAB_FRAME_SIZE, LAB_DMA_BOTH),
				     frame[i]);
		cr_assert_eq(lab_device_take_back(nic, plain, frame, 32), 32);
		OK(lab_free_bulk(plain, frame, 32));
		OK(lab_domain_unmap_pool(domain, plain));
		end();
		end_whole(plain);
	}
}

Test(dma_loan, a_lent_frame_is_nobody_elses)
{
	for (int mode = LAB_DOMAIN_GUARDED; mode <= LAB_DOMAIN_STRICT; mode++) {
		struct lab_device *disk;

		begin((enum lab_domain_mode)mode);
		disk = opened(domain, FAKE_DISK);
		cr_assert_eq(lab_device_lend(nic, pool, frame, 2, iova), 2);
		REFUSED(EBUSY, lab_free(pool, frame[0]), "free of frame", "lent to device",
			FAKE_NIC);
		FELL_SHORT(EBUSY, 0, lab_device_lend(nic, pool, frame, 1, iova), "lend of frame",
			   FAKE_NIC);
		FELL_SHORT(EBUSY, 0, lab_device_lend(disk, pool, frame, 1, iova), FAKE_NIC);
		FELL_SHORT(EPERM, 0, lab_device_take_back(disk, pool, frame, 1), "take-back",
			   FAKE_DISK, FAKE_NIC);
		FELL_SHORT(EPERM, 0, lab_device_take_back(nic, pool, frame + 2, 1), "take-back",
			   "it is held");
		conserved(pool, N - 2, 2);
		reached(0, 2, 1);
		says_the_truth(domain);
		/* A burst stops at the wrong one; those before it have gone. */
		cr_assert_eq(lab_device_lend(disk, pool, frame + 2, 3, iova), 3);
		FELL_SHORT(EPERM, 2, lab_device_take_back(nic, pool, frame, 6), FAKE_DISK);
		conserved(pool, N - 3, 3);
		reached(0, 2, 0);
		reached(2, 3, 1);
		FELL_SHORT(EBUSY, 2, lab_device_lend(nic, pool, frame, 6, iova), FAKE_DISK);
		cr_assert_eq(lab_device_take_back(nic, pool, frame, 2), 2);
		cr_assert_eq(lab_device_take_back(disk, pool, frame + 2, 3), 3);
		give_up_frames();
		OK(lab_device_close(disk));
		end();
	}
}

Test(dma_loan, what_is_no_frame_of_a_mapped_pool)
{
	for (int mode = LAB_DOMAIN_GUARDED; mode <= LAB_DOMAIN_STRICT; mode++) {
		struct lab_pool *other;
		void *wrong;

		begin((enum lab_domain_mode)mode);
		other = named_pool("other", 64, 0);
		wrong = lab_alloc(other, 0);
		FELL_SHORT(EPERM, 0, lab_device_lend(nic, other, &wrong, 1, iova), "'other'",
			   FAKE_NIC, "not mapped in domain 'net'", "lab_domain_map_pool()");
		FELL_SHORT(EPERM, 0, lab_device_take_back(nic, other, &wrong, 1), "'other'");
		FELL_SHORT(EINVAL, 0, lab_device_lend(nic, NULL, &wrong, 1, iova), FAKE_NIC,
			   "NULL");
		FELL_SHORT(EXDEV, 0, lab_device_lend(nic, pool, &wrong, 1, iova), "pool 'other'");
		FELL_SHORT(EXDEV, 0, lab_device_take_back(nic, pool, &wrong, 1), "pool 'other'");
		OK(lab_free(other, wrong));
		wrong = (char *)frame[0] + 64;
		FELL_SHORT(EINVAL, 0, lab_device_lend(nic, pool, &wrong, 1, iova),
			   "64 bytes inside");
		FELL_SHORT(EINVAL, 0, lab_device_take_back(nic, pool, &wrong, 1),
			   "64 bytes inside");
		wrong = NULL;
		FELL_SHORT(EFAULT, 0, lab_device_lend(nic, pool, &wrong, 1, iova), "NULL");
		conserved(pool, N, 0);
		/* Mapped, used, unmapped: refused again. */
		give_up_frames();
		OK(lab_domain_unmap_pool(domain, pool));
		wrong = lab_alloc(pool, 0);
		FELL_SHORT(EPERM, 0, lab_device_lend(nic, pool, &wrong, 1, iova), "'rx'",
			   "not mapped");
		OK(lab_free(pool, wrong));
		end();
		end_whole(other);
	}
}

/* One unmap takes all that lie side by side, in the array as in memory. */
Test(dma_loan, strict_frames_go_by_stretches)
{
	void *side[8], *mixed[8];

	begin(LAB_DOMAIN_STRICT);
	give_up_frames();
	/* Alone with the pool, all of it can be had; then its lowest are neighbours. */
	for (unsigned i = 0; i < FRAMES; i++)
		cr_assert_not_null(lab_alloc(pool, 0));
	for (uint32_t i = 0; i < 8; i++)
		side[i] = lab_frame_at(pool, 100 + i);
	cr_assert_eq(lab_device_lend(nic, pool, side, 8, iova), 8);
	fake.calls[FAKE_UNMAP] = 0;
	cr_assert_eq(lab_device_take_back(nic, pool, side, 8), 8);
	cr_assert_eq(fake.calls[FAKE_UNMAP], 1);
	for (unsigned i = 0; i < 8; i++)
		mixed[i] = side[i ^ 1]; /* 1 0 3 2 ...: no two rise */
	cr_assert_eq(lab_device_lend(nic, pool, side, 8, iova), 8);
	fake.calls[FAKE_UNMAP] = 0;
	cr_assert_eq(lab_device_take_back(nic, pool, mixed, 8), 8);
	cr_assert_eq(fake.calls[FAKE_UNMAP], 8);
	/* Two stretches with a gap; and one that is cut where a frame is not lent. */
	cr_assert_eq(lab_device_lend(nic, pool, side, 8, iova), 8);
	memcpy(mixed, side, sizeof(side));
	memmove(mixed + 3, side + 5, 3 * sizeof(*side));
	fake.calls[FAKE_UNMAP] = 0;
	cr_assert_eq(lab_device_take_back(nic, pool, mixed, 6), 6);
	cr_assert_eq(fake.calls[FAKE_UNMAP], 2);
	cr_assert_eq(fake_entries(domain), 2);
	FELL_SHORT(EPERM, 0, lab_device_take_back(nic, pool, side + 2, 3), "it is held");
	FELL_SHORT(EPERM, 2, lab_device_take_back(nic, pool, side + 3, 3), "it is held");
	conserved(pool, FRAMES, 0);
	for (uint32_t i = 0; i < FRAMES; i++)
		OK(lab_free(pool, lab_frame_at(pool, i)));
	end();
}

Test(dma_loan, a_strict_map_that_fails)
{
	begin(LAB_DOMAIN_STRICT);
	for (unsigned k = 1; k <= 20; k++) {
		fake_fail(FAKE_MAP, k, ENOMEM);
		FELL_SHORT(ENOMEM, k - 1, lab_device_lend(nic, pool, frame, 20, iova),
			   "a lent frame", "'net'");
		cr_assert(fake_failed());
		conserved(pool, N - (k - 1), k - 1);
		cr_assert_eq(fake_entries(domain), k - 1);
		reached(0, k - 1, 1);
		reached(k - 1, N - (k - 1), 0);
		says_the_truth(domain);
		cr_assert_eq(lab_device_take_back(nic, pool, frame, k - 1), k - 1);
	}
	/* The kernel's limit is met in the same way. */
	give_up_frames();
	OK(lab_device_close(nic));
	fake.entries = 10;
	nic = opened(domain, FAKE_NIC);
	OK(lab_alloc_bulk(pool, frame, N, 0));
	FELL_SHORT(ENOSPC, 10, lab_device_lend(nic, pool, frame, 20, iova), "10 mappings",
		   "allows 10", "lend fewer frames", "dma_entry_limit");
	conserved(pool, N - 10, 10);
	cr_assert_eq(lab_device_take_back(nic, pool, frame, 10), 10);
	give_up_frames();
	end();
}

Test(dma_loan, a_strict_unmap_that_fails)
{
	begin(LAB_DOMAIN_STRICT);
	cr_assert_eq(lab_device_lend(nic, pool, frame, 8, iova), 8);
	fake_fail(FAKE_UNMAP, 1, EFAULT);
	FELL_SHORT(EFAULT, 0, lab_device_take_back(nic, pool, frame, 8), "frames of rx",
		   "cannot be unmapped", "'net'");
	cr_assert(fake_failed());
	conserved(pool, N - 8, 8); /* still the device's, as it still reaches them */
	reached(0, 8, 1);
	says_the_truth(domain);
	cr_assert_eq(lab_device_take_back(nic, pool, frame, 8), 8);
	give_up_frames();
	end();
}

struct newcomer {
	unsigned taken;
	int error;
};

static void *take_back_as_newcomer(void *arg)
{
	struct newcomer *n = arg;

	errno = 0;
	n->taken = lab_device_take_back(nic, pool, frame, 4);
	n->error = errno;
	return NULL;
}

/* A thread that can have no lcore takes nothing back, and unmaps nothing. */
Test(dma_loan, no_lcore_is_left)
{
	struct lab_pool_config config = {.name = "one",
					 .frames = 64,
					 .page_size = LAB_PAGE_4K,
					 .max_lcores = 1,
					 .flags = LAB_POOL_FALLBACK};
	struct lab_pool *whole;

	for (int mode = LAB_DOMAIN_GUARDED; mode <= LAB_DOMAIN_STRICT; mode++) {
		struct newcomer newcomer;
		pthread_t thread;

		begin((enum lab_domain_mode)mode);
		give_up_frames();
		whole = pool;
		pool = pool_of(&config);
		OK(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH));
		OK(lab_alloc_bulk(pool, frame, 4, 0));
		cr_assert_eq(lab_device_lend(nic, pool, frame, 4, iova), 4);
		cr_assert_eq(pthread_create(&thread, NULL, take_back_as_newcomer, &newcomer), 0);
		pthread_join(thread, NULL);
		cr_assert_eq(newcomer.taken, 0);
		cr_assert_eq(newcomer.error, ENOSPC);
		reached(0, 4, 1);
		conserved(pool, 0, 4);
		says_the_truth(domain);
		cr_assert_eq(lab_device_take_back(nic, pool, frame, 4), 4);
		OK(lab_free_bulk(pool, frame, 4));
		OK(lab_domain_unmap_pool(domain, pool));
		end_whole(pool);
		pool = whole;
		end();
	}
}

Test(dma_loan, a_pool_is_not_unmapped_while_lent)
{
	for (int mode = LAB_DOMAIN_GUARDED; mode <= LAB_DOMAIN_STRICT; mode++) {
		begin((enum lab_domain_mode)mode);
		cr_assert_eq(lab_device_lend(nic, pool, frame, 7, iova), 7);
		REFUSED(EBUSY, lab_domain_unmap_pool(domain, pool), "'rx'", "'net'",
			"7 frames are lent", FAKE_NIC);
		REFUSED(EBUSY, lab_pool_destroy(pool), "7 frames are lent");
		reached(0, 7, 1);
		cr_assert_eq(lab_device_take_back(nic, pool, frame, 7), 7);
		give_up_frames();
		OK(lab_domain_unmap_pool(domain, pool));
		end();
	}
}

/* ---- what a device has when it is closed ---- */

Test(dma_loan, closed_and_reset)
{
	for (int mode = LAB_DOMAIN_GUARDED; mode <= LAB_DOMAIN_STRICT; mode++) {
		struct lab_device *disk;

		begin((enum lab_domain_mode)mode);
		disk = opened(domain, FAKE_DISK);
		cr_assert_eq(lab_device_lend(nic, pool, frame, 40, iova), 40);
		cr_assert_eq(lab_device_lend(disk, pool, frame + 40, 5, iova), 5);
		cr_assert_eq(lab_device_close(nic), 40); /* those of the disk stay */
		conserved(pool, N - 5, 5);
		reached(0, 40, 0);
		reached(40, 5, 1);
		says_the_truth(domain);
		nic = opened(domain, FAKE_NIC);
		cr_assert_eq(lab_device_lend(nic, pool, frame, 40, iova), 40);
		cr_assert_eq(lab_device_take_back(nic, pool, frame, 40), 40);
		cr_assert_eq(lab_device_close(disk), 5);
		give_up_frames(); /* the caller held all of them */
		end();
	}
}

static void in_quarantine(uint64_t held, uint64_t quarantined)
{
	struct lab_pool_stats stats;

	conserved(pool, held, quarantined);
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.quarantined, quarantined);
}

Test(dma_loan, closed_and_not_reset)
{
	for (int mode = LAB_DOMAIN_GUARDED; mode <= LAB_DOMAIN_STRICT; mode++) {
		for (int way = 0; way < 2; way++) {
			struct fake_device *f;

			begin((enum lab_domain_mode)mode);
			f = fake_device(FAKE_NIC);
			cr_assert_eq(lab_device_lend(nic, pool, frame, 40, iova), 40);
			if (way)
				nic->can_reset = 0; /* as if it had been opened so */
			else
				f->reset_result = -EIO;
			REFUSED(EBUSY, lab_device_close(nic), FAKE_NIC, "not reset", "40 frames",
				"quarantine");
			in_quarantine(N - 40, 40);
			reached(0, 40, 0);
			REFUSED(EBUSY, lab_free(pool, frame[0]), "lent to device", FAKE_NIC);
			REFUSED(EBUSY, lab_pool_destroy(pool), "'rx'",
				"40 frames are in quarantine", "open it again");
			/* Opened, and still not to be reset: they stay. So does another's opening.
			 */
			f->reset_result = -EIO;
			f->can_reset = !way;
			nic = opened(domain, FAKE_NIC);
			in_quarantine(N - 40, 40);
			OK(lab_device_close(opened(domain, FAKE_DISK)));
			in_quarantine(N - 40, 40);
			/* Meanwhile the device lives on, with others. */
			cr_assert_eq(lab_device_lend(nic, pool, frame + 40, 8, iova), 8);
			FELL_SHORT(EPERM, 0, lab_device_take_back(nic, pool, frame, 1), FAKE_NIC);
			cr_assert_eq(lab_device_take_back(nic, pool, frame + 40, 8), 8);
			OK(lab_device_close(nic));
			in_quarantine(N - 40, 40);
			/* Opened and reset, in whatever domain: they are free again. */
			f->reset_result = 0;
			f->can_reset = 1;
			nic = opened(domain, FAKE_NIC);
			in_quarantine(N - 40, 0);
			OK(lab_free_bulk(pool, frame + 40, N - 40));
			end();
		}
	}
}

/* It leaves quarantine in another domain too, and with the first one long gone. */
Test(dma_loan, quarantine_outlives_the_domain)
{
	begin(LAB_DOMAIN_GUARDED);
	cr_assert_eq(lab_device_lend(nic, pool, frame, 3, iova), 3);
	fake_device(FAKE_NIC)->reset_result = -EIO;
	REFUSED(EBUSY, lab_device_close(nic), "3 frames");
	OK(lab_domain_destroy(domain));
	in_quarantine(N - 3, 3);
	REFUSED(EBUSY, lab_pool_destroy(pool), "quarantine");
	fake_device(FAKE_NIC)->reset_result = 0;
	domain = domain_on(&fake_forgetful_ops, LAB_DOMAIN_STRICT, "other");
	nic = opened(domain, FAKE_NIC);
	in_quarantine(N - 3, 0);
	OK(lab_free_bulk(pool, frame + 3, N - 3));
	end();
}

/* What is not there writes to nothing. */
Test(dma_loan, closed_when_it_is_gone)
{
	for (int mode = LAB_DOMAIN_GUARDED; mode <= LAB_DOMAIN_STRICT; mode++) {
		begin((enum lab_domain_mode)mode);
		nic->can_reset = 0;
		cr_assert_eq(lab_device_lend(nic, pool, frame, 40, iova), 40);
		fake_pull_out(FAKE_NIC);
		cr_assert_eq(lab_device_close(nic), 40);
		conserved(pool, N, 0);
		give_up_frames();
		fake_device(FAKE_NIC)->command = 0; /* another one is plugged in */
		nic = opened(domain, FAKE_NIC);
		end();
	}
}

/* The kernel wants it back and lets nobody reset it; closed, it leaves the bus. */
Test(dma_loan, closed_when_it_is_leaving)
{
	begin(LAB_DOMAIN_GUARDED);
	cr_assert_eq(lab_device_lend(nic, pool, frame, 40, iova), 40);
	fake_device(FAKE_NIC)->reset_busy = 1000;
	cr_assert_eq(fake_fire(FAKE_NIC, LAB_IRQ_REQ, 0), 1);
	while (lab_device_status(nic) == LAB_DEVICE_PRESENT)
		usleep(1000);                    /* the suite's time limit ends it */
	cr_assert_eq(lab_device_close(nic), 40); /* sysfs knows no such function */
	conserved(pool, N, 0);
	give_up_frames();
	fake_device(FAKE_NIC)->reset_busy = 0;
	nic = opened(domain, FAKE_NIC);
	end();
}
