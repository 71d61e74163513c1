/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures that are held back, and those that are not, with the real worker: clients and servers are
 * plain sockets of this program. Only loopback, so it runs on any kernel that boots.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/rescue_scene.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "datapath/dp_rescue.h"
#include "model/retry_policy.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

static void test_status(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);

	ask(&scene, GET);
	say(scene.first, ERR);
	expect_rescue(&scene, GET);
	/* The failed server's side is freed at once. */
	hear_reset(scene.first);
	end_scene(&scene);
}

/* Longer than it may take to connect, shorter than all of a rescue may. */
static void test_another_that_is_slow(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);
	int second;

	ask(&scene, GET);
	say(scene.first, ERR);
	second = accept_any(scene.world);
	hear(second, GET);
	usleep(500000);
	say(second, OK);
	hear(scene.client, RESCUED);
	close(second);
	end_scene(&scene);
}

static void test_ipv6(void **state)
{
	struct scene scene = make_scene(state, "fd00:10:96::10", "::1", RETRY_5XX);

	ask(&scene, GET);
	say(scene.first, ERR);
	expect_rescue(&scene, GET);
	hear_reset(scene.first);
	end_scene(&scene);
}

static void test_reset(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);

	ask(&scene, PUT);
	close_with_reset(&scene.first);
	expect_rescue(&scene, PUT);
	end_scene(&scene);
}

static void test_end(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);

	ask(&scene, GET);
	shutdown(scene.first, SHUT_WR);
	expect_rescue(&scene, GET);
	end_scene(&scene);
}

/* The pod dies between the handshake and the request. */
static void test_reset_before_the_request(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);

	dial(&scene);
	scene.first = accept_any(scene.world);
	close_with_reset(&scene.first);
	say(scene.client, GET);
	expect_rescue(&scene, GET);
	end_scene(&scene);
}

/* Of a refused connection nothing was sent, so any method may be sent elsewhere. */
static void test_refused(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_REFUSED);

	/* Whoever asks here speaks HTTP/1. */
	ask(&scene, GET);
	say(scene.first, OK);
	hear(scene.client, OK);
	close(scene.client);
	/* Both are tried out: which one the kernel chooses is left to chance. */
	world_shut(scene.world, 0);
	for (int i = 0; i < 20; i++) {
		int server;

		dial(&scene);
		say(scene.client, POST);
		server = accept4(scene.world->servers[1], NULL, NULL, SOCK_CLOEXEC);
		assert_true(server >= 0);
		hear(server, POST);
		say(server, OK);
		close(server);
		hear(scene.client, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n");
		close(scene.client);
	}
	rescue_worker_results(scene.worker, &scene.results);
	assert_true(scene.results.stats.ended[RESCUE_REFUSED][RESCUE_RESCUED] > 0);
	scene.client = -1;
	end_scene(&scene);
}

static void test_all_refuse(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_REFUSED);

	for (int i = 0; i < SERVERS; i++)
		world_shut(scene.world, i);
	for (int i = 0; i < 10; i++)
		assert_int_equal(world_dial(AF_INET, SOCK_STREAM, service.frontend, 80),
				 -ECONNREFUSED);
	end_scene(&scene);
}

static void test_a_request_in_pieces(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);
	const char *request = PUT;

	dial(&scene);
	scene.first = accept_any(scene.world);
	for (size_t i = 0; i < strlen(request); i++)
		assert_int_equal(send(scene.client, request + i, 1, 0), 1);
	hear(scene.first, request);
	say(scene.first, ERR);
	expect_rescue(&scene, request);
	end_scene(&scene);
}

/* All fail: the client gets what it would have got, and its connection lives on. */
static void test_all_fail(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);
	int second;

	ask(&scene, GET);
	say(scene.first, ERR);
	second = accept_any(scene.world);
	hear(second, GET);
	say(second, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
	hear(scene.client, ERR);
	say(scene.client, GET);
	hear(scene.first, GET);
	say(scene.first, OK);
	hear(scene.client, OK);
	close(second);
	end_scene(&scene);
}

static void test_what_is_never_replayed(void **state)
{
	static const char *const requests[] = {
		POST,
		"PATCH / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
		GET GET,
		"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
		"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
		"\x16\x03\x01 hello",
	};
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1",
					RETRY_5XX | RETRY_RESET | RETRY_REFUSED);

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		ask(&scene, requests[i]);
		say(scene.first, ERR);
		hear(scene.client, ERR);
		assert_true(nobody_comes(scene.world));
		close(scene.first);
		close(scene.client);
	}
	ask(&scene, POST);
	close_with_reset(&scene.first);
	hear_reset(scene.client);
	assert_true(nobody_comes(scene.world));
	end_scene(&scene);
}

static void test_only_what_the_service_says(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);

	ask(&scene, GET);
	say(scene.first, ERR);
	hear(scene.client, ERR);
	assert_true(nobody_comes(scene.world));
	end_scene(&scene);
}

static void test_a_service_that_did_not_opt_in(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", 0);

	ask(&scene, GET);
	say(scene.first, ERR);
	hear(scene.client, ERR);
	close_with_reset(&scene.first);
	hear_reset(scene.client);
	assert_true(nobody_comes(scene.world));
	end_scene(&scene);
}

static void count_idle(void *count, const struct sw_rescue *record, size_t size)
{
	(void)size;
	*(size_t *)count += record->kind == SW_RESCUE_IDLE;
}

/* A connection on which one request was answered is ended by the server. Returns whether that is held. */
static bool end_is_held(struct scene *scene, struct dp_rescue *rescue, const char *request,
			const char *response)
{
	struct pollfd records = {.fd = dp_rescue_fd(rescue), .events = POLLIN};
	size_t idle = 0;

	dp_rescue_heartbeat(rescue, clock_now());
	ask(scene, request);
	say(scene->first, response);
	hear(scene->client, response);
	dp_rescue_heartbeat(rescue, clock_now());
	close(scene->first);
	poll(&records, 1, 100);
	dp_rescue_consume(rescue, count_idle, &idle);
	/* Held until the last sign of life is too old: then it is sent again. */
	hear_end(scene->client);
	close(scene->client);
	return idle;
}

static void test_which_ends_are_held(void **state)
{
	static const struct {
		const char *request, *response;
		bool held;
	} rows[] = {
		{GET, OK, true},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", OK, true},
		{"GET / HTTP/1.0\r\n\r\n", OK, false},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", OK, false},
		{GET, RESCUED, false},
		{GET, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nOK", false},
	};
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);
	struct dp_rescue *rescue = replace_worker(&scene);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (end_is_held(&scene, rescue, rows[i].request, rows[i].response) != rows[i].held)
			fail_msg("row %zu: %s", i, rows[i].request);
	}
	dp_rescue_close(rescue);
	scene.first = scene.client = -1;
	end_scene(&scene);
}

/* The server ends a connection that had one response, and the next request is on its way. */
static void test_end_ahead_of_the_next_request(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);

	ask(&scene, GET);
	say(scene.first, OK);
	hear(scene.client, OK);
	close(scene.first);
	scene.first = -1;
	say(scene.client, GET);
	expect_rescue(&scene, GET);
	end_scene(&scene);
}

/* Which server a connection came to. */
static int server_of(const struct world *world, int fd)
{
	struct sockaddr_in sa;
	socklen_t size = sizeof(sa);
	int server = 0;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &size), 0);
	while (world->ports[server] != ntohs(sa.sin_port))
		server++;
	return server;
}

/* The server is out and ends a connection. Returns whether it was held for half a second; -1: that took too long. */
static int end_is_held_longer(struct scene *scene)
{
	struct pollfd client;
	uint32_t backend;
	uint64_t ended;
	int seen;

	ask(scene, GET);
	say(scene->first, OK);
	hear(scene->client, OK);
	backend = scene->world->backends[server_of(scene->world, scene->first)];
	datapath_set_health(scene->world->datapath, backend, SW_HEALTH_DOWN, clock_now());
	ended = clock_now();
	close(scene->first);
	client = (struct pollfd){.fd = scene->client, .events = POLLIN};
	seen = poll(&client, 1, 500);
	if (seen && clock_now() - ended > 500 * NSEC_PER_MSEC)
		seen = -1;
	hear_end(scene->client);
	close(scene->client);
	datapath_set_health(scene->world->datapath, backend, SW_HEALTH_UP, clock_now());
	return seen < 0 ? -1 : !seen;
}

/* Tries until it did not take too long. */
static void expect_held_longer(void **state, int (*is_held)(struct scene *))
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);
	int held;

	do
		held = is_held(&scene);
	while (held < 0);
	assert_int_equal(held, 1);
	scene.first = scene.client = -1;
	end_scene(&scene);
}

static void test_end_of_a_pod_that_is_out(void **state)
{
	expect_held_longer(state, end_is_held_longer);
}

enum { CONNECTIONS = 3 }; /* so two of them are on one server */

/* All connections end at once. Returns whether those that share a server were held; -1: that took too long. */
static int ends_are_held_longer(struct scene *scene)
{
	struct pollfd clients[CONNECTIONS];
	int firsts[CONNECTIONS], servers[CONNECTIONS], seen = 0;
	uint64_t ended;

	for (int i = 0; i < CONNECTIONS; i++) {
		ask(scene, GET);
		say(scene->first, OK);
		hear(scene->client, OK);
		clients[i] = (struct pollfd){.fd = scene->client, .events = POLLIN};
		firsts[i] = scene->first;
		servers[i] = server_of(scene->world, scene->first);
	}
	ended = clock_now();
	for (int i = 0; i < CONNECTIONS; i++)
		close(firsts[i]);
	usleep(500000);
	poll(clients, CONNECTIONS, 0);
	if (clock_now() - ended > 800 * NSEC_PER_MSEC)
		seen = -1;
	for (int i = 0; i < CONNECTIONS; i++) {
		int shared = 0;

		for (int j = 0; j < CONNECTIONS; j++)
			shared += servers[j] == servers[i];
		if (seen >= 0 && shared > 1)
			seen |= clients[i].revents;
		hear_end(clients[i].fd);
		close(clients[i].fd);
	}
	return seen < 0 ? -1 : !seen;
}

static void test_ends_of_several_connections(void **state)
{
	expect_held_longer(state, ends_are_held_longer);
}

/* The same with a request that may not be repeated: the server's kernel has given it to nobody. */
static void test_a_post_behind_the_end(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);

	ask(&scene, GET);
	say(scene.first, OK);
	hear(scene.client, OK);
	close(scene.first);
	scene.first = -1;
	say(scene.client, POST);
	expect_rescue(&scene, POST);
	end_scene(&scene);
}

/* A server that has ended only its own half may have received the request. */
static void test_a_post_to_half_a_connection(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);

	ask(&scene, GET);
	say(scene.first, OK);
	hear(scene.client, OK);
	shutdown(scene.first, SHUT_WR);
	say(scene.client, POST);
	hear(scene.first, POST);
	close_with_reset(&scene.first);
	assert_true(recv(scene.client, &(char){0}, 1, 0) <= 0);
	assert_true(nobody_comes(scene.world));
	end_scene(&scene);
}

static int option_of(int fd, int level, int name)
{
	socklen_t size = sizeof(int);
	int value = -1;

	assert_return_code(getsockopt(fd, level, name, &value, &size), errno);
	return value;
}

/* Linux 6.1 and later tell a program what an application has set. */
static bool options_can_be_read(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	assert_return_code(uname(&name), errno);
	assert_int_equal(sscanf(name.release, "%u.%u", &major, &minor), 2);
	return major > 6 || (major == 6 && minor >= 1);
}

static void test_keep_alive(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_RESET);
	int own = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, seconds = 77;
	struct sockaddr_storage sa;
	socklen_t size = world_sockaddr(AF_INET, service.frontend, 80, &sa);

	dial(&scene);
	assert_int_equal(option_of(scene.client, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option_of(scene.client, IPPROTO_TCP, TCP_KEEPIDLE), 5);
	assert_int_equal(option_of(scene.client, IPPROTO_TCP, TCP_KEEPINTVL), 5);
	/* The application's own. */
	setsockopt(own, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(own, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
	assert_return_code(connect(own, (struct sockaddr *)&sa, size), errno);
	assert_int_equal(option_of(own, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option_of(own, IPPROTO_TCP, TCP_KEEPIDLE),
			 options_can_be_read() ? seconds : 5);
	close(own);
	end_scene(&scene);
}

/* A worker that gives no sign of life gets nothing, and what it had is let go. */
static void test_no_worker(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX | RETRY_RESET);
	struct dp_rescue *rescue = replace_worker(&scene);

	ask(&scene, GET);
	say(scene.first, ERR);
	hear(scene.client, ERR);
	close(scene.first);
	close(scene.client);
	dp_rescue_heartbeat(rescue, clock_now());
	ask(&scene, GET);
	say(scene.first, ERR);
	/* Held until the last sign of life is too old: then it is sent again. */
	hear(scene.client, ERR);
	dp_rescue_close(rescue);
	end_scene(&scene);
}

static int run(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_status),
		TEST(test_another_that_is_slow),
		TEST(test_ipv6),
		TEST(test_reset),
		TEST(test_end),
		TEST(test_reset_before_the_request),
		TEST(test_refused),
		TEST(test_all_refuse),
		TEST(test_a_request_in_pieces),
		TEST(test_all_fail),
		TEST(test_what_is_never_replayed),
		TEST(test_only_what_the_service_says),
		TEST(test_a_service_that_did_not_opt_in),
		TEST(test_which_ends_are_held),
		TEST(test_end_ahead_of_the_next_request),
		TEST(test_end_of_a_pod_that_is_out),
		TEST(test_ends_of_several_connections),
		TEST(test_a_post_behind_the_end),
		TEST(test_a_post_to_half_a_connection),
		TEST(test_keep_alive),
		TEST(test_no_worker),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
