/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The netif's life: made on a device, with addresses, and taken off it again. Knows lwIP's netif;
 * leaves packets to rx.c and tx.c.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/init.h>
#include <lwip/ip4_frag.h>
#include <lwip/ip6_frag.h>
#include <lwip/stats.h>

#include "inside.h"

/* Bytes of IP in an Ethernet packet: IEEE 802.3. */
#define ETHERNET_MTU 1500

/* lwIP calls it from netif_add(). */
static err_t init(struct netif *netif)
{
	struct lab_lwip *l = netif->state;

	netif->name[0] = 'l';
	netif->name[1] = 'a';
	netif->hwaddr_len = LAB_MAC_SIZE;
	lab_netdev_mac(l->dev, netif->hwaddr);
	netif->mtu = ETHERNET_MTU;
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
	netif->linkoutput = lab_lwip_linkoutput;
	lab_lwip_neighbours(l);
	lab_lwip_multicast(l);
	return ERR_OK;
}

static int add_ip6(struct netif *netif, const ip6_addr_t *address)
{
	s8_t i;

	if (netif_add_ip6_address(netif, address, &i) != ERR_OK)
		return -1;
	/* Somebody said that it is ours: no asking around whether anybody else has it. */
	netif_ip6_addr_set_state(netif, i, IP6_ADDR_PREFERRED);
	return 0;
}

/* Whether the device was opened with LAB_LWIP_NETDEV_FLAGS: otherwise frames would be lost, or
 * freed twice. */
static int returns_as_wanted(struct lab_netdev *dev)
{
	errno = 0;
	lab_netdev_tx_done(dev, NULL, 0);
	return (errno != EINVAL) == (LAB_LWIP_NETDEV_FLAGS != 0);
}

static const char *error_text = "";
/* lwIP's state is the process's: one netif at a time. */
static struct lab_lwip *only;

static struct lab_lwip *refuse(int err, const char *why)
{
	error_text = why;
	errno = err;
	return NULL;
}

const char *lab_lwip_error_text(void)
{
	return error_text;
}

/* Whether a netif can be made of that; if not, refuse() has said why. */
static bool acceptable(const struct lab_lwip_config *config)
{
	if (!config || !config->pool || !config->dev)
		refuse(EINVAL, "a netif needs a pool and an open device");
	else if (config->ip6_count > LAB_LWIP_IP6_MAX)
		refuse(EINVAL, "more addresses of IPv6 than LAB_LWIP_IP6_MAX");
	else if (!returns_as_wanted(config->dev))
		refuse(EINVAL, "the device was opened with other flags: open it with "
			       "LAB_LWIP_NETDEV_FLAGS");
	else if (only)
		refuse(EBUSY, "there is a netif already: lwIP is one stack a process");
	else
		return true;
	return false;
}

struct lab_lwip *lab_lwip_create(const struct lab_lwip_config *config)
{
	static int initialised;
	struct lab_lwip *l;
	uint64_t frames;

	if (!acceptable(config))
		return NULL;
	frames = lab_pool_frames(config->pool);
	l = calloc(1, sizeof(*l));
	if (l)
		l->pbufs = calloc(frames, sizeof(*l->pbufs));
	if (!l || !l->pbufs) {
		free(l);
		return refuse(ENOMEM, "no memory for a pbuf for each frame");
	}
	l->pool = config->pool;
	l->dev = config->dev;
	l->hold = config->hold ? config->hold : (uint32_t)(frames / 4);
	if (!initialised++)
		lwip_init();
	if (!netif_add(&l->netif, &config->ip, &config->netmask, &config->gateway, l, init,
		       lab_lwip_input)) {
		free(l->pbufs);
		free(l);
		return refuse(ENOMEM, "lwIP did not take the netif");
	}
	only = l;
	lab_lwip_in_place_begin(l);
	if (lab_lwip_raise_shield(l)) {
		lab_lwip_destroy(l);
		return refuse(ENOMEM, "no memory for lwIP's raw pcbs");
	}
	netif_create_ip6_linklocal_address(&l->netif, 1);
	netif_set_ip6_autoconfig_enabled(&l->netif, 1);
	for (unsigned i = 0; i < config->ip6_count; i++) {
		if (add_ip6(&l->netif, &config->ip6[i])) {
			lab_lwip_destroy(l);
			return refuse(ENOMEM, "lwIP has no room for that many addresses of IPv6");
		}
	}
	netif_set_default(&l->netif);
	netif_set_link_up(&l->netif);
	netif_set_up(&l->netif);
	lab_lwip_flush(l); /* it has introduced itself */
	return l;
}

/* Fragments whose rest has not come: their timers, until the last one has given up. */
static void forget_fragments(void)
{
	for (int i = 0; i <= IP_REASS_MAXAGE; i++)
		ip_reass_tmr();
	for (int i = 0; i <= IPV6_REASS_MAXAGE; i++)
		ip6_reass_tmr();
}

uint64_t lab_lwip_destroy(struct lab_lwip *l)
{
	uint64_t held;

	if (!l)
		return 0;
	if (l->pbufs && l->dev) {
		lab_lwip_lower_shield(l);
		netif_remove(&l->netif);
		forget_fragments();
		lab_lwip_flush(l);
		lab_lwip_drop_queue(l);
		lab_lwip_in_place_end(l);
		l->dev = NULL;
	}
	held = l->stats.held + l->heap_packets + lab_lwip_in_place_frames();
	if (held)
		return held;
	only = NULL;
	free(l->pbufs);
	free(l);
	return 0;
}

struct netif *lab_lwip_netif(struct lab_lwip *l)
{
	return &l->netif;
}

#if LWIP_STATS
static uint64_t drops(const struct stats_proto *p)
{
	return p->drop; /* whatever the cause, which has a counter of its own */
}
#endif

static uint64_t dropped_by_lwip(void)
{
#if LWIP_STATS
	return drops(&lwip_stats.link) + drops(&lwip_stats.etharp) + drops(&lwip_stats.ip) +
	       drops(&lwip_stats.ip_frag) + drops(&lwip_stats.icmp) + drops(&lwip_stats.udp) +
	       drops(&lwip_stats.tcp) + drops(&lwip_stats.ip6) + drops(&lwip_stats.ip6_frag) +
	       drops(&lwip_stats.icmp6) + drops(&lwip_stats.nd6);
#else
	return 0;
#endif
}

void lab_lwip_stats(const struct lab_lwip *l, struct lab_lwip_stats *stats)
{
	*stats = l->stats;
	stats->queued = l->tx_n;
	stats->rx_dropped = dropped_by_lwip();
}
