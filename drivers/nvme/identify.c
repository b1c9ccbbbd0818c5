/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What a controller and its namespaces are (NVM Express Base Specification 1.4, section 5.15).
 * Knows the admin queue; knows no I/O queue and no frame.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctrl.h"
#include "error.h"

#define VERSION_1_1     0x00010100u
#define BLOCK_SHIFT_MIN 9u

static int identify(struct lab_nvme *nvme, enum nvme_cns cns, uint32_t nsid, const char *what)
{
	struct nvme_sqe command = {
		.opcode = NVME_ADMIN_IDENTIFY,
		.nsid = nsid,
		.prp1 = nvme->admin.page_iova,
		.cdw10 = cns,
	};

	return lab_nvme_admin_run(nvme, &command, what, NULL);
}

/* ASCII, filled up with spaces (1.5). */
static void copy_text(char *to, const char *from, size_t n)
{
	memcpy(to, from, n);
	to[n] = 0;
	while (n && (to[n - 1] == ' ' || to[n - 1] == 0))
		to[--n] = 0;
}

/* The least of three limits. The controller's is in units of its smallest page, which is a frame.
 */
static uint32_t transfer_limit(uint8_t mdts, uint32_t wanted)
{
	uint64_t most = mdts && mdts < 32 ? (uint64_t)NVME_PAGE << mdts : LAB_NVME_TRANSFER_MAX;

	return most < wanted ? (uint32_t)most : wanted;
}

static int identify_controller(struct lab_nvme *nvme, uint32_t max_transfer, uint32_t *last)
{
	const struct nvme_id_controller *id = nvme->admin.page;
	struct lab_nvme_info *info = &nvme->info;
	int rc = identify(nvme, NVME_CNS_CONTROLLER, 0, "identifying the controller");

	if (rc)
		return rc;
	if ((id->sqes & 15) > NVME_SQE_SHIFT || id->sqes >> 4 < NVME_SQE_SHIFT ||
	    (id->cqes & 15) > NVME_CQE_SHIFT || id->cqes >> 4 < NVME_CQE_SHIFT)
		return lab_fail(ENOTSUP,
				"%s: the controller cannot have commands of 64 and completions of "
				"16 bytes (SQES 0x%02x, CQES 0x%02x)",
				nvme->name, id->sqes, id->cqes);
	info->vendor = id->vendor;
	copy_text(info->serial, id->serial, sizeof(id->serial));
	copy_text(info->model, id->model, sizeof(id->model));
	copy_text(info->firmware, id->firmware, sizeof(id->firmware));
	info->volatile_cache = id->vwc & 1;
	info->max_transfer = transfer_limit(id->mdts, max_transfer);
	*last = id->namespaces;
	return 0;
}

/* Numbers of namespaces that may be active, into @list: how many. Before 1.1 they are 1 to NN. */
static int list_namespaces(struct lab_nvme *nvme, uint32_t last, uint32_t *list)
{
	uint32_t n = 0;
	int rc;

	if (nvme->info.version < VERSION_1_1) {
		for (; n < last && n < NVME_LIST_MAX; n++)
			list[n] = n + 1;
		return (int)n;
	}
	rc = identify(nvme, NVME_CNS_ACTIVE_LIST, 0, "listing the namespaces");
	if (rc)
		return rc;
	memcpy(list, nvme->admin.page, NVME_LIST_MAX * sizeof(*list));
	while (n < NVME_LIST_MAX && list[n])
		n++;
	return (int)n;
}

/* The namespace joins those that can be used, if it has blocks at all. */
static int identify_namespace(struct lab_nvme *nvme, uint32_t nsid)
{
	const struct nvme_id_namespace *id = nvme->admin.page;
	struct lab_nvme_namespace *ns = &nvme->ns[nvme->info.namespaces];
	uint32_t format;
	int rc = identify(nvme, NVME_CNS_NAMESPACE, nsid, "identifying a namespace");

	if (rc)
		return rc;
	format = (id->format & 15u) | (id->formats > 15 ? id->format >> 1 & 0x30u : 0);
	if (!id->blocks || id->lba[format].block_shift < BLOCK_SHIFT_MIN ||
	    id->lba[format].block_shift > 31)
		return 0;
	ns->nsid = nsid;
	ns->blocks = id->blocks;
	ns->block_size = 1u << id->lba[format].block_shift;
	ns->metadata = id->lba[format].metadata;
	nvme->info.namespaces++;
	return 0;
}

int lab_nvme_identify(struct lab_nvme *nvme, uint32_t max_transfer)
{
	uint32_t last = 0, *list;
	int n, rc = identify_controller(nvme, max_transfer, &last);

	if (rc)
		return rc;
	list = calloc(NVME_LIST_MAX, sizeof(*list));
	nvme->ns = calloc(NVME_LIST_MAX, sizeof(*nvme->ns));
	if (!list || !nvme->ns) {
		free(list);
		return lab_fail(ENOMEM, "%s: no memory for its namespaces", nvme->name);
	}
	n = list_namespaces(nvme, last, list);
	rc = n < 0 ? n : 0;
	for (int i = 0; i < n && !rc; i++)
		rc = identify_namespace(nvme, list[i]);
	free(list);
	return rc;
}
