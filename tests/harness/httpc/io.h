/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP in the ways that applications do it, behind one interface, so that a test can run the same
 * exchange in each. All calls wait, at most as long as io_open() was told.
 */
#ifndef TESTS_HTTPC_IO_H
#define TESTS_HTTPC_IO_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

struct io;

struct io_style {
	const char *name;
	struct io *(*open)(int timeout_ms);
	void (*close)(struct io *io);
	int (*connect)(struct io *io, const struct sockaddr *address, socklen_t size);
	ssize_t (*send)(struct io *io, int fd, const void *bytes, size_t size);
	ssize_t (*receive)(struct io *io, int fd, void *bytes, size_t size);
};

/*
 * blocking   sleeps in connect(), send() and recv()
 * epoll      non-blocking, waits for level-triggered events before each call
 * edge       non-blocking, edge-triggered: calls first, and waits only after EAGAIN
 * uring      requests to an io_uring
 */
extern const struct io_style io_blocking, io_epoll, io_edge, io_uring_style;

/* Returns the style of that name, or NULL. */
const struct io_style *io_style_find(const char *name);

/* NULL if there is no memory, or the kernel has no io_uring. One thread uses it. */
struct io *io_open(const struct io_style *style, int timeout_ms);
void io_close(struct io *io);

/* Returns a connected socket, to be closed by the caller, or -errno. */
int io_connect(struct io *io, const struct sockaddr *address, socklen_t size);

/* Sends all of it. 0 or -errno, -ETIMEDOUT included. */
int io_send(struct io *io, int fd, const void *bytes, size_t size);

/* Returns the number of bytes, 0 at the end of the stream, or -errno, -ETIMEDOUT included. */
ssize_t io_receive(struct io *io, int fd, void *bytes, size_t size);

#endif
