/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The run-time directory and the files in it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <labyrinth/lab_share.h>

#include "error.h"
#include "fault.h"
#include "share/life.h"
#include "share/name.h"

/* How often one that finds somebody else alone with a name looks again, and how long after. */
#define TRIES   200
#define TRY_US  10000

#define FITTING "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

int lab_name_check(const char *name)
{
	if (!name || !*name)
		return lab_fail(EINVAL, "a shared pool needs a name, for others to find it by");
	if (strlen(name) >= LAB_NAME_MAX)
		return lab_fail(EINVAL, "name '%.40s' is too long: at most %d characters", name,
				LAB_NAME_MAX - 1);
	if (*name == '.' || name[strspn(name, FITTING)])
		return lab_fail(EINVAL,
				"name '%s' cannot be a shared pool's: files are called by it, so "
				"letters, digits, '.', '_' and '-' only, and no '.' in front",
				name);
	return 0;
}

int lab_name_directory(char dir[LAB_PATH_MAX])
{
	const char *set = getenv("LABYRINTH_RUNTIME_DIR"), *user = getenv("XDG_RUNTIME_DIR");
	int n;

	if (set && *set)
		n = snprintf(dir, LAB_PATH_MAX, "%s", set);
	else if (geteuid() == 0)
		n = snprintf(dir, LAB_PATH_MAX, "/run/labyrinth");
	else if (user && *user)
		n = snprintf(dir, LAB_PATH_MAX, "%s/labyrinth", user);
	else
		return lab_fail(ENOENT, "shared pools need a directory to meet in: set "
					"LABYRINTH_RUNTIME_DIR, or log in so that XDG_RUNTIME_DIR "
					"is set");
	if (n >= LAB_PATH_MAX)
		return lab_fail(ENAMETOOLONG, "the run-time directory's path is longer than %d",
				LAB_PATH_MAX - 1);
	return 0;
}

int lab_name_path(char path[LAB_PATH_MAX], const char *dir, const char *name, const char *suffix)
{
	if (snprintf(path, LAB_PATH_MAX, "%s/%s%s", dir, name, suffix) < LAB_PATH_MAX)
		return 0;
	return lab_fail(ENAMETOOLONG,
			"the path %s/%s%s is longer than the %d characters of a socket's address: "
			"set LABYRINTH_RUNTIME_DIR to a shorter one",
			dir, name, suffix, LAB_PATH_MAX - 1);
}

/* Whether what is there can be used. -ENOENT, without a sentence: nothing is. */
static int check_directory(const char *dir)
{
	struct stat st;

	if (stat(dir, &st))
		return errno == ENOENT
			       ? -ENOENT
			       : lab_fail(errno, "the run-time directory %s cannot be reached (%s)",
					  dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return lab_fail(ENOTDIR, "%s is no directory: set LABYRINTH_RUNTIME_DIR to one",
				dir);
	if (st.st_mode & S_IWOTH)
		return lab_fail(EPERM,
				"anybody may write to the run-time directory %s: chmod o-w, or set "
				"LABYRINTH_RUNTIME_DIR to another",
				dir);
	return 0;
}

/* Under another name until it is for whom it shall be: who is killed on the way leaves a directory
 * that the next one goes on with, and no pool of the group in one that is closed to it. */
static int make_directory(const char *dir, gid_t group)
{
	char made[LAB_PATH_MAX];
	int err = check_directory(dir);

	if (err != -ENOENT)
		return err;
	if (snprintf(made, sizeof(made), "%s.new", dir) >= (int)sizeof(made))
		return lab_fail(ENAMETOOLONG, "the run-time directory's path is longer than %d",
				LAB_PATH_MAX - 5);
	if (lab_fault_create() || (mkdir(made, 0700) && errno != EEXIST))
		return lab_fail(errno,
				"the run-time directory %s cannot be made (%s): make it, or set "
				"LABYRINTH_RUNTIME_DIR to another",
				dir, strerror(errno));
	if ((lab_fault_create() || (group != (gid_t)-1 && chown(made, (uid_t)-1, group)) ||
	     chmod(made, group == (gid_t)-1 ? 0700 : 0770) ||
	     renameat2(AT_FDCWD, made, AT_FDCWD, dir, RENAME_NOREPLACE)) &&
	    errno != EEXIST && errno != ENOENT) {
		err = lab_fail(errno, "%s cannot be made for group %d (%s)", dir, (int)group,
			       strerror(errno));
		rmdir(made);
		return err;
	}
	/* Somebody else may have been faster, with this one or another. */
	rmdir(made);
	err = check_directory(dir);
	return err == -ENOENT ? lab_fail(ENOENT, "the run-time directory %s has gone again", dir)
			      : err;
}

static int open_lock(const char *path, int create, gid_t group)
{
	int fd = lab_fault_create()
			 ? -1
			 : open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0),
				0600);

	if (fd < 0)
		return lab_fail(errno, "%s cannot be opened (%s)", path, strerror(errno));
	if (create && group != (gid_t)-1 && (fchown(fd, (uid_t)-1, group) || fchmod(fd, 0660))) {
		int err = lab_fail(errno,
				   "%s cannot be given to group %d (%s): is this user a member?",
				   path, (int)group, strerror(errno));

		close(fd);
		return err;
	}
	return fd;
}

/* 1 if the file behind a descriptor is still the one with the path. */
static int is_there(int fd, const char *path)
{
	struct stat one, other;

	return fstat(fd, &one) == 0 && stat(path, &other) == 0 && one.st_ino == other.st_ino &&
	       one.st_dev == other.st_dev;
}

/* Somebody may have it alone for an instant, to remove files that are nobody's. */
static int take_soon(int fd)
{
	for (unsigned i = 0; i < 5; i++) {
		if (lab_life_take(fd, 0))
			return 1;
		usleep(1000);
	}
	return 0;
}

int lab_name_claim(const char *name, gid_t group, char dir[LAB_PATH_MAX])
{
	char path[LAB_PATH_MAX];
	int err, fd;

	err = lab_name_directory(dir);
	if (!err)
		err = make_directory(dir, group);
	if (!err)
		err = lab_name_path(path, dir, name, ".lock");
	if (err)
		return err;
	for (;;) {
		fd = open_lock(path, 1, group);
		if (fd < 0)
			return fd;
		if (!take_soon(fd)) {
			close(fd);
			return lab_fail(EEXIST,
					"a pool called '%s' exists already in %s: attach to it, or "
					"choose another name",
					name, dir);
		}
		/* Its last holder may have removed it between the two. */
		if (is_there(fd, path))
			return fd;
		close(fd);
	}
}

int lab_name_settle(int fd, uint64_t key)
{
	if (lab_fault_create() || pwrite(fd, &key, sizeof(key), 0) != sizeof(key) ||
	    !lab_life_share(fd, 0))
		return lab_fail(EIO, "the lock of a shared pool's name cannot be written (%s)",
				strerror(errno));
	return 0;
}

/* Who has it alone is just making the pool, or clearing it away. */
static int share_soon(int fd, const char *path)
{
	for (unsigned i = 0; i < TRIES && !lab_life_share(fd, 0); i++) {
		if (!is_there(fd, path))
			return 0;
		usleep(TRY_US);
	}
	return is_there(fd, path);
}

int lab_name_join(const char *name, uint64_t key, char dir[LAB_PATH_MAX])
{
	char path[LAB_PATH_MAX];
	uint64_t found = 0;
	int err, fd;

	err = lab_name_directory(dir);
	if (!err)
		err = lab_name_path(path, dir, name, ".lock");
	if (err)
		return err;
	fd = open_lock(path, 0, (gid_t)-1);
	if (fd < 0)
		return fd;
	if (!lab_fault_create() && share_soon(fd, path) &&
	    pread(fd, &found, sizeof(found), 0) == sizeof(found) && found == key)
		return fd;
	/* The last one may just have left it to this one. */
	lab_name_leave(dir, name, fd);
	return lab_fail(ESTALE, "pool '%s' has gone while this process attached to it: try again",
			name);
}

int lab_name_is_held(const char *name)
{
	char dir[LAB_PATH_MAX], path[LAB_PATH_MAX];
	int fd, held;

	if (lab_name_directory(dir) || lab_name_path(path, dir, name, ".lock"))
		return 0;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	held = lab_life_is_taken(fd, 0);
	close(fd);
	return held;
}

int lab_pool_list(char (*names)[LAB_NAME_MAX], unsigned most)
{
	const size_t suffix = strlen(".lock");
	char path[LAB_PATH_MAX];
	struct dirent *entry;
	unsigned n = 0;
	DIR *dir;

	if (!names)
		return lab_fail(EINVAL, "lab_pool_list() needs room for names");
	if (lab_name_directory(path))
		return -errno;
	dir = opendir(path);
	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return lab_fail(errno, "the run-time directory %s cannot be read (%s)", path,
				strerror(errno));
	while (n < most && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len <= suffix || len - suffix >= LAB_NAME_MAX ||
		    strcmp(entry->d_name + len - suffix, ".lock") != 0)
			continue;
		memcpy(names[n], entry->d_name, len - suffix);
		names[n][len - suffix] = '\0';
		n += lab_name_is_held(names[n]) != 0;
	}
	closedir(dir);
	return (int)n;
}

/*
 * Each lets go first, and then tries to have the name alone. So of several that leave at once the
 * last to let go has it, or finds that another one just has it so: who clears it away, as here, or
 * who makes a new pool, whose files they are then.
 */
void lab_name_leave(const char *dir, const char *name, int fd)
{
	static const char *const suffix[] = {".sock", ".new", ".lock"}; /* the lock last */
	char path[LAB_PATH_MAX];
	int err = errno; /* of the call that failed, and takes apart what it had made */

	lab_life_drop(fd, 0);
	if (!lab_name_path(path, dir, name, ".lock") && lab_life_take(fd, 0) &&
	    is_there(fd, path)) {
		for (unsigned i = 0; i < 3; i++) {
			if (!lab_name_path(path, dir, name, suffix[i]))
				unlink(path);
		}
	}
	close(fd);
	errno = err;
}
