/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Pools that processes share: attach, leave, die, be reaped, be refused.
 */
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "shared.h"

TestSuite(share, .timeout = 60, .init = shared_begin);

static void use_all(void *unused)
{
	struct lab_pool *pool;
	void *frames[64];

	(void)unused;
	CHILD_EXPECT((pool = attach_as("shared")) != NULL);
	for (unsigned i = 0; i < 100; i++) {
		CHILD_EXPECT(lab_alloc_bulk(pool, frames, 64, LAB_GFP_ATOMIC) == 0);
		for (unsigned k = 0; k < 64; k++)
			memset(frames[k], 0x11, LAB_FRAME_SIZE);
		CHILD_EXPECT(lab_free_bulk(pool, frames, 64) == 0);
	}
	CHILD_EXPECT(lab_pool_destroy(pool) == 0);
}

Test(share, another_process_uses_it_and_leaves)
{
	struct lab_pool *pool = shared_pool(0);

	elsewhere(use_all);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	end_whole(pool);
	shared_end();
}

Test(share, on_hugepages_too)
{
	struct lab_pool_config config = {.name = "shared",
					 .frames = 512,
					 .page_size = LAB_PAGE_2M,
					 .flags = LAB_POOL_SHARED};
	struct lab_pool *pool;

	skip_without_hugepages(LAB_PAGE_2M, 1);
	pool = pool_of(&config);
	elsewhere(use_all);
	end_whole(pool);
	shared_end();
}

static const char words[] = "written at another address";

static void see_number(struct lab_pool *pool, struct other *other)
{
	void *frame = lab_alloc(pool, LAB_GFP_ATOMIC);

	memcpy(frame, words, sizeof(words));
	other->number[0] = lab_frame_index(pool, frame);
	other->number[1] = (uint32_t)((uintptr_t)pool->base >> 12);
}

Test(share, addresses_differ_and_numbers_agree)
{
	struct lab_pool *pool = shared_pool(0);
	/* Takes the place that the mapping would otherwise get again. */
	void *same = attach_as("shared");
	struct other *other;

	cr_assert_not_null(same, "%s", lab_error_text());
	cr_assert_neq(((struct lab_pool *)same)->base, pool->base);
	other = other_start(see_number);
	cr_assert_str_eq(lab_frame_at(pool, other->number[0]), words);
	cr_assert_str_eq(lab_frame_at(same, other->number[0]), words);
	other_kill(other);
	cr_assert_eq(lab_pool_destroy(same), 0);
	lab_pool_reap(pool);
	end_whole(pool);
	shared_end();
}

Test(share, what_another_holds_is_not_freed)
{
	struct lab_pool *pool = shared_pool(0);
	struct other *other = other_start(other_holds);
	struct lab_pool_stats stats;
	char pid[16];

	snprintf(pid, sizeof(pid), "process %d", other->pid);
	cr_assert_eq(lab_free(pool, lab_frame_at(pool, other->number[0])), -EPERM);
	text_has("free of frame", "refused: it is held by lcore", pid, NULL);
	conserved(pool, 40, 8);
	other_kill(other);
	lab_pool_reap(pool); /* unless a keeper has done it */
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.reaped_frames, 40 + 16 + 0);
	cr_assert_eq(lab_device_absolve(pool, "device"), 8);
	end_whole(pool);
	shared_end();
}

Test(share, the_keeper_reaps_by_itself)
{
	struct lab_pool *pool = shared_pool(0);
	struct other *other = other_start(other_holds);
	struct lab_pool_stats stats;

	other_kill(other);
	for (unsigned i = 0; i < 100; i++) {
		usleep(20000);
		lab_pool_stats(pool, &stats);
		if (stats.reaped_processes)
			break;
	}
	cr_assert_eq(stats.reaped_processes, 1);
	cr_assert_eq(stats.held, 0);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	lab_device_absolve(pool, "device");
	end_whole(pool);
	shared_end();
}

Test(share, lent_frames_of_the_dead_wait_for_the_device)
{
	struct lab_pool *pool = shared_pool(0);
	struct other *other = other_start(other_holds);
	struct lab_pool_stats stats;

	other_kill(other);
	lab_pool_reap(pool);
	lab_pool_stats(pool, &stats);
	cr_assert_eq(stats.quarantined, 8);
	cr_assert_eq(stats.lent, 8);
	cr_assert_eq(lab_pool_destroy(pool), -EBUSY);
	text_has("8 frames are in quarantine", "lab_device_absolve()", NULL);
	cr_assert_eq(lab_device_absolve(pool, "another"), 0);
	cr_assert_eq(lab_device_absolve(pool, "device"), 8);
	end_whole(pool);
	shared_end();
}

Test(share, the_creator_may_leave_first)
{
	struct lab_pool *pool = shared_pool(0), *second = attach_as("shared"), *third;

	cr_assert_not_null(second, "%s", lab_error_text());
	cr_assert_eq(lab_pool_destroy(pool), 0);
	third = attach_as("shared");
	cr_assert_not_null(third, "%s", lab_error_text());
	elsewhere(use_all);
	cr_assert_eq(lab_pool_destroy(second), 0);
	end_whole(third);
	shared_end();
}

static void create_and_die(void *unused)
{
	struct lab_pool *pool = shared_pool(0);

	(void)unused;
	lab_alloc(pool, LAB_GFP_ATOMIC);
	kill(getpid(), SIGKILL);
}

Test(share, what_a_dead_pool_leaves_is_taken_over)
{
	struct lab_pool *pool;

	status_of_child(create_and_die, NULL);
	cr_assert_null(attach_as("shared"));
	cr_assert_eq(errno, ENOENT);
	text_has("no pool 'shared'", "nobody answers", NULL);
	pool = shared_pool(0);
	elsewhere(use_all);
	end_whole(pool);
	shared_end();
}

Test(share, a_name_is_one_pools)
{
	struct lab_pool *pool = shared_pool(0);
	struct lab_pool_config config = {.name = "shared",
					 .frames = 64,
					 .page_size = LAB_PAGE_4K,
					 .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};

	cr_assert_null(lab_pool_create(&config));
	cr_assert_eq(errno, EEXIST);
	text_has("'shared' exists already", "attach to it", NULL);
	end_whole(pool);
	shared_end();
}

Test(share, too_many_lcores_and_too_many_processes)
{
	struct lab_pool_config config = {.name = "shared",
					 .frames = 64,
					 .page_size = LAB_PAGE_4K,
					 .max_lcores = 68,
					 .lcores = 1,
					 .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};
	struct lab_attach_config attach = {
		.name = "shared", .lcores = 70, .flags = LAB_POOL_FALLBACK};
	struct lab_pool *pool[LAB_MAX_POOLS] = {pool_of(&config)};

	cr_assert_null(lab_pool_attach(&attach));
	cr_assert_eq(errno, ENOSPC);
	text_has("68 lcores", "have 2 of them", "asks for 70", NULL);
	attach.lcores = 1;
	for (unsigned i = 1; i < LAB_MAX_POOLS - 1; i++) {
		pool[i] = lab_pool_attach(&attach);
		cr_assert_not_null(pool[i], "%u: %s", i, lab_error_text());
	}
	/* One is free for the message to be that of the pool, not of this process. */
	pool[31] = lab_pool_attach(&attach);
	cr_assert_not_null(pool[31]);
	cr_assert_eq(lab_pool_destroy(pool[1]), 0);
	pool[1] = NULL;
	{
		struct other *other = other_start(other_nothing);

		cr_assert_null(lab_pool_attach(&attach));
		cr_assert_eq(errno, ENOSPC);
		text_has("32 processes already", NULL);
		other_kill(other);
	}
	pool[1] = lab_pool_attach(&attach);
	cr_assert_not_null(pool[1], "the dead one's slot is free again: %s", lab_error_text());
	for (unsigned i = LAB_MAX_POOLS; i-- > 0;)
		cr_assert_eq(lab_pool_destroy(pool[i]), 0);
	shared_end();
}

Test(share, bad_arguments_are_named)
{
	const struct lab_attach_config unnamed = {.lcores = 1}, flags = {.name = "x", .flags = 1},
				       many = {.name = "x", .lcores = 96}, path = {.name = "a/b"},
				       group = {.name = "x", .group = "no-such-group"};

	cr_assert_null(lab_pool_attach(NULL));
	text_has("NULL", NULL);
	cr_assert_null(lab_pool_attach(&unnamed));
	text_has("needs a name", NULL);
	cr_assert_null(lab_pool_attach(&flags));
	text_has("flags is 0x1", NULL);
	cr_assert_null(lab_pool_attach(&many));
	text_has("lcores is 96", NULL);
	cr_assert_null(lab_pool_attach(&path));
	text_has("'a/b'", NULL);
	cr_assert_null(lab_pool_attach(&group));
	cr_assert_eq(errno, ENOENT);
	text_has("no group 'no-such-group'", NULL);
	cr_assert_null(lab_pool_observe("gone", NULL));
	cr_assert_eq(errno, ENOENT);
	shared_end();
}

Test(share, a_directory_that_anybody_writes_to_is_refused)
{
	struct lab_pool_config config = {.name = "shared",
					 .frames = 64,
					 .page_size = LAB_PAGE_4K,
					 .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};

	chmod(shared_dir, 0777);
	cr_assert_null(lab_pool_create(&config));
	cr_assert_eq(errno, EPERM);
	text_has("anybody may write", shared_dir, NULL);
	setenv("LABYRINTH_RUNTIME_DIR", "/proc/self/nothing", 1);
	cr_assert_null(lab_pool_create(&config));
	text_has("/proc/self/nothing", "LABYRINTH_RUNTIME_DIR", NULL);
	setenv("LABYRINTH_RUNTIME_DIR", "/dev/null", 1);
	cr_assert_null(lab_pool_create(&config));
	text_has("is no directory", NULL);
	shared_end();
}

/* ---- who may ---- */

static void become_nobody(void)
{
	if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
		_exit(3);
	prctl(PR_SET_DUMPABLE, 1); /* /proc/self is the new user's again */
}

/* For the members of a group. */
static struct lab_pool *group_pool_in(const char *dir)
{
	struct lab_pool_config config = {.name = "shared",
					 .frames = 64,
					 .page_size = LAB_PAGE_4K,
					 .group = "nogroup",
					 .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};

	if (!getgrnam("nogroup"))
		cr_skip_test("needs a group 'nogroup'");
	setenv("LABYRINTH_RUNTIME_DIR", dir, 1);
	return pool_of(&config);
}

/* In a directory of theirs. */
static struct lab_pool *group_pool(void)
{
	if (!getgrnam("nogroup"))
		cr_skip_test("needs a group 'nogroup'");
	cr_assert_eq(chown(shared_dir, 0, getgrnam("nogroup")->gr_gid), 0);
	cr_assert_eq(chmod(shared_dir, 0770), 0);
	return group_pool_in(shared_dir);
}

static void come_as_nobody(void *unused)
{
	(void)unused;
	become_nobody();
	CHILD_EXPECT(!attach_as("shared"));
	CHILD_EXPECT(errno == EACCES);
	CHILD_EXPECT(!lab_pool_observe("shared", NULL));
	CHILD_EXPECT(errno == EACCES);
}

static void come_without_the_group(void *unused)
{
	(void)unused;
	become_nobody();
	CHILD_EXPECT(!lab_pool_observe("shared", NULL));
	CHILD_EXPECT(errno == EACCES && strstr(lab_error_text(), "name the group"));
}

static void come_as_member(void *unused)
{
	struct lab_attach_config config = {
		.name = "shared", .lcores = 1, .flags = LAB_POOL_FALLBACK, .group = "nogroup"};
	struct lab_pool *pool;

	(void)unused;
	become_nobody();
	CHILD_EXPECT((pool = lab_pool_attach(&config)) != NULL);
	CHILD_EXPECT(lab_free(pool, lab_alloc(pool, 0)) == 0);
	CHILD_EXPECT(lab_pool_destroy(pool) == 0);
	CHILD_EXPECT((pool = lab_pool_observe("shared", "nogroup")) != NULL);
	CHILD_EXPECT(lab_pool_validate(pool) == 0);
	CHILD_EXPECT(lab_pool_destroy(pool) == 0);
}

/* Not root, and with the group: what a member has that is not the pool's user. */
static void answer_as_member(struct lab_pool *pool, struct other *other)
{
	const struct lab_attach_config config = {
		.name = "shared", .lcores = 1, .flags = LAB_POOL_FALLBACK, .group = "nogroup"};

	lab_pool_destroy(pool);
	if (setgroups(0, NULL) || setgid(65534) || setuid(65533))
		_exit(3);
	prctl(PR_SET_DUMPABLE, 1);
	pool = lab_pool_attach(&config);
	other->number[0] = pool != NULL;
}

Test(share, a_member_is_believed_by_those_who_name_the_group)
{
	struct lab_pool *pool;
	struct other *other;

	skip_unless_root();
	pool = group_pool();
	other = other_start(answer_as_member);
	cr_assert_eq(other->number[0], 1, "%s", other->text);
	/* Now the other one answers, which is neither root nor the same user. */
	cr_assert_eq(lab_pool_destroy(pool), 0);
	elsewhere(come_as_member);
	elsewhere(come_without_the_group);
	/* Root asks nobody. */
	pool = lab_pool_observe("shared", NULL);
	cr_assert_not_null(pool, "%s", lab_error_text());
	cr_assert_eq(lab_pool_destroy(pool), 0);
	pool = attach_as("shared");
	cr_assert_not_null(pool, "%s", lab_error_text());
	other_kill(other);
	lab_pool_reap(pool);
	end_whole(pool);
	shared_end();
}

static struct lab_pool *pool_of_nobody(void)
{
	become_nobody();
	return shared_pool(0);
}

static void make_as_nobody(void *unused)
{
	struct lab_pool *pool = pool_of_nobody();

	(void)unused;
	/* Until root has come, and has left again. */
	for (unsigned i = 0; i < 5000 && !others[0].number[0]; i++)
		usleep(1000);
	CHILD_EXPECT(others[0].number[0]);
	CHILD_EXPECT(lab_pool_destroy(pool) == 0);
	/* Root's process answers now, and for this user, too. */
	for (unsigned i = 0; i < 100 && !(pool = attach_as("shared")); i++)
		usleep(10000);
	CHILD_EXPECT(pool);
	CHILD_EXPECT(lab_pool_destroy(pool) == 0);
}

static void *run_elsewhere(void *run)
{
	elsewhere((void (*)(void *))(uintptr_t)run);
	return NULL;
}

Test(share, root_comes_to_anybodys_pool)
{
	struct lab_pool *pool = NULL, *seen;
	pthread_t thread;

	skip_unless_root();
	cr_assert_eq(chown(shared_dir, 65534, 65534), 0);
	pthread_create(&thread, NULL, run_elsewhere, (void *)(uintptr_t)make_as_nobody);
	for (unsigned i = 0; i < 500 && !pool; i++) {
		usleep(10000);
		pool = attach_as("shared");
	}
	cr_assert_not_null(pool, "%s", lab_error_text());
	seen = lab_pool_observe("shared", NULL);
	cr_assert_not_null(seen, "%s", lab_error_text());
	cr_assert_eq(lab_pool_destroy(seen), 0);
	others[0].number[0] = 1;
	pthread_join(thread, NULL);
	end_whole(pool);
	shared_end();
}

Test(share, another_user_is_refused)
{
	struct lab_pool *pool;
	char socket[128];

	skip_unless_root();
	pool = shared_pool(0);
	chmod(shared_dir, 0755);
	elsewhere(come_as_nobody);
	/* Even where the socket itself lets everybody in. */
	snprintf(socket, sizeof(socket), "%s/shared.sock", shared_dir);
	cr_assert_eq(chmod(socket, 0777), 0);
	elsewhere(come_as_nobody);
	end_whole(pool);
	shared_end();
}

Test(share, a_member_of_the_group_is_not)
{
	struct lab_pool *pool, *second;

	skip_unless_root();
	pool = group_pool();
	elsewhere(come_as_member);
	/* Also where another process of the pool answers. */
	second = attach_as("shared");
	cr_assert_not_null(second, "%s", lab_error_text());
	cr_assert_eq(lab_pool_destroy(pool), 0);
	elsewhere(come_as_member);
	end_whole(second);
	shared_end();
}

/* ---- who is at the other end ---- */

/* What a false server sends, in the layout of share/meet.h. */
struct false_answer {
	uint64_t magic;
	uint32_t layout;
	int32_t err;
	uint64_t key;
	char text[256];
};

#define MAGIC 0x48544e495259424cull

struct false_server {
	int listener;
	const void *answer;
	size_t bytes;
	int fds[2];
	unsigned n;
};

static void *serve(void *arg)
{
	struct false_server *s = arg;
	int fd = accept(s->listener, NULL, NULL);
	char ask[64];
	struct iovec part = {.iov_base = (void *)(uintptr_t)s->answer, .iov_len = s->bytes};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = {{0}};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (recv(fd, ask, sizeof(ask), 0) < 0)
		return NULL;
	if (s->n) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(s->n * sizeof(int));
		control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS,
						  .cmsg_len = CMSG_LEN(s->n * sizeof(int))};
		memcpy(CMSG_DATA(&control.header), s->fds, s->n * sizeof(int));
	}
	if (s->bytes)
		sendmsg(fd, &message, MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

static int descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Attach to a server that answers so. */
static void meet(const void *answer, size_t bytes, const int *fds, unsigned n, int err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct false_server s = {.answer = answer, .bytes = bytes, .n = n};
	pthread_t thread;
	int had;

	if (n)
		memcpy(s.fds, fds, n * sizeof(int));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/shared.sock", shared_dir);
	s.listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	cr_assert_eq(bind(s.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	listen(s.listener, 4);
	had = descriptors();
	pthread_create(&thread, NULL, serve, &s);
	cr_assert_null(attach_as("shared"));
	cr_assert_eq(errno, err, "errno %d: %s", errno, lab_error_text());
	pthread_join(thread, NULL);
	cr_assert_eq(descriptors(), had, "descriptors leaked");
	close(s.listener);
	unlink(address.sun_path);
}

static int file_of(const void *bytes, size_t n, size_t length, int sealed)
{
	int fd = memfd_create("false", MFD_ALLOW_SEALING);

	cr_assert_eq(pwrite(fd, bytes, n, 0), (ssize_t)n);
	cr_assert_eq(ftruncate(fd, (off_t)length), 0);
	if (sealed)
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	return fd;
}

Test(share, what_is_no_pool_is_refused)
{
	struct false_answer good = {.magic = MAGIC, .layout = 2}, bad = good;
	char junk[4096];
	int fds[2];

	memset(junk, 0x5a, sizeof(junk));
	meet("hello", 5, NULL, 0, EPROTO);
	meet(junk, sizeof(good), NULL, 0, EPROTO);
	meet(junk, sizeof(junk), NULL, 0, EPROTO);
	bad.err = 4711;
	meet(&bad, sizeof(bad), NULL, 0, EPROTO);
	bad.err = EACCES;
	memset(bad.text, 'x', sizeof(bad.text));
	meet(&bad, sizeof(bad), NULL, 0, EACCES);
	meet(&good, sizeof(good), NULL, 0, EPROTO);
	text_has("no memory that is sealed", NULL);
	/* Files that could be cut off, are too short, are junk, or are of another kind. */
	fds[0] = file_of(junk, sizeof(junk), 65536, 0);
	fds[1] = file_of(junk, sizeof(junk), 65536, 1);
	meet(&good, sizeof(good), fds, 2, EPROTO);
	close(fds[0]);
	fds[0] = file_of(junk, 16, 16, 1);
	meet(&good, sizeof(good), fds, 2, EPROTO);
	text_has("too short", NULL);
	close(fds[0]);
	fds[0] = file_of(junk, sizeof(junk), 65536, 1);
	meet(&good, sizeof(good), fds, 2, EPROTO);
	text_has("its first word", NULL);
	meet(&good, sizeof(good), fds, 1, EPROTO);
	fds[1] = open("/dev/null", O_RDWR);
	meet(&good, sizeof(good), fds, 2, EPROTO);
	memcpy(junk, &good.magic, sizeof(good.magic));
	junk[8] = 1;
	junk[9] = junk[10] = junk[11] = 0;
	fds[0] = file_of(junk, sizeof(junk), 65536, 1);
	fds[1] = file_of(junk, sizeof(junk), 65536, 1);
	meet(&good, sizeof(good), fds, 2, EPROTONOSUPPORT);
	text_has("layout 1", "same version", NULL);
	shared_end();
}

/* ---- what fails on the way ---- */

/* Lets the n-th descriptor from here on be one too many. Return: how many there were. */
static int limit_descriptors(rlim_t more)
{
	struct rlimit limit;
	int had = descriptors();

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = more ? (rlim_t)had + more - 1 : 256;
	setrlimit(RLIMIT_NOFILE, &limit);
	return had;
}

static void attach_without_descriptors(void *unused)
{
	unsigned failed = 0, worked = 0;

	(void)unused;
	for (rlim_t more = 1; more < 14; more++) {
		int had = limit_descriptors(more);
		struct lab_pool *pool = attach_as("shared");

		if (pool) {
			CHILD_EXPECT(lab_free(pool, lab_alloc(pool, 0)) == 0);
			CHILD_EXPECT(lab_pool_destroy(pool) == 0);
			worked++;
		} else {
			CHILD_EXPECT(errno == EMFILE || errno == EPROTO);
			CHILD_EXPECT(lab_error_text()[0]);
			failed++;
		}
		limit_descriptors(0);
		CHILD_EXPECT(descriptors() == had);
	}
	CHILD_EXPECT(failed > 3 && worked > 0);
}

static void create_without_descriptors(void *unused)
{
	struct lab_pool_config config = {.name = "created",
					 .frames = 64,
					 .page_size = LAB_PAGE_4K,
					 .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};
	unsigned failed = 0, worked = 0;

	(void)unused;
	for (rlim_t more = 1; more < 14; more++) {
		int had = limit_descriptors(more);
		struct lab_pool *pool = lab_pool_create(&config);

		if (pool) {
			CHILD_EXPECT(lab_pool_destroy(pool) == 0);
			worked++;
		} else {
			CHILD_EXPECT(errno == EMFILE);
			failed++;
		}
		limit_descriptors(0);
		CHILD_EXPECT(descriptors() == had);
	}
	CHILD_EXPECT(failed > 3 && worked > 0);
}

Test(share, without_descriptors_nothing_is_half_made)
{
	struct lab_pool *pool = shared_pool(0);

	elsewhere(attach_without_descriptors);
	elsewhere(create_without_descriptors);
	lab_pool_reap(pool);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	end_whole(pool);
	shared_end();
}

static void attach_without_locked_memory(void *unused)
{
	const struct rlimit none = {0, 0};
	const struct lab_attach_config config = {.name = "shared", .lcores = 1, .group = "nogroup"};
	int had;

	(void)unused;
	become_nobody();
	CHILD_EXPECT(setrlimit(RLIMIT_MEMLOCK, &none) == 0);
	had = descriptors();
	/* What is closed twice may be somebody else's by then. */
	errno = 0;
	CHILD_EXPECT(!lab_pool_attach(&config));
	CHILD_EXPECT(errno == EPERM && strstr(lab_error_text(), "RLIMIT_MEMLOCK"));
	CHILD_EXPECT(descriptors() == had);
}

Test(share, without_locked_memory_it_says_so)
{
	struct lab_pool *pool;

	skip_unless_root();
	skip_under_asan();
	pool = group_pool();
	elsewhere(attach_without_locked_memory);
	end_whole(pool);
	shared_end();
}

static int knock(int fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/shared.sock", shared_dir);
	return connect(fd, (struct sockaddr *)&address, sizeof(address));
}

/* Connects, says something or nothing, and stays. */
static int bother(const void *bytes, size_t n)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	cr_assert_eq(knock(fd), 0);
	if (n)
		send(fd, bytes, n, MSG_NOSIGNAL);
	return fd;
}

Test(share, nonsense_said_to_a_pool_disturbs_nobody)
{
	struct lab_pool *pool = shared_pool(0);
	struct {
		uint64_t magic;
		uint32_t layout, want;
	} ask = {.magic = MAGIC, .layout = 1, .want = 1};
	struct false_answer answer;
	char junk[1024] = {1};
	int fd[6] = {bother(NULL, 0), bother("x", 1), bother(junk, sizeof(junk)),
		     bother(&ask, sizeof(ask))};

	cr_assert_eq(recv(fd[3], &answer, sizeof(answer), 0), (ssize_t)sizeof(answer));
	cr_assert_eq(answer.err, EPROTONOSUPPORT);
	cr_assert(strstr(answer.text, "tables of layout") && strstr(answer.text, "knows 1"), "%s",
		  answer.text);
	elsewhere(use_all);
	for (unsigned i = 0; i < 4; i++)
		close(fd[i]);
	end_whole(pool);
	shared_end();
}

Test(share, who_says_nothing_delays_no_reaping)
{
	struct lab_pool *pool = shared_pool(0);
	struct other *other = other_start(other_holds);
	struct lab_pool_stats stats;
	unsigned ms = 0;
	int fd[12];

	for (unsigned i = 0; i < 12; i++)
		fd[i] = bother(NULL, 0);
	usleep(50000);
	other_kill(other);
	do {
		usleep(1000);
		lab_pool_stats(pool, &stats);
	} while (!stats.reaped_processes && ms++ < 5000);
	cr_assert_lt(ms, 400, "%u ms", ms);
	/* They lose their seats in the end, and others are heard. */
	elsewhere(use_all);
	for (unsigned i = 0; i < 12; i++)
		close(fd[i]);
	lab_device_absolve(pool, "device");
	end_whole(pool);
	shared_end();
}

static double cpu_seconds(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static void keep_without_descriptors(void *unused)
{
	struct lab_pool *pool = shared_pool(0), *second;
	struct rlimit limit;
	double before;
	int fd;

	(void)unused;
	getrlimit(RLIMIT_NOFILE, &limit);
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	limit.rlim_cur = (rlim_t)fd + 1;
	CHILD_EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	before = cpu_seconds();
	CHILD_EXPECT(knock(fd) == 0);
	sleep(1);
	CHILD_EXPECT(cpu_seconds() - before < 0.2);
	/* Fewer than the loop has descriptors in its hands. */
	limit.rlim_cur = 3;
	CHILD_EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	usleep(300000);
	limit.rlim_cur = 256;
	CHILD_EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	/* It still is there, and ends. */
	second = attach_as("shared");
	CHILD_EXPECT(second);
	CHILD_EXPECT(lab_pool_destroy(second) == 0);
	CHILD_EXPECT(lab_pool_destroy(pool) == 0);
}

Test(share, without_descriptors_the_keeper_rests)
{
	skip_under_asan();
	elsewhere(keep_without_descriptors);
	shared_end();
}

/* ---- devices that leave ---- */

static void lend_to(struct lab_pool *pool, const char *name, unsigned n)
{
	void *frames[8];
	int device = lab_device_register(pool, name);

	lab_alloc_bulk(pool, frames, n, 0);
	lab_lend(pool, device, frames, n);
}

/* The first one that the machine has; or "". */
static void first_device(char name[16])
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;

	name[0] = '\0';
	while (dir && !name[0] && (entry = readdir(dir))) {
		if (strlen(entry->d_name) == 12)
			memcpy(name, entry->d_name, 13);
	}
	if (dir)
		closedir(dir);
}

static void lend_to_some(struct lab_pool *pool, struct other *other)
{
	char there[16];

	(void)other;
	first_device(there);
	lend_to(pool, "fffe:ff:1f.7", 8); /* no machine has that one */
	lend_to(pool, "fffe:ff:1f.7x", 1);
	lend_to(pool, "socket", 2);
	if (there[0])
		lend_to(pool, there, 4);
}

Test(share, a_device_that_has_left_is_absolved)
{
	struct lab_pool *pool = shared_pool(0);
	struct other *other = other_start(lend_to_some);
	struct lab_pool_stats stats;
	char there[16];
	unsigned stay;

	first_device(there);
	if (access("/sys/bus/pci/devices", F_OK))
		cr_skip_test("needs a machine with PCI in sysfs");
	stay = there[0] ? 7 : 3;
	other_kill(other);
	lab_pool_reap(pool);
	for (unsigned i = 0; i < 300; i++) {
		lab_pool_stats(pool, &stats);
		if (stats.quarantined == stay)
			break;
		usleep(10000);
	}
	/* Not one second later, either. */
	usleep(1200000);
	conserved(pool, 0, stay);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	cr_assert_eq(lab_device_absolve(pool, "fffe:ff:1f.7x"), 1);
	cr_assert_eq(lab_device_absolve(pool, "socket"), 2);
	if (there[0])
		cr_assert_eq(lab_device_absolve(pool, there), 4);
	end_whole(pool);
	shared_end();
}

/* ---- what comes and goes at one instant ---- */

static struct lab_pool *last[2];
static pthread_barrier_t together;

static void *leave(void *which)
{
	pthread_barrier_wait(&together);
	lab_pool_destroy(last[(uintptr_t)which]);
	return NULL;
}

static unsigned files(void)
{
	DIR *dir = opendir(shared_dir);
	struct dirent *entry;
	unsigned n = 0;

	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

Test(share, the_last_two_leave_no_files)
{
	pthread_barrier_init(&together, NULL, 2);
	for (unsigned i = 0; i < 400; i++) {
		pthread_t thread;

		last[0] = shared_pool(0);
		last[1] = attach_as("shared");
		cr_assert_not_null(last[1], "%u: %s", i, lab_error_text());
		pthread_create(&thread, NULL, leave, (void *)1);
		leave(NULL);
		pthread_join(thread, NULL);
		cr_assert_eq(files(), 0, "after %u times", i);
	}
	shared_end();
}

/* A system call that ends the process, from now on. */
static void die_at(unsigned call)
{
	const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {4, (struct sock_filter *)(uintptr_t)filter};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void die_before_the_socket_is_ready(void *unused)
{
	(void)unused;
	die_at(SYS_rename);
	shared_pool(0);
}

Test(share, a_socket_that_was_not_ready_is_replaced)
{
	status_of_child(die_before_the_socket_is_ready, NULL);
	cr_assert_eq(files(), 2);
	end_whole(shared_pool(0));
	cr_assert_eq(files(), 0);
	shared_end();
}

static char inner[64];

static void die_before_the_directory_is_ready(void *unused)
{
	(void)unused;
	die_at(SYS_chmod);
	group_pool_in(inner);
}

Test(share, a_directory_that_was_not_ready_is_replaced)
{
	struct lab_pool *pool;
	struct stat st;

	skip_unless_root();
	snprintf(inner, sizeof(inner), "%s/labyrinth", shared_dir);
	status_of_child(die_before_the_directory_is_ready, NULL);
	pool = group_pool_in(inner);
	cr_assert_eq(stat(inner, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0770);
	cr_assert_eq(st.st_gid, getgrnam("nogroup")->gr_gid);
	end_whole(pool);
	cr_assert_eq(rmdir(inner), 0);
	shared_end();
}

Test(share, the_directory_is_the_one_of_the_beginning)
{
	struct lab_pool *pool = shared_pool(0), *second = attach_as("shared");

	cr_assert_not_null(second, "%s", lab_error_text());
	setenv("LABYRINTH_RUNTIME_DIR", "/proc/self/nothing", 1);
	cr_assert_eq(lab_pool_destroy(pool), 0);
	usleep(300000); /* the other one's keeper answers now */
	setenv("LABYRINTH_RUNTIME_DIR", shared_dir, 1);
	elsewhere(use_all);
	setenv("LABYRINTH_RUNTIME_DIR", "/proc/self/nothing", 1);
	cr_assert_eq(lab_pool_destroy(second), 0);
	shared_end();
}

static void *attach_soon(void *unused)
{
	(void)unused;
	return attach_as("shared");
}

/* This process's descriptor of a file. */
static int descriptor_of(const char *file)
{
	for (int fd = 3; fd < 256; fd++) {
		char link[32], path[128] = "";

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		if (readlink(link, path, sizeof(path) - 1) > 0 && strcmp(path, file) == 0)
			return fd;
	}
	return -1;
}

Test(share, who_comes_while_it_is_made_waits)
{
	struct lab_pool *pool = shared_pool(0), *second;
	struct flock alone = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	char lock[128];
	pthread_t thread;
	void *result;
	int fd;

	/* As before its name is settled. */
	snprintf(lock, sizeof(lock), "%s/shared.lock", shared_dir);
	fd = descriptor_of(lock);
	cr_assert_eq(fcntl(fd, F_OFD_SETLK, &alone), 0);
	pthread_create(&thread, NULL, attach_soon, NULL);
	usleep(100000);
	alone.l_type = F_RDLCK;
	cr_assert_eq(fcntl(fd, F_OFD_SETLK, &alone), 0);
	pthread_join(thread, &result);
	second = result;
	cr_assert_not_null(second);
	cr_assert_eq(lab_pool_destroy(second), 0);
	end_whole(pool);
	shared_end();
}

static int forking;

static void *fork_on_and_on(void *unused)
{
	(void)unused;
	while (__atomic_load_n(&forking, __ATOMIC_RELAXED)) {
		if (fork() == 0) {
			usleep(30000);
			_exit(0);
		}
		usleep(500);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	return NULL;
}

Test(share, no_child_keeps_the_name)
{
	pthread_t thread;

	forking = 1;
	pthread_create(&thread, NULL, fork_on_and_on, NULL);
	for (unsigned i = 0; i < 100; i++) {
		struct lab_pool *pool = shared_pool(0);

		cr_assert_eq(lab_pool_destroy(pool), 0);
		cr_assert_eq(files(), 0);
	}
	__atomic_store_n(&forking, 0, __ATOMIC_RELAXED);
	close(starter[0]); /* the starter of others ends: it is a child, too */
	pthread_join(thread, NULL);
	shared_end();
}

/* ---- from outside ---- */

static int same_stats(const struct lab_pool_stats *a, const struct lab_pool_stats *b)
{
	return a->free == b->free && a->cached == b->cached && a->held == b->held &&
	       a->lent == b->lent && a->allocs == b->allocs && a->frees == b->frees &&
	       a->refilled == b->refilled && a->flushed == b->flushed && a->lcores == b->lcores;
}

Test(share, who_looks_changes_nothing)
{
	struct lab_pool *pool = shared_pool(0), *seen;
	struct other *other = other_start(other_holds);
	struct lab_pool_stats before, after, stats, census;

	lab_pool_stats(pool, &before);
	seen = lab_pool_observe("shared", NULL);
	cr_assert_not_null(seen, "%s", lab_error_text());
	lab_pool_stats(seen, &stats);
	cr_assert(same_stats(&stats, &before));
	cr_assert_eq(lab_pool_census(seen, &census), 0);
	cr_assert_eq(census.held, 40);
	cr_assert_eq(lab_pool_validate(seen), 0, "%s", lab_error_text());
	cr_assert_eq(lab_frame_owner(seen, other->number[0]).kind, LAB_OWNER_LCORE);
	errno = 0;
	cr_assert_null(lab_alloc(seen, LAB_GFP_ATOMIC));
	cr_assert_eq(errno, EROFS);
	text_has("only looked at", NULL);
	cr_assert_eq(lab_free(seen, lab_pool_memory(pool, NULL)), -EROFS);
	cr_assert_eq(lab_device_register(seen, "x"), -EROFS);
	cr_assert_eq(lab_pool_reap(seen), -EINVAL);
	cr_assert_eq(lab_pool_destroy(seen), 0);
	lab_pool_stats(pool, &after);
	cr_assert(same_stats(&after, &before));
	other_kill(other);
	lab_pool_reap(pool);
	lab_device_absolve(pool, "device");
	end_whole(pool);
	shared_end();
}

/* ---- children of fork() ---- */

static void fork_and_wait(struct lab_pool *pool, struct other *other)
{
	void *frames[10];
	pid_t pid;

	lab_alloc_burst(pool, frames, 10, LAB_GFP_ATOMIC);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, 0);
		sleep(5);
		_exit(0);
	}
	other->number[0] = (uint32_t)pid;
}

Test(share, a_child_keeps_no_dead_parent_alive)
{
	struct lab_pool *pool = shared_pool(0);
	struct other *other = other_start(fork_and_wait);

	conserved(pool, 10, 0);
	other_kill(other);
	/* The child lets go of the parent's locks before fork() returns there. */
	for (unsigned i = 0; i < 1000 && lab_pool_reap(pool) == 0; i++)
		usleep(1000);
	conserved(pool, 0, 0);
	kill((pid_t)other->number[0], SIGKILL);
	end_whole(pool);
	shared_end();
}

/* ---- a program that just ends ---- */

/* LeakSanitizer asks at the end of a process. It is not to look at one with a keeper's thread that
 * was forked. */
static int leaks_are_meant;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return leaks_are_meant;
}

static void end(void)
{
	leaks_are_meant = 1;
	exit(0);
}

static void ends(void *unused)
{
	(void)unused;
	CHILD_EXPECT(attach_as("shared") != NULL);
	end();
}

static void founds_and_ends(void *unused)
{
	(void)unused;
	shared_pool(0);
	end();
}

Test(share, an_end_without_destruction_leaves_no_files)
{
	struct lab_pool *pool = shared_pool(0);

	/* One of several does not take the name away from the others. */
	elsewhere(ends);
	lab_pool_reap(pool);
	elsewhere(ends);
	cr_assert_eq(lab_pool_destroy(pool), 0);
	elsewhere(founds_and_ends);
	shared_end();
}
