/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * test-instructions MODE N: N times the same on a warm pool, so that the difference of two runs
 * under an instruction counter is the cost of one. Modes: exclusive and unprotected (lab_alloc()
 * and lab_free() of one frame), exclusive-bulk and unprotected-bulk (32 frames).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <labyrinth/labyrinth.h>

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, lab_error_text());
	exit(1);
}

static void pairs(struct lab_pool *pool, unsigned long n)
{
	while (n--) {
		void *frame = lab_alloc(pool, LAB_GFP_ATOMIC);

		if (!frame || lab_free(pool, frame) != 0)
			fail("a pair");
	}
}

static void bursts(struct lab_pool *pool, unsigned long n)
{
	void *frame[LAB_BLOCK_FRAMES];

	while (n--) {
		if (lab_alloc_bulk(pool, frame, LAB_BLOCK_FRAMES, LAB_GFP_ATOMIC) != 0 ||
		    lab_free_bulk(pool, frame, LAB_BLOCK_FRAMES) != 0)
			fail("a burst");
	}
}

int main(int argc, char **argv)
{
	struct lab_pool_config config = {
		.frames = 2048, .page_size = LAB_PAGE_4K, .flags = LAB_POOL_FALLBACK};
	const char *mode = argc == 3 ? argv[1] : "";
	void (*run)(struct lab_pool *, unsigned long) = strstr(mode, "-bulk") ? bursts : pairs;
	struct lab_pool *pool;

	if (strncmp(mode, "unprotected", 11) == 0)
		config.flags |= LAB_POOL_UNPROTECTED;
	else if (strncmp(mode, "exclusive", 9) != 0) {
		fprintf(stderr,
			"usage: %s exclusive|unprotected|exclusive-bulk|unprotected-bulk N\n",
			argv[0]);
		return 2;
	}
	pool = lab_pool_create(&config);
	if (!pool)
		fail("a pool");
	run(pool, 100);
	run(pool, strtoul(argv[2], NULL, 10));
	return lab_pool_destroy(pool) != 0;
}
