/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The veth pair and the peer of the driver's tests. Knows the kernel's sockets; of the library only
 * what counts frames.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "link.h"
#include "tap.h"

#define ETHERTYPE    0x88b5 /* IEEE 802: for local experiments */
#define SIZE_MIN     60u
#define SIZE_MAX_ETH 1514u
#define TIME_LIMIT_S 100

static int peer = -1;

double link_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

bool link_run(const char *command)
{
	char text[256];

	snprintf(text, sizeof(text), "%s >/dev/null 2>&1", command);
	return system(text) == 0;
}

void link_settle(void)
{
	uint8_t sink[2048];

	/* the pair carries packets when the peer's own come through: ask the kernel, not the clock
	 */
	for (int i = 0; i < 100; i++) {
		if (link_run("ip link show " LINK_A " | grep -q LOWER_UP") &&
		    link_run("ip link show " LINK_B " | grep -q LOWER_UP"))
			break;
		usleep(10000);
	}
	while (recv(peer, sink, sizeof(sink), MSG_DONTWAIT) >= 0)
		;
}

void link_setup(void)
{
	struct sockaddr_ll on = {.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE)};
	struct timeval patience = {.tv_usec = 500000};
	int fd, buffer = 8 << 20;

	alarm(TIME_LIMIT_S);
	if (geteuid() != 0)
		tap_skip_all("network namespaces and AF_XDP need root");
	if (unshare(CLONE_NEWNET))
		tap_skip_all("this kernel (or container) gives no network namespace");
	/* the kernel's own IPv6 packets would be in the way */
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);
	if (fd >= 0) {
		if (write(fd, "1", 1) != 1)
			tap_note("IPv6 stays on");
		close(fd);
	}
	if (!link_run("ip link add " LINK_A " type veth peer name " LINK_B))
		tap_skip_all("no veth pair: iproute2 is missing, or the kernel has no veth");
	link_run("ip link set " LINK_A " up");
	link_run("ip link set " LINK_B " up");

	peer = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETHERTYPE));
	on.sll_ifindex = (int)if_nametoindex(LINK_B);
	if (peer < 0 || bind(peer, (struct sockaddr *)&on, sizeof(on)))
		tap_skip_all("no packet socket");
	setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(peer, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	link_settle();
}

struct lab_netdev *link_open(struct lab_pool *pool, uint32_t rx_frames)
{
	struct lab_netdev_config config = {
		.device = "af_xdp:" LINK_A, .pool = pool, .rx_frames = rx_frames};

	return lab_netdev_open(&config);
}

unsigned link_receive(struct lab_netdev *dev, struct lab_packet *packets, unsigned n, int ms)
{
	unsigned got = 0;

	for (double end = link_now() + ms / 1e3; got < n && link_now() < end;)
		got += lab_netdev_rx_burst(dev, packets + got, n - got);
	return got;
}

bool link_wait_sent(struct lab_netdev *dev)
{
	struct lab_netdev_stats s = {.tx_lent = 1};

	for (double end = link_now() + 1; s.tx_lent && link_now() < end;) {
		lab_netdev_rx_burst(dev, NULL, 0);
		lab_netdev_stats(dev, &s);
	}
	return s.tx_lent == 0;
}

void link_free(struct lab_pool *pool, struct lab_packet *packets, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		lab_free(pool, packets[i].frame);
}

bool link_split(const struct lab_pool *pool, uint64_t receiving, uint64_t sending)
{
	struct lab_holder holder[LAB_HOLDERS_MAX];
	int n = lab_pool_holders(pool, holder, LAB_HOLDERS_MAX);

	for (int i = 0; i < n; i++) {
		if (holder[i].owner.kind != LAB_OWNER_DEVICE)
			continue;
		if (holder[i].receiving == receiving && holder[i].sending == sending &&
		    holder[i].lent == receiving + sending)
			return true;
		tap_note("%s: %" PRIu64 " lent, %" PRIu64 " to receive into, %" PRIu64 " to send",
			 holder[i].name, holder[i].lent, holder[i].receiving, holder[i].sending);
	}
	return false;
}

bool link_conserved(const struct lab_pool *pool, uint64_t held)
{
	struct lab_pool_stats s, c = {0};
	bool good;

	lab_pool_stats(pool, &s);
	good = s.free + s.cached + s.held + s.lent + s.retired == s.total && s.lent == 0 &&
	       s.held == held;
	if (lab_pool_exclusive(pool)) {
		lab_pool_census(pool, &c);
		good = good && c.free == s.free && c.cached == s.cached && c.held == s.held &&
		       !c.lent;
	}
	if (!good)
		tap_note("counted: total %" PRIu64 " free %" PRIu64 " cached %" PRIu64
			 " held %" PRIu64 " lent %" PRIu64 "; found: free %" PRIu64
			 " cached %" PRIu64 " held %" PRIu64 " lent %" PRIu64,
			 s.total, s.free, s.cached, s.held, s.lent, c.free, c.cached, c.held,
			 c.lent);
	return good;
}

static uint32_t size_of(unsigned seq)
{
	if (seq % 8 == 0)
		return SIZE_MIN;
	if (seq % 8 == 1)
		return SIZE_MAX_ETH;
	return SIZE_MIN + seq * 2654435761u % (SIZE_MAX_ETH - SIZE_MIN + 1);
}

void peer_fill(uint8_t *packet, uint32_t size, unsigned seq)
{
	uint32_t word = seq * 2246822519u + 1;

	memset(packet, 0xff, 6); /* to all, from a local address */
	memset(packet + 6, 2, 6);
	packet[12] = ETHERTYPE >> 8;
	packet[13] = ETHERTYPE & 0xff;
	for (uint32_t i = 14; i < size; i++) {
		word ^= word << 13;
		word ^= word >> 17;
		word ^= word << 5;
		packet[i] = (uint8_t)word;
	}
}

bool peer_check(const uint8_t *packet, uint32_t size, unsigned seq)
{
	uint8_t expected[SIZE_MAX_ETH];

	if (size != size_of(seq))
		return false;
	peer_fill(expected, size, seq);
	return !memcmp(expected, packet, size);
}

uint64_t peer_bytes(unsigned first, unsigned n)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += size_of(first + i);
	return bytes;
}

void peer_send(unsigned seq)
{
	uint8_t packet[SIZE_MAX_ETH];

	peer_fill(packet, size_of(seq), seq);
	if (send(peer, packet, size_of(seq), 0) < 0)
		tap_note("the peer cannot send packet %u: %s", seq, strerror(errno));
}

bool peer_receive(unsigned seq)
{
	uint8_t packet[2048];
	ssize_t n = recv(peer, packet, sizeof(packet), 0);

	return n > 0 && peer_check(packet, (uint32_t)n, seq);
}

bool peer_receive_any(void)
{
	uint8_t packet[2048];

	return recv(peer, packet, sizeof(packet), 0) > 0;
}
