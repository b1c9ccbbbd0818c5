/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The edu driver. Knows the device's registers (QEMU, docs/specs/edu) and who owns a frame; knows
 * nothing of VFIO, IOMMUs and address spaces, which are lab_device's and lab_domain's.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <labyrinth/edu.h>
#include <labyrinth/labyrinth.h>

#include "error.h"

enum {
	VENDOR = 0x1234,
	DEVICE = 0x11e8,
	REG_IRQ_STATUS = 0x24,
	REG_IRQ_ACK = 0x64,
	REG_SOURCE = 0x80,
	REG_DESTINATION = 0x88,
	REG_COUNT = 0x90,
	REG_COMMAND = 0x98,
	COMMAND_START = 1, /* reads as 1 while the transfer runs */
	BUFFER = 0x40000,  /* the device's name for its own memory */
};

struct lab_edu {
	struct lab_device *dev;
	void *bar;
};

/* Everything that can be refused comes before the device may touch memory. */
static int start_up(struct lab_edu *edu)
{
	struct lab_device_info info;
	int rc;

	lab_device_info(edu->dev, &info);
	if (info.vendor != VENDOR || info.device != DEVICE)
		return lab_fail(ENODEV, "%s is no edu device (%04x:%04x) but a %04x:%04x",
				info.address, VENDOR, DEVICE, info.vendor, info.device);
	edu->bar = lab_device_bar(edu->dev, 0, NULL);
	if (!edu->bar)
		return -errno;
	/* Answers from now on, but cannot reach memory. What an earlier program began runs out. */
	rc = lab_device_bus_master(edu->dev, 0);
	if (!rc)
		rc = lab_edu_wait(edu);
	return rc ? rc : lab_device_bus_master(edu->dev, 1);
}

struct lab_edu *lab_edu_open(struct lab_domain *domain, const char *address)
{
	struct lab_edu *edu = calloc(1, sizeof(*edu));
	int rc;

	if (!edu) {
		lab_fail(ENOMEM, "edu: no memory for the device");
		return NULL;
	}
	edu->dev = lab_device_open(domain, address);
	if (!edu->dev) {
		free(edu);
		return NULL;
	}
	rc = start_up(edu);
	if (rc) {
		lab_device_close(edu->dev);
		free(edu);
		errno = -rc;
		return NULL;
	}
	return edu;
}

int64_t lab_edu_close(struct lab_edu *edu)
{
	int64_t rc = edu ? lab_device_close(edu->dev) : 0;

	if (rc != -ENOSPC) /* the device is open still, says lab_device_close() */
		free(edu);
	return rc;
}

struct lab_device *lab_edu_device(struct lab_edu *edu)
{
	return edu->dev;
}

int lab_edu_start(struct lab_edu *edu, unsigned flags, uint64_t iova, uint32_t bytes)
{
	int done = lab_edu_poll(edu);

	if (bytes == 0 || bytes > LAB_EDU_MAX || flags & ~(LAB_EDU_TO_MEMORY | LAB_EDU_IRQ))
		return lab_fail(EINVAL, "%s: a transfer has 1 to %u bytes, and known flags",
				lab_device_name(edu->dev), LAB_EDU_MAX);
	if (done <= 0)
		return done ? done
			    : lab_fail(EBUSY, "%s: the last transfer still runs",
				       lab_device_name(edu->dev));
	lab_mmio_write64(edu->bar, REG_SOURCE, flags & LAB_EDU_TO_MEMORY ? BUFFER : iova);
	lab_mmio_write64(edu->bar, REG_DESTINATION, flags & LAB_EDU_TO_MEMORY ? iova : BUFFER);
	lab_mmio_write64(edu->bar, REG_COUNT, bytes);
	lab_mmio_write64(edu->bar, REG_COMMAND, COMMAND_START | flags);
	return 0;
}

int lab_edu_poll(struct lab_edu *edu)
{
	/* A register of a device that is gone reads all ones: ask before believing it. */
	if (lab_device_status(edu->dev) != LAB_DEVICE_PRESENT)
		return lab_fail(ENODEV, "%s is gone, or the kernel wants it back: close it",
				lab_device_name(edu->dev));
	return !(lab_mmio_read64(edu->bar, REG_COMMAND) & COMMAND_START);
}

int lab_edu_wait(struct lab_edu *edu)
{
	const struct timespec step = {.tv_nsec = 1000000};

	for (int ms = 0; ms < LAB_EDU_TIMEOUT_MS; ms++) {
		int done = lab_edu_poll(edu);

		if (done)
			return done < 0 ? done : 0;
		nanosleep(&step, NULL);
	}
	return lab_fail(ETIMEDOUT, "%s: a transfer is not done after %d ms",
			lab_device_name(edu->dev), LAB_EDU_TIMEOUT_MS);
}

uint32_t lab_edu_irq_ack(struct lab_edu *edu)
{
	uint32_t why = lab_mmio_read32(edu->bar, REG_IRQ_STATUS);

	lab_mmio_write32(edu->bar, REG_IRQ_ACK, why);
	lab_device_irq_unmask(edu->dev);
	return why;
}

static int transfer(struct lab_edu *edu, unsigned flags, uint64_t iova)
{
	int rc = lab_edu_start(edu, flags, iova, LAB_EDU_MAX);

	return rc ? rc : lab_edu_wait(edu);
}

int lab_edu_copy(struct lab_edu *edu, struct lab_pool *pool, void *to, void *from)
{
	void *frames[2] = {to, from};
	uint64_t iova[2];
	unsigned lent = lab_device_lend(edu->dev, pool, frames, 2, iova);
	int rc = lent == 2 ? 0 : -errno;

	for (uint32_t at = 0; !rc && at < LAB_FRAME_SIZE; at += LAB_EDU_MAX) {
		rc = transfer(edu, LAB_EDU_FROM_MEMORY, iova[1] + at);
		if (!rc)
			rc = transfer(edu, LAB_EDU_TO_MEMORY, iova[0] + at);
	}
	if (rc == -ETIMEDOUT || rc == -ENODEV)
		return rc; /* the device may still write: the frames stay its own */
	if (lab_device_take_back(edu->dev, pool, frames, lent) != lent)
		rc = -errno;
	return rc;
}
