/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Sockets, credentials, descriptors.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "fault.h"
#include "pool.h"
#include "share/meet.h"

#define GROUPS_MAX 64

static void set_patience(int fd, long ms)
{
	struct timeval patience = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static int address_of(struct sockaddr_un *address, const char *dir, const char *name,
		      const char *suffix)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	return lab_name_path(address->sun_path, dir, name, suffix);
}

/* For whom the socket is. Root can answer for a pool of somebody else's. */
static int permit(const char *path, uid_t user, gid_t group)
{
	uid_t owner = geteuid() == 0 && user != 0 ? user : (uid_t)-1;

	if ((owner != (uid_t)-1 || group != (gid_t)-1) && chown(path, owner, group))
		return -errno;
	return chmod(path, group == (gid_t)-1 ? 0600 : 0660);
}

int lab_meet_listen(const char *dir, const char *name, uid_t user, gid_t group)
{
	struct sockaddr_un address, final;
	int fd, err;

	/* Always the same, so that what a killed one left here is found. */
	if (address_of(&address, dir, name, ".new") || address_of(&final, dir, name, ".sock"))
		return -errno;
	fd = lab_fault_create() ? -1
				: socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return lab_fail(errno, "no socket for pool '%s' (%s)", name, strerror(errno));
	unlink(address.sun_path);
	/* Under another name first: who connects meets either the old one or one that is ready. */
	if (!lab_fault_create() && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    permit(address.sun_path, user, group) == 0 && listen(fd, 16) == 0 &&
	    !lab_fault_create() && rename(address.sun_path, final.sun_path) == 0)
		return fd;
	err = lab_fail(errno, "the socket %s cannot be made (%s)", final.sun_path, strerror(errno));
	unlink(address.sun_path);
	close(fd);
	errno = -err;
	return err;
}

int lab_meet_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int lab_meet_hear(int fd, struct lab_ask *ask)
{
	ssize_t n = recv(fd, ask, sizeof(*ask), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n == (ssize_t)sizeof(*ask) && ask->magic == LAB_MAGIC ? 1 : -EPROTO;
}

int lab_meet_may(int fd, uid_t user, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return 0;
	if (peer.uid == 0 || peer.uid == geteuid() || peer.uid == user)
		return 1;
	if (group == (gid_t)-1)
		return 0;
	len = sizeof(groups);
	if (peer.gid == group)
		return 1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return 0;
	for (unsigned i = 0; i < len / sizeof(groups[0]); i++) {
		if (groups[i] == group)
			return 1;
	}
	return 0;
}

/* Room for descriptors beside a message, aligned as its header has to be. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(LAB_MEET_FDS * sizeof(int))];
};

void lab_meet_answer(int fd, const struct lab_answer *answer, const int *fds, unsigned n)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)answer, .iov_len = sizeof(*answer)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	union control control = {{0}};

	if (n) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS,
						  .cmsg_len = CMSG_LEN(n * sizeof(int))};
		memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
	}
	/* Whoever does not take it has gone, or will ask again. */
	sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* The descriptors of a message that came, at most as many as there is room for. */
static void take_fds(struct msghdr *message, int fds[LAB_MEET_FDS])
{
	unsigned n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		unsigned count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (unsigned i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n < LAB_MEET_FDS)
				fds[n++] = fd;
			else
				close(fd);
		}
	}
}

int lab_meet_receive(int fd, const char *name, struct lab_answer *answer, int fds[LAB_MEET_FDS])
{
	struct iovec part = {.iov_base = answer, .iov_len = sizeof(*answer)};
	union control control;
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

	if (n < 0)
		return lab_fail(errno == EAGAIN       ? ETIMEDOUT
				: errno == ECONNRESET ? EAGAIN
						      : errno,
				"who answers for pool '%s' does not answer (%s)", name,
				strerror(errno));
	take_fds(&message, fds);
	if (message.msg_flags & MSG_CTRUNC)
		return lab_fail(EMFILE,
				"pool '%s' cannot be handed over: this process has as many files "
				"open as it may; raise ulimit -n",
				name);
	if (n == 0)
		return lab_fail(EAGAIN,
				"who answers for pool '%s' said nothing: it has gone, or this is "
				"no version that it knows",
				name);
	if ((size_t)n != sizeof(*answer) || answer->magic != LAB_MAGIC)
		return lab_fail(EPROTO, "who answers for pool '%s' is no Labyrinth", name);
	answer->text[sizeof(answer->text) - 1] = '\0';
	if (answer->err)
		return lab_fail(answer->err > 0 && answer->err < 4096 ? answer->err : EPROTO, "%s",
				answer->text);
	return 0;
}

static int go_to(const char *name, gid_t group)
{
	struct sockaddr_un address;
	char dir[LAB_PATH_MAX];
	int err = lab_name_directory(dir), fd;

	if (!err)
		err = address_of(&address, dir, name, ".sock");
	if (err)
		return err;
	fd = lab_fault_create() ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return lab_fail(errno, "no socket to ask for pool '%s' (%s)", name,
				strerror(errno));
	set_patience(fd, 3000);
	if (lab_fault_create() || connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		err = errno;
		close(fd);
		if (err == ENOENT || err == ECONNREFUSED)
			return lab_fail(ENOENT, "there is no pool '%s': nobody answers at %s%s",
					name, address.sun_path, err == ENOENT ? "" : " any more");
		return lab_fail(err, "the pool at %s cannot be asked (%s)", address.sun_path,
				strerror(err));
	}
	/* Root is asked to trust nobody: it may read and write all that a user has anyhow. */
	if (geteuid() != 0 && !lab_meet_may(fd, geteuid(), group)) {
		close(fd);
		return lab_fail(EACCES,
				"the pool at %s belongs to another user: name the group whose "
				"members may share it",
				address.sun_path);
	}
	return fd;
}

int lab_meet_ask(const char *name, enum lab_want want, gid_t group, struct lab_answer *answer,
		 int fds[LAB_MEET_FDS])
{
	const struct lab_ask ask = {.magic = LAB_MAGIC, .layout = LAB_LAYOUT, .want = want};
	int fd = go_to(name, group), err;

	for (unsigned i = 0; i < LAB_MEET_FDS; i++)
		fds[i] = -1;
	if (fd < 0)
		return fd;
	/* Whoever may not ask at all is told so without having been heard. */
	if (send(fd, &ask, sizeof(ask), MSG_NOSIGNAL) == (ssize_t)sizeof(ask) || errno == EPIPE)
		err = lab_meet_receive(fd, name, answer, fds);
	else
		err = lab_fail(errno == ECONNRESET ? EAGAIN : errno,
			       "who answers for pool '%s' cannot be asked (%s)", name,
			       strerror(errno));
	close(fd);
	for (unsigned i = 0; err && i < LAB_MEET_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
	return err;
}
