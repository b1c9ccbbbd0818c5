/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the clients of this folder have in common: how to connect, what to send, and the time. Plain
 * sockets of the kernel; knows nothing of the library.
 */
#ifndef TCP_CLIENT_H
#define TCP_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t client_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Byte @at of the stream that connection @which sends. No two streams are equal, nor two parts of
 * one that are shorter than 64 KiB apart. */
static inline uint8_t client_byte(unsigned which, uint64_t at)
{
	uint64_t word = (at >> 3) * 0x9e3779b97f4a7c15 + which * 0x5851f42d4c957f2dull;

	word ^= word >> 29;
	word *= 0xbf58476d1ce4e5b9;
	word ^= word >> 32;
	return (uint8_t)(word >> (at & 7) * 8);
}

static inline void client_fill(unsigned which, uint64_t at, uint8_t *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = client_byte(which, at + i);
}

/* The first byte of @n that is not what was sent, or @n. */
static inline size_t client_differs(unsigned which, uint64_t at, const uint8_t *got, size_t n)
{
	size_t i = 0;

	while (i < n && got[i] == client_byte(which, at + i))
		i++;
	return i;
}

/* A connection of at most @timeout_s a step, with socket buffers of @buffer bytes (0: the kernel's
 * choice); -1 with a sentence on stderr. */
static inline int client_connect(const char *address, const char *port, int timeout_s, int buffer)
{
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)atoi(port))};
	struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	const struct timeval timeout = {.tv_sec = timeout_s};
	struct sockaddr *to = (struct sockaddr *)&to4;
	socklen_t size = sizeof(to4);
	int fd, one = 1;

	if (inet_pton(AF_INET6, address, &to6.sin6_addr) == 1) {
		to = (struct sockaddr *)&to6;
		size = sizeof(to6);
	} else if (inet_pton(AF_INET, address, &to4.sin_addr) != 1) {
		fprintf(stderr, "'%s' is no address\n", address);
		return -1;
	}
	fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		fprintf(stderr, "no socket: %s\n", strerror(errno));
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (buffer) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	}
	if (connect(fd, to, size)) {
		fprintf(stderr, "%s port %s does not answer: %s\n", address, port, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

#endif
