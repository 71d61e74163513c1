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
		uint64_t before = world_load(world, 0)->last_success;

		usleep(20000); /* times are noted in steps of 10 ms */
		link_answer_once(world, 0, others[i]);
		if (world_load(world, 0)->last_success == before || world_load(world, 0)->last_good)
			fail_msg("answer %zu", i);
	}
	link_answer_once(world, 1, "HTTP");
	assert_int_equal(world_load(world, 1)->last_success, 0);
	link_answer_once(world, 1, link_bad);
	assert_int_equal(world_load(world, 1)->last_good, 0);
	link_answer_once(world, 1, "HTTP/1.1 404 Not Found\r\n\r\n");
	assert_true(world_load(world, 1)->last_good > 0);
}

/* Who takes in logs or metrics ends connections without a word; a reset is a failure all the same. */
static void test_one_way(void **state)
{
	struct world *world = *state;

	links_publish(world, 2);
	for (int i = 0; i < 5; i++)
		take_in(world, 0, end_orderly);
	assert_int_equal(world_load(world, 0)->response_failures, 0);
	take_in(world, 0, world_reset);
	assert_int_equal(world_load(world, 0)->response_failures, 1);
	/* Nor if what it answers is something else, as to who speaks its own protocol. */
	link_answer_once(world, 0, "PONG-PONG-PONG");
	for (int i = 0; i < 5; i++)
		take_in(world, 0, end_orderly);
	assert_int_equal(world_load(world, 0)->response_failures, 0);
}

/* One of its backends has spoken HTTP: so should the others, and whoever did before. */
static void test_closed_where_http_is_spoken(void **state)
{
	struct world *world = *state;

	links_publish(world, 2);
	link_answer_once(world, 1, link_good);
	for (int i = 0; i < 3; i++) {
		assert_false(world_is_ejected(world, 0));
		take_in(world, 0, end_orderly);
	}
	assert_true(world_is_ejected(world, 0));
	assert_int_equal(world_load(world, 0)->evidence, SW_EVIDENCE_CLOSED);
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
		assert_int_equal(world_load(world, 0)->response_failures, i % 3);
		link_end(&link);
	}
	assert_true(world_is_ejected(world, 0));
	assert_int_equal(world_load(world, 0)->last_good, 0);
}

/* A connection that had its answer. */
static struct link link_used(const struct world *world, const char *response)
{
	struct link link = link_web(world, 0);

	link_respond(&link, response);
	return link;
}

/* Between two requests a connection may end; after a request only in an orderly way. */
static void test_reset_on_a_used_connection(void **state)
{
	struct world *world = *state;
	struct link link;

	links_publish(world, 2);
	link = link_used(world, link_good);
	world_reset(link.server);
	close(link.client);
	link = link_used(world, link_good);
	link_put(link.client, "GET / HTTP/1.1\r\n\r\n");
	link_take(link.server, "GET / HTTP/1.1\r\n\r\n");
	close(link.server);
	close(link.client);
	assert_int_equal(world_load(world, 0)->response_failures, 0);
	for (unsigned int i = 0; i < 3; i++) {
		link = link_web(world, 0);
		assert_false(world_is_ejected(world, 0));
		link_respond(&link, i ? link_bad : link_good);
		link_put(link.client, "GET / HTTP/1.1\r\n\r\n");
		world_reset(link.server);
		close(link.client);
		if (world_is_ejected(world, 0))
			break;
		assert_int_equal(world_load(world, 0)->response_failures, 2 * i + 1);
	}
	assert_true(world_is_ejected(world, 0));
	assert_int_equal(world_load(world, 0)->evidence, SW_EVIDENCE_CLOSED);
}

/* What is sent after a 101 is no request. */
static void test_reset_after_switching_protocols(void **state)
{
	struct world *world = *state;
	struct link link;

	links_publish(world, 2);
	link = link_used(world, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
	link_put(link.client, "a frame");
	world_reset(link.server);
	close(link.client);
	assert_int_equal(world_load(world, 0)->response_failures, 0);
}

/* Writes until nothing more can be sent. */
static void fill(int fd)
{
	static const char block[65536];

	while (send(fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	assert_int_equal(errno, EAGAIN);
}

/* An upload that is rejected, and then cut off since nobody reads it: it has had its answer. */
static void test_reset_of_an_upload(void **state)
{
	static const char rejected[] = "HTTP/1.1 413 Content Too Large\r\n\r\n";
	static char block[65536];
	struct world *world = *state;
	struct link link;

	links_publish(world, 2);
	link = link_web(world, 0);
	link_put(link.client, "PUT / HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n");
	fill(link.client);
	link_put(link.server, rejected);
	link_take(link.client, rejected);
	/* It goes on for a while. */
	while (recv(link.server, block, sizeof(block), MSG_DONTWAIT) > 0)
		;
	fill(link.client);
	world_reset(link.server);
	close(link.client);
	assert_int_equal(world_load(world, 0)->response_failures, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_a_good_answer),       TEST(test_one_way),
		TEST(test_closed_where_http_is_spoken), TEST(test_answered_during_an_upload),
		TEST(test_reset_on_a_used_connection),  TEST(test_reset_after_switching_protocols),
		TEST(test_reset_of_an_upload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
