/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The netdev seam: finds the driver that a device string names and passes calls on to it. Knows
 * the drivers' names; knows nothing of how any of them works.
 */
#include <errno.h>
#include <string.h>

#include <labyrinth/labyrinth.h>

#include "error.h"
#include "netdev_driver.h"

#ifdef LAB_HAVE_AF_XDP
#define DRIVERS "af_xdp, e1000e"
#else
#define DRIVERS "e1000e; af_xdp needs a build with libxdp and libbpf"
#endif

static const struct lab_netdev_ops *const drivers[] = {
#ifdef LAB_HAVE_AF_XDP
	&lab_af_xdp_ops,
#endif
	&lab_e1000e_ops,
	NULL,
};

static struct lab_netdev *refuse(int rc)
{
	errno = -rc;
	return NULL;
}

static struct lab_netdev *open_by(const struct lab_netdev_ops *driver,
				  const struct lab_netdev_config *config, const char *args)
{
	struct lab_netdev *dev = driver->open(config, args);

	if (dev)
		dev->flags = config->flags;
	return dev;
}

struct lab_netdev *lab_netdev_open(const struct lab_netdev_config *config)
{
	const char *colon;
	size_t len;

	if (!config || !config->pool)
		return refuse(lab_fail(EINVAL, "lab_netdev_open: no %s was given: set %s",
				       config ? "pool" : "configuration",
				       config ? "config.pool to a pool" : "config"));
	if (config->flags & ~LAB_NETDEV_TX_RETURN)
		return refuse(lab_fail(EINVAL,
				       "lab_netdev_open: flags 0x%x: this version knows "
				       "LAB_NETDEV_TX_RETURN (0x%x) alone",
				       config->flags, LAB_NETDEV_TX_RETURN));
	if (config->rx_frames > LAB_NETDEV_FRAMES_MAX || config->tx_frames > LAB_NETDEV_FRAMES_MAX)
		return refuse(lab_fail(
			EINVAL, "lab_netdev_open: %s of %u frames: ask for at most %u",
			config->rx_frames > LAB_NETDEV_FRAMES_MAX ? "rx_frames" : "tx_frames",
			config->rx_frames > LAB_NETDEV_FRAMES_MAX ? config->rx_frames
								  : config->tx_frames,
			LAB_NETDEV_FRAMES_MAX));

	colon = config->device ? strchr(config->device, ':') : NULL;
	if (!colon || !colon[1])
		return refuse(
			lab_fail(EINVAL,
				 "device \"%s\": write DRIVER:NAME, for example af_xdp:eth0 or "
				 "e1000e:0000:00:03.0",
				 config->device ? config->device : ""));
	len = (size_t)(colon - config->device);
	for (unsigned i = 0; drivers[i]; i++) {
		if (strlen(drivers[i]->name) == len &&
		    !memcmp(drivers[i]->name, config->device, len))
			return open_by(drivers[i], config, colon + 1);
	}
	return refuse(lab_fail(ENOTSUP,
			       "device \"%s\": no driver \"%.*s\" in this build; it has: " DRIVERS,
			       config->device, (int)(len < 32 ? len : 32), config->device));
}

unsigned lab_netdev_rx_burst(struct lab_netdev *dev, struct lab_packet *packets, unsigned n)
{
	return dev->ops->rx_burst(dev, packets, n);
}

unsigned lab_netdev_tx_burst(struct lab_netdev *dev, const struct lab_packet *packets, unsigned n)
{
	return dev->ops->tx_burst(dev, packets, n);
}

unsigned lab_netdev_tx_done(struct lab_netdev *dev, void **frames, unsigned n)
{
	if (!(dev->flags & LAB_NETDEV_TX_RETURN)) {
		lab_fail(EINVAL,
			 "%s: frees the frames of sent packets itself: open it with "
			 "LAB_NETDEV_TX_RETURN to have them back",
			 dev->name);
		return 0;
	}
	return dev->ops->tx_done(dev, frames, n);
}

int lab_netdev_wait(struct lab_netdev *dev, int timeout_ms)
{
	return dev->ops->wait(dev, timeout_ms);
}

void lab_netdev_stats(struct lab_netdev *dev, struct lab_netdev_stats *stats)
{
	dev->ops->stats(dev, stats);
}

int lab_netdev_link(struct lab_netdev *dev, uint32_t *mbits)
{
	uint32_t ignored;

	return dev->ops->link(dev, mbits ? mbits : &ignored);
}

int lab_netdev_promiscuous(struct lab_netdev *dev, int on)
{
	return dev->ops->promiscuous(dev, on);
}

int lab_netdev_mac_filter(struct lab_netdev *dev, const uint8_t (*macs)[LAB_MAC_SIZE], unsigned n)
{
	return dev->ops->mac_filter(dev, macs, n);
}

void lab_netdev_mac(const struct lab_netdev *dev, uint8_t mac[LAB_MAC_SIZE])
{
	memcpy(mac, dev->mac, LAB_MAC_SIZE);
}

const char *lab_netdev_name(const struct lab_netdev *dev)
{
	return dev->name;
}

int lab_netdev_close(struct lab_netdev *dev)
{
	return dev ? dev->ops->close(dev) : 0;
}
