/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A controller from open to close: its registers, its start and its end (NVM Express Base
 * Specification 1.4, sections 3.1, 7.6.1 and 7.6.2). Leaves commands to admin.c and io.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <labyrinth/labyrinth.h>

#include "ctrl.h"
#include "error.h"

#define DEFAULT_QUEUES   8u
#define DEFAULT_TRANSFER (2u << 20)
/* 7.6.2 leaves the time of a shutdown to the controller, and old ones do not say. */
#define SHUTDOWN_MS 5000

int64_t lab_nvme_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void lab_nvme_nap(void)
{
	const struct timespec nap = {.tv_nsec = 20000};

	nanosleep(&nap, NULL);
}

void lab_nvme_fatal(struct lab_nvme *nvme)
{
	/* Relaxed: a flag that nothing else hangs on; each queue's thread sees it some time. */
	__atomic_store_n(&nvme->failed, 1, __ATOMIC_RELAXED);
}

int lab_nvme_ensure_lcore(const struct lab_nvme *nvme)
{
	int lcore = (int)lab_lcore_id(nvme->pool); /* one that is there keeps its name */

	if (!lcore)
		lcore = lab_lcore_register(nvme->pool, NULL);
	return lcore < 0 ? lcore : 0;
}

static int fail_gone(const struct lab_nvme *nvme)
{
	return lab_fail(ENODEV, "%s: the controller is gone: close it", nvme->name);
}

int lab_nvme_health(struct lab_nvme *nvme)
{
	uint32_t csts;

	if (lab_device_status(nvme->dev) == LAB_DEVICE_LEAVING)
		return lab_fail(ENODEV,
				"%s: the kernel wants the device back, for an unplug or another "
				"driver: close it",
				nvme->name);
	if (lab_device_status(nvme->dev) == LAB_DEVICE_GONE)
		return fail_gone(nvme);
	/* Relaxed: see lab_nvme_fatal(). */
	if (__atomic_load_n(&nvme->failed, __ATOMIC_RELAXED))
		return lab_fail(EIO, "%s: the controller has failed: close it and open it again",
				nvme->name);
	csts = lab_mmio_read32(nvme->bar, NVME_CSTS);
	if (csts == NVME_GONE)
		return fail_gone(nvme);
	if (csts & NVME_CSTS_CFS) {
		lab_nvme_fatal(nvme);
		return lab_fail(EIO,
				"%s: the controller reports a fatal status (CSTS 0x%x): close it "
				"and open it again, which resets it",
				nvme->name, csts);
	}
	return 0;
}

/* Waits until the bits @mask of CSTS are @want. A fatal status ends the wait if @fatal. */
static int wait_csts(struct lab_nvme *nvme, uint32_t mask, uint32_t want, uint32_t ms, bool fatal)
{
	int64_t end = lab_nvme_now_ms() + ms;

	for (;;) {
		bool late =
			lab_nvme_now_ms() > end; /* before the look, so that it is the last one */
		uint32_t csts;

		if (lab_device_status(nvme->dev) == LAB_DEVICE_GONE)
			return fail_gone(nvme);
		csts = lab_mmio_read32(nvme->bar, NVME_CSTS);
		if (csts == NVME_GONE)
			return fail_gone(nvme);
		if ((csts & mask) == want)
			return 0;
		if (fatal && csts & NVME_CSTS_CFS)
			return lab_fail(EIO,
					"%s: the controller reports a fatal status (CSTS 0x%x)",
					nvme->name, csts);
		if (late)
			return lab_fail(ETIMEDOUT,
					"%s: the controller's status (CSTS) stayed 0x%x for %u ms",
					nvme->name, csts, ms);
		lab_nvme_nap();
	}
}

/* 0 when it is known to have stopped. EN must not be cleared before RDY has followed it (3.1.5). */
static int disable(struct lab_nvme *nvme)
{
	uint32_t ms = nvme_cap_timeout_ms(nvme->cap);
	uint32_t cc = lab_mmio_read32(nvme->bar, NVME_CC);

	if (cc == NVME_GONE)
		return fail_gone(nvme);
	if (cc & NVME_CC_EN) {
		wait_csts(nvme, NVME_CSTS_RDY, NVME_CSTS_RDY, ms, true);
		lab_mmio_write32(nvme->bar, NVME_CC, cc & ~NVME_CC_EN);
	}
	return wait_csts(nvme, NVME_CSTS_RDY, 0, ms, false);
}

static int enable(struct lab_nvme *nvme)
{
	/* Pages of 4096 bytes (MPS 0), the NVM command set (CSS 0), round robin (AMS 0). */
	lab_mmio_write32(nvme->bar, NVME_CC,
			 NVME_CC_EN | (uint32_t)NVME_SQE_SHIFT << NVME_CC_IOSQES_SHIFT |
				 (uint32_t)NVME_CQE_SHIFT << NVME_CC_IOCQES_SHIFT);
	return wait_csts(nvme, NVME_CSTS_RDY, NVME_CSTS_RDY, nvme_cap_timeout_ms(nvme->cap), true);
}

/* 7.6.2: a normal shutdown, if it can still be had; then off. */
static void stop(struct lab_nvme *nvme)
{
	uint32_t cc;

	if (nvme->stopped || !nvme->bar || lab_device_status(nvme->dev) == LAB_DEVICE_GONE)
		return;
	cc = lab_mmio_read32(nvme->bar, NVME_CC);
	if (cc != NVME_GONE && cc & NVME_CC_EN) {
		lab_mmio_write32(nvme->bar, NVME_CC, (cc & ~NVME_CC_SHN_MASK) | NVME_CC_SHN_NORMAL);
		wait_csts(nvme, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_DONE, SHUTDOWN_MS, true);
	}
	nvme->stopped = disable(nvme) == 0;
}

static int check_config(const struct lab_nvme_config *c)
{
	if (!c || !c->device || !c->pool)
		return lab_fail(EINVAL, "lab_nvme_open: no %s was given",
				!c           ? "configuration"
				: !c->device ? "device, a PCI address"
					     : "pool");
	if (c->queues > LAB_NVME_QUEUES_MAX)
		return lab_fail(EINVAL, "lab_nvme_open: %u queues: ask for at most %u", c->queues,
				LAB_NVME_QUEUES_MAX);
	if (c->max_transfer > LAB_NVME_TRANSFER_MAX || c->max_transfer % NVME_PAGE)
		return lab_fail(EINVAL,
				"lab_nvme_open: a max_transfer of %u bytes: ask for a multiple of "
				"%u, at most %u",
				c->max_transfer, NVME_PAGE, LAB_NVME_TRANSFER_MAX);
	if (c->flags & ~(uint32_t)LAB_NVME_INTERRUPTS)
		return lab_fail(EINVAL, "lab_nvme_open: flags 0x%x: this version knows 0x%x",
				c->flags, LAB_NVME_INTERRUPTS);
	return 0;
}

/* The function, in a domain that has the pool mapped. */
static int open_device(struct lab_nvme *nvme, const struct lab_nvme_config *c)
{
	struct lab_domain_config domain = {.name = c->device};
	int rc;

	nvme->pool = c->pool;
	nvme->domain = c->domain;
	if (!nvme->domain) {
		nvme->domain = lab_domain_create(&domain);
		if (!nvme->domain)
			return -errno;
		nvme->own_domain = true;
	}
	nvme->dev = lab_device_open(nvme->domain, c->device);
	if (!nvme->dev)
		return -errno;
	nvme->name = lab_device_name(nvme->dev);
	rc = lab_domain_map_pool(nvme->domain, nvme->pool, LAB_DMA_BOTH);
	return rc == -EEXIST ? 0 : rc;
}

/* What this driver needs of a controller (3.1.1). */
static int check_controller(struct lab_nvme *nvme, const struct lab_device_info *pci)
{
	size_t bytes;

	/* PCI Code and ID Assignment: mass storage, non-volatile memory, NVM Express. */
	if (pci->class_code != 0x010802)
		return lab_fail(ENOTSUP,
				"%s: it has PCI class 0x%06x; an NVMe controller has "
				"0x010802",
				nvme->name, pci->class_code);
	nvme->bar = lab_device_bar(nvme->dev, 0, &bytes);
	if (!nvme->bar)
		return -errno;
	nvme->cap = lab_mmio_read64(nvme->bar, NVME_CAP);
	nvme->stride = nvme_cap_stride(nvme->cap);
	if (nvme->cap == UINT64_MAX)
		return fail_gone(nvme);
	if (!nvme_cap_nvm(nvme->cap))
		return lab_fail(ENOTSUP, "%s: the controller has no NVM command set (CAP 0x%llx)",
				nvme->name, (unsigned long long)nvme->cap);
	if (nvme_cap_page_shift_min(nvme->cap) != LAB_FRAME_SHIFT)
		return lab_fail(ENOTSUP,
				"%s: the controller's smallest page has %u bytes (CAP.MPSMIN); a "
				"frame has %u",
				nvme->name, 1u << nvme_cap_page_shift_min(nvme->cap), NVME_PAGE);
	if (nvme_cq_doorbell(LAB_NVME_QUEUES_MAX, nvme->stride) + 4 > bytes)
		return lab_fail(ENOTSUP, "%s: BAR 0 has %zu bytes, too few for %u doorbells",
				nvme->name, bytes, LAB_NVME_QUEUES_MAX);
	nvme->info.version = lab_mmio_read32(nvme->bar, NVME_VS);
	nvme->info.max_depth = nvme_cap_entries(nvme->cap) - 1;
	if (nvme->info.max_depth > LAB_NVME_DEPTH_MAX)
		nvme->info.max_depth = LAB_NVME_DEPTH_MAX;
	return 0;
}

/* A vector for each queue, and vector 0, which the admin queue always has (5.3). */
static int enable_interrupts(struct lab_nvme *nvme, const struct lab_device_info *pci,
			     uint32_t *queues)
{
	int rc;

	if (pci->irqs == 0)
		return lab_fail(ENOTSUP,
				"%s: the device has no interrupts: open it without "
				"LAB_NVME_INTERRUPTS, and poll",
				nvme->name);
	nvme->vectors = pci->irqs < *queues + 1 ? pci->irqs : *queues + 1;
	rc = lab_device_irq_enable(nvme->dev, nvme->vectors);
	if (*queues > nvme->vectors - 1)
		*queues = nvme->vectors > 1 ? nvme->vectors - 1 : 1;
	return rc;
}

static int start(struct lab_nvme *nvme, const struct lab_nvme_config *c)
{
	uint32_t queues = c->queues ? c->queues : DEFAULT_QUEUES;
	struct lab_device_info pci;
	int rc;

	lab_device_info(nvme->dev, &pci);
	rc = check_controller(nvme, &pci);
	if (!rc)
		rc = disable(nvme);
	if (!rc)
		rc = lab_nvme_admin_create(nvme);
	if (!rc && c->flags & LAB_NVME_INTERRUPTS)
		rc = enable_interrupts(nvme, &pci, &queues);
	if (rc)
		return rc;
	lab_nvme_admin_start(nvme);
	rc = lab_device_bus_master(nvme->dev, 1);
	if (!rc)
		rc = enable(nvme);
	if (!rc)
		rc = lab_nvme_identify(nvme, c->max_transfer ? c->max_transfer : DEFAULT_TRANSFER);
	return rc ? rc : lab_nvme_admin_queues(nvme, queues);
}

/* The device is closed; @quiet: nothing writes to the runs any more. Otherwise they stay with the
 * domain, and end with it. */
static void destroy(struct lab_nvme *nvme, bool quiet)
{
	for (uint32_t i = 1; i <= LAB_NVME_QUEUES_MAX; i++) {
		if (nvme->queue[i])
			lab_nvme_queue_free(nvme->queue[i], quiet);
	}
	if (quiet)
		lab_run_free(nvme->domain, &nvme->admin.run);
	if (nvme->own_domain)
		lab_domain_destroy(nvme->domain);
	pthread_mutex_destroy(&nvme->lock);
	free(nvme->ns);
	free(nvme);
}

/* Any part of an open controller. */
static int64_t shut(struct lab_nvme *nvme)
{
	char why[LAB_ERROR_TEXT_MAX];
	int64_t taken = 0, rest = 0;
	bool quiet = true;

	if (nvme->dev) {
		stop(nvme);
		for (uint32_t i = 1; nvme->stopped && i <= LAB_NVME_QUEUES_MAX; i++)
			taken += nvme->queue[i] ? lab_nvme_queue_recall(nvme->queue[i]) : 0;
		quiet = nvme->stopped || lab_device_status(nvme->dev) == LAB_DEVICE_GONE ||
			lab_device_reset(nvme->dev) == 0;
		rest = lab_device_close(nvme->dev);
		if (rest == -ENOSPC)
			return rest;
	}
	memcpy(why, lab_error_text(), sizeof(why));
	destroy(nvme, quiet);
	/* Destroying may have said other things. */
	return rest < 0 ? lab_fail((int)-rest, "%s", why) : taken + rest;
}

int64_t lab_nvme_close(struct lab_nvme *nvme)
{
	int rc;

	if (!nvme)
		return 0;
	/* Without an lcore no frame can be taken back: better a controller that is still open. */
	rc = lab_nvme_ensure_lcore(nvme);
	return rc ? rc : shut(nvme);
}

struct lab_nvme *lab_nvme_open(const struct lab_nvme_config *config)
{
	char why[LAB_ERROR_TEXT_MAX];
	struct lab_nvme *nvme;
	int rc = check_config(config);

	if (rc)
		return NULL;
	nvme = calloc(1, sizeof(*nvme));
	if (!nvme) {
		lab_fail(ENOMEM, "%.32s: no memory for the controller", config->device);
		return NULL;
	}
	pthread_mutex_init(&nvme->lock, NULL);
	rc = open_device(nvme, config);
	if (!rc)
		rc = start(nvme, config);
	if (!rc)
		return nvme;
	/* Undoing it says other things: the first sentence is the one that tells why. */
	memcpy(why, lab_error_text(), sizeof(why));
	shut(nvme); /* nothing is lent yet */
	lab_fail(-rc, "%s", why);
	return NULL;
}

void lab_nvme_info(const struct lab_nvme *nvme, struct lab_nvme_info *info)
{
	*info = nvme->info;
}

struct lab_device *lab_nvme_device(const struct lab_nvme *nvme)
{
	return nvme->dev;
}

int lab_nvme_namespace(const struct lab_nvme *nvme, uint32_t index, struct lab_nvme_namespace *ns)
{
	if (index >= nvme->info.namespaces)
		return lab_fail(ENOENT, "%s: namespace %u of %u: count from 0", nvme->name, index,
				nvme->info.namespaces);
	*ns = nvme->ns[index];
	return 0;
}
