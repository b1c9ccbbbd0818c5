/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * AF_XDP's control path: UMEM, socket and XDP program by way of libxdp, and what their errors mean.
 * Knows libxdp; knows nothing of who owns a frame.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/if_link.h>
#include <xdp/libxdp.h>

#include <labyrinth/lab_layout.h>

#include "af_xdp.h"
#include "error.h"

/* The kernel ends a closed socket in a work queue: 70 ms later at most, as measured. */
#define BUSY_WAIT_MS 200
#define BUSY_STEP_MS 5

/*
 * libxdp and libbpf print what they think on stderr, and much of it is harmless (no bpffs in a
 * network namespace, no dispatcher). Their last warning is kept for the error text instead.
 */
static __thread char last_warning[160];

static void keep_warning(const char *format, va_list args)
{
	size_t len;

	vsnprintf(last_warning, sizeof(last_warning), format, args);
	len = strlen(last_warning);
	while (len && last_warning[len - 1] == '\n')
		last_warning[--len] = 0;
}

__attribute__((format(printf, 2, 0))) static int print_xdp(enum libxdp_print_level level,
							   const char *format, va_list args)
{
	if (level == LIBXDP_WARN)
		keep_warning(format, args);
	return 0;
}

__attribute__((format(printf, 2, 0))) static int print_bpf(enum libbpf_print_level level,
							   const char *format, va_list args)
{
	if (level == LIBBPF_WARN)
		keep_warning(format, args);
	return 0;
}

/* The printers are the process's: quiet during our calls, then whatever the program had set. */
struct printers {
	libxdp_print_fn_t xdp;
	libbpf_print_fn_t bpf;
};

static struct printers hush(void)
{
	last_warning[0] = 0;
	return (struct printers){libxdp_set_print(print_xdp), libbpf_set_print(print_bpf)};
}

static void unhush(struct printers p)
{
	libxdp_set_print(p.xdp);
	libbpf_set_print(p.bpf);
}

static uint32_t ring_size(uint32_t entries)
{
	uint32_t size = 1;

	while (size < entries)
		size *= 2;
	return size;
}

static unsigned long long memlock_kib(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_MEMLOCK, &limit) ? 0 : (unsigned long long)limit.rlim_cur / 1024;
}

static int fail_umem(const struct af_xdp *x, int err)
{
	const char *name = x->netdev.name;

	switch (err) {
	case EPERM:
		return lab_fail(
			EPERM,
			"%s: the kernel gives an AF_XDP socket only with CAP_NET_RAW (and with "
			"CAP_NET_ADMIN and CAP_BPF to attach it): run as root, or use setcap",
			name);
	case ENOBUFS:
		return lab_fail(
			ENOBUFS,
			"%s: the kernel pins the pool's %zu KiB for the device, and "
			"RLIMIT_MEMLOCK is %llu KiB: raise it (ulimit -l), or give the program "
			"CAP_IPC_LOCK",
			name, x->bytes / 1024, memlock_kib());
	case EAFNOSUPPORT:
	case EPROTONOSUPPORT:
		return lab_fail(ENOTSUP,
				"%s: this kernel has no AF_XDP: it needs CONFIG_XDP_SOCKETS", name);
	default:
		return lab_fail(err, "%s: registering the pool's %zu KiB as UMEM failed: %s", name,
				x->bytes / 1024, strerror(err));
	}
}

static int fail_socket(const struct af_xdp *x, int err)
{
	const char *name = x->netdev.name, *said = last_warning[0] ? last_warning : "nothing";

	switch (err) {
	case EBUSY:
	case EEXIST:
		return lab_fail(
			EBUSY,
			"%s: queue %u has been in use for %u ms by another AF_XDP socket, or %s by "
			"another XDP program (ip link show %s tells): end that, or open another "
			"queue",
			name, x->queue, BUSY_WAIT_MS, x->ifname, x->ifname);
	case EPERM:
	case EACCES:
		return lab_fail(
			EPERM,
			"%s: the XDP program could not be attached to %s: that needs CAP_NET_ADMIN "
			"and CAP_BPF (run as root, or use setcap); libxdp said: %s",
			name, x->ifname, said);
	case ENODEV:
	case ENXIO:
		return lab_fail(ENODEV, "%s: interface %s went away while it was opened", name,
				x->ifname);
	case EINVAL:
	case E2BIG: /* the program's map of queues ends before it */
		return lab_fail(EINVAL,
				"%s: %s has no queue %u (ethtool -l %s tells); libxdp said: %s",
				name, x->ifname, x->queue, x->ifname, said);
	case EOPNOTSUPP:
		return lab_fail(ENOTSUP,
				"%s: the kernel takes no XDP program on %s; libxdp said: %s", name,
				x->ifname, said);
	default:
		return lab_fail(err, "%s: opening the socket on %s failed: %s; libxdp said: %s",
				name, x->ifname, strerror(err), said);
	}
}

/* One try. On failure nothing is left, and the caller sets the text. */
static int attach_once(struct af_xdp *x, uint32_t xdp_flags, bool *umem_failed)
{
	struct xsk_umem_config umem = {
		.fill_size = ring_size(2 * x->rx_max),
		.comp_size = ring_size(x->tx_max),
		.frame_size = LAB_FRAME_SIZE,
		.frame_headroom = 0,
	};
	/*
	 * Copy mode by name: on every interface the same, and only in copy mode is the kernel done
	 * with the memory when close() returns (see lab_af_xdp_detach()).
	 */
	struct xsk_socket_config config = {
		.rx_size = ring_size(x->rx_max),
		.tx_size = ring_size(x->tx_max),
		.xdp_flags = xdp_flags,
		.bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP,
	};
	int rc;

	rc = xsk_umem__create(&x->umem, x->base, x->bytes, &x->fill, &x->comp, &umem);
	*umem_failed = rc != 0;
	if (rc) {
		x->umem = NULL;
		return rc;
	}
	x->fd = xsk_umem__fd(x->umem);
	fcntl(x->fd, F_SETFD, FD_CLOEXEC);
	rc = xsk_socket__create(&x->socket, x->ifname, x->queue, x->umem, &x->rx, &x->tx, &config);
	if (rc) {
		x->socket = NULL;
		xsk_umem__delete(x->umem);
		x->umem = NULL;
		x->fd = -1;
	}
	return rc;
}

int lab_af_xdp_attach(struct af_xdp *x)
{
	const struct timespec step = {.tv_nsec = BUSY_STEP_MS * 1000000};
	struct printers printers = hush();
	uint32_t xdp_flags = XDP_FLAGS_DRV_MODE;
	bool umem_failed;
	int waited = 0, rc;

	for (;;) {
		rc = attach_once(x, xdp_flags, &umem_failed);
		if (rc == -EBUSY && waited < BUSY_WAIT_MS) {
			nanosleep(&step, NULL);
			waited += BUSY_STEP_MS;
		} else if ((rc == -EOPNOTSUPP || rc == -ERANGE || rc == -EINVAL) && !umem_failed &&
			   xdp_flags == XDP_FLAGS_DRV_MODE) {
			/* No XDP in the interface's driver, or not as it is set up: XDP in the
			 * stack. */
			xdp_flags = XDP_FLAGS_SKB_MODE;
		} else {
			break;
		}
	}
	unhush(printers);
	if (rc)
		return umem_failed ? fail_umem(x, -rc) : fail_socket(x, -rc);
	return 0;
}

/*
 * Why no frame is written to after this:
 *
 * - The kernel writes to frames only when it receives, inside its softirq, as an RCU reader, and
 *   only while the socket is bound. xsk_umem__delete() closes the socket's last reference (libxdp
 *   has unmapped the rings), and close() unbinds it and then waits for all RCU readers
 *   (synchronize_net) before it returns. That holds for copy mode, which is what is asked for: with
 *   zero copy the interface's DMA is stopped later, by a work queue.
 * - Sending never writes to a frame. Nearly all interfaces copy the packet in sendto(). Those that
 *   do not (IFF_TX_SKB_NO_LINEAR, as virtio_net) hold the page until they have read it, so memory
 * is safe; the caller waits for the completions before, so that the packet is what it was.
 * - The pinning of the memory ends later, in a work queue. It is a count, not an access.
 *
 * A child that the program forked without exec has the socket too, and keeps it open: such a child
 * must end, or close its file descriptors, before the device is closed.
 */
void lab_af_xdp_detach(struct af_xdp *x)
{
	struct printers printers;

	if (!x->umem)
		return;
	printers = hush();
	xsk_socket__delete(x->socket);
	xsk_umem__delete(x->umem);
	unhush(printers);
	x->socket = NULL;
	x->umem = NULL;
	x->fd = -1;
}
