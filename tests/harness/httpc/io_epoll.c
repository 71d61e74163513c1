/* SPDX-License-Identifier: Apache-2.0 */
#include "io.h"

#include "io_state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct epoll_io {
	struct io io;
	int epoll;
};

static struct io *epoll_open(int timeout_ms)
{
	struct epoll_io *state = calloc(1, sizeof(*state));

	(void)timeout_ms;
	if (!state)
		return NULL;
	state->epoll = epoll_create1(EPOLL_CLOEXEC);
	return &state->io;
}

static void epoll_close(struct io *io)
{
	close(((struct epoll_io *)io)->epoll);
	free(io);
}

/* Waits for the socket, the only one that is registered with events. Returns 0 or -errno. */
static int wait_event(struct io *io)
{
	struct epoll_event event;
	int n = epoll_wait(((struct epoll_io *)io)->epoll, &event, 1, io->timeout_ms);

	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

/* Asks for other events of a socket, and waits for them. */
static int wait_level(struct io *io, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	if (epoll_ctl(((struct epoll_io *)io)->epoll, EPOLL_CTL_MOD, fd, &event))
		return -errno;
	return wait_event(io);
}

static int connect_nonblocking(struct io *io, const struct sockaddr *address, socklen_t size,
			       uint32_t events)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event event = {.events = events, .data.fd = fd};
	int error = 0;
	socklen_t error_size = sizeof(error);

	if (fd < 0)
		return -errno;
	if (connect(fd, address, size) && errno != EINPROGRESS) {
		error = -errno;
	} else if (epoll_ctl(((struct epoll_io *)io)->epoll, EPOLL_CTL_ADD, fd, &event)) {
		error = -errno;
	} else if (!(error = wait_event(io))) {
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
		error = -error;
	}
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

static int epoll_connect(struct io *io, const struct sockaddr *address, socklen_t size)
{
	return connect_nonblocking(io, address, size, EPOLLOUT);
}

static int edge_connect(struct io *io, const struct sockaddr *address, socklen_t size)
{
	return connect_nonblocking(io, address, size, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

static ssize_t epoll_send(struct io *io, int fd, const void *bytes, size_t size)
{
	int error = wait_level(io, fd, EPOLLOUT);

	if (error)
		return error;
	ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	return n;
}

static ssize_t epoll_receive(struct io *io, int fd, void *bytes, size_t size)
{
	for (;;) {
		int error = wait_level(io, fd, EPOLLIN | EPOLLRDHUP);
		if (error)
			return error;
		ssize_t n = recv(fd, bytes, size, 0);
		if (n >= 0)
			return n;
		if (errno != EAGAIN)
			return -errno;
	}
}

static ssize_t edge_send(struct io *io, int fd, const void *bytes, size_t size)
{
	for (;;) {
		ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
		if (n >= 0)
			return n;
		if (errno != EAGAIN)
			return -errno;
		int error = wait_event(io);
		if (error)
			return error;
	}
}

static ssize_t edge_receive(struct io *io, int fd, void *bytes, size_t size)
{
	for (;;) {
		ssize_t n = recv(fd, bytes, size, 0);
		if (n >= 0)
			return n;
		if (errno != EAGAIN)
			return -errno;
		int error = wait_event(io);
		if (error)
			return error;
	}
}

const struct io_style io_epoll = {
	.name = "epoll",
	.open = epoll_open,
	.close = epoll_close,
	.connect = epoll_connect,
	.send = epoll_send,
	.receive = epoll_receive,
};

const struct io_style io_edge = {
	.name = "edge",
	.open = epoll_open,
	.close = epoll_close,
	.connect = edge_connect,
	.send = edge_send,
	.receive = edge_receive,
};
