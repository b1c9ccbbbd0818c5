/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Commands, completions and what Identify returns, as they lie in memory: little-endian, as this
 * machine is. NVM Express Base Specification 1.4; the numbers behind the names are its sections.
 * Knows nothing else.
 */
#ifndef NVME_SPEC_H
#define NVME_SPEC_H

#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "NVMe's structures are little-endian");

/** Admin commands (5), then NVM commands (6). */
enum nvme_opcode {
	NVME_ADMIN_DELETE_SQ = 0x00,
	NVME_ADMIN_CREATE_SQ = 0x01,
	NVME_ADMIN_DELETE_CQ = 0x04,
	NVME_ADMIN_CREATE_CQ = 0x05,
	NVME_ADMIN_IDENTIFY = 0x06,
	NVME_ADMIN_SET_FEATURES = 0x09,
	NVME_FLUSH = 0x00,
	NVME_WRITE = 0x01,
	NVME_READ = 0x02,
};

/** 5.15.1: the CNS field of Identify. */
enum nvme_cns {
	NVME_CNS_NAMESPACE = 0,
	NVME_CNS_CONTROLLER = 1,
	NVME_CNS_ACTIVE_LIST = 2,
};

/** Numbers in one page of the active namespace list (5.15.2.3). */
#define NVME_LIST_MAX 1024u

/** 5.21.1.7: the feature Number of Queues. */
#define NVME_FEATURE_QUEUES 0x07u

/** 5.3, 5.4: dword 11 of Create I/O Completion Queue and Create I/O Submission Queue. */
#define NVME_QUEUE_CONTIGUOUS (1u << 0)
#define NVME_QUEUE_INTERRUPT  (1u << 1)

/** struct nvme_sqe - a command (4.2). */
struct nvme_sqe {
	uint8_t opcode;
	uint8_t flags; /* 0: PRPs, not fused */
	uint16_t cid;
	uint32_t nsid;
	uint32_t cdw2;
	uint32_t cdw3;
	uint64_t metadata;
	uint64_t prp1;
	uint64_t prp2;
	uint32_t cdw10;
	uint32_t cdw11;
	uint32_t cdw12;
	uint32_t cdw13;
	uint32_t cdw14;
	uint32_t cdw15;
};
_Static_assert(sizeof(struct nvme_sqe) == 64, "4.2: 64 bytes");

/** struct nvme_cqe - a completion (4.6). */
struct nvme_cqe {
	uint32_t value;
	uint32_t reserved;
	uint16_t sq_head;
	uint16_t sq_id;
	uint16_t cid;
	uint16_t status; /* bit 0: phase; 1-8 status code, 9-11 its type; 15: do not retry */
};
_Static_assert(sizeof(struct nvme_cqe) == 16, "4.6: 16 bytes");

#define NVME_SQE_SHIFT 6
#define NVME_CQE_SHIFT 4

/** struct nvme_id_controller - what is used of Identify Controller (5.15.2.2). */
struct nvme_id_controller {
	uint16_t vendor;
	uint16_t subsystem_vendor;
	char serial[20];
	char model[40];
	char firmware[8];
	uint8_t unused72[5];
	uint8_t mdts; /* log2 of the largest transfer in smallest pages; 0: no limit */
	uint8_t unused78[434];
	uint8_t sqes; /* log2 of a command's size: 0-3 least, 4-7 most */
	uint8_t cqes; /* likewise, of a completion */
	uint16_t max_commands;
	uint32_t namespaces;
	uint8_t unused520[5];
	uint8_t vwc; /* bit 0: there is a volatile write cache */
	uint8_t unused526[3570];
};
_Static_assert(sizeof(struct nvme_id_controller) == 4096, "5.15.2.2: 4096 bytes");
_Static_assert(__builtin_offsetof(struct nvme_id_controller, mdts) == 77, "5.15.2.2");
_Static_assert(__builtin_offsetof(struct nvme_id_controller, sqes) == 512, "5.15.2.2");
_Static_assert(__builtin_offsetof(struct nvme_id_controller, vwc) == 525, "5.15.2.2");

/** struct nvme_id_namespace - what is used of Identify Namespace (5.15.2.1). */
struct nvme_id_namespace {
	uint64_t blocks;
	uint64_t capacity;
	uint64_t used;
	uint8_t features;
	uint8_t formats; /* less one */
	uint8_t format;  /* 0-3: which of format[] it has; from 2.0 on 5-6 above them */
	uint8_t unused27[101];
	struct {
		uint16_t metadata;
		uint8_t block_shift;
		uint8_t performance;
	} lba[64];
	uint8_t unused384[3712];
};
_Static_assert(sizeof(struct nvme_id_namespace) == 4096, "5.15.2.1: 4096 bytes");
_Static_assert(__builtin_offsetof(struct nvme_id_namespace, lba) == 128, "5.15.2.1");

#endif
