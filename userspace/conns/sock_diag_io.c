/* SPDX-License-Identifier: Apache-2.0 */
/* Answers come from within the system calls: nothing here waits for anybody else. */
#include "base/cleanup.h"
#include "conns/sock_diag.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

enum {
	/* An error that comes back takes about 1 KB of a receive buffer of at least 200 KB. */
	DESTROY_BATCH = 64,
	RECEIVE_SIZE = 65536,
};

/* The time limit only guards against waiting forever. */
int sock_diag_open(int *ret_fd)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct timeval limit = {.tv_sec = 2};
	int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		return -errno;
	/* Errors without a copy of the request; only to save memory. */
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int sock_diag_find(int fd, const struct sock_diag_query *query, struct sock_diag_sockets *ret)
{
	_cleanup_free_ uint8_t *buffer = malloc(RECEIVE_SIZE);
	uint8_t request[SOCK_DIAG_QUERY_SIZE];
	size_t size = sock_diag_encode_query(query, request);
	int r = 1;

	if (!size)
		return 0;
	if (!buffer)
		return -ENOMEM;
	if (send(fd, request, size, 0) < 0)
		return -errno;
	while (r > 0) {
		ssize_t n = recv(fd, buffer, RECEIVE_SIZE, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		r = sock_diag_parse(query, buffer, (size_t)n, ret);
	}
	return r;
}

/* Requests are done when send() returns, and only errors are answered. */
static int receive_errors(int fd, size_t *refused)
{
	uint8_t buffer[8192];
	int result = 0;
	ssize_t n;

	while ((n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
		int err = sock_diag_parse_errors(buffer, (size_t)n, refused);

		result = result ? result : err;
	}
	return result ? result : errno == EAGAIN ? 0 : -errno;
}

static int destroy_batch(int fd, const struct sock_diag_socket *sockets, size_t count,
			 size_t *closed)
{
	uint8_t requests[DESTROY_BATCH * SOCK_DIAG_DESTROY_SIZE];
	size_t refused = 0;
	int err;

	for (size_t i = 0; i < count; i++)
		sock_diag_encode_destroy(&sockets[i], (uint32_t)i,
					 requests + i * SOCK_DIAG_DESTROY_SIZE);
	if (send(fd, requests, count * SOCK_DIAG_DESTROY_SIZE, 0) < 0)
		return -errno;
	err = receive_errors(fd, &refused);
	if (refused < count)
		*closed += count - refused;
	return err;
}

int sock_diag_destroy(int fd, const struct sock_diag_socket *sockets, size_t count, size_t *closed)
{
	int result = 0;

	for (size_t i = 0; i < count; i += DESTROY_BATCH) {
		size_t n = count - i < DESTROY_BATCH ? count - i : DESTROY_BATCH;
		int err = destroy_batch(fd, &sockets[i], n, closed);

		result = result ? result : err;
	}
	return result;
}
