/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What has come waits in its frames until TCP has room for the answer, and counts against the
 * sender's window until then: a client that does not read stops itself.
 */
#include "echo.h"

#include <stdbool.h>
#include <stdlib.h>

#include <lwip/tcp.h>

#include "service.h"

struct connection {
	struct echo *echo;
	struct tcp_pcb *pcb;
	struct pbuf *waiting; /* received, and not written back yet */
	bool ended;           /* the other end sends no more */
	enum service_next next;
};

static void forget(struct connection *c)
{
	if (c->waiting)
		pbuf_free(c->waiting);
	c->echo->connections--;
	free(c);
}

/* Writes back what TCP has room for, and ends when all is written and no more will come. */
static enum service_next advance(struct connection *c)
{
	while ((c->waiting = service_skip(c->waiting))) {
		uint16_t n = c->waiting->len;
		err_t err;

		if (n > tcp_sndbuf(c->pcb))
			n = (uint16_t)tcp_sndbuf(c->pcb);
		/* Copied: its frame is to be free before the other end has acknowledged. */
		err = n ? tcp_write(c->pcb, c->waiting->payload, n, TCP_WRITE_FLAG_COPY) : ERR_MEM;
		if (err == ERR_MEM)
			break; /* goes on when something has left */
		if (err != ERR_OK)
			return SERVICE_ABORT;
		c->echo->bytes += n;
		tcp_recved(c->pcb, n);
		c->waiting = pbuf_free_header(c->waiting, n);
	}
	if (!c->waiting && c->ended)
		return SERVICE_CLOSE;
	tcp_output(c->pcb);
	return SERVICE_GO_ON;
}

static err_t act(struct connection *c)
{
	if (c->next == SERVICE_GO_ON)
		return ERR_OK;
	service_detach(c->pcb);
	if (c->next == SERVICE_CLOSE && tcp_close(c->pcb) == ERR_OK) {
		forget(c);
		return ERR_OK;
	}
	tcp_abort(c->pcb);
	forget(c);
	return ERR_ABRT;
}

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct connection *c = arg;

	if (!p)
		c->ended = true;
	else if (c->waiting)
		pbuf_cat(c->waiting, p); /* at most a window: tot_len has 16 bits */
	else
		c->waiting = p;
	if (c->next == SERVICE_GO_ON)
		c->next = advance(c);
	return act(c);
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t length)
{
	struct connection *c = arg;

	if (c->next == SERVICE_GO_ON)
		c->next = service_sent(pcb, advance(c));
	return ERR_OK;
}

static err_t on_poll(void *arg, struct tcp_pcb *pcb)
{
	struct connection *c = arg;

	if (c->next == SERVICE_GO_ON)
		c->next = advance(c);
	return act(c);
}

/* lwIP has freed the pcb already. */
static void on_err(void *arg, err_t err)
{
	forget(arg);
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct echo *echo = arg;
	struct connection *c;

	if (err != ERR_OK || !pcb)
		return ERR_VAL;
	c = echo->connections < ECHO_CONNECTIONS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		echo->refused++;
		tcp_abort(pcb);
		return ERR_ABRT;
	}
	c->echo = echo;
	c->pcb = pcb;
	c->echo->connections++;
	service_begin(pcb);
	tcp_nagle_disable(pcb);
	tcp_arg(pcb, c);
	tcp_recv(pcb, on_recv);
	tcp_sent(pcb, on_sent);
	tcp_err(pcb, on_err);
	tcp_poll(pcb, on_poll, 1);
	/* Who is silent for two hours is asked whether he is there: RFC 1122, 4.2.3.6. */
	ip_set_option(pcb, SOF_KEEPALIVE);
	return ERR_OK;
}

int echo_listen(struct echo *echo, uint16_t port)
{
	return service_listen(port, on_accept, echo);
}
