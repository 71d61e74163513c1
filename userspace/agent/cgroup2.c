/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cgroup2.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

static int is_octal(const char *text)
{
	return text[0] >= '0' && text[0] <= '3' && text[1] >= '0' && text[1] <= '7' &&
	       text[2] >= '0' && text[2] <= '7';
}

/* Copies up to a space; "\040" stands for one. */
static int unescape(const char *text, char *ret, size_t size)
{
	size_t n = 0;

	while (*text && *text != ' ') {
		char c = *text++;

		if (c == '\\' && is_octal(text)) {
			c = (char)((text[0] - '0') << 6 | (text[1] - '0') << 3 | (text[2] - '0'));
			text += 3;
		}
		if (n + 1 >= size)
			return -ENAMETOOLONG;
		ret[n++] = c;
	}
	ret[n] = 0;
	return 0;
}

/* The n-th field of a line, counted from 0. */
static const char *field(const char *line, int n)
{
	for (; n && line; n--) {
		line = strchr(line, ' ');
		line = line ? line + 1 : NULL;
	}
	return line;
}

int cgroup2_find_mount(const char *mountinfo, char *ret_path, size_t size)
{
	const char *line = mountinfo;

	while (*line) {
		size_t len = strcspn(line, "\n");
		const char *type = strstr(line, " - ");

		if (type && type < line + len && !strncmp(type + 3, "cgroup2 ", 8) &&
		    field(line, 4))
			return unescape(field(line, 4), ret_path, size);
		line += len + (line[len] == '\n');
	}
	return -ENOENT;
}

int cgroup2_mount(char *ret_path, size_t size)
{
	_cleanup_(close_file) FILE *file = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *text = NULL;
	size_t capacity = 0;

	if (!file)
		return -errno;
	if (getdelim(&text, &capacity, 0, file) < 0)
		return -EIO;
	return cgroup2_find_mount(text, ret_path, size);
}
