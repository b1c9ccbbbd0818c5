/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * TCP's connections over the glue: how many it keeps of those that nobody uses, which begin anew,
 * and which would stand still. Needs no root.
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

/* Three segments are under way when the window closes behind the first, and the second is asked for
 * again: lwIP would put the third before it, and send neither. */
static void test_order(void)
{
	static const uint8_t data[3 * 536];
	struct lab_lwip *l = glue_start(0);
	struct tcp_pcb *listening, *pcb = tcp_new();
	struct lab_lwip_stats s;
	const uint16_t from = 6000;
	uint32_t lacks;

	tcp_bind(pcb, IP_ANY_TYPE, NIC_PORT);
	listening = tcp_listen(pcb);
	tcp_accept(listening, on_accept);
	nic_ask();
	nic.window = 4000;
	accepted = NULL;
	nic_arrive_tcp(from, 1000, 0, SYN);
	glue_turns(l, 1);
	lacks = last_seq() + 1;
	nic_arrive_tcp(from, 1001, lacks, ACK);
	glue_turns(l, 1);
	if (!tap_ok(accepted != NULL, "a connection with a window"))
		return;
	tcp_write(accepted, data, sizeof(data), TCP_WRITE_FLAG_COPY);
	tcp_output(accepted);
	glue_turns(l, 1);
	lacks += 536;
	nic.window = 0;
	for (unsigned i = 0; i < 5; i++)
		nic_arrive_tcp(from, 1001, lacks, ACK);
	glue_turns(l, 1);
	glue_wait(l, 10000); /* the timer of what is under way comes up */
	nic.window = 4000;
	nic_arrive_tcp(from, 1001, lacks, ACK);
	for (unsigned i = 0; i < 30; i++) {
		glue_wait(l, 1000);
		if (nic.last_length > 54 && last_seq() == lacks)
			lacks += nic.last_length - 54;
		nic_arrive_tcp(from, 1001, lacks, ACK);
	}
	glue_wait(l, 1000);
	lab_lwip_stats(l, &s);
	tap_ok(!accepted->unsent && !accepted->unacked && s.mended == 1,
	       "out of order, what it had to send was sent when its window opened");
	tcp_close(listening);
	tcp_abort(accepted);
	tap_ok(lab_lwip_destroy(l) == 0 && glue_home(), "and no frame is lost");
}

/* Clients that take nothing of what was sent to them, when the program has closed. */
static void test_orphans(void)
{
	static const uint8_t data[1000];
	struct lab_lwip *l = glue_start(0);
	struct tcp_pcb *listening, *pcb = tcp_new();
	struct lab_lwip_stats s;
	unsigned opened = 0, left = 0;

	tcp_bind(pcb, IP_ANY_TYPE, NIC_PORT);
	listening = tcp_listen(pcb);
	tcp_accept(listening, on_accept);
	nic_ask();
	for (unsigned i = 0; i < 1500; i++) {
		accepted = NULL;
		nic_arrive_tcp((uint16_t)(10000 + i), 1000, 0, SYN);
		glue_turns(l, 1);
		nic_arrive_tcp((uint16_t)(10000 + i), 1001, last_seq() + 1, ACK);
		glue_turns(l, 1);
		if (!accepted)
			break;
		opened++;
		tcp_write(accepted, data, sizeof(data), TCP_WRITE_FLAG_COPY);
		tcp_close(accepted);
	}
	for (pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
		left += pcb->state == FIN_WAIT_1;
	lab_lwip_stats(l, &s);
	tap_note("%u opened and closed, %u left, %llu forgotten", opened, left,
		 (unsigned long long)s.pruned);
	tap_ok(opened == 1500 && left >= 512 && left < 1024 && s.pruned > 500,
	       "of closed connections whose clients take nothing a bounded number is left");
	tcp_close(listening);
	tap_ok(lab_lwip_destroy(l) == 0 && glue_home(), "and no frame is lost");
}

int main(void)
{

	glue_pool();
	/* The first initialises lwIP, and only then can anybody listen. */
	tap_ok(lab_lwip_destroy(glue_start(0)) == 0, "a netif comes and goes");
	test_syn_flood();
	test_begins_anew();
	test_order();
	test_orphans();
	tap_ok(lab_pool_destroy(pool) == 0, "the pool is whole at the end");
	return tap_done();
}
