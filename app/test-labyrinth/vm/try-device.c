/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Does what a driver does, step by step, and says where it was refused and how: for scripts that
 * set limits and look what the refusal says.
 *
 *	try-device [OPTION...] ADDRESS
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

struct wish {
	struct lab_domain_config domain;
	uint64_t frames;
	unsigned lend;
	size_t page_size;
	int copy, hold;
	const char *address;
};

static const struct argp_option options[] = {
	{"backend", 'b', "NAME", 0, "iommufd, type1 or noiommu", 0},
	{"bits", 'a', "N", 0, "no wider addresses", 0},
	{"strict", 's', NULL, 0, "a strict domain", 0},
	{"frames", 'f', "N", 0, "frames of the pool (512)", 0},
	{"ordinary", 'o', NULL, 0, "on ordinary pages", 0},
	{"lend", 'l', "N", 0, "lend so many", 0},
	{"copy", 'c', NULL, 0, "let the device (edu) copy a frame", 0},
	{"hold", 'h', NULL, 0, "say \"holding\" and wait to be killed", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct wish *w = state->input;

	switch (key) {
	case 'b':
		w->domain.backend = arg;
		break;
	case 'a':
		w->domain.address_bits = (uint32_t)strtoul(arg, NULL, 10);
		break;
	case 's':
		w->domain.mode = LAB_DOMAIN_STRICT;
		break;
	case 'f':
		w->frames = strtoull(arg, NULL, 10);
		break;
	case 'o':
		w->page_size = LAB_PAGE_4K;
		break;
	case 'l':
		w->lend = (unsigned)strtoul(arg, NULL, 10);
		break;
	case 'c':
		w->copy = 1;
		break;
	case 'h':
		w->hold = 1;
		break;
	case ARGP_KEY_ARG:
		w->address = arg;
		break;
	case ARGP_KEY_END:
		if (!w->address)
			argp_error(state, "name a device");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static int refused(const char *step)
{
	printf("%s: %s: %s\n", step, strerrorname_np(errno), lab_error_text());
	return -1;
}

static int lend(struct lab_device *dev, struct lab_pool *pool, unsigned n)
{
	void **frames = guest_must(calloc(n, sizeof(*frames)), "memory");
	unsigned lent;
	int rc = 0;

	guest_must_be(lab_alloc_bulk(pool, frames, n, LAB_GFP_EXCLUSIVE), 0, "frames");
	lent = lab_device_lend(dev, pool, frames, n, NULL);
	if (lent < n) {
		printf("%u of %u lent; ", lent, n);
		rc = refused("lend");
	}
	guest_must_be(lab_device_take_back(dev, pool, frames, lent), lent, "take back");
	guest_must_be(lab_free_bulk(pool, frames, n), 0, "free");
	free(frames);
	return rc;
}

static int copy(struct lab_edu *edu, struct lab_pool *pool)
{
	void *frame[2];
	int rc;

	guest_must_be(lab_alloc_bulk(pool, frame, 2, LAB_GFP_EXCLUSIVE), 0, "frames");
	guest_fill(frame[0], LAB_FRAME_SIZE, 1);
	rc = lab_edu_copy(edu, pool, frame[1], frame[0]);
	if (rc)
		rc = refused("copy");
	else if (!guest_is_filled(frame[1], LAB_FRAME_SIZE, 1))
		rc = printf("copy: what arrived is not what was sent\n");
	lab_free_bulk(pool, frame, 2);
	return rc;
}

static int use(const struct wish *w, struct lab_domain *domain, struct lab_pool *pool)
{
	struct lab_edu *edu = lab_edu_open(domain, w->address);
	int rc = 0;

	if (!edu)
		return refused("open");
	if (lab_domain_map_pool(domain, pool, LAB_DMA_BOTH))
		rc = refused("map");
	if (!rc && w->lend)
		rc = lend(lab_edu_device(edu), pool, w->lend);
	if (!rc && w->copy)
		rc = copy(edu, pool);
	if (!rc && w->hold) {
		printf("holding\n");
		fflush(stdout);
		pause();
	}
	guest_must_be(lab_edu_close(edu), 0, "close");
	return rc;
}

int main(int argc, char **argv)
{
	const struct argp argp = {options, parse, "ADDRESS", NULL, NULL, NULL, NULL};
	struct wish w = {.domain = {.name = "try"}, .frames = 512, .page_size = LAB_PAGE_2M};
	struct lab_pool_config config = {.name = "tried"};
	struct lab_domain *domain;
	struct lab_pool *pool;
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &w);
	config.frames = w.frames;
	config.page_size = w.page_size;
	pool = lab_pool_create(&config);
	domain = pool ? lab_domain_create(&w.domain) : NULL;
	rc = domain ? use(&w, domain, pool) : refused(pool ? "domain" : "pool");
	guest_must_be(lab_domain_destroy(domain), 0, "destroy the domain");
	guest_must_be(lab_pool_destroy(pool), 0, "destroy the pool");
	if (!rc)
		printf("ok\n");
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
