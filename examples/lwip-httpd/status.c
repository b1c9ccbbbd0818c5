/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Lines of numbers. Of what came in: drop_no_frame, drop_ring and drop_wire are the device's losses
 * (no frame was lent, nobody fetched, broken or too long); drop_stack is what the stack had no
 * memory for or, where lwIP counts it, dropped; drop_harmful is what it is kept from. Of what goes
 * out: tx_no_frame and tx_full are packets that lwIP was told it could not send, and TCP sends
 * again.
 */
#include "status.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static void totals(const struct lab_netdev_stats *net, const struct lab_lwip_stats *stack)
{
	printf(" rx=%" PRIu64 " rx_bytes=%" PRIu64 " tx=%" PRIu64 " tx_bytes=%" PRIu64
	       " copied=%" PRIu64,
	       net->rx_packets, net->rx_bytes, net->tx_packets, net->tx_bytes, stack->rx_copied);
	printf(" drop_no_frame=%" PRIu64 " drop_ring=%" PRIu64 " drop_wire=%" PRIu64
	       " drop_stack=%" PRIu64 " drop_harmful=%" PRIu64,
	       net->missed_no_frame + net->rx_nobuf, net->missed_ring_full, net->missed_dropped,
	       stack->rx_refused + stack->rx_dropped, stack->rx_harmful);
	printf(" tx_no_frame=%" PRIu64 " tx_full=%" PRIu64 " tx_bad=%" PRIu64 " tx_copied=%" PRIu64
	       " tx_in_place=%" PRIu64 " tx_stranger=%" PRIu64 " pruned=%" PRIu64
	       " mended=%" PRIu64,
	       stack->tx_no_frame, stack->tx_full, stack->tx_bad, stack->tx_copied,
	       stack->tx_in_place, stack->tx_stranger, stack->pruned, stack->mended);
}

void status_line(struct status *s)
{
	struct lab_netdev_stats net;
	struct lab_lwip_stats stack;
	struct lab_pool_stats pool;
	struct timespec now;

	lab_netdev_stats(s->dev, &net);
	lab_lwip_stats(s->stack, &stack);
	lab_pool_stats(s->pool, &pool);
	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("lwip-httpd: status t=%" PRIu64, (uint64_t)now.tv_sec - s->started);
	totals(&net, &stack);
	printf(" stack=%" PRIu64 " stack_max=%" PRIu64 " device_rx=%" PRIu64 " device_tx=%" PRIu64
	       " free=%" PRIu64 " reserve=%" PRIu64,
	       pool.held, stack.rx_held_max, net.rx_lent, net.tx_lent, pool.free + pool.cached,
	       pool.reserved);
	printf(" tcp=%" PRIu32 " tcp_refused=%" PRIu64 " requests=%" PRIu64 " not_ok=%" PRIu64
	       " echoed=%" PRIu64 "\n",
	       s->http->connections + s->echo->connections, s->http->refused + s->echo->refused,
	       s->http->requests, s->http->failed, s->echo->bytes);
	fflush(stdout);
}

uint64_t status_end(const struct lab_pool *pool, const struct lab_netdev_stats *net,
		    const struct lab_lwip_stats *stack)
{
	struct lab_pool_stats s;
	uint64_t lost, refused = 0;

	lab_pool_stats(pool, &s);
	/* Also what was refused since @net and @stack: closing gives back most. */
	for (unsigned i = 0; i < LAB_REFUSED_KINDS; i++)
		refused += s.refused[i];
	lost = s.total - (s.free + s.cached + s.retired);
	printf("lwip-httpd: end");
	totals(net, stack);
	printf(" total=%" PRIu64 " free=%" PRIu64 " cached=%" PRIu64 " held=%" PRIu64
	       " lent=%" PRIu64 " refused=%" PRIu64 " lost=%" PRIu64 "\n",
	       s.total, s.free, s.cached, s.held, s.lent, refused, lost);
	fflush(stdout);
	return lost + refused;
}
