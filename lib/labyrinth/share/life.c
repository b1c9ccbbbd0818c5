/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Locks on bytes of a memfd.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "fault.h"
#include "share/life.h"

/* A process that changes the table needs microseconds, but for dead ones that it reaps first. */
#define PATIENCE_MS 5000

int lab_life_open(int fd, int read_only)
{
	char path[40];
	int own;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = lab_fault_create() ? -1 : open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (own < 0)
		return lab_fail(errno,
				"a shared pool's memory cannot be opened again through %s (%s): is "
				"/proc mounted?",
				path, strerror(errno));
	return own;
}

static int lock(int fd, int command, short type, unsigned byte)
{
	struct flock region = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};
	int rc;

	do
		rc = fcntl(fd, command, &region);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return -errno;
	return command == F_OFD_GETLK ? region.l_type != F_UNLCK : 0;
}

int lab_life_take(int fd, unsigned byte)
{
	return lock(fd, F_OFD_SETLK, F_WRLCK, byte) == 0;
}

int lab_life_wait(int fd, unsigned byte)
{
	for (unsigned ms = 0; ms < PATIENCE_MS; ms++) {
		if (lab_life_take(fd, byte))
			return 0;
		usleep(1000);
	}
	return -EBUSY;
}

int lab_life_share(int fd, unsigned byte)
{
	return lock(fd, F_OFD_SETLK, F_RDLCK, byte) == 0;
}

void lab_life_drop(int fd, unsigned byte)
{
	lock(fd, F_OFD_SETLK, F_UNLCK, byte);
}

int lab_life_is_taken(int fd, unsigned byte)
{
	return lock(fd, F_OFD_GETLK, F_WRLCK, byte) == 1;
}
