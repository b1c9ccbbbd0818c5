/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A program is killed while its devices write. Memory that others get afterwards is not written
 * to, the devices work for the next program, and no hugepage is lost.
 *
 *	kill-test EDU EDU...
 *
 * Frames that were in flight need no quarantine here: with the process the kernel switches bus
 * mastering off and closes the address space, before it frees the pages that were pinned for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../net/tap.h"
#include "guest.h"

#define KILLS        24
#define VICTIM_PAGES 3u
#define FLIGHT_MS    250 /* edu takes 100 for a transfer */
#define DEVICES_MAX  8

static void sleep_ms(long ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* ---- the program that is killed ---- */

static int victim(enum lab_domain_mode mode, char **address, int n)
{
	/* Where the successor's is, which takes all that is free there. */
	const struct lab_pool_config config = {.name = "victim",
					       .frames = (uint64_t)VICTIM_PAGES * 512,
					       .page_size = LAB_PAGE_2M,
					       .node = LAB_NODE(0)};
	struct lab_pool *pool = guest_must(lab_pool_create(&config), "the victim's pool");
	struct lab_domain *domain = guest_domain("victim", mode);
	struct lab_edu *edu[DEVICES_MAX];
	void *frame[DEVICES_MAX];
	uint64_t iova[DEVICES_MAX];

	for (int d = 0; d < n; d++) {
		edu[d] = guest_must(lab_edu_open(domain, address[d]), address[d]);
		if (d == 0)
			guest_must_be(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH), 0, "map");
		guest_load(edu[d], pool, 0xdead + (uint64_t)d);
		frame[d] = guest_must(lab_alloc(pool, LAB_GFP_EXCLUSIVE), "a frame");
		guest_must_be(lab_device_lend(lab_edu_device(edu[d]), pool, &frame[d], 1, &iova[d]),
			      1, "lend");
	}
	for (unsigned long round = 0;; round++) {
		for (int d = 0; d < n; d++) {
			guest_must_be(lab_edu_wait(edu[d]), 0, "a transfer");
			guest_must_be(
				lab_edu_start(edu[d], LAB_EDU_TO_MEMORY, iova[d], LAB_EDU_MAX), 0,
				"start");
		}
		if (round == 0 && write(STDOUT_FILENO, "x", 1) != 1)
			return EXIT_FAILURE;
	}
}

/* ---- the one that comes after it ---- */

/* Takes all memory that is free, and lets the devices write into few frames of it. */
static int successor(char **address, int n)
{
	uint64_t frames = (uint64_t)lab_hugepage_free(LAB_PAGE_2M, LAB_NODE(0)) * 512;
	const struct lab_pool_config config = {.name = "successor",
					       .frames = frames,
					       .page_size = LAB_PAGE_2M,
					       .node = LAB_NODE(0)};
	struct lab_pool *pool = guest_must(lab_pool_create(&config), "a pool");
	struct lab_domain *domain;
	struct lab_edu *edu[DEVICES_MAX];
	void *mine[DEVICES_MAX];
	int wrong = 0;

	guest_fill(pool->base, pool->bytes, 1);
	domain = guest_domain("successor", LAB_DOMAIN_GUARDED);
	for (int d = 0; d < n; d++) {
		edu[d] = guest_must(lab_edu_open(domain, address[d]), address[d]);
		if (d == 0)
			guest_must_be(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH), 0, "map");
		mine[d] = guest_must(lab_alloc(pool, LAB_GFP_EXCLUSIVE), "a frame");
	}
	sleep_ms(FLIGHT_MS);
	wrong += !guest_is_filled(pool->base, pool->bytes, 1);
	for (int d = 0; d < n; d++) {
		guest_load(edu[d], pool, 0x600d + (uint64_t)d);
		guest_put(edu[d], pool, mine[d]);
		wrong += !guest_is_filled(mine[d], LAB_EDU_MAX, 0x600d + (uint64_t)d);
		guest_must_be(lab_free(pool, mine[d]), 0, "free");
		guest_must_be(lab_edu_close(edu[d]), 0, "close");
	}
	guest_must_be(lab_domain_destroy(domain), 0, "destroy the domain");
	guest_must_be(lab_pool_destroy(pool), 0, "destroy the pool");
	return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- and who watches ---- */

static pid_t spawn(const char *self, const char *role, char **address, int n, int *out)
{
	char *argv[DEVICES_MAX + 3] = {(char *)(uintptr_t)self, (char *)(uintptr_t)role};
	int fds[2];
	pid_t pid;

	guest_must_be(pipe(fds), 0, "a pipe");
	for (int i = 0; i < n; i++)
		argv[2 + i] = address[i];
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(out ? fds[1] : STDOUT_FILENO, STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	close(fds[1]);
	if (out)
		*out = fds[0];
	else
		close(fds[0]);
	return pid;
}

/* Kills a victim while its transfers run. Return: 1 if there was one to kill. */
static bool kill_one(const char *self, const char *mode, char **address, int n)
{
	char word[512] = "";
	int out, status;
	pid_t pid = spawn(self, mode, address, n, &out);
	ssize_t got = read(out, word, sizeof(word) - 1);

	/* Any moment of a transfer, and of the loop between two. */
	sleep_ms(random() % 130);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(out);
	if (got == 1 && word[0] == 'x' && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	tap_note("the victim said: %s", word);
	return false;
}

/* The memory that is free now, taken at once, and not written to by anybody. */
static bool reused_is_safe(void)
{
	size_t bytes = (size_t)lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY) * LAB_PAGE_2M;
	char *all = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	bool zero, kept;

	if (all == MAP_FAILED) {
		tap_note("no %zu bytes: %s", bytes, strerror(errno));
		return false;
	}
	zero = guest_is_zero(all, bytes);
	guest_fill(all, bytes, 2);
	sleep_ms(FLIGHT_MS);
	kept = guest_is_filled(all, bytes, 2);
	munmap(all, bytes);
	if (!zero || !kept)
		tap_note("reused memory was written to (%s)", zero ? "later" : "at once");
	return zero && kept;
}

int main(int argc, char **argv)
{
	char **address = argv + 1;
	unsigned killed = 0, safe = 0, works = 0, whole = 0, immediately = 0;
	int n = argc - 1;
	int64_t pages;

	if (argc > 2 && !strcmp(argv[1], "victim-guarded"))
		return victim(LAB_DOMAIN_GUARDED, argv + 2, argc - 2);
	if (argc > 2 && !strcmp(argv[1], "victim-strict"))
		return victim(LAB_DOMAIN_STRICT, argv + 2, argc - 2);
	if (argc > 2 && !strcmp(argv[1], "successor"))
		return successor(argv + 2, argc - 2);
	if (n < 1 || n > DEVICES_MAX) {
		fprintf(stderr, "usage: kill-test EDU EDU...\n");
		return EXIT_FAILURE;
	}
	srandom(20261123);
	pages = lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY);
	for (int i = 0; i < KILLS; i++) {
		int status = 0;
		pid_t pid;

		killed += kill_one(argv[0], i % 4 < 2 ? "victim-guarded" : "victim-strict", address,
				   n);
		whole += lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY) == pages;
		/* Every second time the next program opens the devices while they still write. */
		if (i % 2 == 0)
			safe += reused_is_safe();
		else
			immediately++;
		pid = spawn(argv[0], "successor", address, n, NULL);
		waitpid(pid, &status, 0);
		works += WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
	}
	tap_ok(killed == KILLS, "programs are killed with transfers in flight");
	tap_ok(safe == KILLS - immediately, "memory that is used again is not written to");
	tap_ok(works == KILLS, "each time the devices work for the next program, and only for it");
	tap_ok(whole == KILLS && lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY) == pages,
	       "no hugepage is lost, from the moment that the process is gone");
	tap_note("%u killed, %u safe of %u, %u successors well, %u times all %" PRId64 " hugepages",
		 killed, safe, KILLS - immediately, works, whole, pages);
	return tap_done();
}
