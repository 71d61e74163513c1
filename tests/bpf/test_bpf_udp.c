/* SPDX-License-Identifier: Apache-2.0 */
/* UDP sockets that name their destination with each datagram: who gets it, who seems to answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/world.h"

#include "base/clock.h"
#include "datapath/datapath.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct world_service web = {
	.name = "default/web",
	.frontend = "10.96.0.10",
	.proto = IPPROTO_UDP,
	.address = "127.0.0.1",
};

/* The services of these tests: servers `first` to `first + count - 1` behind a frontend. */
static void publish(struct world *world, const char *frontend, size_t first, size_t count)
{
	struct world_service service = web;

	service.name = frontend;
	service.frontend = frontend;
	service.address = strchr(frontend, ':') ? "::1" : "127.0.0.1";
	service.first = first;
	service.count = count;
	world_publish(world, &service);
}

static void serve(struct world *world, size_t count)
{
	for (int i = 0; i < (int)count; i++)
		world_serve(world, i, "127.0.0.1", SOCK_DGRAM);
}

static int udp_socket(int family)
{
	struct timeval limit = {.tv_sec = 5};
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_return_code(fd, errno);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static int send_to(int fd, int family, const char *address, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t size = world_sockaddr(family, address, port, &sa);

	return sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, size) == 1 ? 0 : -errno;
}

/* Waits for the datagram, answers it, and returns which server got it. */
static int answer(const struct world *world)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	struct pollfd fds[WORLD_SERVERS];
	char byte;

	for (int i = 0; i < WORLD_SERVERS; i++)
		fds[i] = (struct pollfd){.fd = world->servers[i], .events = POLLIN};
	assert_int_equal(poll(fds, WORLD_SERVERS, 5000), 1);
	for (int i = 0; i < WORLD_SERVERS; i++) {
		if (!fds[i].revents)
			continue;
		assert_int_equal(recvfrom(fds[i].fd, &byte, 1, 0, (struct sockaddr *)&from, &size),
				 1);
		assert_int_equal(sendto(fds[i].fd, &byte, 1, 0, (struct sockaddr *)&from, size), 1);
		return i;
	}
	fail();
	return -1;
}

static void assert_from_with(int fd, int flags, const char *expected)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	char byte, text[96];

	assert_return_code(recvfrom(fd, &byte, 1, flags, (struct sockaddr *)&from, &size), errno);
	world_name(&from, text, sizeof(text));
	assert_string_equal(text, expected);
}

/* The next datagram seems to come from "address port". */
static void assert_from(int fd, const char *expected)
{
	assert_from_with(fd, 0, expected);
}

static void assert_from_server(const struct world *world, int fd, int server)
{
	char expected[32];

	snprintf(expected, sizeof(expected), "127.0.0.1 %u", world->ports[server]);
	assert_from(fd, expected);
}

/* Sends a datagram to an IPv4 frontend, port 80; returns which server it came to. */
static int ask(const struct world *world, int fd, const char *frontend)
{
	char expected[32];
	int server;

	assert_int_equal(send_to(fd, AF_INET, frontend, 80), 0);
	server = answer(world);
	snprintf(expected, sizeof(expected), "%s 80", frontend);
	assert_from(fd, expected);
	return server;
}

struct family_case {
	const char *name;
	int family;
	const char *frontend; /* as it is published */
	const char *dial;     /* as the application has it */
	const char *server;
	const char *from; /* where the reply seems to come from */
};

static const struct family_case family_cases[] = {
	{"IPv4", AF_INET, "10.96.0.10", "10.96.0.10", "127.0.0.1", "10.96.0.10 80"},
	{"IPv6", AF_INET6, "fd00:10:96::10", "fd00:10:96::10", "::1", "fd00:10:96::10 80"},
	{"v4-mapped", AF_INET6, "10.96.0.10", "::ffff:10.96.0.10", "127.0.0.1",
	 "::ffff:10.96.0.10 80"},
};

static void test_replies_seem_to_come_from_the_frontend(void **state)
{
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(family_cases) / sizeof(family_cases[0]); i++) {
		const struct family_case *c = &family_cases[i];
		int fd = udp_socket(c->family);

		print_message("%s\n", c->name);
		world_serve(world, 0, c->server, SOCK_DGRAM);
		publish(world, c->frontend, 0, 1);
		assert_int_equal(send_to(fd, c->family, c->dial, 80), 0);
		answer(world);
		assert_from_with(fd, MSG_PEEK, c->from);
		assert_from_with(fd, 0, c->from);
		close(fd);
		world_shut(world, 0);
	}
}

static void test_many_datagrams_in_one_call(void **state)
{
	struct world *world = *state;
	int fd = udp_socket(AF_INET), first;
	struct sockaddr_storage to, from[3];
	struct iovec byte = {.iov_base = (char[]){'x'}, .iov_len = 1};
	struct mmsghdr messages[3] = {};
	char text[96];

	serve(world, 2);
	publish(world, "10.96.0.10", 0, 2);
	for (int i = 0; i < 3; i++) {
		messages[i].msg_hdr.msg_name = &to;
		messages[i].msg_hdr.msg_namelen = world_sockaddr(AF_INET, "10.96.0.10", 80, &to);
		messages[i].msg_hdr.msg_iov = &byte;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	assert_int_equal(sendmmsg(fd, messages, 3, 0), 3);
	first = answer(world);
	assert_int_equal(answer(world), first);
	assert_int_equal(answer(world), first);
	for (int i = 0; i < 3; i++) {
		messages[i].msg_hdr.msg_name = &from[i];
		messages[i].msg_hdr.msg_namelen = sizeof(from[i]);
	}
	assert_int_equal(recvmmsg(fd, messages, 3, 0, NULL), 3);
	for (int i = 0; i < 3; i++) {
		world_name(&from[i], text, sizeof(text));
		assert_string_equal(text, "10.96.0.10 80");
	}
	/* What the application gave the kernel is as it was. */
	world_name(&to, text, sizeof(text));
	assert_string_equal(text, "10.96.0.10 80");
	close(fd);
}

static void test_a_socket_stays_with_its_backend(void **state)
{
	struct world *world = *state;
	bool seen[8] = {};

	serve(world, 8);
	publish(world, "10.96.0.10", 0, 8);
	for (int i = 0; i < 40; i++) {
		int fd = udp_socket(AF_INET), first = ask(world, fd, "10.96.0.10");

		seen[first] = true;
		for (int k = 0; k < 3; k++)
			assert_int_equal(ask(world, fd, "10.96.0.10"), first);
		close(fd);
	}
	assert_true(seen[0] + seen[1] + seen[2] + seen[3] + seen[4] + seen[5] + seen[6] + seen[7] >
		    3);
}

static void test_a_socket_moves_when_its_backend_is_down(void **state)
{
	struct world *world = *state;
	int fd = udp_socket(AF_INET), first;

	serve(world, 2);
	publish(world, "10.96.0.10", 0, 2);
	first = ask(world, fd, "10.96.0.10");
	/* The answer to this one comes when the socket has moved already. */
	assert_int_equal(send_to(fd, AF_INET, "10.96.0.10", 80), 0);
	datapath_set_health(world->datapath, world->backends[first], SW_HEALTH_DOWN, 1);
	assert_int_equal(send_to(fd, AF_INET, "10.96.0.10", 80), 0);
	{
		struct pollfd both[2] = {{.fd = world->servers[0], .events = POLLIN},
					 {.fd = world->servers[1], .events = POLLIN}};

		assert_int_equal(poll(both, 2, 5000), 2);
	}
	for (int i = 0; i < 2; i++) {
		struct sockaddr_storage from;
		socklen_t size = sizeof(from);
		char byte;

		assert_int_equal(
			recvfrom(world->servers[i], &byte, 1, 0, (struct sockaddr *)&from, &size),
			1);
		sendto(world->servers[i], &byte, 1, 0, (struct sockaddr *)&from, size);
		assert_from(fd, "10.96.0.10 80");
	}
	/* It does not move back: one socket, one backend. */
	datapath_set_health(world->datapath, world->backends[first], SW_HEALTH_UP, 1);
	for (int i = 0; i < 20; i++)
		assert_int_equal(ask(world, fd, "10.96.0.10"), !first);
	close(fd);
}

static void test_a_socket_moves_when_its_backend_is_gone(void **state)
{
	struct world *world = *state;
	int fd = udp_socket(AF_INET), first;

	serve(world, 2);
	publish(world, "10.96.0.10", 0, 2);
	first = ask(world, fd, "10.96.0.10");
	publish(world, "10.96.0.10", !first, 1);
	assert_int_equal(ask(world, fd, "10.96.0.10"), !first);
	publish(world, "10.96.0.10", 0, 0);
	assert_int_equal(send_to(fd, AF_INET, "10.96.0.10", 80),
			 world_has_set_retval ? -ECONNREFUSED : -EPERM);
	publish(world, "10.96.0.10", first, 1);
	assert_int_equal(ask(world, fd, "10.96.0.10"), first);
	close(fd);
}

static void test_peers_of_its_own_stay_what_they_are(void **state)
{
	struct world *world = *state;
	int fd = udp_socket(AF_INET);

	serve(world, 2);
	publish(world, "10.96.0.10", 0, 1);
	/* Another one than the backend, before and after. */
	assert_int_equal(send_to(fd, AF_INET, "127.0.0.1", world->ports[1]), 0);
	assert_int_equal(answer(world), 1);
	assert_from_server(world, fd, 1);
	ask(world, fd, "10.96.0.10");
	assert_int_equal(send_to(fd, AF_INET, "127.0.0.1", world->ports[1]), 0);
	answer(world);
	assert_from_server(world, fd, 1);
	/* The backend itself, by its own address. */
	assert_int_equal(send_to(fd, AF_INET, "127.0.0.1", world->ports[0]), 0);
	answer(world);
	assert_from_server(world, fd, 0);
	ask(world, fd, "10.96.0.10");
	close(fd);
}

static void test_the_frontend_used_last_counts(void **state)
{
	struct world *world = *state;
	int fd = udp_socket(AF_INET);

	serve(world, 1);
	publish(world, "10.96.0.10", 0, 1);
	publish(world, "10.96.0.11", 0, 1);
	ask(world, fd, "10.96.0.10");
	ask(world, fd, "10.96.0.11");
	ask(world, fd, "10.96.0.10");
	close(fd);
}

/* More than SW_UDP_FLOWS, all asked before the first one answers. */
static void test_a_socket_with_many_services(void **state)
{
	enum { SERVICES = 12 };
	struct world *world = *state;
	int fd = udp_socket(AF_INET);
	char frontend[SERVICES][16], expected[24];

	serve(world, SERVICES);
	for (int i = 0; i < SERVICES; i++) {
		snprintf(frontend[i], sizeof(frontend[i]), "10.96.1.%d", i);
		publish(world, frontend[i], (size_t)i, 1);
		assert_int_equal(send_to(fd, AF_INET, frontend[i], 80), 0);
	}
	for (int i = 0; i < SERVICES; i++) {
		struct sockaddr_storage from;
		socklen_t size = sizeof(from);
		char byte;

		assert_int_equal(
			recvfrom(world->servers[i], &byte, 1, 0, (struct sockaddr *)&from, &size),
			1);
		sendto(world->servers[i], &byte, 1, 0, (struct sockaddr *)&from, size);
		snprintf(expected, sizeof(expected), "10.96.1.%d 80", i);
		assert_from(fd, expected);
	}
	/* What went to the LRU map is forgotten, too, for a peer of its own. */
	assert_int_equal(send_to(fd, AF_INET, "127.0.0.1", world->ports[0]), 0);
	answer(world);
	assert_from_server(world, fd, 0);
	close(fd);
}

static void disconnect(int fd)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	assert_return_code(connect(fd, &none, sizeof(none)), errno);
}

static void connect_to(int fd, const char *address, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t size = world_sockaddr(AF_INET, address, port, &sa);

	assert_return_code(connect(fd, (struct sockaddr *)&sa, size), errno);
}

static void test_connected_and_named(void **state)
{
	struct world *world = *state;
	int fd = udp_socket(AF_INET), first;

	serve(world, 8);
	publish(world, "10.96.0.10", 0, 8);
	for (int i = 0; i < 20; i++) {
		connect_to(fd, "10.96.0.10", 80);
		assert_int_equal(send(fd, "x", 1, 0), 1);
		first = answer(world);
		assert_from(fd, "10.96.0.10 80");
		/* The kernel takes answers from the peer only, so it must be the same one. */
		assert_int_equal(ask(world, fd, "10.96.0.10"), first);
		world_assert_peer(fd, "10.96.0.10 80");
		disconnect(fd);
	}
	close(fd);
}

/* Linux 5.10 to 6.18 call the hook for a datagram with an address only. */
static void test_connected_socket_without_an_address_is_the_kernels_affair(void **state)
{
	struct world *world = *state;
	int fd = udp_socket(AF_INET), first;

	serve(world, 2);
	publish(world, "10.96.0.10", 0, 2);
	connect_to(fd, "10.96.0.10", 80);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	first = answer(world);
	assert_from(fd, "10.96.0.10 80");
	datapath_set_health(world->datapath, world->backends[first], SW_HEALTH_DOWN, 1);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_int_equal(answer(world), first);
	assert_from(fd, "10.96.0.10 80");
	/* With one it reaches a backend that lives, and so does another connect(). */
	assert_int_equal(send_to(fd, AF_INET, "10.96.0.10", 80), 0);
	assert_int_equal(answer(world), !first);
	connect_to(fd, "10.96.0.10", 80);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_int_equal(answer(world), !first);
	assert_from(fd, "10.96.0.10 80");
	close(fd);
}

static void test_nothing_is_left_of_a_connection(void **state)
{
	struct world *world = *state;
	int fd = udp_socket(AF_INET);

	serve(world, 2);
	publish(world, "10.96.0.10", 0, 1);
	publish(world, "10.96.0.11", 1, 1);
	/* Disconnected: the backend is a peer like any other. */
	connect_to(fd, "10.96.0.10", 80);
	disconnect(fd);
	assert_int_equal(send_to(fd, AF_INET, "127.0.0.1", world->ports[0]), 0);
	answer(world);
	assert_from_server(world, fd, 0);
	/* Connected to the very backend that a frontend led to before. */
	ask(world, fd, "10.96.0.10");
	connect_to(fd, "127.0.0.1", world->ports[0]);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	answer(world);
	assert_from_server(world, fd, 0);
	/* From one service to the other, and unconnected again. */
	connect_to(fd, "10.96.0.11", 80);
	world_assert_peer(fd, "10.96.0.11 80");
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_int_equal(answer(world), 1);
	assert_from(fd, "10.96.0.11 80");
	disconnect(fd);
	assert_int_equal(ask(world, fd, "10.96.0.10"), 0);
	close(fd);
}

static int reconnect_to(int fd, const char *address, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t size = world_sockaddr(AF_INET, address, port, &sa);

	return connect(fd, (struct sockaddr *)&sa, size) ? -errno : 0;
}

/* The kernel leaves a UDP socket its peer when another connect() fails. */
static void test_a_connect_that_fails_changes_nothing(void **state)
{
	struct world *world = *state;
	int fd = udp_socket(AF_INET);

	serve(world, 2);
	publish(world, "10.96.0.10", 0, 1);
	publish(world, "10.96.0.11", 1, 1);
	publish(world, "10.96.0.12", 2, 0);
	ask(world, fd, "10.96.0.11");
	connect_to(fd, "10.96.0.10", 80);
	assert_int_equal(reconnect_to(fd, "198.51.100.1", 53), -ENETUNREACH);
	/* Before Linux 5.18 the kernel can not refuse at once: then it has another peer. */
	if (world_has_set_retval)
		assert_int_equal(reconnect_to(fd, "10.96.0.12", 80), -ECONNREFUSED);
	world_assert_peer(fd, "10.96.0.10 80");
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_int_equal(answer(world), 0);
	assert_from(fd, "10.96.0.10 80");
	/* One that succeeds does. */
	connect_to(fd, "127.0.0.1", world->ports[1]);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_int_equal(answer(world), 1);
	assert_from_server(world, fd, 1);
	close(fd);
}

/* As a resolver does whose query was refused: a new socket, at once. */
static void test_a_retry_goes_elsewhere(void **state)
{
	struct world *world = *state;
	cpu_set_t all, one;
	int last = -1;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	assert_return_code(sched_getaffinity(0, sizeof(all), &all), errno);
	assert_return_code(sched_setaffinity(0, sizeof(one), &one), errno);
	serve(world, 2);
	publish(world, "10.96.0.10", 0, 2);
	for (int i = 0; i < 40; i++) {
		int fd = udp_socket(AF_INET), server;

		if (i % 2) {
			connect_to(fd, "10.96.0.10", 80);
			assert_int_equal(send(fd, "x", 1, 0), 1);
			server = answer(world);
		} else {
			server = ask(world, fd, "10.96.0.10");
		}
		assert_int_not_equal(server, last);
		last = server;
		close(fd);
	}
	sched_setaffinity(0, sizeof(all), &all);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_replies_seem_to_come_from_the_frontend,
						world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_many_datagrams_in_one_call, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_a_socket_stays_with_its_backend, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_a_socket_moves_when_its_backend_is_down,
						world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_a_socket_moves_when_its_backend_is_gone,
						world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_peers_of_its_own_stay_what_they_are,
						world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_the_frontend_used_last_counts, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_a_socket_with_many_services, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_connected_and_named, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(
			test_connected_socket_without_an_address_is_the_kernels_affair, world_setup,
			world_teardown),
		cmocka_unit_test_setup_teardown(test_a_retry_goes_elsewhere, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_nothing_is_left_of_a_connection, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_a_connect_that_fails_changes_nothing,
						world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
