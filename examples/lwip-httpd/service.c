/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Listening, and letting go.
 */
#include "service.h"

#include <stdio.h>

int service_listen(uint16_t port, tcp_accept_fn accept, void *arg)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY), *listening = NULL;

	if (pcb && tcp_bind(pcb, IP_ANY_TYPE, port) == ERR_OK)
		listening = tcp_listen(pcb);
	if (!listening) {
		fprintf(stderr,
			"lwip-httpd: nobody can listen on port %u: another service does already, "
			"or there is no memory\n",
			port);
		if (pcb)
			tcp_abort(pcb);
		return -1;
	}
	tcp_arg(listening, arg);
	tcp_accept(listening, accept);
	return 0;
}

/*
 * lwIP makes no segment longer than half of the widest window that it has seen, unless that is 0,
 * and asserts that none that waits is longer than one it would make now: a client whose window
 * begins closed and opens a little would end the program. So the window was wide, let us say.
 */
void service_begin(struct tcp_pcb *pcb)
{
	if (pcb->snd_wnd_max < 2u * pcb->mss)
		pcb->snd_wnd_max = 2u * pcb->mss;
}

enum service_next service_sent(struct tcp_pcb *pcb, enum service_next next)
{
	if (next == SERVICE_CLOSE && tcp_shutdown(pcb, 0, 1) != ERR_OK)
		return SERVICE_ABORT;
	return next;
}

struct pbuf *service_skip(struct pbuf *p)
{
	while (p && !p->len) {
		struct pbuf *next = p->next;

		p->next = NULL;
		pbuf_free(p);
		p = next;
	}
	return p;
}

void service_detach(struct tcp_pcb *pcb)
{
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_poll(pcb, NULL, 0);
	tcp_err(pcb, NULL);
}
