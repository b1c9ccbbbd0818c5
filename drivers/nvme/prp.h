/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Physical region pages: how a command says where its data lies (NVM Express Base
 * Specification 1.4, sections 4.3 and 4.2). Knows addresses; knows no device, no queue and no pool.
 */
#ifndef NVME_PRP_H
#define NVME_PRP_H

#include <stdint.h>

/** Entries of a list page: 4096 bytes of 8 each. The last one leads to the next page, if there is
 * one. */
#define NVME_PRP_ENTRIES 512u

/**
 * struct nvme_prp_list - memory for the lists of one command: pages beside each other.
 * @entries: first entry of the first page.
 * @iova: its address for the device, 4096-aligned.
 */
struct nvme_prp_list {
	uint64_t *entries;
	uint64_t iova;
};

/** struct nvme_prp - a command's data pointer. */
struct nvme_prp {
	uint64_t prp1;
	uint64_t prp2;
};

/** lab_nvme_prp_pages() - list pages that a command with @frames frames needs. */
uint32_t lab_nvme_prp_pages(uint32_t frames);

/**
 * lab_nvme_prp_build() - describe frames to the device.
 * @list: room for lab_nvme_prp_pages(@n) pages; not touched where that is 0.
 * @iova: the frames' addresses, each 4096-aligned.
 * @n: how many; 0 gives a data pointer of zeros.
 *
 * Return: the data pointer.
 */
struct nvme_prp lab_nvme_prp_build(const struct nvme_prp_list *list, const uint64_t *iova,
				   uint32_t n);

#endif
