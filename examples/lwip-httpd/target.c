/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What a request asks for becomes a path.
 */
#include "target.h"

#include <string.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 'a' - 'A';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What stands behind the server's name, where a client names it: RFC 9112, 3.2.2. */
static const char *path_of(const char *target)
{
	const char *end, *name = *target == '/' ? NULL : strstr(target, "://");

	if (!name)
		return target;
	end = name + 3 + strcspn(name + 3, "/?#");
	return *end == '/' ? end : "/";
}

bool target_decode(char *path)
{
	const char *from = path_of(path);
	char *to = path;

	for (; *from && *from != '?' && *from != '#'; from++) {
		int high = 0, low = 0;

		if (*from == '%') {
			high = hex(from[1]);
			low = high < 0 ? -1 : hex(from[2]);
			if (low < 0 || !(high | low))
				return false;
			from += 2;
			*to++ = (char)(high << 4 | low);
		} else {
			*to++ = *from;
		}
	}
	*to = 0;
	return *path == '/';
}
