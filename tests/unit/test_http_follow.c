/* SPDX-License-Identifier: Apache-2.0 */
/* Redirects, and requests to an address under another name. */
#include "unit/http_fixture.h"

#include "unit/scripted_server.h"

static struct server server;

static void open_server(struct fixture *fixture, int status, const char *location)
{
	server = (struct server){.loop = fixture->loop, .io.fd = -1, .location = location};
	server_open(&server, status);
}

/* Asks for /path of the server, as `host`, at `address`. */
static void get_following(struct fixture *fixture, const char *host, const char *address,
			  struct outcome *outcome)
{
	char url[URL_SIZE];
	const struct http_get get = {
		.url = url,
		.user_agent = "test/1",
		.timeout = LONG_TIME,
		.fresh = true,
		.follow = true,
		.address = address,
		.done = on_done,
		.arg = outcome,
	};

	snprintf(url, sizeof(url), "http://%s:%u/path?a=b", host, server.port);
	*outcome = (struct outcome){};
	assert_int_equal(http_client_get(fixture->client, &get, &outcome->request), 0);
	run_until(fixture, &outcome->calls, 1);
}

/* Ten are followed; that the eleventh is not makes it the answer. */
static void test_ten_redirects(void **state)
{
	struct outcome outcome;

	open_server(*state, 302, "/elsewhere?c=d");
	get_following(*state, "127.0.0.1", NULL, &outcome);
	assert_int_equal(server.requests, 11);
	assert_int_equal(outcome.error, 0);
	assert_int_equal(outcome.status, 302);
	assert_ptr_equal(strstr(server.request, "GET /elsewhere?c=d HTTP/1.1\r\n"), server.request);
	server_close(&server);
}

static void test_another_host_is_not_followed(void **state)
{
	struct outcome outcome;

	open_server(*state, 301, "http://127.0.0.2/");
	get_following(*state, "127.0.0.1", NULL, &outcome);
	assert_int_equal(server.requests, 1);
	assert_int_equal(outcome.error, 0);
	assert_int_equal(outcome.status, 301);
	server_close(&server);
}

static void test_another_port_is_followed(void **state)
{
	struct outcome outcome;

	open_server(*state, 307, "http://127.0.0.1:1/"); /* nobody listens there */
	get_following(*state, "127.0.0.1", NULL, &outcome);
	assert_int_equal(outcome.error, -ECONNREFUSED);
	server_close(&server);
}

static void test_name_and_address(void **state)
{
	struct outcome outcome;

	open_server(*state, 200, NULL);
	get_following(*state, "no.such.example", "127.0.0.1", &outcome);
	assert_int_equal(outcome.status, 200);
	assert_non_null(strstr(server.request, "\r\nHost: no.such.example\r\n"));
	server_close(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HTTP_TEST(test_ten_redirects),
		HTTP_TEST(test_another_host_is_not_followed),
		HTTP_TEST(test_another_port_is_followed),
		HTTP_TEST(test_name_and_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
