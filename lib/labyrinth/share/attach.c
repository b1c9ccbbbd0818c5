/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * To attach, and to look: the tables come through a socket, are checked, and mapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <labyrinth/lab_share.h>

#include "arena.h"
#include "error.h"
#include "fault.h"
#include "handle.h"
#include "lcore.h"
#include "place.h"
#include "share/head.h"
#include "share/keeper.h"
#include "share/meet.h"
#include "share/name.h"
#include "share/process.h"
#include "share/share.h"
#include "tables.h"

/* While the pool's processes change over, nobody answers; that takes a tenth of a second. */
#define TRIES  30
#define TRY_US 50000

static int ask(const char *name, enum lab_want want, gid_t group, struct lab_answer *answer,
	       int fds[LAB_MEET_FDS])
{
	int err = 0;

	for (unsigned i = 0; i < TRIES; i++) {
		err = lab_meet_ask(name, want, group, answer, fds);
		if (err != -EAGAIN && (err != -ENOENT || !lab_name_is_held(name)))
			return err;
		usleep(TRY_US);
	}
	return err;
}

/* The length of a file that nobody can change any more, or -errno. */
static int64_t sealed_length(int fd, const char *name)
{
	const int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || (fcntl(fd, F_GET_SEALS) & wanted) != wanted ||
	    fcntl(fd, F_GET_SEALS) < 0)
		return lab_fail(EPROTO,
				"what was offered as pool '%s' is no memory that is sealed against "
				"being cut off",
				name);
	return st.st_size;
}

/* A copy of the head: what is checked must not change afterwards. */
static int read_head(int fd, const char *name, struct lab_head *head)
{
	if (pread(fd, head, sizeof(*head), 0) == (ssize_t)sizeof(*head))
		return 0;
	return lab_fail(EPROTO, "what was offered as pool '%s' is too short to be one", name);
}

static int check(const char *name, const struct lab_answer *answer, const int fds[LAB_MEET_FDS],
		 struct lab_head *head)
{
	int64_t tables = sealed_length(fds[0], name), arena = 0;
	struct statfs fs;
	int err = tables < 0 ? (int)tables : read_head(fds[0], name, head), numbers;

	if (err)
		return err;
	numbers = (head->flags & LAB_POOL_NUMBERS) != 0;
	arena = numbers ? 0 : sealed_length(fds[1], name);
	err = arena < 0 ? (int)arena
			: lab_head_check(head, name, (uint64_t)tables, (uint64_t)arena);
	if (!err && (head->key != answer->key || strcmp(head->name, name) != 0))
		err = lab_fail(EPROTO, "what was offered as pool '%s' is another", name);
	if (!err && !numbers && (fstatfs(fds[1], &fs) || fs.f_bsize != (long)1 << head->seg_shift))
		err = lab_fail(EPROTO,
			       "the frames that were offered as pool '%s' are not on pages of the "
			       "size that it says",
			       name);
	return err;
}

/* @fd is the arena's from the beginning, whether this fails or not. */
static int map_all(struct lab_pool_priv *priv, const struct lab_head *head, int fd,
		   const struct lab_attach_config *config)
{
	const struct lab_arena_request request = {.owner = priv->name,
						  .bytes = head->frames << LAB_FRAME_SHIFT,
						  .page_size = (size_t)1 << head->seg_shift,
						  .dump = (config->flags & LAB_POOL_DUMP) != 0,
						  .address = config->address};
	int err = head->flags & LAB_POOL_NUMBERS ? lab_arena_reserve(&priv->arena, &request)
						 : lab_arena_attach(&priv->arena, &request, fd);

	if (err) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	priv->arena.fd = fd;
	lab_handle_know_arena(priv, head->flags);
	err = lab_tables_attach(priv, head, !(config->flags & LAB_POOL_FALLBACK));
	if (err)
		lab_arena_destroy(&priv->arena);
	return err;
}

static int check_config(const struct lab_attach_config *config)
{
	if (!config)
		return lab_fail(EINVAL, "lab_pool_attach() needs a configuration; NULL was passed");
	if (config->flags & ~(uint32_t)(LAB_POOL_FALLBACK | LAB_POOL_DUMP))
		return lab_fail(EINVAL,
				"flags is 0x%x: only LAB_POOL_FALLBACK and LAB_POOL_DUMP are for "
				"who attaches",
				config->flags);
	if (config->lcores >= LAB_MAX_LCORES)
		return lab_fail(EINVAL, "lcores is %u: a pool has at most %u in all",
				config->lcores, LAB_MAX_LCORES);
	return lab_name_check(config->name);
}

struct lab_pool *lab_pool_attach(const struct lab_attach_config *config)
{
	struct lab_pool_priv *priv;
	struct lab_answer answer;
	struct lab_head head;
	int fds[LAB_MEET_FDS];
	gid_t group;

	if (check_config(config) || lab_lcore_watch_threads() ||
	    lab_share_group(config->group, &group) ||
	    ask(config->name, LAB_WANT_ATTACH, group, &answer, fds))
		return NULL;
	if (check(config->name, &answer, fds, &head))
		goto close_both;
	priv = lab_handle_new(config->name);
	if (!priv)
		goto close_both;
	priv->on_refusal = config->on_refusal;
	priv->on_refusal_arg = config->on_refusal_arg;
	priv->fd[LAB_FD_TABLES] = fds[0];
	lab_lcore_know_pool(&priv->pool);
	if (map_all(priv, &head, fds[1], config)) {
		lab_handle_free(priv);
		return NULL;
	}
	if (lab_share_enter(priv, config->lcores ? config->lcores : LAB_SHARE_LCORES))
		goto take_apart;
	lab_place_publish((int)priv->pool.id, priv->arena.base, priv->arena.bytes);
	lab_lcore_show_pool(&priv->pool);
	return &priv->pool;

take_apart:
	if (priv->fd[LAB_FD_NAME] >= 0)
		lab_name_leave(priv->dir, priv->name, priv->fd[LAB_FD_NAME]);
	priv->fd[LAB_FD_NAME] = -1;
	lab_tables_destroy(priv);
	lab_arena_destroy(&priv->arena);
	lab_handle_free(priv);
	return NULL;
close_both:
	for (unsigned i = 0; i < LAB_MEET_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	return NULL;
}

/* ---- from outside ---- */

struct lab_pool *lab_pool_observe(const char *name, const char *group)
{
	struct lab_pool_priv *priv;
	struct lab_answer answer;
	struct lab_head head;
	int fds[LAB_MEET_FDS];
	int64_t bytes;
	gid_t gid;
	void *map;

	if (lab_name_check(name) || lab_share_group(group, &gid) ||
	    ask(name, LAB_WANT_LOOK, gid, &answer, fds))
		return NULL;
	bytes = sealed_length(fds[0], name);
	if (bytes < 0 || read_head(fds[0], name, &head) ||
	    lab_head_check(&head, name, (uint64_t)bytes, lab_head_memory(&head)))
		goto close_it;
	map = lab_fault_create() ? MAP_FAILED
				 : mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fds[0], 0);
	if (map == MAP_FAILED) {
		lab_fail(errno, "the tables of pool '%s' cannot be mapped (%s)", name,
			 strerror(errno));
		goto close_it;
	}
	priv = lab_handle_new(name);
	if (!priv) {
		munmap(map, (size_t)bytes);
		goto close_it;
	}
	close(fds[0]);
	priv->observer = 1;
	priv->pool.frames = head.frames;
	priv->pool.node = head.node;
	priv->arena.seg_shift = head.seg_shift;
	lab_tables_describe(priv, &head);
	lab_tables_point_at(priv, map);
	/* What only looks at the state still works; what would change it finds no table. */
	priv->pool.table = 0;
	priv->slot = LAB_MAX_PROCESSES;
	return &priv->pool;

close_it:
	close(fds[0]);
	return NULL;
}

int64_t lab_pool_reap(struct lab_pool *pool)
{
	int64_t frames;

	if (!pool)
		return lab_fail(EINVAL, "lab_pool_reap() needs a pool; NULL was passed");
	if (pool->priv->inherited || !pool->priv->keeper)
		return lab_fail(EINVAL, "pool '%s' is not shared: it has no other process to reap",
				pool->priv->name);
	frames = lab_keeper_reap(pool->priv, LAB_REAP_STUCK);
	/* What another process has begun is waited for. */
	for (unsigned i = 0; i < TRIES && lab_process_is_any_leaving(pool->priv); i++) {
		int64_t more;

		usleep(TRY_US / 100);
		more = lab_keeper_reap(pool->priv, LAB_REAP_STUCK);
		frames = frames < 0 || more < 0 ? (more < 0 ? more : frames) : frames + more;
	}
	return frames;
}
