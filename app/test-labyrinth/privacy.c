/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * No other process maps a pool's frames: fork and look.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "process.h"
#include "test.h"

TestSuite(privacy, .timeout = 60);

/* On hugepages where there are any. */
static struct lab_pool *private_pool(size_t page_size, uint32_t flags)
{
	struct lab_pool_config config = {.name = "private",
					 .frames = 1024,
					 .page_size = page_size,
					 .flags = flags | LAB_POOL_FALLBACK};

	if (page_size != LAB_PAGE_4K)
		skip_without_hugepages(page_size, 2);
	return pool_of(&config);
}

static void on_segv(int signal)
{
	_exit(77);
}

struct probe {
	struct lab_pool *pool;
	void *address;
	int writes;
};

static void touch(void *arg)
{
	struct probe *probe = arg;
	volatile char *byte = probe->address;

	signal(SIGSEGV, on_segv);
	signal(SIGBUS, on_segv);
	if (probe->writes)
		*byte = 1;
	else
		(void)*byte;
	_exit(0);
}

static void look(void *arg)
{
	struct lab_pool *pool = ((struct probe *)arg)->pool;
	struct probe *probe = arg;
	struct mapping m;

	for (size_t i = 0; i < 1024; i += 64)
		CHILD_EXPECT(!find_mapping((char *)probe->address + i * 4096, &m));
	CHILD_EXPECT(!find_mapping((const void *)pool->iova_delta, &m));
	CHILD_EXPECT(descriptors_to("labyrinth") == 0);
}

static void forked(size_t page_size, uint32_t flags)
{
	struct lab_pool *pool = private_pool(page_size, flags);
	char *memory = lab_pool_memory(pool, NULL);
	struct probe probe = {.pool = pool, .address = memory};
	void *frame = lab_alloc(pool, LAB_GFP_ATOMIC);
	const void *state = pool->state,
		   *tables[2] = {pool->iova_delta, state ? state : pool->iova_delta};

	memset(frame, 0x77, LAB_FRAME_SIZE);
	in_child(look, &probe);
	for (probe.writes = 0; probe.writes < 2; probe.writes++) {
		int status;

		for (size_t at = 0; at < 1024 * 4096; at += 1023 * 4096) {
			probe.address = memory + at;
			status = status_of_child(touch, &probe);
			cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 77,
				  "a child reached a frame: status 0x%x", status);
		}
		for (unsigned i = 0; i < 2; i++) {
			probe.address = (char *)(uintptr_t)tables[i];
			status = status_of_child(touch, &probe);
			cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 77,
				  "a child reached the tables: status 0x%x", status);
		}
	}
	cr_assert_eq(((char *)frame)[100], 0x77);
	cr_assert_eq(lab_free(pool, frame), 0);
	end_whole(pool);
}

Test(privacy, a_child_has_no_mapping_of_ordinary_pages)
{
	FOR_BOTH_MODES(flags)
	forked(LAB_PAGE_4K, flags);
}

Test(privacy, a_child_has_no_mapping_of_hugepages)
{
	forked(LAB_PAGE_2M, 0);
}

Test(privacy, asking_for_dumps_shares_nothing_else)
{
	forked(LAB_PAGE_4K, LAB_POOL_DUMP);
}

static void flags_of(size_t page_size)
{
	for (uint32_t dump = 0; dump <= LAB_POOL_DUMP; dump += LAB_POOL_DUMP) {
		struct lab_pool *pool = private_pool(page_size, dump);
		char *memory = lab_pool_memory(pool, NULL);
		struct mapping m;

		for (size_t at = 0; at < 1024 * 4096; at += 1023 * 4096) {
			cr_assert(find_mapping(memory + at, &m));
			cr_assert(mapping_has(&m, "dc"), "not kept from fork: %s", m.flags);
			cr_assert_eq(mapping_has(&m, "dd"), dump == 0, "in core dumps: %s",
				     m.flags);
		}
		cr_assert(find_mapping((const void *)pool->iova_delta, &m));
		cr_assert(mapping_has(&m, "dc"), "tables: %s", m.flags);
		end_whole(pool);
	}
}

Test(privacy, ordinary_pages_stay_out_of_forks_and_dumps)
{
	flags_of(LAB_PAGE_4K);
}

Test(privacy, hugepages_stay_out_of_forks_and_dumps)
{
	flags_of(LAB_PAGE_2M);
}

/* The only ways to a memory that is mapped are its name and a descriptor. */
Test(privacy, no_name_and_no_descriptor)
{
	static const size_t page_sizes[] = {LAB_PAGE_4K, LAB_PAGE_2M};
	static const char deleted[] = " (deleted)";

	for (unsigned i = 0; i < 2; i++) {
		unsigned before = holdings_now().descriptors;
		struct lab_pool *pool = private_pool(page_sizes[i], 0);
		struct mapping m;

		cr_assert_eq(holdings_now().descriptors, before);
		cr_assert_eq(descriptors_to("labyrinth"), 0);
		cr_assert(find_mapping(lab_pool_memory(pool, NULL), &m));
		if (m.name[0] && m.name[0] != '[') {
			size_t len = strlen(m.name);

			cr_assert(len > strlen(deleted) &&
					  strcmp(m.name + len - strlen(deleted), deleted) == 0,
				  "the memory has a name: %s", m.name);
			m.name[len - strlen(deleted)] = '\0';
			cr_assert_neq(access(m.name, F_OK), 0, "%s exists", m.name);
		}
		end_whole(pool);
	}
}

/* A child has the handle, and every call on it is an error in words, not a crash. */
static void use_the_handle(void *arg)
{
	struct lab_pool *pool = ((struct probe *)arg)->pool, *own;
	void *frame = ((struct probe *)arg)->address, *out[40];
	struct lab_pool_config config = {
		.frames = 64, .page_size = LAB_PAGE_4K, .flags = LAB_POOL_FALLBACK};
	struct lab_pool_stats stats;

	for (unsigned round = 0; round < 2; round++) {
		errno = 0;
		CHILD_EXPECT(lab_alloc(pool, LAB_GFP_ATOMIC) == NULL && errno == EPERM);
		CHILD_EXPECT(strstr(lab_error_text(), "'private'"));
		CHILD_EXPECT(strstr(lab_error_text(), "fork()"));
		CHILD_EXPECT(lab_alloc_bulk(pool, out, 32, 0) == -EPERM);
		CHILD_EXPECT(lab_alloc_burst(pool, out, 40, 0) == 0);
		CHILD_EXPECT(lab_free(pool, frame) == -EPERM);
		CHILD_EXPECT(lab_free_bulk(pool, &frame, 1) == -EPERM);
		CHILD_EXPECT(lab_lcore_register(pool, "child") == -EPERM);
		CHILD_EXPECT(lab_lcore_id(pool) == 0);
	}
	lab_pool_stats(pool, &stats);
	CHILD_EXPECT(lab_lcore_unregister(pool) == -ENOENT);
	/* What it makes itself works, and so does forgetting what it inherited. */
	own = lab_pool_create(&config);
	CHILD_EXPECT(own != NULL);
	CHILD_EXPECT(lab_free(own, lab_alloc(own, LAB_GFP_ATOMIC)) == 0);
	CHILD_EXPECT(lab_pool_destroy(own) == 0);
	CHILD_EXPECT(lab_pool_destroy(pool) == 0);
}

Test(privacy, a_child_is_told)
{
	FOR_BOTH_MODES(flags)
	{
		struct lab_pool *pool = private_pool(LAB_PAGE_4K, flags);
		struct probe probe = {.pool = pool, .address = lab_alloc(pool, LAB_GFP_ATOMIC)};

		in_child(use_the_handle, &probe);
		conserved(pool, 1, 0);
		cr_assert_eq(lab_free(pool, probe.address), 0);
		end_whole(pool);
	}
}

/*
 * Another thread forks just when memory is mapped and would still be inherited: this program's
 * madvise() stands before the C library's, and gives it a tenth of a second for that.
 */
static struct {
	int armed, status;
	void *memory;
	pthread_t thread;
} window;

static void *fork_in_the_window(void *unused)
{
	struct mapping m;
	pid_t child = fork();

	if (child == 0)
		_exit(find_mapping(window.memory, &m) ? 1 : descriptors_to("labyrinth") ? 2 : 0);
	if (child < 0 || waitpid(child, &window.status, 0) != child)
		window.status = -1;
	return unused;
}

int madvise(void *memory, size_t bytes, int advice)
{
	if (window.armed && advice == MADV_DONTFORK && --window.armed == 0) {
		window.memory = memory;
		if (pthread_create(&window.thread, NULL, fork_in_the_window, NULL) == 0)
			usleep(100000);
	}
	return (int)syscall(SYS_madvise, memory, bytes, advice);
}

Test(privacy, a_fork_while_a_pool_is_being_made)
{
	/* The frames are the first to be mapped, the tables the second. */
	for (int mapping = 1; mapping <= 2; mapping++) {
		struct lab_pool *pool;

		window.status = -1;
		window.memory = NULL;
		window.armed = mapping;
		pool = private_pool(LAB_PAGE_4K, 0);
		cr_assert_not_null(window.memory, "mapping %d was not excluded from children",
				   mapping);
		pthread_join(window.thread, NULL);
		cr_assert_eq(window.status, 0, "mapping %d: a child ended with %d", mapping,
			     window.status);
		lab_pool_destroy(pool);
	}
}
