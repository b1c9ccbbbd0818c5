/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The seam between netdev.c and the drivers: what a driver implements, and the part of its device
 * that netdev.c reads. Not installed.
 */
#ifndef LAB_NETDEV_DRIVER_H
#define LAB_NETDEV_DRIVER_H

#include <stdlib.h>

#include <labyrinth/netdev.h>

/** Longest device name, with its terminating zero; what lab_device_register() takes. */
#define LAB_NETDEV_NAME_MAX 32

/**
 * struct lab_netdev_ops - one driver. All members are set. Arguments have been checked by netdev.c;
 * what each must do is what netdev.h promises of the public function of the same name.
 * @name: the part of the device string before the first colon.
 * @open: @args is the part behind it. On failure NULL and errno, and the thread's error text set.
 * @tx_done: only called of a device with LAB_NETDEV_TX_RETURN.
 * @link: @mbits is never NULL.
 */
struct lab_netdev_ops {
	const char *name;
	struct lab_netdev *(*open)(const struct lab_netdev_config *config, const char *args);
	unsigned (*rx_burst)(struct lab_netdev *dev, struct lab_packet *packets, unsigned n);
	unsigned (*tx_burst)(struct lab_netdev *dev, const struct lab_packet *packets, unsigned n);
	unsigned (*tx_done)(struct lab_netdev *dev, void **frames, unsigned n);
	int (*wait)(struct lab_netdev *dev, int timeout_ms);
	void (*stats)(struct lab_netdev *dev, struct lab_netdev_stats *stats);
	int (*link)(struct lab_netdev *dev, uint32_t *mbits);
	int (*promiscuous)(struct lab_netdev *dev, int on);
	int (*mac_filter)(struct lab_netdev *dev, const uint8_t (*macs)[LAB_MAC_SIZE], unsigned n);
	int (*close)(struct lab_netdev *dev);
};

/**
 * struct lab_netdev - the head of every driver's device.
 * @ops: the driver.
 * @flags: of lab_netdev_config; set by netdev.c.
 * @mac: Ethernet address.
 * @name: DRIVER:ARGUMENTS in full.
 */
struct lab_netdev {
	const struct lab_netdev_ops *ops;
	uint32_t flags;
	uint8_t mac[LAB_MAC_SIZE];
	char name[LAB_NETDEV_NAME_MAX];
};

/**
 * struct lab_netdev_done - frames of sent packets that wait for lab_netdev_tx_done(), in order.
 * They are lent to the device until then. A driver accepts a packet only if there is room for its
 * frame here, too, so that none is ever lost.
 * @frames: by place, @most of them; NULL without LAB_NETDEV_TX_RETURN.
 * @first: the place of the oldest.
 * @n: how many there are.
 */
struct lab_netdev_done {
	void **frames;
	uint32_t most;
	uint32_t first;
	uint32_t n;
};

/** lab_netdev_done_make() - 0, or -1: no memory. free() of @frames undoes it. */
static inline int lab_netdev_done_make(struct lab_netdev_done *done, uint32_t most)
{
	done->frames = calloc(most, sizeof(*done->frames));
	done->most = most;
	return done->frames ? 0 : -1;
}

/* The place that is @n behind the oldest; @n is at most @most. */
static inline uint32_t lab_netdev_done_place(const struct lab_netdev_done *done, uint32_t n)
{
	return done->first + n < done->most ? done->first + n : done->first + n - done->most;
}

/** lab_netdev_done_put() - at the end; there is room. */
static inline void lab_netdev_done_put(struct lab_netdev_done *done, void *const *frames,
				       unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		done->frames[lab_netdev_done_place(done, done->n++)] = frames[i];
}

/** lab_netdev_done_get() - from the beginning. Return: how many, 0..@n. */
static inline unsigned lab_netdev_done_get(struct lab_netdev_done *done, void **frames, unsigned n)
{
	unsigned got = n < done->n ? n : done->n;

	for (unsigned i = 0; i < got; i++)
		frames[i] = done->frames[lab_netdev_done_place(done, i)];
	if (got)
		done->first = lab_netdev_done_place(done, got);
	done->n -= got;
	return got;
}

/**
 * lab_netdev_keep() - of frames of which some were refused (NULL), the others, in order.
 *
 * Return: how many.
 */
static inline unsigned lab_netdev_keep(void **frames, unsigned n)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		if (frames[i])
			frames[kept++] = frames[i];
	}
	return kept;
}

extern const struct lab_netdev_ops lab_e1000e_ops;
#ifdef LAB_HAVE_AF_XDP
extern const struct lab_netdev_ops lab_af_xdp_ops;
#endif

#endif
