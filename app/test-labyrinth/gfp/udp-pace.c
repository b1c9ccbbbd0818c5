/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Sends numbered UDP packets to an echo at a steady pace, phase after phase, and checks each that
 * comes back. Resends nothing; what the machine is too slow to send, it leaves out. Plain sockets;
 * knows nothing of the library.
 *
 *	udp-pace ADDRESS PORT RATE:SECONDS...
 *
 * Prints a line of JSON for each phase, and one for the whole. Exit status 0: nothing came back
 *that was not sent, or twice. What is lost is for the caller to judge.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PHASES_MAX 16
#define BATCH      64
#define SIZE       128
#define BEHIND_S   0.01 /* what is not sent by then is left out: no stall becomes a flood */
#define SILENCE_S  1.5  /* at the end: that long without an answer, and no more will come */

struct phase {
	double rate, seconds;
	double start, end;
	uint64_t first, sent, left_out, received;
};

struct pace {
	int fd;
	uint64_t sent, room, corrupt, duplicate, received;
	uint8_t *seen;
	struct phase phases[PHASES_MAX];
	unsigned n;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Packet @seq: its number, then bytes that follow from the number. */
static void make(uint64_t seq, uint64_t packet[SIZE / 8])
{
	uint64_t word = seq;

	packet[0] = seq;
	for (unsigned i = 1; i < SIZE / 8; i++)
		packet[i] = word = word * 0x5851f42d4c957f2d + 0x14057b7ef767814f;
}

/* Sends up to @n packets; how many the kernel took. */
static unsigned send_some(struct pace *p, unsigned n)
{
	static uint64_t data[BATCH][SIZE / 8];
	struct iovec iov[BATCH];
	struct mmsghdr messages[BATCH] = {0};
	int sent;

	for (unsigned i = 0; i < n; i++) {
		make(p->sent + i, data[i]);
		iov[i] = (struct iovec){data[i], SIZE};
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	sent = sendmmsg(p->fd, messages, n, MSG_DONTWAIT);
	if (sent <= 0)
		return 0;
	p->sent += (unsigned)sent;
	return (unsigned)sent;
}

static void check(struct pace *p, const uint64_t *packet, size_t size)
{
	uint64_t expected[SIZE / 8], seq = packet[0];

	if (size != SIZE || seq >= p->sent) {
		p->corrupt++;
		return;
	}
	make(seq, expected);
	if (memcmp(packet, expected, SIZE)) {
		p->corrupt++;
	} else if (p->seen[seq]) {
		p->duplicate++;
	} else {
		p->seen[seq] = 1;
		p->received++;
	}
}

static unsigned receive_some(struct pace *p)
{
	static uint64_t data[BATCH][SIZE / 8 + 1];
	struct iovec iov[BATCH];
	struct mmsghdr messages[BATCH] = {0};
	int n;

	for (unsigned i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){data[i], sizeof(data[i])};
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(p->fd, messages, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		check(p, data[i], messages[i].msg_len);
	return n > 0 ? (unsigned)n : 0;
}

static void nap(struct pace *p)
{
	const struct timespec longest = {.tv_nsec = 300000};
	struct pollfd event = {.fd = p->fd, .events = POLLIN};

	ppoll(&event, 1, &longest, NULL);
}

static void run_phase(struct pace *p, struct phase *phase)
{
	double t;

	phase->first = p->sent;
	phase->start = now();
	while ((t = now()) < phase->start + phase->seconds) {
		double due =
			(t - phase->start) * phase->rate - (double)(phase->sent + phase->left_out);
		unsigned n = due < BATCH ? (unsigned)(due > 0 ? due : 0) : BATCH, sent = 0;

		if (due > phase->rate * BEHIND_S + BATCH)
			phase->left_out += (uint64_t)(due - phase->rate * BEHIND_S);
		if (p->sent + n > p->room)
			n = (unsigned)(p->room - p->sent);
		if (n)
			sent = send_some(p, n);
		phase->sent += sent;
		if (!receive_some(p) && !sent)
			nap(p);
	}
	phase->end = now();
}

/* Answers that the kernel dropped here, because we fetched them too slowly. */
static uint64_t dropped_here(void)
{
	FILE *file = fopen("/proc/net/snmp", "r");
	unsigned long long in, no_ports, errors, out, full = 0;
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Udp: %llu %llu %llu %llu %llu", &in, &no_ports, &errors, &out,
			   &full) == 5)
			break;
	}
	if (file)
		fclose(file);
	return full;
}

static void finish(struct pace *p)
{
	double last = now();

	while (p->received < p->sent && now() < last + SILENCE_S) {
		if (receive_some(p))
			last = now();
		else
			nap(p);
	}
	for (unsigned i = 0; i < p->n; i++) {
		struct phase *phase = &p->phases[i];

		for (uint64_t seq = phase->first; seq < phase->first + phase->sent; seq++)
			phase->received += p->seen[seq];
		printf("{\"phase\":%u,\"rate\":%.0f,\"start\":%.4f,\"end\":%.4f,\"sent\":%" PRIu64
		       ",\"left_out\":%" PRIu64 ",\"lost\":%" PRIu64 "}\n",
		       i, phase->rate, phase->start, phase->end, phase->sent, phase->left_out,
		       phase->sent - phase->received);
	}
	printf("{\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"lost\":%" PRIu64
	       ",\"corrupt\":%" PRIu64 ",\"duplicate\":%" PRIu64 ",\"dropped_here\":%" PRIu64 "}\n",
	       p->sent, p->received, p->sent - p->received, p->corrupt, p->duplicate,
	       dropped_here());
}

static bool parse(struct pace *p, int n, char **args)
{
	if (n < 1 || n > PHASES_MAX)
		return false;
	for (int i = 0; i < n; i++) {
		struct phase *phase = &p->phases[i];

		if (sscanf(args[i], "%lf:%lf", &phase->rate, &phase->seconds) != 2 ||
		    !(phase->rate > 0 && phase->rate < 1e7) ||
		    !(phase->seconds > 0 && phase->seconds < 1e5))
			return false;
		p->room += (uint64_t)(phase->rate * phase->seconds) + 1;
	}
	p->n = (unsigned)n;
	return true;
}

int main(int argc, char **argv)
{
	static struct pace p;
	struct sockaddr_in to = {.sin_family = AF_INET};
	int buffer = 16 << 20;

	if (argc < 4 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 ||
	    !parse(&p, argc - 3, argv + 3)) {
		fprintf(stderr, "usage: udp-pace ADDRESS PORT RATE:SECONDS...\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	p.seen = calloc(p.room, 1);
	p.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!p.seen || p.fd < 0 || connect(p.fd, (struct sockaddr *)&to, sizeof(to))) {
		perror("udp-pace");
		free(p.seen);
		return 2;
	}
	setsockopt(p.fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	for (unsigned i = 0; i < p.n; i++)
		run_phase(&p, &p.phases[i]);
	finish(&p);
	close(p.fd);
	free(p.seen);
	return p.corrupt || p.duplicate ? 1 : 0;
}
