/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Many neighbours on one wire, of IPv4 and of IPv6: none is asked for again while he is talked to,
 * each gets what is his, and who has moved is found again. Needs no root. What only IPv6 has is in
 * glue-nd-test.c.
 */
#include <string.h>

#include "../net/tap.h"
#include "glue-hosts.h"

#define MANY   400u /* lwIP remembers ten */
#define ROUNDS 5u

static void end(struct lab_lwip *l)
{
	tap_ok(lab_lwip_destroy(l) == 0 && glue_home(), "and no frame is lost");
}

/* How often anybody was asked for. */
static unsigned asked_all(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 256; i++)
		n += nic.asked[i];
	return n;
}

static uint64_t strangers(const struct lab_lwip *l)
{
	struct lab_lwip_stats s;

	lab_lwip_stats(l, &s);
	return s.tx_stranger;
}

static void test_many(bool v6)
{
	struct lab_lwip *l = glue_hosts_start();
	unsigned right = 0;

	for (unsigned i = 0; i < MANY; i++) {
		if (v6)
			host_solicit(2 + i, false);
		glue_turns(l, 1);
		host_says(l, 2 + i, v6);
	}
	memset(nic.asked, 0, sizeof(nic.asked));
	for (unsigned i = 0; i < ROUNDS * MANY; i++) {
		host_ping(2 + i % MANY, v6);
		glue_turns(l, 1);
		right += host_answered(2 + i % MANY, false, v6);
	}
	tap_note("%u of %u answered, %u asked for", right, MANY * ROUNDS, asked_all());
	/* A set of places may be too small for those who meet in it. */
	tap_ok(right > MANY * ROUNDS / 10 * 9 && asked_all() < MANY * ROUNDS / 10,
	       v6 ? "and of IPv6"
		  : "nearly all of 400 neighbours are answered, and are not asked for");
	end(l);
}

/* He is asked for once, gets what waited, and is not asked for again as long as that is young:
 * @young seconds, and @old is too old. */
static void test_age(bool v6, unsigned young, unsigned old)
{
	struct lab_lwip *l = glue_hosts_start();
	uint64_t before = strangers(l);
	bool right = true;

	tap_note(v6 ? "IPv6" : "IPv4");
	tap_ok(!host_pinged(l, v6) && nic.asked[HOST] == 1 && strangers(l) == before + 1,
	       "a stranger is asked for, and counted");
	host_says(l, HOST, v6);
	tap_ok(host_answered(HOST, false, v6), "and answered when he has said where he is");
	glue_crowd(l);
	for (unsigned i = 2; i + 1 < young; i++) {
		glue_wait(l, 1000);
		right = right && host_pinged(l, v6);
	}
	tap_ok(right && nic.asked[HOST] == 1, "he is not asked for while that is young");
	for (unsigned i = young - 1; i + 1 < old && nic.asked[HOST] == 1; i++) {
		glue_wait(l, 1000);
		right = host_pinged(l, v6);
	}
	tap_ok(nic.asked[HOST] == 2 && right == !v6, "and asked for before it is too old");
	host_says(l, HOST, v6);
	tap_ok(host_answered(HOST, false, v6), "by then he has got what was for him");
	glue_crowd(l);
	glue_wait(l, young * 1000 - 3000);
	tap_ok(host_pinged(l, v6) && nic.asked[HOST] == 2, "his answer makes it young again");
	glue_wait(l, (old - young) * 1000 + 3000);
	glue_crowd(l);
	tap_ok(!host_pinged(l, v6) && !host_pinged(l, v6) && nic.asked[HOST] == 3,
	       "who was silent for long is a stranger");
	end(l);
}

/* One who pretends to be many, between two packets of his. */
static void test_enemy(bool v6)
{
	struct lab_lwip *l = glue_hosts_start();
	bool right = true;

	host_solicit(HOST, false);
	glue_turns(l, 1);
	host_says(l, HOST, v6);
	host_pinged(l, v6);
	for (unsigned i = 0; i < 16000; i++) {
		uint64_t before;

		if (v6)
			host_solicit(300 + i, false);
		else
			host_arp(300 + i, false, 1, host_our4);
		glue_turns(l, 1);
		if (v6) /* who has answered lwIP is kept longest */
			host_says(l, 300 + i, true);
		if (i % 4000)
			continue;
		glue_wait(l, 1000);
		before = strangers(l);
		right = right && host_pinged(l, v6) && strangers(l) == before;
	}
	tap_ok(right && nic.asked[HOST] == 0, "four times 4000 more do not have him forgotten");
	end(l);
}

/* Another card has his address, and says so: to us, or to all. */
static void test_moved(void)
{
	static const uint8_t himself[4] = {10, 0, 0, HOST}, other[4] = {10, 0, 0, 9};
	struct lab_lwip *l = glue_hosts_start();

	host_says(l, HOST, false);
	host_solicit(HOST, false);
	glue_crowd(l);
	host_arp(HOST, false, 1, other);
	glue_turns(l, 1);
	tap_ok(host_pinged(l, false) && nic.asked[HOST] == 0,
	       "who asks for somebody else is not forgotten");
	host_arp(HOST, true, 1, host_our4);
	glue_turns(l, 1);
	host_ping(HOST, false);
	glue_turns(l, 1);
	tap_ok(host_answered(HOST, true, false), "who says to us that he has moved is found there");
	glue_crowd(l);
	host_arp(HOST, false, 1, himself);
	nic.asked[HOST] = 0;
	glue_turns(l, 1);
	tap_ok(!host_pinged(l, false) && !host_answered(HOST, true, false) && nic.asked[HOST] == 1,
	       "who says it to all is asked for");
	host_advertise(HOST, true);
	glue_turns(l, 1);
	tap_ok(!host_pinged(l, true), "and over IPv6 nothing goes where he was");
	end(l);
}

static void lie(struct lab_lwip *l)
{
	host_arp(HOST, true, 2, host_our4);
	glue_turns(l, 1);
}

/* HOST answers whenever he is asked, but for the first @lost times; for how many seconds, at most
 * ten, he is not served. */
static unsigned outage(struct lab_lwip *l, unsigned lost)
{
	unsigned heard = lost, s;

	for (s = 0; s < 10 && !host_pinged(l, false); s++) {
		if (nic.asked[HOST] > heard) {
			heard = nic.asked[HOST];
			host_says(l, HOST, false);
		}
		glue_wait(l, 1000);
	}
	return s;
}

/* Somebody else says that he has the address. */
static void test_lie(void)
{
	struct lab_lwip *l = glue_hosts_start();

	host_says(l, HOST, false);
	lie(l);
	tap_ok(nic.asked[HOST] == 1, "who is suddenly somewhere else is asked for at once");
	host_says(l, HOST, false);
	tap_ok(host_pinged(l, false), "and served where he says he is");
	glue_wait(l, 500);
	nic.asked[HOST] = 0;
	lie(l);
	tap_ok(nic.asked[HOST] == 0, "once a second at most");
	tap_ok(outage(l, 0) <= 2, "but then he is");
	glue_wait(l, 5000);
	nic.asked[HOST] = 0;
	lie(l);
	tap_ok(outage(l, 1) <= 3, "also when his first answer is lost");
	end(l);
}

/* The netif goes down and comes up again, with a turn of the loop between. */
static void test_down(void)
{
	struct lab_lwip *l = glue_hosts_start();

	host_says(l, HOST, false);
	host_solicit(HOST, false);
	glue_turns(l, 1);
	host_says(l, HOST, true);
	netif_set_down(lab_lwip_netif(l));
	glue_turns(l, 1);
	netif_set_up(lab_lwip_netif(l));
	glue_wait(l, 3000);
	nic.asked[HOST] = 0;
	tap_ok(!host_pinged(l, false) && !host_pinged(l, true) && nic.asked[HOST] == 2,
	       "when the netif was down all are strangers");
	end(l);
}

static void test_gateway(void)
{
	static const uint8_t far[4] = {192, 168, 9, 9};
	struct lab_lwip *l = glue_hosts_start();
	ip4_addr_t gateway;
	bool right = true;

	host_ping_from(far, 99);
	glue_turns(l, 1);
	tap_ok(nic.asked[9] == 0 && nic.asked[99] == 0 && !host_answered(99, false, false),
	       "without a gateway nobody far is answered");
	IP4_ADDR(&gateway, 10, 0, 0, 99);
	netif_set_gw(lab_lwip_netif(l), &gateway);
	host_says(l, 99, false);
	glue_crowd(l);
	for (unsigned i = 0; i < 20; i++) {
		host_ping_from((uint8_t[4]){192, 168, 1, (uint8_t)(1 + i)}, 99);
		glue_turns(l, 1);
		right = right && host_answered(99, false, false);
	}
	tap_ok(right && nic.asked[99] == 0, "with one it gets what is for those behind it");
	memset(nic.last, 0, sizeof(nic.last));
	host_ping_from((uint8_t[4]){169, 254, 1, HOST}, HOST);
	glue_turns(l, 1);
	tap_ok(!host_answered(99, false, false) && nic.asked[HOST] == 1,
	       "but not what is for this link");
	end(l);
}

int main(void)
{
	glue_pool();
	test_many(false);
	test_many(true);
	test_age(false, 30, 60);
	test_age(true, 30, 46);
	test_enemy(false);
	test_enemy(true);
	test_moved();
	test_lie();
	test_down();
	test_gateway();
	tap_ok(lab_pool_destroy(pool) == 0, "the pool is whole at the end");
	return tap_done();
}
