/* SPDX-License-Identifier: Apache-2.0 */
#include "io.h"

#include "io_state.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <unistd.h>

struct uring_io {
	struct io io;
	struct io_uring ring;
};

static struct io *uring_open(int timeout_ms)
{
	struct uring_io *state = calloc(1, sizeof(*state));

	(void)timeout_ms;
	if (state && io_uring_queue_init(4, &state->ring, 0)) {
		free(state);
		return NULL;
	}
	return &state->io;
}

static void uring_close(struct io *io)
{
	io_uring_queue_exit(&((struct uring_io *)io)->ring);
	free(io);
}

/*
 * Submits the request that was prepared last, linked to a time limit, and waits for both. Returns
 * its result.
 */
static int submit_and_wait(struct io *io, struct io_uring_sqe *request)
{
	struct io_uring *ring = &((struct uring_io *)io)->ring;
	struct __kernel_timespec limit = {
		.tv_sec = io->timeout_ms / 1000,
		.tv_nsec = io->timeout_ms % 1000 * 1000000LL,
	};
	struct io_uring_sqe *timeout = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	int result = -ETIMEDOUT;

	request->flags |= IOSQE_IO_LINK;
	request->user_data = 1;
	io_uring_prep_link_timeout(timeout, &limit, 0);
	timeout->user_data = 0;
	io_uring_submit(ring);
	for (int left = 2; left > 0; left--) {
		int error = io_uring_wait_cqe(ring, &cqe);
		if (error == -EINTR) {
			left++;
			continue;
		}
		if (error)
			return error;
		if (cqe->user_data)
			result = cqe->res == -ECANCELED ? -ETIMEDOUT : cqe->res;
		io_uring_cqe_seen(ring, cqe);
	}
	return result;
}

static int uring_connect(struct io *io, const struct sockaddr *address, socklen_t size)
{
	struct io_uring_sqe *request = io_uring_get_sqe(&((struct uring_io *)io)->ring);
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -errno;
	io_uring_prep_connect(request, fd, address, size);
	error = submit_and_wait(io, request);
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

static ssize_t uring_send(struct io *io, int fd, const void *bytes, size_t size)
{
	struct io_uring_sqe *request = io_uring_get_sqe(&((struct uring_io *)io)->ring);

	io_uring_prep_send(request, fd, bytes, size, MSG_NOSIGNAL);
	return submit_and_wait(io, request);
}

static ssize_t uring_receive(struct io *io, int fd, void *bytes, size_t size)
{
	struct io_uring_sqe *request = io_uring_get_sqe(&((struct uring_io *)io)->ring);

	io_uring_prep_recv(request, fd, bytes, size, 0);
	return submit_and_wait(io, request);
}

const struct io_style io_uring_style = {
	.name = "uring",
	.open = uring_open,
	.close = uring_close,
	.connect = uring_connect,
	.send = uring_send,
	.receive = uring_receive,
};
