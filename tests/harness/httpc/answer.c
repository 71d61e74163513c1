/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define HEAD_LIMIT 8192

static const char *header_find(const char *head, const char *name)
{
	size_t size = strlen(name);

	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
		if (!strncasecmp(line + 2, name, size) && line[2 + size] == ':')
			return line + 3 + size + strspn(line + 3 + size, " \t");
	}
	return NULL;
}

/* Receives until the head is whole; *ret_body is how much of the body came with it. */
static const char *head_receive(struct io *io, int fd, char *head, size_t *ret_body)
{
	size_t used = 0;

	for (;;) {
		ssize_t n = io_receive(io, fd, head + used, HEAD_LIMIT - 1 - used);
		if (n < 0)
			return strerrorname_np((int)-n);
		if (n == 0)
			return used ? "short" : "empty";
		used += (size_t)n;
		head[used] = '\0';
		char *end = strstr(head, "\r\n\r\n");
		if (end) {
			end[2] = '\0';
			*ret_body = used - (size_t)(end + 4 - head);
			return NULL;
		}
		if (used == HEAD_LIMIT - 1)
			return "malformed";
	}
}

/* Receives what is left of the body; SIZE_MAX: until the end of the stream. */
static const char *body_receive(struct io *io, int fd, size_t left)
{
	char dump[16384];

	while (left > 0) {
		ssize_t n = io_receive(io, fd, dump, left < sizeof(dump) ? left : sizeof(dump));
		if (n < 0)
			return strerrorname_np((int)-n);
		if (n == 0)
			return left > SIZE_MAX / 2 ? NULL : "short";
		left -= (size_t)n;
	}
	return NULL;
}

const char *answer_receive(struct io *io, int fd, struct answer *ret_answer)
{
	char head[HEAD_LIMIT];
	struct answer answer = {.close = false};
	size_t body = 0, length = SIZE_MAX;
	const char *error = head_receive(io, fd, head, &body);

	if (error)
		return error;
	if (sscanf(head, "HTTP/1.%*1[01] %u", &answer.status) != 1)
		return "malformed";

	const char *connection = header_find(head, "Connection");
	const char *content_length = header_find(head, "Content-Length");
	if (content_length && sscanf(content_length, "%zu", &length) != 1)
		return "malformed";
	if (content_length && body > length)
		return "malformed";
	answer.close = !content_length || (connection && !strncasecmp(connection, "close", 5));
	error = body_receive(io, fd, length - body);
	if (!error)
		*ret_answer = answer;
	return error;
}
