/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A connection reads one request after another, which http_parser takes apart, and answers each
 * before it looks at the next. What it has not looked at stays in the frames that it came in, and
 * out of the window that its sender sees.
 */
#include "http.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No release of it comes any more, but it was read and fuzzed for ten years, and Debian has no
 * llhttp. */
#include <http_parser.h>
#include <lwip/tcp.h>

#include "service.h"
#include "target.h"

/* Longest path, longest headers of a request, and of an answer. */
#define PATH_BYTES   1024u
#define HEADER_BYTES 8192u
#define ANSWER_BYTES 384u
/* lwIP's poll timer counts half seconds: look every two seconds, and give up after a minute. */
#define POLL_HALF_SECONDS 4
#define IDLE_POLLS        30
/* How long what still comes behind the last answer is taken. */
#define LINGER_POLLS 5
/* Most bytes for one tcp_write(), whose length has 16 bits. */
#define WRITE_MAX 0xf000u

/**
 * struct connection - one of them.
 * @in: received, and not looked at.
 * @idle: polls since an answer moved, or a request was complete: who dribbles one gets a minute.
 * @complete: the parser has all of a request.
 * @keep: the connection goes on behind this answer.
 * @ended: the other end sends no more.
 * @shut: this end sends no more.
 * @next: what is to become of it.
 * @too_long: the request's path.
 * @head, @head_len, @head_sent: the answer's headers, and how much of them TCP has.
 * @body, @body_left: what TCP has not got yet.
 */
struct connection {
	struct http *http;
	struct tcp_pcb *pcb;
	struct pbuf *in;
	uint8_t idle;
	bool complete;
	bool keep;
	bool ended;
	bool shut;
	bool too_long;
	enum service_next next;
	uint16_t path_len;
	uint16_t head_len;
	uint16_t head_sent;
	const char *body;
	uint64_t body_left;
	http_parser parser;
	char path[PATH_BYTES];
	char head[ANSWER_BYTES];
};

/* ---- the end ---- */

static void forget(struct connection *c)
{
	if (c->in)
		pbuf_free(c->in);
	c->http->connections--;
	free(c);
}

/* At once. Returns what lwIP's callback has to return then. */
static err_t give_up(struct connection *c)
{
	service_detach(c->pcb);
	tcp_abort(c->pcb);
	forget(c);
	return ERR_ABRT;
}

/* What was written is still sent. */
static err_t finish(struct connection *c)
{
	service_detach(c->pcb);
	/* lwIP resets a connection with data that nobody took: take it. */
	if (c->in)
		tcp_recved(c->pcb, c->in->tot_len);
	if (tcp_close(c->pcb) != ERR_OK)
		return give_up(c);
	forget(c);
	return ERR_OK;
}

/*
 * Sends no more, and throws away what still comes. Ended at once, lwIP would answer that with a
 * reset, and the other end would lose what it has not read of the answer (RFC 9112, 9.6).
 */
static err_t linger(struct connection *c)
{
	if (c->in) {
		tcp_recved(c->pcb, c->in->tot_len);
		pbuf_free(c->in);
		c->in = NULL;
	}
	if (!c->shut && tcp_shutdown(c->pcb, 0, 1) != ERR_OK)
		return give_up(c);
	c->shut = true;
	return ERR_OK;
}

/* ---- answers ---- */

static void answer(struct connection *c, const char *status, const char *type, const char *body,
		   uint64_t bytes)
{
	bool good = *status == '2';

	c->idle = 0;
	c->http->requests++;
	c->http->failed += !good;
	c->head_len = (uint16_t)snprintf(
		c->head, sizeof(c->head),
		"HTTP/1.1 %s\r\nServer: lwip-httpd\r\nContent-Type: %s\r\nContent-Length: %" PRIu64
		"\r\nConnection: %s\r\n%s\r\n",
		status, type, bytes, c->keep ? "keep-alive" : "close",
		good ? "" : "Allow: GET, HEAD\r\n");
	c->head_sent = 0;
	c->body = body;
	c->body_left = c->parser.method == HTTP_HEAD ? 0 : bytes;
}

/* A status whose page is its own name. The connection ends, unless the request was understood. */
static void complain(struct connection *c, const char *status, bool keep)
{
	c->keep = keep && c->keep;
	answer(c, status, "text/plain; charset=utf-8", status, strlen(status));
}

static void answer_request(struct connection *c)
{
	const struct file *file;

	c->complete = false;
	c->keep = http_should_keep_alive(&c->parser) && !c->parser.upgrade;
	if (c->parser.method != HTTP_GET && c->parser.method != HTTP_HEAD) {
		complain(c, "405 Method Not Allowed", !c->parser.upgrade);
	} else if (c->too_long) {
		complain(c, "414 URI Too Long", true);
	} else if (!target_decode(c->path)) {
		complain(c, "400 Bad Request", true);
	} else {
		file = files_find(c->http->files, c->path);
		if (file)
			answer(c, "200 OK", file->type, file->data, file->bytes);
		else
			complain(c, "404 Not Found", true);
	}
}

static bool answering(const struct connection *c)
{
	return c->head_sent < c->head_len || c->body_left;
}

/* Gives TCP as much as it takes of @data. Returns how much, or -1: the connection is no use. */
static int write_some(struct connection *c, const char *data, uint64_t left, u8_t flags)
{
	uint64_t n = left;

	if (n > tcp_sndbuf(c->pcb))
		n = tcp_sndbuf(c->pcb);
	if (n > WRITE_MAX)
		n = WRITE_MAX;
	while (n) {
		err_t err = tcp_write(c->pcb, data, (u16_t)n,
				      n < left ? flags | TCP_WRITE_FLAG_MORE : flags);

		if (err == ERR_OK)
			return (int)n;
		if (err != ERR_MEM)
			return -1;
		n /= 2; /* too many segments are queued: less, or none until some have left */
	}
	return 0;
}

static int push(struct connection *c)
{
	int n;

	while (c->head_sent < c->head_len) {
		n = write_some(c, c->head + c->head_sent, (uint64_t)(c->head_len - c->head_sent),
			       TCP_WRITE_FLAG_COPY | (c->body_left ? TCP_WRITE_FLAG_MORE : 0));
		if (n <= 0)
			return n;
		c->head_sent = (uint16_t)(c->head_sent + n);
	}
	while (c->body_left) {
		n = write_some(c, c->body, c->body_left,
			       0); /* it stays; this build copies it all the same */
		if (n <= 0)
			return n;
		c->body += n;
		c->body_left -= (uint64_t)n;
	}
	return 0;
}

/* ---- requests ---- */

static int on_begin(http_parser *parser)
{
	struct connection *c = parser->data;

	c->path_len = 0;
	c->too_long = false;
	return 0;
}

static int on_url(http_parser *parser, const char *at, size_t length)
{
	struct connection *c = parser->data;

	if (length >= sizeof(c->path) - c->path_len) {
		c->too_long = true;
		return 0;
	}
	memcpy(c->path + c->path_len, at, length);
	c->path_len = (uint16_t)(c->path_len + length);
	c->path[c->path_len] = 0;
	return 0;
}

static int on_complete(http_parser *parser)
{
	struct connection *c = parser->data;

	c->complete = true;
	http_parser_pause(parser, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_message_begin = on_begin,
	.on_url = on_url,
	.on_message_complete = on_complete,
};

/* Looks at what has come until a request is complete. */
static void parse(struct connection *c)
{
	while ((c->in = service_skip(c->in)) && !c->complete) {
		size_t n = http_parser_execute(&c->parser, &settings, c->in->payload, c->in->len);
		enum http_errno err = HTTP_PARSER_ERRNO(&c->parser);

		if (err == HPE_PAUSED) {
			http_parser_pause(&c->parser, 0);
		} else if (err != HPE_OK) {
			c->keep = false;
			complain(c,
				 err == HPE_HEADER_OVERFLOW ? "431 Request Header Fields Too Large"
							    : "400 Bad Request",
				 false);
			return;
		}
		tcp_recved(c->pcb, (u16_t)n);
		c->in = pbuf_free_header(c->in, (u16_t)n);
	}
}

/* Whatever can be done now. */
static enum service_next advance(struct connection *c)
{
	for (;;) {
		if (answering(c)) {
			if (push(c) < 0)
				return SERVICE_ABORT;
			if (answering(c))
				break; /* goes on when the other end has some of it */
			if (!c->keep)
				return SERVICE_CLOSE;
		}
		parse(c);
		if (c->complete)
			answer_request(c);
		if (!answering(c)) {
			if (c->ended)
				return SERVICE_CLOSE;
			break;
		}
	}
	tcp_output(c->pcb);
	return SERVICE_GO_ON;
}

static err_t act(struct connection *c)
{
	switch (c->next) {
	case SERVICE_CLOSE:
		return c->ended || c->idle > LINGER_POLLS ? finish(c) : linger(c);
	case SERVICE_ABORT:
		return give_up(c);
	default:
		return ERR_OK;
	}
}

/* ---- what lwIP calls ---- */

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct connection *c = arg;

	if (!p)
		c->ended = true;
	else if (c->in)
		pbuf_cat(c->in, p); /* at most a window: tot_len has 16 bits */
	else
		c->in = p;
	if (c->next == SERVICE_GO_ON)
		c->next = advance(c);
	return act(c);
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t length)
{
	struct connection *c = arg;

	if (c->next == SERVICE_GO_ON) {
		c->idle = 0;
		c->next = service_sent(pcb, advance(c));
		c->shut = c->next == SERVICE_CLOSE;
	}
	return ERR_OK;
}

static err_t on_poll(void *arg, struct tcp_pcb *pcb)
{
	struct connection *c = arg;

	/* At once: who has been silent for so long may not be there to take an end. */
	if (++c->idle > IDLE_POLLS)
		c->next = SERVICE_ABORT;
	else if (c->next == SERVICE_GO_ON)
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
	struct http *http = arg;
	struct connection *c;

	if (err != ERR_OK || !pcb)
		return ERR_VAL;
	c = http->connections < HTTP_CONNECTIONS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		http->refused++;
		tcp_abort(pcb);
		return ERR_ABRT;
	}
	c->http = http;
	c->pcb = pcb;
	http_parser_init(&c->parser, HTTP_REQUEST);
	c->parser.data = c;
	http->connections++;
	service_begin(pcb);
	tcp_nagle_disable(pcb); /* an answer's end is not to wait for the last acknowledgement */
	tcp_arg(pcb, c);
	tcp_recv(pcb, on_recv);
	tcp_sent(pcb, on_sent);
	tcp_err(pcb, on_err);
	tcp_poll(pcb, on_poll, POLL_HALF_SECONDS);
	return ERR_OK;
}

int http_listen(struct http *http, uint16_t port)
{
	http_parser_set_max_header_size(HEADER_BYTES);
	return service_listen(port, on_accept, http);
}
