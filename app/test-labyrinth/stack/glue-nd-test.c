/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Neighbours of IPv6: what the glue remembers never makes lwIP believe more, or for longer, than it
 * would alone. Needs no root.
 */
#include <string.h>

#include <lwip/priv/nd6_priv.h>

#include "../net/tap.h"
#include "glue-hosts.h"

static void end(struct lab_lwip *l)
{
	tap_ok(lab_lwip_destroy(l) == 0 && glue_home(), "and no frame is lost");
}

/* HOST, who has answered lwIP. */
static struct lab_lwip *start_known(void)
{
	struct lab_lwip *l = glue_hosts_start();

	host_solicit(HOST, false);
	glue_turns(l, 1);
	host_says(l, HOST, true);
	return l;
}

/* An advertisement of @target by card 3; 64 @hops: from a network far away. */
static void advertise_other(const uint8_t target[16], unsigned hops)
{
	uint8_t p[100] = {[54] = 136, [58] = 0x60};

	host_head6(p, 3, false);
	p[21] = (uint8_t)hops;
	p[22] = 0x20;
	memcpy(p + 62, target, 16);
	p[78] = 2;
	p[79] = 1;
	host_mac(p + 80, 3, false);
	host_send6(p, 32);
}

/* Whether the last packet was an advertisement of ours, for that card. */
static bool advertised_to(unsigned host, bool moved)
{
	uint8_t mac[6];

	host_mac(mac, host, moved);
	return !memcmp(nic.last, mac, 6) && nic.last[20] == 58 && nic.last[54] == 136;
}

/* He answers whenever he is asked, as Linux does who is asked alone: he does not say where he is.
 * lwIP knows him. */
static void test_probed(void)
{
	struct lab_lwip *l = start_known();
	struct lab_lwip_stats s;
	uint64_t before;
	unsigned asked = 0;
	bool right = true;

	lab_lwip_stats(l, &s);
	before = s.tx_stranger;
	for (unsigned i = 0; i < 300; i++) {
		uint8_t p[100] = {[54] = 136, [58] = 0x40};

		glue_wait(l, 1000);
		if (nic.asked[HOST] > asked) {
			asked = nic.asked[HOST];
			host_head6(p, HOST, false);
			host_ip6(p + 62, HOST);
			host_send6(p, 24);
			glue_turns(l, 1);
		}
		right = right && host_pinged(l, true);
	}
	lab_lwip_stats(l, &s);
	tap_note("asked for %u times in 300 s, %u packets of 300 by lwIP's way", asked,
		 (unsigned)(s.tx_stranger - before));
	tap_ok(right && asked >= 5 && asked <= 12 && s.tx_stranger - before < 100,
	       "who answers is asked for now and then, and gets all that is his at once");
	end(l);
}

/* What came in last was changed on the way. */
static void spoil(void)
{
	struct lab_packet *packet = &nic.rx[(nic.rx_tail - 1) % NIC_RX_MAX];

	((uint8_t *)packet->frame)[packet->offset + 56] ^= 1;
}

static void test_spoiled(void)
{
	struct lab_lwip *l = glue_hosts_start();
	unsigned sent = 0;

	host_pinged(l, true);
	sent = nic.sent;
	host_advertise(HOST, false);
	spoil();
	glue_turns(l, 1);
	tap_ok(!host_pinged(l, true) && nic.sent == sent, "a spoiled answer is none");
	host_says(l, HOST, true);
	tap_ok(host_answered(HOST, false, true), "but a right one is");
	glue_wait(l, 29000);
	host_advertise(HOST, false);
	spoil();
	glue_turns(l, 1);
	sent = 0;
	for (unsigned i = 0; i < 60; i++) {
		glue_wait(l, 1000);
		sent += host_pinged(l, true);
	}
	tap_ok(sent < 15, "and makes nothing young");
	end(l);
}

/* A router says that neighbours may be believed for an hour. */
static void test_hour(void)
{
	struct lab_lwip *l = glue_hosts_start();
	const u32_t usual = reachable_time;
	unsigned sent = 0;

	host_solicit(HOST, false);
	glue_turns(l, 1);
	reachable_time = 3600000;
	for (unsigned i = 0; i < 100; i++) {
		glue_wait(l, 1000);
		sent += host_pinged(l, true);
	}
	reachable_time = usual;
	tap_ok(sent < 15, "who has only asked is probed soon whatever routers say");
	end(l);
}

/* He asks for us, which says no more than what he has answered. */
static void test_asks(void)
{
	struct lab_lwip *l = start_known();
	struct lab_lwip_stats before, after;

	glue_wait(l, 2000);
	host_solicit(HOST, false);
	glue_turns(l, 1);
	glue_crowd(l);
	glue_wait(l, 10000);
	lab_lwip_stats(l, &before);
	host_pinged(l, true);
	lab_lwip_stats(l, &after);
	tap_ok(host_answered(HOST, false, true) && after.tx_stranger == before.tx_stranger,
	       "who has answered and then asks is no less known");
	end(l);
}

/* What is for him stays in its order when lwIP has forgotten him. */
static void test_order(void)
{
	struct lab_lwip *l = start_known();
	unsigned before, at_once = 0;

	glue_crowd(l);
	glue_wait(l, 30000);
	glue_crowd(l);
	for (unsigned i = 0; i < 3; i++)
		at_once += host_pinged(l, true);
	before = nic.sent;
	host_says(l, HOST, true);
	tap_ok(at_once == 0 && nic.sent == before + 3 && host_answered(HOST, false, true),
	       "nothing overtakes what waits for his answer");
	end(l);
}

/* His address has another card, which asks for us; we are to find that, @every seconds. */
static void test_new_card(unsigned every, unsigned patience)
{
	struct lab_lwip *l = start_known();
	unsigned s;

	for (s = 0; s < 300; s++) {
		glue_wait(l, 1000);
		if (s % every)
			continue;
		host_solicit(HOST, true);
		glue_turns(l, 1);
		if (advertised_to(HOST, true))
			break;
	}
	tap_note("asking every %u s he was answered after %u s", every, s);
	tap_ok(s <= patience, "who asks from another card is found there");
	end(l);
}

/* Whether the last packet asks everybody for HOST. */
static bool asks_everybody(void)
{
	return nic.last[0] == 0x33 && nic.last[20] == 58 && nic.last[54] == 135 &&
	       nic.last[77] == HOST;
}

/* A card that is not there, by one solicitation; HOST pings, and answers who asks everybody. */
static void test_lie(void)
{
	struct lab_lwip *l = glue_hosts_start();
	bool served = false;
	unsigned ms;

	host_solicit(HOST, true);
	glue_turns(l, 1);
	for (ms = 0; ms < 100000 && !served; ms += 100) {
		glue_wait(l, 100);
		served = ms % 1000 == 0 && host_pinged(l, true);
		if (asks_everybody()) {
			host_says(l, HOST, true);
			served = host_answered(HOST, false, true);
		}
	}
	tap_note("served again after %u ms", ms);
	tap_ok(served && ms < 9500, "a solicitation alone is soon asked about");
	end(l);
}

/* He is gone, and somebody far away says again and again where he was. */
static void test_far(void)
{
	static const uint8_t mapped[16] = {[10] = 255, 255, 10, 0, 0, HOST};
	struct lab_lwip *l = start_known();
	uint8_t target[16];
	unsigned sent = 0;

	host_ip6(target, HOST);
	for (unsigned s = 0; s < 200; s++) {
		if (s % 10 == 0)
			advertise_other(target, 64);
		sent += host_pinged(l, true);
		glue_wait(l, 1000);
	}
	tap_ok(sent < 60 && nic.asked[HOST] > 2, "what is said from far away makes nothing young");
	end(l);

	l = start_known();
	host_says(l, HOST, false);
	glue_crowd(l);
	advertise_other(target, 64);
	glue_turns(l, 1);
	tap_ok(host_pinged(l, true) && nic.asked[HOST] == 0, "nor has anybody forgotten");
	host_advertise(HOST, false); /* the same as before, of which lwIP knows nothing */
	glue_turns(l, 1);
	tap_ok(host_pinged(l, true) && nic.asked[HOST] == 0, "nor who says what is known");
	advertise_other(mapped, 255);
	glue_turns(l, 1);
	tap_ok(host_pinged(l, false) && nic.asked[HOST] == 0, "nor does IPv6 say anything of IPv4");
	end(l);
}

/* lwIP has forgotten him, or is asking for him, and he is somewhere else now. */
static void test_meanwhile(void)
{
	struct lab_lwip *l = start_known();

	glue_crowd(l);
	host_solicit(HOST, true);
	glue_turns(l, 1);
	tap_ok(advertised_to(HOST, true), "who asks from another card is answered there");
	end(l);

	l = start_known();
	glue_crowd(l);
	glue_wait(l, 30000);
	glue_crowd(l);
	host_pinged(l, true);
	host_advertise(HOST, true);
	glue_turns(l, 1);
	tap_ok(host_answered(HOST, true, true), "and who answers from there gets what waited");
	end(l);
}

/* Router 3 announces 2010:1010:1010:1010::/64: @flags say whether its hosts are on this wire. */
static void announce(unsigned flags)
{
	uint8_t p[160] = {[54] = 134, [58] = 64, [60] = 7, 8, [70] = 1, 1};

	host_head6(p, 3, false);
	host_mac(p + 72, 3, false);
	p[78] = 3;
	p[79] = 4;
	p[80] = 64;
	p[81] = (uint8_t)flags;
	memset(p + 82, 0x10, 8); /* valid, preferred */
	p[94] = 0x20;
	memset(p + 95, 0x10, 7);
	host_send6(p, 56);
}

/* A packet of @n bytes from there, by card @by. */
static void from_there(uint8_t *p, unsigned by, unsigned n)
{
	uint8_t mac[6];

	host_mac(mac, by, false);
	memcpy(p + 6, mac, 6);
	memset(p + 22, 0x10, 8);
	p[22] = 0x20;
	host_send6(p, n);
}

/* Card 8 says that it is a host of that prefix; what is for him goes there, or to the router.
 * Without
 * @flags the prefix is that of an address of ours. */
static void test_prefix(unsigned flags, unsigned card, const char *name)
{
	struct lab_lwip *l = glue_hosts_start();
	uint8_t p[100] = {0};
	ip6_addr_t ours;
	s8_t i = -1;

	if (flags) {
		announce(flags);
	} else {
		IP6_ADDR(&ours, PP_HTONL(0x20101010), PP_HTONL(0x10101010), 0, PP_HTONL(1));
		netif_add_ip6_address(lab_lwip_netif(l), &ours, &i);
	}
	glue_wait(l, 5000);
	host_says(l, 3, true);
	host_head6(p, HOST, false);
	host_ask6(p, 8, false);
	from_there(p, 8, 32);
	glue_turns(l, 2);
	if (card == 8)
		glue_crowd(l);
	memset(p, 0, sizeof(p));
	host_head6(p, HOST, false);
	p[54] = 128;
	from_there(p, 3, 16);
	glue_turns(l, 2);
	tap_ok(host_answered(card, false, true), name);
	end(l);
}

int main(void)
{
	glue_pool();
	test_probed();
	test_spoiled();
	test_hour();
	test_asks();
	test_order();
	test_new_card(1, 60);
	test_new_card(20, 90);
	test_lie();
	test_far();
	test_meanwhile();
	test_prefix(0x40, 3, "hosts of a prefix that is not on this wire are behind the router");
	test_prefix(0xc0, 8, "those of one that is are remembered");
	test_prefix(0, 8, "and those of our own");
	tap_ok(lab_pool_destroy(pool) == 0, "the pool is whole at the end");
	return tap_done();
}
