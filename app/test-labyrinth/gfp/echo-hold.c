/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A UDP echo that keeps each packet for a while: frames in use are rate times hold. It says every
 * tenth of a second, in a line of JSON, how the pool and its own calls fare. The subject of
 * traffic.sh; examples/echo is the program to learn from.
 *
 *	echo-hold af_xdp:eth1 --ip 10.77.0.2 --hold 300 --frames 2048 --max-frames 16384 --seconds
 *10
 *
 * An answer goes out in a frame of its own, allocated with LAB_GFP_ATOMIC when the time is up; then
 * the received frame is freed. These two calls, lab_alloc() and lab_free(), are what is timed, each
 * by itself and with its two readings of the clock.
 */
#include <argp.h>
#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <labyrinth/labyrinth.h>
#include <labyrinth/netdev.h>

#include "latency.h"
#include "reply.h"

#define BURST     32
#define REPORT_NS 100000000u

static volatile sig_atomic_t stop;

struct arguments {
	struct lab_pool_config pool;
	struct lab_netdev_config device;
	struct responder responder;
	double seconds;
	double hold_ms;
};

/* A packet that waits, and until when. */
struct held {
	struct lab_packet packet;
	uint64_t due;
};

struct server {
	struct lab_pool *pool;
	struct lab_netdev *dev;
	struct responder *responder;
	struct held *queue; /* first come, first served: all wait equally long */
	uint64_t slots;     /* of the queue: as many as there can be frames */
	uint64_t head, tail;
	uint64_t hold_ns;
	uint64_t tx_full;  /* answers that found no room in the device */
	uint64_t no_reply; /* answers that found no frame */
	struct latency calls;
	double cycles_per_ns;
	int hugepages; /* the kernel's count of free ones; -1: it has none of 2 MiB */
};

enum {
	OPT_MIN_FRAMES = 256,
	OPT_MAX_FRAMES,
	OPT_RESERVE,
	OPT_MIN,
	OPT_LOW,
	OPT_HIGH,
	OPT_GROW_RATE,
	OPT_RING,
};

static const struct argp_option options[] = {
	{"ip", 'i', "ADDRESS", 0, "the IPv4 address to answer for (required)", 0},
	{"port", 'p', "PORT", 0, "the UDP port to echo, 0 for all (7)", 0},
	{"seconds", 's', "N", 0, "stop after N seconds (on SIGINT or SIGTERM)", 0},
	{"hold", 'H', "MS", 0, "keep each packet for so long (0)", 0},
	{"frames", 'f', "N", 0, "frames in the pool, to begin with (8192)", 0},
	{"min-frames", OPT_MIN_FRAMES, "N", 0, "how small it may become (as --frames)", 0},
	{"max-frames", OPT_MAX_FRAMES, "N", 0, "how large it may become (as --frames)", 0},
	{"reserve", OPT_RESERVE, "N", 0, "frames for answers only (the pool's default)", 0},
	{"min", OPT_MIN, "N", 0, "watermarks, in frames (the pool's defaults)", 0},
	{"low", OPT_LOW, "N", 0, NULL, 0},
	{"high", OPT_HIGH, "N", 0, NULL, 0},
	{"grow-rate", OPT_GROW_RATE, "MIB", 0, "MiB a second that the pool grows by at most", 0},
	{"ring", OPT_RING, "N", 0, "frames with the device, each way (2048)", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

/* The whole of @arg as a number up to @most, or an end with a sentence. */
static double number(struct argp_state *state, const char *arg, double most)
{
	char *end;
	double value = strtod(arg, &end);

	if (end == arg || *end || !(value >= 0 && value <= most))
		argp_error(state, "'%s' must be a number from 0 to %.0f", arg, most);
	return value;
}

static uint64_t frames(struct argp_state *state, const char *arg)
{
	return (uint64_t)number(state, arg, 1e9);
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
		a->responder.port = (uint16_t)number(state, arg, 65535);
		break;
	case 's':
		a->seconds = number(state, arg, 1e9);
		break;
	case 'H':
		a->hold_ms = number(state, arg, 1e6);
		break;
	case 'f':
		a->pool.frames = frames(state, arg);
		break;
	case OPT_MIN_FRAMES:
		a->pool.min_frames = frames(state, arg);
		break;
	case OPT_MAX_FRAMES:
		a->pool.max_frames = frames(state, arg);
		break;
	case OPT_RESERVE:
		a->pool.reserve = frames(state, arg);
		break;
	case OPT_MIN:
		a->pool.min = frames(state, arg);
		break;
	case OPT_LOW:
		a->pool.low = frames(state, arg);
		break;
	case OPT_HIGH:
		a->pool.high = frames(state, arg);
		break;
	case OPT_GROW_RATE:
		a->pool.grow_rate = (uint32_t)number(state, arg, 1e6);
		break;
	case OPT_RING:
		a->device.rx_frames = (uint32_t)number(state, arg, LAB_NETDEV_FRAMES_MAX);
		a->device.tx_frames = a->device.rx_frames;
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

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static double measure_clock(void)
{
	const struct timespec while_counting = {.tv_nsec = 20000000};
	uint64_t ns = now_ns(), cycles = latency_clock();

	nanosleep(&while_counting, NULL);
	return (double)(latency_clock() - cycles) / (double)(now_ns() - ns);
}

/* Of the whole machine; -1 where it cannot be told. */
static long hugepages_free(const struct server *s)
{
	char text[32] = "";

	if (s->hugepages < 0 || pread(s->hugepages, text, sizeof(text) - 1, 0) <= 0)
		return -1;
	return atol(text);
}

static void put(const char *name, uint64_t value)
{
	printf(",\"%s\":%" PRIu64, name, value);
}

/* What happened since the start, and how the calls of this interval fared, in ns. */
static void report(struct server *s, uint64_t now, bool end)
{
	size_t page = lab_pool_page_size(s->pool);
	struct lab_netdev_stats net = {0};
	struct lab_pool_stats p;

	lab_pool_stats(s->pool, &p);
	if (s->dev)
		lab_netdev_stats(s->dev, &net);
	printf("{\"t\":%.4f", (double)now / 1e9);
	if (s->dev) {
		put("in", net.rx_packets);
		put("out", net.tx_packets);
		put("rx_nobuf", net.rx_nobuf);
		put("missed", net.missed_dropped + net.missed_no_frame + net.missed_ring_full);
	}
	put("tx_full", s->tx_full);
	put("no_reply", s->no_reply);
	put("waiting", s->tail - s->head);
	put("total", p.total);
	put("free", p.free);
	put("cached", p.cached);
	put("held", p.held);
	put("lent", p.lent);
	put("retired", p.retired);
	put("hugepages", page == LAB_PAGE_4K ? 0 : (p.total << LAB_FRAME_SHIFT) / page);
	printf(",\"hugepages_free\":%ld", hugepages_free(s));
	if (end) {
		/* nobody has a frame any more */
		put("end", 1);
		put("lost", p.total - (p.free + p.cached + p.retired));
	} else {
		put("calls", s->calls.n);
		printf(",\"p50\":%.0f,\"p99\":%.0f,\"p999\":%.0f,\"max\":%.0f",
		       (double)latency_of(&s->calls, 500) / s->cycles_per_ns,
		       (double)latency_of(&s->calls, 990) / s->cycles_per_ns,
		       (double)latency_of(&s->calls, 999) / s->cycles_per_ns,
		       (double)s->calls.max / s->cycles_per_ns);
	}
	printf("}\n");
	fflush(stdout);
	latency_clear(&s->calls);
}

static void *timed_alloc(struct server *s)
{
	uint64_t start = latency_clock();
	void *frame = lab_alloc(s->pool, LAB_GFP_ATOMIC);

	latency_add(&s->calls, latency_clock() - start);
	return frame;
}

static void timed_free(struct server *s, void *frame)
{
	uint64_t start = latency_clock();

	lab_free(s->pool, frame);
	latency_add(&s->calls, latency_clock() - start);
}

static void send_all(struct server *s, struct lab_packet *packets, unsigned n)
{
	unsigned sent = lab_netdev_tx_burst(s->dev, packets, n);

	s->tx_full += n - sent;
	while (sent < n)
		lab_free(s->pool, packets[sent++].frame);
}

/* UDP waits; anything else that has an answer gets it at once, in place. */
static unsigned receive(struct server *s)
{
	struct lab_packet packets[BURST];
	unsigned answers = 0, n = lab_netdev_rx_burst(s->dev, packets, BURST);
	uint64_t due = n ? now_ns() + s->hold_ns : 0;

	for (unsigned i = 0; i < n; i++) {
		struct lab_packet p = packets[i];
		uint64_t udp = s->responder->udp;

		if (!reply(s->responder, (uint8_t *)p.frame + p.offset, &p.length))
			lab_free(s->pool, p.frame);
		else if (s->responder->udp == udp)
			packets[answers++] = p;
		else
			s->queue[s->tail++ % s->slots] = (struct held){p, due};
	}
	if (answers)
		send_all(s, packets, answers);
	return n;
}

static unsigned answer(struct server *s, uint64_t now)
{
	struct lab_packet packets[BURST];
	unsigned n = 0, due = 0;

	for (; due < BURST && s->head != s->tail; due++) {
		const struct held *h = &s->queue[s->head % s->slots];
		struct lab_packet p = h->packet;

		if (h->due > now)
			break;
		assert(p.frame); /* receive() has filled every slot from head to tail */
		s->head++;
		p.frame = timed_alloc(s);
		if (p.frame) {
			memcpy((char *)p.frame + p.offset, (char *)h->packet.frame + p.offset,
			       p.length);
			packets[n++] = p;
		} else {
			s->no_reply++;
		}
		timed_free(s, h->packet.frame);
	}
	if (n)
		send_all(s, packets, n);
	return due;
}

static int serve(struct server *s, double seconds)
{
	uint64_t now = now_ns(), end = now + (uint64_t)(seconds * 1e9), next = now + REPORT_NS;

	for (; !stop && (seconds <= 0 || now < end); now = now_ns()) {
		unsigned worked = receive(s) + answer(s, now);

		if (now >= next) {
			report(s, now, false);
			next += REPORT_NS;
		}
		if (!worked && lab_netdev_wait(s->dev, 1) < 0) {
			fprintf(stderr, "echo-hold: %s\n", lab_error_text());
			return -1;
		}
	}
	while (s->head != s->tail)
		lab_free(s->pool, s->queue[s->head++ % s->slots].packet.frame);
	return 0;
}

static int run(struct server *s, const struct arguments *a)
{
	uint64_t most = lab_pool_frames(s->pool);
	int rc;

	/* A pool that breathes may become larger than it is. */
	if (most < a->pool.max_frames)
		most = a->pool.max_frames;
	s->slots = most + LAB_PAGE_2M / LAB_FRAME_SIZE; /* as it is rounded up */
	s->queue = calloc(s->slots, sizeof(*s->queue));
	s->dev = s->queue ? lab_netdev_open(&a->device) : NULL;
	if (!s->dev) {
		fprintf(stderr, "echo-hold: %s\n", s->queue ? lab_error_text() : "out of memory");
		free(s->queue);
		return -1;
	}
	lab_netdev_mac(s->dev, s->responder->mac);
	printf("{\"ready\":\"%s\"}\n", lab_netdev_name(s->dev));
	fflush(stdout);
	rc = serve(s, a->seconds);
	report(s, now_ns(), false);
	if (lab_netdev_close(s->dev)) {
		fprintf(stderr, "echo-hold: %s\n", lab_error_text());
		rc = -1;
	}
	s->dev = NULL;
	report(s, now_ns(), true);
	free(s->queue);
	return rc;
}

int main(int argc, char **argv)
{
	const struct argp argp = {
		options, parse, "DEVICE", "Echo UDP some time later, and say how the pool fares.",
		NULL,    NULL,  NULL};
	static struct arguments a = {.pool = {.name = "echo-hold", .frames = 8192},
				     .responder = {.port = 7}};
	static struct server s;
	struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: end a wait */
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	s.responder = &a.responder;
	s.hold_ns = (uint64_t)(a.hold_ms * 1e6);
	s.cycles_per_ns = measure_clock();
	s.hugepages = open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
			   O_RDONLY | O_CLOEXEC);
	s.pool = lab_pool_create(&a.pool);
	if (!s.pool) {
		fprintf(stderr, "echo-hold: %s\n", lab_error_text());
		return EXIT_FAILURE;
	}
	a.device.pool = s.pool;
	rc = run(&s, &a);
	return lab_pool_destroy(s.pool) || rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
