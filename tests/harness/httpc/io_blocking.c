/* SPDX-License-Identifier: Apache-2.0 */
#include "io.h"

#include "io_state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

static struct io *blocking_open(int timeout_ms)
{
	(void)timeout_ms;
	return calloc(1, sizeof(struct io));
}

static void blocking_close(struct io *io)
{
	free(io);
}

/* The socket's time limits show as "would block". */
static int blocking_error(void)
{
	return errno == EAGAIN || errno == EINPROGRESS ? -ETIMEDOUT : -errno;
}

static int blocking_connect(struct io *io, const struct sockaddr *address, socklen_t size)
{
	struct timeval limit = {
		.tv_sec = io->timeout_ms / 1000,
		.tv_usec = io->timeout_ms % 1000 * 1000,
	};
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, address, size)) {
		int error = blocking_error();
		close(fd);
		return error;
	}
	return fd;
}

static ssize_t blocking_send(struct io *io, int fd, const void *bytes, size_t size)
{
	ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

	(void)io;
	return n < 0 ? blocking_error() : n;
}

static ssize_t blocking_receive(struct io *io, int fd, void *bytes, size_t size)
{
	ssize_t n = recv(fd, bytes, size, 0);

	(void)io;
	return n < 0 ? blocking_error() : n;
}

const struct io_style io_blocking = {
	.name = "blocking",
	.open = blocking_open,
	.close = blocking_close,
	.connect = blocking_connect,
	.send = blocking_send,
	.receive = blocking_receive,
};
