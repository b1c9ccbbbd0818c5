/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Physical region pages, built. Knows addresses; knows no device, no queue and no pool.
 */
#include <string.h>

#include "prp.h"

/*
 * One frame: PRP1. Two: PRP1 and PRP2. More: PRP1, and PRP2 leads to a list of the other n - 1. A
 * page holds 512 of them if it is the last, and 511 and the next page's address if it is not. So p
 * pages hold 511 * p + 1, and the least p with 511 * p + 1 >= n - 1 is:
 */
uint32_t lab_nvme_prp_pages(uint32_t frames)
{
	return frames <= 2 ? 0 : 1 + (frames - 3) / (NVME_PRP_ENTRIES - 1);
}

struct nvme_prp lab_nvme_prp_build(const struct nvme_prp_list *list, const uint64_t *iova,
				   uint32_t n)
{
	struct nvme_prp prp = {0, 0};
	uint64_t *entry, page;

	if (n >= 1)
		prp.prp1 = iova[0];
	if (n == 2)
		prp.prp2 = iova[1];
	if (n <= 2)
		return prp;
	entry = list->entries;
	page = list->iova;
	prp.prp2 = page;
	for (iova++, n--; n > NVME_PRP_ENTRIES; n -= NVME_PRP_ENTRIES - 1) {
		memcpy(entry, iova, (NVME_PRP_ENTRIES - 1) * sizeof(*entry));
		page += NVME_PRP_ENTRIES * sizeof(*entry);
		entry[NVME_PRP_ENTRIES - 1] = page;
		entry += NVME_PRP_ENTRIES;
		iova += NVME_PRP_ENTRIES - 1;
	}
	memcpy(entry, iova, n * sizeof(*entry));
	return prp;
}
