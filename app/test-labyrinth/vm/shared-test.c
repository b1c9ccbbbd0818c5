/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Two processes share a pool; one has a device write into frames of it, and is killed. Its frames
 * come back to the other, but for those that the device had: these stay in quarantine, until the
 * other has opened the device.
 *
 *	shared-test EDU
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../net/tap.h"
#include "guest.h"

#define KILLS     8u
#define LENT      4u
#define HELD      100u
#define FRAMES    1024u
#define FLIGHT_MS 250 /* edu takes 100 for a transfer */

static void sleep_ms(long ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* ---- the process that is killed ---- */

static int victim(char *address)
{
	const struct lab_attach_config config = {.name = "shared", .lcores = 1};
	struct lab_pool *pool = guest_must(lab_pool_attach(&config), "the shared pool");
	struct lab_domain *domain = guest_domain("victim", LAB_DOMAIN_GUARDED);
	struct lab_edu *edu = guest_must(lab_edu_open(domain, address), address);
	void *frames[HELD];
	uint64_t iova[LENT];

	guest_must_be(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH), 0, "map");
	guest_load(edu, pool, 0xdead);
	guest_must_be(lab_alloc_bulk(pool, frames, HELD, LAB_GFP_ATOMIC), 0, "frames");
	guest_must_be(lab_device_lend(lab_edu_device(edu), pool, frames, LENT, iova), LENT, "lend");
	for (unsigned long round = 0;; round++) {
		guest_must_be(lab_edu_wait(edu), 0, "a transfer");
		guest_must_be(
			lab_edu_start(edu, LAB_EDU_TO_MEMORY, iova[round % LENT], LAB_EDU_MAX), 0,
			"start");
		if (round == 0 && write(STDOUT_FILENO, "x", 1) != 1)
			return EXIT_FAILURE;
	}
}

static pid_t start_victim(char *address)
{
	char role[] = "victim", *argv[] = {role, role, address, NULL};
	int fds[2];
	char word = 0;
	pid_t pid;

	guest_must_be(pipe(fds), 0, "a pipe");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	close(fds[1]);
	if (read(fds[0], &word, 1) != 1 || word != 'x')
		pid = -1;
	close(fds[0]);
	return pid;
}

/* ---- the one that survives ---- */

/* All frames that are to be had, filled; after a while, is the pattern still there? */
static bool rest_is_safe(struct lab_pool *pool, unsigned wanted)
{
	static void *frames[FRAMES];
	unsigned got = lab_alloc_burst(pool, frames, FRAMES, LAB_GFP_ATOMIC), wrong = 0;

	for (unsigned i = 0; i < got; i++)
		guest_fill(frames[i], LAB_FRAME_SIZE, i);
	sleep_ms(FLIGHT_MS);
	for (unsigned i = 0; i < got; i++)
		wrong += !guest_is_filled(frames[i], LAB_FRAME_SIZE, i);
	lab_free_bulk(pool, frames, got);
	if (got != wanted || wrong)
		tap_note("%u frames, not %u; %u were written to", got, wanted, wrong);
	return got == wanted && !wrong;
}

/* Opens the device, which resets it. Return: 1 if the device works then. */
static bool open_after(struct lab_pool *pool, char *address)
{
	struct lab_domain *domain = guest_domain("survivor", LAB_DOMAIN_GUARDED);
	struct lab_edu *edu = lab_edu_open(domain, address);
	void *frame;
	bool works;

	if (!edu) {
		tap_note("%s", lab_error_text());
		lab_domain_destroy(domain);
		return false;
	}
	guest_must_be(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH), 0, "map");
	frame = guest_must(lab_alloc(pool, LAB_GFP_ATOMIC), "a frame");
	guest_load(edu, pool, 0x600d);
	guest_put(edu, pool, frame);
	works = guest_is_filled(frame, LAB_EDU_MAX, 0x600d);
	guest_must_be(lab_free(pool, frame), 0, "free");
	guest_must_be(lab_edu_close(edu), 0, "close");
	guest_must_be(lab_domain_destroy(domain), 0, "destroy the domain");
	return works;
}

int main(int argc, char **argv)
{
	const struct lab_pool_config config = {.name = "shared",
					       .frames = FRAMES,
					       .page_size = LAB_PAGE_2M,
					       .lcores = 2,
					       .flags = LAB_POOL_SHARED};
	unsigned killed = 0, quarantined = 0, safe = 0, back = 0, works = 0, valid = 0;
	struct lab_pool *pool;
	char dir[] = "/tmp/shared.XXXXXX";

	if (argc > 2 && !strcmp(argv[1], "victim"))
		return victim(argv[2]);
	if (argc != 2) {
		fprintf(stderr, "usage: shared-test EDU\n");
		return EXIT_FAILURE;
	}
	guest_must(mkdtemp(dir), "a directory");
	setenv("LABYRINTH_RUNTIME_DIR", dir, 1);
	pool = guest_must(lab_pool_create(&config), "the shared pool");
	srandom(20261124);
	for (unsigned i = 0; i < KILLS; i++) {
		struct lab_pool_stats stats;
		pid_t pid = start_victim(argv[1]);

		if (pid < 0)
			break;
		sleep_ms(random() % 130);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		killed++;
		guest_must_be(lab_pool_reap(pool) < 0, 0, "reap");
		lab_pool_stats(pool, &stats);
		quarantined += stats.quarantined == LENT && stats.lent == LENT && stats.held == 0;
		safe += rest_is_safe(pool, FRAMES - LENT);
		works += open_after(pool, argv[1]);
		lab_pool_stats(pool, &stats);
		back += stats.quarantined == 0 && stats.lent == 0 && stats.held == 0;
		valid += lab_pool_validate(pool) == 0;
	}
	tap_ok(killed == KILLS, "processes are killed with transfers in flight");
	tap_ok(quarantined == KILLS, "what they held comes back, what the device had does not");
	tap_ok(safe == KILLS, "what is handed out meanwhile is not written to");
	tap_ok(works == KILLS, "the survivor opens the device, and it works for it");
	tap_ok(back == KILLS, "then the rest comes back, too");
	tap_ok(valid == KILLS, "and the tables are in order");
	tap_note("%u killed, %u quarantined, %u safe, %u work, %u back, %u valid; %s", killed,
		 quarantined, safe, works, back, valid, lab_error_text());
	tap_ok(lab_pool_destroy(pool) == 0 && rmdir(dir) == 0, "nothing is left");
	return tap_done();
}
