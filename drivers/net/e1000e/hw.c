/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The 82574L's registers: reset, start, link, address filters, interrupts, statistics. Knows no
 * pool, and of frames only where the rings lie.
 *
 * A device that was pulled out reads as all ones, so every wait here is bounded, and what is read
 * is believed only after it was compared with that.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <labyrinth/labyrinth.h>

#include "e1000e.h"
#include "error.h"

/* 10.2.2.1: how long transfers under way may take to end. */
#define MASTER_MS 100
/* 4.6.3: the reset itself takes about a microsecond, reading the NVM some milliseconds. */
#define RESET_MS 100
#define NVM_MS   500
/* After the NVM the device still sets up its PHY by itself, and does not say when it is done. */
#define PHY_MS 25

static uint32_t get(const struct e1000e *x, uint32_t reg)
{
	return lab_mmio_read32(x->regs, reg);
}

static void set(struct e1000e *x, uint32_t reg, uint32_t value)
{
	lab_mmio_write32(x->regs, reg, value);
}

/* Posted writes reach the device before a read returns from it. */
static void flush(struct e1000e *x)
{
	(void)get(x, REG_STATUS);
}

static void sleep_ms(unsigned ms)
{
	const struct timespec t = {.tv_nsec = (long)ms * 1000000};

	nanosleep(&t, NULL);
}

/* Until (register & mask) == want, for @ms at most; false if that does not happen. */
static bool await(struct e1000e *x, uint32_t reg, uint32_t mask, uint32_t want, unsigned ms)
{
	for (unsigned i = 0;; i++) {
		uint32_t value = get(x, reg);

		if (value != E1000E_GONE && (value & mask) == want)
			return true;
		if (i == ms)
			return false;
		sleep_ms(1);
	}
}

int lab_e1000e_reset(struct e1000e *x)
{
	set(x, REG_IMC, IRQ_ALL);
	set(x, REG_RCTL, 0);
	set(x, REG_TCTL, TCTL_PSP);
	flush(x);
	/*
	 * A reset in the middle of a transfer would leave the bus waiting for its rest, so first
	 * let none begin, and those under way end.
	 */
	set(x, REG_CTRL, get(x, REG_CTRL) | CTRL_MASTER_DISABLE);
	if (!await(x, REG_STATUS, STATUS_MASTER_ENABLE, 0, MASTER_MS))
		return lab_fail(EIO,
				"%s: the device does not end its transfers (STATUS is 0x%08x): it "
				"is gone, or broken",
				x->netdev.name, get(x, REG_STATUS));
	set(x, REG_CTRL, get(x, REG_CTRL) | CTRL_RST);
	sleep_ms(1); /* not to be read during the first microsecond */
	if (!await(x, REG_CTRL, CTRL_RST, 0, RESET_MS) ||
	    !await(x, REG_EEC, EEC_AUTO_RD, EEC_AUTO_RD, NVM_MS))
		return lab_fail(
			EIO,
			"%s: the device does not come out of its reset (CTRL is 0x%08x, EEC "
			"0x%08x): it is gone, or broken",
			x->netdev.name, get(x, REG_CTRL), get(x, REG_EEC));
	sleep_ms(PHY_MS);
	set(x, REG_IMC, IRQ_ALL);
	set(x, REG_ICR, IRQ_ALL);
	flush(x);
	return 0;
}

int lab_e1000e_read_mac(struct e1000e *x)
{
	uint32_t low = get(x, REG_RAL(0)), high = get(x, REG_RAH(0));
	uint8_t *mac = x->netdev.mac;

	for (unsigned i = 0; i < 4; i++)
		mac[i] = (uint8_t)(low >> 8 * i);
	mac[4] = (uint8_t)high;
	mac[5] = (uint8_t)(high >> 8);
	/* A group's address, as all ones is too, or none: the NVM is empty or nobody answers. */
	if (mac[0] & 1 || !(low | (high & 0xffff)))
		return lab_fail(EIO,
				"%s: its NVM holds no Ethernet address (RAL is 0x%08x, RAH 0x%08x)",
				x->netdev.name, low, high);
	return 0;
}

static void start_ring(struct e1000e *x, const struct e1000e_ring *ring, uint32_t regs)
{
	set(x, regs + RING_BASE_LOW, (uint32_t)ring->run.iova);
	set(x, regs + RING_BASE_HIGH, (uint32_t)(ring->run.iova >> 32));
	set(x, regs + RING_BYTES, ring->size * (uint32_t)sizeof(struct e1000e_desc));
	set(x, regs + RING_HEAD, 0);
	set(x, regs + RING_TAIL, 0);
}

void lab_e1000e_start(struct e1000e *x)
{
	set(x, REG_CTRL, get(x, REG_CTRL) | CTRL_SLU);

	for (unsigned i = 0; i < MTA_WORDS; i++)
		set(x, REG_MTA + 4 * i, 0);
	lab_e1000e_set_macs(x, NULL, 0);

	/* One vector for everything; without MSI-X the device does not look at IVAR. */
	set(x, REG_IVAR, IVAR_RXQ0(E1000E_MSIX_VECTOR) | IVAR_OTHER(E1000E_MSIX_VECTOR));
	if (x->msix)
		set(x, REG_CTRL_EXT, get(x, REG_CTRL_EXT) | CTRL_EXT_PBA_SUPPORT);
	set(x, REG_EIAC, 0);
	set(x, REG_ITR, 0);

	start_ring(x, &x->rx, REG_RX_RING);
	set(x, REG_RDTR, 0);
	set(x, REG_RADV, 0);
	set(x, REG_RXCSUM, 0);
	set(x, REG_RFCTL, 0); /* legacy descriptors */
	set(x, REG_MRQC, 0);  /* one queue */
	set(x, REG_RCTL, RCTL_EN | RCTL_BAM | RCTL_BSIZE2048 | RCTL_SECRC);

	start_ring(x, &x->tx, REG_TX_RING);
	set(x, REG_TIDV, 0);
	set(x, REG_TXDCTL, TXDCTL_GRAN | TXDCTL_COUNT_DESC | TXDCTL_WTHRESH_1);
	set(x, REG_TIPG, TIPG_COPPER);
	set(x, REG_TCTL, TCTL_EN | TCTL_PSP | TCTL_CT | TCTL_COLD);
	flush(x);
	lab_e1000e_count(x); /* reading clears them, and what was before does not count */
	memset(&x->stats, 0, sizeof(x->stats));
}

int lab_e1000e_link_up(struct e1000e *x, uint32_t *mbits)
{
	static const uint32_t speed[] = {10, 100, 1000, 1000};
	uint32_t status = get(x, REG_STATUS);

	*mbits = 0;
	if (status == E1000E_GONE || !(status & STATUS_LU))
		return 0;
	*mbits = speed[STATUS_SPEED(status)];
	return 1;
}

void lab_e1000e_set_promiscuous(struct e1000e *x, bool on)
{
	uint32_t rctl = get(x, REG_RCTL) & ~(RCTL_UPE | RCTL_MPE);

	set(x, REG_RCTL, on ? rctl | RCTL_UPE | RCTL_MPE : rctl);
	flush(x);
}

void lab_e1000e_set_macs(struct e1000e *x, const uint8_t (*macs)[LAB_MAC_SIZE], unsigned n)
{
	/*
	 * Each entry is switched off before its halves change, so that no mixture of two addresses
	 * is ever valid.
	 */
	for (unsigned i = 0; i < RA_EXTRA; i++)
		set(x, REG_RAH(RA_OURS + i), 0);
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *mac = macs[i];

		set(x, REG_RAL(RA_OURS + i),
		    mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 |
			    (uint32_t)mac[3] << 24);
		set(x, REG_RAH(RA_OURS + i), mac[4] | (uint32_t)mac[5] << 8 | RAH_AV);
	}
	flush(x);
}

void lab_e1000e_arm(struct e1000e *x)
{
	set(x, REG_ICR, IRQ_ALL);
	/* A cause that came in between is raised by this write: none is lost. */
	set(x, REG_IMS, IRQ_RXT0 | IRQ_RXO | IRQ_LSC | IRQ_RXQ0 | IRQ_OTHER);
	flush(x);
}

void lab_e1000e_disarm(struct e1000e *x)
{
	set(x, REG_IMC, IRQ_ALL);
}

void lab_e1000e_count(struct e1000e *x)
{
	/*
	 * Without RUC, packets that are too short but whole: an emulated device counts there what
	 * the sender left unpadded, and delivers it all the same.
	 */
	static const uint16_t broken[] = {REG_CRCERRS, REG_RFC, REG_ROC, REG_RJC};
	uint32_t missed = get(x, REG_MPC);
	uint64_t dropped = 0;

	for (unsigned i = 0; i < sizeof(broken) / sizeof(*broken); i++)
		dropped += get(x, broken[i]);
	/* Asked last: a device that answers now has answered before. */
	if (get(x, REG_STATUS) == E1000E_GONE)
		return;
	x->stats.missed_no_frame += missed;
	x->stats.missed_dropped += dropped;
}
