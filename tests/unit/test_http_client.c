/* SPDX-License-Identifier: Apache-2.0 */
/* http_client against servers of the test's own, on one loop and on loopback. */
#include "base/cleanup.h"
#include "base/container_of.h"
#include "unit/http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

enum { CONNECTIONS = 8, BIG = 64 * 1024 };

/* A server that reads a request and sends what it is told to. */
enum ending { KEEP, CLOSE, RESET };

struct raw_connection {
	struct loop_io io;
	struct raw_server *server;
};

struct raw_server {
	struct loop_io io;
	struct raw_connection connections[CONNECTIONS];
	const char *answer;
	size_t size;
	enum ending ending;
	char url[URL_SIZE];
	int accepted, requests, ended, resets; /* seen so far */
	char request[REQUEST_SIZE];            /* the last one */
};

static void raw_close(struct raw_connection *connection, enum ending ending)
{
	const struct linger reset = {.l_onoff = 1};
	int fd = connection->io.fd;

	if (ending == RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	loop_io_del(&connection->io);
	close(fd);
	connection->io.fd = -1;
}

static void raw_readable(struct loop_io *io, uint32_t events)
{
	struct raw_connection *connection = container_of(io, struct raw_connection, io);
	struct raw_server *server = connection->server;
	ssize_t n = read(io->fd, server->request, sizeof(server->request) - 1);

	(void)events;
	if (n <= 0) {
		server->ended++;
		server->resets += n < 0 && errno == ECONNRESET;
		raw_close(connection, CLOSE);
		return;
	}
	server->request[n] = '\0'; /* on loopback it comes in one piece */
	server->requests++;
	send(io->fd, server->answer, server->size, MSG_NOSIGNAL);
	if (server->ending != KEEP)
		raw_close(connection, server->ending);
}

static void raw_accept(struct loop_io *io, uint32_t events)
{
	struct raw_server *server = container_of(io, struct raw_server, io);
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	assert_return_code(fd, errno);
	server->accepted++;
	for (int i = 0; i < CONNECTIONS; i++) {
		struct raw_connection *connection = &server->connections[i];

		if (connection->io.loop)
			continue;
		connection->server = server;
		connection->io = (struct loop_io){.fn = raw_readable, .fd = fd};
		assert_int_equal(loop_io_add(io->loop, &connection->io, EPOLLIN), 0);
		return;
	}
	fail();
}

static int listen_on_loopback(unsigned int *ret_port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_return_code(fd, errno);
	assert_return_code(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), errno);
	assert_return_code(listen(fd, CONNECTIONS), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)&sa, &len), errno);
	*ret_port = ntohs(sa.sin_port);
	return fd;
}

static void raw_open(struct loop *loop, struct raw_server *server)
{
	unsigned int port;

	*server = (struct raw_server){.io = {.fn = raw_accept, .fd = listen_on_loopback(&port)}};
	snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u/path?a=b", port);
	assert_int_equal(loop_io_add(loop, &server->io, EPOLLIN), 0);
}

static void raw_answer(struct raw_server *server, const char *answer, enum ending ending)
{
	server->answer = answer;
	server->size = strlen(answer);
	server->ending = ending;
}

static void raw_done(struct raw_server *server)
{
	for (int i = 0; i < CONNECTIONS; i++) {
		if (server->connections[i].io.loop)
			raw_close(&server->connections[i], CLOSE);
	}
	loop_io_del(&server->io);
	close(server->io.fd);
}

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct row {
	const char *answer;
	enum ending ending;
	int error, status;
	const char *detail;
};

static const struct row rows[] = {
	{OK_ANSWER, KEEP, 0, 200, "HTTP 200"},
	{OK_ANSWER, CLOSE, 0, 200, "HTTP 200"},
	{"HTTP/1.0 200 OK\r\n\r\nuntil the end", CLOSE, 0, 200, "HTTP 200"},
	{"HTTP/1.1 204 No Content\r\n\r\n", KEEP, 0, 204, "HTTP 204"},
	{"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", KEEP,
	 0, 301, "HTTP 301"},
	{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", KEEP, 0, 404, "HTTP 404"},
	{"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", KEEP, 0, 500, "HTTP 500"},
	{"HTTP/1.1 503 Busy\r\n\r\n", CLOSE, 0, 503, "HTTP 503"},
	{"HTTP/1.1 100 Continue\r\n\r\n" OK_ANSWER, KEEP, 0, 200, "HTTP 200"},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", KEEP, 0, 200,
	 "HTTP 200"},
	{"", CLOSE, -ECONNRESET, 0, "closed before the end of the answer"},
	{"", RESET, -ECONNRESET, 0, "connection reset"},
	{"HTTP/1.1", CLOSE, -ECONNRESET, 0, "closed before the end of the answer"},
	{"HTTP/1.1 200 OK\r\n", CLOSE, -ECONNRESET, 0, "closed before the end of the answer"},
	{"HTTP/1.1 100 Continue\r\n\r\n", CLOSE, -ECONNRESET, 0,
	 "closed before the end of the answer"},
	{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", CLOSE, -ECONNRESET, 0,
	 "closed before the end of the answer"},
	{"SSH-2.0-OpenSSH_9.2\r\n", KEEP, -EPROTO, 0, "answer is not HTTP"},
	{"\x16\x03\x01\x02\x03 garbage \r\n\r\n", CLOSE, -EPROTO, 0, "answer is not HTTP"},
	{"HTTP/1.1 abc\r\n\r\n", CLOSE, -EPROTO, 0, "answer is not HTTP"},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", CLOSE, -EPROTO, 0,
	 "answer is not HTTP"},
};

static void test_answers(void **state)
{
	struct fixture *fixture = *state;
	struct raw_server server;
	struct outcome outcome;

	raw_open(fixture->loop, &server);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i / 2];

		raw_answer(&server, row->answer, row->ending);
		get_and_wait(fixture, server.url, i % 2, LONG_TIME, &outcome);
		assert_string_equal(outcome.detail, row->detail);
		assert_int_equal(outcome.error, row->error);
		assert_int_equal(outcome.status, row->status);
	}
	raw_done(&server);
}

static void test_refused(void **state)
{
	struct outcome outcome;
	char url[URL_SIZE];
	unsigned int port;

	close(listen_on_loopback(&port));
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
	for (int fresh = 0; fresh < 2; fresh++) {
		get_and_wait(*state, url, fresh, LONG_TIME, &outcome);
		assert_int_equal(outcome.error, -ECONNREFUSED);
		assert_int_equal(outcome.status, 0);
		assert_string_equal(outcome.detail, "connection refused");
	}
}

/* What the system said of one request must not explain the next one. */
static void test_errno_of_another_request(void **state)
{
	struct fixture *fixture = *state;
	struct raw_server server;
	struct outcome outcome;

	test_refused(state);
	raw_open(fixture->loop, &server);
	raw_answer(&server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", CLOSE);
	get_and_wait(fixture, server.url, false, LONG_TIME, &outcome);
	assert_int_equal(outcome.error, -EPROTO);
	raw_done(&server);
}

static void test_time_out(void **state)
{
	static const char *const answers[] = {
		"",
		"HTTP/1.1 200 OK\r\nX-Slow: ",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
	};
	struct fixture *fixture = *state;
	struct raw_server server;
	struct outcome outcome;

	raw_open(fixture->loop, &server);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		uint64_t begin = clock_now();

		raw_answer(&server, answers[i], KEEP);
		get_and_wait(fixture, server.url, i % 2, 20 * NSEC_PER_MSEC - 1, &outcome);
		assert_int_equal(outcome.error, -ETIMEDOUT);
		assert_string_equal(outcome.detail, "timed out");
		assert_true(clock_now() - begin >= 19 * NSEC_PER_MSEC);
	}
	raw_done(&server);
}

/* A body that would not end is not waited for. */
static void test_big_body(void **state)
{
	static const char head[] = "HTTP/1.1 500 Oops\r\nContent-Length: 1000000\r\n\r\n";
	static char answer[BIG];
	struct fixture *fixture = *state;
	struct raw_server server;
	struct outcome outcome;

	memset(answer, 'x', sizeof(answer));
	memcpy(answer, head, sizeof(head) - 1);
	raw_open(fixture->loop, &server);
	raw_answer(&server, "", KEEP);
	server.answer = answer;
	server.size = sizeof(answer);
	get_and_wait(fixture, server.url, true, 10 * LONG_TIME, &outcome);
	assert_int_equal(outcome.error, 0);
	assert_int_equal(outcome.status, 500);
	raw_done(&server);
}

static void test_what_is_sent(void **state)
{
	struct fixture *fixture = *state;
	struct raw_server server;
	struct outcome outcome;

	raw_open(fixture->loop, &server);
	raw_answer(&server, OK_ANSWER, KEEP);
	get_and_wait(fixture, server.url, false, LONG_TIME, &outcome);
	assert_memory_equal(server.request, "GET /path?a=b HTTP/1.1\r\n", 24);
	assert_non_null(strstr(server.request, "\r\nHost: 127.0.0.1:"));
	assert_non_null(strstr(server.request, "\r\nUser-Agent: test/1\r\n"));
	assert_non_null(strstr(server.request, "\r\nAccept: */*\r\n"));
	assert_null(strstr(server.request, "Connection:"));
	get_and_wait(fixture, server.url, true, LONG_TIME, &outcome);
	assert_non_null(strstr(server.request, "\r\nConnection: close\r\n"));
	raw_done(&server);
}

static void test_environment_is_ignored(void **state)
{
	struct fixture *fixture = *state;
	struct raw_server server;
	struct outcome outcome;

	raw_open(fixture->loop, &server);
	raw_answer(&server, OK_ANSWER, KEEP);
	assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
	assert_int_equal(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
	get_and_wait(fixture, server.url, true, LONG_TIME, &outcome);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	assert_int_equal(outcome.status, 200);
	raw_done(&server);
}

static void test_connections_are_reused(void **state)
{
	struct fixture *fixture = *state;
	struct raw_server server;
	struct outcome outcome;

	raw_open(fixture->loop, &server);
	raw_answer(&server, OK_ANSWER, KEEP);
	for (int i = 0; i < 5; i++)
		get_and_wait(fixture, server.url, false, LONG_TIME, &outcome);
	assert_int_equal(server.requests, 5);
	assert_int_equal(server.accepted, 1);
	raw_done(&server);
}

/* Also with more servers in turn than there are requests at a time. */
static void test_connections_to_many_servers_are_reused(void **state)
{
	static struct raw_server servers[20];
	struct fixture *fixture = *state;
	struct outcome outcome;

	for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
		raw_open(fixture->loop, &servers[i]);
		raw_answer(&servers[i], OK_ANSWER, KEEP);
	}
	for (size_t i = 0; i < 3 * ARRAY_SIZE(servers); i++)
		get_and_wait(fixture, servers[i % ARRAY_SIZE(servers)].url, false, LONG_TIME,
			     &outcome);
	for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
		assert_int_equal(servers[i].requests, 3);
		assert_int_equal(servers[i].accepted, 1);
		raw_done(&servers[i]);
	}
}

/* A server that closes an idle connection has not failed. */
static void test_idle_connection_closed_by_server(void **state)
{
	struct fixture *fixture = *state;
	struct raw_server server;
	struct outcome outcome;

	raw_open(fixture->loop, &server);
	raw_answer(&server, OK_ANSWER, CLOSE);
	for (int i = 1; i <= 3; i++) {
		get_and_wait(fixture, server.url, false, LONG_TIME, &outcome);
		assert_int_equal(outcome.status, 200);
		assert_int_equal(server.accepted, i);
	}
	raw_done(&server);
}

static void test_fresh_connections(void **state)
{
	struct fixture *fixture = *state;
	struct raw_server server;
	struct outcome outcome;

	raw_open(fixture->loop, &server);
	raw_answer(&server, OK_ANSWER, KEEP);
	get_and_wait(fixture, server.url, false, LONG_TIME, &outcome);
	for (int i = 1; i <= 4; i++) {
		get_and_wait(fixture, server.url, true, LONG_TIME, &outcome);
		assert_int_equal(server.accepted, 1 + i);
		/* Closed by RST: nothing is left in TIME_WAIT. */
		run_until(fixture, &server.ended, i);
		assert_int_equal(server.resets, i);
	}
	/* They leave the one that is kept alone. */
	get_and_wait(fixture, server.url, false, LONG_TIME, &outcome);
	assert_int_equal(server.accepted, 5);
	raw_done(&server);
}

static void test_many_at_once(void **state)
{
	struct outcome outcomes[CONNECTIONS];
	struct fixture *fixture = *state;
	struct raw_server server;

	raw_open(fixture->loop, &server);
	raw_answer(&server, OK_ANSWER, KEEP);
	for (int i = 0; i < CONNECTIONS; i++)
		start(fixture, server.url, i % 2, LONG_TIME, &outcomes[i]);
	for (int i = 0; i < CONNECTIONS; i++) {
		run_until(fixture, &outcomes[i].calls, 1);
		assert_int_equal(outcomes[i].status, 200);
	}
	raw_done(&server);
}

static void test_cancel(void **state)
{
	struct fixture *fixture = *state;
	struct raw_server server;
	struct outcome early, late, other;

	raw_open(fixture->loop, &server);
	raw_answer(&server, "", KEEP);
	start(fixture, server.url, false, LONG_TIME, &early);
	http_request_cancel(early.request);
	start(fixture, server.url, false, LONG_TIME, &late);
	run_until(fixture, &server.requests, 1);
	http_request_cancel(late.request);
	run_until(fixture, &server.ended, 1);
	raw_answer(&server, OK_ANSWER, KEEP);
	get_and_wait(fixture, server.url, false, LONG_TIME, &other);
	assert_int_equal(other.status, 200);
	assert_int_equal(early.calls + late.calls, 0);
	http_request_cancel(NULL);
	raw_done(&server);
}

/* In its callback a request may start one and cancel others, of the same batch even. */
struct chain {
	struct fixture *fixture;
	const char *url;
	struct outcome next;
	struct outcome *others;
	int calls;
};

static void on_chain_done(void *arg, const struct http_result *result)
{
	struct chain *chain = arg;

	assert_int_equal(result->status, 200);
	chain->calls++;
	for (int i = 0; i < 3; i++) {
		http_request_cancel(chain->others[i].request);
		chain->others[i].request = NULL;
	}
	start(chain->fixture, chain->url, false, LONG_TIME, &chain->next);
}

static void test_callback_starts_and_cancels(void **state)
{
	struct outcome others[3];
	struct fixture *fixture = *state;
	struct raw_server server;
	struct chain chain = {.fixture = fixture, .url = server.url, .others = others};
	const struct http_get get = {
		.url = server.url,
		.user_agent = "test/1",
		.timeout = LONG_TIME,
		.done = on_chain_done,
		.arg = &chain,
	};
	struct http_request *request;

	raw_open(fixture->loop, &server);
	raw_answer(&server, OK_ANSWER, KEEP);
	assert_int_equal(http_client_get(fixture->client, &get, &request), 0);
	for (int i = 0; i < 3; i++)
		start(fixture, server.url, i % 2, LONG_TIME, &others[i]);
	run_until(fixture, &chain.calls, 1);
	run_until(fixture, &chain.next.calls, 1);
	assert_int_equal(chain.next.status, 200);
	raw_done(&server);
}

static void test_free_cancels(void **state)
{
	struct fixture *fixture = *state;
	struct outcome outcomes[3];
	struct raw_server server;

	raw_open(fixture->loop, &server);
	raw_answer(&server, "", KEEP);
	for (int i = 0; i < 3; i++)
		start(fixture, server.url, i % 2, LONG_TIME, &outcomes[i]);
	run_until(fixture, &server.requests, 3);
	http_client_free(fixture->client);
	fixture->client = NULL;
	run_until(fixture, &server.ended, 3);
	assert_int_equal(outcomes[0].calls + outcomes[1].calls + outcomes[2].calls, 0);
	raw_done(&server);
	http_client_free(NULL);
}

static void test_url_that_does_not_parse(void **state)
{
	static const char *const urls[] = {"", "http://", "ftp://127.0.0.1/",
					   "http://127.0.0.1:x/"};
	struct outcome outcome;

	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		get_and_wait(*state, urls[i], false, LONG_TIME, &outcome);
		assert_true(outcome.error < 0);
	}
}

static void test_descriptors_are_closed_on_exec(void **state)
{
	struct fixture *fixture = *state;
	struct raw_server server;
	struct outcome outcome;
	int checked = 0;

	raw_open(fixture->loop, &server);
	raw_answer(&server, OK_ANSWER, KEEP);
	get_and_wait(fixture, server.url, false, LONG_TIME, &outcome);
	for (int fd = 3; fd < 100; fd++) {
		struct sockaddr_in sa = {};
		socklen_t len = sizeof(sa);

		if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0 || sa.sin_family != AF_INET)
			continue;
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		checked++;
	}
	assert_true(checked >= 3);
	raw_done(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HTTP_TEST(test_answers),
		HTTP_TEST(test_refused),
		HTTP_TEST(test_errno_of_another_request),
		HTTP_TEST(test_time_out),
		HTTP_TEST(test_big_body),
		HTTP_TEST(test_what_is_sent),
		HTTP_TEST(test_environment_is_ignored),
		HTTP_TEST(test_connections_are_reused),
		HTTP_TEST(test_connections_to_many_servers_are_reused),
		HTTP_TEST(test_idle_connection_closed_by_server),
		HTTP_TEST(test_fresh_connections),
		HTTP_TEST(test_many_at_once),
		HTTP_TEST(test_cancel),
		HTTP_TEST(test_callback_starts_and_cancels),
		HTTP_TEST(test_free_cancels),
		HTTP_TEST(test_url_that_does_not_parse),
		HTTP_TEST(test_descriptors_are_closed_on_exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
