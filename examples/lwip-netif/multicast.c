/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The groups that lwIP joins become Ethernet addresses that the device receives for: without them a
 * NIC drops the neighbour solicitations of IPv6. Knows addresses and the device's filter.
 */
#include <errno.h>
#include <string.h>

#include <lwip/ip4_addr.h>
#include <lwip/ip6_addr.h>

#include "inside.h"

/*
 * A device that cannot compare with so many receives everything, from then on. One that cannot do
 * either (af_xdp: the interface's filter is the kernel's to set) says so, which is no error here.
 */
static void tell(struct lab_lwip *l)
{
	if (l->macs_n > MACS_MAX ||
	    lab_netdev_mac_filter(l->dev, (const uint8_t(*)[LAB_MAC_SIZE])l->macs, l->macs_n) ==
		    -ENOSPC)
		lab_netdev_promiscuous(l->dev, 1);
}

static void change(struct lab_lwip *l, const uint8_t mac[LAB_MAC_SIZE],
		   enum netif_mac_filter_action action)
{
	unsigned i = 0;

	while (i < l->macs_n && memcmp(l->macs[i], mac, LAB_MAC_SIZE) != 0)
		i++;
	if (action == NETIF_ADD_MAC_FILTER) {
		if (i == l->macs_n) {
			if (i > MACS_MAX)
				return; /* receives all already */
			memcpy(l->macs[i], mac, LAB_MAC_SIZE);
			l->mac_users[i] = 0;
			l->macs_n++;
		}
		if (l->mac_users[i]++)
			return;
	} else {
		if (i == l->macs_n || --l->mac_users[i])
			return;
		l->macs_n--;
		memcpy(l->macs[i], l->macs[l->macs_n], LAB_MAC_SIZE);
		l->mac_users[i] = l->mac_users[l->macs_n];
	}
	tell(l);
}

/* RFC 1112, 6.4. */
static err_t group4(struct netif *netif, const ip4_addr_t *group,
		    enum netif_mac_filter_action action)
{
	const uint8_t mac[LAB_MAC_SIZE] = {
		0x01, 0, 0x5e, ip4_addr2(group) & 0x7f, ip4_addr3(group), ip4_addr4(group)};

	change(netif->state, mac, action);
	return ERR_OK;
}

/* RFC 2464, 7. */
static err_t group6(struct netif *netif, const ip6_addr_t *group,
		    enum netif_mac_filter_action action)
{
	uint8_t mac[LAB_MAC_SIZE] = {0x33, 0x33};

	memcpy(mac + 2, &group->addr[3], 4);
	change(netif->state, mac, action);
	return ERR_OK;
}

void lab_lwip_multicast(struct lab_lwip *l)
{
	ip6_addr_t all_nodes;

	l->netif.flags |= NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
	netif_set_igmp_mac_filter(&l->netif, group4);
	netif_set_mld_mac_filter(&l->netif, group6);
	/* lwIP takes it for granted that these are received. */
	ip6_addr_set_allnodes_linklocal(&all_nodes);
	group6(&l->netif, &all_nodes, NETIF_ADD_MAC_FILTER);
}
