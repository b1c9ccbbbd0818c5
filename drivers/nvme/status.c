/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What a completion's status means (NVM Express Base Specification 1.4, section 4.6.1). Knows
 * numbers and words, nothing else.
 */
#include <errno.h>
#include <stddef.h>

#include "ctrl.h"

struct meaning {
	uint16_t status; /* type << 8 | code */
	int err;
	const char *text;
};

static const struct meaning meanings[] = {
	/* 4.6.1.2.1: generic command status */
	{0x000, 0, "success"},
	{0x001, EINVAL, "invalid command opcode"},
	{0x002, EINVAL, "invalid field in the command"},
	{0x003, EIO, "command identifier conflict"},
	{0x004, EIO, "data transfer error: the controller could not reach the memory"},
	{0x005, ECANCELED, "aborted: loss of power"},
	{0x006, EIO, "internal error"},
	{0x007, ECANCELED, "aborted on request"},
	{0x008, ECANCELED, "aborted: its submission queue was deleted"},
	{0x00b, EINVAL, "invalid namespace or format"},
	{0x00c, EIO, "command sequence error"},
	{0x013, EINVAL, "invalid PRP offset"},
	{0x015, EAGAIN, "operation denied"},
	{0x01c, EAGAIN, "a sanitize is in progress"},
	{0x020, EROFS, "the namespace is write-protected"},
	{0x021, EAGAIN, "interrupted: to be tried again"},
	{0x022, EAGAIN, "transient transport error: to be tried again"},
	{0x080, ERANGE, "logical block out of range"},
	{0x081, ENOSPC, "capacity exceeded"},
	{0x082, EAGAIN, "the namespace is not ready"},
	{0x083, EIO, "reservation conflict"},
	{0x084, EAGAIN, "a format is in progress"},
	/* 4.6.1.2.2: command specific status */
	{0x100, EINVAL, "the completion queue is invalid"},
	{0x101, EINVAL, "invalid queue identifier"},
	{0x102, EINVAL, "invalid queue size"},
	{0x108, EINVAL, "invalid interrupt vector"},
	{0x180, EINVAL, "conflicting attributes"},
	{0x181, EINVAL, "invalid protection information"},
	{0x182, EROFS, "attempted write to a read-only range"},
	/* 4.6.1.2.3: media and data integrity errors */
	{0x280, EIO, "write fault"},
	{0x281, EIO, "unrecovered read error"},
	{0x282, EIO, "end-to-end guard check error"},
	{0x283, EIO, "end-to-end application tag check error"},
	{0x284, EIO, "end-to-end reference tag check error"},
	{0x285, EIO, "compare failure"},
	{0x286, EIO, "access denied"},
	{0x287, EIO, "deallocated or unwritten logical block"},
};

static const struct meaning *find(uint16_t status)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++) {
		if (meanings[i].status == (status & 0x7ff))
			return &meanings[i];
	}
	return NULL;
}

int lab_nvme_status_errno(uint16_t status)
{
	const struct meaning *m = find(status);

	return m ? -m->err : -EIO;
}

const char *lab_nvme_status_text(uint16_t status)
{
	const struct meaning *m = find(status);

	if (m)
		return m->text;
	switch (status >> 8 & 7) {
	case 0:
		return "a generic error that this driver has no words for";
	case 1:
		return "an error of this command that this driver has no words for";
	case 2:
		return "a media or data integrity error that this driver has no words for";
	case 3:
		return "a path error";
	case 7:
		return "an error that only the vendor knows";
	default:
		return "an error of a reserved type";
	}
}
