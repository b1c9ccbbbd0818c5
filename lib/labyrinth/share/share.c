/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * To found, to enter, to leave. A process that is killed in the middle of any of these has its slot
 * reaped, or has none yet; the last one's files are taken over by the next pool of the name.
 */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "error.h"
#include "fault.h"
#include "lcore.h"
#include "share/keeper.h"
#include "share/life.h"
#include "share/name.h"
#include "share/process.h"
#include "share/reap.h"
#include "share/share.h"

int lab_share_group(const char *name, gid_t *group)
{
	struct group entry, *found = NULL;
	char room[4096];

	*group = (gid_t)-1;
	if (!name)
		return 0;
	if (getgrnam_r(name, &entry, room, sizeof(room), &found) || !found)
		return lab_fail(ENOENT,
				"there is no group '%.40s' to share a pool with: see getent "
				"group",
				name);
	*group = found->gr_gid;
	return 0;
}

/* For whom the memory can be opened again, by those who were given it. */
static int permit(const struct lab_pool_priv *priv, gid_t group)
{
	const int fds[] = {priv->fd[LAB_FD_TABLES], priv->arena.fd};

	for (unsigned i = 0; i < 2 && fds[i] >= 0; i++) {
		if (lab_fault_create() ||
		    (group != (gid_t)-1 && fchown(fds[i], (uid_t)-1, group)) ||
		    fchmod(fds[i], group == (gid_t)-1 ? 0600 : 0660))
			return lab_fail(errno,
					"pool '%s' cannot be given to group %d (%s): is this user "
					"a member?",
					priv->name, (int)group, strerror(errno));
	}
	return 0;
}

static int join(struct lab_pool_priv *priv, uint32_t lcores)
{
	/* A child of fork() that inherited it unseen would keep this process alive. */
	lab_arena_before_fork();
	priv->fd[LAB_FD_LIFE] = lab_life_open(priv->fd[LAB_FD_TABLES], 0);
	lab_arena_after_fork();
	if (priv->fd[LAB_FD_LIFE] < 0)
		return priv->fd[LAB_FD_LIFE];
	return lab_process_join(priv, lcores);
}

int lab_share_found(struct lab_pool_priv *priv, uint32_t lcores, gid_t group)
{
	int err = permit(priv, group);

	if (!err)
		err = join(priv, lcores);
	if (err)
		return err;
	/* Release: whoever finds it finds all tables filled in. */
	__atomic_store_n(&priv->shared->head.magic, LAB_MAGIC, __ATOMIC_RELEASE);
	/* Before anybody can come: he wants to share the name. */
	err = lab_name_settle(priv->fd[LAB_FD_NAME], priv->shared->head.key);
	return err ? err : lab_keeper_start(priv, group);
}

int lab_share_enter(struct lab_pool_priv *priv, uint32_t lcores)
{
	int err = lab_name_join(priv->name, priv->shared->head.key, priv->dir);

	if (err < 0)
		return err;
	priv->fd[LAB_FD_NAME] = err;
	err = join(priv, lcores);
	if (err)
		return err;
	err = lab_keeper_start(priv, (gid_t)priv->shared->head.group);
	if (err) {
		lab_process_leave(priv);
		return err;
	}
	return 0;
}

int64_t lab_share_leave(struct lab_pool_priv *priv, void (*on_held)(const struct lab_pool *))
{
	int64_t held = (int64_t)lab_reap_count_held(&priv->pool, lab_pool_self(&priv->pool));

	if (held)
		on_held(&priv->pool);
	lab_keeper_stop(priv);
	lab_process_leave(priv);
	/* As in lab_handle_free(). */
	lab_arena_before_fork();
	lab_name_leave(priv->dir, priv->name, priv->fd[LAB_FD_NAME]);
	priv->fd[LAB_FD_NAME] = -1;
	lab_arena_after_fork();
	return held;
}

/* A program that ends without destroying its pools leaves no file behind that nobody else has. The
 * pools themselves are not touched: other threads may still be using them. */
__attribute__((destructor)) static void let_names_go(void)
{
	struct lab_pool *pool[LAB_MAX_POOLS];
	unsigned n = lab_lcore_pools(pool);

	for (unsigned i = 0; i < n; i++) {
		struct lab_pool_priv *priv = pool[i]->priv;
		int fd = priv->fd[LAB_FD_NAME];

		priv->fd[LAB_FD_NAME] = -1;
		if (fd >= 0)
			lab_name_leave(priv->dir, priv->name, fd);
	}
}
