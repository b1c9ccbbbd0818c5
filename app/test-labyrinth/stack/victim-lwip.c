/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * lwIP with the services of lwip-httpd as a victim: the glue, the stack and the callbacks are those
 * of the program; only the clock is ours, and the loop.
 */
#include <inttypes.h>
#include <string.h>

#include <lab_lwip.h>
#include <lwip/sys.h>

#include "echo.h"
#include "http.h"
#include "tap.h"
#include "victim.h"

static char page[100000];
static struct file file = {"/small", "text/plain", page, sizeof(page)};
static const struct files files = {&file, 1, sizeof(page)};
static struct http http = {.files = &files};
static struct echo echo;
static struct lab_lwip *stack;

#ifdef LAB_LWIP_IN_PLACE
#include "source/frame_memory.h"
#define SYS_NOW __wrap_sys_now /* by the linker's --wrap */
#else
#define SYS_NOW                  sys_now /* in place of the one in Debian's library */
#define lab_lwip_memory_frames() 0u
#endif

#ifndef LAB_LWIP_NETDEV_FLAGS
#define LAB_LWIP_NETDEV_FLAGS 0
#endif

u32_t SYS_NOW(void);

/* Timers run as fast as packets come. */
u32_t SYS_NOW(void)
{
	return victim_clock;
}

static int start_holding(struct lab_pool *pool, struct lab_netdev *dev,
			 const struct hostile_target *t, uint32_t hold)
{
	struct lab_lwip_config config = {.pool = pool, .dev = dev, .ip6_count = 1, .hold = hold};

	srand(1); /* its ports and sequence numbers: the same in each run */
	memcpy(&config.ip, t->ip, 4);
	IP4_ADDR(&config.netmask, 255, 255, 255, 0);
	memcpy(config.ip6[0].addr, t->ip6, 16);
	stack = lab_lwip_create(&config);
	return stack && !http_listen(&http, t->ports[0]) && !echo_listen(&echo, t->ports[1]) ? 0
											     : -1;
}

static int start(struct lab_pool *pool, struct lab_netdev *dev, const struct hostile_target *t)
{
	return start_holding(pool, dev, t, 0);
}

/* All packets but one are copied at once, each into memory of its own size: AddressSanitizer sees
 * who reads beyond its end, even Debian's lwIP when it is in memcpy(), and all of one that is built
 * from its source. */
static int start_copied(struct lab_pool *pool, struct lab_netdev *dev,
			const struct hostile_target *t)
{
	return start_holding(pool, dev, t, 1);
}

static unsigned turn(void)
{
	return lab_lwip_poll(stack);
}

static uint64_t held(void)
{
	struct lab_lwip_stats s;

	lab_lwip_stats(stack, &s);
	return s.held + s.queued + lab_lwip_memory_frames();
}

static void say(void)
{
	struct lab_lwip_stats s;

	lab_lwip_stats(stack, &s);
	tap_note("lwIP: held=%" PRIu64 " held_max=%" PRIu64 " copied=%" PRIu64 " refused=%" PRIu64
		 " harmful=%" PRIu64 " copied_out=%" PRIu64 " in_place=%" PRIu64
		 " no_frame=%" PRIu64 " full=%" PRIu64 " bad=%" PRIu64 " pruned=%" PRIu64
		 " free_refused=%" PRIu64,
		 s.held, s.rx_held_max, s.rx_copied, s.rx_refused, s.rx_harmful, s.tx_copied,
		 s.tx_in_place, s.tx_no_frame, s.tx_full, s.tx_bad, s.pruned, s.free_refused);
	tap_note("http: connections=%u requests=%" PRIu64 " failed=%" PRIu64 " refused=%" PRIu64
		 "; echo: connections=%u bytes=%" PRIu64 " refused=%" PRIu64,
		 http.connections, http.requests, http.failed, http.refused, echo.connections,
		 echo.bytes, echo.refused);
}

static int end(void)
{
	if (lab_lwip_destroy(stack))
		return -1;
	return http.connections || echo.connections ? -1 : 0;
}

const struct victim victim_lwip = {.name = "lwip",
				   .flags = LAB_LWIP_NETDEV_FLAGS,
				   .v6 = true,
				   .start = start,
				   .turn = turn,
				   .held = held,
				   .say = say,
				   .end = end};

const struct victim victim_lwip_copied = {.name = "lwip-copied",
					  .flags = LAB_LWIP_NETDEV_FLAGS,
					  .v6 = true,
					  .start = start_copied,
					  .turn = turn,
					  .held = held,
					  .say = say,
					  .end = end};
