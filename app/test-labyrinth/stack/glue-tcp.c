/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * TCP's connections over the glue: how many it keeps of those that nobody uses, and which begin
 * anew.
 */
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>

#include "../net/tap.h"
#include "glue-nic.h"

static unsigned half_open(void)
{
	unsigned n = 0;

	for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
		n += pcb->state == SYN_RCVD;
	return n;
}

static void test_syn_flood(void)
{
	struct lab_lwip *l = glue_start(0);
	struct tcp_pcb *listening;
	struct lab_lwip_stats s;
	struct tcp_pcb *pcb = tcp_new();
	unsigned most = 0;

	tcp_bind(pcb, IP_ANY_TYPE, NIC_PORT);
	listening = tcp_listen(pcb);
	for (unsigned i = 0; i < 3000; i++) {
		nic_arrive_tcp((uint16_t)(10000 + i), i << 16, 0, SYN);
		glue_turns(l, 1);
		most = half_open() > most ? half_open() : most;
	}
	lab_lwip_stats(l, &s);
	tap_note("half open at most %u, forgotten %llu", most, (unsigned long long)s.pruned);
	tap_ok(most >= 512 && most < 1024 && s.pruned > 2000,
	       "a flood of SYNs leaves a bounded number half open");
	tcp_close(listening);
	tap_ok(lab_lwip_destroy(l) == 0 && glue_home(), "and no frame is lost");
}

static struct tcp_pcb *accepted;

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	accepted = pcb;
	return ERR_OK;
}

static uint32_t last_seq(void)
{
	const uint8_t *tcp = nic.last + 34;

	return (uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 | (uint32_t)tcp[6] << 8 | tcp[7];
}

/* The server ends a connection first, and the client takes the same port for its next. */
static void test_begins_anew(void)
{
	struct lab_lwip *l = glue_start(0);
	struct tcp_pcb *listening, *pcb = tcp_new();
	const uint16_t from = 5000;
	uint32_t seq = 1000;

	tcp_bind(pcb, IP_ANY_TYPE, NIC_PORT);
	listening = tcp_listen(pcb);
	tcp_accept(listening, on_accept);
	nic_ask(); /* so that it knows the client */
	for (unsigned i = 0; i < 3; i++, seq += 100) {
		accepted = NULL;
		nic_arrive_tcp(from, seq, 0, SYN);
		glue_turns(l, 1);
		tap_ok(nic.last[47] == (SYN | ACK), "a connection from the same port is taken");
		nic_arrive_tcp(from, seq + 1, last_seq() + 1, ACK);
		glue_turns(l, 1);
		if (!accepted)
			break;
		tcp_close(accepted);
		glue_turns(l, 1);
		nic_arrive_tcp(from, seq + 1, last_seq() + 1, FIN | ACK);
		glue_turns(l, 1);
	}
	tap_ok(accepted && tcp_tw_pcbs && !tcp_tw_pcbs->next && !tcp_active_pcbs,
	       "and of all of them the last is remembered");
	nic_arrive_tcp(from, 1000, 0, SYN);
	glue_turns(l, 1);
	tap_ok(nic.last[47] == ACK && tcp_tw_pcbs, "which an older SYN does not change");
	tcp_close(listening);
	while (tcp_tw_pcbs)
		tcp_abort(tcp_tw_pcbs);
	tap_ok(lab_lwip_destroy(l) == 0 && glue_home(), "and no frame is lost");
}

void glue_tcp(void)
{
	test_syn_flood();
	test_begins_anew();
}
