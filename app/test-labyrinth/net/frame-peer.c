/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The other end of a wire: does what the frames that arrive tell it to, see frame-peer.h. Plain
 * packet sockets; knows nothing of the library.
 *
 *	frame-peer INTERFACE...
 *
 * Ends with status 0 when it is told to, with 1 after half a minute of silence.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame-peer.h"

#define PORTS_MAX  4
#define SILENCE_MS 30000

struct port {
	int fd;
	uint8_t mac[6];
};

static int open_port(struct port *port, const char *name)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(PEER_TYPE)};
	struct ifreq ifr = {0};

	port->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	at.sll_ifindex = (int)if_nametoindex(name);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (port->fd < 0 || !at.sll_ifindex || ioctl(port->fd, SIOCGIFHWADDR, &ifr) ||
	    bind(port->fd, (struct sockaddr *)&at, sizeof(at))) {
		perror(name);
		return -1;
	}
	memcpy(port->mac, ifr.ifr_hwaddr.sa_data, sizeof(port->mac));
	return 0;
}

static void header(uint8_t *frame, const uint8_t *to, const uint8_t *from, uint16_t type)
{
	memmove(frame, to, 6);
	memcpy(frame + 6, from, 6);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
}

static void emit(const struct port *port, const uint8_t *frame, size_t length)
{
	if (send(port->fd, frame, length, 0) != (ssize_t)length)
		perror("frame-peer: send");
}

/* What PEER_SEND asks for, and then PEER_DONE. */
static void send_many(const struct port *port, const uint8_t *request)
{
	static uint8_t frame[PEER_FRAME_MAX];
	uint32_t count = request[PEER_COUNT] << 8 | request[PEER_COUNT + 1];
	uint32_t length = request[PEER_LENGTH] << 8 | request[PEER_LENGTH + 1];

	if (length < PEER_HEADER || length > sizeof(frame))
		return;
	for (uint32_t seq = 0; seq < count; seq++) {
		header(frame, request + PEER_TO, port->mac, PEER_TYPE_SENT);
		for (uint32_t i = PEER_HEADER; i < length; i++)
			frame[i] = peer_byte(seq, i);
		emit(port, frame, length);
	}
	memset(frame, 0, 60);
	header(frame, request + 6, port->mac, PEER_TYPE);
	frame[PEER_OP] = PEER_DONE;
	emit(port, frame, 60);
}

int main(int argc, char **argv)
{
	struct port port[PORTS_MAX];
	struct pollfd p[PORTS_MAX];
	uint8_t frame[PEER_FRAME_MAX], from[6];
	int ports = argc - 1;

	if (ports < 1 || ports > PORTS_MAX) {
		fprintf(stderr, "usage: frame-peer INTERFACE...\n");
		return 2;
	}
	for (int i = 0; i < ports; i++) {
		if (open_port(&port[i], argv[i + 1]))
			return 2;
		p[i] = (struct pollfd){.fd = port[i].fd, .events = POLLIN};
	}
	while (poll(p, (nfds_t)ports, SILENCE_MS) > 0) {
		for (int i = 0; i < ports; i++) {
			ssize_t n;

			if (!(p[i].revents & POLLIN))
				continue;
			n = recv(port[i].fd, frame, sizeof(frame), 0);
			if (n <= PEER_OP)
				continue;
			if (frame[PEER_OP] == PEER_QUIT)
				return 0;
			if (frame[PEER_OP] == PEER_SEND && n >= PEER_REQUEST_BYTES)
				send_many(&port[i], frame);
			if (frame[PEER_OP] != PEER_ECHO)
				continue;
			memcpy(from, frame + 6, sizeof(from));
			header(frame, from, port[i].mac, PEER_TYPE_SENT);
			emit(&port[i], frame, (size_t)n);
		}
	}
	return 1;
}
