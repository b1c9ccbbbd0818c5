/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Frames lent to devices of the made-up machine, in every mode.
 */
#include "lending-ground.h"

TestSuite(dma_loan, .timeout = 60);

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

/* What is to be sent is told apart by the device's number in each pool. */
Test(dma_loan, what_is_to_be_sent)
{
	for (int mode = LAB_DOMAIN_GUARDED; mode <= LAB_DOMAIN_STRICT; mode++) {
		struct lab_holder holder[LAB_HOLDERS_MAX];
		struct lab_pool *other;
		int n;

		begin((enum lab_domain_mode)mode);
		other = named_pool("other", 64, 0);
		cr_assert_eq(lab_device_lend(nic, pool, frame, 60, iova), 60);
		OK(lab_device_note_sending(nic, pool, 12));
		n = lab_pool_holders(pool, holder, LAB_HOLDERS_MAX);
		cr_assert_geq(n, 1);
		cr_assert_eq(holder[n - 1].owner.kind, LAB_OWNER_DEVICE);
		cr_assert_eq(holder[n - 1].receiving, 48);
		cr_assert_eq(holder[n - 1].sending, 12);
		REFUSED(EPERM, lab_device_note_sending(nic, other, 1), "'other'",
			"not mapped in domain 'net'");
		REFUSED(EINVAL, lab_device_note_sending(nic, NULL, 1), FAKE_NIC, "NULL");
		cr_assert_eq(lab_device_take_back(nic, pool, frame, 60), 60);
		give_up_frames();
		end();
		end_whole(other);
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
