/* SPDX-License-Identifier: Apache-2.0 */
#include "io.h"

#include "io_state.h"

#include <errno.h>
#include <string.h>

static const struct io_style *const styles[] = {
	&io_blocking,
	&io_epoll,
	&io_edge,
	&io_uring_style,
};

const struct io_style *io_style_find(const char *name)
{
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
		if (!strcmp(styles[i]->name, name))
			return styles[i];
	}
	return NULL;
}

struct io *io_open(const struct io_style *style, int timeout_ms)
{
	struct io *io = style->open(timeout_ms);

	if (io) {
		io->style = style;
		io->timeout_ms = timeout_ms;
	}
	return io;
}

void io_close(struct io *io)
{
	if (io)
		io->style->close(io);
}

int io_connect(struct io *io, const struct sockaddr *address, socklen_t size)
{
	return io->style->connect(io, address, size);
}

int io_send(struct io *io, int fd, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size > 0) {
		ssize_t n = io->style->send(io, fd, at, size);
		if (n < 0)
			return (int)n;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

ssize_t io_receive(struct io *io, int fd, void *bytes, size_t size)
{
	return io->style->receive(io, fd, bytes, size);
}
