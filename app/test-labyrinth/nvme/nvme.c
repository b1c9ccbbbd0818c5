/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The NVMe driver as far as it needs no disk: PRP lists, walked as a controller would walk them;
 * what a status means; and what is refused before a device is touched.
 */
#include <stdint.h>

#include "../test.h"

#include <labyrinth/nvme.h>

#include "ctrl.h"
#include "prp.h"

TestSuite(nvme, .timeout = 60);

#define MOST        8192u /* frames of the largest command */
#define LIST_PAGES  17u
#define LIST_IOVA   0x7700000000u
#define GUARD       0xa5a5a5a5a5a5a5a5u
#define FRAME(i, n) (0x100000000u + (uint64_t)(i)*3 * 4096 + (uint64_t)(n)*0x10000000000u)

static uint64_t lists[(LIST_PAGES + 1) * NVME_PRP_ENTRIES];

/*
 * A controller's way through a data pointer (NVM Express Base 1.4, 4.3): PRP1 is a page; PRP2 is
 * the second of two, or leads to a list; the last entry of a list page leads to another one if
 * there is more left than one page. Every entry must be as it was given. Returns how many list
 * pages it saw.
 */
static uint32_t walk(const struct nvme_prp *prp, uint32_t n)
{
	uint64_t page = prp->prp2;
	uint32_t pages = 0, at = 0;

	cr_assert_eq(prp->prp1, n ? FRAME(0, n) : 0);
	if (n <= 2) {
		cr_assert_eq(prp->prp2, n == 2 ? FRAME(1, n) : 0, "%u frames", n);
		return 0;
	}
	for (uint32_t i = 1; i < n; i++) {
		uint64_t *list;

		if (at == 0) {
			cr_assert_eq(page, LIST_IOVA + (uint64_t)pages * 4096, "%u frames", n);
			pages++;
		}
		list = lists + (page - LIST_IOVA) / sizeof(*lists);
		if (at == NVME_PRP_ENTRIES - 1 && n - i > 1) {
			page = list[at];
			at = 0;
			i--;
			continue;
		}
		cr_assert_eq(list[at], FRAME(i, n), "frame %u of %u", i, n);
		at++;
	}
	return pages;
}

Test(nvme, a_controller_finds_every_frame)
{
	static uint64_t iova[MOST];
	struct nvme_prp_list list = {lists, LIST_IOVA};

	for (uint32_t n = 0; n <= MOST; n = n < 2100 ? n + 1 : n * 5 / 4) {
		struct nvme_prp prp;
		uint32_t pages = lab_nvme_prp_pages(n);

		cr_assert_leq(pages, LIST_PAGES);
		for (uint32_t i = 0; i < n; i++)
			iova[i] = FRAME(i, n);
		for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
			lists[i] = GUARD;
		prp = lab_nvme_prp_build(&list, iova, n);
		cr_assert_eq(walk(&prp, n), pages, "%u frames", n);
		for (size_t i = (size_t)pages * NVME_PRP_ENTRIES;
		     i < sizeof(lists) / sizeof(*lists); i++)
			cr_assert_eq(lists[i], GUARD, "%u frames: wrote behind its pages", n);
	}
}

Test(nvme, list_pages_at_their_boundaries)
{
	static const struct {
		uint32_t frames, pages;
	} expected[] = {{0, 0},   {1, 0},    {2, 0},    {3, 1},    {512, 1},  {513, 1},
			{514, 2}, {1024, 2}, {1025, 3}, {1535, 3}, {1536, 4}, {MOST, LIST_PAGES}};

	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		cr_assert_eq(lab_nvme_prp_pages(expected[i].frames), expected[i].pages, "%u frames",
			     expected[i].frames);
}

Test(nvme, every_status_has_words_and_an_errno)
{
	for (uint32_t status = 0; status < 0x800; status++) {
		const char *text = lab_nvme_status_text((uint16_t)status);
		int err = lab_nvme_status_errno((uint16_t)status);

		cr_assert_not_null(text);
		cr_assert(status == 0 ? err == 0 : err < 0, "status 0x%03x gives %d", status, err);
		cr_assert_eq(status == 0, strcmp(text, "success") == 0);
	}
	cr_assert_eq(lab_nvme_status_errno(0x080), -ERANGE);
	cr_assert_str_eq(lab_nvme_status_text(0x080), "logical block out of range");
	cr_assert_eq(lab_nvme_status_errno(0x00b), -EINVAL);
	cr_assert_eq(lab_nvme_status_errno(0x008), -ECANCELED);
	cr_assert_eq(lab_nvme_status_errno(0x281), -EIO);
	cr_assert(strstr(lab_nvme_status_text(0x7ff), "vendor"));
}

static void open_refused(const struct lab_nvme_config *config, const char *part)
{
	errno = 0;
	cr_assert_null(lab_nvme_open(config));
	cr_assert_eq(errno, EINVAL);
	text_has(part, NULL);
}

Test(nvme, a_wrong_configuration_is_refused_by_name)
{
	struct lab_pool *pool = small_pool(64, 0);
	struct lab_nvme_config good = {.device = "0000:01:00.0", .pool = pool}, c;

	open_refused(NULL, "configuration");
	c = good;
	c.device = NULL;
	open_refused(&c, "device");
	c = good;
	c.pool = NULL;
	open_refused(&c, "pool");
	c = good;
	c.queues = LAB_NVME_QUEUES_MAX + 1;
	open_refused(&c, "65 queues: ask for at most 64");
	c = good;
	c.max_transfer = LAB_NVME_TRANSFER_MAX + 4096;
	open_refused(&c, "max_transfer of 33558528");
	c = good;
	c.max_transfer = 5000;
	open_refused(&c, "multiple of 4096");
	c = good;
	c.flags = 2;
	open_refused(&c, "flags 0x2");
	cr_assert_eq(lab_nvme_close(NULL), 0);
	cr_assert_eq(lab_nvme_queue_destroy(NULL), 0);
	end_whole(pool);
}
