/* SPDX-License-Identifier: Apache-2.0 */
/* What rescue leaves alone since it could only do harm: the worker does not get to hear of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/rescue_scene.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "datapath/dp_rescue.h"
#include "model/retry_policy.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TEN      "0123456789"
#define HUNDRED  TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define LONG     HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED

#define LONG_GET "GET / HTTP/1.1\r\nHost: a\r\nX: " LONG LONG LONG LONG LONG "\r\n\r\n"

static void take_kind(void *ret, const struct sw_rescue *record, size_t size)
{
	assert_true(size >= sizeof(*record));
	*(uint8_t *)ret = record->kind;
}

/* The server ends the connection. Returns enum sw_rescue_kind of what the worker is told, or 0. */
static uint8_t end_of(struct scene *scene, struct dp_rescue *rescue)
{
	uint8_t kind = 0;

	dp_rescue_heartbeat(rescue, clock_now());
	close(scene->first);
	scene->first = -1;
	dp_rescue_consume(rescue, take_kind, &kind);
	return kind;
}

/* The end that follows is ahead of another request. It is kept from clients who can not lose by that. */
static void test_the_end_of_a_connection_that_is_kept(void **state)
{
	const struct {
		const char *requests[3];
		bool held;
	} rows[] = {
		{{GET}, true},
		{{GET, PUT, GET}, true},
		{{POST}, false},
		{{POST, GET}, false},
		{{GET, POST, GET}, false},
		{{LONG_GET}, false},
		{{LONG_GET, GET}, false},
		{{"FROB / HTTP/1.1\r\nHost: a\r\n\r\n", GET}, false},
	};
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);
	struct dp_rescue *rescue = replace_worker(&scene);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		dial(&scene);
		scene.first = accept_any(scene.world);
		for (int j = 0; j < 3 && rows[i].requests[j]; j++) {
			say(scene.client, rows[i].requests[j]);
			hear(scene.first, rows[i].requests[j]);
			say(scene.first, OK);
			hear(scene.client, OK);
		}
		if (end_of(&scene, rescue) != (rows[i].held ? SW_RESCUE_IDLE : 0))
			fail_msg("row %zu", i);
		if (!rows[i].held)
			hear_end(scene.client);
		close(scene.client);
	}
	scene.client = -1;
	dp_rescue_close(rescue);
	end_scene(&scene);
}

/* The client has seen the end, and sends all the same: its TCP would take no answer. */
static void test_a_request_behind_the_end(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);

	ask(&scene, POST);
	say(scene.first, OK);
	hear(scene.client, OK);
	close(scene.first);
	scene.first = -1;
	hear_end(scene.client);
	say(scene.client, GET);
	assert_true(nobody_comes(scene.world));
	end_scene(&scene);
}

/* A connection is refused. Returns enum sw_rescue_kind of what the worker, who does nothing, is told, or 0. */
static uint8_t refusal_of(struct dp_rescue *rescue)
{
	uint8_t kind = 0;

	dp_rescue_heartbeat(rescue, clock_now());
	assert_int_equal(world_dial(AF_INET, SOCK_STREAM, service.frontend, 80), -ECONNREFUSED);
	dp_rescue_consume(rescue, take_kind, &kind);
	return kind;
}

/* Of a service of which it is not known that clients send it what can be replayed. */
static void test_a_refused_connection(void **state)
{
	const struct {
		const char *request, *answer;
		bool known;
	} rows[] = {
		{"HELO you\r\n", "250 me\r\n", false},
		{GET, "220 whatever you say\r\n", false},
		{LONG_GET, OK, false},
		{POST, OK, true},
	};
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_REFUSED);
	struct dp_rescue *rescue = replace_worker(&scene);
	struct {
		int client, server;
	} conns[ARRAY_SIZE(rows)];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		dial(&scene);
		conns[i].client = scene.client;
		conns[i].server = accept_any(scene.world);
	}
	for (int i = 0; i < SERVERS; i++)
		world_shut(scene.world, i);
	assert_int_equal(refusal_of(rescue), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		say(conns[i].client, rows[i].request);
		hear(conns[i].server, rows[i].request);
		say(conns[i].server, rows[i].answer);
		hear(conns[i].client, rows[i].answer);
		if (refusal_of(rescue) != (rows[i].known ? SW_RESCUE_CONNECT : 0))
			fail_msg("row %zu", i);
		close(conns[i].client);
		close(conns[i].server);
	}
	scene.client = -1;
	dp_rescue_close(rescue);
	end_scene(&scene);
}

/* Client and server need no cookie of each other, and the server no option of its own. */
static void allow_fast_open(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/tcp_fastopen", "we");

	assert_non_null(file);
	assert_true(fputs("1543", file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* The request comes with the SYN: it is not captured, and the end behind the response is no idle one. */
static void test_fast_open(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);
	struct dp_rescue *rescue = replace_worker(&scene);
	struct sockaddr_storage sa;
	socklen_t len = world_sockaddr(AF_INET, service.frontend, 80, &sa);

	allow_fast_open();
	scene.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	limit_waiting(scene.client);
	dp_rescue_heartbeat(rescue, clock_now());
	assert_int_equal(
		sendto(scene.client, GET, strlen(GET), MSG_FASTOPEN, (struct sockaddr *)&sa, len),
		strlen(GET));
	scene.first = accept_any(scene.world);
	hear(scene.first, GET);
	say(scene.first, OK);
	hear(scene.client, OK);
	assert_int_equal(end_of(&scene, rescue), 0);
	hear_end(scene.client);
	dp_rescue_close(rescue);
	end_scene(&scene);
}

/* Behind an answer in the server's name a client that speaks Multipath TCP would wait for the end for ever. */
static void test_multipath(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);

	scene.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
	if (scene.client < 0) {
		print_message("this kernel has no Multipath TCP\n");
		end_scene(&scene);
		return;
	}
	limit_waiting(scene.client);
	expect_left_alone(&scene);
	end_scene(&scene);
}

/* Each is counted when it fails, by what kept it from being replayed. */
static void test_reasons(void **state)
{
	const struct {
		const char *request;
		enum sw_obstacle obstacle;
	} rows[] = {
		{POST, SW_OBSTACLE_METHOD},
		{LONG_GET, SW_OBSTACLE_LENGTH},
		{"FROB / HTTP/1.1\r\nHost: a\r\n\r\n", SW_OBSTACLE_PROTOCOL},
		{"FROB / HTTP/1.1\r\nX: " LONG LONG LONG LONG LONG, SW_OBSTACLE_PROTOCOL},
		{GET GET, SW_OBSTACLE_PIPELINED},
		{"GET / HTTP/1.1\r\nUpgrade: a\r\n\r\n", SW_OBSTACLE_UPGRADE},
		{"GET / HTTP/1.1\r\nExpect: a\r\n\r\n", SW_OBSTACLE_EXPECT},
		{"GET /\r\nHost: a\r\n\r\n", SW_OBSTACLE_PROTOCOL},
	};
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX | RETRY_RESET);
	uint64_t expected[SW_OBSTACLE_COUNT] = {};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		ask(&scene, rows[i / 2].request);
		if (i % 2) {
			close_with_reset(&scene.first);
			hear_reset(scene.client);
		} else {
			say(scene.first, ERR);
			hear(scene.client, ERR);
			close(scene.first);
		}
		close(scene.client);
		expected[rows[i / 2].obstacle]++;
		rescue_worker_results(scene.worker, &scene.results);
		for (int j = 0; j < SW_OBSTACLE_COUNT; j++) {
			if (scene.results.stats.impossible[j] != expected[j])
				fail_msg("row %zu, reason %d", i / 2, j);
		}
	}
	/* What is answered is no failure, whatever it is. */
	ask(&scene, POST);
	say(scene.first, OK);
	hear(scene.client, OK);
	rescue_worker_results(scene.worker, &scene.results);
	assert_int_equal(scene.results.stats.impossible[SW_OBSTACLE_METHOD], 2);
	end_scene(&scene);
}

static int run(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_the_end_of_a_connection_that_is_kept),
		TEST(test_a_request_behind_the_end),
		TEST(test_multipath),
		TEST(test_a_refused_connection),
		TEST(test_fast_open),
		TEST(test_reasons),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
