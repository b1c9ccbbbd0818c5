/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What lwip-httpd takes for a path, and what for none.
 */
#include <stdbool.h>
#include <string.h>

#include "../../../examples/lwip-httpd/target.h"
#include "../net/tap.h"

static const struct {
	const char *target, *path; /* NULL: none */
} cases[] = {
	{"/", "/"},
	{"/a.txt", "/a.txt"},
	{"/a%20b%2Fc%c3%A9", "/a b/c\xc3\xa9"},
	{"/a?b=/../c", "/a"},
	{"/a#b?c", "/a"},
	{"/%3f", "/?"},
	{"/../a", "/../a"}, /* no file has such a name */
	{"/%2e%2e/a", "/../a"},
	{"/x://y/z", "/x://y/z"},
	{"http://host/a", "/a"},
	{"HTTP://host:80/a%20b?c", "/a b"},
	{"http://[fd77::2]/", "/"},
	{"http://host", "/"},
	{"http://host?a=/b", "/"},
	{"http://host#/b", "/"},
	{"http://", "/"},
	{"/a%", NULL},
	{"/a%2", NULL},
	{"/a%zz", NULL},
	{"/a%00b", NULL},
	{"", NULL},
	{"a", NULL},
	{"*", NULL},
	{"host:80", NULL},
	{"?/", NULL},
};

int main(void)
{
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char path[64];
		bool is_path, right;

		strcpy(path, cases[i].target);
		is_path = target_decode(path);
		right = cases[i].path ? is_path && !strcmp(path, cases[i].path) : !is_path;
		if (!tap_ok(right, cases[i].path ? "a path" : "no path"))
			tap_note("of '%s' it made '%s'", cases[i].target, path);
	}
	return tap_done();
}
