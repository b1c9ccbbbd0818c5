/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The controller's registers: offsets in BAR 0 and fields. NVM Express Base Specification 1.4,
 * section 3.1; the numbers behind the names are its subsections. Knows nothing else.
 */
#ifndef NVME_REGS_H
#define NVME_REGS_H

#include <stdint.h>

enum nvme_reg {
	NVME_CAP = 0x00,        /* 3.1.1, 64 bits */
	NVME_VS = 0x08,         /* 3.1.2 */
	NVME_CC = 0x14,         /* 3.1.5 */
	NVME_CSTS = 0x1c,       /* 3.1.6 */
	NVME_AQA = 0x24,        /* 3.1.8 */
	NVME_ASQ = 0x28,        /* 3.1.9, 64 bits */
	NVME_ACQ = 0x30,        /* 3.1.10, 64 bits */
	NVME_DOORBELLS = 0x1000 /* 3.1: SQyTDBL and CQyHDBL */
};

/** Entries of the largest queue. */
static inline uint32_t nvme_cap_entries(uint64_t cap)
{
	return (uint32_t)(cap & 0xffff) + 1;
}

/** Milliseconds within which RDY follows EN. */
static inline uint32_t nvme_cap_timeout_ms(uint64_t cap)
{
	return (uint32_t)(cap >> 24 & 0xff) * 500;
}

/** Bytes from one doorbell to the next. */
static inline uint32_t nvme_cap_stride(uint64_t cap)
{
	return 4u << (cap >> 32 & 0xf);
}

/** 1 if the controller has the NVM command set. */
static inline int nvme_cap_nvm(uint64_t cap)
{
	return (int)(cap >> 37 & 1);
}

/** log2 of the smallest memory page. */
static inline uint32_t nvme_cap_page_shift_min(uint64_t cap)
{
	return 12 + (uint32_t)(cap >> 48 & 0xf);
}

#define NVME_CC_EN           (1u << 0)
#define NVME_CC_SHN_MASK     (3u << 14)
#define NVME_CC_SHN_NORMAL   (1u << 14)
#define NVME_CC_IOSQES_SHIFT 16
#define NVME_CC_IOCQES_SHIFT 20

#define NVME_CSTS_RDY        (1u << 0)
#define NVME_CSTS_CFS        (1u << 1)
#define NVME_CSTS_SHST_MASK  (3u << 2)
#define NVME_CSTS_SHST_DONE  (2u << 2)
/** What a register of a device that is gone reads as. */
#define NVME_GONE UINT32_MAX

/** Submission queue @id's tail doorbell. */
static inline uint32_t nvme_sq_doorbell(uint32_t id, uint32_t stride)
{
	return NVME_DOORBELLS + 2 * id * stride;
}

/** Completion queue @id's head doorbell. */
static inline uint32_t nvme_cq_doorbell(uint32_t id, uint32_t stride)
{
	return NVME_DOORBELLS + (2 * id + 1) * stride;
}

#endif
