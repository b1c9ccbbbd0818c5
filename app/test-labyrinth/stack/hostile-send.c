/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Sends generated hostile frames to a victim on the same Ethernet, and listens to what it answers.
 * Packet sockets; knows nothing of the library. Only for networks of your own: what it sends harms
 * whoever hears it.
 */
#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "hostile.h"

#define BATCH    64u
#define HEAR_MAX 2048u

struct arguments {
	const char *interface;
	struct hostile_target target;
	uint64_t count;
	uint64_t seed;
	double rate;
	bool have_mac;
	bool have_ip;
	bool quiet;
};

/* What became of the frames: each is one of these. */
struct sent {
	uint64_t sent;
	uint64_t too_long;
	uint64_t too_short;
};

static const struct argp_option options[] = {
	{"mac", 'm', "ADDRESS", 0, "the victim's Ethernet address (required)", 0},
	{"ip", 'i', "ADDRESS", 0, "its IPv4 address (required)", 0},
	{"ip6", '6', "ADDRESS", 0, "its IPv6 address, of a /64 (fd00:77::1)", 0},
	{"port", 'p', "PORT", 0, "the TCP port where it serves HTTP (80)", 0},
	{"echo-port", 'e', "PORT", 0, "the port where it echoes TCP or UDP (7)", 0},
	{"spare", 'a', "N", 0, "speak for no host whose IPv4 address ends in N (1)", 0},
	{"count", 'n', "N", 0, "frames to send (1000000)", 0},
	{"seed", 's', "S", 0, "which sequence (1)", 0},
	{"rate", 'r', "N", 0, "frames a second at most (as fast as it goes)", 0},
	{"quiet", 'q', NULL, 0, "the last line only", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

/* The whole of @arg as a number up to @most, or an end with a sentence. */
static uint64_t number(struct argp_state *state, const char *arg, const char *what, uint64_t most)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(arg, &end, 0);
	if (end == arg || *end || *arg == '-' || errno || value > most)
		argp_error(state, "%s is '%s'; it must be a number from 0 to %" PRIu64, what, arg,
			   most);
	return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	struct hostile_target *t = &a->target;
	int end = 0;

	switch (key) {
	case 'm':
		if (sscanf(arg, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &t->mac[0], &t->mac[1],
			   &t->mac[2], &t->mac[3], &t->mac[4], &t->mac[5], &end) != 6 ||
		    arg[end])
			argp_error(state, "%s is no Ethernet address (02:00:00:00:00:01)", arg);
		a->have_mac = true;
		break;
	case 'i':
		if (inet_pton(AF_INET, arg, t->ip) != 1)
			argp_error(state, "%s is no IPv4 address", arg);
		a->have_ip = true;
		break;
	case '6':
		if (inet_pton(AF_INET6, arg, t->ip6) != 1)
			argp_error(state, "%s is no IPv6 address", arg);
		break;
	case 'p':
		t->ports[0] = (uint16_t)number(state, arg, "--port", 65535);
		break;
	case 'e':
		t->ports[1] = (uint16_t)number(state, arg, "--echo-port", 65535);
		break;
	case 'a':
		t->spare = (uint8_t)number(state, arg, "--spare", 255);
		break;
	case 'n':
		a->count = number(state, arg, "--count", UINT64_MAX / 2);
		break;
	case 's':
		a->seed = number(state, arg, "--seed", UINT64_MAX);
		break;
	case 'r':
		a->rate = (double)number(state, arg, "--rate", 1000000000);
		break;
	case 'q':
		a->quiet = true;
		break;
	case ARGP_KEY_ARG:
		if (a->interface)
			argp_error(state, "one interface only");
		a->interface = arg;
		break;
	case ARGP_KEY_END:
		if (!a->interface || !a->have_mac || !a->have_ip)
			argp_error(state, "name an interface, --mac and --ip");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static int fail(const char *what, const char *interface, const char *remedy)
{
	fprintf(stderr, "hostile-send: %s on %s: %s%s\n", what, interface, strerror(errno), remedy);
	return -1;
}

/* A packet socket that hears everything on the wire; -1 with a sentence. */
static int open_wire(const char *interface)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};
	int fd, one = 1, buffer = 8 << 20;

	address.sll_ifindex = (int)if_nametoindex(interface);
	if (!address.sll_ifindex)
		return fail("no such interface", interface, "; see ip link");
	fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	if (fd < 0)
		return fail("no packet socket", interface, "; it takes CAP_NET_RAW (root)");
	all.mr_ifindex = address.sll_ifindex;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all))) {
		fail("the packet socket", interface, "");
		close(fd);
		return -1;
	}
	return fd;
}

static void hear(struct hostile *h, int fd)
{
	static uint8_t frames[BATCH][HEAR_MAX];
	struct mmsghdr messages[BATCH] = {0};
	struct iovec iov[BATCH];
	int n;

	for (unsigned i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){frames[i], HEAR_MAX};
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	do {
		n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			hostile_hear(h, frames[i], messages[i].msg_len);
	} while (n == (int)BATCH);
}

/* Sends @n frames; 0, or -1 with a sentence: the wire is no good. */
static int send_batch(int fd, const char *interface, struct iovec *iov, unsigned n, struct sent *s)
{
	struct mmsghdr messages[BATCH] = {0};
	unsigned done = 0;

	for (unsigned i = 0; i < n; i++) {
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (done < n) {
		int some = sendmmsg(fd, messages + done, n - done, 0);

		if (some > 0) {
			s->sent += (unsigned)some;
			done += (unsigned)some;
		} else if (errno == EMSGSIZE) { /* the first of the rest is meant */
			s->too_long++;
			done++;
		} else if (errno == EINVAL && iov[done].iov_len < ETH_HLEN) {
			s->too_short++;
			done++;
		} else if (errno == ENOBUFS || errno == EAGAIN) {
			poll(NULL, 0, 1); /* the device's queue is full */
		} else if (errno != EINTR) {
			return fail("a frame was not sent", interface, "; is the interface up?");
		}
	}
	return 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int attack(struct hostile *h, int fd, const struct arguments *a, struct sent *s)
{
	static uint8_t frames[BATCH][HOSTILE_FRAME_MAX];
	struct iovec iov[BATCH];
	double start = now(), ahead;

	for (uint64_t made = 0; made < a->count;) {
		unsigned n = a->count - made < BATCH ? (unsigned)(a->count - made) : BATCH;

		for (unsigned i = 0; i < n; i++)
			iov[i] = (struct iovec){frames[i],
						hostile_next(h, frames[i], HOSTILE_FRAME_MAX)};
		if (send_batch(fd, a->interface, iov, n, s))
			return -1;
		made += n;
		hear(h, fd);
		ahead = a->rate > 0 ? start + (double)made / a->rate - now() : 0;
		if (ahead > 0.001)
			poll(NULL, 0, (int)(ahead * 1000));
		else if (ahead < -0.005)
			start -= ahead; /* what was not sent in time is not sent all at once */
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct argp argp = {
		options,
		parse,
		"INTERFACE",
		"Send frames that lie, to a victim at the other end of INTERFACE.\vThe same seed "
		"makes the same sequence, as far as the victim answers the same.",
		NULL,
		NULL,
		NULL};
	struct arguments a = {
		.target = {.ip6 = {0xfd, 0, 0, 0x77, [15] = 1}, .ports = {80, 7}, .spare = 1},
		.count = 1000000,
		.seed = 1};
	static struct hostile h;
	struct sent s = {0};
	double start = now();
	int fd, rc;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	fd = open_wire(a.interface);
	if (fd < 0)
		return EXIT_FAILURE;
	hostile_start(&h, &a.target, a.seed);
	rc = attack(&h, fd, &a, &s);
	if (!a.quiet)
		hostile_print(&h, stdout, "hostile-send: ");
	printf("hostile-send: seed=%" PRIu64 " made=%" PRIu64 " sent=%" PRIu64
	       " too_long_for_the_wire=%" PRIu64 " too_short_for_the_wire=%" PRIu64
	       " heard=%" PRIu64 " opened=%" PRIu64 " seconds=%.1f\n",
	       a.seed, s.sent + s.too_long + s.too_short, s.sent, s.too_long, s.too_short,
	       h.answers, h.opened, now() - start);
	close(fd);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
