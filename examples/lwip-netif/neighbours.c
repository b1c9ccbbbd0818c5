/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Who is where on the wire, for more neighbours than lwIP remembers: ten of IPv4 and ten of IPv6.
 * Beyond that (many clients, or one that pretends to be many) it would forget whom it is talking
 * to, ask anew, and drop most of what is to be sent meanwhile. What lwIP has found out is
 * remembered here; who is not known here is lwIP's to find, and what a neighbour says of himself is
 * lwIP's to believe. Knows lwIP's tables and nothing of frames.
 */
#include <string.h>
#include <sys/random.h>

#include <lwip/etharp.h>
#include <lwip/ethip6.h>
#include <lwip/priv/nd6_priv.h>
#include <lwip/prot/icmp6.h>
#include <lwip/sys.h>
#include <netif/ethernet.h>

#include "inside.h"

/* In milliseconds. IPv4: who has said nothing for ASK4 is asked, once a second (RFC 1122, 2.3.2.1),
 * and for END4 is a stranger. */
#define ASK4      30000u
#define END4      60000u
#define ASK_EVERY 1000u
/* IPv6: how long who has answered lwIP is taken to hear us, at most, and who has not: RFC 4861's
 * REACHABLE_TIME and DELAY_FIRST_PROBE_TIME. */
#define REACHABLE6 30000u
#define DELAY6     5000u
/* Longer ago than anything was sent to anybody. */
#define NEVER (1u << 30)

static void key4(u32_t key[4], const void *address)
{
	key[0] = key[1] = 0;
	key[2] = PP_HTONL(0xffff);
	memcpy(&key[3], address, 4);
}

static bool is_key4(const u32_t key[4])
{
	return !key[0] && !key[1] && key[2] == PP_HTONL(0xffff);
}

/* Mixed with a number that nobody on the wire knows: who could choose addresses of one set would
 * push others out of it. */
static struct neighbour *set_of(struct lab_lwip *l, const u32_t key[4])
{
	uint64_t mix = l->neighbours_secret;

	for (unsigned i = 0; i < 4; i++) {
		mix = (mix ^ key[i]) * 0x9e3779b97f4a7c15; /* 2^64 over the golden ratio */
		mix ^= mix >> 32;
	}
	return l->neighbours[mix % NEIGHBOUR_SETS];
}

static struct neighbour *find(struct lab_lwip *l, const u32_t key[4])
{
	struct neighbour *set = set_of(l, key);

	for (unsigned i = 0; i < NEIGHBOUR_WAYS; i++) {
		if (set[i].known && !memcmp(set[i].key, key, sizeof(set[i].key)))
			return &set[i];
	}
	return NULL;
}

/* A place for one more: a free one, or that of who got nothing for longest, or never. */
static struct neighbour *place(struct lab_lwip *l, const u32_t key[4])
{
	struct neighbour *set = set_of(l, key), *best = set;

	for (unsigned i = 0; i < NEIGHBOUR_WAYS && best->known; i++) {
		if (!set[i].known || l->now - set[i].used > l->now - best->used)
			best = &set[i];
	}
	*best = (struct neighbour){
		.known = true, .used = l->now - NEVER, .asked = l->now - ASK_EVERY};
	memcpy(best->key, key, sizeof(best->key));
	return best;
}

static bool same(const struct eth_addr *a, const struct eth_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* Who has his address? The answer is to us, so lwIP takes it. */
static void ask4(struct lab_lwip *l, struct neighbour *n)
{
	const ip4_addr_t ip = {n->key[3]};

	if (l->now - n->asked < ASK_EVERY)
		return;
	n->asked = l->now;
	etharp_request(&l->netif, &ip);
}

/* ---- what lwIP believes ---- */

static const struct eth_addr *believed4(struct lab_lwip *l, const u32_t key[4])
{
	const ip4_addr_t ip = {key[3]}, *same;
	struct eth_addr *mac;

	return etharp_find_addr(&l->netif, &ip, &mac, &same) < 0 ? NULL : mac;
}

/* NULL: nothing, or it is still looking for him. */
static const struct nd6_neighbor_cache_entry *believed6(const struct lab_lwip *l,
							const u32_t key[4])
{
	for (unsigned i = 0; i < LWIP_ND6_NUM_NEIGHBORS; i++) {
		const struct nd6_neighbor_cache_entry *n = &neighbor_cache[i];

		if (n->state != ND6_NO_ENTRY && n->state != ND6_INCOMPLETE &&
		    n->netif == &l->netif && !memcmp(n->next_hop_address.addr, key, 16))
			return n;
	}
	return NULL;
}

static const struct eth_addr *mac_of(const struct nd6_neighbor_cache_entry *n)
{
	return (const struct eth_addr *)n->lladdr;
}

/* On this wire, and not behind a router. */
static bool on_link6(const struct lab_lwip *l, const u32_t key[4])
{
	if ((key[0] & PP_HTONL(0xffc00000)) == PP_HTONL(0xfe800000))
		return true;
	for (unsigned i = 0; i < LWIP_ND6_NUM_PREFIXES; i++) {
		if (prefix_list[i].netif == &l->netif && prefix_list[i].invalidation_timer &&
		    !memcmp(prefix_list[i].prefix.addr, key, 8))
			return true;
	}
	for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
		if (ip6_addr_isvalid(netif_ip6_addr_state(&l->netif, i)) &&
		    netif_ip6_addr_isstatic(&l->netif, i) &&
		    !memcmp(netif_ip6_addr(&l->netif, i)->addr, key, 8))
			return true;
	}
	return false;
}

/* ---- what neighbours say ---- */

/* That whoever has @key is at @mac. */
struct claim {
	u32_t key[4];
	struct eth_addr mac;
	bool with_mac; /* or only that he is there */
};

static bool claims4(const struct pbuf *p, struct claim *c)
{
	static const uint8_t ethernet_ip4[6] = {0, 1, 8, 0, 6, 4};
	const uint8_t *arp = (const uint8_t *)p->payload + SIZEOF_ETH_HDR;

	if (p->len < SIZEOF_ETH_HDR + SIZEOF_ETHARP_HDR || memcmp(arp, ethernet_ip4, 6) != 0)
		return false;
	c->with_mac = true;
	memcpy(&c->mac, arp + 8, sizeof(c->mac));
	key4(c->key, arp + 14);
	return true;
}

/* Neighbour discovery as lwIP takes it: from this wire. */
static bool claims6(const struct pbuf *p, struct claim *c)
{
	const uint8_t *ip = (const uint8_t *)p->payload + SIZEOF_ETH_HDR, *icmp = ip + IP6_HLEN;

	if (p->len < SIZEOF_ETH_HDR + IP6_HLEN + 24 || ip[6] != IP6_NEXTH_ICMP6 ||
	    ip[7] != ND6_HOPLIM || (icmp[0] != ICMP6_TYPE_NS && icmp[0] != ICMP6_TYPE_NA))
		return false;
	memcpy(c->key, icmp[0] == ICMP6_TYPE_NA ? icmp + 8 : ip + 8, sizeof(c->key));
	c->with_mac = p->len >= SIZEOF_ETH_HDR + IP6_HLEN + 32;
	if (c->with_mac)
		memcpy(&c->mac, icmp + 26, sizeof(c->mac));
	return !is_key4(c->key);
}

static bool claims(const struct pbuf *p, struct claim *c)
{
	const struct eth_hdr *eth = p->payload;

	if (lab_unlikely(p->len < SIZEOF_ETH_HDR))
		return false;
	if (eth->type == PP_HTONS(ETHTYPE_ARP))
		return claims4(p, c);
	return eth->type == PP_HTONS(ETHTYPE_IPV6) && claims6(p, c);
}

/* lwIP knows nothing of him: if he is somewhere else than he was, no more do we. */
static void doubt(struct neighbour *n, const struct claim *c)
{
	if (n && c->with_mac && !same(&n->mac, &c->mac))
		n->known = false;
}

/* lwIP has seen the claim. One who is suddenly somewhere else is asked for, at once and until he is
 * heard again: if somebody has lied, he says so. */
static void judge4(struct lab_lwip *l, struct neighbour *n, const struct claim *c)
{
	const struct eth_addr *mac = believed4(l, c->key);
	bool moved = n && mac && !same(&n->mac, mac);

	if (!mac) {
		doubt(n, c);
		return;
	}
	if (!n)
		n = place(l, c->key);
	n->mac = *mac;
	n->heard = moved ? l->now - ASK4 : l->now;
	if (moved)
		ask4(l, n);
}

/* He hears us, too, if that has made him reachable for lwIP. Everything else is to be probed soon,
 * and adds nothing to what is known. */
static void judge6(struct lab_lwip *l, struct neighbour *n, const struct claim *c)
{
	const struct nd6_neighbor_cache_entry *entry = believed6(l, c->key);
	bool sure = entry && entry->state == ND6_REACHABLE &&
		    entry->counter.reachable_time == reachable_time;

	if (!entry) {
		doubt(n, c);
		return;
	}
	if ((n && !sure && same(&n->mac, mac_of(entry))) || !on_link6(l, c->key))
		return;
	if (!n)
		n = place(l, c->key);
	n->mac = *mac_of(entry);
	n->heard = l->now;
	n->trust = LWIP_MIN(sure ? REACHABLE6 : DELAY6, reachable_time);
}

err_t lab_lwip_input(struct pbuf *p, struct netif *netif)
{
	struct lab_lwip *l = netif->state;
	struct claim c = {0};
	struct neighbour *n;
	err_t err;

	if (lab_likely(!claims(p, &c)))
		return ethernet_input(p, netif);
	n = find(l, c.key);
	if (n)
		n->known = false; /* what lwIP sends now goes where it believes him to be */
	err = ethernet_input(p, netif);
	if (n)
		n->known = true;
	if (is_key4(c.key))
		judge4(l, n, &c);
	else
		judge6(l, n, &c);
	return err;
}

/* ---- to them ---- */

/* The neighbour that a packet goes to first: its destination, or the gateway. NULL: nobody in
 * particular, or lwIP has rules of its own. */
static const ip4_addr_t *next_hop4(struct netif *netif, const ip4_addr_t *to)
{
	if (ip4_addr_isbroadcast(to, netif) || ip4_addr_ismulticast(to) ||
	    ip4_addr_islinklocal(to) || ip4_addr_islinklocal(netif_ip4_addr(netif)))
		return NULL;
	if (ip4_addr_netcmp(to, netif_ip4_addr(netif), netif_ip4_netmask(netif)))
		return to;
	return netif_ip4_gw(netif);
}

/* Where he is, or NULL. */
static const struct eth_addr *where4(struct lab_lwip *l, const u32_t key[4])
{
	struct neighbour *n = find(l, key);

	if (!n)
		return NULL;
	if (lab_unlikely(l->now - n->heard >= END4)) {
		n->known = false;
		return NULL;
	}
	if (lab_unlikely(l->now - n->heard >= ASK4))
		ask4(l, n);
	n->used = l->now;
	return &n->mac;
}

/* Who is not known to hear us is lwIP's, which has him probed. */
static const struct eth_addr *where6(struct lab_lwip *l, const u32_t key[4])
{
	struct neighbour *n = find(l, key);

	if (!n)
		return NULL;
	n->used = l->now;
	return lab_likely(l->now - n->heard < n->trust) ? &n->mac : NULL;
}

static err_t output4(struct netif *netif, struct pbuf *p, const ip4_addr_t *to)
{
	const ip4_addr_t *hop = next_hop4(netif, to);
	struct lab_lwip *l = netif->state;
	const struct eth_addr *mac;
	u32_t key[4];

	if (lab_unlikely(!hop))
		return etharp_output(netif, p, to);
	key4(key, hop);
	mac = where4(l, key);
	if (lab_likely(mac != NULL))
		return ethernet_output(netif, p, (struct eth_addr *)netif->hwaddr, mac, ETHTYPE_IP);
	l->stats.tx_stranger++;
	return etharp_output(netif, p, to);
}

/* What goes to a router goes lwIP's way: those are not remembered here. */
static err_t output6(struct netif *netif, struct pbuf *p, const ip6_addr_t *to)
{
	struct lab_lwip *l = netif->state;
	const struct eth_addr *mac;

	if (lab_unlikely(ip6_addr_ismulticast(to)))
		return ethip6_output(netif, p, to);
	mac = where6(l, to->addr);
	if (lab_likely(mac != NULL))
		return ethernet_output(netif, p, (struct eth_addr *)netif->hwaddr, mac,
				       ETHTYPE_IPV6);
	l->stats.tx_stranger++;
	return ethip6_output(netif, p, to);
}

void lab_lwip_tell_time(struct lab_lwip *l)
{
	l->now = sys_now();
	if (lab_unlikely(!netif_is_up(&l->netif)))
		memset(l->neighbours, 0, sizeof(l->neighbours)); /* lwIP forgets them, too */
}

void lab_lwip_neighbours(struct lab_lwip *l)
{
	if (getrandom(&l->neighbours_secret, sizeof(l->neighbours_secret), GRND_NONBLOCK) < 0)
		l->neighbours_secret = (uintptr_t)l ^ sys_now(); /* too early after a boot */
	lab_lwip_tell_time(l);
	l->netif.output = output4;
	l->netif.output_ip6 = output6;
}
