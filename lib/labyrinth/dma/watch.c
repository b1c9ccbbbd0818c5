/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Watches: one thread a device, which sleeps in poll() all its life.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "error.h"
#include "watch.h"

/** struct lab_watch - the events, and what is known. */
struct lab_watch {
	pthread_t thread;
	int running;
	int stop_fd;
	int request_fd; /* the kernel wants the device */
	int error_fd;   /* the device has failed */
	int status_fd;  /* readable once status is not PRESENT */
	uint32_t status;
};

static void signal_fd(int fd)
{
	uint64_t one = 1;
	ssize_t n = write(fd, &one, sizeof(one));

	(void)n; /* fails only when it is readable anyway */
}

/* The status only rises: present, leaving, gone. */
static void raise_status(struct lab_watch *w, uint32_t status)
{
	uint32_t now = __atomic_load_n(&w->status, __ATOMIC_RELAXED);

	/* Relaxed: the word stands for itself; no other data is published by it. */
	while (now < status && !__atomic_compare_exchange_n(&w->status, &now, status, 0,
							    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	signal_fd(w->status_fd);
}

static void *watch(void *arg)
{
	struct lab_watch *w = arg;
	struct pollfd fds[] = {{.fd = w->stop_fd, .events = POLLIN},
			       {.fd = w->request_fd, .events = POLLIN},
			       {.fd = w->error_fd, .events = POLLIN}};

	for (;;) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return NULL;
		if (fds[0].revents)
			return NULL;
		if (fds[2].revents & POLLIN)
			raise_status(w, LAB_DEVICE_GONE);
		if (fds[1].revents & POLLIN)
			raise_status(w, LAB_DEVICE_LEAVING);
		/* Each is told once: what has fired is not polled again. */
		for (unsigned i = 1; i < 3; i++) {
			if (fds[i].revents)
				fds[i].fd = -1;
		}
	}
}

static int make_thread(struct lab_watch *w)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err = pthread_attr_init(&attr);

	if (err)
		return err;
	/* It needs little; the extra is for thread-local storage of the whole program. */
	pthread_attr_setstacksize(&attr, (size_t)PTHREAD_STACK_MIN + ((size_t)128 << 10));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the program's threads' */
	err = pthread_create(&w->thread, &attr, watch, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	w->running = !err;
	return err;
}

int lab_watch_start(struct lab_device *dev)
{
	struct lab_watch *w = calloc(1, sizeof(*w));
	int err = 0;

	if (!w)
		return lab_fail(ENOMEM, "%s: no memory to watch it", dev->pci.address);
	w->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->error_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->status_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->stop_fd < 0 || w->request_fd < 0 || w->error_fd < 0 || w->status_fd < 0)
		err = errno;
	if (!err && dev->irq_count[LAB_IRQ_REQ])
		err = -dev->domain->ops->irqs(dev, LAB_IRQ_REQ, 1, &w->request_fd);
	if (!err && dev->irq_count[LAB_IRQ_ERR])
		err = -dev->domain->ops->irqs(dev, LAB_IRQ_ERR, 1, &w->error_fd);
	if (!err)
		err = make_thread(w);
	if (err) {
		lab_watch_free(w);
		return lab_fail(err, "%s cannot be watched for its removal (%s)", dev->pci.address,
				strerror(err));
	}
	dev->watch = w;
	return 0;
}

void lab_watch_stop(struct lab_device *dev)
{
	if (!dev->watch || !dev->watch->running)
		return;
	signal_fd(dev->watch->stop_fd);
	pthread_join(dev->watch->thread, NULL);
	dev->watch->running = 0;
}

void lab_watch_gone(struct lab_device *dev)
{
	if (dev->watch)
		raise_status(dev->watch, LAB_DEVICE_GONE);
}

void lab_watch_free(struct lab_watch *w)
{
	if (!w)
		return;
	if (w->stop_fd >= 0)
		close(w->stop_fd);
	if (w->request_fd >= 0)
		close(w->request_fd);
	if (w->error_fd >= 0)
		close(w->error_fd);
	if (w->status_fd >= 0)
		close(w->status_fd);
	free(w);
}

enum lab_device_status lab_device_status(const struct lab_device *dev)
{
	/* Relaxed: see raise_status(). */
	return (enum lab_device_status)__atomic_load_n(&dev->watch->status, __ATOMIC_RELAXED);
}

int lab_device_fd(const struct lab_device *dev)
{
	return dev->watch->status_fd;
}
