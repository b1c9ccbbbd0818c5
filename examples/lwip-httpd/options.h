/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The command line.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

#include <lab_lwip.h>
#include <labyrinth/netdev.h>

/**
 * struct options - what the user wants; pool and device filled in as far as options can.
 * @root: folder to serve; NULL: none.
 * @port, @echo_port: 0: that service is left out.
 * @spin_us: for lab_lwip_run().
 * @seconds: stop then; 0: never.
 * @quiet: no status lines.
 */
struct options {
	struct lab_pool_config pool;
	struct lab_netdev_config device;
	struct lab_lwip_config stack;
	const char *root;
	uint16_t port;
	uint16_t echo_port;
	unsigned spin_us;
	unsigned seconds;
	bool quiet;
};

/** options_parse() - or end with a sentence. */
void options_parse(struct options *o, int argc, char **argv);

#endif
