/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second request on a connection, which fails: it is replayed if the exchange before it was over.
 * Else it may be a part of the body before it, or its answer be taken for a part of the response before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/rescue_scene.h"

#include "base/cleanup.h"
#include "model/retry_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGE = 60000 };

#define LONG_PUT "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"
#define LONG_OK  "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"
#define REFUSAL  "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n"

/* `head`, and that many bytes of a body. */
static char *with_body(const char *head, size_t len)
{
	size_t head_len = strlen(head);
	char *text = malloc(head_len + len + 1);

	assert_non_null(text);
	memcpy(text, head, head_len);
	memset(text + head_len, 'x', len);
	text[head_len + len] = '\0';
	return text;
}

/* Both directions of an exchange; what is long is read while it is sent. */
static void pass(int from, int to, const char *text)
{
	size_t sent = 0, got = 0, len = strlen(text);
	char buffer[LARGE];

	while (got < len) {
		ssize_t n = sent < len ? send(from, text + sent, len - sent,
					      MSG_NOSIGNAL | MSG_DONTWAIT)
				       : 0;

		sent += n > 0 ? (size_t)n : 0;
		n = recv(to, buffer, sizeof(buffer), 0);
		assert_true(n > 0);
		assert_memory_equal(buffer, text + got, (size_t)n);
		got += (size_t)n;
	}
}

static void exchange(struct scene *scene, const char *request, const char *response)
{
	dial(scene);
	scene->first = accept_any(scene->world);
	pass(scene->client, scene->first, request);
	pass(scene->first, scene->client, response);
}

static void expect_second(struct scene *scene)
{
	say(scene->client, GET);
	hear(scene->first, GET);
	close_with_reset(&scene->first);
	expect_rescue(scene, GET);
	close(scene->client);
}

/* The client sees how the connection ends, and no other server anything. */
static void expect_nothing(struct scene *scene)
{
	hear(scene->first, GET);
	close_with_reset(&scene->first);
	hear_reset(scene->client);
	assert_true(nobody_comes(scene->world));
	close(scene->client);
}

static void test_behind_any_whole_exchange(void **state)
{
	_cleanup_free_ char *put = with_body(LONG_PUT, LARGE);
	_cleanup_free_ char *ok = with_body(LONG_OK, LARGE);
	const struct {
		const char *request, *response;
	} rows[] = {
		{GET, OK},
		{GET, ok},
		{PUT, OK},
		{put, OK},
		{put, ok},
		{POST, "HTTP/1.1 204 No Content\r\n\r\n"},
		{"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", LONG_OK},
		{"FROB / HTTP/1.1\r\nHost: a\r\n\r\n", OK},
		{GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n"},
		/* Not held back, as it is no RESET; the connection goes on. */
		{GET, ERR},
	};
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		exchange(&scene, rows[i].request, rows[i].response);
		expect_second(&scene);
	}
	scene.client = -1;
	end_scene(&scene);
}

static void test_behind_a_response_in_pieces(void **state)
{
	const char *fields = "\r\nTransfer-Encoding: chunked\r\n\r\n";
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);
	char chunk[64];

	ask(&scene, GET);
	pass(scene.first, scene.client, "HTTP/1.1 200 OK");
	for (const char *c = fields; *c; c++)
		pass(scene.first, scene.client, (char[]){*c, '\0'});
	for (int i = 0; i < 100; i++) {
		snprintf(chunk, sizeof(chunk), "20\r\n%032d\r\n", i);
		pass(scene.first, scene.client, chunk);
	}
	for (const char *c = "0\r\n\r\n"; *c; c++)
		pass(scene.first, scene.client, (char[]){*c, '\0'});
	expect_second(&scene);
	scene.client = -1;
	end_scene(&scene);
}

static void test_within_a_response(void **state)
{
	_cleanup_free_ char *half = with_body(LONG_OK, LARGE / 2);
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);

	exchange(&scene, GET, half);
	say(scene.client, GET);
	expect_nothing(&scene);
	exchange(&scene, GET, "HTTP/1.1 200 OK\r\n\r\nends with the connection");
	say(scene.client, GET);
	expect_nothing(&scene);
	scene.client = -1;
	end_scene(&scene);
}

/* Somebody else's body, passed on by a client that trusts itself: what is in it is no request. */
static void test_within_a_request(void **state)
{
	_cleanup_free_ char *half = with_body(LONG_PUT, LARGE / 2);
	const char *const requests[] = {LONG_PUT, LONG_PUT "xx", half,
					"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"};
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		exchange(&scene, requests[i], REFUSAL);
		say(scene.client, GET);
		expect_nothing(&scene);
	}
	scene.client = -1;
	end_scene(&scene);
}

/* The same when the server has ended the connection, and the client has not seen it yet. */
static void test_within_a_request_behind_the_end(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);

	exchange(&scene, LONG_PUT, REFUSAL);
	close(scene.first);
	say(scene.client, GET);
	assert_true(recv(scene.client, &(char){0}, 1, 0) <= 0);
	assert_true(nobody_comes(scene.world));
	scene.first = -1;
	end_scene(&scene);
}

static int run(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_behind_any_whole_exchange),
		TEST(test_behind_a_response_in_pieces),
		TEST(test_within_a_response),
		TEST(test_within_a_request),
		TEST(test_within_a_request_behind_the_end),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
