/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client and server act in the same instant, on two CPUs: the programs that see what is sent, and what is
 * received, run at once on one connection. Many rounds, each with another delay between the two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/rescue_scene.h"

#include "base/clock.h"
#include "base/duration.h"
#include "model/retry_policy.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool has_two_cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

/* On one CPU nothing happens at once. */
static int rounds(void)
{
	return has_two_cpus() ? 1000 : 20;
}

/* In a loop that waits for the other thread, which is to notice at once. */
static void spin(void)
{
	if (!has_two_cpus())
		sched_yield();
}

/* The later of the two is behind by up to so much, either way. */
#define DELAY_MAX (20 * NSEC_PER_USEC)

/* What the server does with its connection, in a thread of its own. */
struct rival {
	pthread_t thread;
	void (*act)(int *fd);
	atomic_int fd;         /* -1: nothing to do */
	_Atomic uint64_t when; /* to act */
	atomic_bool stop;
};

static void spin_until(uint64_t when)
{
	while (clock_now() < when)
		;
}

static void *run_rival(void *arg)
{
	struct rival *rival = arg;

	while (!atomic_load(&rival->stop)) {
		int fd = atomic_load(&rival->fd);

		if (fd < 0) {
			spin();
			continue;
		}
		spin_until(atomic_load(&rival->when));
		rival->act(&fd);
		atomic_store(&rival->fd, -1);
	}
	return NULL;
}

static void start_rival(struct rival *rival, void (*act)(int *fd))
{
	rival->act = act;
	atomic_init(&rival->fd, -1);
	atomic_init(&rival->stop, false);
	assert_int_equal(pthread_create(&rival->thread, NULL, run_rival, rival), 0);
}

static void stop_rival(struct rival *rival)
{
	atomic_store(&rival->stop, true);
	pthread_join(rival->thread, NULL);
}

/* Both go off: the server acts, and the client says something. */
static void cross(struct scene *scene, struct rival *rival, int round, const char *text)
{
	uint64_t both = clock_now() + 20 * NSEC_PER_USEC, delay;

	delay = (uint64_t)(round % 100) * DELAY_MAX / 50;
	atomic_store(&rival->when, both + DELAY_MAX);
	atomic_store(&rival->fd, scene->first);
	spin_until(both + delay);
	say(scene->client, text);
	while (atomic_load(&rival->fd) >= 0)
		spin();
}

/* Whether the client gets the answer of another server, and nothing else. */
static bool is_rescued(struct scene *scene, const char *request)
{
	struct pollfd fds[SERVERS + 1] = {{.fd = scene->client, .events = POLLIN}};
	char got[256] = {};
	size_t used = 0;
	ssize_t n;
	int second;

	for (int i = 0; i < SERVERS; i++)
		fds[i + 1] = (struct pollfd){.fd = scene->world->servers[i], .events = POLLIN};
	assert_true(poll(fds, SERVERS + 1, 20000) > 0);
	if (fds[0].revents)
		return false;
	second = accept_any(scene->world);
	hear(second, request);
	say(second, OK);
	while ((n = recv(scene->client, got + used, sizeof(got) - 1 - used, 0)) > 0)
		used += (size_t)n;
	close(second);
	return !n && !strcmp(got, RESCUED);
}

/*
 * On a machine that is very slow the end is not held any more, or the worker gives no sign of life, or has more
 * rescues under way than the budget has room for.
 */
static void expect_rescue_since(struct scene *scene, const char *request, uint64_t since)
{
	const struct rescue_stats *stats = &scene->results.stats;
	uint64_t refused = 0;

	for (int cause = 0; cause < RESCUE_CAUSE_COUNT; cause++)
		refused -= stats->ended[cause][RESCUE_NO_BUDGET];
	if (is_rescued(scene, request) || clock_now() - since > 100 * NSEC_PER_MSEC)
		return;
	rescue_worker_results(scene->worker, &scene->results);
	for (int cause = 0; cause < RESCUE_CAUSE_COUNT; cause++)
		refused += stats->ended[cause][RESCUE_NO_BUDGET];
	if (!refused)
		fail_msg("the request was lost");
}

static void end_connection(int *fd)
{
	close(*fd);
}

/* What crosses what, in each round. */
struct crossing {
	__u32 retry_on;
	void (*rival)(int *fd);             /* what the first server does */
	void (*begin)(struct scene *scene); /* what is over before */
	const char *sends;                  /* what the client sends in the same moment */
	const char *request;                /* what another server is to get */
	bool server_stays;                  /* the rival leaves it open */
};

static void run_crossing(void **state, const struct crossing *crossing)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", crossing->retry_on);
	int count = rounds();
	struct rival rival;
	uint64_t began;

	service.retry_timeout = 60 * NSEC_PER_SEC;
	world_publish(scene.world, &service);
	start_rival(&rival, crossing->rival);
	for (int round = 0; round < count; round++) {
		crossing->begin(&scene);
		began = clock_now();
		cross(&scene, &rival, round, crossing->sends);
		expect_rescue_since(&scene, crossing->request, began);
		close(scene.client);
		if (crossing->server_stays)
			close(scene.first);
	}
	stop_rival(&rival);
	scene.first = scene.client = -1;
	end_scene(&scene);
}

static void begin_with_exchange(struct scene *scene)
{
	ask(scene, GET);
	say(scene->first, OK);
	hear(scene->client, OK);
}

/* The end of a connection that is kept crosses the next request. */
static void test_an_end_that_crosses_a_request(void **state)
{
	run_crossing(state, &(struct crossing){.retry_on = RETRY_RESET,
					       .rival = end_connection,
					       .begin = begin_with_exchange,
					       .sends = GET,
					       .request = GET});
}

static void begin_with_nothing(struct scene *scene)
{
	dial(scene);
	scene->first = accept_any(scene->world);
}

/* The same ahead of the first request. */
static void test_an_end_that_crosses_the_first_request(void **state)
{
	run_crossing(state, &(struct crossing){.retry_on = RETRY_RESET,
					       .rival = end_connection,
					       .begin = begin_with_nothing,
					       .sends = GET,
					       .request = GET});
}

static void answer_with_error(int *fd)
{
	(void)!send(*fd, ERR, strlen(ERR), MSG_NOSIGNAL);
}

#define PUT_HEAD "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\n\r\n"
#define TEN      "0123456789"
#define HUNDRED  TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void begin_with_head(struct scene *scene)
{
	ask(scene, PUT_HEAD);
}

/* An error crosses the rest of the request: another server gets all of it, and nothing else. */
static void test_a_response_that_crosses_the_request(void **state)
{
	run_crossing(state, &(struct crossing){.retry_on = RETRY_5XX,
					       .rival = answer_with_error,
					       .begin = begin_with_head,
					       .sends = HUNDRED HUNDRED,
					       .request = PUT_HEAD HUNDRED HUNDRED,
					       .server_stays = true});
}

static int run(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_an_end_that_crosses_a_request),
		TEST(test_an_end_that_crosses_the_first_request),
		TEST(test_a_response_that_crosses_the_request),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
