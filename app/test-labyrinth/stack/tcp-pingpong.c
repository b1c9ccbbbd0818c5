/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Sends a message to a TCP echo, waits for it to come back, compares it, and again: how long that
 *takes. Plain blocking sockets; knows nothing of the library, nor of which stack answers.
 *
 *	tcp-pingpong ADDRESS PORT ROUNDS BYTES [CONNECTIONS]
 *
 * With CONNECTIONS it opens so many, says "waiting", and until a line comes on stdin sends on every
 *other one of them ten times a second; the rest idle. Then come the ROUNDS, over all of them in
 *turn. Prints one line; exit status 0 if every message came back as it was sent, within TIMEOUT_S.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>

#include "../gfp/latency.h"
#include "tcp-client.h"

#define BYTES_MAX       65536
#define CONNECTIONS_MAX 256
#define TIMEOUT_S       300
#define WAIT_MAX_MS     900000

static struct {
	int fd[CONNECTIONS_MAX];
	uint64_t at[CONNECTIONS_MAX];
	unsigned n;
	size_t bytes;
} client;

/* One message there and back; false with a sentence. */
static bool round_trip(unsigned which)
{
	static uint8_t out[BYTES_MAX], in[BYTES_MAX];
	size_t sent = 0, got = 0, differs;
	ssize_t n;

	client_fill(which, client.at[which], out, client.bytes);
	while (sent < client.bytes) {
		n = send(client.fd[which], out + sent, client.bytes - sent, MSG_NOSIGNAL);
		if (n < 0) {
			fprintf(stderr, "tcp-pingpong: connection %u cannot send: %s\n", which,
				strerror(errno));
			return false;
		}
		sent += (size_t)n;
	}
	while (got < client.bytes) {
		n = recv(client.fd[which], in + got, client.bytes - got, 0);
		if (n <= 0) {
			fprintf(stderr, "tcp-pingpong: connection %u got no answer: %s\n", which,
				n ? strerror(errno) : "it was closed");
			return false;
		}
		got += (size_t)n;
	}
	differs = client_differs(which, client.at[which], in, client.bytes);
	if (differs != client.bytes) {
		fprintf(stderr, "tcp-pingpong: byte %" PRIu64 " of connection %u came back wrong\n",
			client.at[which] + differs, which);
		return false;
	}
	client.at[which] += client.bytes;
	return true;
}

/* Until a line, or the end, comes on stdin. */
static bool wait_for_line(uint64_t *ticks)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	printf("waiting\n");
	fflush(stdout);
	for (unsigned waited = 0; waited < WAIT_MAX_MS; waited += 100) {
		if (poll(&in, 1, 100) > 0)
			return true;
		for (unsigned i = 0; i < client.n; i += 2) {
			if (!round_trip(i))
				return false;
			++*ticks;
		}
	}
	fprintf(stderr, "tcp-pingpong: no line came\n");
	return false;
}

int main(int argc, char **argv)
{
	static struct latency times;
	uint64_t rounds, ticks = 0, began, all;

	if (argc == 6)
		client.n = (unsigned)atoi(argv[5]);
	if (argc < 5 || argc > 6 || client.n > CONNECTIONS_MAX || atoi(argv[4]) < 1 ||
	    atoi(argv[4]) > BYTES_MAX || (argc == 6 && !client.n)) {
		fprintf(stderr, "usage: tcp-pingpong ADDRESS PORT ROUNDS BYTES [CONNECTIONS]\n");
		return 2;
	}
	rounds = strtoull(argv[3], NULL, 10);
	client.bytes = (size_t)atoi(argv[4]);
	if (!client.n)
		client.n = 1;
	for (unsigned i = 0; i < client.n; i++) {
		client.fd[i] = client_connect(argv[1], argv[2], TIMEOUT_S, 0);
		if (client.fd[i] < 0 || !round_trip(i))
			return 1;
	}
	if (argc == 6 && !wait_for_line(&ticks))
		return 1;

	all = client_now_ns();
	for (uint64_t i = 0; i < rounds; i++) {
		began = client_now_ns();
		if (!round_trip((unsigned)(i % client.n)))
			return 1;
		latency_add(&times, client_now_ns() - began);
	}
	all = client_now_ns() - all;
	printf("tcp-pingpong: rounds=%" PRIu64 " bytes=%zu connections=%u ticks=%" PRIu64
	       " p50_ns=%" PRIu64 " p99_ns=%" PRIu64 " max_ns=%" PRIu64 " per_second=%.0f\n",
	       rounds, client.bytes, client.n, ticks, latency_of(&times, 500),
	       latency_of(&times, 990), times.max, all ? (double)rounds * 1e9 / (double)all : 0);
	for (unsigned i = 0; i < client.n; i++)
		close(client.fd[i]);
	return 0;
}
