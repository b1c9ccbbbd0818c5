/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Makes a TCP echo hold what it cannot get rid of: opens connections, sends on all of them and
 *reads nothing until none takes any more. Later it reads everything, and compares. Plain sockets of
 *the kernel; knows nothing of the library.
 *
 *	tcp-hold ADDRESS PORT CONNECTIONS BYTES
 *
 * At most BYTES are sent on each. When nothing has moved for QUIET_MS it says "blocked" and how
 *much was sent; after a line on stdin (or its end) it stops sending, reads until the echo closes,
 *and says what came. Exit status 0 if that is what was sent, on every connection.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>

#include "tcp-client.h"

#define CONNECTIONS_MAX 1024
#define BUFFER          16384
#define SOCKET_BUFFER   4096 /* small: what is under way lies with the echo, not here */
#define QUIET_MS        1000
#define BLOCK_MAX_MS    60000
#define WAIT_MAX_MS     300000
/* Without a byte on any connection. A kernel that got no answer asks again after twice the time, up
 * to 120 s (Linux: TCP_RTO_MAX), and what it asks may be dropped, too. */
#define READ_MAX_MS 300000

struct connection {
	int fd;
	bool over;
	uint64_t sent, got;
};

static struct connection connections[CONNECTIONS_MAX];
static struct pollfd polled[CONNECTIONS_MAX];
static unsigned n_connections;

/* Sends what @c takes now; how much. Resets and the like show when reading. */
static uint64_t send_some(struct connection *c, unsigned which, uint64_t limit)
{
	uint8_t buffer[BUFFER];
	uint64_t before = c->sent;

	while (c->sent < limit) {
		size_t want = limit - c->sent < BUFFER ? (size_t)(limit - c->sent) : BUFFER;
		ssize_t n;

		client_fill(which, c->sent, buffer, want);
		n = send(c->fd, buffer, want, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0)
			break;
		c->sent += (uint64_t)n;
	}
	return c->sent - before;
}

static uint64_t block_all(uint64_t limit)
{
	uint64_t all = 0, now = client_now_ns(), last = now;
	const uint64_t end = now + BLOCK_MAX_MS * 1000000ull;

	while (now < last + QUIET_MS * 1000000ull && now < end) {
		uint64_t moved = 0;

		for (unsigned i = 0; i < n_connections; i++)
			moved += send_some(&connections[i], i, limit);
		all += moved;
		now = client_now_ns();
		if (moved)
			last = now;
		else
			usleep(10000);
	}
	return all;
}

/* What has come on @c; false with a sentence if it is not what was sent. */
static bool read_some(struct connection *c, unsigned which)
{
	uint8_t buffer[BUFFER];
	ssize_t n = recv(c->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	size_t differs;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n < 0) {
		fprintf(stderr,
			"tcp-hold: connection %u broke after %" PRIu64 " of %" PRIu64
			" bytes: %s\n",
			which, c->got, c->sent, strerror(errno));
		return false;
	}
	if (!n) {
		c->over = true;
		if (c->got == c->sent)
			return true;
		fprintf(stderr,
			"tcp-hold: connection %u ended after %" PRIu64 " of %" PRIu64 " bytes\n",
			which, c->got, c->sent);
		return false;
	}
	differs = client_differs(which, c->got, buffer, (size_t)n);
	if (differs != (size_t)n || c->got + (uint64_t)n > c->sent) {
		fprintf(stderr, "tcp-hold: byte %" PRIu64 " of connection %u came back wrong\n",
			c->got + differs, which);
		return false;
	}
	c->got += (uint64_t)n;
	return true;
}

/* Reads all to the end; how many connections failed. */
static unsigned read_all(uint64_t *got)
{
	unsigned failed = 0, left = n_connections;

	for (unsigned i = 0; i < n_connections; i++) {
		polled[i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
		shutdown(connections[i].fd, SHUT_WR);
	}
	while (left && poll(polled, n_connections, READ_MAX_MS) > 0) {
		for (unsigned i = 0; i < n_connections; i++) {
			bool good;

			if (polled[i].fd < 0 || !polled[i].revents)
				continue;
			good = read_some(&connections[i], i);
			if (good && !connections[i].over)
				continue;
			failed += !good;
			polled[i].fd = -1;
			left--;
		}
	}
	for (unsigned i = 0; i < n_connections; i++) {
		*got += connections[i].got;
		if (polled[i].fd >= 0)
			fprintf(stderr,
				"tcp-hold: connection %u stands still after %" PRIu64 " of %" PRIu64
				" bytes\n",
				i, connections[i].got, connections[i].sent);
	}
	return failed + left;
}

int main(int argc, char **argv)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	uint64_t sent, got = 0;
	unsigned failed;

	if (argc != 5 || atoi(argv[3]) < 1 || atoi(argv[3]) > CONNECTIONS_MAX) {
		fprintf(stderr, "usage: tcp-hold ADDRESS PORT CONNECTIONS BYTES\n");
		return 2;
	}
	n_connections = (unsigned)atoi(argv[3]);
	for (unsigned i = 0; i < n_connections; i++) {
		connections[i].fd = client_connect(argv[1], argv[2], 30, SOCKET_BUFFER);
		if (connections[i].fd < 0)
			return 1;
	}
	sent = block_all(strtoull(argv[4], NULL, 10));
	printf("blocked connections=%u sent=%" PRIu64 "\n", n_connections, sent);
	fflush(stdout);
	if (poll(&in, 1, WAIT_MAX_MS) <= 0) {
		fprintf(stderr, "tcp-hold: no line came\n");
		return 1;
	}
	failed = read_all(&got);
	printf("read connections=%u sent=%" PRIu64 " got=%" PRIu64 " failed=%u\n", n_connections,
	       sent, got, failed);
	return failed ? 1 : 0;
}
