/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every way in which an application can name a destination, for both families and IPv4-mapped
 * addresses: where it comes to, what the peer and the answer's source seem to be. After the
 * kernel's selftests sock_addr, which ask the same of the hooks alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/world.h"

#include "datapath/datapath.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif

struct family {
	const char *name;
	int family;
	const char *frontend; /* as it is published */
	const char *dial;     /* as the application has it */
	const char *server;
	const char *peer;   /* what getpeername() and recvfrom() say */
	const char *source; /* another local address, to bind to */
	const char *source_seen;
};

static const struct family families[] = {
	{"IPv4", AF_INET, "10.96.0.10", "10.96.0.10", "127.0.0.1", "10.96.0.10 80", "127.0.0.7",
	 "127.0.0.7"},
	{"IPv6", AF_INET6, "fd00:10:96::10", "fd00:10:96::10", "::1", "fd00:10:96::10 80", "::1",
	 "::1"},
	{"IPv4-mapped", AF_INET6, "10.96.0.10", "::ffff:10.96.0.10", "127.0.0.1",
	 "::ffff:10.96.0.10 80", "::ffff:127.0.0.7", "127.0.0.7"},
};

/* One attempt: a way gets a socket and an address, and has it connected or a byte sent. */
struct attempt {
	const struct family *family;
	int fd;
	struct sockaddr_storage to;
	socklen_t size;
	bool sent; /* the way has sent the byte, too */
};

/* Returns 0, -errno, or SKIP if the kernel can not do it. */
enum { SKIP = 1 };
typedef int reach_fn(struct attempt *attempt);

static const struct sockaddr *to(const struct attempt *attempt)
{
	return (const struct sockaddr *)&attempt->to;
}

static int reach_connect(struct attempt *attempt)
{
	return connect(attempt->fd, to(attempt), attempt->size) ? -errno : 0;
}

static int reach_non_blocking(struct attempt *attempt)
{
	struct pollfd pollfd = {.fd = attempt->fd, .events = POLLOUT};
	socklen_t size = sizeof(int);
	int error = 0;

	fcntl(attempt->fd, F_SETFL, O_NONBLOCK);
	if (connect(attempt->fd, to(attempt), attempt->size) && errno != EINPROGRESS)
		return -errno;
	assert_int_equal(poll(&pollfd, 1, 5000), 1);
	getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	fcntl(attempt->fd, F_SETFL, 0);
	return -error;
}

/* As libraries do to learn how a connect() ended. */
static int reach_twice(struct attempt *attempt)
{
	int type = 0, error = reach_non_blocking(attempt);
	socklen_t size = sizeof(type);

	if (error)
		return error;
	getsockopt(attempt->fd, SOL_SOCKET, SO_TYPE, &type, &size);
	if (type == SOCK_DGRAM)
		return reach_connect(attempt);
	/* The first one takes note of the connection, the second finds it. */
	assert_int_equal(connect(attempt->fd, to(attempt), attempt->size), 0);
	assert_int_equal(connect(attempt->fd, to(attempt), attempt->size), -1);
	return errno == EISCONN ? 0 : -errno;
}

static int reach_bound(struct attempt *attempt)
{
	struct sockaddr_storage any;
	socklen_t size =
		world_sockaddr(attempt->family->family,
			       attempt->family->family == AF_INET ? "0.0.0.0" : "::", 0, &any);

	assert_return_code(bind(attempt->fd, (struct sockaddr *)&any, size), errno);
	return reach_connect(attempt);
}

static int reach_from_source(struct attempt *attempt)
{
	const struct family *family = attempt->family;
	struct sockaddr_storage source;
	socklen_t size = world_sockaddr(family->family, family->source, 0, &source);

	assert_return_code(bind(attempt->fd, (struct sockaddr *)&source, size), errno);
	return reach_connect(attempt);
}

static int reach_by_device(struct attempt *attempt)
{
	assert_return_code(setsockopt(attempt->fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), errno);
	return reach_connect(attempt);
}

static int reach_fast_open(struct attempt *attempt)
{
	attempt->sent = true;
	return sendto(attempt->fd, "x", 1, MSG_FASTOPEN, to(attempt), attempt->size) == 1 ? 0
											  : -errno;
}

static int reach_fast_open_connect(struct attempt *attempt)
{
	int one = 1;

	assert_return_code(
		setsockopt(attempt->fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)),
		errno);
	return reach_connect(attempt);
}

static int reach_in_child(struct attempt *attempt)
{
	pid_t child = fork();
	int status;

	assert_return_code(child, errno);
	if (!child)
		_exit(-reach_connect(attempt));
	assert_int_equal(waitpid(child, &status, 0), child);
	return -WEXITSTATUS(status);
}

static void send_fd(int through, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(fd))] = {};
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	sendmsg(through, &message, 0);
}

static int receive_fd(int through)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	int fd = -1;

	if (recvmsg(through, &message, 0) == 1 && CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* Another process connects, and passes the socket on. */
static int reach_passed(struct attempt *attempt)
{
	int pair[2], status, passed;
	pid_t child;

	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
	child = fork();
	assert_return_code(child, errno);
	if (!child) {
		int error = -reach_connect(attempt);

		send_fd(pair[1], attempt->fd);
		_exit(error);
	}
	passed = receive_fd(pair[0]);
	assert_return_code(passed, errno);
	close(attempt->fd);
	attempt->fd = passed;
	assert_int_equal(waitpid(child, &status, 0), child);
	close(pair[0]);
	close(pair[1]);
	return -WEXITSTATUS(status);
}

/* Disconnects and connects again: only the last one counts. */
static int reach_again(struct attempt *attempt)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	int error = reach_connect(attempt);

	if (error)
		return error;
	assert_return_code(connect(attempt->fd, &none, sizeof(none)), errno);
	return reach_connect(attempt);
}

static int reach_sendto(struct attempt *attempt)
{
	attempt->sent = true;
	return sendto(attempt->fd, "x", 1, 0, to(attempt), attempt->size) == 1 ? 0 : -errno;
}

static struct msghdr one_byte(struct attempt *attempt, struct iovec *iov)
{
	*iov = (struct iovec){.iov_base = (void *)"x", .iov_len = 1};
	attempt->sent = true;
	return (struct msghdr){.msg_name = &attempt->to,
			       .msg_namelen = attempt->size,
			       .msg_iov = iov,
			       .msg_iovlen = 1};
}

static int reach_sendmsg(struct attempt *attempt)
{
	struct iovec iov;
	struct msghdr message = one_byte(attempt, &iov);

	return sendmsg(attempt->fd, &message, 0) == 1 ? 0 : -errno;
}

/* Runs what was prepared; returns its result, or SKIP if the kernel does not have it. */
static int ring_result(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int result;

	assert_int_equal(io_uring_submit(ring), 1);
	assert_int_equal(io_uring_wait_cqe(ring, &cqe), 0);
	result = cqe->res;
	io_uring_queue_exit(ring);
	return result == -EINVAL ? SKIP : result;
}

static int reach_ring_connect(struct attempt *attempt)
{
	struct io_uring ring;

	if (io_uring_queue_init(1, &ring, 0))
		return SKIP;
	io_uring_prep_connect(io_uring_get_sqe(&ring), attempt->fd, to(attempt), attempt->size);
	return ring_result(&ring);
}

static int reach_ring_sendmsg(struct attempt *attempt)
{
	struct iovec iov;
	struct msghdr message = one_byte(attempt, &iov);
	struct io_uring ring;
	int result;

	if (io_uring_queue_init(1, &ring, 0))
		return SKIP;
	io_uring_prep_sendmsg(io_uring_get_sqe(&ring), attempt->fd, &message, 0);
	result = ring_result(&ring);
	return result == 1 ? 0 : result;
}

struct way {
	const char *name;
	int type;
	reach_fn *reach;
	bool unconnected; /* there is no peer afterwards */
	bool bound;       /* to the family's source address */
};

static const struct way ways[] = {
	{"connect", SOCK_STREAM, reach_connect, false, false},
	{"non-blocking connect", SOCK_STREAM, reach_non_blocking, false, false},
	{"connect, asked again", SOCK_STREAM, reach_twice, false, false},
	{"bind to a port, connect", SOCK_STREAM, reach_bound, false, false},
	{"bind to a source, connect", SOCK_STREAM, reach_from_source, false, true},
	{"SO_BINDTODEVICE, connect", SOCK_STREAM, reach_by_device, false, false},
	{"MSG_FASTOPEN", SOCK_STREAM, reach_fast_open, false, false},
	{"TCP_FASTOPEN_CONNECT", SOCK_STREAM, reach_fast_open_connect, false, false},
	{"connect in a child", SOCK_STREAM, reach_in_child, false, false},
	{"connect, SCM_RIGHTS", SOCK_STREAM, reach_passed, false, false},
	{"io_uring connect", SOCK_STREAM, reach_ring_connect, false, false},
	{"connect", SOCK_DGRAM, reach_connect, false, false},
	{"connect twice", SOCK_DGRAM, reach_twice, false, false},
	{"connect, AF_UNSPEC, connect", SOCK_DGRAM, reach_again, false, false},
	{"bind to a port, connect", SOCK_DGRAM, reach_bound, false, false},
	{"bind to a source, connect", SOCK_DGRAM, reach_from_source, false, true},
	{"SO_BINDTODEVICE, connect", SOCK_DGRAM, reach_by_device, false, false},
	{"connect in a child", SOCK_DGRAM, reach_in_child, false, false},
	{"connect, SCM_RIGHTS", SOCK_DGRAM, reach_passed, false, false},
	{"io_uring connect", SOCK_DGRAM, reach_ring_connect, false, false},
	{"sendto", SOCK_DGRAM, reach_sendto, true, false},
	{"sendmsg", SOCK_DGRAM, reach_sendmsg, true, false},
	{"io_uring sendmsg", SOCK_DGRAM, reach_ring_sendmsg, true, false},
};

static void publish(struct world *world, const struct family *family, int type, size_t count)
{
	const struct world_service service = {.name = "default/web",
					      .frontend = family->frontend,
					      .proto = type == SOCK_STREAM ? IPPROTO_TCP
									   : IPPROTO_UDP,
					      .address = family->server,
					      .count = count};

	world_publish(world, &service);
}

static struct attempt begin(const struct family *family, const struct way *way)
{
	struct attempt attempt = {.family = family,
				  .fd = socket(family->family, way->type | SOCK_CLOEXEC, 0)};

	assert_return_code(attempt.fd, errno);
	attempt.size = world_sockaddr(family->family, family->dial, 80, &attempt.to);
	return attempt;
}

/* The server takes the byte, checks whom it is from if `source` is given, and answers. */
static void answer(const struct world *world, const struct way *way, const char *source)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	int fd = world->servers[0];
	char byte, name[96];

	if (way->type == SOCK_STREAM) {
		fd = accept(fd, (struct sockaddr *)&from, &size);
		assert_return_code(fd, errno);
		assert_int_equal(recv(fd, &byte, 1, 0), 1);
	} else {
		assert_int_equal(recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &size), 1);
	}
	assert_int_equal(sendto(fd, "y", 1, 0, (struct sockaddr *)&from, size), 1);
	world_name(&from, name, sizeof(name));
	if (source)
		assert_memory_equal(name, source, strlen(source));
	if (fd != world->servers[0])
		close(fd);
}

static void assert_answered(const struct attempt *attempt, const struct way *way)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	char byte, name[96];

	assert_int_equal(recvfrom(attempt->fd, &byte, 1, 0, (struct sockaddr *)&from, &size), 1);
	assert_int_equal(byte, 'y');
	if (way->type == SOCK_STREAM)
		return;
	world_name(&from, name, sizeof(name));
	assert_string_equal(name, attempt->family->peer);
}

/* The bytes of the address belong to the application: nothing of it changes. */
static void assert_address_untouched(const struct attempt *attempt)
{
	struct sockaddr_storage before;

	world_sockaddr(attempt->family->family, attempt->family->dial, 80, &before);
	assert_memory_equal(&attempt->to, &before, sizeof(before));
}

static void check(struct world *world, const struct family *family, const struct way *way)
{
	struct attempt attempt = begin(family, way);
	int result = way->reach(&attempt);

	if (result == SKIP) {
		print_message("    not here: no io_uring\n");
		close(attempt.fd);
		return;
	}
	assert_int_equal(result, 0);
	if (!attempt.sent)
		assert_int_equal(send(attempt.fd, "x", 1, 0), 1);
	answer(world, way, way->bound ? family->source_seen : NULL);
	assert_answered(&attempt, way);
	assert_address_untouched(&attempt);
	if (way->unconnected) {
		assert_int_equal(
			getpeername(attempt.fd, (struct sockaddr *)&attempt.to, &attempt.size), -1);
		assert_int_equal(errno, ENOTCONN);
	} else {
		world_assert_peer(attempt.fd, family->peer);
	}
	close(attempt.fd);
}

static void test_every_way_leads_to_the_backend(void **state)
{
	struct world *world = *state;

	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
			print_message("%s, %s: %s\n", families[f].name,
				      ways[w].type == SOCK_STREAM ? "TCP" : "UDP", ways[w].name);
			world_serve(world, 0, families[f].server, ways[w].type);
			publish(world, &families[f], ways[w].type, 1);
			check(world, &families[f], &ways[w]);
			world_shut(world, 0);
		}
	}
}

/* Kernels without bpf_set_retval() can not say it in every way, see docs/sockets.md. */
static void test_every_way_is_refused_without_endpoints(void **state)
{
	struct world *world = *state;

	if (!world_has_set_retval)
		return;
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
			struct attempt attempt;
			int result;

			print_message("%s, %s: %s\n", families[f].name,
				      ways[w].type == SOCK_STREAM ? "TCP" : "UDP", ways[w].name);
			publish(world, &families[f], ways[w].type, 0);
			attempt = begin(&families[f], &ways[w]);
			result = ways[w].reach(&attempt);
			if (result != SKIP)
				assert_int_equal(result, -ECONNREFUSED);
			close(attempt.fd);
		}
	}
}

/* Raw sockets of the same protocol, and sockets of other families. */
static void test_other_sockets_are_left_alone(void **state)
{
	struct world *world = *state;
	struct sockaddr_storage to_frontend, sa;
	socklen_t size = world_sockaddr(AF_INET, "10.96.0.10", 80, &to_frontend),
		  sa_size = sizeof(sa);
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP), pair[2];

	publish(world, &families[0], SOCK_DGRAM, 0);
	assert_return_code(fd, errno);
	assert_int_equal(connect(fd, (struct sockaddr *)&to_frontend, size), -1);
	assert_int_equal(errno, ENETUNREACH);
	close(fd);
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
	assert_return_code(getpeername(pair[0], (struct sockaddr *)&sa, &sa_size), errno);
	close(pair[0]);
	close(pair[1]);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_way_leads_to_the_backend, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_every_way_is_refused_without_endpoints,
						world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_other_sockets_are_left_alone, world_setup,
						world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
