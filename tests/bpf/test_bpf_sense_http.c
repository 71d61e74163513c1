/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backend says first, and what follows from that it is HTTP/1, or that it is not: which answers
 * are good ones, and which ends are failures. On real sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/links.h"
#include "bpf/world.h"

#include "base/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct sw_backend_load *load_of(const struct world *world, int server)
{
	return datapath_load(world->datapath, world->backends[server]);
}

static bool is_ejected(const struct world *world, int server)
{
	return datapath_ejected_until(world->datapath, world->backends[server]) > clock_now();
}

/* Closes with a reset. */
static void reset(int fd)
{
	struct linger linger = {.l_onoff = 1};

	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), errno);
	close(fd);
}

/* A connection that sends something, and that the server ends. */
static void take_in(const struct world *world, int server, void end(int fd))
{
	struct link link = link_web(world, server);

	link_put(link.client, "metric 1 2\n");
	link_take(link.server, "metric 1 2\n");
	end(link.server);
	close(link.client);
}

static void end_orderly(int fd)
{
	close(fd);
}

/* TLS, gRPC, databases: signs of life, of which nobody knows what they say. */
static void test_what_is_a_good_answer(void **state)
{
	static const char *const others[] = {
		"\x15\x03\x03 some record",
		"HTTP/2.0 200 this is not how HTTP/2 looks\r\n",
		"+OK\r\n",
		"500 mailbox full\r\n",
	};
	struct world *world = *state;

	links_publish(world, 2);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		uint64_t before = load_of(world, 0)->last_success;

		usleep(20000); /* times are noted in steps of 10 ms */
		link_answer_once(world, 0, others[i]);
		if (load_of(world, 0)->last_success == before || load_of(world, 0)->last_good)
			fail_msg("answer %zu", i);
	}
	link_answer_once(world, 1, "HTTP");
	assert_int_equal(load_of(world, 1)->last_success, 0);
	link_answer_once(world, 1, link_bad);
	assert_int_equal(load_of(world, 1)->last_good, 0);
	link_answer_once(world, 1, "HTTP/1.1 404 Not Found\r\n\r\n");
	assert_true(load_of(world, 1)->last_good > 0);
}

/* Who takes in logs or metrics ends connections without a word; a reset is a failure all the same. */
static void test_one_way(void **state)
{
	struct world *world = *state;

	links_publish(world, 2);
	for (int i = 0; i < 5; i++)
		take_in(world, 0, end_orderly);
	assert_int_equal(load_of(world, 0)->response_failures, 0);
	take_in(world, 0, reset);
	assert_int_equal(load_of(world, 0)->response_failures, 1);
	/* Nor if what it answers is something else, as to who speaks its own protocol. */
	link_answer_once(world, 0, "PONG-PONG-PONG");
	for (int i = 0; i < 5; i++)
		take_in(world, 0, end_orderly);
	assert_int_equal(load_of(world, 0)->response_failures, 0);
}

/* One of its backends has spoken HTTP: so should the others, and whoever did before. */
static void test_closed_where_http_is_spoken(void **state)
{
	struct world *world = *state;

	links_publish(world, 2);
	link_answer_once(world, 1, link_good);
	for (int i = 0; i < 3; i++) {
		assert_false(is_ejected(world, 0));
		take_in(world, 0, end_orderly);
	}
	assert_true(is_ejected(world, 0));
	assert_int_equal(load_of(world, 0)->evidence, SW_EVIDENCE_CLOSED);
}

/* A request is answered before all of it is there: the answer is not undone by the rest of its own body. */
static void test_answered_during_an_upload(void **state)
{
	struct world *world = *state;

	links_publish(world, 2);
	for (unsigned int i = 1; i <= 3; i++) {
		struct link link = link_web(world, 0);

		link_put(link.client, "POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n");
		link_put(link.server, "HTTP/1.1 500 Sorry\r\nContent-Length: 12\r\n\r\n");
		link_take(link.client, "HTTP/1.1 500 Sorry\r\nContent-Length: 12\r\n\r\n");
		link_put(link.client, "some of what is uploaded");
		link_put(link.server, "out of order");
		link_take(link.client, "out of order");
		assert_int_equal(load_of(world, 0)->response_failures, i % 3);
		link_end(&link);
	}
	assert_true(is_ejected(world, 0));
	assert_int_equal(load_of(world, 0)->last_good, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_a_good_answer),
		TEST(test_one_way),
		TEST(test_closed_where_http_is_spoken),
		TEST(test_answered_during_an_upload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
