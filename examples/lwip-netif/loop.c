/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The polling loop, and how it waits where processors are shared. Knows the device and lwIP's
 * timers; knows nothing of what is in a packet.
 */
#include <time.h>

#include <lwip/timeouts.h>

#include "inside.h"

/* Packets between two looks at connections that nobody uses. */
#define PRUNE_EVERY 256u
/* How often a loop looks whether its device is still there, in microseconds. */
#define LOOK_EVERY_US 1000000u
/* Longest sleep: signals end one, and the device's end is noticed then. */
#define WAIT_MAX_MS 250

unsigned lab_lwip_poll(struct lab_lwip *l)
{
	struct lab_packet packets[RX_BURST];
	unsigned n = lab_netdev_rx_burst(l->dev, packets, RX_BURST);

	lab_lwip_tell_time(l);
	if (n) {
		lab_lwip_rx(l, packets, n);
		l->since_prune += n;
		if (l->since_prune >= PRUNE_EVERY) {
			l->stats.pruned += lab_lwip_prune();
			l->since_prune = 0;
		}
	}
	sys_check_timeouts();
	lab_lwip_mend(l);
	if (l->tx_n)
		lab_lwip_flush(l);
	lab_lwip_sent(l);
	return n;
}

int lab_lwip_wait(struct lab_lwip *l, int timeout_ms)
{
	u32_t timer = sys_timeouts_sleeptime();

	if (timeout_ms < 0 || timeout_ms > WAIT_MAX_MS)
		timeout_ms = WAIT_MAX_MS;
	if (timer < (u32_t)timeout_ms)
		timeout_ms = (int)timer;
	return lab_netdev_wait(l->dev, l->tx_n ? 0 : timeout_ms);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t); /* no system call: the vDSO's */
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* How long a sleep may be that ends before @due. */
static int wait_ms(uint64_t now, uint64_t due)
{
	if (now >= due)
		return 0;
	return due - now < WAIT_MAX_MS * 1000u ? (int)((due - now + 999) / 1000) : WAIT_MAX_MS;
}

int lab_lwip_run(struct lab_lwip *l, const volatile sig_atomic_t *stop, unsigned spin_us,
		 unsigned every_ms, void (*tick)(void *arg), void *arg)
{
	uint64_t now = now_us(), last_packet = now, look = now + LOOK_EVERY_US;
	uint64_t every = tick ? every_ms * 1000ull : 0;
	uint64_t next_tick = every ? now + every : UINT64_MAX;
	int rc = 0;

	while (!*stop && rc >= 0) {
		unsigned n = lab_lwip_poll(l);

		now = now_us();
		if (n)
			last_packet = now;
		else if (spin_us && now - last_packet >= spin_us)
			rc = lab_lwip_wait(l, wait_ms(now, next_tick));
		if (now >= look && rc >= 0) {
			rc = lab_netdev_wait(l->dev, 0); /* does not wait: it says if all is over */
			look = now + LOOK_EVERY_US;
		}
		if (every && now >= next_tick) {
			tick(arg);
			/* From the one that was due, so that none is late for all that come. */
			next_tick += every * ((now - next_tick) / every + 1);
		}
	}
	return rc < 0 ? rc : 0;
}
