/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What connections show of their backends, on real sockets: how they begin and end, and the status
 * of their responses. The rules by themselves, and what takes time, are in tests/unit/test_sense.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/links.h"
#include "bpf/world.h"

#include "base/clock.h"
#include "datapath/dp_events.h"
#include "datapath/dp_pin_dir.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct told {
	size_t count[SW_EVENT_RETURNED + 1];
	struct sw_event last[SW_EVENT_RETURNED + 1];
};

static void remember_event(void *arg, const struct sw_event *event)
{
	struct told *told = arg;

	assert_in_range(event->kind, SW_EVENT_DOUBT, SW_EVENT_RETURNED);
	told->count[event->kind]++;
	told->last[event->kind] = *event;
}

/* What was told since the datapath is open. */
static struct told read_events(void)
{
	struct dp_events *events;
	struct told told = {};

	assert_int_equal(dp_events_open(sandbox.pin_dir, remember_event, &told, &events), 0);
	assert_int_equal(dp_events_read(events), 0);
	dp_events_close(events);
	return told;
}

static void test_two_refused_connections_eject(void **state)
{
	struct world *world = *state;
	int refused = 0;
	struct told told;

	links_publish(world, 2);
	world_shut(world, 0);
	/* After the first one it is second choice for a while. */
	for (int i = 0; i < 10000 && !world_is_ejected(world, 0); i++) {
		int fd = world_dial(AF_INET, SOCK_STREAM, "10.96.0.10", 80);

		if (fd >= 0)
			close(fd);
		else
			refused++;
		links_drop_pending(world);
		usleep(100);
	}
	assert_true(world_is_ejected(world, 0));
	assert_int_equal(refused, 2);
	assert_int_equal(world_load(world, 0)->evidence, SW_EVIDENCE_REFUSED);
	for (int i = 0; i < 50; i++) {
		struct link link = link_web(world, 1);

		link_end(&link);
	}
	told = read_events();
	assert_int_equal(told.count[SW_EVENT_DOUBT], 1);
	assert_int_equal(told.count[SW_EVENT_EJECTED], 1);
	assert_int_equal(told.last[SW_EVENT_EJECTED].backend, world->backends[0]);
	assert_int_equal(told.last[SW_EVENT_EJECTED].evidence, SW_EVIDENCE_REFUSED);
	assert_true(told.last[SW_EVENT_EJECTED].until ==
		    datapath_ejected_until(world->datapath, world->backends[0]));
}

static void test_the_last_backend_is_spared(void **state)
{
	struct world *world = *state;

	links_publish(world, 1);
	world_shut(world, 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(world_dial(AF_INET, SOCK_STREAM, "10.96.0.10", 80), -ECONNREFUSED);
	assert_false(world_is_ejected(world, 0));
	assert_int_equal(world_load(world, 0)->connect_failures, 5);
}

/* A server whose queue is full does not answer; an application that gives up proves nothing. */
static void test_giving_up_is_nobodys_failure(void **state)
{
	struct world *world = *state;
	int fds[8];

	links_publish(world, 1);
	assert_return_code(listen(world->servers[0], 0), errno);
	for (int i = 0; i < 8; i++) {
		struct sockaddr_storage sa;
		socklen_t size = world_sockaddr(AF_INET, "10.96.0.10", 80, &sa);

		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_return_code(fds[i], errno);
		assert_int_equal(connect(fds[i], (struct sockaddr *)&sa, size), -1);
		assert_int_equal(errno, EINPROGRESS);
	}
	assert_int_equal(world_load(world, 0)->open, 8);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	assert_int_equal(world_load(world, 0)->connect_failures, 0);
	assert_int_equal(world_load(world, 0)->response_failures, 0);
}

static void test_closed_instead_of_answered(void **state)
{
	struct world *world = *state;

	links_publish(world, 2);
	link_answer_once(world, 1,
			 link_good); /* so that an answer is due, see test_bpf_sense_http.c */
	for (unsigned int i = 1; i <= 3; i++) {
		struct link link = link_web(world, 0);

		assert_false(world_is_ejected(world, 0));
		link_put(link.client, "GET /");
		link_take(link.server, "GET /");
		if (i % 2)
			world_reset(link.server);
		else
			close(link.server);
		assert_int_equal(world_load(world, 0)->response_failures, i % 3);
		close(link.client);
	}
	assert_true(world_is_ejected(world, 0));
	assert_int_equal(world_load(world, 0)->evidence, SW_EVIDENCE_CLOSED);
}

/* Closed by the client, unused, or after an answer: not the server's failure. */
static void test_ends_that_are_no_failures(void **state)
{
	struct world *world = *state;
	struct link link;

	links_publish(world, 1);
	link = link_web(world, 0);
	link_put(link.client, "GET /");
	close(link.client);
	world_reset(link.server);

	link = link_web(world, 0);
	world_reset(link.server);
	close(link.client);

	link = link_web(world, 0);
	link_respond(&link, link_good);
	world_reset(link.server);
	close(link.client);
	assert_int_equal(world_load(world, 0)->response_failures, 0);
	assert_int_equal(world_load(world, 0)->connect_failures, 0);
}

static void test_open_connections_are_counted_exactly(void **state)
{
	struct world *world = *state;
	struct link links[4];
	pid_t child;

	links_publish(world, 1);
	for (int i = 0; i < 4; i++)
		links[i] = link_web(world, 0);
	assert_int_equal(world_load(world, 0)->open, 4);
	/* A child that has them, too, changes nothing; neither does its end. */
	child = fork();
	assert_return_code(child, errno);
	if (!child)
		pause();
	assert_int_equal(world_load(world, 0)->open, 4);
	link_end(&links[0]);
	assert_int_equal(world_load(world, 0)->open, 4);
	assert_return_code(kill(child, SIGKILL), errno);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(world_load(world, 0)->open, 3);

	world_reset(links[1].client);
	assert_int_equal(world_load(world, 0)->open, 2);
	world_reset(links[2].server);
	assert_int_equal(world_load(world, 0)->open, 1);
	close(links[2].client);
	close(links[1].server);
	close(links[3].server);
	assert_int_equal(world_load(world, 0)->open, 1);
	close(links[3].client);
	assert_int_equal(world_load(world, 0)->open, 0);
}

static void test_a_killed_process_has_no_connections(void **state)
{
	struct world *world = *state;
	int pipe_fds[2];
	pid_t child;
	char byte;

	links_publish(world, 1);
	assert_return_code(pipe(pipe_fds), errno);
	child = fork();
	assert_return_code(child, errno);
	if (!child) {
		for (int i = 0; i < 5; i++)
			world_dial(AF_INET, SOCK_STREAM, "10.96.0.10", 80);
		(void)!write(pipe_fds[1], "x", 1);
		pause();
	}
	assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
	assert_int_equal(world_load(world, 0)->open, 5);
	assert_return_code(kill(child, SIGKILL), errno);
	assert_int_equal(waitpid(child, NULL, 0), child);
	for (int i = 0; i < 5; i++)
		close(accept(world->servers[0], NULL, NULL));
	assert_int_equal(world_load(world, 0)->open, 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void test_three_5xx_eject(void **state)
{
	struct world *world = *state;
	struct told told = read_events(); /* of the tests before */

	links_publish(world, 2);
	link_answer_once(world, 0, link_bad);
	link_answer_once(world, 0, "HTTP/1.0 503 Service Unavailable\r\n\r\n");
	assert_int_equal(world_load(world, 0)->response_failures, 2);
	assert_false(world_is_ejected(world, 0));
	link_answer_once(world, 0, "HTTP/1.1 502 Bad Gateway\r\n\r\n");
	assert_true(world_is_ejected(world, 0));
	told = read_events();
	assert_int_equal(told.count[SW_EVENT_EJECTED], 1);
	assert_int_equal(told.last[SW_EVENT_EJECTED].evidence, SW_EVIDENCE_STATUS);
	assert_int_equal(told.last[SW_EVENT_EJECTED].status, 502);
}

static void test_a_success_in_between_counts_anew(void **state)
{
	struct world *world = *state;

	links_publish(world, 2);
	for (int i = 0; i < 3; i++) {
		link_answer_once(world, 0, link_bad);
		link_answer_once(world, 0, link_bad);
		link_answer_once(world, 0, link_good);
	}
	assert_false(world_is_ejected(world, 0));
	assert_int_equal(world_load(world, 0)->response_failures, 0);
	assert_true(world_load(world, 0)->last_success > 0);
}

/* What the client asked for, and what is no HTTP. */
static void test_responses_that_are_no_failures(void **state)
{
	static const char *const responses[] = {
		"HTTP/1.1 501 Not Implemented\r\n\r\n",
		"HTTP/1.1 505 HTTP Version Not Supported\r\n\r\n",
		"HTTP/1.1 429 Too Many Requests\r\n\r\n",
		"HTTP/1.1 404 Not Found\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"HTTP/2.0 500 this is not how HTTP/2 looks\r\n",
		"HTTP/1.1  500 two spaces",
		"HTTP/1.1 50",
		"500 mailbox full\r\n",
	};
	struct world *world = *state;

	links_publish(world, 2);
	for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
		link_answer_once(world, 0, responses[i]);
		if (world_load(world, 0)->response_failures || world_load(world, 0)->last_failure)
			fail_msg("counted: %s", responses[i]);
	}
}

static void test_keep_alive(void **state)
{
	struct world *world = *state;
	struct link link;

	links_publish(world, 2);
	link = link_web(world, 0);
	link_respond(&link, link_bad);
	link_respond(&link, link_good);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(world_load(world, 0)->response_failures, i);
		link_respond(&link, link_bad);
	}
	assert_true(world_is_ejected(world, 0));
	link_end(&link);
}

/* A packet of a body is no status line, whatever it says, and one response counts once. */
static void test_only_the_first_packet_of_a_response_counts(void **state)
{
	struct world *world = *state;
	struct link link;

	links_publish(world, 2);
	link = link_web(world, 0);
	link_respond(&link, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
	for (int i = 0; i < 5; i++) {
		link_put(link.server, link_bad);
		link_take(link.client, link_bad);
	}
	assert_int_equal(world_load(world, 0)->response_failures, 0);
	link_respond(&link, "HTTP/1.1 100 Continue\r\n\r\n");
	link_put(link.server, link_bad);
	link_take(link.client, link_bad);
	assert_int_equal(world_load(world, 0)->response_failures, 1);
	link_put(link.server, link_bad);
	link_take(link.client, link_bad);
	assert_int_equal(world_load(world, 0)->response_failures, 1);
	link_end(&link);
}

/* All of them fail: the request is to blame. */
static void test_poison(void **state)
{
	struct world *world = *state;
	struct told told;

	links_publish(world, 2);
	for (int i = 0; i < 3; i++)
		link_answer_once(world, 0, link_bad);
	assert_true(world_is_ejected(world, 0));
	for (int i = 0; i < 3; i++)
		link_answer_once(world, 1, link_bad);
	assert_false(world_is_ejected(world, 0));
	assert_false(world_is_ejected(world, 1));
	told = read_events();
	assert_int_equal(told.count[SW_EVENT_POISON], 1);
	for (int i = 0; i < 10; i++)
		link_answer_once(world, i % 2, link_bad);
	assert_false(world_is_ejected(world, 0));
	assert_false(world_is_ejected(world, 1));
}

static void test_over_ipv6(void **state)
{
	struct world *world = *state;

	links_publish_on(world, "fd00:10:96::10", "::1", 2);
	for (int i = 0; i < 3; i++) {
		struct link link = link_to(world, 0, AF_INET6, "fd00:10:96::10");

		link_respond(&link, link_bad);
		link_end(&link);
	}
	assert_true(world_is_ejected(world, 0));
}

static bool responses_are_watched(void)
{
	char path[PATH_MAX];

	assert_int_equal(dp_pin_path(sandbox.pin_dir, "sw_link_ingress", path, sizeof(path)), 0);
	return !access(path, F_OK);
}

/* The program that costs something for each packet is there only while a service wants it. */
static void test_off(void **state)
{
	struct world *world = *state;
	struct world_service web = {.name = "default/web",
				    .frontend = "10.96.0.10",
				    .proto = IPPROTO_TCP,
				    .address = "127.0.0.1",
				    .count = 2};

	assert_false(responses_are_watched());
	links_publish(world, 2);
	assert_true(responses_are_watched());
	datapath_close(world->datapath);
	world->datapath = world_open_datapath();
	assert_true(responses_are_watched());
	world_publish(world, &web);
	assert_false(responses_are_watched());
	for (int i = 0; i < 5; i++)
		link_answer_once(world, 0, link_bad);
	assert_int_equal(world_load(world, 0)->response_failures, 0);
	assert_true(world_load(world, 0)->last_success > 0);
}

/* Sockets of an endpoint that is gone do not count for the one that got its element. */
static void test_evidence_ends_with_its_backend(void **state)
{
	struct world *world = *state;
	uint32_t backend, generation;
	struct link old;

	links_publish(world, 1);
	old = link_web(world, 0);
	backend = world->backends[0];
	generation = datapath_generation(world->datapath, backend);
	world_publish(world, &(struct world_service){.name = "default/web",
						     .frontend = "10.96.0.10",
						     .proto = IPPROTO_TCP,
						     .address = "127.0.0.1"});
	datapath_heartbeat(world->datapath, clock_now() + 10000000000ULL);
	world_publish(world, &(struct world_service){.name = "default/web",
						     .frontend = "10.96.0.10",
						     .proto = IPPROTO_TCP,
						     .address = "127.0.0.1",
						     .count = 1});
	assert_int_not_equal(datapath_generation(world->datapath, backend), generation);
	link_respond(&old, link_bad);
	link_end(&old);
	assert_int_equal(datapath_load(world->datapath, backend)->response_failures, 0);
	assert_int_equal(datapath_load(world->datapath, backend)->open, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_two_refused_connections_eject),
		TEST(test_the_last_backend_is_spared),
		TEST(test_giving_up_is_nobodys_failure),
		TEST(test_closed_instead_of_answered),
		TEST(test_ends_that_are_no_failures),
		TEST(test_open_connections_are_counted_exactly),
		TEST(test_a_killed_process_has_no_connections),
		TEST(test_three_5xx_eject),
		TEST(test_a_success_in_between_counts_anew),
		TEST(test_responses_that_are_no_failures),
		TEST(test_keep_alive),
		TEST(test_only_the_first_packet_of_a_response_counts),
		TEST(test_poison),
		TEST(test_over_ipv6),
		cmocka_unit_test_setup_teardown(test_off, world_setup_own, world_teardown_own),
		TEST(test_evidence_ends_with_its_backend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
