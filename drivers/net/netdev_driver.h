/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The seam between netdev.c and the drivers: what a driver implements, and the part of its device
 * that netdev.c reads. Not installed.
 */
#ifndef LAB_NETDEV_DRIVER_H
#define LAB_NETDEV_DRIVER_H

#include <labyrinth/netdev.h>

/** Longest device name, with its terminating zero; what lab_device_register() takes. */
#define LAB_NETDEV_NAME_MAX 32

/**
 * struct lab_netdev_ops - one driver. All members are set. Arguments have been checked by netdev.c;
 * what each must do is what netdev.h promises of the public function of the same name.
 * @name: the part of the device string before the first colon.
 * @open: @args is the part behind it. On failure NULL and errno, and the thread's error text set.
 * @link: @mbits is never NULL.
 */
struct lab_netdev_ops {
	const char *name;
	struct lab_netdev *(*open)(const struct lab_netdev_config *config, const char *args);
	unsigned (*rx_burst)(struct lab_netdev *dev, struct lab_packet *packets, unsigned n);
	unsigned (*tx_burst)(struct lab_netdev *dev, const struct lab_packet *packets, unsigned n);
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
 * @mac: Ethernet address.
 * @name: DRIVER:ARGUMENTS in full.
 */
struct lab_netdev {
	const struct lab_netdev_ops *ops;
	uint8_t mac[LAB_MAC_SIZE];
	char name[LAB_NETDEV_NAME_MAX];
};

extern const struct lab_netdev_ops lab_e1000e_ops;
#ifdef LAB_HAVE_AF_XDP
extern const struct lab_netdev_ops lab_af_xdp_ops;
#endif

#endif
