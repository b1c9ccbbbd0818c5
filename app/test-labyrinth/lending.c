/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Frames with devices: lent, taken back, and refused to everybody else meanwhile.
 */
#include "refusals.h"

TestSuite(lending, .timeout = 60);

/* A lend or take-back that must stop before its first frame. */
#define REFUSED(call, ...)                                          \
	do {                                                        \
		struct before before_ = before_call(pool, &seen);   \
		struct expected expected_ = {__VA_ARGS__};          \
		unsigned done_ = (call);                            \
		cr_assert_eq(done_, 0);                             \
		refused(pool, &seen, &before_, -errno, &expected_); \
	} while (0)

Test(lending, there_and_back)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);
		int nic = lab_device_register(pool, "nic");
		void *frame[100];

		cr_assert_geq(nic, 0);
		cr_assert_eq(lab_alloc_bulk(pool, frame, 100, 0), 0);
		for (int round = 0; round < 3; round++) {
			cr_assert_eq(lab_lend(pool, nic, frame, 60), 60);
			conserved(pool, 40, 60);
			cr_assert_eq(lab_lend(pool, nic, frame, 0), 0);
			cr_assert_eq(lab_take_back(pool, nic, frame + 20, 40), 40);
			conserved(pool, 80, 20);
			cr_assert_eq(lab_take_back(pool, nic, frame, 20), 20);
			conserved(pool, 100, 0);
		}
		cr_assert_eq(lab_free_bulk(pool, frame, 100), 0);
		cr_assert_eq(lab_device_release(pool, nic), 0);
		end_whole(pool);
	}
}

static void split(const struct lab_pool *pool, uint64_t lent, uint64_t receiving, uint64_t sending)
{
	struct lab_holder holder[LAB_HOLDERS_MAX];
	int n = lab_pool_holders(pool, holder, LAB_HOLDERS_MAX);

	cr_assert_geq(n, 1);
	cr_assert_eq(holder[n - 1].owner.kind, LAB_OWNER_DEVICE);
	cr_assert_eq(holder[n - 1].lent, lent);
	cr_assert_eq(holder[n - 1].receiving, receiving);
	cr_assert_eq(holder[n - 1].sending, sending);
}

Test(lending, what_is_to_be_sent_is_told_apart)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	int nic = lab_device_register(pool, "nic");
	void *frame[100];

	cr_assert_eq(lab_alloc_bulk(pool, frame, 100, 0), 0);
	cr_assert_eq(lab_lend(pool, nic, frame, 60), 60);
	split(pool, 60, 0, 0); /* the driver has not said */
	cr_assert_eq(lab_note_sending(pool, nic, 0), 0);
	split(pool, 60, 60, 0);
	cr_assert_eq(lab_note_sending(pool, nic, 13), 0);
	split(pool, 60, 47, 13);
	/* Never more than the frame table knows of, whatever is said, and whenever. */
	cr_assert_eq(lab_take_back(pool, nic, frame, 50), 50);
	split(pool, 10, 0, 10);
	cr_assert_eq(lab_note_sending(pool, nic, UINT32_MAX), 0);
	split(pool, 10, 0, 10);
	cr_assert_eq(lab_note_sending(pool, nic + 1, 1), -ENOENT);
	cr_assert_eq(lab_note_sending(pool, -1, 1), -ENOENT);
	cr_assert_eq(lab_note_sending(NULL, 0, 1), -EINVAL);
	cr_assert_eq(lab_take_back(pool, nic, frame + 50, 10), 10);
	cr_assert_eq(lab_device_release(pool, nic), 0);
	/* The next device of the number begins anew. */
	cr_assert_eq(lab_device_register(pool, "disk"), nic);
	cr_assert_eq(lab_lend(pool, nic, frame, 5), 5);
	split(pool, 5, 0, 0);
	cr_assert_eq(lab_take_back(pool, nic, frame, 5), 5);
	cr_assert_eq(lab_device_release(pool, nic), 0);
	cr_assert_eq(lab_free_bulk(pool, frame, 100), 0);
	end_whole(pool);
}

Test(lending, a_lent_frame_is_nobody_elses)
{
	struct seen seen;
	struct lab_pool *pool = watched_pool("rx", &seen);
	int nic = lab_device_register(pool, "nic"), disk = lab_device_register(pool, "disk");
	void *frame = lab_alloc(pool, LAB_GFP_ATOMIC);
	uint32_t number = lab_frame_index(pool, frame);
	struct before before;

	cr_assert_eq(lab_lend(pool, nic, &frame, 1), 1);
	before = before_call(pool, &seen);
	refused(pool, &seen, &before, lab_free(pool, frame),
		&(struct expected){EBUSY, LAB_REFUSED_LENT, frame, number, "free of frame",
				   "it is lent to device 0 (nic)"});
	REFUSED(lab_lend(pool, nic, &frame, 1), EBUSY, LAB_REFUSED_LENT, frame, number,
		"lend of frame", "it is lent to device 0 (nic)");
	REFUSED(lab_lend(pool, disk, &frame, 1), EBUSY, LAB_REFUSED_LENT, frame, number,
		"lend of frame", "it is lent to device 0 (nic)");
	REFUSED(lab_take_back(pool, disk, &frame, 1), EPERM, LAB_REFUSED_NOT_LENT, frame, number,
		"take-back from device 1 (disk) of frame", "it is lent to device 0 (nic)");
	cr_assert_eq(lab_take_back(pool, nic, &frame, 1), 1);
	REFUSED(lab_take_back(pool, nic, &frame, 1), EPERM, LAB_REFUSED_NOT_LENT, frame, number,
		"take-back from device 0 (nic) of frame", "it is held, allocated by lcore 1");
	cr_assert_eq(lab_free(pool, frame), 0);
	end_whole(pool);
}

Test(lending, only_what_is_held_can_be_lent)
{
	struct seen seen;
	struct lab_pool *pool = watched_pool("rx", &seen), *other = small_pool(64, 0);
	int nic = lab_device_register(pool, "nic");
	void *frame = lab_alloc(pool, LAB_GFP_ATOMIC), *foreign = lab_alloc(other, 0);
	void *inside = (char *)frame + 512, *outside = &seen;
	uint32_t number = lab_frame_index(pool, frame);

	REFUSED(lab_lend(pool, nic, &foreign, 1), EXDEV, LAB_REFUSED_OTHER_POOL, foreign,
		LAB_FRAME_NONE, "lend of 0x", "of pool 'test', not of pool 'rx'");
	REFUSED(lab_lend(pool, nic, &inside, 1), EINVAL, LAB_REFUSED_INSIDE, inside, number,
		"lend of 0x", "it lies 512 bytes inside frame");
	REFUSED(lab_lend(pool, nic, &outside, 1), EFAULT, LAB_REFUSED_OUTSIDE, outside,
		LAB_FRAME_NONE, "lend of 0x", "in no pool");
	REFUSED(lab_take_back(pool, nic, &inside, 1), EINVAL, LAB_REFUSED_INSIDE, inside, number,
		"take-back from device 0 (nic) of 0x", "it lies 512 bytes inside frame");
	REFUSED(lab_take_back(pool, nic, &outside, 1), EFAULT, LAB_REFUSED_OUTSIDE, outside,
		LAB_FRAME_NONE, "take-back", "in no pool");
	cr_assert_eq(lab_free(pool, frame), 0);
	REFUSED(lab_lend(pool, nic, &frame, 1), EALREADY, LAB_REFUSED_NOT_HELD, frame, number,
		"lend of frame", "it is free, in the cache of lcore 1");
	frame = lab_frame_at(pool, FRAMES - 1);
	REFUSED(lab_lend(pool, nic, &frame, 1), EALREADY, LAB_REFUSED_NOT_HELD, frame, FRAMES - 1,
		"lend of frame", "it is free, in the depot");
	cr_assert_eq(lab_free(other, foreign), 0);
	end_whole(other);
	end_whole(pool);
}

/* It stops at the first wrong frame, and those behind it are as they were. */
Test(lending, a_burst_stops_at_the_wrong_frame)
{
	struct seen seen;
	struct lab_pool *pool = watched_pool("rx", &seen);
	int nic = lab_device_register(pool, "nic");
	void *frame[64];

	for (unsigned at = 0; at < 64; at += 9) {
		cr_assert_eq(lab_alloc_bulk(pool, frame, 64, 0), 0);
		cr_assert_eq(lab_free(pool, frame[at]), 0);
		cr_assert_eq(lab_lend(pool, nic, frame, 64), at);
		conserved(pool, 63 - at, at);
		cr_assert_eq(seen.last.kind, LAB_REFUSED_NOT_HELD);
		cr_assert_eq(seen.last.address, frame[at]);
		cr_assert_eq(lab_take_back(pool, nic, frame, 64), at);
		cr_assert_eq(seen.last.kind, LAB_REFUSED_NOT_LENT);
		cr_assert_eq(seen.last.address, frame[at]);
		conserved(pool, 63, 0);
		cr_assert_eq(lab_free_bulk(pool, frame, at), 0);
		cr_assert_eq(lab_free_bulk(pool, frame + at + 1, 63 - at), 0);
	}
	end_whole(pool);
}

Test(lending, devices)
{
	struct lab_pool *pool = small_pool(64, 0);
	int device[LAB_MAX_DEVICES];
	void *frame = lab_alloc(pool, LAB_GFP_ATOMIC);
	char all[20], last[40];

	snprintf(all, sizeof(all), "%d devices", LAB_MAX_DEVICES);
	snprintf(last, sizeof(last), "device %d (a name that is longer", LAB_MAX_DEVICES - 1);

	cr_assert_eq(lab_device_register(pool, NULL), -EINVAL);
	text_has("needs a name", NULL);
	cr_assert_eq(lab_device_register(pool, ""), -EINVAL);
	for (int i = 0; i < LAB_MAX_DEVICES; i++) {
		device[i] = lab_device_register(pool, "a name that is longer than 31 characters");
		cr_assert_eq(device[i], i);
	}
	errno = 0;
	cr_assert_eq(lab_device_register(pool, "one more"), -ENOSPC);
	text_has(all, "release one", NULL);
	cr_assert_eq(lab_lend(pool, LAB_MAX_DEVICES - 1, &frame, 1), 1);
	cr_assert_eq(lab_free(pool, frame), -EBUSY);
	text_has("lent to", last, NULL);
	cr_assert_eq(lab_device_release(pool, LAB_MAX_DEVICES - 1), -EBUSY);
	text_has(last, "1 frames", "take them back", NULL);
	cr_assert_eq(lab_take_back(pool, LAB_MAX_DEVICES - 1, &frame, 1), 1);
	for (int i = 0; i < LAB_MAX_DEVICES; i++)
		cr_assert_eq(lab_device_release(pool, i), 0);
	cr_assert_eq(lab_device_release(pool, 0), -ENOENT);
	cr_assert_eq(lab_device_release(pool, -1), -ENOENT);
	cr_assert_eq(lab_device_release(pool, LAB_MAX_DEVICES), -ENOENT);
	errno = 0;
	cr_assert_eq(lab_lend(pool, 0, &frame, 1), 0);
	cr_assert_eq(errno, ENOENT);
	text_has("no device 0", NULL);
	cr_assert_eq(lab_take_back(pool, -1, &frame, 1), 0);
	cr_assert_eq(lab_lend(pool, LAB_MAX_DEVICES, &frame, 1), 0);
	cr_assert_eq(lab_device_register(pool, "again"), 0);
	cr_assert_eq(lab_free(pool, frame), 0);
	end_whole(pool);
}

/* A device might still write: the memory stays. */
Test(lending, a_pool_with_lent_frames_is_not_destroyed)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = small_pool(FRAMES, flags);
		int nic = lab_device_register(pool, "nic");
		void *frame[40];

		cr_assert_eq(lab_alloc_bulk(pool, frame, 40, 0), 0);
		cr_assert_eq(lab_lend(pool, nic, frame, 39), 39);
		errno = 0;
		cr_assert_eq(lab_pool_destroy(pool), -EBUSY);
		cr_assert_eq(errno, EBUSY);
		text_has("'test'", "39 frames", "close the devices", NULL);
		memset(frame[0], 1, LAB_FRAME_SIZE);
		conserved(pool, 1, 39);
		cr_assert_eq(lab_take_back(pool, nic, frame, 39), 39);
		cr_assert_eq(lab_free_bulk(pool, frame, 40), 0);
		end_whole(pool);
	}
}

/* Blocks that come back from a device are freed as they are, also by another lcore's name. */
Test(lending, whole_blocks_after_the_device)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	int nic = lab_device_register(pool, "nic");
	void *frame[FRAMES];

	for (int round = 0; round < 10; round++) {
		cr_assert_eq(lab_alloc_bulk(pool, frame, 512, 0), 0);
		cr_assert_eq(lab_lend(pool, nic, frame, 512), 512);
		cr_assert_eq(lab_take_back(pool, nic, frame, 512), 512);
		cr_assert_eq(lab_free_bulk(pool, frame, 512), 0);
		conserved(pool, 0, 0);
	}
	end_whole(pool);
}
