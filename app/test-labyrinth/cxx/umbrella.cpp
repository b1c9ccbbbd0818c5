/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The umbrella header in C++: every inline call compiles and works.
 */
#include <cerrno>

#include <labyrinth/labyrinth.h>

#include "net/tap.h"

int main()
{
	struct lab_pool_config config = {};
	struct lab_pool_stats stats;
	struct lab_refusal refusal = {};
	struct lab_lcore_stats lcore;
	void *frame[64], *one;

	config.name = "c++";
	config.frames = 1024;
	config.page_size = LAB_PAGE_4K;
	config.node = LAB_NODE_ANY;
	config.flags = LAB_POOL_FALLBACK;
	config.on_refusal = [](struct lab_pool *, const struct lab_refusal *r, void *arg) {
		*static_cast<struct lab_refusal *>(arg) = *r;
	};
	config.on_refusal_arg = &refusal;
	struct lab_pool *pool = lab_pool_create(&config);

	if (!tap_ok(pool != nullptr, "a pool")) {
		tap_note("%s", lab_error_text());
		return tap_done();
	}
	tap_ok(lab_pool_frames(pool) == 1024 && lab_pool_page_size(pool) == LAB_PAGE_4K &&
		       lab_pool_exclusive(pool) == 1,
	       "its inline facts");
	tap_ok(lab_lcore_register(pool, "main") == static_cast<int>(lab_lcore_id(pool)),
	       "an lcore");
	one = lab_alloc(pool, LAB_GFP_ATOMIC | LAB_GFP_EXCLUSIVE | LAB_GFP_ZERO);
	tap_ok(one && *static_cast<char *>(one) == 0, "lab_alloc");
	tap_ok(lab_frame_at(pool, lab_frame_index(pool, one)) == one, "a frame's number");
	tap_ok(lab_frame_iova(pool, one) != LAB_ADDR_NONE &&
		       lab_frame_phys(pool, one) == LAB_ADDR_NONE,
	       "a frame's addresses");
	tap_ok(lab_free(pool, one) == 0, "lab_free");
	tap_ok(lab_free(pool, one) == -EALREADY && refusal.kind == LAB_REFUSED_DOUBLE_FREE,
	       "a refusal reaches a lambda");
	tap_ok(lab_alloc_bulk(pool, frame, 64, LAB_GFP_ATOMIC) == 0, "lab_alloc_bulk");
	tap_ok(lab_free_bulk(pool, frame, 64) == 0, "lab_free_bulk");
	tap_ok(lab_alloc_burst(pool, frame, 64, LAB_GFP_ATOMIC) == 64, "lab_alloc_burst");
	tap_ok(lab_free_bulk(pool, frame, 64) == 0, "lab_free_bulk");
	one = labyrinth_void_alloc_page_gfp_atomic_exclusive(pool);
	tap_ok(one && lab_free(pool, one) == 0, "the namesake");
	lab_pool_stats(pool, &stats);
	tap_ok(stats.allocs == 130 && stats.held == 0 &&
		       stats.refused[LAB_REFUSED_DOUBLE_FREE] == 1,
	       "statistics");
	tap_ok(lab_lcore_stats(pool, 1, &lcore) == 0 && lcore.allocs == 130, "an lcore's");
	tap_ok(!lab_gfp_contradicts(LAB_GFP_KERNEL | LAB_GFP_ZERO) &&
		       lab_gfp_contradicts(LAB_GFP_ATOMIC | LAB_GFP_NOWAIT),
	       "flags that contradict");
	tap_ok(lab_pool_destroy(pool) == 0, "lab_pool_destroy");

	struct lab_nodes *nodes = lab_nodes_create(&config, nullptr, 0);

	if (!tap_ok(nodes != nullptr, "a set of pools")) {
		tap_note("%s", lab_error_text());
		return tap_done();
	}
	one = lab_nodes_alloc(nodes, LAB_GFP_NOWAIT);
	tap_ok(one && lab_nodes_pool_of(nodes, one) && lab_nodes_free(nodes, one) == 0,
	       "one frame of a set");
	tap_ok(lab_nodes_alloc_bulk(nodes, frame, 64, LAB_GFP_ATOMIC) == 0 &&
		       lab_nodes_free_bulk(nodes, frame, 64) == 0,
	       "and some");
	tap_ok(lab_nodes_member(nodes, lab_nodes_count(nodes) - 1) != nullptr, "its members");
	tap_ok(lab_nodes_destroy(nodes) == 0, "lab_nodes_destroy");
	return tap_done();
}
