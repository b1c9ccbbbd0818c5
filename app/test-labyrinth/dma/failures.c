/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * One story of two domains, two pools and two devices, told again and again: each time the next
 * call into the kernel fails, or the next allocation of memory does, until it comes to its end
 * undisturbed. Whatever fails is said, named, and undone.
 */
#include "ground.h"

TestSuite(dma_failures, .timeout = 60);

#define N 24u

/* ---- malloc and its kin, of the library and of this program (ld's --wrap) ---- */

static unsigned memory_in;
static int memory_failed;

static int memory_fails(void)
{
	if (!memory_in || --memory_in)
		return 0;
	memory_failed = 1;
	errno = ENOMEM;
	return 1;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
	return memory_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return memory_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return memory_fails() ? NULL : __real_realloc(old, size);
}

/* ---- the story ---- */

/** struct story - @complaints: steps that failed; each is undone, or tried again. */
struct story {
	const char *title;
	const struct lab_iommu_ops *ops[2];
	enum lab_domain_mode mode[2];
	struct lab_domain *domain[2];
	struct lab_device *dev[2];
	struct lab_pool *pool[2];
	struct lab_run run[2];
	void *frame[2][N];    /* of pool 0 with device 0, of pool 1 with device 1 */
	unsigned first, last; /* of those lent */
	unsigned complaints;
};

static const char *const address[2] = {FAKE_NIC, FAKE_DISK};

/* 1 if a step went well; else it has said what is wrong, and with what. */
static int well(struct story *s, int good, const char *what)
{
	static const char *const name[] = {FAKE_NIC, FAKE_DISK, "'one'", "'two'", "'rx'",
					   "'tx'",   "rx",      "tx",    "memory"};
	const char *text = lab_error_text();
	unsigned i = 0;

	if (good)
		return 1;
	s->complaints++;
	cr_assert_gt(errno, 0, "%s, %s: no errno", s->title, what);
	while (i < sizeof(name) / sizeof(name[0]) && !strstr(text, name[i]))
		i++;
	cr_assert_lt(i, sizeof(name) / sizeof(name[0]), "%s, %s: who? \"%s\"", s->title, what,
		     text);
	return 0;
}

/* For the next step: what is said is said by it. */
static void forget_errors(void)
{
	lab_device_close(lab_device_open(NULL, NULL)); /* sets a text that names nobody */
	errno = 0;
}

#define STEP(call)                                \
	do {                                      \
		forget_errors();                  \
		if (!well(s, (call) == 0, #call)) \
			return;                   \
	} while (0)

static void lend_some(struct story *s, unsigned i, unsigned n)
{
	uint64_t iova[N];
	unsigned got = lab_device_lend(s->dev[i], s->pool[i], s->frame[i], n, iova);

	/* Those before the one that was refused have gone, and go back. */
	if (!well(s, got == n, "lend"))
		cr_assert_eq(lab_device_take_back(s->dev[i], s->pool[i], s->frame[i], got), got);
}

static void begin_story(struct story *s)
{
	static const char *const name[2] = {"one", "two"};

	for (unsigned i = 0; i < 2; i++) {
		struct lab_domain_config config = {.name = name[i], .mode = s->mode[i]};

		forget_errors();
		s->domain[i] = lab_domain_create_on(&config, s->ops[i], NULL);
		if (!s->domain[i] && fake_last_failed() == FAKE_OPEN) {
			s->complaints++; /* the backend's own sentence */
			return;
		}
		if (!well(s, s->domain[i] != NULL, "create"))
			return;
	}
	for (unsigned i = 0; i < 2; i++) {
		forget_errors();
		s->dev[i] = lab_device_open(s->domain[i], address[i]);
		if (!s->dev[i] && strstr(lab_error_text(), "as it was told to")) {
			s->complaints++; /* likewise */
			return;
		}
		if (!well(s, s->dev[i] != NULL, "open"))
			return;
	}
}

static void tell(struct story *s)
{
	begin_story(s);
	if (s->complaints)
		return;
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned j = 0; j < 2; j++) {
			if (s->mode[i] != LAB_DOMAIN_PREMAPPED)
				STEP(lab_domain_map_pool(s->domain[i], s->pool[j], LAB_DMA_BOTH));
		}
		STEP(lab_run_alloc(s->domain[i], 4, 8192, LAB_DMA_BOTH, &s->run[i]));
		STEP(lab_device_irq_enable(s->dev[i], 1));
		STEP(lab_device_bus_master(s->dev[i], 1));
		for (unsigned n = 1; n <= N && !s->complaints; n *= 4) {
			forget_errors();
			lend_some(s, i, n);
			if (s->complaints)
				return;
			STEP(lab_device_take_back(s->dev[i], s->pool[i], s->frame[i], n) == n ? 0
											      : 1);
		}
		STEP(lab_device_irq_unmask(s->dev[i]));
		STEP(lab_device_reset(s->dev[i]));
		STEP(lab_domain_unmap_pool(s->domain[i], s->pool[1 - i]));
		STEP(lab_run_free(s->domain[i], &s->run[i]));
		STEP(lab_run_alloc(s->domain[i], 2, 0, LAB_DMA_READ, &s->run[i]));
		STEP(lab_device_irq_disable(s->dev[i]));
		forget_errors();
		lend_some(s, i, N / 2);
	}
}

/* ---- its end, wherever it broke off ---- */

/* Closed with whatever it has. Returns how many of the frames are free, and not held, after it. */
static unsigned close_one(struct story *s, unsigned i)
{
	struct lab_pool_stats before, after;
	int64_t back;

	if (!s->dev[i])
		return 0;
	lab_pool_stats(s->pool[i], &before);
	forget_errors();
	back = lab_device_close(s->dev[i]);
	well(s, back >= 0, "close");
	if (back >= 0) {
		cr_assert_eq((uint64_t)back, before.lent);
		return 0;
	}
	cr_assert_eq(back, -EBUSY, "%s: %lld", s->title, (long long)back);
	lab_pool_stats(s->pool[i], &after);
	cr_assert_eq(after.quarantined, before.lent);
	OK(lab_device_close(opened(s->domain[i], address[i])));
	lab_pool_stats(s->pool[i], &after);
	cr_assert_eq(after.quarantined + after.lent, 0);
	return (unsigned)before.lent;
}

static void end_story(struct story *s)
{
	for (unsigned i = 0; i < 2; i++) {
		unsigned gone;

		/* Some are lost to the device if it is not reset: free, and no longer held. */
		if (s->dev[i])
			says_the_truth(s->domain[i]);
		gone = close_one(s, i);
		cr_assert_eq(lab_free_bulk(s->pool[i], s->frame[i] + gone, N - gone), 0, "%s",
			     lab_error_text());
	}
	for (unsigned i = 0; i < 2; i++) {
		forget_errors();
		if (!well(s, lab_domain_destroy(s->domain[i]) == 0, "destroy"))
			OK(lab_domain_destroy(s->domain[i]));
	}
	memory_in = 0;
	for (unsigned i = 0; i < 2; i++)
		end_whole(s->pool[i]);
}

/* What the library rightly makes no fuss about: pages are pinned again where they cannot be shared;
 * interrupts end with their device; runs, and what is lent, with their domain. */
static int may_be_silent(void)
{
	return fake_last_failed() == FAKE_SHARE || fake_last_failed() == FAKE_IRQS ||
	       fake_last_failed() == FAKE_UNMAP;
}

/* Returns 1 if something did fail. */
static int once(const struct story *which, unsigned k, int memory)
{
	static char title[120];
	struct ground ground = level_ground();
	struct story s = *which;
	int failed;

	snprintf(title, sizeof(title), "%s, %s %u fails", which->title,
		 memory ? "allocation" : "call", k);
	s.title = title;
	s.pool[0] = named_pool("rx", 64, 0);
	s.pool[1] = named_pool("tx", 64, 0);
	for (unsigned i = 0; i < 2; i++)
		OK(lab_alloc_bulk(s.pool[i], s.frame[i], N, 0));
	memory_failed = 0;
	if (memory)
		memory_in = k;
	else
		fake_fail(FAKE_ANY, k, EIO);
	tell(&s);
	end_story(&s);
	failed = memory ? memory_failed : fake_failed();
	if (failed)
		cr_assert(s.complaints || (!memory && may_be_silent()), "%s (%s): nobody says so",
			  title, fake_op_name(fake_last_failed()));
	else
		cr_assert_eq(s.complaints, 0, "%s: %s", title, lab_error_text());
	as_before(&ground);
	return failed;
}

static const struct story stories[] = {
	{.title = "guarded and strict",
	 .ops = {&fake_keeping_ops, &fake_keeping_ops},
	 .mode = {LAB_DOMAIN_GUARDED, LAB_DOMAIN_STRICT}},
	{.title = "premapped and guarded",
	 .ops = {&fake_keeping_ops, &fake_keeping_ops},
	 .mode = {LAB_DOMAIN_PREMAPPED, LAB_DOMAIN_GUARDED}},
	{.title = "forgetful, strict and premapped",
	 .ops = {&fake_forgetful_ops, &fake_forgetful_ops},
	 .mode = {LAB_DOMAIN_STRICT, LAB_DOMAIN_PREMAPPED}},
};

static void all_of(const struct story *s, int memory)
{
	unsigned k = 1;

	while (once(s, k, memory))
		k++;
	fprintf(stderr, "# %s: %u %s\n", s->title, k - 1, memory ? "allocations" : "calls");
	cr_assert_gt(k, memory ? 10 : 30); /* the story was told */
}

Test(dma_failures, every_call_fails_once)
{
	for (unsigned i = 0; i < sizeof(stories) / sizeof(stories[0]); i++)
		all_of(&stories[i], 0);
}

Test(dma_failures, every_allocation_fails_once)
{
	for (unsigned i = 0; i < sizeof(stories) / sizeof(stories[0]); i++)
		all_of(&stories[i], 1);
}
