/* SPDX-License-Identifier: Apache-2.0 */
/* The time-outs that a Service can have for its connections, as the kernel keeps them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/world.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum { DIALS = 4 };

static void publish(struct world *world, const struct steer_policy *steer)
{
	world_serve(world, 0, "127.0.0.1", SOCK_STREAM);
	world_publish(world, &(struct world_service){.name = "default/web",
						     .frontend = "10.96.0.10",
						     .proto = IPPROTO_TCP,
						     .address = "127.0.0.1",
						     .count = 1,
						     .steer = *steer});
}

static unsigned int user_timeout(int fd)
{
	unsigned int timeout = 0;
	socklen_t size = sizeof(timeout);

	assert_return_code(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, &size), errno);
	return timeout;
}

/* The one that bounds connect() is gone when the connection stands. */
static void test_user_timeout(void **state)
{
	static const struct steer_policy rows[] = {
		{.connect_timeout = 100},
		{.user_timeout = 5000},
		{.connect_timeout = 100, .user_timeout = 7000},
	};
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd;

		publish(world, &rows[i]);
		fd = world_dial(AF_INET, SOCK_STREAM, "10.96.0.10", 80);
		assert_true(fd >= 0);
		assert_int_equal(user_timeout(fd), rows[i].user_timeout);
		close(fd);
		world_shut(world, 0);
	}
}

/* A server whose queue is full does not answer; the default is to try for minutes. */
static void test_connect_timeout(void **state)
{
	struct world *world = *state;
	int fds[DIALS];

	publish(world, &(struct steer_policy){.connect_timeout = 100});
	assert_return_code(listen(world->servers[0], 0), errno);
	for (int i = 0; i < DIALS; i++)
		fds[i] = world_dial(AF_INET, SOCK_STREAM, "10.96.0.10", 80);
	assert_int_equal(fds[DIALS - 1], -ETIMEDOUT);
	assert_true(datapath_load(world->datapath, world->backends[0])->connect_failures > 0);
	for (int i = 0; i < DIALS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_user_timeout),
		TEST(test_connect_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
