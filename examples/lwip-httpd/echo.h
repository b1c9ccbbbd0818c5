/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The echo service on TCP (RFC 862) on lwIP. Knows lwIP's TCP; knows no frame.
 */
#ifndef ECHO_H
#define ECHO_H

#include <stdint.h>

/**
 * struct echo - a server.
 * @connections: open now.
 * @bytes: echoed.
 * @refused: connections that were not taken: there were ECHO_CONNECTIONS_MAX.
 */
struct echo {
	uint32_t connections;
	uint64_t bytes;
	uint64_t refused;
};

/** Most connections at a time. */
#define ECHO_CONNECTIONS_MAX 4096u

/** echo_listen() - echo on a port of every address. Return: 0, or -1 with a sentence on stderr. */
int echo_listen(struct echo *echo, uint16_t port);

#endif
