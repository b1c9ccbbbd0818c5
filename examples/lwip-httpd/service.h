/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What every service on lwIP's TCP begins and ends with. Knows lwIP; knows no protocol.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <lwip/tcp.h>

/** service_listen() - have @accept called, with @arg, for each connection to a port of any address.
 * Return: 0, or -1 with a sentence on stderr. */
int service_listen(uint16_t port, tcp_accept_fn accept, void *arg);

/** service_begin() - for a connection that was just accepted: see service.c. */
void service_begin(struct tcp_pcb *pcb);

/** service_skip() - free the pbufs at the head of a chain that have no bytes: TCP hands out such
 * when its own header came in another IP fragment than the data. Return: the rest, NULL if there is
 * none. */
struct pbuf *service_skip(struct pbuf *p);

/** enum service_next - what is to become of a connection. */
enum service_next { SERVICE_GO_ON, SERVICE_CLOSE, SERVICE_ABORT };

/**
 * service_sent() - what a "sent" callback does instead of ending its connection.
 * @next: what it would like.
 *
 * lwIP delivers an acknowledgement before the data that came with it, and loses that data, memory
 * and all, if the connection ends in between (tcp_in.c, "aborted:"). So here a connection only says
 * that it sends no more; the end comes with what arrives next, or with the poll timer.
 *
 * Return: what is left to do then.
 */
enum service_next service_sent(struct tcp_pcb *pcb, enum service_next next);

/** service_detach() - no callback is called for @pcb any more. */
void service_detach(struct tcp_pcb *pcb);

#endif
