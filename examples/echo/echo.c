/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A host that echoes: answers ARP, ping and UDP on one network interface, in the frames that the
 * packets came in. Read this first to see how a driver and a pool go together.
 *
 *	echo af_xdp:eth1 --ip 10.77.0.2
 *	echo e1000e:0000:00:03.0 --ip 10.0.2.15
 */
#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <labyrinth/labyrinth.h>
#include <labyrinth/netdev.h>

#include "reply.h"

#define BURST 32

static volatile sig_atomic_t stop;

struct arguments {
	struct lab_pool_config pool;
	struct lab_netdev_config device;
	struct responder responder;
	double seconds;
};

static const struct argp_option options[] = {
	{"ip", 'i', "ADDRESS", 0, "the IPv4 address to answer for (required)", 0},
	{"port", 'p', "PORT", 0, "the UDP port to echo, 0 for all (7)", 0},
	{"seconds", 's', "N", 0, "stop after N seconds (on SIGINT or SIGTERM)", 0},
	{"frames", 'f', "N", 0, "frames in the pool (8192)", 0},
	{"ordinary-pages", 'o', NULL, 0, "a pool on ordinary pages instead of hugepages", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

/* The whole of @arg as a number up to @most, or an end with a sentence. */
static double number(struct argp_state *state, const char *arg, const char *what, double most)
{
	char *end;
	double value = strtod(arg, &end);

	if (end == arg || *end || !(value >= 0 && value <= most))
		argp_error(state, "%s is '%s'; it must be a number from 0 to %.0f", what, arg,
			   most);
	return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 'i':
		if (inet_pton(AF_INET, arg, a->responder.ip) != 1)
			argp_error(state, "%s is not an IPv4 address", arg);
		break;
	case 'p':
		a->responder.port = (uint16_t)number(state, arg, "--port", 65535);
		break;
	case 's':
		a->seconds = number(state, arg, "--seconds", 1e9);
		break;
	case 'f':
		a->pool.frames = (uint64_t)number(state, arg, "--frames", 1e9);
		break;
	case 'o':
		a->pool.page_size = LAB_PAGE_4K;
		break;
	case ARGP_KEY_ARG:
		if (a->device.device)
			argp_error(state, "one device only");
		a->device.device = arg;
		break;
	case ARGP_KEY_END:
		if (!a->device.device || !a->responder.ip[0])
			argp_error(state, "name a device and --ip");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void on_signal(int sig)
{
	stop = sig;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Returns how many answers found no room in the device and were dropped. */
static uint64_t serve(struct lab_pool *pool, struct lab_netdev *dev, struct responder *r,
		      double end)
{
	struct lab_packet packets[BURST];
	uint64_t dropped = 0;

	while (!stop && (end == 0 || now() < end)) {
		unsigned sent, answers = 0, n = lab_netdev_rx_burst(dev, packets, BURST);

		/* We own all n frames: each is answered in place, or freed. */
		for (unsigned i = 0; i < n; i++) {
			struct lab_packet p = packets[i];

			if (reply(r, (uint8_t *)p.frame + p.offset, &p.length))
				packets[answers++] = p;
			else
				lab_free(pool, p.frame);
		}
		/* The device owns what it accepted, and frees it when it is sent. */
		sent = lab_netdev_tx_burst(dev, packets, answers);
		dropped += answers - sent;
		while (sent < answers)
			lab_free(pool, packets[sent++].frame);

		if (n == 0 && lab_netdev_wait(dev, 100) < 0) {
			/* the interface is gone, or the kernel asks for the device */
			fprintf(stderr, "echo: %s\n", lab_error_text());
			break;
		}
	}
	return dropped;
}

int main(int argc, char **argv)
{
	const struct argp argp = {options,
				  parse,
				  "DEVICE",
				  "Answer ARP, ping and UDP in place.\vDEVICE is af_xdp:INTERFACE "
				  "(af_xdp:eth1), or e1000e:ADDRESS (e1000e:0000:00:03.0), a PCI "
				  "function that devtools/bind.sh has bound to vfio-pci.",
				  NULL,
				  NULL,
				  NULL};
	struct arguments a = {.pool = {.name = "echo", .frames = 8192, .flags = LAB_POOL_FALLBACK},
			      .responder = {.port = 7}};
	struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: end a wait */
	struct responder *r = &a.responder;
	struct lab_netdev_stats net;
	struct lab_pool_stats s;
	struct lab_netdev *dev;
	struct lab_pool *pool;
	uint64_t dropped, lost;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);

	pool = lab_pool_create(&a.pool);
	if (!pool) {
		fprintf(stderr, "echo: %s\n", lab_error_text());
		return EXIT_FAILURE;
	}
	if (lab_pool_fallback(pool))
		fprintf(stderr, "echo: %s\n", lab_pool_fallback(pool));
	a.device.pool = pool;
	dev = lab_netdev_open(&a.device);
	if (!dev) {
		fprintf(stderr, "echo: %s\n", lab_error_text());
		lab_pool_destroy(pool);
		return EXIT_FAILURE;
	}
	lab_netdev_mac(dev, r->mac);
	printf("echo: ready on %s\n", lab_netdev_name(dev));
	fflush(stdout);

	dropped = serve(pool, dev, r, a.seconds > 0 ? now() + a.seconds : 0);

	lab_netdev_stats(dev, &net);
	if (lab_netdev_close(dev))
		fprintf(stderr, "echo: %s\n", lab_error_text());
	lab_pool_stats(pool, &s);
	lost = s.total - (s.free + s.cached + s.retired); /* nobody has a frame any more */
	printf("echo: rx=%" PRIu64 " tx=%" PRIu64 " arp=%" PRIu64 " icmp=%" PRIu64 " udp=%" PRIu64
	       " ignored=%" PRIu64 " bad=%" PRIu64 " bad_checksum=%" PRIu64 " dropped=%" PRIu64
	       " missed=%" PRIu64 " pool_dry=%" PRIu64 " total=%" PRIu64 " free=%" PRIu64
	       " cached=%" PRIu64 " held=%" PRIu64 " lent=%" PRIu64 " refused=%" PRIu64
	       " lost=%" PRIu64 "\n",
	       net.rx_packets, net.tx_packets, r->arp, r->icmp, r->udp, r->ignored, r->bad,
	       r->bad_checksum, dropped,
	       net.missed_dropped + net.missed_no_frame + net.missed_ring_full, net.rx_no_frame,
	       s.total, s.free, s.cached, s.held, s.lent, net.refused, lost);
	if (r->bad_checksum)
		fprintf(stderr,
			"echo: wrong checksums: if the sender is a veth or a virtual machine, it "
			"leaves them to hardware that is not there; run ethtool -K PEER tx off\n");
	return lab_pool_destroy(pool) || lost ? EXIT_FAILURE : EXIT_SUCCESS;
}
