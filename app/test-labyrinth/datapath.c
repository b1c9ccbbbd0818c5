/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The data path makes no system call (a seccomp filter kills for any) and no page fault (the kernel
 * counts them).
 */
#include <seccomp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "test.h"
#include "work.h"

TestSuite(datapath, .timeout = 60);

/* All threads of the process may end, and do nothing else. */
static int only_exit(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err = filter ? 0 : -ENOMEM;

	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(exit_group), 0);
	if (!err)
		err = seccomp_load(filter);
	/* Releasing it would free memory, and that may be a system call. */
	return err;
}

/* Under the filter a child can only end: with a number that says where. */
#define STRICT(condition)                                            \
	do {                                                         \
		if (!(condition))                                    \
			syscall(SYS_exit_group, __LINE__ % 125 + 1); \
	} while (0)

struct scene {
	struct lab_pool *pool, *other;
	int device;
	void *foreign;
	uint32_t ready, go, done;
};

/* Every data path call, in sizes that hit, refill, flush, run out, and are refused. */
static void all_calls(struct scene *s, unsigned rounds)
{
	static void *frame[FRAMES + 8];
	struct lab_pool *pool = s->pool;
	int exclusive = lab_pool_exclusive(pool);
	void *one;

	for (unsigned i = 0; i < rounds; i++) {
		unsigned n = i % 1000, got;

		STRICT((one = lab_alloc(pool, LAB_GFP_ATOMIC)) != NULL);
		STRICT(lab_frame_at(pool, lab_frame_index(pool, one)) == one);
		STRICT(lab_frame_iova(pool, one) != LAB_ADDR_NONE);
		lab_frame_phys(pool, one);
		STRICT(lab_lend(pool, s->device, &one, 1) == 1);
		STRICT(!exclusive || lab_free(pool, one) == -EBUSY);
		STRICT(lab_take_back(pool, s->device, &one, 1) == 1);
		STRICT(lab_free(pool, one) == 0);
		STRICT(lab_alloc_bulk(pool, frame, n, LAB_GFP_ATOMIC) == 0);
		STRICT(lab_free_bulk(pool, frame, n) == 0);
		STRICT(lab_alloc_burst(pool, frame, 32, LAB_GFP_ATOMIC) == 32);
		STRICT(lab_free_bulk(pool, frame, 32) == 0);
		STRICT((one = lab_alloc(pool, LAB_GFP_ZERO)) != NULL);
		STRICT(lab_free(pool, one) == 0);
		STRICT(lab_alloc(pool, 1u << 30) == NULL);
		if (exclusive) {
			STRICT((one = labyrinth_void_alloc_page_gfp_atomic_exclusive(pool)) !=
			       NULL);
			STRICT(lab_free(pool, one) == 0);
			STRICT(lab_free(pool, one) == -EALREADY);
			STRICT(lab_free(pool, (char *)one + 8) == -EINVAL);
			STRICT(lab_free(pool, s->foreign) == -EXDEV);
			STRICT(lab_free(pool, &one) == -EFAULT);
			STRICT(lab_free_bulk(pool, &one, 1) == -EALREADY);
			STRICT(lab_lend(pool, s->device, &one, 1) == 0);
			STRICT(lab_take_back(pool, s->device, &one, 1) == 0);
		}
		if (i % 64)
			continue;
		/* All there are; more than there are; scattered, by the block, and back. */
		got = lab_alloc_burst(pool, frame, FRAMES + 8, LAB_GFP_ATOMIC);
		STRICT(got > FRAMES / 2);
		STRICT(lab_alloc(pool, LAB_GFP_ATOMIC) == NULL);
		STRICT(lab_alloc_bulk(pool, frame + got, 2, LAB_GFP_ATOMIC) == -ENOMEM);
		for (unsigned f = 0; f + 1 < got; f += 2) {
			one = frame[f];
			frame[f] = frame[got - 1 - f];
			frame[got - 1 - f] = one;
		}
		for (unsigned f = 0; f < got; f += 32)
			STRICT(lab_free_bulk(pool, frame + f, got - f < 32 ? got - f : 32) == 0);
		lab_lcore_unregister(pool);
		STRICT(lab_lcore_register(pool, "again") > 0);
	}
}

static void *first_call_under_the_filter(void *arg)
{
	struct scene *s = arg;
	void *one, *frame[64];

	__atomic_store_n(&s->ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&s->go, __ATOMIC_ACQUIRE))
		;
	STRICT((one = lab_alloc(s->pool, LAB_GFP_ATOMIC)) != NULL);
	STRICT(lab_lcore_id(s->pool) == 2);
	STRICT(lab_free(s->pool, one) == 0);
	STRICT(lab_alloc_bulk(s->pool, frame, 64, 0) == 0);
	STRICT(lab_free_bulk(s->pool, frame, 64) == 0);
	if (lab_pool_exclusive(s->pool))
		STRICT(lab_free(s->pool, one) == -EALREADY);
	__atomic_store_n(&s->done, 1, __ATOMIC_RELEASE);
	for (;;)
		;
	return NULL;
}

static void strict_child(void *arg)
{
	struct scene s = {0};
	uint32_t flags = *(uint32_t *)arg;
	pthread_t thread;

	s.pool = small_pool(FRAMES, flags);
	s.other = small_pool(64, 0);
	s.foreign = lab_alloc(s.other, LAB_GFP_ATOMIC);
	s.device = lab_device_register(s.pool, "nic");
	all_calls(&s, 2); /* the dynamic linker resolves names at their first call */
	CHILD_EXPECT(pthread_create(&thread, NULL, first_call_under_the_filter, &s) == 0);
	while (!__atomic_load_n(&s.ready, __ATOMIC_ACQUIRE))
		usleep(100); /* a thread begins with system calls of its own */
	if (only_exit() != 0)
		_exit(126);
	all_calls(&s, 3000);
	__atomic_store_n(&s.go, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&s.done, __ATOMIC_ACQUIRE))
		;
	syscall(SYS_exit_group, 0);
}

static void strictly(uint32_t flags)
{
	int status;

	skip_under_asan();
	status = status_of_child(strict_child, &flags);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 126)
		cr_skip_test("seccomp filters are not allowed here");
	cr_assert(!WIFSIGNALED(status), "a system call: killed by signal %d", WTERMSIG(status));
	cr_assert_eq(status, 0, "line %d (modulo 125): a wrong answer under the filter; %s",
		     WEXITSTATUS(status) - 1, child_words());
}

Test(datapath, no_system_call_exclusive)
{
	strictly(0);
}

Test(datapath, no_system_call_unprotected)
{
	strictly(LAB_POOL_UNPROTECTED);
}

/* The filter does kill: without this the tests above could not fail. */
static void calls_the_kernel(void *arg)
{
	if (only_exit() != 0)
		_exit(126);
	getppid();
	syscall(SYS_exit_group, 0);
}

Test(datapath, the_filter_kills)
{
	int status = status_of_child(calls_the_kernel, NULL);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 126)
		cr_skip_test("seccomp filters are not allowed here");
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "status 0x%x", status);
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/* The first touch of each frame does not fault: the pool came populated. */
static void first_touch(const struct lab_pool_config *config)
{
	struct lab_pool *pool;
	uint64_t frames;
	volatile char *frame;
	void *warm;
	long before;

	skip_under_asan();
	pool = pool_of(config);
	frames = lab_pool_frames(pool);
	warm = lab_alloc(pool, LAB_GFP_ATOMIC);
	*(volatile char *)warm = 1;
	before = faults();
	for (uint64_t i = 0; i < frames; i++) {
		frame = lab_frame_at(pool, (uint32_t)i);
		frame[i % LAB_FRAME_SIZE] = 1;
	}
	cr_assert_eq(faults(), before, "%ld faults on %llu frames", faults() - before,
		     (unsigned long long)frames);
	cr_assert_eq(lab_free(pool, warm), 0);
	end_whole(pool);
}

Test(datapath, frames_are_populated_on_ordinary_pages)
{
	first_touch(&(struct lab_pool_config){
		.frames = FRAMES, .page_size = LAB_PAGE_4K, .flags = LAB_POOL_FALLBACK});
}

Test(datapath, frames_are_populated_on_hugepages)
{
	skip_without_hugepages(LAB_PAGE_2M, 8);
	first_touch(&(struct lab_pool_config){.frames = 4096});
}

Test(datapath, no_page_fault_in_a_million_operations)
{
	FOR_BOTH_MODES(flags)
	{
		struct scene s = {0};
		void *frame[1000];
		long before;

		skip_under_asan();
		s.pool = small_pool(FRAMES, flags);
		s.other = small_pool(64, 0);
		s.foreign = lab_alloc(s.other, LAB_GFP_ATOMIC);
		s.device = lab_device_register(s.pool, "nic");
		all_calls(&s, 1000);
		memset(frame, 0, sizeof(frame));
		before = faults();
		all_calls(&s, 1000);
		for (unsigned i = 0; i < 1000000; i += 500) {
			STRICT(lab_alloc_bulk(s.pool, frame, 500, 0) == 0);
			STRICT(lab_free_bulk(s.pool, frame, 500) == 0);
		}
		for (unsigned i = 0; i < 1000000; i++)
			STRICT(lab_free(s.pool, lab_alloc(s.pool, LAB_GFP_ATOMIC)) == 0);
		cr_assert_eq(faults(), before, "%s: %ld faults", mode_name(flags),
			     faults() - before);
		cr_assert_eq(lab_free(s.other, s.foreign), 0);
		end_whole(s.other);
		end_whole(s.pool);
	}
}
