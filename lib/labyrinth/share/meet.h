/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * How processes meet: one message each way over a Unix socket, and with the answer the descriptors
 * of the memory. Knows messages and who is at the other end; nothing of pools.
 */
#ifndef MEET_H
#define MEET_H

#include <stdint.h>
#include <sys/types.h>

#include "share/name.h"

/** enum lab_want - what is asked for. */
enum lab_want {
	LAB_WANT_ATTACH = 1, /* to become one of the pool's processes */
	LAB_WANT_LOOK,       /* the tables, to read them */
};

/** struct lab_ask - the question. */
struct lab_ask {
	uint64_t magic;
	uint32_t layout;
	uint32_t want;
};

/**
 * struct lab_answer - the answer.
 * @err: 0, and the tables' descriptor comes with it, and the frames' if one attaches; or an errno,
 *	and @text says why.
 * @key: the pool's, see struct lab_head.
 */
struct lab_answer {
	uint64_t magic;
	uint32_t layout;
	int32_t err;
	uint64_t key;
	char text[256];
};

/** Descriptors that come with an answer: of the tables, of the frames. */
#define LAB_MEET_FDS 2

/** lab_meet_listen() - be found under a name in @dir; replaces who was. One does so at a time.
 * @user: who made the pool. Return: a descriptor; or -errno. */
int lab_meet_listen(const char *dir, const char *name, uid_t user, gid_t group);

/** lab_meet_accept() - who has come. Return: a descriptor to hear it and answer through, neither of
 * which waits; or -errno. */
int lab_meet_accept(int listener);

/** lab_meet_hear() - what is asked for. Return: 1; 0: nothing yet; -errno: it has gone, or does not
 * speak this language. */
int lab_meet_hear(int fd, struct lab_ask *ask);

/** lab_meet_may() - 1 if who is at the other end of @fd is root, this process's user, @user, or a
 * member of @group. */
int lab_meet_may(int fd, uid_t user, gid_t group);

/** lab_meet_answer() - answer, with @n descriptors, which stay the caller's. */
void lab_meet_answer(int fd, const struct lab_answer *answer, const int *fds, unsigned n);

/** lab_meet_receive() - an answer, checked for being one. @fds: receives the descriptors that came
 * with it, which are the caller's in any case; the others stay as they are. Return: 0; or -errno
 * with a sentence. */
int lab_meet_receive(int fd, const char *name, struct lab_answer *answer, int fds[LAB_MEET_FDS]);

/**
 * lab_meet_ask() - go to the pool of a name and ask.
 * @group: believe an answer of a member of it, too; or (gid_t)-1.
 * @answer: as it came, checked for being an answer, without an error.
 * @fds: receives LAB_MEET_FDS descriptors, -1 for none, the caller's to close.
 *
 * Return: 0; or -errno with a sentence, and no descriptor. May sleep, for at most three seconds.
 */
int lab_meet_ask(const char *name, enum lab_want want, gid_t group, struct lab_answer *answer,
		 int fds[LAB_MEET_FDS]);

#endif
