/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The plainest TCP echo there is, on the kernel's stack: a thread a connection, blocking sockets.
 *What an echo on another stack is compared with. Knows nothing of the library, and nothing of who
 *connects.
 *
 *	kernel-echo PORT SECONDS
 *
 * Listens on IPv6 and IPv4, says so, and ends after SECONDS.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER 65536

static void *serve(void *connection)
{
	int fd = (int)(intptr_t)connection;
	char *buffer = malloc(BUFFER);
	ssize_t got;

	while (buffer && (got = recv(fd, buffer, BUFFER, 0)) > 0) {
		ssize_t sent = 0, n = 0;

		while (sent < got && (n = send(fd, buffer + sent, (size_t)(got - sent), 0)) > 0)
			sent += n;
		if (n <= 0)
			break;
	}
	free(buffer);
	close(fd);
	return NULL;
}

static void start(int fd)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd))
		close(fd);
	pthread_attr_destroy(&attributes);
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6};
	int one = 1, zero = 0, listener;

	if (argc != 3 || atoi(argv[1]) < 1 || atoi(argv[1]) > 65535 || atoi(argv[2]) < 1) {
		fprintf(stderr, "usage: kernel-echo PORT SECONDS\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	alarm((unsigned)atoi(argv[2]));
	at.sin6_port = htons((uint16_t)atoi(argv[1]));
	listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof(at)) ||
	    listen(listener, 1024)) {
		fprintf(stderr, "kernel-echo: cannot listen on port %s: %s\n", argv[1],
			strerror(errno));
		return 1;
	}
	printf("kernel-echo: ready on port %s\n", argv[1]);
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0)
			start(fd);
		else if (errno == EMFILE || errno == ENFILE)
			usleep(1000);
	}
}
