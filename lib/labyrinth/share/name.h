/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Names of shared pools: a socket NAME.sock (NAME.new, before it is ready) and a lock NAME.lock in
 * the run-time directory. Each
 * process of a pool has a lock on the latter, so a name whose lock is free is nobody's, even if
 * the files are there: what a kill leaves behind is taken over by the next pool of the name.
 */
#ifndef NAME_H
#define NAME_H

#include <stdint.h>
#include <sys/types.h>

#include "pool.h"

/** lab_name_check() - 0 if a shared pool can be called so; or -EINVAL with a sentence. */
int lab_name_check(const char *name);

/**
 * lab_name_directory() - the run-time directory: $LABYRINTH_RUNTIME_DIR, or /run/labyrinth for
 * root, or $XDG_RUNTIME_DIR/labyrinth.
 * @dir: receives it.
 *
 * Return: 0; or -errno with a sentence.
 */
int lab_name_directory(char dir[LAB_PATH_MAX]);

/** lab_name_path() - @dir/@name@suffix. Return: 0; or -ENAMETOOLONG with a sentence. */
int lab_name_path(char path[LAB_PATH_MAX], const char *dir, const char *name, const char *suffix);

/**
 * lab_name_claim() - make a name the calling process's alone. Makes the directory if need be.
 * @group: whose members may attach; (gid_t)-1: nobody else.
 * @dir: receives the directory: the environment may say something else later, and must not be read
 *	beside threads that change it.
 *
 * Return: the lock's descriptor; or -errno with a sentence (EEXIST: a pool has the name).
 */
int lab_name_claim(const char *name, gid_t group, char dir[LAB_PATH_MAX]);

/** lab_name_settle() - the pool with @key has the name from now on, and others may join it. */
int lab_name_settle(int fd, uint64_t key);

/** lab_name_join() - hold on to the name of a pool with @key. @dir: as above. Return: a descriptor,
 * or -errno with a sentence: the name is another pool's now, or there is none. May sleep, as long
 * as somebody has the name alone: while he makes the pool, or clears it away. */
int lab_name_join(const char *name, uint64_t key, char dir[LAB_PATH_MAX]);

/** lab_name_is_held() - 1 if a pool has the name. */
int lab_name_is_held(const char *name);

/** lab_name_leave() - let go of it; the last one removes the files from @dir. Closes @fd. */
void lab_name_leave(const char *dir, const char *name, int fd);

#endif
