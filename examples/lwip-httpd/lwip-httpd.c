/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A whole TCP/IP stack on Labyrinth frames: lwIP serves files and echoes, over AF_XDP or over an
 * 82574L behind VFIO. Read this first to see in which order pool, device, stack and services come
 * and go; lwip-netif/ is the part to take along.
 *
 *	lwip-httpd af_xdp:eth1 --ip 10.77.0.2/24 --root /srv/www
 *	lwip-httpd e1000e:0000:00:03.0 --ip 10.0.2.15/24 --gateway 10.0.2.2 --root /srv/www
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "echo.h"
#include "files.h"
#include "http.h"
#include "options.h"
#include "status.h"

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = sig;
}

static void on_tick(void *arg)
{
	status_line(arg);
}

static int complain(void)
{
	fprintf(stderr, "lwip-httpd: %s\n", lab_error_text());
	return -1;
}

/* Serves until the end. @net and @stats receive the last numbers. */
static int serve(const struct options *o, struct lab_pool *pool, struct lab_netdev *dev,
		 const struct files *files, struct lab_netdev_stats *net,
		 struct lab_lwip_stats *stats)
{
	struct lab_lwip_config config = o->stack;
	struct http http = {.files = files};
	struct echo echo = {0};
	struct status status = {.pool = pool, .dev = dev, .http = &http, .echo = &echo};
	struct timespec now;
	int rc;

	config.pool = pool;
	config.dev = dev;
	status.stack = lab_lwip_create(&config);
	if (!status.stack) {
		fprintf(stderr, "lwip-httpd: %s\n", lab_lwip_error_text());
		return -1;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	status.started = (uint64_t)now.tv_sec;
	rc = o->port ? http_listen(&http, o->port) : 0;
	if (!rc && o->echo_port)
		rc = echo_listen(&echo, o->echo_port);
	if (!rc) {
		printf("lwip-httpd: ready on %s\n", lab_netdev_name(dev));
		fflush(stdout);
		rc = lab_lwip_run(status.stack, &stop, o->spin_us, 1000, o->quiet ? NULL : on_tick,
				  &status);
		if (rc)
			complain(); /* the interface is gone, or the kernel asks for the device */
	}
	lab_netdev_stats(dev, net);
	lab_lwip_stats(status.stack, stats);
	/* Ends the connections, and so every pbuf that the services have. */
	if (lab_lwip_destroy(status.stack)) {
		fprintf(stderr, "lwip-httpd: pbufs were not freed\n");
		rc = -1;
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: end a wait */
	struct lab_lwip_stats stack = {0};
	struct lab_netdev_stats net = {0};
	struct lab_netdev *dev = NULL;
	struct lab_pool *pool;
	struct files files = {0};
	struct options o;
	unsigned seed;
	int rc = -1;

	options_parse(&o, argc, argv);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	/* Debian's lwIP takes its port numbers and the like from rand(). */
	if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed))
		srand(seed);
	if (o.root && files_load(&files, o.root))
		return EXIT_FAILURE;

	pool = lab_pool_create(&o.pool);
	if (!pool) {
		complain();
		files_free(&files);
		return EXIT_FAILURE;
	}
	if (lab_pool_fallback(pool))
		fprintf(stderr, "lwip-httpd: %s\n", lab_pool_fallback(pool));
	lab_lcore_register(pool, "stack"); /* its name for labyrinth-info */
	o.device.pool = pool;
	o.device.flags = LAB_LWIP_NETDEV_FLAGS;
	dev = lab_netdev_open(&o.device);
	if (dev) {
		alarm(o.seconds);
		rc = serve(&o, pool, dev, &files, &net, &stack);
		if (lab_netdev_close(dev))
			rc = complain();
		if (status_end(pool, &net, &stack))
			rc = -1;
	} else {
		complain();
	}
	if (lab_pool_destroy(pool))
		rc = -1;
	files_free(&files);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
