/* SPDX-License-Identifier: Apache-2.0 */
/* Session affinity in the kernel: a client is a network namespace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/world.h"

#include "datapath/datapath.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVERS = 8, CONNECTIONS = 5, NAMESPACES = 12 };

static struct world_service service = {
	.frontend = "10.96.0.10", .address = "127.0.0.1", .count = SERVERS, .affinity_timeout = 10};

/* Whether the connection succeeds does not matter: it is counted where it goes. */
static void connect_once(int type)
{
	int fd = world_dial(AF_INET, type, service.frontend, 80);

	if (fd >= 0)
		close(fd);
}

/* Connects several times; returns the one backend that all of it goes to. */
static int pinned_backend(const struct world *world, int type)
{
	uint64_t before[SERVERS];
	int found = -1;

	for (int i = 0; i < SERVERS; i++)
		before[i] = datapath_connects(world->datapath, world->backends[i]);
	for (int i = 0; i < CONNECTIONS; i++)
		connect_once(type);
	for (int i = 0; i < SERVERS; i++) {
		uint64_t n = datapath_connects(world->datapath, world->backends[i]) - before[i];

		if (!n)
			continue;
		assert_int_equal(n, CONNECTIONS);
		found = i;
	}
	assert_int_not_equal(found, -1);
	return found;
}

static void test_clients_are_network_namespaces(void **state)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
	struct world *world = *state;
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_return_code(home, errno);
	for (int t = 0; t < 2; t++) {
		bool seen[SERVERS] = {};
		int first, distinct = 0;

		for (int i = 0; i < SERVERS; i++)
			world_serve(world, i, "127.0.0.1", types[t]);
		service.name = t ? "default/udp" : "default/tcp";
		service.proto = t ? IPPROTO_UDP : IPPROTO_TCP;
		world_publish(world, &service);
		first = pinned_backend(world, types[t]);
		for (int i = 0; i < NAMESPACES; i++) {
			assert_return_code(unshare(CLONE_NEWNET), errno);
			seen[pinned_backend(world, types[t])] = true;
		}
		assert_return_code(setns(home, CLONE_NEWNET), errno);
		assert_int_equal(pinned_backend(world, types[t]), first);
		for (int i = 0; i < SERVERS; i++) {
			distinct += seen[i];
			world_shut(world, i);
		}
		assert_in_range(distinct, 2, SERVERS);
	}
	close(home);
}

static void test_datagrams_without_connect_are_pinned_too(void **state)
{
	struct sockaddr_storage sa;
	socklen_t size = world_sockaddr(AF_INET, service.frontend, 80, &sa);
	struct world *world = *state;
	int first;

	for (int i = 0; i < SERVERS; i++)
		world_serve(world, i, "127.0.0.1", SOCK_DGRAM);
	service.name = "default/udp";
	service.proto = IPPROTO_UDP;
	world_publish(world, &service);
	first = pinned_backend(world, SOCK_DGRAM);
	for (uint64_t i = 1; i <= 10; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, size), 1);
		assert_int_equal(datapath_connects(world->datapath, world->backends[first]),
				 CONNECTIONS + i);
		close(fd);
	}
}

static void test_another_backend_when_it_is_down(void **state)
{
	struct world *world = *state;
	int first, second;

	for (int i = 0; i < SERVERS; i++)
		world_serve(world, i, "127.0.0.1", SOCK_STREAM);
	service.name = "default/tcp";
	service.proto = IPPROTO_TCP;
	world_publish(world, &service);
	first = pinned_backend(world, SOCK_STREAM);
	datapath_set_health(world->datapath, world->backends[first], SW_HEALTH_DOWN, 1);
	second = pinned_backend(world, SOCK_STREAM);
	assert_int_not_equal(second, first);
	datapath_set_health(world->datapath, world->backends[first], SW_HEALTH_UP, 1);
	assert_int_equal(pinned_backend(world, SOCK_STREAM), second);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_clients_are_network_namespaces, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_datagrams_without_connect_are_pinned_too,
						world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_another_backend_when_it_is_down, world_setup,
						world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
