/* SPDX-License-Identifier: Apache-2.0 */
/* Connected UDP sockets of a backend that is gone or down: moved, and their owner notices nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/world.h"

#include "base/clock.h"
#include "base/duration.h"
#include "conns/closer.h"
#include "datapath/datapath.h"
#include "loop/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct closer_result result;
static int results;

static void on_done(void *arg, const struct closer_result *done)
{
	(void)arg;
	result = *done;
	results++;
}

static int read_storage(void *arg, int fd, struct sw_socket *ret)
{
	return datapath_read_socket(arg, fd, ret);
}

/* What the daemon does with the sockets of a backend, on the closer's thread. */
static void leave(struct world *world, int server, const char *address)
{
	struct closer_sockets sockets = {.fd = datapath_sockets_fd(world->datapath),
					 .storage = read_storage,
					 .arg = world->datapath};
	struct closer_job job = {.proto = IPPROTO_UDP, .target.port = world->ports[server]};
	uint64_t end = clock_now() + 60 * NSEC_PER_SEC;
	struct closer *closer;
	struct loop *loop;

	assert_int_equal(addr_from_str(address, &job.target.addr), 0);
	job.target.service =
		dp_table_port(datapath_table(world->datapath), "default/dns:80/udp")->service;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(closer_new(loop, &sockets, on_done, NULL, &closer), 0);
	results = 0;
	assert_int_equal(closer_push(closer, &job), 0);
	while (!results && clock_now() < end)
		assert_int_equal(loop_run_once(loop, 100 * NSEC_PER_MSEC), 0);
	assert_int_equal(results, 1);
	assert_int_equal(result.errors, 0);
	closer_free(closer);
	loop_free(loop);
}

struct family_case {
	const char *name;
	int family;
	const char *frontend;
	const char *dial;
	const char *address; /* of the servers */
	const char *peer;
};

static const struct family_case family_cases[] = {
	{"IPv4", AF_INET, "10.96.0.10", "10.96.0.10", "127.0.0.1", "10.96.0.10 80"},
	{"IPv6", AF_INET6, "fd00:10:96::10", "fd00:10:96::10", "::1", "fd00:10:96::10 80"},
	{"v4-mapped", AF_INET6, "10.96.0.10", "::ffff:10.96.0.10", "127.0.0.1",
	 "::ffff:10.96.0.10 80"},
};

static void publish(struct world *world, const struct family_case *c, size_t first, size_t count)
{
	const struct world_service service = {.name = "default/dns",
					      .frontend = c->frontend,
					      .proto = IPPROTO_UDP,
					      .address = c->address,
					      .first = first,
					      .count = count};

	world_publish(world, &service);
}

static void local_name(int fd, char *ret, size_t size)
{
	struct sockaddr_storage sa;
	socklen_t sa_size = sizeof(sa);

	assert_return_code(getsockname(fd, (struct sockaddr *)&sa, &sa_size), errno);
	world_name(&sa, ret, size);
}

/* Sends; returns which server got it, after its answer arrived. */
static int exchange(const struct world *world, int fd)
{
	struct pollfd fds[2] = {{.fd = world->servers[0], .events = POLLIN},
				{.fd = world->servers[1], .events = POLLIN}};
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	struct pollfd reply = {.fd = fd, .events = POLLIN};
	int server;
	char byte;

	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_int_equal(poll(fds, 2, 5000), 1);
	server = !fds[0].revents;
	assert_int_equal(recvfrom(fds[server].fd, &byte, 1, 0, (struct sockaddr *)&from, &size), 1);
	assert_int_equal(sendto(fds[server].fd, "y", 1, 0, (struct sockaddr *)&from, size), 1);
	assert_int_equal(poll(&reply, 1, 5000), 1);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	return server;
}

static void check_family(struct world *world, const struct family_case *c)
{
	char before[96], after[96];
	int fd, server;

	for (int i = 0; i < 2; i++)
		world_serve(world, i, c->address, SOCK_DGRAM);
	publish(world, c, 0, 2);
	fd = world_dial(c->family, SOCK_DGRAM, c->dial, 80);
	server = exchange(world, fd);
	local_name(fd, before, sizeof(before));

	publish(world, c, !server, 1);
	leave(world, server, c->address);
	assert_int_equal(result.moved, 1);
	assert_int_equal(result.closed, 0);
	world_assert_peer(fd, c->peer);
	local_name(fd, after, sizeof(after));
	assert_string_equal(before, after);
	assert_int_equal(exchange(world, fd), !server);
	close(fd);
	for (int i = 0; i < 2; i++)
		world_shut(world, i);
}

static void test_a_socket_moves(void **state)
{
	for (size_t i = 0; i < sizeof(family_cases) / sizeof(family_cases[0]); i++) {
		print_message("%s\n", family_cases[i].name);
		check_family(*state, &family_cases[i]);
	}
}

static void test_only_those_of_the_backend_move(void **state)
{
	const struct family_case *c = &family_cases[0];
	struct world *world = *state;
	int fds[16], was[16], moved = 0;

	for (int i = 0; i < 2; i++)
		world_serve(world, i, c->address, SOCK_DGRAM);
	publish(world, c, 0, 2);
	for (int i = 0; i < 16; i++) {
		fds[i] = world_dial(c->family, SOCK_DGRAM, c->dial, 80);
		was[i] = exchange(world, fds[i]);
		moved += !was[i];
	}
	datapath_set_health(world->datapath, world->backends[0], SW_HEALTH_DOWN, 1);
	leave(world, 0, c->address);
	assert_int_equal(result.moved, moved);
	assert_int_equal(result.closed, 0);
	for (int i = 0; i < 16; i++) {
		assert_int_equal(exchange(world, fds[i]), 1);
		close(fds[i]);
	}
}

static void test_without_another_backend_it_is_closed(void **state)
{
	const struct family_case *c = &family_cases[0];
	struct world *world = *state;
	socklen_t size = sizeof(int);
	int fd, error = 0;

	world_serve(world, 0, c->address, SOCK_DGRAM);
	publish(world, c, 0, 1);
	fd = world_dial(c->family, SOCK_DGRAM, c->dial, 80);
	leave(world, 0, c->address);
	assert_int_equal(result.moved, 0);
	assert_int_equal(result.closed, 1);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
	assert_int_equal(error, ECONNABORTED);
	close(fd);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_socket_moves, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_only_those_of_the_backend_move, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_without_another_backend_it_is_closed,
						world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
