/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What becomes of the frames that a device of the made-up machine still has when it is closed.
 */
#include "lending-ground.h"

TestSuite(dma_quarantine, .timeout = 60);

Test(dma_quarantine, closed_and_reset)
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

Test(dma_quarantine, closed_and_not_reset)
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

/* A reset restores the command register: with bus mastering on it promises nothing. */
Test(dma_quarantine, closed_with_bus_mastering_on)
{
	begin(LAB_DOMAIN_GUARDED);
	OK(lab_device_bus_master(nic, 1));
	cr_assert_eq(lab_device_lend(nic, pool, frame, 40, iova), 40);
	fake_stick(FAKE_NIC);
	REFUSED(EBUSY, lab_device_close(nic), FAKE_NIC, "not reset", "40 frames", "quarantine");
	in_quarantine(N - 40, 40);
	nic = opened(domain, FAKE_NIC);
	in_quarantine(N - 40, 0);
	OK(lab_free_bulk(pool, frame + 40, N - 40));
	end();
}

/* The disk of the same domain would still reach what cannot be unmapped: nobody else gets it. */
Test(dma_quarantine, closed_and_not_unmapped)
{
	begin(LAB_DOMAIN_STRICT);
	cr_assert_eq(lab_device_lend(nic, pool, frame, 40, iova), 40);
	fake_fail(FAKE_UNMAP, 7, EFAULT);
	REFUSED(EBUSY, lab_device_close(nic), FAKE_NIC, "could not be unmapped", "40 frames",
		"quarantine");
	cr_assert(fake_failed());
	in_quarantine(N - 40, 40);
	REFUSED(EBUSY, lab_free(pool, frame[6]), "lent to device");
	cr_assert_eq(fake_entries(domain), 1);
	/* The domain's end is the mapping's. */
	OK(lab_domain_destroy(domain));
	domain = domain_on(&fake_keeping_ops, LAB_DOMAIN_STRICT, "next");
	nic = opened(domain, FAKE_NIC);
	in_quarantine(N - 40, 0);
	OK(lab_free_bulk(pool, frame + 40, N - 40));
	end();
}

/* It leaves quarantine in another domain too, and with the first one long gone. */
Test(dma_quarantine, quarantine_outlives_the_domain)
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
Test(dma_quarantine, closed_when_it_is_gone)
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
Test(dma_quarantine, closed_when_it_is_leaving)
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
