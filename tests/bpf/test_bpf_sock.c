/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hooks on real sockets: what connect(), getpeername() and errno tell an application. Only
 * loopback, so it runs on any kernel that boots (tests/kernels).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/world.h"

#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "datapath/dp_maps.h"
#include "datapath/dp_pin_dir.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One service port with the servers 0 … n - 1, of which the last `terminating` are so. */
static void publish(struct world *world, const char *frontend, uint8_t proto, const char *address,
		    size_t n, size_t terminating)
{
	const struct world_service service = {.name = "default/web",
					      .frontend = frontend,
					      .proto = proto,
					      .address = address,
					      .count = n,
					      .terminating = terminating};

	world_publish(world, &service);
}

struct connect_case {
	const char *name;
	int family;
	int type;
	const char *frontend; /* in the plan */
	const char *dial;     /* what the application connects to */
	const char *backend;
	const char *peer; /* what getpeername() says */
};

static const struct connect_case connect_cases[] = {
	{"TCP over IPv4", AF_INET, SOCK_STREAM, "10.96.0.10", "10.96.0.10", "127.0.0.1",
	 "10.96.0.10 80"},
	{"TCP over IPv6", AF_INET6, SOCK_STREAM, "fd00:10:96::10", "fd00:10:96::10", "::1",
	 "fd00:10:96::10 80"},
	{"TCP over a v4-mapped address", AF_INET6, SOCK_STREAM, "10.96.0.10", "::ffff:10.96.0.10",
	 "127.0.0.1", "::ffff:10.96.0.10 80"},
	{"UDP over IPv4", AF_INET, SOCK_DGRAM, "10.96.0.10", "10.96.0.10", "127.0.0.1",
	 "10.96.0.10 80"},
	{"UDP over IPv6", AF_INET6, SOCK_DGRAM, "fd00:10:96::10", "fd00:10:96::10", "::1",
	 "fd00:10:96::10 80"},
	{"UDP over a v4-mapped address", AF_INET6, SOCK_DGRAM, "10.96.0.10", "::ffff:10.96.0.10",
	 "127.0.0.1", "::ffff:10.96.0.10 80"},
};

/* One byte from the client arrives at the server: the connection is real. */
static void assert_delivers(const struct world *world, int client, int type)
{
	int fd = world->servers[0];
	char byte = 0;

	if (type == SOCK_STREAM)
		fd = accept(fd, NULL, NULL);
	assert_return_code(fd, errno);
	assert_int_equal(send(client, "x", 1, 0), 1);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 'x');
	if (fd != world->servers[0])
		close(fd);
}

static void test_connect(void **state)
{
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(connect_cases) / sizeof(connect_cases[0]); i++) {
		const struct connect_case *c = &connect_cases[i];
		int fd;

		print_message("%s\n", c->name);
		world_serve(world, 0, c->backend, c->type);
		publish(world, c->frontend, c->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP,
			c->backend, 1, 0);
		fd = world_dial(c->family, c->type, c->dial, 80);
		assert_return_code(fd, -fd);
		world_assert_peer(fd, c->peer);
		assert_delivers(world, fd, c->type);
		close(fd);
		world_shut(world, 0);
	}
}

static void test_what_is_not_ours_is_untouched(void **state)
{
	struct world *world = *state;
	char expected[32];
	int fd;

	world_serve(world, 0, "127.0.0.1", SOCK_STREAM);
	publish(world, "10.96.0.10", IPPROTO_TCP, "127.0.0.1", 1, 0);
	fd = world_dial(AF_INET, SOCK_STREAM, "127.0.0.1", world->ports[0]);
	assert_return_code(fd, -fd);
	snprintf(expected, sizeof(expected), "127.0.0.1 %u", world->ports[0]);
	world_assert_peer(fd, expected);
	close(fd);
	/* The other protocol, another port. */
	assert_int_equal(world_dial(AF_INET, SOCK_STREAM, "10.96.0.10", 81), -ENETUNREACH);
}

static void test_no_endpoints(void **state)
{
	struct world *world = *state;
	struct pollfd pollfd = {.events = POLLIN};
	int fd;

	publish(world, "10.96.0.10", IPPROTO_TCP, "127.0.0.1", 0, 0);
	assert_int_equal(world_dial(AF_INET, SOCK_STREAM, "10.96.0.10", 80), -ECONNREFUSED);
	assert_int_equal(world_dial(AF_INET6, SOCK_STREAM, "::ffff:10.96.0.10", 80), -ECONNREFUSED);
	publish(world, "fd00:10:96::10", IPPROTO_TCP, "::1", 0, 0);
	assert_int_equal(world_dial(AF_INET6, SOCK_STREAM, "fd00:10:96::10", 80), -ECONNREFUSED);
	publish(world, "10.96.0.10", IPPROTO_UDP, "127.0.0.1", 0, 0);
	fd = world_dial(AF_INET, SOCK_DGRAM, "10.96.0.10", 80);
	if (world_has_set_retval) {
		assert_int_equal(fd, -ECONNREFUSED);
		return;
	}
	/* As with kube-proxy, UDP learns it from the answer to the first datagram. */
	assert_return_code(fd, -fd);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	pollfd.fd = fd;
	assert_int_equal(poll(&pollfd, 1, 5000), 1);
	assert_int_equal(recv(fd, (char[1]){}, 1, 0), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
}

static void test_non_blocking_connect(void **state)
{
	struct world *world = *state;
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(80)};
	struct pollfd pollfd = {.events = POLLOUT};
	int error = -1;
	socklen_t size = sizeof(error);

	world_serve(world, 0, "127.0.0.1", SOCK_STREAM);
	publish(world, "10.96.0.10", IPPROTO_TCP, "127.0.0.1", 1, 0);
	pollfd.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET, "10.96.0.10", &sa.sin_addr);
	assert_int_equal(connect(pollfd.fd, (struct sockaddr *)&sa, sizeof(sa)), -1);
	assert_int_equal(errno, EINPROGRESS);
	assert_int_equal(poll(&pollfd, 1, 5000), 1);
	assert_int_equal(getsockopt(pollfd.fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
	assert_int_equal(error, 0);
	world_assert_peer(pollfd.fd, "10.96.0.10 80");
	close(pollfd.fd);
}

static void test_reconnected_udp_socket_forgets_the_service(void **state)
{
	struct world *world = *state;
	struct sockaddr_in sa = {.sin_family = AF_INET};
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	char expected[32];
	int fd;

	world_serve(world, 0, "127.0.0.1", SOCK_DGRAM);
	publish(world, "10.96.0.10", IPPROTO_UDP, "127.0.0.1", 1, 0);
	fd = world_dial(AF_INET, SOCK_DGRAM, "10.96.0.10", 80);
	world_assert_peer(fd, "10.96.0.10 80");
	/* Straight to the very backend it had: it must show as what it is. */
	assert_return_code(connect(fd, &none, sizeof(none)), errno);
	sa.sin_port = htons(world->ports[0]);
	inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
	assert_return_code(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), errno);
	snprintf(expected, sizeof(expected), "127.0.0.1 %u", world->ports[0]);
	world_assert_peer(fd, expected);
	close(fd);
}

/* How many of n connections server i of two gets. */
static int share(const struct world *world, int i, int n)
{
	int count = 0;

	for (int k = 0; k < n; k++) {
		struct pollfd fds[2] = {{.fd = world->servers[0], .events = POLLIN},
					{.fd = world->servers[1], .events = POLLIN}};
		int fd = world_dial(AF_INET, SOCK_STREAM, "10.96.0.10", 80);

		assert_return_code(fd, -fd);
		assert_int_equal(poll(fds, 2, 5000), 1);
		count += !!fds[i].revents;
		close(accept(world->servers[fds[0].revents ? 0 : 1], NULL, NULL));
		close(fd);
	}
	return count;
}

static void test_health_decides(void **state)
{
	struct world *world = *state;

	world_serve(world, 0, "127.0.0.1", SOCK_STREAM);
	world_serve(world, 1, "127.0.0.1", SOCK_STREAM);
	publish(world, "10.96.0.10", IPPROTO_TCP, "127.0.0.1", 2, 0);
	assert_in_range(share(world, 0, 100), 20, 80);
	datapath_set_health(world->datapath, world->backends[0], SW_HEALTH_DOWN, 1);
	assert_int_equal(share(world, 0, 50), 0);
	datapath_set_health(world->datapath, world->backends[1], SW_HEALTH_REFUSED, 1);
	assert_int_equal(share(world, 1, 50), 0);
	datapath_set_health(world->datapath, world->backends[0], SW_HEALTH_UP, 1);
	assert_int_equal(share(world, 0, 50), 50);
	assert_int_equal(datapath_connects(world->datapath, world->backends[0]) +
				 datapath_connects(world->datapath, world->backends[1]),
			 250);
}

static void test_terminating_only_when_nothing_else_is_left(void **state)
{
	struct world *world = *state;

	world_serve(world, 0, "127.0.0.1", SOCK_STREAM);
	world_serve(world, 1, "127.0.0.1", SOCK_STREAM);
	publish(world, "10.96.0.10", IPPROTO_TCP, "127.0.0.1", 2, 1);
	assert_int_equal(share(world, 0, 50), 50);
	publish(world, "10.96.0.10", IPPROTO_TCP, "127.0.0.1", 2, 2);
	assert_in_range(share(world, 0, 100), 20, 80);
}

static void test_health_of_a_dead_daemon_is_ignored(void **state)
{
	struct world *world = *state;

	world_serve(world, 0, "127.0.0.1", SOCK_STREAM);
	world_serve(world, 1, "127.0.0.1", SOCK_STREAM);
	publish(world, "10.96.0.10", IPPROTO_TCP, "127.0.0.1", 2, 0);
	datapath_set_health(world->datapath, world->backends[0], SW_HEALTH_DOWN, 1);
	assert_int_equal(share(world, 0, 50), 0);
	datapath_heartbeat(world->datapath, clock_now() - SW_HEARTBEAT_TIMEOUT);
	assert_in_range(share(world, 0, 100), 20, 80);
}

static void test_pinned_datapath_serves_without_a_daemon_and_is_taken_over(void **state)
{
	struct world *world = *state;

	world_serve(world, 0, "127.0.0.1", SOCK_STREAM);
	world_serve(world, 1, "127.0.0.1", SOCK_STREAM);
	publish(world, "10.96.0.10", IPPROTO_TCP, "127.0.0.1", 2, 0);
	datapath_set_health(world->datapath, world->backends[0], SW_HEALTH_DOWN, 1);
	datapath_close(world->datapath);
	world->datapath = NULL;
	assert_int_equal(share(world, 1, 20), 20);
	world->datapath = world_open_datapath();
	assert_int_equal(share(world, 1, 20), 20);
	assert_int_equal(datapath_health(world->datapath, world->backends[0]), SW_HEALTH_DOWN);
	/* Nobody applied it since: the source does not know it any more. */
	assert_int_equal(datapath_sweep(world->datapath, clock_now()), 1);
	assert_int_equal(world_dial(AF_INET, SOCK_STREAM, "10.96.0.10", 80), -ENETUNREACH);
}

static void test_second_daemon_is_refused(void **state)
{
	struct datapath_config c = world_config();
	struct datapath *second = NULL;

	(void)state;
	assert_int_equal(datapath_open(&c, &second, &problem), -EBUSY);
	assert_non_null(strstr(problem.text, "another swerved"));
	assert_int_equal(dp_pin_dir_cleanup(sandbox.pin_dir, &problem), -EBUSY);
}

static void test_other_abi_version_is_refused(void **state)
{
	struct world *world = *state;
	struct datapath_config c = world_config();
	struct datapath *second = NULL;
	struct dp_maps maps;
	char version[32];

	datapath_close(world->datapath);
	world->datapath = NULL;
	assert_int_equal(dp_maps_open(sandbox.pin_dir, true, &maps), 0);
	maps.config->abi_version = SW_ABI_VERSION + 1;
	dp_maps_close(&maps);
	assert_int_equal(datapath_open(&c, &second, &problem), -EPROTO);
	snprintf(version, sizeof(version), "ABI version %d", SW_ABI_VERSION + 1);
	assert_non_null(strstr(problem.text, version));
	assert_non_null(strstr(problem.text, "--cleanup"));
}

/* Linux 5.10 detaches a link some time after its last reference went. */
static bool soon_untranslated(void)
{
	for (int i = 0; i < 500; i++) {
		int fd = world_dial(AF_INET, SOCK_STREAM, "10.96.0.10", 80);

		if (fd == -ENETUNREACH)
			return true;
		close(fd);
		usleep(10000);
	}
	return false;
}

static void test_another_cgroup_gets_the_programs(void **state)
{
	struct world *world = *state;
	struct datapath_config c = world_config();
	uint64_t connects;
	char other[600];

	world_serve(world, 0, "127.0.0.1", SOCK_STREAM);
	publish(world, "10.96.0.10", IPPROTO_TCP, "127.0.0.1", 1, 0);
	datapath_close(world->datapath);
	world->datapath = NULL;
	sandbox_other_cgroup(&sandbox, other, sizeof(other));
	c.cgroup = other;
	if (datapath_open(&c, &world->datapath, &problem))
		fail_msg("%s", problem.text);
	/* This process is not in the other cgroup: its connections are not translated any more. */
	assert_true(soon_untranslated());
	/* The cgroup goes, and with it the attachment: the next start makes a new one. */
	datapath_close(world->datapath);
	assert_return_code(rmdir(other), errno);
	world->datapath = world_open_datapath();
	connects = datapath_connects(world->datapath, world->backends[0]);
	close(world_dial(AF_INET, SOCK_STREAM, "10.96.0.10", 80));
	assert_int_not_equal(datapath_connects(world->datapath, world->backends[0]), connects);
}

static void test_cgroup_and_pin_directory_are_checked(void **state)
{
	struct datapath_config c = world_config();
	struct datapath *datapath = NULL;
	char pins[128];

	(void)state;
	snprintf(pins, sizeof(pins), "%s/other", sandbox.dir);
	c.pin_dir = pins;
	c.cgroup = "/proc";
	assert_int_equal(datapath_open(&c, &datapath, &problem), -EINVAL);
	assert_non_null(strstr(problem.text, "cgroup2"));
	c.cgroup = "/does/not/exist";
	assert_int_equal(datapath_open(&c, &datapath, &problem), -ENOENT);
	c = world_config();
	c.pin_dir = "/tmp";
	assert_int_equal(datapath_open(&c, &datapath, &problem), -EINVAL);
	assert_non_null(strstr(problem.text, "mount -t bpf"));
	assert_int_equal(dp_pin_dir_cleanup(pins, &problem), 0);
	assert_int_equal(dp_pin_dir_cleanup(pins, &problem), 0);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_connect, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_ours_is_untouched, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_no_endpoints, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_non_blocking_connect, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_reconnected_udp_socket_forgets_the_service,
						world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_health_decides, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_terminating_only_when_nothing_else_is_left,
						world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_health_of_a_dead_daemon_is_ignored,
						world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_pinned_datapath_serves_without_a_daemon_and_is_taken_over,
			world_setup_own, world_teardown_own),
		cmocka_unit_test_setup_teardown(test_second_daemon_is_refused, world_setup_own,
						world_teardown_own),
		cmocka_unit_test_setup_teardown(test_other_abi_version_is_refused, world_setup_own,
						world_teardown_own),
		cmocka_unit_test_setup_teardown(test_another_cgroup_gets_the_programs,
						world_setup_own, world_teardown_own),
		cmocka_unit_test_setup_teardown(test_cgroup_and_pin_directory_are_checked,
						world_setup_own, world_teardown_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
