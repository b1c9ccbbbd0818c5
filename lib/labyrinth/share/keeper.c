/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The keeper's loop. Ten times a second it looks for the dead, and for whether nobody answers any
 * more: then it does. Between that it answers those who come, and waits for none of them. Once a
 * second it looks whether devices whose frames are in quarantine have left the machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_lend.h>
#include <labyrinth/lab_retire.h>

#include "arena.h"
#include "error.h"
#include "fault.h"
#include "lcore.h"
#include "share/keeper.h"
#include "share/life.h"
#include "share/meet.h"
#include "share/process.h"

/* How soon a death is noticed, at the latest. */
#define PERIOD_MS 100
/* Who comes has so long to say what it wants. So many are heard at a time, others wait. */
#define PATIENCE_MS 1000
#define GUESTS      8
/* How often it is looked for quarantined devices, which nobody is in a hurry for. */
#define LOOK_MS 1000
#define BUS     "/sys/bus/pci/devices/"

/** struct guest - one who has come, and has not said yet what it wants. @fd: -1 for none. @until:
 * in milliseconds, as now_ms(). */
struct guest {
	int fd;
	uint64_t until;
};

/**
 * struct lab_keeper - the thread, and what it needs.
 * @lock: one of the process's threads reaps at a time: the kernel's locks are the process's.
 * @user: who made the pool. @group: whose members may attach, too; or (gid_t)-1.
 * @due: when to look for the dead again. @look: and for quarantined devices. @deaf: until then
 * nobody is let in, for want of descriptors.
 */
struct lab_keeper {
	pthread_t thread;
	pthread_mutex_t lock;
	uid_t user;
	gid_t group;
	struct guest guest[GUESTS];
	uint64_t due;
	uint64_t look;
	uint64_t deaf;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void lab_keeper_hold(struct lab_pool_priv *priv)
{
	pthread_mutex_lock(&priv->keeper->lock);
}

void lab_keeper_let_go(struct lab_pool_priv *priv)
{
	pthread_mutex_unlock(&priv->keeper->lock);
}

int64_t lab_keeper_reap(struct lab_pool_priv *priv, enum lab_extent extent)
{
	int64_t frames;

	lab_keeper_hold(priv);
	frames = lab_process_reap_dead(priv, 0, extent);
	lab_keeper_let_go(priv);
	return frames;
}

static void say_no(int fd, int err, const char *text)
{
	struct lab_answer answer = {.magic = LAB_MAGIC, .layout = LAB_LAYOUT, .err = err};

	snprintf(answer.text, sizeof(answer.text), "%s", text);
	lab_meet_answer(fd, &answer, NULL, 0);
}

/* The descriptions that go out are new ones: those of this process carry its locks. */
static void give(const struct lab_pool_priv *priv, int fd, int read_only)
{
	const struct lab_answer answer = {
		.magic = LAB_MAGIC, .layout = LAB_LAYOUT, .key = priv->shared->head.key};
	int fds[LAB_MEET_FDS] = {lab_life_open(priv->fd[LAB_FD_TABLES], read_only), priv->arena.fd};

	if (fds[0] < 0) {
		say_no(fd, -fds[0], lab_error_text());
		return;
	}
	/* A pool of numbers has no memory to hand over. */
	lab_meet_answer(fd, &answer, fds, read_only || fds[1] < 0 ? 1 : 2);
	close(fds[0]);
}

static void serve(const struct lab_pool_priv *priv, int fd, const struct lab_ask *ask)
{
	if (ask->layout == LAB_LAYOUT) {
		give(priv, fd, ask->want != LAB_WANT_ATTACH);
		return;
	}
	lab_fail(
		EPROTONOSUPPORT,
		"pool '%s' has tables of layout %u, and this program knows %u: build both with the "
		"same version of Labyrinth",
		priv->name, LAB_LAYOUT, ask->layout);
	say_no(fd, EPROTONOSUPPORT, lab_error_text());
}

static void turn_away(const struct lab_pool_priv *priv, int fd)
{
	struct lab_ask unheard;

	/* Or the answer would be lost with it. */
	lab_meet_hear(fd, &unheard);
	lab_fail(EACCES,
		 "pool '%s' belongs to user %u: others may attach only as members of a group that "
		 "its creator has named",
		 priv->name, (unsigned)priv->keeper->user);
	say_no(fd, EACCES, lab_error_text());
	close(fd);
}

static struct guest *free_seat(struct lab_keeper *keeper)
{
	for (unsigned i = 0; i < GUESTS; i++) {
		if (keeper->guest[i].fd < 0)
			return &keeper->guest[i];
	}
	return NULL;
}

static void let_in(struct lab_pool_priv *priv)
{
	struct lab_keeper *keeper = priv->keeper;
	struct guest *seat = free_seat(keeper);
	int fd = seat ? lab_meet_accept(priv->fd[LAB_FD_LISTEN]) : -EAGAIN;

	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS)
		keeper->deaf = now_ms() + PERIOD_MS; /* it goes on knocking */
	if (fd < 0)
		return;
	if (!lab_meet_may(fd, keeper->user, keeper->group))
		turn_away(priv, fd);
	else
		*seat = (struct guest){.fd = fd, .until = now_ms() + PATIENCE_MS};
}

static void hear(const struct lab_pool_priv *priv, struct guest *guest)
{
	struct lab_ask ask;
	int heard = lab_meet_hear(guest->fd, &ask);

	if (heard == 0 && now_ms() < guest->until)
		return;
	if (heard > 0)
		serve(priv, guest->fd, &ask);
	close(guest->fd);
	guest->fd = -1;
}

/* Someone has to answer: who has the lock. It is the kernel that gives it to the next one when a
 * process dies. */
static int answer_for_all(struct lab_pool_priv *priv)
{
	int fd;

	if (priv->fd[LAB_FD_LISTEN] >= 0 || !lab_life_take(priv->fd[LAB_FD_LIFE], LAB_LIFE_SERVER))
		return 0;
	/* A child of fork() that inherited it unseen would keep those who come waiting. */
	lab_arena_before_fork();
	fd = lab_meet_listen(priv->dir, priv->name, priv->keeper->user, priv->keeper->group);
	priv->fd[LAB_FD_LISTEN] = fd < 0 ? -1 : fd;
	lab_arena_after_fork();
	if (fd < 0)
		lab_life_drop(priv->fd[LAB_FD_LIFE], LAB_LIFE_SERVER);
	return fd < 0 ? fd : 0;
}

/* 1 if a name is a PCI function's address, as sysfs writes it, and the function is not there. */
static int has_left(const char *name)
{
	char path[sizeof(BUS) + LAB_LABEL_MAX];
	unsigned domain, bus, device, function;
	int end = 0;

	if (sscanf(name, "%4x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end) != 4 ||
	    end != 12 || name[end])
		return 0;
	snprintf(path, sizeof(path), BUS "%s", name);
	/* Without sysfs nothing is there, and that says nothing. */
	return access(path, F_OK) != 0 && errno == ENOENT && access(BUS, F_OK) == 0;
}

/* What has left the machine writes to no memory any more. The keeper has an lcore only as long as
 * it needs one; if there is none, it tries again. */
static void absolve_vanished(struct lab_pool_priv *priv)
{
	int absolved = 0;

	for (unsigned i = 0; i < LAB_MAX_DEVICES; i++) {
		const struct lab_slot *device = &priv->shared->device[i];
		char name[LAB_LABEL_MAX];

		if (lab_load(&device->quarantined) &&
		    has_left(lab_label_get(&device->name, name))) {
			lab_device_absolve(&priv->pool, name);
			absolved = 1;
		}
	}
	if (absolved)
		lab_lcore_unregister(&priv->pool);
}

/* Frames that are marked as bad, and in the depot by now. */
static void retire_marked(struct lab_pool_priv *priv)
{
	if (!lab_load(&priv->shared->doomed))
		return;
	lab_retire_pending(&priv->pool);
	lab_lcore_unregister(&priv->pool);
}

/* What the loop waits for: its end, those who come, and those who have. */
enum { STOP, LISTEN, FIRST_GUEST, EVENTS = FIRST_GUEST + GUESTS };

/* Return: 0; or -1 if it is to end. */
static int wait_for(struct lab_pool_priv *priv, struct pollfd on[EVENTS])
{
	struct lab_keeper *keeper = priv->keeper;
	uint64_t now = now_ms();
	int listens = free_seat(keeper) && now >= keeper->deaf, n;

	/* poll() passes over a descriptor of -1. */
	on[STOP] = (struct pollfd){.fd = priv->fd[LAB_FD_STOP], .events = POLLIN};
	on[LISTEN] =
		(struct pollfd){.fd = listens ? priv->fd[LAB_FD_LISTEN] : -1, .events = POLLIN};
	for (unsigned i = 0; i < GUESTS; i++)
		on[FIRST_GUEST + i] = (struct pollfd){.fd = keeper->guest[i].fd, .events = POLLIN};
	n = poll(on, EVENTS, keeper->due > now ? (int)(keeper->due - now) : 0);
	if (n < 0) {
		int err = errno;

		for (unsigned i = 0; i < EVENTS; i++)
			on[i].revents = 0;
		/* No memory, or more descriptors than the process may have: it still reaps. */
		if (err != EINTR)
			poll(on, 1, PERIOD_MS);
	}
	return on[STOP].revents ? -1 : 0;
}

static void *keep(void *arg)
{
	struct lab_pool_priv *priv = arg;
	struct lab_keeper *keeper = priv->keeper;
	struct pollfd on[EVENTS];

	while (wait_for(priv, on) == 0) {
		for (unsigned i = 0; i < GUESTS; i++) {
			if (keeper->guest[i].fd >= 0)
				hear(priv, &keeper->guest[i]);
		}
		if (on[LISTEN].revents)
			let_in(priv);
		if (now_ms() < keeper->due)
			continue;
		answer_for_all(priv);
		lab_keeper_reap(priv, LAB_REAP_DEAD);
		retire_marked(priv);
		if (now_ms() >= keeper->look) {
			absolve_vanished(priv);
			keeper->look = now_ms() + LOOK_MS;
		}
		keeper->due = now_ms() + PERIOD_MS;
	}
	for (unsigned i = 0; i < GUESTS; i++) {
		if (keeper->guest[i].fd >= 0)
			close(keeper->guest[i].fd);
	}
	return NULL;
}

/* The program's signals are for its own threads. */
static int start_thread(struct lab_pool_priv *priv)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = lab_fault_create() ? ENOMEM : pthread_create(&priv->keeper->thread, NULL, keep, priv);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return lab_fail(err, "pool '%s' cannot have its keeper's thread (%s)", priv->name,
				strerror(err));
	pthread_setname_np(priv->keeper->thread, "lab-keeper");
	return 0;
}

int lab_keeper_start(struct lab_pool_priv *priv, gid_t group)
{
	struct stat st;
	int err;

	priv->keeper = lab_fault_create() ? NULL : calloc(1, sizeof(*priv->keeper));
	priv->fd[LAB_FD_STOP] = lab_fault_create() ? -1 : eventfd(0, EFD_CLOEXEC);
	if (!priv->keeper || priv->fd[LAB_FD_STOP] < 0) {
		free(priv->keeper);
		priv->keeper = NULL;
		return lab_fail(errno, "pool '%s' cannot have a keeper (%s)", priv->name,
				strerror(errno));
	}
	pthread_mutex_init(&priv->keeper->lock, NULL);
	priv->keeper->user = fstat(priv->fd[LAB_FD_TABLES], &st) ? geteuid() : st.st_uid;
	priv->keeper->group = group;
	for (unsigned i = 0; i < GUESTS; i++)
		priv->keeper->guest[i].fd = -1;
	err = answer_for_all(priv);
	if (!err)
		err = start_thread(priv);
	if (err) {
		free(priv->keeper);
		priv->keeper = NULL;
	}
	return err;
}

void lab_keeper_stop(struct lab_pool_priv *priv)
{
	const uint64_t one = 1;

	if (!priv->keeper)
		return;
	while (write(priv->fd[LAB_FD_STOP], &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(priv->keeper->thread, NULL);
	pthread_mutex_destroy(&priv->keeper->lock);
	free(priv->keeper);
	priv->keeper = NULL;
}
