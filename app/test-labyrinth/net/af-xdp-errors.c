/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the AF_XDP driver cannot open, and what goes down or away under it: each failure has its
 * errno and its sentence, and leaves nothing behind.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <labyrinth/labyrinth.h>

#include "link.h"
#include "tap.h"

/* Open files, and mappings of sockets (the rings): what a failed open could leave. */
static unsigned count_leftovers(void)
{
	DIR *dir = opendir("/proc/self/fd");
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	while (maps && fgets(line, sizeof(line), maps))
		n += strstr(line, "socket:") != NULL;
	if (dir)
		closedir(dir);
	if (maps)
		fclose(maps);
	return n;
}

/* No XDP program on the interface, no frame lent, no file and no mapping more than before. */
static bool nothing_left(const struct lab_pool *pool, unsigned leftovers, bool program)
{
	if (!program && link_run("ip link show " LINK_A " | grep -q xdp")) {
		tap_note("an XDP program is left on " LINK_A);
		return false;
	}
	if (count_leftovers() != leftovers) {
		tap_note("%u files and ring mappings instead of %u", count_leftovers(), leftovers);
		return false;
	}
	return link_conserved(pool, 0);
}

/* Opens, and expects a failure. */
static void expect(struct lab_pool *pool, const char *device, int err, const char *word,
		   bool program)
{
	struct lab_netdev_config config = {.device = device, .pool = pool, .rx_frames = 64};
	unsigned leftovers = count_leftovers();
	struct lab_netdev *dev;
	char text[160];
	bool good;

	errno = 0;
	dev = lab_netdev_open(&config);
	good = !dev && errno == err && strstr(lab_error_text(), word);
	snprintf(text, sizeof(text), "opening \"%s\": %s", device ? device : "", strerror(err));
	if (!tap_ok(good && nothing_left(pool, leftovers, program), text))
		tap_note("errno %d", errno);
	tap_note("%s", lab_error_text());
	lab_netdev_close(dev);
}

static void bad_arguments(struct lab_pool *pool)
{
	struct lab_netdev_config config = {.device = "af_xdp:" LINK_A};

	tap_ok(!lab_netdev_open(NULL) && errno == EINVAL, "no configuration");
	tap_ok(!lab_netdev_open(&config) && errno == EINVAL, "no pool");
	config.pool = pool;
	config.flags = LAB_NETDEV_TX_RETURN | 0x40;
	tap_ok(!lab_netdev_open(&config) && errno == EINVAL && strstr(lab_error_text(), "0x41") &&
		       strstr(lab_error_text(), "LAB_NETDEV_TX_RETURN"),
	       "unknown flags, and which one is known");
	config.flags = 0;
	config.tx_frames = LAB_NETDEV_FRAMES_MAX + 1;
	tap_ok(!lab_netdev_open(&config) && errno == EINVAL, "too many frames");
	expect(pool, NULL, EINVAL, "DRIVER:NAME", false);
	expect(pool, "", EINVAL, "DRIVER:NAME", false);
	expect(pool, LINK_A, EINVAL, "DRIVER:NAME", false);
	expect(pool, "af_xdp:", EINVAL, "DRIVER:NAME", false);
	expect(pool, "af_xdp::1", EINVAL, "name", false);
	expect(pool, "af_xdp:averyveryverylonginterface", EINVAL, "name", false);
	expect(pool, "af_xdp:" LINK_A ":x", EINVAL, "queue", false);
	expect(pool, "af_xdp:" LINK_A ":-1", EINVAL, "queue", false);
	expect(pool, "af_xdp:" LINK_A ":1x", EINVAL, "queue", false);
	expect(pool, "floppy:" LINK_A, ENOTSUP, "it has: af_xdp", false);
	expect(pool, "af_xdp:nosuch", ENODEV, "nosuch", false);
	expect(pool, "af_xdp:" LINK_A ":7", EINVAL, "queue 7", false);
	tap_ok(lab_netdev_close(NULL) == 0, "closing nothing is allowed");
}

/* 70 failures behind the point where a device is registered: a slot lost each time would show. */
static void repeated(struct lab_pool *pool)
{
	struct lab_netdev_config config = {.device = "af_xdp:" LINK_A ":7", .pool = pool};
	unsigned leftovers = count_leftovers(), wrong = 0;

	for (int i = 0; i < 70; i++)
		wrong += lab_netdev_open(&config) != NULL || errno != EINVAL;
	tap_ok(!wrong && nothing_left(pool, leftovers, false),
	       "70 failures in a row leave nothing");
}

static void busy_queue(struct lab_pool *pool)
{
	struct lab_pool_config other = {.name = "other", .frames = 64, .page_size = LAB_PAGE_4K};
	struct lab_pool *second = lab_pool_create(&other);
	struct lab_netdev *dev = link_open(pool, 64);
	double start = link_now();
	struct lab_packet p;

	if (!tap_ok(second && dev, "a device and a second pool"))
		return;
	expect(second, "af_xdp:" LINK_A, EBUSY, "queue 0", true);
	tap_ok(link_now() - start < 2, "that is known within 2 seconds");
	peer_send(0);
	start = link_now();
	while (!lab_netdev_rx_burst(dev, &p, 1) && link_now() - start < 0.5)
		;
	tap_ok(link_now() - start < 0.5 && lab_free(pool, p.frame) == 0,
	       "the one who has the queue receives as before");
	tap_ok(lab_netdev_close(dev) == 0 && link_conserved(pool, 0), "the pool is whole");
	lab_pool_destroy(second);
}

/* The calling process loses one capability. */
static bool drop(unsigned capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return false;
	data[capability / 32].effective &= ~(1u << capability % 32);
	data[capability / 32].permitted &= ~(1u << capability % 32);
	return syscall(SYS_capset, &header, data) == 0;
}

/* In a child with a pool of its own (ours is not inherited) and one capability less. */
static void without(unsigned capability, const char *name, int err, const char *word)
{
	char text[128];
	int status = -1;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		struct lab_pool_config config = {.frames = 512, .page_size = LAB_PAGE_4K};
		struct lab_netdev_config device = {.device = "af_xdp:" LINK_A};
		struct rlimit limit = {64 << 10, 64 << 10};
		bool good;

		device.pool = lab_pool_create(&config);
		if (!device.pool || !drop(capability) || setrlimit(RLIMIT_MEMLOCK, &limit))
			_exit(2);
		good = !lab_netdev_open(&device) && errno == err && strstr(lab_error_text(), word);
		tap_note("%s", lab_error_text());
		_exit(good && link_conserved(device.pool, 0) ? 0 : 1);
	}
	if (child > 0)
		waitpid(child, &status, 0);
	snprintf(text, sizeof(text), "without %s: %s", name, strerror(err));
	if (!tap_ok(status == 0, text))
		tap_note("the child's status is 0x%x", (unsigned)status);
	tap_ok(!link_run("ip link show " LINK_A " | grep -q xdp"), "no XDP program is left");
}

/* With the interface down nothing leaves: the device fills up and says so, and close gets all back.
 */
static void interface_down(struct lab_pool *pool)
{
	struct lab_netdev_config config = {
		.device = "af_xdp:" LINK_A, .pool = pool, .tx_frames = 64, .rx_frames = 64};
	struct lab_netdev *dev = lab_netdev_open(&config);
	struct lab_packet p[100];
	struct lab_netdev_stats s;
	void *frames[100];
	unsigned sent;

	if (!dev || lab_alloc_bulk(pool, frames, 100, LAB_GFP_ATOMIC)) {
		tap_ok(false, "a device and 100 frames");
		return;
	}
	link_run("ip link set " LINK_A " down");
	for (unsigned i = 0; i < 100; i++)
		p[i] = (struct lab_packet){frames[i], 0, 64};
	sent = lab_netdev_tx_burst(dev, p, 100);
	lab_netdev_stats(dev, &s);
	tap_ok(sent == 64 && errno == EAGAIN && s.tx_full == 36 && s.tx_kick_errors > 0,
	       "interface down: 64 packets wait, the others are refused with EAGAIN");
	tap_ok(link_split(pool, 64, 64), "reports tell them from the frames to receive into");
	link_free(pool, p + sent, 100 - sent);
	link_run("ip link set " LINK_A " up");
	tap_ok(link_wait_sent(dev), "interface up: they leave");
	tap_ok(link_split(pool, s.rx_lent, 0), "none is there to be sent any more");
	link_run("ip link set " LINK_A " down");
	sent = lab_alloc_burst(pool, frames, 10, LAB_GFP_ATOMIC);
	for (unsigned i = 0; i < sent; i++)
		p[i].frame = frames[i];
	sent = lab_netdev_tx_burst(dev, p, sent);
	tap_ok(sent == 10 && lab_netdev_close(dev) == 0 && link_conserved(pool, 0),
	       "close with packets that cannot leave: the pool is whole");
	link_run("ip link set " LINK_A " up");
	link_settle();
}

/* The interface is deleted while frames are with it. */
static void vanish(struct lab_pool *pool)
{
	struct lab_netdev *dev = link_open(pool, 64);
	struct lab_packet p[4];
	struct lab_netdev_stats s;
	void *frames[4];
	unsigned sent = 0;
	int rc = 0;

	if (!tap_ok(dev && !lab_alloc_bulk(pool, frames, 4, LAB_GFP_ATOMIC), "a device"))
		return;
	link_run("ip link del " LINK_A);
	for (unsigned i = 0; i < 4; i++)
		p[i] = (struct lab_packet){frames[i], 0, 64};
	sent = lab_netdev_tx_burst(dev, p, 4);
	for (unsigned i = sent; i < 4; i++)
		lab_free(pool, frames[i]);
	for (int i = 0; i < 100 && rc == 0; i++) {
		lab_netdev_rx_burst(dev, p, 4);
		rc = lab_netdev_wait(dev, 10);
	}
	tap_ok(rc == -ENETDOWN && strstr(lab_error_text(), LINK_A),
	       "the interface is deleted: ENETDOWN");
	lab_netdev_stats(dev, &s);
	tap_ok(lab_netdev_close(dev) == 0 && link_conserved(pool, 0), "the pool is whole");
	expect(pool, "af_xdp:" LINK_A, ENODEV, LINK_A, true);
}

int main(void)
{
	struct lab_pool_config config = {.name = "errors", .frames = 512, .page_size = LAB_PAGE_4K};
	struct lab_pool *pool;

	link_setup();
	pool = lab_pool_create(&config);
	if (!tap_ok(pool != NULL, "a pool")) {
		tap_note("%s", lab_error_text());
		return tap_done();
	}
	bad_arguments(pool);
	repeated(pool);
	busy_queue(pool);
	without(CAP_NET_RAW, "CAP_NET_RAW", EPERM, "CAP_NET_RAW");
	without(CAP_NET_ADMIN, "CAP_NET_ADMIN", EPERM, "CAP_NET_ADMIN");
	without(CAP_IPC_LOCK, "CAP_IPC_LOCK and with RLIMIT_MEMLOCK of 64 KiB", ENOBUFS,
		"RLIMIT_MEMLOCK");
	interface_down(pool);
	vanish(pool);
	tap_ok(lab_pool_destroy(pool) == 0, "the pool goes");
	return tap_done();
}
