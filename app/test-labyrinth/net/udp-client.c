/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Sends UDP packets of changing sizes to an echo, a window of them at a time, and compares what
 * comes back byte by byte. Resends nothing: what is lost is reported. Plain sockets; knows nothing
 * of the library.
 *
 *	udp-client ADDRESS PORT PACKETS WINDOW [SMALLEST]
 *
 * SMALLEST is the least number of bytes in a packet, 8 to 1472 (64). The largest is always 1472, a
 * full Ethernet packet; 18 make the shortest one, of 64 bytes on the wire.
 *
 * Exit status 0: each packet came back once, unchanged.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SIZE_MAX_UDP 1472 /* 1500 - 20 (IPv4) - 8 (UDP) */
#define SILENCE_S    1    /* that long without a reply: what is on its way is lost */
#define SILENCES_MAX 3

static size_t size_min = 64;

static uint64_t random_next(uint64_t *state)
{
	/* splitmix64 */
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Packet @seq: its number, then bytes that follow from the number. Returns its size. */
static size_t make(uint64_t seq, uint8_t *packet)
{
	uint64_t state = seq, word;
	size_t size = size_min + random_next(&state) % (SIZE_MAX_UDP - size_min + 1);

	/* both ends of the range, often */
	if (seq % 16 == 0)
		size = size_min;
	if (seq % 16 == 1)
		size = SIZE_MAX_UDP;
	memcpy(packet, &seq, sizeof(seq));
	for (size_t i = sizeof(seq); i < size; i += sizeof(word)) {
		word = random_next(&state);
		memcpy(packet + i, &word, size - i < sizeof(word) ? size - i : sizeof(word));
	}
	return size;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	uint64_t sent = 0, received = 0, corrupt = 0, duplicate = 0, lost = 0, on_way = 0;
	uint8_t out[SIZE_MAX_UDP + 8], in[SIZE_MAX_UDP + 8];
	struct timeval silence = {.tv_sec = SILENCE_S};
	struct sockaddr_in to = {.sin_family = AF_INET};
	int buffer = 4 << 20, silences = 0, fd;
	uint64_t packets, window, seq;
	uint8_t *seen;
	double start;

	if (argc == 6)
		size_min = strtoul(argv[5], NULL, 0);
	if (argc < 5 || argc > 6 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 ||
	    size_min < sizeof(seq) || size_min > SIZE_MAX_UDP) {
		fprintf(stderr, "usage: udp-client ADDRESS PORT PACKETS WINDOW [SMALLEST]\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	packets = strtoull(argv[3], NULL, 0);
	window = strtoull(argv[4], NULL, 0);
	seen = calloc(packets + 1, 1);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (!seen || fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		perror("udp-client");
		free(seen);
		return 2;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));

	start = now();
	while (silences < SILENCES_MAX && (sent < packets || on_way)) {
		ssize_t n;

		while (sent < packets && on_way < window) {
			if (send(fd, out, make(sent, out), 0) < 0)
				break;
			sent++;
			on_way++;
		}
		n = recv(fd, in, sizeof(in), 0);
		if (n < 0) {
			lost += on_way;
			on_way = 0;
			silences++;
			continue;
		}
		memcpy(&seq, in, sizeof(seq));
		if (n < (ssize_t)size_min || seq >= sent || (size_t)n != make(seq, out) ||
		    memcmp(in, out, (size_t)n)) {
			corrupt++;
		} else if (seen[seq]) {
			duplicate++;
		} else {
			seen[seq] = 1;
			received++;
			on_way -= on_way > 0;
			silences = 0;
		}
	}
	/* a late reply was counted as lost too early: the truth is what was never seen */
	lost = sent - received;
	printf("udp-client: packets=%" PRIu64 " sent=%" PRIu64 " received=%" PRIu64 " lost=%" PRIu64
	       " corrupt=%" PRIu64 " duplicate=%" PRIu64 " seconds=%.2f\n",
	       packets, sent, received, lost, corrupt, duplicate, now() - start);
	close(fd);
	free(seen);
	return sent == packets && received == packets && !corrupt && !duplicate ? 0 : 1;
}
