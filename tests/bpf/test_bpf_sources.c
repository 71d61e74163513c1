/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use the address of a load balancer: by the source address of what a pod sends. The pod has
 * all of 127.0.0.0/8 and ::1; a socket that is not bound to one of them gets 127.0.0.1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/world.h"

#include "base/clock.h"
#include "datapath/dp_pin_dir.h"
#include "datapath/dp_rescue.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int node_network; /* where the datapath was opened */

static void remember_node(void)
{
	node_network = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_return_code(node_network, errno);
}

static void leave_pod(void)
{
	assert_return_code(setns(node_network, CLONE_NEWNET), errno);
	close(node_network);
}

static int setup(void **state)
{
	remember_node();
	world_setup(state);
	assert_true(sandbox_new_network());
	return 0;
}

static int teardown(void **state)
{
	leave_pod();
	return world_teardown(state);
}

static int setup_own(void **state)
{
	remember_node();
	world_setup_own(state);
	assert_true(sandbox_new_network());
	return 0;
}

static int teardown_own(void **state)
{
	leave_pod();
	return world_teardown_own(state);
}

/* `range` NULL: everybody may. Clients that get no answer give up after 100 ms; rescue waits for them. */
static void publish(struct world *world, int family, uint8_t proto, const char *range)
{
	world_publish(world, &(struct world_service){
				     .name = "default/web",
				     .frontend = family == AF_INET ? "203.0.113.1" : "2001:db8::1",
				     .proto = proto,
				     .address = family == AF_INET ? "127.0.0.1" : "::1",
				     .count = 1,
				     .steer = {.connect_timeout = 100},
				     .retry_on = RETRY_TIMEOUT,
				     .source_range = range});
}

static int make_socket(int family, int type, const char *from)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0);
	struct sockaddr_storage sa;
	socklen_t size;

	assert_return_code(fd, errno);
	if (!from)
		return fd;
	size = world_sockaddr(family, from, 0, &sa);
	assert_return_code(bind(fd, (struct sockaddr *)&sa, size), errno);
	return fd;
}

/* Returns 0 or -errno of connect(). */
static int dial(int family, const char *from, const char *to)
{
	int fd = make_socket(family, SOCK_STREAM, from), err;
	struct sockaddr_storage sa;
	socklen_t size = world_sockaddr(family, to, 80, &sa);

	err = connect(fd, (struct sockaddr *)&sa, size) ? -errno : 0;
	close(fd);
	return err;
}

static int dial4(const char *from)
{
	return dial(AF_INET, from, "203.0.113.1");
}

static void test_tcp(void **state)
{
	struct world *world = *state;

	world_serve(world, 0, "127.0.0.1", SOCK_STREAM);
	publish(world, AF_INET, IPPROTO_TCP, "127.0.1.0/24");
	assert_int_equal(dial4("127.0.1.1"), 0);
	assert_int_equal(dial4("127.0.1.255"), 0);
	assert_int_equal(dial4("127.0.2.1"), -ETIMEDOUT);
	assert_int_equal(dial4(NULL), -ETIMEDOUT);
	assert_int_equal(dial(AF_INET6, NULL, "::ffff:203.0.113.1"), -ETIMEDOUT);
	assert_int_equal(dial(AF_INET6, "::ffff:127.0.1.7", "::ffff:203.0.113.1"), 0);
	/* The backend has no part in it. */
	assert_int_equal(datapath_load(world->datapath, world->backends[0])->last_failure, 0);
}

static void test_tcp_v6(void **state)
{
	struct world *world = *state;

	world_serve(world, 0, "::1", SOCK_STREAM);
	publish(world, AF_INET6, IPPROTO_TCP, "::/127");
	assert_int_equal(dial(AF_INET6, NULL, "2001:db8::1"), 0);
	publish(world, AF_INET6, IPPROTO_TCP, "fd00::/8");
	assert_int_equal(dial(AF_INET6, NULL, "2001:db8::1"), -ETIMEDOUT);
}

/* Another address of the service is for all, also when the same backend answers there. */
static void test_other_frontend(void **state)
{
	struct world *world = *state;

	world_serve(world, 0, "127.0.0.1", SOCK_STREAM);
	publish(world, AF_INET, IPPROTO_TCP, "127.0.1.0/24");
	world_publish(world, &(struct world_service){.name = "default/other",
						     .frontend = "10.96.0.10",
						     .proto = IPPROTO_TCP,
						     .address = "127.0.0.1",
						     .count = 1});
	assert_int_equal(dial4(NULL), -ETIMEDOUT);
	assert_int_equal(dial(AF_INET, NULL, "10.96.0.10"), 0);
}

static void count_outstanding(void *arg, uint64_t cookie, const struct sw_outstanding *outstanding)
{
	(void)cookie;
	(void)outstanding;
	++*(size_t *)arg;
}

/* Else it would wait in vain for an answer, and let the client in by another backend. */
static void test_rescue_keeps_out(void **state)
{
	struct world *world = *state;
	struct dp_rescue *rescue;
	size_t outstanding = 0;

	world_serve(world, 0, "127.0.0.1", SOCK_STREAM);
	publish(world, AF_INET, IPPROTO_TCP, "127.0.1.0/24");
	assert_int_equal(dp_rescue_open(sandbox.cgroup, sandbox.pin_dir, &rescue, &problem), 0);
	assert_int_equal(dp_rescue_attach(rescue), 0);
	assert_int_equal(dial4(NULL), -ETIMEDOUT);
	dp_rescue_each_outstanding(rescue, count_outstanding, &outstanding);
	assert_int_equal(outstanding, 0);
	/* Nobody answers who is let through. */
	assert_return_code(listen(world->servers[0], 0), errno);
	for (int i = 0; i < 4; i++)
		dial4("127.0.1.1");
	dp_rescue_each_outstanding(rescue, count_outstanding, &outstanding);
	assert_true(outstanding > 0);
	dp_rescue_close(rescue);
}

static bool is_attached(void)
{
	char path[PATH_MAX];

	assert_int_equal(dp_pin_path(sandbox.pin_dir, "sw_link_sources", path, sizeof(path)), 0);
	return !access(path, F_OK);
}

static void test_ranges_change(void **state)
{
	struct world *world = *state;

	world_serve(world, 0, "127.0.0.1", SOCK_STREAM);
	publish(world, AF_INET, IPPROTO_TCP, NULL);
	assert_false(is_attached());
	assert_int_equal(dial4("127.0.2.1"), 0);
	publish(world, AF_INET, IPPROTO_TCP, "127.0.1.0/24");
	assert_true(is_attached());
	assert_int_equal(dial4("127.0.2.1"), -ETIMEDOUT);
	publish(world, AF_INET, IPPROTO_TCP, "127.0.2.0/24");
	assert_int_equal(dial4("127.0.2.1"), 0);
	assert_int_equal(dial4("127.0.1.1"), -ETIMEDOUT);
	publish(world, AF_INET, IPPROTO_TCP, NULL);
	assert_false(is_attached());
	assert_int_equal(dial4("127.0.1.1"), 0);
}

/* Closes the datapath, and opens it again as the next daemon would. */
static void restart(struct world *world)
{
	int pod_network = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_return_code(pod_network, errno);
	datapath_close(world->datapath);
	assert_int_equal(dial4(NULL), -ETIMEDOUT);
	assert_return_code(setns(node_network, CLONE_NEWNET), errno);
	world->datapath = world_open_datapath();
	assert_return_code(setns(pod_network, CLONE_NEWNET), errno);
	close(pod_network);
}

static void test_restart(void **state)
{
	struct world *world = *state;

	world_serve(world, 0, "127.0.0.1", SOCK_STREAM);
	publish(world, AF_INET, IPPROTO_TCP, "127.0.1.0/24");
	restart(world);
	assert_int_equal(dial4(NULL), -ETIMEDOUT);
	assert_int_equal(dial4("127.0.1.1"), 0);
	publish(world, AF_INET, IPPROTO_TCP, "127.0.2.0/24");
	assert_int_equal(dial4("127.0.1.1"), -ETIMEDOUT);
	restart(world);
	/* The service is gone. */
	assert_int_equal(datapath_sweep(world->datapath, clock_now()), 1);
	assert_false(is_attached());
}

/* Sends one byte; to the frontend, or where the socket is connected to. */
static void put(int fd, const char *to, char byte)
{
	struct sockaddr_storage sa;
	socklen_t size = to ? world_sockaddr(AF_INET, to, 80, &sa) : 0;

	/* Lost on its way, as far as the sender can see. */
	assert_int_equal(sendto(fd, &byte, 1, 0, to ? (struct sockaddr *)&sa : NULL, size), 1);
}

/* On loopback what was sent first has arrived first: nothing came before that byte. */
static void assert_first(const struct world *world, char expected)
{
	char byte = 0;

	assert_int_equal(recv(world->servers[0], &byte, 1, 0), 1);
	assert_int_equal(byte, expected);
}

static int connected(const char *from)
{
	int fd = make_socket(AF_INET, SOCK_DGRAM, from);
	struct sockaddr_storage sa;
	socklen_t size = world_sockaddr(AF_INET, "203.0.113.1", 80, &sa);

	assert_return_code(connect(fd, (struct sockaddr *)&sa, size), errno);
	return fd;
}

static void test_udp(void **state)
{
	struct world *world = *state;
	int outside = make_socket(AF_INET, SOCK_DGRAM, NULL);
	int inside = make_socket(AF_INET, SOCK_DGRAM, "127.0.1.1");
	int connected_outside, connected_inside;

	world_serve(world, 0, "127.0.0.1", SOCK_DGRAM);
	publish(world, AF_INET, IPPROTO_UDP, "127.0.1.0/24");
	put(outside, "203.0.113.1", 'o');
	put(inside, "203.0.113.1", 'i');
	assert_first(world, 'i');
	connected_outside = connected(NULL);
	connected_inside = connected("127.0.1.2");
	put(connected_outside, NULL, 'O');
	put(connected_inside, NULL, 'I');
	assert_first(world, 'I');
	/* Sockets that there are already follow a change. */
	publish(world, AF_INET, IPPROTO_UDP, NULL);
	put(connected_outside, NULL, 'O');
	assert_first(world, 'O');
	put(outside, "203.0.113.1", 'o');
	assert_first(world, 'o');
	close(outside);
	close(inside);
	close(connected_outside);
	close(connected_inside);
}

/* What goes to the backend by another way than the load balancer's address is not looked at. */
static void test_udp_other_way(void **state)
{
	struct world *world = *state;
	int fd = make_socket(AF_INET, SOCK_DGRAM, NULL);
	struct sockaddr_storage sa;
	socklen_t size;

	world_serve(world, 0, "127.0.0.1", SOCK_DGRAM);
	publish(world, AF_INET, IPPROTO_UDP, "127.0.1.0/24");
	world_publish(world, &(struct world_service){.name = "default/other",
						     .frontend = "10.96.0.10",
						     .proto = IPPROTO_UDP,
						     .address = "127.0.0.1",
						     .count = 1});
	put(fd, "203.0.113.1", 'b');
	put(fd, "10.96.0.10", 'c');
	assert_first(world, 'c');
	put(fd, "203.0.113.1", 'b');
	size = world_sockaddr(AF_INET, "127.0.0.1", world->ports[0], &sa);
	assert_int_equal(sendto(fd, "d", 1, 0, (struct sockaddr *)&sa, size), 1);
	assert_first(world, 'd');
	close(fd);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tcp),
		TEST(test_tcp_v6),
		TEST(test_other_frontend),
		TEST(test_rescue_keeps_out),
		TEST(test_ranges_change),
		cmocka_unit_test_setup_teardown(test_restart, setup_own, teardown_own),
		TEST(test_udp),
		TEST(test_udp_other_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
