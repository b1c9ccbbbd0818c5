/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Both ends of something that forwards Ethernet frames between two wires: sends numbered frames of
 * changing sizes into one end and the other by turns, a window of them at a time, and takes them
 * out of the opposite one. Resends nothing: what is lost is reported. Plain packet sockets; knows
 * nothing of the library.
 *
 *	frame-through END0 END1 FRAMES WINDOW
 *
 * First it sends probes, which may get lost, until one has come through each way. The addresses in
 * a frame may change on the way (they are a broadcast), the rest must not. Prints how many frames
 * have entered at each end, probes among them.
 *
 * Exit status 0: each frame came out once, unchanged.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TYPE       0x88b5 /* IEEE 802-2014, 9.2.3: for local experiments */
#define ADDRESSES  12
#define HEADER     14
#define LENGTH_MIN 60 /* what Ethernet has, without the checksum */
#define LENGTH_MAX 1514
#define PROBE      UINT32_C(0x80000000) /* in the numbers of probes */

/* In seconds. */
#define PROBE_EVERY 0.1
#define PATIENCE    45 /* with probes: whoever forwards may still be starting */
#define SILENCE     3  /* with frames: what is on its way is lost */
#define LINGER      0.2

struct tag {
	uint32_t run; /* frames of an earlier run may come late */
	uint32_t seq;
};

static struct pollfd ends[2];
static uint32_t run;
static uint64_t entered[2], received, corrupt, duplicate, stray;
static bool through[2];
static uint8_t *seen;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int open_end(const char *name)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(TYPE)};
	int buffer = 4 << 20, fd;

	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	at.sll_ifindex = (int)if_nametoindex(name);
	if (fd < 0 || !at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	return fd;
}

/* Frame @seq: its tag, then bytes that follow from the number. Returns its length. */
static size_t make(uint32_t seq, uint8_t *frame)
{
	const struct tag tag = {.run = run, .seq = seq};
	size_t length = LENGTH_MIN + seq * UINT64_C(2654435761) % (LENGTH_MAX - LENGTH_MIN + 1);

	/* both ends of the range, often */
	if (seq % 16 < 2)
		length = LENGTH_MIN;
	else if (seq % 16 < 4)
		length = LENGTH_MAX;
	memset(frame, 0xff, 6);
	memset(frame + 6, 0, 6);
	frame[6] = 2; /* locally administered */
	frame[11] = seq % 2;
	frame[ADDRESSES] = TYPE >> 8;
	frame[ADDRESSES + 1] = TYPE & 0xff;
	memcpy(frame + HEADER, &tag, sizeof(tag));
	for (size_t i = HEADER + sizeof(tag); i < length; i++)
		frame[i] = (uint8_t)(seq * 31 + i * 7 + (i >> 8));
	return length;
}

/* Sends frame @seq into its end. False if the kernel has no room for it now. */
static bool enter(uint32_t seq)
{
	uint8_t frame[LENGTH_MAX];
	size_t length = make(seq, frame);

	if (send(ends[seq % 2].fd, frame, length, 0) != (ssize_t)length)
		return false;
	entered[seq % 2]++;
	return true;
}

/* Takes what came out of @end. */
static void take(int end, uint32_t frames)
{
	uint8_t in[LENGTH_MAX + 64], out[LENGTH_MAX];
	struct tag tag;
	ssize_t n;

	while ((n = recv(ends[end].fd, in, sizeof(in), 0)) >= 0) {
		if (n < LENGTH_MIN) {
			corrupt++;
			continue;
		}
		memcpy(&tag, in + HEADER, sizeof(tag));
		if (tag.run != run) {
			stray++;
		} else if (tag.seq % 2 == (uint32_t)end || (tag.seq >= frames && tag.seq < PROBE) ||
			   (size_t)n != make(tag.seq, out) ||
			   memcmp(in + ADDRESSES, out + ADDRESSES, (size_t)n - ADDRESSES)) {
			corrupt++;
		} else if (tag.seq >= PROBE) {
			through[end] = true;
		} else if (seen[tag.seq]) {
			duplicate++;
		} else {
			seen[tag.seq] = 1;
			received++;
		}
	}
}

/* Waits for @seconds, or for frames, and takes them. Returns whether any came. */
static bool wait_frames(double seconds, uint32_t frames)
{
	/* A negative time would be a wait without end: whoever was just preempted may ask for one.
	 */
	if (poll(ends, 2, seconds > 0 ? (int)(seconds * 1000) : 0) <= 0)
		return false;
	for (int end = 0; end < 2; end++)
		take(end, frames);
	return true;
}

static bool probe(uint32_t frames)
{
	double until = now() + PATIENCE, next;

	for (uint32_t i = 0; now() < until; i++) {
		for (uint32_t end = 0; end < 2; end++) {
			if (!through[!end])
				enter(PROBE + 2 * i + end);
		}
		next = now() + PROBE_EVERY;
		while (now() < next)
			wait_frames(next - now(), frames);
		if (through[0] && through[1])
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	uint32_t frames, window, sent = 0;
	double start, last;

	if (argc != 5) {
		fprintf(stderr, "usage: frame-through END0 END1 FRAMES WINDOW\n");
		return 2;
	}
	frames = (uint32_t)strtoul(argv[3], NULL, 0) % PROBE;
	window = (uint32_t)strtoul(argv[4], NULL, 0);
	run = (uint32_t)getpid() ^ (uint32_t)time(NULL) << 16;
	seen = calloc((size_t)frames + 1, 1);
	for (int end = 0; end < 2; end++) {
		ends[end] = (struct pollfd){.fd = open_end(argv[1 + end]), .events = POLLIN};
		if (!seen || ends[end].fd < 0) {
			perror(argv[1 + end]);
			return 2;
		}
	}
	if (!probe(frames)) {
		printf("frame-through: in %d s nothing came through%s%s\n", PATIENCE,
		       through[1] ? "" : " from the first end",
		       through[0] ? "" : " from the other end");
		return 1;
	}

	start = last = now();
	while (received < frames && now() - last < SILENCE) {
		while (sent < frames && sent - received < window && enter(sent))
			sent++;
		if (wait_frames(PROBE_EVERY, frames))
			last = now();
	}
	while (wait_frames(LINGER, frames)) { /* what comes twice */
	}
	printf("frame-through: frames=%" PRIu32 " sent=%" PRIu32 " received=%" PRIu64
	       " corrupt=%" PRIu64 " duplicate=%" PRIu64 " stray=%" PRIu64 " entered0=%" PRIu64
	       " entered1=%" PRIu64 " seconds=%.2f rate=%.0f\n",
	       frames, sent, received, corrupt, duplicate, stray, entered[0], entered[1],
	       last - start, last > start ? (double)received / (last - start) : 0);
	free(seen);
	return received == frames && !corrupt && !duplicate ? 0 : 1;
}
