/* SPDX-License-Identifier: Apache-2.0 */
/* http_server against http_client and against plain sockets, on one loop and on loopback. */
#include "base/cleanup.h"
#include "net/http_server.h"
#include "unit/http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static void serve(void *arg, const char *path, struct http_reply *reply)
{
	int *calls = arg;

	++*calls;
	reply->status = strcmp(path, "/missing") == 0 ? 404 : 200;
	if (strcmp(path, "/empty") == 0)
		return;
	reply->content_type = "text/plain";
	reply->body = strdup(path);
	assert_non_null(reply->body);
	reply->size = strlen(path);
}

static void open_server(struct fixture *fixture, const char *address, int *calls,
			struct http_server **ret)
{
	assert_int_equal(http_server_new(fixture->loop, address, serve, calls, ret), 0);
	assert_int_not_equal(http_server_port(*ret), 0);
}

/* Sends a request on a connection of its own; what comes back is in `answer`. */
static void exchange(struct fixture *fixture, const struct http_server *server, const char *request,
		     char answer[static REQUEST_SIZE])
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)http_server_port(server)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t len = 0;
	ssize_t n = -1;

	assert_return_code(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), errno);
	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	for (uint64_t end = clock_now() + LONG_TIME; n != 0 && clock_now() < end;) {
		assert_int_equal(loop_run_once(fixture->loop, NSEC_PER_MSEC), 0);
		n = recv(fd, answer + len, REQUEST_SIZE - 1 - len, MSG_DONTWAIT);
		len += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(n, 0);
	answer[len] = '\0';
	close(fd);
}

static void test_server_answers(void **state)
{
	static const struct {
		const char *request, *status, *header, *body;
	} cases[] = {
		{"GET /a/b?x=y", "200", "Content-Type: text/plain\r\n", "/a/b"},
		{"GET /missing", "404", "Content-Length: 8\r\n", "/missing"},
		{"GET /empty", "200", "Content-Length: 0\r\n", ""},
		{"HEAD /a", "200", "Content-Length: 2\r\n", ""},
		{"DELETE /a", "405", "Allow: GET, HEAD\r\n", ""},
		{"POST /a", "405", "Allow: GET, HEAD\r\n", ""},
	};
	char request[REQUEST_SIZE], answer[REQUEST_SIZE];
	struct fixture *fixture = *state;
	struct http_server *server;
	int calls = 0;

	open_server(fixture, "127.0.0.1:0", &calls, &server);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(request, sizeof(request),
			 "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", cases[i].request);
		exchange(fixture, server, request, answer);
		assert_memory_equal(answer + strlen("HTTP/1.1 "), cases[i].status, 3);
		assert_non_null(strstr(answer, cases[i].header));
		assert_string_equal(strstr(answer, "\r\n\r\n") + 4, cases[i].body);
	}
	assert_int_equal(calls, 4);
	http_server_free(server);
}

static void test_server_answers_all_methods(void **state)
{
	static const char *const requests[] = {
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody",
		"DELETE /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	};
	struct fixture *fixture = *state;
	struct http_server *server;
	char answer[REQUEST_SIZE];
	int calls = 0;

	open_server(fixture, "127.0.0.1:0", &calls, &server);
	http_server_answer_all(server);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		exchange(fixture, server, requests[i], answer);
		assert_memory_equal(answer + strlen("HTTP/1.1 "), "200", 3);
		assert_string_equal(strstr(answer, "\r\n\r\n") + 4, "/a");
	}
	assert_int_equal(calls, 2);
	http_server_free(server);
}

/* Several requests on one connection; a body that nobody asked for is skipped. */
static void test_server_keeps_connections(void **state)
{
	struct fixture *fixture = *state;
	struct http_server *server;
	char answer[REQUEST_SIZE];
	int calls = 0;

	open_server(fixture, "127.0.0.1:0", &calls, &server);
	exchange(fixture, server,
		 "GET /one HTTP/1.1\r\nHost: x\r\n\r\n"
		 "GET /two HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
		 "GET /three HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		 answer);
	assert_int_equal(calls, 3);
	assert_non_null(strstr(answer, "\r\n\r\n/one"));
	assert_non_null(strstr(answer, "\r\n\r\n/two"));
	assert_non_null(strstr(answer, "\r\n\r\n/three"));
	http_server_free(server);
}

static void test_client_and_server(void **state)
{
	struct fixture *fixture = *state;
	struct http_server *server;
	struct outcome outcome;
	char url[URL_SIZE];
	int calls = 0;

	open_server(fixture, "127.0.0.1:0", &calls, &server);
	for (int i = 0; i < 20; i++) {
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/%s", http_server_port(server),
			 i % 3 ? "here" : "missing");
		get_and_wait(fixture, url, i % 2, LONG_TIME, &outcome);
		assert_int_equal(outcome.status, i % 3 ? 200 : 404);
	}
	assert_int_equal(calls, 20);
	http_server_free(server);
	get_and_wait(fixture, url, true, LONG_TIME, &outcome);
	assert_int_equal(outcome.error, -ECONNREFUSED);
}

static void test_server_binds_exactly(void **state)
{
	struct fixture *fixture = *state;
	struct http_server *server, *second = NULL;
	struct outcome outcome;
	char text[URL_SIZE];
	int calls = 0;

	open_server(fixture, "127.0.0.1:0", &calls, &server);
	snprintf(text, sizeof(text), "http://127.0.0.2:%u/", http_server_port(server));
	get_and_wait(fixture, text, true, LONG_TIME, &outcome);
	assert_int_equal(outcome.error, -ECONNREFUSED);
	snprintf(text, sizeof(text), "127.0.0.1:%u", http_server_port(server));
	assert_int_equal(http_server_new(fixture->loop, text, serve, &calls, &second), -EADDRINUSE);
	assert_null(second);
	http_server_free(server);
	open_server(fixture, text, &calls, &server);
	http_server_free(server);
	http_server_free(NULL);
}

static void test_server_on_ipv6(void **state)
{
	struct fixture *fixture = *state;
	struct http_server *server;
	struct outcome outcome;
	char url[URL_SIZE];
	int calls = 0, r;

	r = http_server_new(fixture->loop, "[::1]:0", serve, &calls, &server);
	if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT)
		skip();
	assert_int_equal(r, 0);
	snprintf(url, sizeof(url), "http://[::1]:%u/", http_server_port(server));
	get_and_wait(fixture, url, true, LONG_TIME, &outcome);
	assert_int_equal(outcome.status, 200);
	http_server_free(server);
}

static void test_server_refuses_addresses(void **state)
{
	static const char *const addresses[] = {
		"",
		"127.0.0.1",
		"127.0.0.1:",
		":80",
		"127.0.0.1:65536",
		"localhost:0",
		"127.0.0.1:0x1",
		"127.0.0.1:-1",
		"::1:80",
		"[127.0.0.1]:80",
		"[::1]",
		"[::1:80",
		"127.0.0.1: 80",
		"[]:80",
		"127.0.0.1:4294967297",
		"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80",
	};
	struct fixture *fixture = *state;
	struct http_server *server = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		assert_int_equal(http_server_new(fixture->loop, addresses[i], serve, NULL, &server),
				 -EINVAL);
	assert_null(server);
}

static void run_for(struct fixture *fixture, uint64_t time)
{
	uint64_t end = clock_now() + time;

	while (clock_now() < end)
		assert_int_equal(loop_run_once(fixture->loop, end - clock_now()), 0);
}

/* With a connection open and idle the loop sleeps. */
static void test_idle_server_does_not_spin(void **state)
{
	struct fixture *fixture = *state;
	struct http_server *server;
	struct outcome outcome;
	char url[URL_SIZE];
	int calls = 0, rounds = 0;

	open_server(fixture, "127.0.0.1:0", &calls, &server);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", http_server_port(server));
	get_and_wait(fixture, url, false, LONG_TIME, &outcome);
	run_for(fixture, 20 * NSEC_PER_MSEC);
	for (uint64_t end = clock_now() + 100 * NSEC_PER_MSEC; clock_now() < end; rounds++)
		assert_int_equal(loop_run_once(fixture->loop, 20 * NSEC_PER_MSEC), 0);
	assert_true(rounds <= 20);
	http_server_free(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HTTP_TEST(test_server_answers),
		HTTP_TEST(test_server_answers_all_methods),
		HTTP_TEST(test_server_keeps_connections),
		HTTP_TEST(test_client_and_server),
		HTTP_TEST(test_server_binds_exactly),
		HTTP_TEST(test_server_on_ipv6),
		HTTP_TEST(test_server_refuses_addresses),
		HTTP_TEST(test_idle_server_does_not_spin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
