/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The 82574L driver: opens and closes a device, waits, filters, counts. Knows the device, its
 * domain and its limits; leaves registers to hw.c and frames to rings.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <labyrinth/labyrinth.h>

#include "e1000e.h"
#include "error.h"

#define DEFAULT_FRAMES 2048u
/* How long open() waits for the link: auto-negotiation of 1000BASE-T takes one to three seconds. */
#define LINK_MS 3000
/* How long close() lets accepted packets leave. */
#define DRAIN_MS 200

static void sleep_ms(unsigned ms)
{
	const struct timespec t = {.tv_nsec = (long)ms * 1000000};

	nanosleep(&t, NULL);
}

/* ---- open ---- */

static int open_domain(struct e1000e *x, const struct lab_netdev_config *config)
{
	const struct lab_domain_config own = {.name = x->netdev.name};

	x->domain = config->domain;
	if (!x->domain) {
		x->domain = lab_domain_create(&own);
		x->own_domain = x->domain != NULL;
	}
	return x->domain ? 0 : -errno;
}

static int open_device(struct e1000e *x, const char *args)
{
	struct lab_device_info info;
	size_t bytes = 0;

	x->dev = lab_device_open(x->domain, args);
	if (!x->dev)
		return -errno;
	snprintf(x->netdev.name, sizeof(x->netdev.name), "e1000e:%s", lab_device_name(x->dev));
	lab_device_info(x->dev, &info);
	if (info.vendor != PCI_VENDOR_INTEL || info.device != PCI_DEVICE_82574L)
		return lab_fail(ENODEV, "%s: %s is %04x:%04x, not an 82574L (%04x:%04x)",
				x->netdev.name, info.address, info.vendor, info.device,
				PCI_VENDOR_INTEL, PCI_DEVICE_82574L);
	x->msix = info.irqs > 1; /* MSI and INTx have one */
	x->regs = lab_device_bar(x->dev, E1000E_BAR, &bytes);
	if (!x->regs)
		return -errno;
	if (bytes < E1000E_BAR_BYTES)
		return lab_fail(EIO, "%s: BAR %d has %zu bytes, not %u", x->netdev.name, E1000E_BAR,
				bytes, E1000E_BAR_BYTES);
	return 0;
}

static int map_pool(struct e1000e *x)
{
	void *first = lab_pool_memory(x->pool, NULL);
	int rc;

	/* It is there already: the caller's doing, or a premapped domain's. */
	if (lab_domain_iova(x->domain, x->pool, first) != LAB_ADDR_NONE)
		return 0;
	rc = lab_domain_map_pool(x->domain, x->pool, LAB_DMA_BOTH);
	return rc == -EEXIST ? 0 : rc;
}

static int make_ring(struct e1000e *x, struct e1000e_ring *ring, uint32_t frames)
{
	uint32_t bytes;

	/* One descriptor stays unused: head == tail means none. */
	ring->size = (frames + RING_MULTIPLE) / RING_MULTIPLE * RING_MULTIPLE;
	bytes = ring->size * (uint32_t)sizeof(*ring->desc);
	ring->frames = calloc(ring->size, sizeof(*ring->frames));
	if (!ring->frames)
		return lab_fail(ENOMEM, "%s: no memory for a ring of %u frames", x->netdev.name,
				ring->size);
	/* Both ways: the device reads descriptors, and writes back what became of them. */
	return lab_run_alloc(x->domain, (bytes + LAB_FRAME_SIZE - 1) / LAB_FRAME_SIZE, 0,
			     LAB_DMA_BOTH, &ring->run);
}

static uint32_t at_most(uint32_t frames)
{
	return frames < E1000E_FRAMES_MAX ? frames : E1000E_FRAMES_MAX;
}

static int make_rings(struct e1000e *x, const struct lab_netdev_config *config)
{
	uint64_t frames = lab_pool_frames(x->pool), half = frames / 2;
	int rc;

	x->rx_max = at_most(config->rx_frames);
	if (!x->rx_max)
		x->rx_max = half < DEFAULT_FRAMES ? (uint32_t)half : DEFAULT_FRAMES;
	x->tx_max = at_most(config->tx_frames ? config->tx_frames : DEFAULT_FRAMES);
	rc = make_ring(x, &x->rx, x->rx_max);
	if (!rc)
		rc = make_ring(x, &x->tx, x->tx_max);
	if (rc)
		return rc;
	x->rx.desc = x->rx.run.addr;
	x->tx.desc = x->tx.run.addr;
	x->tx_last = calloc(x->tx.size, sizeof(*x->tx_last));
	x->stuck = calloc((frames + 63) / 64, sizeof(*x->stuck));
	if (!x->tx_last || !x->stuck ||
	    (config->flags & LAB_NETDEV_TX_RETURN && lab_netdev_done_make(&x->done, x->tx_max)))
		return lab_fail(ENOMEM, "%s: no memory for its tables", x->netdev.name);
	return 0;
}

/* A link that stays down is no error: a cable can be plugged in later. */
static void await_link(struct e1000e *x)
{
	uint32_t mbits;

	for (int ms = 0; ms < LINK_MS && !lab_e1000e_link_up(x, &mbits); ms += 10) {
		if (lab_device_status(x->dev) != LAB_DEVICE_PRESENT)
			return;
		sleep_ms(10);
	}
}

static int start(struct e1000e *x)
{
	int rc = lab_e1000e_reset(x);

	if (!rc)
		rc = lab_e1000e_read_mac(x);
	/* It transfers nothing before it is told of its rings, so bus mastering may come first. */
	if (!rc)
		rc = lab_device_bus_master(x->dev, 1);
	if (rc)
		return rc;
	/* Without interrupts a wait looks from time to time instead. */
	x->has_irq = lab_device_irq_enable(x->dev, 1) == 0;
	lab_e1000e_start(x);
	return 0;
}

/* Everything but frames. Return: what lab_device_close() says; -ENOSPC: all is still there. */
static int64_t destroy(struct e1000e *x)
{
	struct lab_domain *domain = x->domain;
	int64_t left = lab_device_close(x->dev);

	if (left == -ENOSPC)
		return left;
	if (left > 0)
		lab_e1000e_recall(x, false);
	free(x->rx.frames);
	free(x->tx.frames);
	free(x->tx_last);
	free(x->stuck);
	free(x->done.frames);
	if (x->own_domain) {
		int rc = lab_domain_destroy(domain);

		left = left < 0 ? left : rc;
	} else if (domain) {
		int rx = lab_run_free(domain, &x->rx.run), tx = lab_run_free(domain, &x->tx.run);

		left = left < 0 ? left : rx ? rx : tx;
	}
	free(x);
	return left < 0 ? left : 0;
}

static struct lab_netdev *e1000e_open(const struct lab_netdev_config *config, const char *args)
{
	struct e1000e *x = calloc(1, sizeof(*x));
	int rc;

	if (!x) {
		lab_fail(ENOMEM, "e1000e:%.32s: no memory for the device", args);
		return NULL;
	}
	x->netdev.ops = &lab_e1000e_ops;
	x->pool = config->pool;
	snprintf(x->netdev.name, sizeof(x->netdev.name), "e1000e:%.20s", args);
	rc = open_domain(x, config);
	if (!rc)
		rc = open_device(x, args);
	if (!rc)
		rc = map_pool(x);
	if (!rc)
		rc = make_rings(x, config);
	if (!rc)
		rc = start(x);
	if (rc) {
		/* The first error is the one that counts. */
		char why[LAB_ERROR_TEXT_MAX];

		snprintf(why, sizeof(why), "%s", lab_error_text());
		destroy(x); /* no frame is lent yet */
		lab_fail(-rc, "%s", why);
		return NULL;
	}
	await_link(x);
	lab_device_note_sending(x->dev, x->pool, 0);
	lab_e1000e_refill(x);
	return &x->netdev;
}

/* ---- close ---- */

/* Lets what was accepted leave, for DRAIN_MS at most. */
static void drain(struct e1000e *x)
{
	for (int ms = 0; ms < DRAIN_MS; ms++) {
		if (lab_device_status(x->dev) == LAB_DEVICE_GONE)
			return;
		lab_e1000e_reap(x);
		if (!x->tx_lent)
			return;
		sleep_ms(1);
	}
}

/*
 * Whether the device will not touch its frames any more: it says that no transfer is under way, has
 * been reset since, and cannot start one; or it is not there.
 */
static bool is_quiet(struct e1000e *x)
{
	bool quiet = lab_e1000e_reset(x) == 0;

	/* Also finds out whether the device is gone. */
	quiet = lab_device_bus_master(x->dev, 0) == 0 && quiet;
	return quiet || lab_device_status(x->dev) == LAB_DEVICE_GONE;
}

static int e1000e_close(struct lab_netdev *dev)
{
	struct e1000e *x = (struct e1000e *)dev;
	int lcore = lab_lcore_register(x->pool, NULL);

	/* Without one no frame can be taken back: better a device that is still open. */
	if (lcore < 0)
		return lcore;
	drain(x);
	lab_e1000e_free_done(x);
	/* If it is not, lab_device_close() resets it by other means, or puts its frames aside. */
	if (is_quiet(x))
		lab_e1000e_recall(x, true);
	return (int)destroy(x);
}

/* ---- the rest ---- */

static int e1000e_wait(struct lab_netdev *dev, int timeout_ms)
{
	struct e1000e *x = (struct e1000e *)dev;
	struct pollfd p[2] = {{.fd = lab_device_fd(x->dev), .events = POLLIN},
			      {.fd = -1, .events = POLLIN}};
	uint64_t events;
	int rc = lab_e1000e_check(x);

	if (rc)
		return rc;
	/*
	 * While frames are missing, or on their way back from sending, nobody will wake us when
	 * there are some again: look once in a millisecond. Likewise without interrupts.
	 */
	if (timeout_ms && (!x->has_irq || x->tx_lent || (uint64_t)x->rx_lent * 2 < x->rx_max))
		timeout_ms = 1;
	if (x->has_irq) {
		p[1].fd = lab_device_irq_fd(x->dev, E1000E_MSIX_VECTOR);
		lab_device_irq_unmask(x->dev);
		lab_e1000e_arm(x);
	}
	/* What came before the interrupt was armed raises none. */
	if (!lab_e1000e_has_packet(x))
		poll(p, 2, timeout_ms);
	if (x->has_irq) {
		lab_e1000e_disarm(x);
		if (p[1].revents & POLLIN && read(p[1].fd, &events, sizeof(events)) < 0)
			p[1].revents = 0; /* it is non-blocking: someone else has read it */
	}
	rc = lab_e1000e_check(x);
	return rc ? rc : lab_e1000e_has_packet(x);
}

static void e1000e_stats(struct lab_netdev *dev, struct lab_netdev_stats *stats)
{
	struct e1000e *x = (struct e1000e *)dev;

	if (lab_device_status(x->dev) == LAB_DEVICE_PRESENT)
		lab_e1000e_count(x);
	*stats = x->stats;
	stats->rx_lent = x->rx_lent;
	stats->tx_lent = x->tx_lent;
	stats->tx_unfetched = x->done.n;
}

static int e1000e_link(struct lab_netdev *dev, uint32_t *mbits)
{
	struct e1000e *x = (struct e1000e *)dev;
	int rc = lab_e1000e_check(x);

	*mbits = 0;
	return rc ? rc : lab_e1000e_link_up(x, mbits);
}

static int e1000e_promiscuous(struct lab_netdev *dev, int on)
{
	struct e1000e *x = (struct e1000e *)dev;
	int rc = lab_e1000e_check(x);

	if (!rc)
		lab_e1000e_set_promiscuous(x, on != 0);
	return rc;
}

static int e1000e_mac_filter(struct lab_netdev *dev, const uint8_t (*macs)[LAB_MAC_SIZE],
			     unsigned n)
{
	struct e1000e *x = (struct e1000e *)dev;
	int rc = lab_e1000e_check(x);

	if (!rc && n > RA_EXTRA)
		rc = lab_fail(ENOSPC,
			      "%s: the device compares with %u addresses besides its own, not %u: "
			      "receive everything (lab_netdev_promiscuous()) and compare yourself",
			      x->netdev.name, RA_EXTRA, n);
	if (!rc)
		lab_e1000e_set_macs(x, macs, n);
	return rc;
}

const struct lab_netdev_ops lab_e1000e_ops = {
	.name = "e1000e",
	.open = e1000e_open,
	.rx_burst = lab_e1000e_rx_burst,
	.tx_burst = lab_e1000e_tx_burst,
	.tx_done = lab_e1000e_tx_done,
	.wait = e1000e_wait,
	.stats = e1000e_stats,
	.link = e1000e_link,
	.promiscuous = e1000e_promiscuous,
	.mac_filter = e1000e_mac_filter,
	.close = e1000e_close,
};
