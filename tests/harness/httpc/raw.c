/* SPDX-License-Identifier: Apache-2.0 */
#include "raw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUEST_LIMIT (1U << 20)

static const char *ending(int error, const char *call)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s%s", strerrorname_np(-error), call);
	return text;
}

static int request_send(struct io *io, int fd, const char *bytes, size_t size,
			const struct raw_options *options)
{
	for (size_t at = 0; at < size; at += options->piece) {
		size_t left = size - at;
		int error =
			io_send(io, fd, bytes + at, left < options->piece ? left : options->piece);
		if (error)
			return error;
		if (options->pause_ms && left > options->piece)
			usleep(options->pause_ms * 1000);
	}
	return 0;
}

static const char *response_copy(struct io *io, int fd)
{
	char bytes[65536];

	for (;;) {
		ssize_t n = io_receive(io, fd, bytes, sizeof(bytes));
		if (n == 0)
			return "eof";
		if (n == -ETIMEDOUT)
			return "open";
		if (n < 0)
			return ending((int)n, "");
		fwrite(bytes, 1, (size_t)n, stdout);
	}
}

const char *raw_exchange(struct io *io, const struct sockaddr *address, socklen_t size,
			 const struct raw_options *options)
{
	static char request[REQUEST_LIMIT];
	size_t request_size = fread(request, 1, sizeof(request), stdin);
	int fd = io_connect(io, address, size), error;

	if (fd < 0)
		return ending(fd, "@connect");
	error = request_send(io, fd, request, request_size, options);
	const char *end = error ? ending(error, "@send") : response_copy(io, fd);
	close(fd);
	return end;
}
