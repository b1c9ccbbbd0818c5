/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Failures on purpose: they come when they were ordered, where they were ordered, look like the
 * real thing, and leave nothing behind. Each step of each kind of creation fails once.
 */
#include <dirent.h>
#include <pthread.h>

#include "process.h"
#include "shared.h"

TestSuite(fault, .timeout = 60);
TestSuite(fault_create, .init = shared_begin, .fini = shared_end, .timeout = 60);

static void set(struct lab_pool *pool, enum lab_fault_point point, uint64_t nth, uint64_t every)
{
	const struct lab_fault fault = {.nth = nth, .every = every};

	cr_assert_eq(lab_fault_set(pool, point, &fault), 0, "%s", lab_error_text());
}

static void off(struct lab_pool *pool, enum lab_fault_point point)
{
	cr_assert_eq(lab_fault_set(pool, point, NULL), 0, "%s", lab_error_text());
}

static void end_valid(struct lab_pool *pool)
{
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	end_whole(pool);
}

static uint64_t misses(const struct lab_pool *pool)
{
	struct lab_pool_stats stats;

	lab_pool_stats(pool, &stats);
	return stats.misses;
}

/* ---- allocations ---- */

/* Which of these calls fail, as letters. */
static const char *tries(struct lab_pool *pool, unsigned n)
{
	static char seen[64];

	for (unsigned i = 0; i < n; i++) {
		void *frame = lab_alloc(pool, LAB_GFP_ATOMIC);

		seen[i] = frame ? '.' : 'X';
		if (frame)
			cr_assert_eq(lab_free(pool, frame), 0, "%s", lab_error_text());
	}
	seen[n] = '\0';
	return seen;
}

static const uint32_t kinds[] = {0, LAB_POOL_UNPROTECTED, LAB_POOL_EXACT};

#define FOR_EACH_KIND(i) for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)

Test(fault, the_nth_call_fails_once)
{
	FOR_EACH_KIND(i)
	{
		struct lab_pool *pool = pool_without_reserve(FRAMES, kinds[i]);

		cr_assert_str_eq(tries(pool, 4), "....");
		set(pool, LAB_FAULT_ALLOC, 3, 0);
		cr_assert_str_eq(tries(pool, 8), "..X.....");
		set(pool, LAB_FAULT_ALLOC, 1, 0);
		cr_assert_str_eq(tries(pool, 3), "X..");
		off(pool, LAB_FAULT_ALLOC);
		cr_assert_str_eq(tries(pool, 8), "........");
		cr_assert_eq(lab_fault_count(pool, LAB_FAULT_ALLOC), 2);
		end_valid(pool);
	}
}

Test(fault, every_so_many_th_call_fails)
{
	FOR_EACH_KIND(i)
	{
		struct lab_pool *pool = pool_without_reserve(FRAMES, kinds[i]);

		set(pool, LAB_FAULT_ALLOC, 0, 3);
		cr_assert_str_eq(tries(pool, 8), "..X..X..");
		set(pool, LAB_FAULT_ALLOC, 1, 3); /* counted anew, and both */
		cr_assert_str_eq(tries(pool, 7), "X.X..X.");
		set(pool, LAB_FAULT_ALLOC, 0, 1);
		cr_assert_str_eq(tries(pool, 4), "XXXX");
		off(pool, LAB_FAULT_ALLOC);
		cr_assert_eq(lab_fault_count(pool, LAB_FAULT_ALLOC), 9);
		end_valid(pool);
	}
}

Test(fault, an_allocation_that_fails_looks_like_exhaustion)
{
	FOR_EACH_KIND(i)
	{
		struct lab_pool *pool = pool_without_reserve(FRAMES, kinds[i]);
		void *frame[64];
		uint64_t before;

		cr_assert_eq(lab_alloc_bulk(pool, frame, 64, 0), 0); /* there is a cache */
		cr_assert_eq(lab_free_bulk(pool, frame, 64), 0);
		before = misses(pool);
		set(pool, LAB_FAULT_ALLOC, 0, 1);
		errno = 4711;
		cr_assert_null(lab_alloc(pool, LAB_GFP_ATOMIC));
		cr_assert_null(lab_alloc(pool, LAB_GFP_ZERO));
		cr_assert_eq(lab_alloc_bulk(pool, frame, 32, 0), -ENOMEM);
		cr_assert_eq(lab_alloc_bulk(pool, frame, 5, LAB_GFP_ZERO), -ENOMEM);
		cr_assert_eq(lab_alloc_burst(pool, frame, 64, 0), 0);
		cr_assert_eq(errno, 4711);
		cr_assert_eq(misses(pool), before + 5);
		/* None of no frames is no failure. */
		cr_assert_eq(lab_alloc_bulk(pool, frame, 0, 0), 0);
		cr_assert_eq(lab_alloc_burst(pool, frame, 0, 0), 0);
		cr_assert_eq(lab_fault_count(pool, LAB_FAULT_ALLOC), 5);
		off(pool, LAB_FAULT_ALLOC);
		end_valid(pool);
	}
}

Test(fault, the_namesake_fails_too)
{
	struct lab_pool *pool = pool_without_reserve(FRAMES, 0);
	void *frame = labyrinth_void_alloc_page_gfp_atomic_exclusive(pool);

	cr_assert_not_null(frame);
	set(pool, LAB_FAULT_ALLOC, 2, 0);
	cr_assert_eq(lab_free(pool, frame), 0);
	frame = labyrinth_void_alloc_page_gfp_atomic_exclusive(pool);
	cr_assert_not_null(frame);
	cr_assert_null(labyrinth_void_alloc_page_gfp_atomic_exclusive(pool));
	cr_assert_eq(lab_free(pool, frame), 0);
	end_valid(pool);
}

/* The inlined calls see another cache than the thread's own: nothing else may notice. */
Test(fault, all_else_goes_on_meanwhile)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = pool_without_reserve(FRAMES, flags);
		int lcore = lab_lcore_register(pool, "me"), device;
		struct lab_lcore_stats stats;
		void *frame[64];

		device = lab_device_register(pool, "device");
		cr_assert_eq(lab_alloc_bulk(pool, frame, 64, 0), 0);
		set(pool, LAB_FAULT_ALLOC, 1000, 0);
		cr_assert_eq(lab_lcore_id(pool), (unsigned)lcore);
		cr_assert_eq(lab_lcore_register(pool, "me"), lcore);
		cr_assert_eq(lab_lend(pool, device, frame, 3), 3);
		cr_assert_eq(lab_take_back(pool, device, frame, 3), 3);
		cr_assert_eq(lab_free(pool, frame[0]), 0);
		if (lab_pool_exclusive(pool)) {
			cr_assert_eq(lab_free(pool, frame[0]), -EALREADY);
			text_has("lcore", "(me)", NULL);
			lab_lcore_stats(pool, (unsigned)lcore, &stats);
			cr_assert_eq(stats.refused[LAB_REFUSED_DOUBLE_FREE], 1);
		}
		cr_assert_eq(lab_free_bulk(pool, frame + 1, 63), 0);
		lab_lcore_drain(pool);
		conserved(pool, 0, 0);
		lab_lcore_stats(pool, (unsigned)lcore, &stats);
		cr_assert_eq(stats.cached, 0);
		cr_assert_eq(lab_lcore_unregister(pool), 0);
		cr_assert_eq(lab_lcore_unregister(pool), -ENOENT);
		cr_assert_eq(lab_lcore_id(pool), 0);
		off(pool, LAB_FAULT_ALLOC);
		end_valid(pool);
	}
}

Test(fault, a_sampled_pool_goes_on_too)
{
	struct lab_pool_config config = {.name = "sampled",
					 .frames = FRAMES,
					 .page_size = LAB_PAGE_4K,
					 .reserve = LAB_NONE,
					 .sample = 1,
					 .flags = LAB_POOL_FALLBACK};
	struct lab_pool *pool = pool_of(&config);
	void *frame[32];

	set(pool, LAB_FAULT_ALLOC, 0, 2);
	for (unsigned i = 0; i < 50; i++) {
		cr_assert_eq(lab_alloc_bulk(pool, frame, 32, 0), 0);
		cr_assert_eq(lab_alloc_bulk(pool, frame, 32, 0), -ENOMEM);
		cr_assert_eq(lab_free_bulk(pool, frame, 32), 0);
	}
	off(pool, LAB_FAULT_ALLOC);
	end_valid(pool);
}

/* ---- each pool, each point ---- */

Test(fault, a_pool_fails_and_another_does_not)
{
	struct lab_pool *a = pool_without_reserve(FRAMES, 0), *b = pool_without_reserve(FRAMES, 0);

	set(a, LAB_FAULT_ALLOC, 0, 1);
	cr_assert_str_eq(tries(a, 3), "XXX");
	cr_assert_str_eq(tries(b, 3), "...");
	cr_assert_eq(lab_fault_count(b, LAB_FAULT_ALLOC), 0);
	off(a, LAB_FAULT_ALLOC);
	end_valid(a);
	end_valid(b);
}

Test(fault, a_refill_fails)
{
	FOR_EACH_KIND(i)
	{
		struct lab_pool *pool = pool_without_reserve(FRAMES, kinds[i]);
		void *frame[FRAMES];
		unsigned got = 0;

		/* The first one: as if the depot were empty. */
		set(pool, LAB_FAULT_REFILL, 1, 0);
		cr_assert_str_eq(tries(pool, 3), "X..");
		/* In the middle of a bulk, what has come goes back; of a burst it stays. */
		set(pool, LAB_FAULT_REFILL, 2, 0);
		cr_assert_eq(lab_alloc_bulk(pool, frame, FRAMES, 0), -ENOMEM);
		conserved(pool, 0, 0);
		set(pool, LAB_FAULT_REFILL, 2, 0);
		got = lab_alloc_burst(pool, frame, FRAMES, 0);
		cr_assert(got > 0 && got < FRAMES, "%u", got);
		conserved(pool, got, 0);
		cr_assert_eq(lab_free_bulk(pool, frame, got), 0);
		cr_assert_eq(lab_fault_count(pool, LAB_FAULT_REFILL), 3);
		cr_assert_eq(lab_fault_count(pool, LAB_FAULT_ALLOC), 0);
		off(pool, LAB_FAULT_REFILL);
		end_valid(pool);
	}
}

static void refused(struct lab_pool *pool, int point, const char *word)
{
	const struct lab_fault fault = {.nth = 1};

	errno = 0;
	cr_assert_eq(lab_fault_set(pool, (enum lab_fault_point)point, &fault), -EINVAL);
	cr_assert_eq(errno, EINVAL);
	text_has(word, NULL);
}

Test(fault, what_there_is_not_is_refused)
{
	struct lab_pool *pool = pool_without_reserve(FRAMES, 0);

	refused(pool, LAB_FAULT_POINTS, "no point");
	refused(pool, -1, "no point");
	refused(pool, LAB_FAULT_CREATE, "the process's");
	refused(NULL, LAB_FAULT_ALLOC, "needs a pool");
	cr_assert_eq(lab_fault_count(pool, LAB_FAULT_POINTS), 0);
	set(pool, LAB_FAULT_GROW, 1, 0);
	off(pool, LAB_FAULT_GROW);
	end_valid(pool);
}

static void child_sets(void *pool)
{
	const struct lab_fault fault = {.nth = 1};

	CHILD_EXPECT(lab_fault_set(pool, LAB_FAULT_ALLOC, &fault) == -EPERM);
	CHILD_EXPECT(!lab_alloc(pool, 0) && errno == EPERM);
}

Test(fault, a_child_of_fork_sets_nothing)
{
	struct lab_pool *pool = pool_without_reserve(FRAMES, 0);

	cr_assert_str_eq(tries(pool, 1), ".");
	set(pool, LAB_FAULT_ALLOC, 5, 0);
	in_child(child_sets, pool);
	cr_assert_str_eq(tries(pool, 5), "....X");
	end_valid(pool);
}

/* ---- the environment ---- */

static struct lab_pool *named(const char *name)
{
	const struct lab_pool_config config = {.name = name,
					       .frames = FRAMES,
					       .page_size = LAB_PAGE_4K,
					       .reserve = LAB_NONE,
					       .flags = LAB_POOL_FALLBACK};

	return lab_pool_create(&config);
}

static void environment(const char *text)
{
	cr_assert_eq(setenv("LABYRINTH_FAULT", text, 1), 0);
}

Test(fault, the_environment_orders_for_all_or_one)
{
	struct lab_pool *rx, *tx;

	environment("refill:nth=1;rx/alloc:every=2,nth=3;;ends/with/alloc:every=1;");
	rx = named("rx");
	tx = named("tx");
	cr_assert(rx && tx, "%s", lab_error_text());
	cr_assert_str_eq(tries(rx, 6), "XXXX.X"); /* 1 for the refill */
	cr_assert_str_eq(tries(tx, 6), "X.....");
	environment("");
	off(rx, LAB_FAULT_ALLOC);
	end_valid(rx);
	end_valid(tx);
	tx = named("ends/with");
	cr_assert_str_eq(tries(tx, 3), "...");
	end_valid(tx);
	environment("ends/with/alloc:every=1");
	tx = named("ends/with");
	cr_assert_str_eq(tries(tx, 3), "XXX");
	off(tx, LAB_FAULT_ALLOC);
	end_valid(tx);
}

Test(fault, a_bad_environment_is_refused_word_by_word)
{
	static const char *const bad[][3] = {
		{"refil:every=100", "\"refil\"", "\"refill\""},
		{"aloc:nth=3", "\"aloc\"", "\"alloc\""},
		{"map:nth=3;gorw:nth=1", "\"gorw\"", "\"grow\""},
		{"rx/crate:nth=1", "\"crate\"", "\"create\""},
		{"alloc:evry=100", "\"evry\"", "\"every\""},
		{"alloc:nth=3,noth=4", "\"noth\"", "\"nth\""},
		{"alloc:every=", "\"\"", "every=100"},
		{"alloc:every", "\"\"", "every=100"},
		{"alloc:nth=0", "\"0\"", "nth=100"},
		{"alloc:nth=-1", "\"-1\"", "nth=100"},
		{"alloc:nth=3x", "\"3x\"", "nth=100"},
		{"alloc:nth=9999999999999999999", "\"9999999999999999999\"", "nth=100"},
		{"alloc", "\"alloc\"", "alloc:every=100"},
		{"alloc:", "\"\"", "\"nth\""},
		{"rx/create:nth=1", "\"rx\"", "create:nth=3"},
		{"an-exceedingly-long-word-that-is-none-of-these:nth=1", "an-exceedingly",
		 "nearest"},
		{"=", "\"=\"", "nearest"},
		{":", "\"\"", "nearest"},
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		environment(bad[i][0]);
		errno = 0;
		cr_assert_null(named("rx"), "%s", bad[i][0]);
		cr_assert_eq(errno, EINVAL);
		text_has("LABYRINTH_FAULT", bad[i][1], bad[i][2], NULL);
	}
	environment("alloc:nth=2");
	end_valid(named("rx"));
}

Test(fault, the_environment_fails_a_creation)
{
	struct lab_pool *pool;

	environment("create:nth=2");
	cr_assert_null(named("rx"));
	cr_assert_eq(errno, ENOMEM);
	pool = named("rx"); /* the same words again order nothing anew */
	cr_assert_not_null(pool, "%s", lab_error_text());
	end_valid(pool);
	cr_assert_eq(lab_fault_count(NULL, LAB_FAULT_CREATE), 1);
}

/* ---- beside threads ---- */

#define THREADS 4u

struct beside {
	struct lab_pool *pool;
	uint32_t stop;
	uint32_t wrong;
	uint64_t failed;
};

/* Comes and goes, too. */
static void *work_beside(void *arg)
{
	struct beside *b = arg;
	uint64_t failed = 0;

	for (unsigned i = 0; !lab_load(&b->stop); i++) {
		void *frame[40], *one = lab_alloc(b->pool, 0);
		int err = lab_alloc_bulk(b->pool, frame, 40, 0);

		failed += !one + (err != 0);
		if ((one && lab_free(b->pool, one)) ||
		    (err ? err != -ENOMEM : lab_free_bulk(b->pool, frame, 40)))
			__atomic_add_fetch(&b->wrong, 1, __ATOMIC_RELAXED);
		if (i % 7 == 0)
			lab_lcore_unregister(b->pool);
	}
	__atomic_add_fetch(&b->failed, failed, __ATOMIC_RELAXED);
	return NULL;
}

Test(fault, it_is_ordered_while_threads_work)
{
	FOR_BOTH_MODES(flags)
	{
		struct beside b = {.pool = pool_without_reserve(FRAMES, flags)};
		pthread_t thread[THREADS];

		for (unsigned round = 0; round < 10; round++) {
			b.stop = 0;
			for (unsigned i = 0; i < THREADS; i++)
				pthread_create(&thread[i], NULL, work_beside, &b);
			for (unsigned i = 0; i < 300; i++) {
				set(b.pool, LAB_FAULT_ALLOC, 1 + i % 5, i % 11);
				if (i % 16 == 0)
					usleep(100);
				off(b.pool, LAB_FAULT_ALLOC);
			}
			lab_store(&b.stop, 1);
			for (unsigned i = 0; i < THREADS; i++)
				pthread_join(thread[i], NULL);
		}
		cr_assert_eq(b.wrong, 0);
		/* Nothing but what was ordered: FRAMES are enough for all. */
		cr_assert_eq(b.failed, lab_fault_count(b.pool, LAB_FAULT_ALLOC));
		cr_assert_gt(b.failed, 0);
		end_valid(b.pool);
	}
}

/* ---- each step of a creation ---- */

struct kind {
	const char *title;
	struct lab_pool_config config;
};

static const struct kind creations[] = {
	{"private", {.frames = FRAMES}},
	{"unprotected", {.frames = FRAMES, .flags = LAB_POOL_UNPROTECTED}},
	{"exact", {.frames = FRAMES, .flags = LAB_POOL_EXACT}},
	{"sampled", {.frames = FRAMES, .sample = 10}},
	{"breathing", {.frames = FRAMES, .max_frames = 2 * FRAMES}},
	{"numbers", {.frames = FRAMES, .flags = LAB_POOL_NUMBERS}},
	{"shared", {.frames = FRAMES, .lcores = 2, .flags = LAB_POOL_SHARED}},
	{"common", {.frames = FRAMES, .lcores = 2, .flags = LAB_POOL_SHARED | LAB_POOL_COMMON}},
	{"shared numbers",
	 {.frames = FRAMES, .lcores = 2, .flags = LAB_POOL_SHARED | LAB_POOL_NUMBERS}},
};

/** struct scene - what a creation may leave behind. */
struct scene {
	struct holdings holdings;
	unsigned threads;
	unsigned names;
};

static unsigned entries_of(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned n = 0;

	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

static struct scene scene_now(void)
{
	return (struct scene){holdings_now(), entries_of("/proc/self/task"),
			      entries_of(shared_dir)};
}

static int is_as_before(const struct scene *before)
{
	struct scene now = scene_now();

	/* The kernel wakes who joins a thread a moment before it forgets the thread. */
	for (unsigned i = 0; i < 1000 && now.threads > before->threads; i++) {
		usleep(1000);
		now = scene_now();
	}
	return holdings_same(&now.holdings, &before->holdings, UNDER_ASAN) &&
	       now.threads == before->threads && now.names == before->names;
}

static struct lab_pool *make(const void *what)
{
	const struct kind *kind = what;
	struct lab_pool_config config = kind->config;

	config.name = "made";
	config.page_size = config.flags & LAB_POOL_NUMBERS ? 0 : LAB_PAGE_4K;
	config.flags |= LAB_POOL_FALLBACK;
	return lab_pool_create(&config);
}

static struct lab_pool *attach(const void *what)
{
	(void)what;
	return attach_as("shared");
}

/* Step by step, until nothing has been struck. Returns how many there are; 0: it went wrong, and
 * child_words() says how. */
static unsigned each_step(struct lab_pool *(*create)(const void *), const void *what)
{
	struct scene before;

	/* Once undisturbed: what the C library keeps then is not left by who fails. */
	CHILD_EXPECT(lab_pool_destroy(create(what)) == 0);
	before = scene_now();
	for (uint64_t n = 1;; n++) {
		const struct lab_fault fault = {.nth = n};
		uint64_t struck = lab_fault_count(NULL, LAB_FAULT_CREATE);
		struct lab_pool *pool;

		lab_domain_map_pool(NULL, NULL, 0); /* sets a text that is no creation's */
		CHILD_EXPECT(lab_fault_set(NULL, LAB_FAULT_CREATE, &fault) == 0);
		errno = 0;
		pool = create(what);
		CHILD_EXPECT(lab_fault_set(NULL, LAB_FAULT_CREATE, NULL) == 0);
		struck = lab_fault_count(NULL, LAB_FAULT_CREATE) - struck;
		/* One that is struck where it can do without is made all the same. */
		if (pool) {
			CHILD_EXPECT(lab_pool_validate(pool) == 0);
			CHILD_EXPECT(lab_pool_destroy(pool) == 0);
		} else {
			CHILD_EXPECT(struck == 1);
			CHILD_EXPECT(errno != 0);
			CHILD_EXPECT(!strstr(lab_error_text(), "a domain and a pool"));
			CHILD_EXPECT(strlen(lab_error_text()) > 20);
		}
		CHILD_EXPECT(is_as_before(&before));
		if (!struck)
			return (unsigned)n - 1;
	}
}

static void each_step_of_each(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < sizeof(creations) / sizeof(creations[0]); i++) {
		unsigned steps = each_step(make, &creations[i]);

		fprintf(stderr, "# %s: %u steps\n", creations[i].title, steps);
		CHILD_EXPECT(steps >= 8);
	}
}

Test(fault_create, each_step_of_each_kind_fails_once)
{
	elsewhere(each_step_of_each);
}

/* All members or none, whichever step of whichever member it is. */
static void each_step_of_a_set(void *unused)
{
	const struct lab_pool_config config = {.name = "set",
					       .frames = FRAMES,
					       .max_frames = 2 * FRAMES,
					       .page_size = LAB_PAGE_4K,
					       .flags = LAB_POOL_FALLBACK};
	struct lab_nodes *nodes = lab_nodes_create(&config, NULL, 0);
	struct scene before;

	(void)unused;
	CHILD_EXPECT(nodes && lab_nodes_destroy(nodes) == 0);
	before = scene_now();
	for (uint64_t n = 1, struck = 1; struck; n++) {
		const struct lab_fault fault = {.nth = n};

		struck = lab_fault_count(NULL, LAB_FAULT_CREATE);
		CHILD_EXPECT(lab_fault_set(NULL, LAB_FAULT_CREATE, &fault) == 0);
		errno = 0;
		nodes = lab_nodes_create(&config, NULL, 0);
		struck = lab_fault_count(NULL, LAB_FAULT_CREATE) - struck;
		CHILD_EXPECT(lab_fault_set(NULL, LAB_FAULT_CREATE, NULL) == 0);
		CHILD_EXPECT(nodes ? lab_nodes_destroy(nodes) == 0 : struck == 1 && errno);
		CHILD_EXPECT(is_as_before(&before));
		CHILD_EXPECT(struck || n > 10);
	}
}

Test(fault_create, each_step_of_a_set_fails_once)
{
	elsewhere(each_step_of_a_set);
}

static void each_step_on_hugepages(void *unused)
{
	const struct lab_pool_config config = {
		.name = "huge", .frames = 512, .page_size = LAB_PAGE_2M};
	struct lab_pool *pool = NULL;

	(void)unused;
	for (uint64_t n = 1; !pool; n++) {
		const struct lab_fault fault = {.nth = n};
		unsigned descriptors = holdings_now().descriptors;

		lab_fault_set(NULL, LAB_FAULT_CREATE, &fault);
		pool = lab_pool_create(&config);
		CHILD_EXPECT(pool || (errno && holdings_now().descriptors == descriptors &&
				      holdings_now().hugetlb_kib == 0));
		CHILD_EXPECT(n < 100);
	}
	CHILD_EXPECT(lab_pool_destroy(pool) == 0);
}

Test(fault_create, each_step_on_hugepages_fails_once)
{
	skip_without_hugepages(LAB_PAGE_2M, 1);
	elsewhere(each_step_on_hugepages);
}

static void each_step_of_attaching(void *unused)
{
	(void)unused;
	CHILD_EXPECT(each_step(attach, NULL) >= 10);
}

Test(fault_create, each_step_of_attaching_fails_once)
{
	struct lab_pool *pool = shared_pool(0);

	elsewhere(each_step_of_attaching);
	end_valid(pool);
}

static void attached_alone_fails(void *unused)
{
	struct lab_pool *pool;

	(void)unused;
	setenv("LABYRINTH_FAULT", "shared/alloc:every=1", 1);
	pool = attach_as("shared");
	CHILD_EXPECT(pool && !lab_alloc(pool, 0));
	CHILD_EXPECT(lab_fault_count(pool, LAB_FAULT_ALLOC) == 1);
	CHILD_EXPECT(lab_pool_destroy(pool) == 0);
}

Test(fault_create, each_process_of_a_pool_has_its_own)
{
	struct lab_pool *pool = shared_pool(0);

	elsewhere(attached_alone_fails);
	cr_assert_str_eq(tries(pool, 3), "...");
	cr_assert_eq(lab_fault_count(pool, LAB_FAULT_ALLOC), 0);
	end_valid(pool);
}
