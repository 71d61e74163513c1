/* SPDX-License-Identifier: Apache-2.0 */
/* What a load balancer is answered: the cases of TestServer (pkg/proxy/healthcheck). */
#include "base/cleanup.h"
#include "status/health_check.h"
#include "unit/http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static bool is_healthy;

static bool healthy(void *arg)
{
	(void)arg;
	return is_healthy;
}

/* A port that is free on all addresses; its holder is closed. */
static uint16_t free_port(void)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6};
	socklen_t size = sizeof(sa);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_return_code(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)&sa, &size), errno);
	close(fd);
	return ntohs(sa.sin6_port);
}

/* The answer to a GET; "" if nobody listens. */
static void ask(struct fixture *fixture, uint16_t port, char answer[static REQUEST_SIZE])
{
	static const char request[] =
		"GET /any/path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t len = 0;
	ssize_t n = -1;

	*answer = '\0';
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return;
	assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
	for (uint64_t end = clock_now() + LONG_TIME; n != 0 && clock_now() < end;) {
		assert_int_equal(loop_run_once(fixture->loop, NSEC_PER_MSEC), 0);
		n = recv(fd, answer + len, REQUEST_SIZE - 1 - len, MSG_DONTWAIT);
		len += n > 0 ? (size_t)n : 0;
	}
	answer[len] = '\0';
}

static void assert_answer(struct fixture *fixture, uint16_t port, const char *status,
			  const char *weight, const char *body)
{
	char answer[REQUEST_SIZE];

	ask(fixture, port, answer);
	if (!strstr(answer, status) || !strstr(answer, weight) || !strstr(answer, body))
		fail_msg("no '%s', '%s' or '%s' in: %s", status, weight, body, answer);
	assert_non_null(strstr(answer, "Content-Type: application/json"));
	assert_non_null(strstr(answer, "X-Content-Type-Options: nosniff"));
}

static void test_answers(void **state)
{
	struct fixture *fixture = *state;
	struct health_checks *checks;
	uint16_t port = free_port(), other = free_port();
	char answer[REQUEST_SIZE];

	assert_int_equal(health_checks_new(fixture->loop, healthy, NULL, &checks), 0);
	is_healthy = true;
	assert_int_equal(health_checks_set(checks, "a", "web", port, 0), 0);
	assert_answer(fixture, port, " 503 ", "Endpoint-Weight: 0\r\n", "\"localEndpoints\": 0,");
	assert_int_equal(health_checks_set(checks, "a", "web", port, 18), 0);
	assert_answer(
		fixture, port, " 200 ", "Endpoint-Weight: 18\r\n",
		"{\n\t\"service\": {\n\t\t\"namespace\": \"a\",\n\t\t\"name\": \"web\"\n\t},\n"
		"\t\"localEndpoints\": 18,\n\t\"serviceProxyHealthy\": true\n}");
	assert_int_equal(health_checks_set(checks, "a", "other", other, 1), 0);
	is_healthy = false;
	assert_answer(fixture, port, " 503 ", "Endpoint-Weight: 18\r\n",
		      "\"serviceProxyHealthy\": false");
	is_healthy = true;
	assert_int_equal(health_checks_set(checks, "a", "web", 0, 18), 0);
	ask(fixture, port, answer);
	assert_string_equal(answer, "");
	assert_answer(fixture, other, " 200 ", "Endpoint-Weight: 1\r\n", "\"name\": \"other\"");
	health_checks_free(checks);
}

static void test_port_that_is_taken(void **state)
{
	struct fixture *fixture = *state;
	struct health_checks *checks;
	uint16_t port = free_port();

	assert_int_equal(health_checks_new(fixture->loop, healthy, NULL, &checks), 0);
	is_healthy = true;
	assert_int_equal(health_checks_set(checks, "a", "web", port, 1), 0);
	assert_int_equal(health_checks_set(checks, "a", "other", port, 2), -EADDRINUSE);
	assert_int_equal(health_checks_set(checks, "a", "other", port, 3), 0);
	assert_int_equal(health_checks_set(checks, "a", "web", 0, 0), 0);
	health_checks_retry(checks);
	assert_answer(fixture, port, " 200 ", "Endpoint-Weight: 3\r\n", "\"name\": \"other\"");
	health_checks_free(checks);
}

/* As --nodeport-addresses has it. */
static void test_addresses(void **state)
{
	static const struct addr localhost = {{[10] = 255, [11] = 255, [12] = 127, [15] = 1}},
				 another = {{[10] = 255, [11] = 255, [12] = 127, [15] = 2}};
	struct fixture *fixture = *state;
	struct health_checks *checks;
	uint16_t port = free_port();
	char answer[REQUEST_SIZE];

	assert_int_equal(health_checks_new(fixture->loop, healthy, NULL, &checks), 0);
	is_healthy = true;
	assert_int_equal(health_checks_set(checks, "a", "web", port, 1), 0);
	assert_answer(fixture, port, " 200 ", "Endpoint-Weight: 1\r\n", "\"name\": \"web\"");
	assert_int_equal(health_checks_listen(checks, &another, 1), 0);
	ask(fixture, port, answer);
	assert_string_equal(answer, "");
	assert_int_equal(health_checks_listen(checks, (struct addr[]){localhost, another}, 2), 0);
	assert_answer(fixture, port, " 200 ", "Endpoint-Weight: 1\r\n", "\"name\": \"web\"");
	assert_int_equal(health_checks_listen(checks, NULL, 0), 0);
	assert_answer(fixture, port, " 200 ", "Endpoint-Weight: 1\r\n", "\"name\": \"web\"");
	health_checks_free(checks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_port_that_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
