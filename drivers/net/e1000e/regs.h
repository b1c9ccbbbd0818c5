/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The 82574L's registers and descriptors, as far as the driver uses them. Knows the hardware alone.
 *
 * Source of every constant: Intel 82574 GbE Controller Family, Datasheet, revision 3.4. Registers
 * stand in its chapter 10.2 "Register Descriptions", grouped as here; descriptors in 7.1 (receive)
 * and 7.2 (transmit).
 */
#ifndef E1000E_REGS_H
#define E1000E_REGS_H

#include <stdint.h>

#define PCI_VENDOR_INTEL   0x8086
#define PCI_DEVICE_82574L  0x10d3
#define E1000E_BAR         0
#define E1000E_BAR_BYTES   0x20000u   /* 128 KiB: 10.1 */
#define E1000E_GONE        UINT32_MAX /* what a read gives when nobody answers */
#define E1000E_MSIX_VECTOR 0u

/* 10.2.2 General */
#define REG_CTRL             0x0000
#define CTRL_MASTER_DISABLE  (1u << 2) /* no new transfers, please */
#define CTRL_SLU             (1u << 6) /* set link up */
#define CTRL_RST             (1u << 26)
#define REG_STATUS           0x0008
#define STATUS_LU            (1u << 1)      /* link up */
#define STATUS_SPEED(s)      ((s) >> 6 & 3) /* 0: 10, 1: 100, 2 and 3: 1000 Mbit/s */
#define STATUS_MASTER_ENABLE (1u << 19)     /* 0: no transfer is under way any more */
#define REG_EEC              0x0010
#define EEC_AUTO_RD          (1u << 9) /* the settings have been read from the NVM */
#define REG_CTRL_EXT         0x0018
#define CTRL_EXT_PBA_SUPPORT (1u << 31) /* for MSI-X */

/* 10.2.4 Interrupts */
#define REG_ICR       0x00c0
#define REG_ITR       0x00c4
#define REG_IMS       0x00d0
#define REG_IMC       0x00d8
#define REG_EIAC      0x00dc
#define REG_IVAR      0x00e4
#define IVAR_RXQ0(v)  ((v) | 1u << 3) /* vector, and valid */
#define IVAR_OTHER(v) ((v) << 16 | 1u << 19)
#define IRQ_LSC       (1u << 2)  /* the link went up or down */
#define IRQ_RXO       (1u << 6)  /* no descriptor left */
#define IRQ_RXT0      (1u << 7)  /* packets (INTx, MSI) */
#define IRQ_RXQ0      (1u << 20) /* packets (MSI-X) */
#define IRQ_OTHER     (1u << 24) /* anything else (MSI-X) */
#define IRQ_ALL       UINT32_MAX

/* Both rings' registers lie alike: RDBAL to RDT in 10.2.5, TDBAL to TDT in 10.2.6. */
#define RING_BASE_LOW  0x00
#define RING_BASE_HIGH 0x04
#define RING_BYTES     0x08
#define RING_HEAD      0x10
#define RING_TAIL      0x18
#define RING_MULTIPLE  8u /* of descriptors: its length is a multiple of 128 bytes */

/* 10.2.5 Receive */
#define REG_RCTL       0x0100
#define RCTL_EN        (1u << 1)
#define RCTL_UPE       (1u << 3)  /* unicast promiscuous */
#define RCTL_MPE       (1u << 4)  /* multicast promiscuous */
#define RCTL_BAM       (1u << 15) /* accept broadcast */
#define RCTL_BSIZE2048 0u         /* buffers of 2048 bytes */
#define RCTL_SECRC     (1u << 26) /* strip the checksum of the wire */
#define REG_RX_RING    0x2800
#define REG_RDT        (REG_RX_RING + RING_TAIL)
#define REG_RDTR       0x2820
#define REG_RADV       0x282c
#define REG_RXCSUM     0x5000
#define REG_RFCTL      0x5008
#define REG_MTA        0x5200
#define MTA_WORDS      128u
#define REG_RAL(i)     (0x5400 + 8 * (i))
#define REG_RAH(i)     (0x5404 + 8 * (i))
#define RAH_AV         (1u << 31) /* address valid */
#define RA_ENTRIES     16u
#define RA_OURS        1u  /* entry 0 is the own address, which is loaded from the NVM */
#define RA_EXTRA       14u /* the last one belongs to the management processor */
#define REG_MRQC       0x5818

/* 10.2.6 Transmit */
#define REG_TCTL           0x0400
#define TCTL_EN            (1u << 1)
#define TCTL_PSP           (1u << 3)   /* pad short packets */
#define TCTL_CT            (15u << 4)  /* retries after a collision, as IEEE 802.3 has it */
#define TCTL_COLD          (63u << 12) /* collision distance, full duplex */
#define REG_TIPG           0x0410
#define TIPG_COPPER        (8u | 8u << 10 | 6u << 20) /* gap between packets: IEEE 802.3 */
#define REG_TX_RING        0x3800
#define REG_TDT            (REG_TX_RING + RING_TAIL)
#define REG_TIDV           0x3820
#define REG_TXDCTL         0x3828
#define TXDCTL_WTHRESH_1   (1u << 16) /* write each finished descriptor back at once */
#define TXDCTL_COUNT_DESC  (1u << 22) /* count the descriptors that are to be processed */
#define TXDCTL_GRAN        (1u << 24) /* thresholds are in descriptors */
#define E1000E_TX_WIRE_MIN 17u        /* shortest packet that PSP can pad */

/* 10.2.7 Statistics: cleared by reading */
#define REG_CRCERRS 0x4000 /* wrong checksum of the wire */
#define REG_MPC     0x4010 /* missed: no room in the device's packet buffer */
#define REG_RFC     0x40a8 /* too short, and a wrong checksum */
#define REG_ROC     0x40ac /* too long */
#define REG_RJC     0x40b0 /* too long, and a wrong checksum */

/**
 * struct e1000e_desc - a descriptor of either ring, in the legacy format, little-endian.
 * @addr: where the packet starts.
 * @word: the other eight bytes. Received: length, checksum (not used), status, errors, VLAN. To be
 *	sent: length, checksum offset (not used), command, status, checksum start, VLAN.
 *
 * Legacy, because it has all that is wanted here: one buffer a packet and no offload; and because
 * its write-back changes the second word only, which is read at one point in time.
 */
struct e1000e_desc {
	uint64_t addr;
	uint64_t word;
};

#define DESC_DD      (1ull << 32) /* descriptor done, both ways */
#define RX_EOP       (1ull << 33) /* end of packet */
#define RX_LENGTH(w) ((uint32_t)(w)&0xffff)
#define RX_ERRORS    (0x97ull << 40) /* RXE, CXE, SEQ, SE, CE: not those of TCP and IP sums */
#define TX_EOP       (1ull << 24)
#define TX_IFCS      (1ull << 25) /* insert the checksum of the wire */
#define TX_RS        (1ull << 27) /* report status: set DD when done */

#endif
