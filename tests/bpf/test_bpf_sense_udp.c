/* SPDX-License-Identifier: Apache-2.0 */
/* UDP datagrams that meet a closed port: what connected sockets show of their backends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/world.h"

#include "base/clock.h"
#include "base/duration.h"

#include <bpf/btf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

static bool has_tracepoint;

static int look_for_tracepoint(void **state)
{
	struct btf *kernel = btf__load_vmlinux_btf();

	(void)state;
	has_tracepoint = kernel && btf__find_by_name_kind(kernel, "btf_trace_inet_sk_error_report",
							  BTF_KIND_TYPEDEF) > 0;
	btf__free(kernel);
	print_message("inet_sk_error_report: %s\n", has_tracepoint ? "yes" : "no");
	return 0;
}

struct family_case {
	const char *name;
	int family;
	const char *frontend;
	const char *dial;
	const char *address; /* of the servers */
};

static const struct family_case family_cases[] = {
	{"IPv4", AF_INET, "10.96.0.10", "10.96.0.10", "127.0.0.1"},
	{"IPv6", AF_INET6, "fd00:10:96::10", "fd00:10:96::10", "::1"},
	{"v4-mapped", AF_INET6, "10.96.0.10", "::ffff:10.96.0.10", "127.0.0.1"},
};

static void publish(struct world *world, const struct family_case *c, size_t count)
{
	struct world_service service = {.name = "default/dns",
					.frontend = c->frontend,
					.proto = IPPROTO_UDP,
					.address = c->address,
					.count = count};

	for (size_t i = 0; i < count; i++)
		world_serve(world, (int)i, c->address, SOCK_DGRAM);
	world_publish(world, &service);
}

/* Sends a datagram; on loopback the error is there when send() returns. */
static int send_and_look(int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	assert_int_equal(send(fd, "?", 1, 0), 1);
	assert_return_code(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), errno);
	return error;
}

/* One datagram from a socket of its own, as resolvers do; returns whether it was refused. */
static bool is_refused(const struct family_case *c)
{
	int fd = world_dial(c->family, SOCK_DGRAM, c->dial, 80), error;

	assert_return_code(fd, -fd);
	error = send_and_look(fd);
	close(fd);
	assert_true(error == 0 || error == ECONNREFUSED);
	return error;
}

/*
 * Until nothing was refused for 200 ms, since after the first refusal a backend is second choice for 100; and by so
 * many datagrams, for a machine that pauses. Returns how many were refused, at most 3.
 */
static int ask(const struct family_case *c)
{
	uint64_t last = clock_now();
	int refused = 0;

	for (int quiet = 0;
	     refused < 3 && (quiet < 100 || clock_now() < last + 200 * NSEC_PER_MSEC); quiet++) {
		if (is_refused(c)) {
			refused++;
			quiet = 0;
			last = clock_now();
		}
		usleep(500);
	}
	return refused;
}

static void test_two_refused_datagrams_eject(void **state)
{
	for (size_t i = 0; i < sizeof(family_cases) / sizeof(family_cases[0]); i++) {
		const struct family_case *c = &family_cases[i];
		struct world *world;
		int refused;

		print_message("%s\n", c->name);
		assert_int_equal(world_setup(state), 0);
		world = *state;
		publish(world, c, 2);
		world_shut(world, 0);
		refused = ask(c);
		if (has_tracepoint) {
			assert_int_equal(refused, 2);
			assert_true(world_is_ejected(world, 0));
			assert_int_equal(
				datapath_load(world->datapath, world->backends[0])->evidence,
				SW_EVIDENCE_NO_PORT);
		} else {
			assert_int_equal(refused, 3);
			assert_false(world_is_ejected(world, 0));
		}
		assert_int_equal(world_teardown(state), 0);
	}
}

static void test_the_last_one_is_spared(void **state)
{
	struct world *world = *state;

	publish(world, &family_cases[0], 1);
	world_shut(world, 0);
	for (int i = 0; i < 10; i++)
		assert_true(is_refused(&family_cases[0]));
	assert_false(world_is_ejected(world, 0));
}

/* Others may be refused by a firewall of the client's, so no more than half are out for it. */
static void test_half_stay(void **state)
{
	struct world *world = *state;
	int out = 0;

	publish(world, &family_cases[0], 4);
	for (int i = 0; i < 4; i++)
		world_shut(world, i);
	for (int i = 0; i < 200; i++)
		is_refused(&family_cases[0]);
	for (int i = 0; i < 4; i++)
		out += world_is_ejected(world, i);
	assert_int_equal(out, has_tracepoint ? 2 : 0);
}

/* No other error of such a socket counts, and none of a socket that has no backend. */
static void test_what_is_not_a_backends(void **state)
{
	struct world *world = *state;
	int fd, too_long[20000] = {};

	publish(world, &family_cases[0], 2);
	for (int i = 0; i < 10; i++) {
		fd = world_dial(AF_INET, SOCK_DGRAM, "10.96.0.10", 80);
		assert_return_code(fd, -fd);
		assert_int_equal(send(fd, too_long, sizeof(too_long), 0), -1);
		close(fd);
		fd = world_dial(AF_INET, SOCK_DGRAM, "127.0.0.1", 1);
		assert_return_code(fd, -fd);
		assert_int_equal(send_and_look(fd), ECONNREFUSED);
		close(fd);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(datapath_load(world->datapath, world->backends[i])->last_failure,
				 0);
}

static void wait_for_the_end_of(const struct world *world, int server)
{
	uint64_t until = datapath_ejected_until(world->datapath, world->backends[server]);

	while (clock_now() <= until)
		usleep(10000);
}

/* The server listens again, where it was. */
static void serve_again(struct world *world, int server)
{
	struct sockaddr_storage sa;
	socklen_t size = world_sockaddr(AF_INET, "127.0.0.1", world->ports[server], &sa);

	world->servers[server] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(world->servers[server], (struct sockaddr *)&sa, size), errno);
}

static uint64_t connects(const struct world *world, int server)
{
	return datapath_connects(world->datapath, world->backends[server]);
}

/* It has its share again when one socket was let through, and nothing came back for a second. */
static void test_returns(void **state)
{
	struct world *world = *state;
	uint64_t before;

	if (!has_tracepoint)
		return;
	publish(world, &family_cases[0], 2);
	world_shut(world, 0);
	assert_int_equal(ask(&family_cases[0]), 2);
	wait_for_the_end_of(world, 0);
	assert_int_equal(ask(&family_cases[0]), 1); /* the trial */
	assert_true(world_is_ejected(world, 0));
	serve_again(world, 0);
	wait_for_the_end_of(world, 0);
	before = connects(world, 0);
	assert_int_equal(ask(&family_cases[0]), 0);
	assert_int_equal(connects(world, 0), before + 1); /* the trial */
	wait_for_the_end_of(world, 0);
	for (int i = 0; i < 100; i++)
		assert_false(is_refused(&family_cases[0]));
	assert_in_range(connects(world, 0) - before, 10, 90);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_refused_datagrams_eject),
		cmocka_unit_test_setup_teardown(test_the_last_one_is_spared, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_half_stay, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_a_backends, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_returns, world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, look_for_tracepoint, NULL);
}

int main(void)
{
	return world_run(run);
}
