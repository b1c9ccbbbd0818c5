/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The 82574L driver's bursts in a thread that is not allowed any system call, with frame-peer at
 *the other end of the wire, which ends after it.
 *
 *	e1000e-quiet NIC
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "../net/nic-rig.h"
#include "../net/tap.h"

static volatile sig_atomic_t calls, last_call;

static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	calls++;
	last_call = info->si_syscall;
}

struct lonely {
	struct rig *rig;
	unsigned sent;
	unsigned received;
	int state; /* 1: filtered and at work, 2: done, -1: no filter here */
};

/* Traffic with itself: the peer sends back what is sent. Returns after @n bursts of 32. */
static void bursts(struct lonely *l, unsigned n)
{
	struct lab_packet p[32];

	for (unsigned round = 0; round < n; round++) {
		unsigned m = 0, sent, got;

		for (; m < 32 && (p[m].frame = lab_alloc(l->rig->pool, 0)); m++) {
			uint8_t *frame = p[m].frame;

			p[m].offset = 0;
			p[m].length = 60;
			memset(frame, 0, 60);
			memset(frame, 0xff, LAB_MAC_SIZE);
			memcpy(frame + LAB_MAC_SIZE, l->rig->mac, LAB_MAC_SIZE);
			frame[12] = PEER_TYPE >> 8;
			frame[13] = PEER_TYPE & 0xff;
		}
		sent = lab_netdev_tx_burst(l->rig->dev, p, m);
		l->sent += sent;
		rig_free(l->rig, p + sent, m - sent);
		for (unsigned spin = 0, back = 0; back < sent && spin < 20000000; spin++) {
			got = lab_netdev_rx_burst(l->rig->dev, p, 32);
			back += got;
			l->received += got;
			rig_free(l->rig, p, got);
		}
	}
}

static void *alone(void *arg)
{
	struct lonely *l = arg;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_rt_sigreturn, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};

	bursts(l, 2); /* the thread gets its lcore */
	l->sent = l->received = 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		/* Release: see test_system_calls(). */
		__atomic_store_n(&l->state, -1, __ATOMIC_RELEASE);
		return NULL;
	}
	bursts(l, 300);
	__atomic_store_n(&l->state, 2, __ATOMIC_RELEASE); /* likewise */
	/* To end is a system call. The program's end ends this. */
	for (;;)
		__builtin_ia32_pause();
}

static void test_system_calls(struct rig *rig)
{
	struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
	const struct timespec step = {.tv_nsec = 10000000};
	struct lonely l = {.rig = rig};
	pthread_t thread;
	int state = 0;

	sigaction(SIGSYS, &action, NULL);
	if (pthread_create(&thread, NULL, alone, &l))
		return;
	/* Acquire: what the thread counted before it said that it was done. */
	for (int i = 0; i < 3000 && !(state = __atomic_load_n(&l.state, __ATOMIC_ACQUIRE)); i++)
		nanosleep(&step, NULL);
	if (state < 0) {
		printf("ok %u - the bursts make no system call # SKIP no seccomp in this kernel\n",
		       ++tap_tests);
		return;
	}
	tap_note("%u packets sent, %u received, %d system calls (the last: %d)", l.sent, l.received,
		 (int)calls, (int)last_call);
	tap_ok(state == 2 && calls == 0 && l.sent == 9600 && l.received >= 9600,
	       "the bursts make no system call");
}

int main(int argc, char **argv)
{
	struct lab_pool *pool;
	struct rig rig;

	if (argc != 2) {
		fprintf(stderr, "usage: e1000e-quiet NIC\n");
		return 2;
	}
	pool = rig_pool("quiet", 4096);
	rig_open(&rig, pool, argv[1], NULL);
	test_system_calls(&rig);
	tap_ok(rig_quit(&rig) && lab_netdev_close(rig.dev) == 0 && rig_conserved(pool),
	       "closed, no frame is lost");
	return tap_done(); /* the thread is still there: it ends here */
}
