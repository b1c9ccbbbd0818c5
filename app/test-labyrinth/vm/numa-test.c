/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools on a NUMA node, asked of the kernel by move_pages(2), and what becomes of a wish that
 * cannot be met.
 *
 *	numa-test EDU
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../net/tap.h"
#include "guest.h"

#define FRAMES 2048u

static struct lab_pool *on(int node, uint64_t frames, uint32_t flags)
{
	const struct lab_pool_config config = {.name = "placed",
					       .frames = frames,
					       .page_size = LAB_PAGE_2M,
					       .node = LAB_NODE(node),
					       .flags = flags};

	return lab_pool_create(&config);
}

/* The device reads and writes frames at both ends of the pool. */
static bool serves(const char *address, struct lab_pool *pool)
{
	struct lab_domain *domain = guest_domain("numa", LAB_DOMAIN_GUARDED);
	struct lab_edu *edu = guest_must(lab_edu_open(domain, address), address);
	void *frame[2];
	bool well;

	guest_must_be(lab_domain_map_pool(domain, pool, LAB_DMA_BOTH), 0, "map");
	guest_must_be(lab_alloc_bulk(pool, frame, 2, LAB_GFP_EXCLUSIVE), 0, "frames");
	guest_fill(frame[0], LAB_FRAME_SIZE, 1);
	well = lab_edu_copy(edu, pool, frame[1], frame[0]) == 0 &&
	       guest_is_filled(frame[1], LAB_FRAME_SIZE, 1);
	guest_must_be(lab_free_bulk(pool, frame, 2), 0, "free");
	guest_must_be(lab_edu_close(edu), 0, "close");
	guest_must_be(lab_domain_destroy(domain), 0, "destroy the domain");
	return well;
}

int main(int argc, char **argv)
{
	struct lab_pool *pool, *hog;
	int64_t left;

	if (argc != 2) {
		fprintf(stderr, "usage: numa-test EDU\n");
		return EXIT_FAILURE;
	}
	for (int node = 0; node < 2; node++) {
		char name[64];

		pool = guest_must(on(node, FRAMES, 0), "a pool on a node");
		snprintf(name, sizeof(name), "node %d: the pool lies there", node);
		tap_ok(lab_pool_node(pool) == LAB_NODE(node) && guest_lies_on(pool, node), name);
		snprintf(name, sizeof(name), "node %d: it serves a device", node);
		tap_ok(serves(argv[1], pool), name);
		/* Pinning may move ordinary pages; not hugepages, and not to another node. */
		snprintf(name, sizeof(name), "node %d: and lies there still", node);
		tap_ok(guest_lies_on(pool, node), name);
		guest_must_be(lab_pool_destroy(pool), 0, "destroy");
	}

	tap_ok(!on(7, FRAMES, 0) && guest_refused(-errno, EINVAL, "7"),
	       "a node that does not exist is refused");
	tap_ok(!on(7, FRAMES, LAB_POOL_FALLBACK) && guest_refused(-errno, EINVAL, "7"),
	       "also where falling back is allowed");

	left = lab_hugepage_free(LAB_PAGE_2M, LAB_NODE(1));
	hog = guest_must(on(1, (uint64_t)(left - 1) * 512, 0), "all but one hugepage of node 1");
	tap_ok(!on(1, FRAMES, 0) && guest_refused(-errno, ENOMEM, "node 1"),
	       "a node without hugepages is an error, though the other node has some");
	tap_note("%s", lab_error_text());
	tap_ok(lab_hugepage_free(LAB_PAGE_2M, LAB_NODE(1)) == 1 &&
		       lab_hugepage_free(LAB_PAGE_2M, LAB_NODE(0)) > 4,
	       "and takes none");
	pool = guest_must(on(1, FRAMES, LAB_POOL_FALLBACK), "a pool that may fall back");
	tap_ok(lab_pool_fallback(pool) && strstr(lab_pool_fallback(pool), "node 1"),
	       "as configured it falls back, and says why");
	tap_note("%s", lab_pool_fallback(pool));
	tap_ok(lab_pool_page_size(pool) == LAB_PAGE_4K && guest_lies_on(pool, 1),
	       "to ordinary pages of that node");
	tap_ok(serves(argv[1], pool), "which serve a device");
	tap_ok(guest_lies_on(pool, 1), "and stay on their node");
	guest_must_be(lab_pool_destroy(pool), 0, "destroy");
	guest_must_be(lab_pool_destroy(hog), 0, "destroy");
	tap_ok(lab_hugepage_free(LAB_PAGE_2M, LAB_NODE(1)) == left, "all hugepages are back");
	return tap_done();
}
