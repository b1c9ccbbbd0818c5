/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Sets of pools on several NUMA nodes. Where the machine has one, three members are made on it that
 * have the numbers of three nodes, and a thread says which of them it runs on: who is asked, in
 * which order and what is counted does not depend on where the memory lies. (That is for a machine
 * with two: vm/nodes-test.c.)
 */
#include <inttypes.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "nodes.h"
#include "test.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

TestSuite(nodes, .timeout = 60);

#define MEMBERS 3u
#define EACH    1024u

/* Node 0 is nearer to 2 than to 1; 1 is as far from 0 as from 2; 9 has no memory and is near 1. */
static int distance(int from, int to)
{
	static const int table[3][3] = {{10, 30, 20}, {20, 10, 20}, {20, 30, 10}};

	if (from == 9)
		return to == 1 ? 11 : 20;
	return from < 3 ? table[from][to] : 255;
}

static const struct lab_nodes_machine three = {
	.count = MEMBERS, .node = {0, 1, 2}, .frames = {EACH, EACH, EACH}, .distance = distance};

static struct lab_nodes *set_of(const struct lab_pool_config *config)
{
	struct lab_nodes *nodes = lab_nodes_create_on(config, &three);

	cr_assert_not_null(nodes, "%s", lab_error_text());
	return nodes;
}

static struct lab_nodes *small_set(uint32_t flags)
{
	return set_of(&(struct lab_pool_config){.name = "set",
						.page_size = LAB_PAGE_4K,
						.reserve = LAB_NONE,
						.timeout_ms = 10,
						.flags = flags | LAB_POOL_FALLBACK});
}

/* Which member a frame is of. */
static unsigned of(const struct lab_nodes *nodes, const void *frame)
{
	struct lab_pool *pool = lab_nodes_pool_of(nodes, frame);

	for (unsigned i = 0; i < lab_nodes_count(nodes); i++) {
		if (lab_nodes_member(nodes, i) == pool) {
			cr_assert_neq(lab_frame_index(pool, frame), LAB_FRAME_NONE);
			return i;
		}
	}
	cr_assert_fail("%p is of no member", frame);
	return 0;
}

static void all_of(const struct lab_nodes *nodes, void *const *frames, unsigned n, unsigned member)
{
	for (unsigned i = 0; i < n; i++)
		cr_assert_eq(of(nodes, frames[i]), member, "frame %u of %u is of member %u, not %u",
			     i, n, of(nodes, frames[i]), member);
}

static void counted(const struct lab_nodes *nodes, unsigned member, uint64_t local, uint64_t remote,
		    uint64_t away)
{
	struct lab_nodes_stats stats;
	const struct lab_node_stats *s = &stats.node[member];

	lab_nodes_stats(nodes, &stats);
	cr_assert_eq(s->local, local, "member %u: local %" PRIu64 ", not %" PRIu64, member,
		     s->local, local);
	cr_assert_eq(s->remote, remote, "member %u: remote %" PRIu64 ", not %" PRIu64, member,
		     s->remote, remote);
	cr_assert_eq(s->away, away, "member %u: away %" PRIu64 ", not %" PRIu64, member, s->away,
		     away);
}

static void sums_agree(const struct lab_nodes *nodes, uint64_t held)
{
	struct lab_nodes_stats stats;
	uint64_t total = 0, handed = 0;

	lab_nodes_stats(nodes, &stats);
	cr_assert_eq(stats.count, lab_nodes_count(nodes));
	cr_assert_eq(stats.sum.node, LAB_NODE_ANY);
	for (unsigned i = 0; i < stats.count; i++) {
		struct lab_pool *pool = lab_nodes_member(nodes, i);

		total += lab_pool_frames(pool);
		handed += stats.node[i].local + stats.node[i].remote;
		conserved(pool, stats.node[i].held, stats.node[i].lent);
		cr_assert_eq(lab_nodes_pool(nodes, stats.node[i].node), pool);
	}
	cr_assert_eq(stats.sum.total, total);
	cr_assert_eq(stats.sum.held, held);
	cr_assert_eq(stats.sum.free + stats.sum.cached + stats.sum.held + stats.sum.lent, total);
	cr_assert_eq(stats.sum.local + stats.sum.remote, handed);
	cr_assert_eq(stats.sum.remote, stats.sum.away);
}

static void end_set(struct lab_nodes *nodes)
{
	sums_agree(nodes, 0);
	for (unsigned i = 0; i < lab_nodes_count(nodes); i++) {
		allocatable_once(lab_nodes_member(nodes, i),
				 lab_pool_frames(lab_nodes_member(nodes, i)));
		if (lab_pool_exclusive(lab_nodes_member(nodes, i)))
			cr_assert_eq(lab_pool_validate(lab_nodes_member(nodes, i)), 0, "%s",
				     lab_error_text());
	}
	cr_assert_eq(lab_nodes_destroy(nodes), 0);
}

/* ---- on the nodes that there are ---- */

Test(nodes, whatever_the_machine_has)
{
	FOR_BOTH_MODES(flags)
	{
		const struct lab_pool_config config = {.name = "rx",
						       .frames = 4096,
						       .page_size = LAB_PAGE_4K,
						       .flags = flags | LAB_POOL_FALLBACK};
		struct lab_nodes *nodes = lab_nodes_create(&config, NULL, 0);
		struct lab_pool *here;
		void *frame, *frames[40];
		int node = lab_nodes_here(LAB_NODE_ANY);
		char name[LAB_NAME_MAX];

		cr_assert_not_null(nodes, "%s", lab_error_text());
		cr_assert_geq(lab_nodes_count(nodes), 1);
		cr_assert_geq(node, LAB_NODE(0));
		here = lab_nodes_pool(nodes, LAB_NODE_ANY);
		cr_assert_not_null(here);
		if (lab_nodes_pool(nodes, node)) {
			cr_assert_eq(here, lab_nodes_pool(nodes, node));
			snprintf(name, sizeof(name), "rx.%d", node - 1);
			cr_assert_str_eq(lab_pool_name(here), name);
			cr_assert_eq(lab_pool_node(here), node);
		}
		frame = lab_nodes_alloc(nodes, LAB_GFP_ATOMIC | LAB_GFP_ZERO);
		cr_assert_not_null(frame);
		cr_assert_eq(lab_nodes_pool_of(nodes, frame), here);
		cr_assert_eq(lab_nodes_alloc_bulk(nodes, frames, 40, LAB_GFP_ATOMIC), 0);
		sums_agree(nodes, 41);
		cr_assert_eq(lab_nodes_free_bulk(nodes, frames, 40), 0);
		cr_assert_eq(lab_nodes_free(nodes, frame), 0);
		end_set(nodes);
	}
}

Test(nodes, on_hugepages_and_back)
{
	const struct lab_pool_config config = {
		.frames = 1024, .page_size = LAB_PAGE_2M, .reserve = LAB_NONE};
	int64_t before = lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY);
	struct lab_nodes *nodes;

	skip_without_hugepages(LAB_PAGE_2M, MEMBERS * 2);
	nodes = set_of(&config);
	cr_assert_eq(lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY), before - (int)MEMBERS * 2);
	for (unsigned i = 0; i < MEMBERS; i++) {
		struct lab_pool *pool = lab_nodes_member(nodes, i);

		cr_assert_eq((uintptr_t)pool->base % LAB_PAGE_2M, 0);
		cr_assert_eq(pool->base, nodes->base + ((size_t)i << nodes->shift));
		memset(pool->base, (int)i, pool->bytes);
	}
	end_set(nodes);
	cr_assert_eq(lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY), before);
}

Test(nodes, frames_by_node_and_what_is_refused)
{
	struct lab_pool_config config = {
		.name = "by", .page_size = LAB_PAGE_4K, .flags = LAB_POOL_FALLBACK};
	uint64_t frames[LAB_NODES_ROWS] = {64}, none[2] = {0}, much[1] = {(uint64_t)1 << 40};
	struct lab_nodes *nodes = lab_nodes_create(&config, frames, 1);

	cr_assert_not_null(nodes, "%s", lab_error_text());
	cr_assert_eq(lab_nodes_count(nodes), 1);
	cr_assert_str_eq(lab_pool_name(lab_nodes_member(nodes, 0)), "by.0");
	cr_assert_eq(lab_pool_frames(lab_nodes_member(nodes, 0)), 64);
	end_set(nodes);

#define REFUSED(err, call, ...)                                 \
	do {                                                    \
		errno = 0;                                      \
		cr_assert_null(call);                           \
		cr_assert_eq(errno, err, "errno is %d", errno); \
		text_has(__VA_ARGS__, NULL);                    \
	} while (0)
	REFUSED(EINVAL, lab_nodes_create(NULL, NULL, 0), "NULL was passed");
	REFUSED(EINVAL, lab_nodes_create(&config, NULL, 0), "frames is 0");
	REFUSED(EINVAL, lab_nodes_create(&config, none, 2), "frames is 0", "2 nodes");
	REFUSED(EINVAL, lab_nodes_create(&config, much, 1), "frames of node 0");
	frames[200] = 64;
	REFUSED(EINVAL, lab_nodes_create(&config, frames, 201), "node 200");
	frames[200] = 0;
	frames[254] = 64;
	REFUSED(EINVAL, lab_nodes_create(&config, frames, 255), "node 254");
	config.frames = 65;
	REFUSED(EINVAL, lab_nodes_create(&config, frames, 1), "65 in all", "64 by node");
	config.frames = UINT64_MAX;
	REFUSED(EINVAL, lab_nodes_create(&config, NULL, 0), "frames is");
	config.frames = 64;
	config.node = LAB_NODE(0);
	REFUSED(EINVAL, lab_nodes_create(&config, NULL, 0), "node is set");
	config.node = LAB_NODE_ANY;
	config.flags = LAB_POOL_SHARED;
	REFUSED(EINVAL, lab_nodes_create(&config, NULL, 0), "LAB_POOL_SHARED");
	config.flags = LAB_POOL_NUMBERS;
	REFUSED(EINVAL, lab_nodes_create(&config, NULL, 0), "LAB_POOL_NUMBERS");
	config.flags = LAB_POOL_FALLBACK;
	config.name = "a-name-of-thirty-characters-...";
	REFUSED(EINVAL, lab_nodes_create(&config, NULL, 0), "too long", "node 0");
	cr_assert_eq(lab_nodes_destroy(NULL), 0);
	cr_assert_eq(lab_nodes_here(-1), -EINVAL);
	text_has("node is -1", NULL);
}

/* ---- who is asked ---- */

Test(nodes, each_thread_gets_its_own_nodes_frames)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_nodes *nodes = small_set(flags);
		void *frame, *frames[48];

		for (int node = 0; node < 3; node++) {
			cr_assert_eq(lab_nodes_here(LAB_NODE(node)), LAB_NODE(node));
			cr_assert_eq(lab_nodes_pool(nodes, LAB_NODE_ANY),
				     lab_nodes_pool(nodes, LAB_NODE(node)));
			frame = lab_nodes_alloc(nodes, 0);
			all_of(nodes, &frame, 1, (unsigned)node);
			cr_assert_eq(lab_nodes_free(nodes, frame), 0);
			cr_assert_eq(lab_nodes_alloc_bulk(nodes, frames, 48, LAB_GFP_NOWAIT), 0);
			all_of(nodes, frames, 48, (unsigned)node);
			cr_assert_eq(lab_nodes_free_bulk(nodes, frames, 48), 0);
			cr_assert_eq(lab_nodes_alloc_burst(nodes, frames, 48, LAB_GFP_KERNEL), 48);
			all_of(nodes, frames, 48, (unsigned)node);
			cr_assert_eq(lab_nodes_free_bulk(nodes, frames, 48), 0);
			counted(nodes, (unsigned)node, 97, 0, 0);
		}
		cr_assert_null(lab_nodes_pool(nodes, LAB_NODE(3)));
		end_set(nodes);
	}
}

/* Takes everything, frame by frame, as a thread of `node`; the members come in that order. */
static void comes_in_order(uint32_t flags, int node, const unsigned order[MEMBERS])
{
	struct lab_nodes *nodes = small_set(flags);
	void **frame = calloc(MEMBERS * EACH, sizeof(*frame)), *none;

	lab_nodes_here(LAB_NODE(node));
	for (unsigned i = 0; i < MEMBERS * EACH; i++) {
		frame[i] = lab_nodes_alloc(nodes, 0);
		cr_assert_not_null(frame[i], "frame %u: %s", i, lab_error_text());
		all_of(nodes, frame + i, 1, order[i / EACH]);
	}
	errno = 0;
	cr_assert_null(lab_nodes_alloc(nodes, 0));
	cr_assert_eq(errno, 0, "none is no refusal");
	cr_assert_eq(lab_nodes_alloc_burst(nodes, &none, 1, 0), 0);
	cr_assert_eq(lab_nodes_alloc_bulk(nodes, &none, 1, 0), -ENOMEM);
	counted(nodes, order[0], EACH, 0, 2 * EACH);
	counted(nodes, order[1], 0, EACH, 0);
	counted(nodes, order[2], 0, EACH, 0);
	sums_agree(nodes, MEMBERS * EACH);
	for (unsigned i = 0; i < MEMBERS * EACH; i++)
		cr_assert_eq(lab_nodes_free(nodes, frame[i]), 0, "frame %u: %s", i,
			     lab_error_text());
	/* Nothing drifted: the local ones are served locally again. */
	frame[0] = lab_nodes_alloc(nodes, 0);
	all_of(nodes, frame, 1, order[0]);
	cr_assert_eq(lab_nodes_free(nodes, frame[0]), 0);
	free(frame);
	end_set(nodes);
}

Test(nodes, the_others_follow_by_distance)
{
	FOR_BOTH_MODES(flags)
	{
		comes_in_order(flags, 0, (const unsigned[]){0, 2, 1});
		comes_in_order(flags, 1, (const unsigned[]){1, 2, 0});
		comes_in_order(flags, 2, (const unsigned[]){2, 0, 1});
		comes_in_order(flags, 9, (const unsigned[]){1, 0, 2});
	}
	/* Nobody knows how far: from the number on. One of those that have a row in common. */
	comes_in_order(0, 77, (const unsigned[]){0, 1, 2});
	comes_in_order(0, 1000, (const unsigned[]){0, 1, 2});
	comes_in_order(LAB_POOL_EXACT, 0, (const unsigned[]){0, 2, 1});
}

Test(nodes, thisnode_is_that_node_or_none)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_nodes *nodes = small_set(flags);
		void **frame = calloc(EACH + 1, sizeof(*frame)), *more[2];

		lab_nodes_here(LAB_NODE(1));
		for (unsigned i = 0; i < EACH; i++) {
			frame[i] = lab_nodes_alloc(nodes, LAB_GFP_ATOMIC | LAB_GFP_THISNODE);
			cr_assert_not_null(frame[i]);
			all_of(nodes, frame + i, 1, 1);
		}
		cr_assert_null(lab_nodes_alloc(nodes, LAB_GFP_ATOMIC | LAB_GFP_THISNODE));
		cr_assert_eq(lab_nodes_alloc_bulk(nodes, more, 1, LAB_GFP_THISNODE), -ENOMEM);
		cr_assert_eq(lab_nodes_alloc_burst(nodes, more, 1, LAB_GFP_THISNODE), 0);
		counted(nodes, 1, EACH, 0, 0);
		/* The same without the flag. */
		more[0] = lab_nodes_alloc(nodes, LAB_GFP_ATOMIC);
		all_of(nodes, more, 1, 2);
		cr_assert_eq(lab_nodes_free(nodes, more[0]), 0);
		/* One back: a burst has that one, a bulk of two has none. */
		cr_assert_eq(lab_nodes_free(nodes, frame[EACH - 1]), 0);
		cr_assert_eq(lab_nodes_alloc_bulk(nodes, more, 2, LAB_GFP_THISNODE), -ENOMEM);
		cr_assert_eq(lab_nodes_alloc_burst(nodes, more, 2, LAB_GFP_THISNODE), 1);
		frame[EACH - 1] = more[0];
		all_of(nodes, more, 1, 1);
		/* A thread whose node has no member has no such frame, though others are near. */
		lab_nodes_here(LAB_NODE(9));
		errno = 0;
		cr_assert_null(lab_nodes_alloc(nodes, LAB_GFP_THISNODE));
		cr_assert_eq(errno, 0);
		cr_assert_eq(lab_nodes_alloc_bulk(nodes, more, 1, LAB_GFP_THISNODE), -ENOMEM);
		cr_assert_eq(lab_nodes_alloc_bulk(nodes, more, 0, LAB_GFP_THISNODE), 0);
		cr_assert_eq(lab_nodes_alloc_burst(nodes, more, 1, LAB_GFP_THISNODE), 0);
		cr_assert_eq(lab_nodes_free_bulk(nodes, frame, EACH), 0);
		free(frame);
		end_set(nodes);
	}
}

Test(nodes, a_bulk_may_lie_on_several_nodes)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_nodes *nodes = small_set(flags);
		unsigned many = 2 * EACH + 100, all = MEMBERS * EACH;
		void **frame = calloc(all + 1, sizeof(*frame)), *swap;

		lab_nodes_here(LAB_NODE(0));
		cr_assert_eq(lab_nodes_alloc_bulk(nodes, frame, many, 0), 0);
		all_of(nodes, frame, EACH, 0);
		all_of(nodes, frame + EACH, EACH, 2);
		all_of(nodes, frame + 2 * EACH, 100, 1);
		counted(nodes, 0, EACH, 0, EACH + 100);
		counted(nodes, 1, 0, 100, 0);
		counted(nodes, 2, 0, EACH, 0);
		/* Of several nodes in turns: each still goes home. */
		for (unsigned i = 0; i < EACH; i++) {
			swap = frame[i];
			frame[i] = frame[many - 1 - i];
			frame[many - 1 - i] = swap;
		}
		cr_assert_eq(lab_nodes_free_bulk(nodes, frame, many), 0);
		sums_agree(nodes, 0);
		for (unsigned i = 0; i < MEMBERS; i++)
			conserved(lab_nodes_member(nodes, i), 0, 0);

		/* All or none, and what comes to nothing was handed out to nobody. */
		cr_assert_eq(lab_nodes_alloc_bulk(nodes, frame, all + 1, 0), -ENOMEM);
		cr_assert_eq(lab_nodes_alloc_bulk(nodes, frame, all + 1, LAB_GFP_KERNEL), -ENOMEM);
		sums_agree(nodes, 0);
		counted(nodes, 0, EACH, 0, EACH + 100);
		counted(nodes, 1, 0, 100, 0);
		counted(nodes, 2, 0, EACH, 0);
		cr_assert_eq(lab_nodes_alloc_burst(nodes, frame, all + 1, 0), all);
		sums_agree(nodes, all);
		cr_assert_eq(lab_nodes_free_bulk(nodes, frame, all), 0);
		cr_assert_eq(lab_nodes_free_bulk(nodes, frame, 0), 0);
		free(frame);
		end_set(nodes);
	}
}

/* How many frames in a row come from a member. */
static unsigned in_a_row(struct lab_nodes *nodes, void **frame, unsigned *n, unsigned member,
			 lab_gfp_t gfp)
{
	unsigned before = *n;

	while ((frame[*n] = lab_nodes_alloc(nodes, gfp)) && of(nodes, frame[*n]) == member)
		++*n;
	if (frame[*n])
		cr_assert_eq(lab_nodes_free(nodes, frame[*n]), 0);
	return *n - before;
}

Test(nodes, ordinary_frames_of_all_come_before_any_reserve)
{
	static const unsigned order[MEMBERS] = {0, 2, 1};
	const struct lab_pool_config config = {.name = "set",
					       .page_size = LAB_PAGE_4K,
					       .reserve = MEMBERS * 96,
					       .timeout_ms = 1,
					       .flags = LAB_POOL_FALLBACK};
	struct lab_nodes *nodes = set_of(&config);
	void **frame = calloc(MEMBERS * EACH + 1, sizeof(*frame));
	unsigned n = 0, ordinary[MEMBERS], reserve[MEMBERS];

	lab_nodes_here(LAB_NODE(0));
	for (unsigned i = 0; i < MEMBERS; i++)
		ordinary[i] = in_a_row(nodes, frame, &n, order[i], LAB_GFP_NOWAIT);
	if (n == MEMBERS * EACH)
		cr_skip_test("this allocator keeps no reserve");
	cr_assert_eq(n, MEMBERS * (EACH - 96));
	errno = 0;
	cr_assert_null(lab_nodes_alloc(nodes, LAB_GFP_ATOMIC | LAB_GFP_NOWAIT));
	cr_assert_eq(errno, EINVAL);
	cr_assert_null(lab_nodes_alloc(nodes, LAB_GFP_KERNEL), "nor after waiting");
	frame[n] = lab_nodes_alloc(nodes, LAB_GFP_ATOMIC | LAB_GFP_THISNODE);
	all_of(nodes, frame + n, 1, 0);
	n++;
	cr_assert_eq(lab_nodes_free_bulk(nodes, frame, n), 0);
	end_set(nodes);

	nodes = set_of(&config);
	n = 0;
	for (unsigned i = 0; i < MEMBERS; i++)
		cr_assert_eq(in_a_row(nodes, frame, &n, order[i], LAB_GFP_ATOMIC), ordinary[i]);
	for (unsigned i = 0; i < MEMBERS; i++) {
		reserve[i] = in_a_row(nodes, frame, &n, order[i], LAB_GFP_ATOMIC);
		cr_assert_eq(reserve[i] + ordinary[i], EACH);
	}
	cr_assert_eq(n, MEMBERS * EACH);
	cr_assert_eq(lab_nodes_free_bulk(nodes, frame, n), 0);
	free(frame);
	end_set(nodes);
}

/* ---- refusals ---- */

Test(nodes, mistakes_are_refused_by_the_member)
{
	struct lab_nodes *nodes = small_set(0);
	struct lab_pool *pool = lab_nodes_pool(nodes, LAB_NODE(1));
	void *frame[3];
	char *hole = pool->base + pool->bytes;
	struct lab_pool_stats stats;

	lab_nodes_here(LAB_NODE(1));
	cr_assert_eq(lab_nodes_alloc_bulk(nodes, frame, 3, LAB_GFP_EXCLUSIVE), 0);
	cr_assert_eq(lab_nodes_free(nodes, (char *)frame[0] + 8), -EINVAL);
	cr_assert_eq(lab_nodes_free(nodes, frame[0]), 0);
	cr_assert_eq(lab_nodes_free(nodes, frame[0]), -EALREADY);
	text_has("'set.1'", NULL);
	cr_assert_eq(lab_nodes_free(nodes, &stats), -EFAULT);
	cr_assert_eq(lab_nodes_free(nodes, NULL), -EFAULT);
	if (hole < nodes->base + ((size_t)2 << nodes->shift))
		cr_assert_eq(lab_nodes_free(nodes, hole), -EFAULT);
	/* The good ones of a bulk go, whatever is beside them. */
	frame[0] = &stats;
	cr_assert_eq(lab_nodes_free_bulk(nodes, frame, 3), -EFAULT);
	conserved(pool, 0, 0);
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.refused[LAB_REFUSED_DOUBLE_FREE], 1);
	cr_assert_eq(stats.refused[LAB_REFUSED_INSIDE], 1);
	lab_pool_stats(lab_nodes_member(nodes, 0), &stats);
	cr_assert_eq(stats.refused[LAB_REFUSED_OUTSIDE], 3);
	cr_assert_null(lab_nodes_alloc(nodes, (lab_gfp_t)1 << 20));
	cr_assert_eq(errno, EINVAL);
	cr_assert_eq(lab_nodes_alloc_bulk(nodes, frame, 2, (lab_gfp_t)1 << 20), -EINVAL);
	errno = 0;
	cr_assert_eq(lab_nodes_alloc_burst(nodes, frame, 2, (lab_gfp_t)1 << 20), 0);
	cr_assert_eq(errno, EINVAL);
	end_set(nodes);

	nodes = small_set(LAB_POOL_UNPROTECTED);
	cr_assert_eq(lab_nodes_free(nodes, &stats), -EFAULT);
	text_has("'set.0' to 'set.2'", NULL);
	cr_assert_null(lab_nodes_alloc(nodes, LAB_GFP_EXCLUSIVE));
	cr_assert_eq(errno, ENOTSUP);
	end_set(nodes);
}

static void *without_a_slot(void *arg)
{
	struct lab_nodes *nodes = arg;
	void *frame;

	lab_nodes_here(LAB_NODE(0));
	errno = 0;
	cr_assert_null(lab_nodes_alloc(nodes, 0));
	cr_assert_eq(errno, ENOSPC);
	text_has("'set.0'", "max_lcores", NULL);
	cr_assert_eq(lab_nodes_alloc_bulk(nodes, &frame, 1, LAB_GFP_EXCLUSIVE), -ENOSPC);
	/* Elsewhere it has one. */
	lab_nodes_here(LAB_NODE(1));
	frame = lab_nodes_alloc(nodes, 0);
	all_of(nodes, &frame, 1, 1);
	cr_assert_eq(lab_nodes_free(nodes, frame), 0);
	return NULL;
}

Test(nodes, no_lcore_on_the_nearest_node_is_refused)
{
	struct lab_nodes *nodes = set_of(&(struct lab_pool_config){.name = "set",
								   .page_size = LAB_PAGE_4K,
								   .max_lcores = 1,
								   .flags = LAB_POOL_FALLBACK});
	pthread_t thread;
	void *frame;

	lab_nodes_here(LAB_NODE(0));
	frame = lab_nodes_alloc(nodes, 0);
	cr_assert_eq(pthread_create(&thread, NULL, without_a_slot, nodes), 0);
	pthread_join(thread, NULL);
	cr_assert_eq(lab_nodes_free(nodes, frame), 0);
	end_set(nodes);
}

/* ---- made and taken apart ---- */

Test(nodes, counts_are_for_all_together)
{
	struct lab_nodes_machine uneven = three;
	struct lab_pool_config config = {.page_size = LAB_PAGE_4K, .flags = LAB_POOL_FALLBACK};
	struct lab_nodes *nodes;

	uneven.frames[1] = 64;
	nodes = lab_nodes_create_on(&config, &uneven);
	cr_assert_not_null(nodes, "%s", lab_error_text());
	cr_assert_eq(lab_pool_frames(lab_nodes_member(nodes, 0)), EACH);
	cr_assert_eq(lab_pool_frames(lab_nodes_member(nodes, 1)), 64);
	cr_assert_eq(strncmp(lab_pool_name(lab_nodes_member(nodes, 2)), "nodes-", 6), 0);
	end_set(nodes);
	/* A third of 3072 is all that each has; one more is too many. */
	config.reserve = MEMBERS * EACH;
	config.min = config.low = config.high = LAB_NONE;
	nodes = lab_nodes_create_on(&config, &three);
	cr_assert_not_null(nodes, "%s", lab_error_text());
	cr_assert_eq(lab_nodes_destroy(nodes), 0);
	config.reserve = MEMBERS * EACH + 1;
	cr_assert_null(lab_nodes_create_on(&config, &three));
	text_has("reserve is 1025", NULL);
	config.reserve = LAB_PERCENT(100);
	nodes = lab_nodes_create_on(&config, &three);
	cr_assert_not_null(nodes, "%s", lab_error_text());
	cr_assert_eq(lab_nodes_destroy(nodes), 0);
}

/* Whether anything is mapped anywhere in the range. */
static int is_taken(char *at, size_t bytes)
{
	void *there =
		mmap(at, bytes, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (there == MAP_FAILED)
		return 1;
	munmap(there, bytes);
	return there != at;
}

Test(nodes, one_range_that_nobody_else_gets)
{
	struct lab_nodes *nodes = small_set(0);
	char *base = nodes->base;
	size_t room = (size_t)1 << nodes->shift;

	cr_assert_geq(room, EACH * LAB_FRAME_SIZE);
	cr_assert_eq((uintptr_t)base % room, 0);
	for (char *at = base; at < base + MEMBERS * room; at += LAB_FRAME_SIZE)
		cr_assert(is_taken(at, LAB_FRAME_SIZE), "%p is free", (void *)at);
	cr_assert_eq(lab_nodes_destroy(nodes), 0);
	cr_assert_not(is_taken(base, MEMBERS * room));
}

static unsigned lines_of(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned lines = 0;

	cr_assert_not_null(f);
	for (int c = fgetc(f); c != EOF; c = fgetc(f))
		lines += c == '\n';
	fclose(f);
	return lines;
}

/* The last of three finds no hugepages left. More often than there are pools in a process. */
Test(nodes, all_or_nothing)
{
	struct lab_nodes_machine greedy = three;
	const struct lab_pool_config config = {.name = "big", .page_size = LAB_PAGE_2M};
	int64_t free = lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY);
	unsigned before = 0;

	skip_without_hugepages(LAB_PAGE_2M, 8);
	greedy.frames[2] = (uint64_t)free * 512;
	for (unsigned round = 0; round < LAB_MAX_POOLS + 2; round++) {
		cr_assert_null(lab_nodes_create_on(&config, &greedy));
		cr_assert_eq(errno, ENOMEM);
		text_has("'big.2'", "nr_hugepages", NULL);
		if (round == 1)
			before = lines_of("/proc/self/maps");
	}
	cr_assert_leq(lines_of("/proc/self/maps"), before);
	cr_assert_eq(lab_hugepage_free(LAB_PAGE_2M, LAB_NODE_ANY), free);
	end_set(small_set(0));
}

Test(nodes, a_lent_frame_keeps_all_of_them)
{
	struct lab_nodes *nodes = small_set(0);
	struct lab_pool *last = lab_nodes_member(nodes, 2);
	int nic = lab_device_register(last, "nic");
	void *frame, *held[2];

	lab_nodes_here(LAB_NODE(2));
	frame = lab_nodes_alloc(nodes, 0);
	cr_assert_eq(lab_lend(last, nic, &frame, 1), 1);
	cr_assert_eq(lab_nodes_destroy(nodes), -EBUSY);
	text_has("'set.2'", "lent", NULL);
	sums_agree(nodes, 0);
	for (int node = 0; node < 2; node++) {
		lab_nodes_here(LAB_NODE(node));
		held[node] = lab_nodes_alloc(nodes, LAB_GFP_THISNODE);
		cr_assert_not_null(held[node]);
	}
	cr_assert_eq(lab_take_back(last, nic, &frame, 1), 1);
	cr_assert_eq(lab_nodes_destroy(nodes), 3, "what is held is said");
}

static void child_of_fork(void *arg)
{
	struct lab_nodes *nodes = arg;
	struct lab_nodes_stats stats;
	char *base = nodes->base;
	void *frame = nodes->member[1]->base, *mine;

	errno = 0;
	CHILD_EXPECT(!lab_nodes_alloc(nodes, 0) && errno == EPERM);
	CHILD_EXPECT(lab_nodes_alloc_bulk(nodes, &mine, 1, 0) == -EPERM);
	CHILD_EXPECT(lab_nodes_free(nodes, frame) == -EPERM);
	CHILD_EXPECT(lab_nodes_free(nodes, &mine) == -EPERM);
	lab_nodes_stats(nodes, &stats);
	CHILD_EXPECT(stats.sum.total == 0);
	/* What the child has there itself stays. */
	mine = mmap(base, LAB_FRAME_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHILD_EXPECT(mine == base);
	CHILD_EXPECT(lab_nodes_destroy(nodes) == 0);
	*(char *)mine = 1;
}

Test(nodes, not_for_a_child_of_fork)
{
	struct lab_nodes *nodes = small_set(0);
	void *frame = lab_nodes_alloc(nodes, 0);

	in_child(child_of_fork, nodes);
	cr_assert_eq(lab_nodes_free(nodes, frame), 0);
	end_set(nodes);
}

/* ---- the data path ---- */

/* Under strict seccomp a thread can read, write and end: with a number that says where. */
#define STRICT(condition)                                      \
	do {                                                   \
		if (!(condition))                              \
			syscall(SYS_exit, __LINE__ % 125 + 1); \
	} while (0)

static void all_calls(struct lab_nodes *nodes)
{
	static void *frame[MEMBERS * EACH + 1];
	struct lab_nodes_stats stats;
	void *one;

	for (unsigned want = 1; want <= MEMBERS * EACH; want += 170) {
		unsigned n = want;

		STRICT((one = lab_nodes_alloc(nodes, LAB_GFP_ZERO)) != NULL);
		STRICT(lab_nodes_pool_of(nodes, one) == lab_nodes_pool(nodes, LAB_NODE_ANY));
		STRICT(lab_nodes_free(nodes, one) == 0);
		STRICT(lab_nodes_free(nodes, one) == -EALREADY);
		STRICT(lab_nodes_free(nodes, &one) == -EFAULT);
		STRICT(lab_nodes_alloc_bulk(nodes, frame, n, LAB_GFP_ATOMIC) == 0);
		STRICT(lab_nodes_free_bulk(nodes, frame, n) == 0);
		STRICT(lab_nodes_alloc_burst(nodes, frame, n, LAB_GFP_NOWAIT) == n);
		while ((one = lab_nodes_alloc(nodes, LAB_GFP_NOWAIT | LAB_GFP_THISNODE)))
			frame[n++] = one;
		while ((one = lab_nodes_alloc(nodes, 0)))
			frame[n++] = one;
		STRICT(n == MEMBERS * EACH);
		STRICT(lab_nodes_alloc_bulk(nodes, &one, 1, 0) == -ENOMEM);
		STRICT(lab_nodes_free_bulk(nodes, frame, n) == 0);
		lab_nodes_stats(nodes, &stats);
		STRICT(stats.sum.held == 0 && stats.sum.remote == stats.sum.away);
		STRICT(lab_nodes_here((int)(want % 5)) > 0);
	}
}

static void strictly(void *arg)
{
	struct lab_nodes *nodes = small_set(0);

	(void)arg;
	/* From the first call on, in which the thread's node is looked up. */
	CHILD_EXPECT(lab_tls_node == 0);
	CHILD_EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	all_calls(nodes);
	syscall(SYS_exit, 0);
}

Test(nodes, no_call_enters_the_kernel)
{
	skip_under_asan();
	in_child(strictly, NULL);
}

/* ---- many threads ---- */

#define WORKERS 6
#define HELD    300
#define ROUNDS  20000

static struct lab_nodes *common;
static void *passed[WORKERS]; /* a frame that goes round, freed where it was not allocated */

static void *work(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg, n = 0, random = me + 1;
	void *held[HELD + 64];

	lab_nodes_here(LAB_NODE((int)me % 3));
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned want;
		void *other;

		random = random * 1103515245 + 12345;
		want = 1 + (random >> 16) % 48;
		if (random >> 31 && n >= want) {
			n -= want;
			cr_assert_eq(lab_nodes_free_bulk(common, held + n, want), 0);
		} else if (n + want <= HELD) {
			if (want % 3 == 0)
				n += lab_nodes_alloc_burst(common, held + n, want, 0);
			else if (lab_nodes_alloc_bulk(common, held + n, want, LAB_GFP_NOWAIT) == 0)
				n += want;
		}
		if (!n || round % 4)
			continue;
		/* Release and acquire: the frame's state goes with it. */
		other = __atomic_exchange_n(&passed[random % WORKERS], held[n - 1],
					    __ATOMIC_ACQ_REL);
		n--;
		if (other)
			cr_assert_eq(lab_nodes_free(common, other), 0);
	}
	cr_assert_eq(lab_nodes_free_bulk(common, held, n), 0);
	return NULL;
}

Test(nodes, threads_of_all_nodes_lose_nothing)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_nodes_stats stats;
		pthread_t thread[WORKERS];

		common = small_set(flags);
		for (uintptr_t i = 0; i < WORKERS; i++)
			cr_assert_eq(pthread_create(&thread[i], NULL, work, (void *)i), 0);
		for (unsigned i = 0; i < WORKERS; i++)
			pthread_join(thread[i], NULL);
		for (unsigned i = 0; i < WORKERS; i++) {
			if (passed[i])
				cr_assert_eq(lab_nodes_free(common, passed[i]), 0);
			passed[i] = NULL;
		}
		lab_nodes_stats(common, &stats);
		cr_assert_gt(stats.sum.local, 0);
		end_set(common);
	}
}
