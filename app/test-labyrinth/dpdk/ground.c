/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * EAL and its processes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <labyrinth/lab_rte.h>
#include <labyrinth/labyrinth.h>

#include "../net/tap.h"
#include "ground.h"

#define RUN_DIR     "/run/dpdk"
#define LAB_DIR     RUN_DIR "/labyrinth"
#define HUGE_DIR    RUN_DIR "/hugepages" /* as /proc/mounts will call it */
#define ARGS_MAX    64
#define PATIENCE_MS 10000

static char prefix[48];
static bool shares;
static int mates_cpu;

static bool has(int argc, char **argv, const char *what)
{
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], what, strlen(what)) == 0)
			return true;
	}
	return false;
}

/* Skips where the process may have no mounts of its own. */
static void make_place(void)
{
	if (geteuid() != 0)
		tap_skip_all("hugepages with secondary processes need root");
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		tap_skip_all("this kernel (or container) gives no mount namespace");
	mkdir(RUN_DIR, 0700);
	if (mount("none", RUN_DIR, "tmpfs", 0, "mode=700") || mkdir(HUGE_DIR, 0700) ||
	    mount("none", HUGE_DIR, "hugetlbfs", 0, "mode=700"))
		tap_skip_all("hugetlbfs cannot be mounted");
	mkdir(LAB_DIR, 0700);
	setenv("LABYRINTH_RUNTIME_DIR", LAB_DIR, 1);
	snprintf(prefix, sizeof(prefix), "lab-test-%d", getpid());
}

static void find_cpu(void)
{
	cpu_set_t cpus;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (CPU_ISSET(i, &cpus))
			mates_cpu = i;
	}
}

int ground_init(int argc, char **argv, unsigned seconds)
{
	char *args[ARGS_MAX + 8] = {NULL}, huge[] = "--huge-dir=" HUGE_DIR,
			      quiet[] = "--no-telemetry";
	char file_prefix[80], why[160];
	int n = 0, own = 0;

	while (own < argc && strcmp(argv[own], "--") != 0 && n < ARGS_MAX)
		args[n++] = argv[own++];
	alarm(seconds);
	find_cpu();
	shares = !has(n, args, "--in-memory") && !has(n, args, "--no-huge") &&
		 !has(n, args, "--no-shconf");
	args[n++] = quiet;
	if (shares && !has(n, args, "--proc-type")) {
		make_place();
		snprintf(file_prefix, sizeof(file_prefix), "--file-prefix=%s", prefix);
		args[n++] = huge;
		args[n++] = file_prefix;
	}
	args[n] = NULL;
	if (rte_eal_init(n, args) < 0) {
		snprintf(why, sizeof(why), "EAL does not start here (%s)", rte_strerror(rte_errno));
		tap_skip_all(why);
	}
	return own < argc ? own + 1 : argc;
}

bool ground_shares(void)
{
	return shares;
}

const char *ground_option(int argc, char **argv, const char *name, const char *otherwise)
{
	for (int i = 0; i + 1 < argc; i++) {
		if (strcmp(argv[i], name) == 0)
			return argv[i + 1];
	}
	return otherwise;
}

/* ---- mempools ---- */

bool ground_checks(const char *ops)
{
	return strcmp(ops, LAB_RTE_OPS) == 0 || strncmp(ops, "frames", 6) == 0;
}

static struct rte_mempool *of_objects(const char *name, const char *ops, unsigned n, unsigned cache)
{
	struct rte_mempool *mp =
		rte_mempool_create_empty(name, n, 2048, cache, 0, SOCKET_ID_ANY, 0);

	if (mp &&
	    (rte_mempool_set_ops_byname(mp, ops, NULL) || rte_mempool_populate_default(mp) < 0))
		return NULL; /* the program ends */
	return mp;
}

struct rte_mempool *ground_mempool(const char *name, const char *ops, unsigned n, unsigned cache,
				   bool mbufs)
{
	struct rte_mempool *mp;

	if (strncmp(ops, "frames", 6) == 0)
		mp = lab_rte_pktmbuf_pool_create(name, n, cache, 0, SOCKET_ID_ANY,
						 strcmp(ops, "frames") ? LAB_RTE_EAL_MEMORY : 0);
	else if (mbufs)
		mp = rte_pktmbuf_pool_create_by_ops(name, n, cache, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
						    SOCKET_ID_ANY, ops);
	else
		mp = of_objects(name, ops, n, cache);
	if (!mp) {
		printf("Bail out! mempool %s with ops %s cannot be made: %s (%s)\n", name, ops,
		       rte_strerror(rte_errno), lab_error_text());
		exit(EXIT_FAILURE);
	}
	return mp;
}

void ground_discard(struct rte_mempool *mp)
{
	/* knows its own, and leaves the memory of others to DPDK */
	lab_rte_mempool_free(mp);
}

/* ---- processes ---- */

static void become_mate(unsigned lcore, const char *const *args)
{
	const char *argv[ARGS_MAX] = {"mate", "--proc-type=secondary", "--no-pci"};
	char file_prefix[80], lcores[48];
	int n = 3;

	snprintf(file_prefix, sizeof(file_prefix), "--file-prefix=%s", prefix);
	snprintf(lcores, sizeof(lcores), "--lcores=%u@%d", lcore, mates_cpu);
	argv[n++] = file_prefix;
	argv[n++] = lcores;
	argv[n++] = "--";
	while (*args && n < ARGS_MAX - 1)
		argv[n++] = *args++;
	execv("/proc/self/exe", (char **)(uintptr_t)argv);
	_exit(127);
}

struct mate mate_start(unsigned lcore, const char *const *args)
{
	struct mate mate = {.pid = -1};
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		return mate;
	mate.pid = fork();
	if (mate.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(to[0], 0);
		dup2(from[1], 1);
		become_mate(lcore, args);
	}
	close(to[0]);
	close(from[1]);
	mate.to = to[1];
	mate.from = from[0];
	return mate;
}

char mate_hear(struct mate *mate)
{
	struct pollfd p = {.fd = mate->from, .events = POLLIN};
	char letter;

	return poll(&p, 1, PATIENCE_MS) == 1 && read(mate->from, &letter, 1) == 1 ? letter : 0;
}

char mate_tell(struct mate *mate, char letter)
{
	return write(mate->to, &letter, 1) == 1 ? mate_hear(mate) : 0;
}

void mate_kill(struct mate *mate)
{
	kill(mate->pid, SIGKILL);
	waitpid(mate->pid, NULL, 0);
	close(mate->to);
	close(mate->from);
}

char mate_order(void)
{
	char letter;

	if (read(0, &letter, 1) != 1)
		_exit(0);
	return letter;
}

void mate_answer(char letter)
{
	if (write(1, &letter, 1) != 1)
		_exit(1);
}
