/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * HTTP/1.1 on lwIP: GET and HEAD of files. Knows lwIP's TCP and the files; knows no frame.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdint.h>

#include "files.h"

/**
 * struct http - a server.
 * @files: what it serves; must outlive it.
 * @connections: open now.
 * @requests: answered.
 * @failed: of these, with a status that is not 200.
 * @refused: connections that were not taken: there were HTTP_CONNECTIONS_MAX.
 */
struct http {
	const struct files *files;
	uint32_t connections;
	uint64_t requests;
	uint64_t failed;
	uint64_t refused;
};

/** Most connections at a time. */
#define HTTP_CONNECTIONS_MAX 4096u

/** http_listen() - serve on a port of every address. Return: 0, or -1 with a sentence on stderr. */
int http_listen(struct http *http, uint16_t port);

#endif
