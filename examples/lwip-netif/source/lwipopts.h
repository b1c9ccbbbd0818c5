/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * lwIP's options for a build of its own source (meson's option lwip_source), beside the library
 * that Debian packages: one thread without locks, packets to be sent in one piece of memory each,
 * and that memory a frame, so that a packet is sent from where lwIP wrote it. What is not here has
 * the default of lwIP's opt.h.
 */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#include "frame_memory.h"

/* One thread: no mailboxes, no mutexes. */
#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN         0
#define LWIP_SOCKET          0
#define LWIP_PROVIDE_ERRNO   0

/* A packet's memory comes from frame_memory.c, everything else from pools of fixed size. */
#define MEM_ALIGNMENT           8
#define MEM_LIBC_MALLOC         1
#define mem_clib_malloc         lab_lwip_malloc
#define mem_clib_calloc         lab_lwip_calloc
#define mem_clib_free           lab_lwip_free
#define MEMP_MEM_MALLOC         0
#define MEMP_NUM_TCP_PCB        4096
#define MEMP_NUM_TCP_PCB_LISTEN 16
#define MEMP_NUM_TCP_SEG        61440 /* lwIP counts them in 16 bits */
#define MEMP_NUM_PBUF           1024
#define MEMP_NUM_UDP_PCB        64
#define MEMP_NUM_RAW_PCB        32
#define MEMP_NUM_ARP_QUEUE      64
#define MEMP_NUM_ND6_QUEUE      64
#define MEMP_NUM_IGMP_GROUP     64
#define MEMP_NUM_MLD6_GROUP     64
#define PBUF_POOL_SIZE          64

/* IP_REASS_MAX_PBUFS stays at lwIP's 10: it does not look whether the fragments of a datagram are
 * more than 64 KiB together, and ends the program at one of IPv6. */

/* A device takes a packet in one piece. */
#define LWIP_NETIF_TX_SINGLE_PBUF 1
#define LWIP_SUPPORT_CUSTOM_PBUF  1

/* Pointers of 64 bits do not fit into the header of a fragment. */
#define IPV6_FRAG_COPYHEADER 1

/* As Debian's, as far as a stack without sockets has it. */
#define LWIP_IPV4                     1
#define LWIP_IPV6                     1
#define LWIP_IGMP                     1
#define LWIP_RAW                      1
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 1
#define LWIP_IPV6_NUM_ADDRESSES       6
#define LWIP_TCP_KEEPALIVE            1
#define LWIP_STATS                    1
#define LWIP_STATS_LARGE              1
#define ARP_QUEUEING                  1
#define ARP_QUEUE_LEN                 10

/* A window fits the 16 bits of a pbuf chain's length; what is sent and not acknowledged need not.
 */
#define TCP_MSS               1460
#define LWIP_WND_SCALE        1
#define TCP_RCV_SCALE         0
#define TCP_WND               0xffff
#define TCP_SND_BUF           (256 * 1024)
#define TCP_SND_QUEUELEN      (4 * (TCP_SND_BUF / TCP_MSS))
#define TCP_SNDLOWAT          (TCP_SND_BUF / 8)
#define TCP_SNDQUEUELOWAT     (TCP_SND_QUEUELEN / 2)
#define LWIP_TCP_SACK_OUT     1
#define LWIP_CHECKSUM_ON_COPY 1

#endif
