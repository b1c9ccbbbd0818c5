/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The AF_XDP driver: opens and closes a device, waits, counts, tells of the link. Knows the
 * interface's name, address and limits; leaves libxdp to socket.c and frames to rings.c.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <labyrinth/lab_keeper.h>
#include <labyrinth/labyrinth.h>

#include "af_xdp.h"
#include "bounce.h"
#include "error.h"

#define DEFAULT_FRAMES 2048u
/* How long close() lets accepted packets leave. */
#define DRAIN_MS 200
/* Longest sleep in one lab_netdev_wait(). */
#define WAIT_MAX_MS 1000

static const struct lab_netdev_ops bounce_ops;

/* "IFNAME" or "IFNAME:QUEUE" into x->ifname and x->queue. */
static int parse(struct af_xdp *x, const char *args)
{
	const char *colon = strchr(args, ':');
	size_t len = colon ? (size_t)(colon - args) : strlen(args);
	unsigned long queue = 0;
	char *end;

	if (len == 0 || len >= sizeof(x->ifname))
		return lab_fail(EINVAL,
				"af_xdp: \"%.32s\": an interface's name has 1 to %zu characters",
				args, sizeof(x->ifname) - 1);
	memcpy(x->ifname, args, len);
	x->ifname[len] = 0;
	if (colon) {
		errno = 0;
		queue = strtoul(colon + 1, &end, 10);
		if (colon[1] < '0' || colon[1] > '9' || *end || errno || queue > 9999)
			return lab_fail(
				EINVAL,
				"af_xdp: \"%.32s\": behind the second colon stands the number of a "
				"queue, 0 to 9999",
				args);
	}
	x->queue = (unsigned)queue;
	snprintf(x->netdev.name, sizeof(x->netdev.name), "af_xdp:%s:%u", x->ifname, x->queue);
	return 0;
}

/* The address comes from the socket layer: sysfs may show another network namespace. */
static int read_mac(struct af_xdp *x)
{
	struct ifreq ifr = {0};
	int rc = 0, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return lab_fail(errno, "%s: no socket to ask for the address of %s: %s",
				x->netdev.name, x->ifname, strerror(errno));
	memcpy(ifr.ifr_name, x->ifname, sizeof(ifr.ifr_name));
	if (ioctl(fd, SIOCGIFHWADDR, &ifr)) {
		if (errno == ENODEV)
			rc = lab_fail(ENODEV,
				      "%s: this network namespace has no interface %s: ip link "
				      "shows those "
				      "that it has",
				      x->netdev.name, x->ifname);
		else
			rc = lab_fail(errno, "%s: asking for the address of %s failed: %s",
				      x->netdev.name, x->ifname, strerror(errno));
	}
	close(fd);
	memcpy(x->netdev.mac, ifr.ifr_hwaddr.sa_data, LAB_MAC_SIZE);
	return rc;
}

/* Memory and a name in the pool. On failure the caller calls destroy(), which undoes any part. */
static int prepare(struct af_xdp *x, const struct lab_netdev_config *config)
{
	int rc, breathes = lab_pool_breathes(config->pool);
	bool returns = config->flags & LAB_NETDEV_TX_RETURN;
	uint64_t frames, half = lab_pool_frames(config->pool) / 2;

	if (!lab_pool_memory(config->pool, NULL))
		return lab_fail(EINVAL, "%s: the pool has no memory to register", x->netdev.name);
	/* Bounce buffers take nothing of the pool's, however small it is just now. */
	x->rx_max = config->rx_frames;
	if (!x->rx_max)
		x->rx_max = half < DEFAULT_FRAMES && !breathes ? (uint32_t)half : DEFAULT_FRAMES;
	x->tx_max = config->tx_frames ? config->tx_frames : DEFAULT_FRAMES;
	if (breathes) {
		x->netdev.ops = &bounce_ops;
		rc = lab_af_xdp_bounce_make(x, config->pool, returns);
		if (rc)
			return rc;
	} else {
		x->pool = config->pool;
	}
	frames = lab_pool_frames(x->pool);
	x->base = lab_pool_memory(x->pool, &x->bytes);
	x->out = calloc((frames + 63) / 64, sizeof(*x->out));
	if (returns && !breathes && lab_netdev_done_make(&x->done, x->tx_max))
		return lab_fail(ENOMEM, "%s: no memory for %u frames to be fetched", x->netdev.name,
				x->tx_max);
	if (!x->out)
		return lab_fail(ENOMEM, "%s: no memory for a bitmap of %llu frames", x->netdev.name,
				(unsigned long long)frames);
	x->device = lab_device_register(x->pool, x->netdev.name);
	return x->device < 0 ? x->device : lab_note_sending(x->pool, x->device, 0);
}

static int destroy(struct af_xdp *x)
{
	int rc = 0, bounce;

	if (x->device >= 0)
		rc = lab_device_release(x->pool, x->device);
	bounce = lab_af_xdp_bounce_end(x);
	rc = rc ? rc : bounce;
	free(x->done.frames);
	free(x->out);
	free(x);
	return rc;
}

static struct lab_netdev *af_xdp_open(const struct lab_netdev_config *config, const char *args)
{
	struct af_xdp *x = calloc(1, sizeof(*x));
	int rc;

	if (!x) {
		lab_fail(ENOMEM, "af_xdp:%.32s: no memory for the device", args);
		return NULL;
	}
	x->netdev.ops = &lab_af_xdp_ops;
	x->device = -1;
	x->fd = -1;
	rc = parse(x, args);
	if (!rc && config->domain)
		rc = lab_fail(EINVAL,
			      "%s: config.domain is for drivers of PCI devices; the kernel moves "
			      "AF_XDP's packets: set it to NULL",
			      x->netdev.name);
	if (!rc)
		rc = read_mac(x);
	if (!rc)
		rc = prepare(x, config);
	if (!rc)
		rc = lab_af_xdp_attach(x);
	if (rc) {
		destroy(x); /* says nothing: no frame is out yet */
		errno = -rc;
		return NULL;
	}
	lab_af_xdp_refill(x);
	return &x->netdev;
}

/* Lets what was accepted leave, for DRAIN_MS at most. */
static void drain(struct af_xdp *x)
{
	const struct timespec step = {.tv_nsec = 1000000};

	lab_af_xdp_progress(x);
	for (int ms = 0; x->tx_lent && ms < DRAIN_MS; ms++) {
		nanosleep(&step, NULL);
		lab_af_xdp_progress(x);
	}
}

static int af_xdp_close(struct lab_netdev *dev)
{
	struct af_xdp *x = (struct af_xdp *)dev;

	int rc = lab_lcore_register(x->pool, NULL);

	if (rc >= 0)
		rc = lab_af_xdp_bounce_recall(x);
	/* Without lcores no frame can be taken back: better a device that is still open. */
	if (rc < 0)
		return rc;
	drain(x);
	lab_af_xdp_detach(x);
	lab_af_xdp_recall(x);
	return destroy(x);
}

/*
 * An interface that is gone does not wake poll(), and poll() shows no error: the socket's error
 * does, once. So no wait is longer than WAIT_MAX_MS, and the error is remembered.
 */
static int check_gone(struct af_xdp *x)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (!x->gone && !getsockopt(x->fd, SOL_SOCKET, SO_ERROR, &err, &len))
		x->gone = err == ENETDOWN;
	if (!x->gone)
		return 0;
	return lab_fail(ENETDOWN, "%s: interface %s is gone: close the device", x->netdev.name,
			x->ifname);
}

static int af_xdp_wait(struct lab_netdev *dev, int timeout_ms)
{
	struct af_xdp *x = (struct af_xdp *)dev;
	struct pollfd p = {.fd = x->fd, .events = POLLIN};

	if (timeout_ms < 0 || timeout_ms > WAIT_MAX_MS)
		timeout_ms = WAIT_MAX_MS;
	/*
	 * While frames are missing, or on their way back from sending, nobody will wake us when
	 * there are some again: look once in a millisecond.
	 */
	if ((x->tx_lent || x->rx_lent * 2 < x->rx_max) && timeout_ms)
		timeout_ms = 1;
	if (poll(&p, 1, timeout_ms) > 0 && p.revents & POLLIN)
		return 1;
	return check_gone(x);
}

static void af_xdp_stats(struct lab_netdev *dev, struct lab_netdev_stats *stats)
{
	struct af_xdp *x = (struct af_xdp *)dev;
	struct xdp_statistics kernel = {0};
	socklen_t len = sizeof(kernel);

	*stats = x->stats;
	stats->rx_lent = x->rx_lent;
	stats->tx_lent = x->tx_lent;
	stats->tx_unfetched = x->bounce ? lab_af_xdp_bounce_unfetched(x) : x->done.n;
	if (getsockopt(x->fd, SOL_XDP, XDP_STATISTICS, &kernel, &len))
		return;
	/* In copy mode the kernel counts a packet without a frame in both. */
	stats->missed_dropped = kernel.rx_dropped > kernel.rx_fill_ring_empty_descs
					? kernel.rx_dropped - kernel.rx_fill_ring_empty_descs
					: 0;
	stats->missed_no_frame = kernel.rx_fill_ring_empty_descs;
	stats->missed_ring_full = kernel.rx_ring_full;
	stats->invalid_rx = kernel.rx_invalid_descs;
	stats->invalid_tx = kernel.tx_invalid_descs;
}

/* Flags and speed as the kernel has them; a driver that knows no speed (a tap) is no error. */
static int af_xdp_link(struct lab_netdev *dev, uint32_t *mbits)
{
	struct af_xdp *x = (struct af_xdp *)dev;
	struct ethtool_cmd speed = {.cmd = ETHTOOL_GSET};
	struct ifreq ifr = {0};
	int fd, rc, up;

	*mbits = 0;
	rc = check_gone(x);
	if (rc)
		return rc;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return lab_fail(errno, "%s: no socket to ask for the link of %s: %s",
				x->netdev.name, x->ifname, strerror(errno));
	memcpy(ifr.ifr_name, x->ifname, sizeof(ifr.ifr_name));
	if (ioctl(fd, SIOCGIFFLAGS, &ifr)) {
		close(fd);
		return lab_fail(ENETDOWN, "%s: interface %s is gone: close the device",
				x->netdev.name, x->ifname);
	}
	up = (ifr.ifr_flags & IFF_UP) && (ifr.ifr_flags & IFF_RUNNING);
	ifr.ifr_data = (char *)&speed;
	if (up && !ioctl(fd, SIOCETHTOOL, &ifr) && ethtool_cmd_speed(&speed) != (uint32_t)-1)
		*mbits = ethtool_cmd_speed(&speed);
	close(fd);
	return up;
}

static int af_xdp_promiscuous(struct lab_netdev *dev, int on)
{
	struct af_xdp *x = (struct af_xdp *)dev;

	return lab_fail(
		ENOTSUP,
		"%s: what the interface receives is the kernel's to set: ip link set dev %s "
		"promisc %s",
		x->netdev.name, x->ifname, on ? "on" : "off");
}

static int af_xdp_mac_filter(struct lab_netdev *dev, const uint8_t (*macs)[LAB_MAC_SIZE],
			     unsigned n)
{
	struct af_xdp *x = (struct af_xdp *)dev;

	return lab_fail(ENOTSUP,
			"%s: what the interface receives is the kernel's to set: ip maddress add "
			"ADDRESS dev %s, or bridge fdb add ADDRESS dev %s self",
			x->netdev.name, x->ifname, x->ifname);
}

const struct lab_netdev_ops lab_af_xdp_ops = {
	.name = "af_xdp",
	.open = af_xdp_open,
	.rx_burst = lab_af_xdp_rx_burst,
	.tx_burst = lab_af_xdp_tx_burst,
	.tx_done = lab_af_xdp_tx_done,
	.wait = af_xdp_wait,
	.stats = af_xdp_stats,
	.link = af_xdp_link,
	.promiscuous = af_xdp_promiscuous,
	.mac_filter = af_xdp_mac_filter,
	.close = af_xdp_close,
};

/* For a pool that breathes. */
static const struct lab_netdev_ops bounce_ops = {
	.name = "af_xdp",
	.open = af_xdp_open,
	.rx_burst = lab_af_xdp_bounce_rx_burst,
	.tx_burst = lab_af_xdp_bounce_tx_burst,
	.tx_done = lab_af_xdp_bounce_tx_done,
	.wait = af_xdp_wait,
	.stats = af_xdp_stats,
	.link = af_xdp_link,
	.promiscuous = af_xdp_promiscuous,
	.mac_filter = af_xdp_mac_filter,
	.close = af_xdp_close,
};
