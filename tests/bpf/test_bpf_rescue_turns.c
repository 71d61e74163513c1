/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a failure that is held back when the worker does not see to it, and of what the worker
 * sends when it is too late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/rescue_scene.h"

#include "base/clock.h"
#include "base/duration.h"
#include "datapath/dp_rescue.h"
#include "model/retry_policy.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of the records that come, the last; the others are none of these tests'. */
static void take_record(void *ret, const struct sw_rescue *record, size_t size)
{
	assert_true(size >= sizeof(*record));
	*(struct sw_rescue *)ret = *record;
}

/* A worker that is alive and does nothing, until the client has got something. */
static void idle_until_heard(struct scene *scene, struct dp_rescue *rescue)
{
	struct pollfd client = {.fd = scene->client, .events = POLLIN};
	int rounds = 0;

	do
		dp_rescue_heartbeat(rescue, clock_now());
	while (!poll(&client, 1, 50) && rounds++ < 400);
	assert_true(client.revents);
}

/* Within the retry time-out and some time for the worker. */
static void test_a_failure_that_is_forgotten(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);
	struct dp_rescue *rescue = replace_worker(&scene);
	struct sw_rescue record = {};

	dp_rescue_heartbeat(rescue, clock_now());
	ask(&scene, GET);
	say(scene.first, ERR);
	idle_until_heard(&scene, rescue);
	dp_rescue_consume(rescue, take_record, &record);
	assert_int_equal(record.kind, SW_RESCUE_REQUEST);
	hear(scene.client, ERR);
	dp_rescue_close(rescue);
	end_scene(&scene);
}

static void test_a_failure_that_is_let_go(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);
	struct dp_rescue *rescue = replace_worker(&scene);
	struct sw_rescue record = {};

	service.retry_timeout = 60 * NSEC_PER_SEC; /* longer than any test waits */
	world_publish(scene.world, &service);
	dp_rescue_heartbeat(rescue, clock_now());
	ask(&scene, GET);
	say(scene.first, ERR);
	while (!record.kind)
		dp_rescue_consume(rescue, take_record, &record);
	/* Of another request. */
	record.since--;
	dp_rescue_let_go(rescue, &record);
	assert_int_equal(poll(&(struct pollfd){.fd = scene.client, .events = POLLIN}, 1, 500), 0);
	record.since++;
	dp_rescue_let_go(rescue, &record);
	idle_until_heard(&scene, rescue);
	hear(scene.client, ERR);
	dp_rescue_close(rescue);
	end_scene(&scene);
}

static void bind_to_loopback(int fd)
{
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof("lo")), 0);
}

/* The kernel names it only to those who know the device: the worker does not find it. */
static void test_a_client_that_is_not_found(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);

	service.retry_timeout = 60 * NSEC_PER_SEC;
	world_publish(scene.world, &service);
	dial(&scene);
	bind_to_loopback(scene.client);
	scene.first = accept_any(scene.world);
	say(scene.client, GET);
	hear(scene.first, GET);
	say(scene.first, ERR);
	hear(scene.client, ERR);
	rescue_worker_results(scene.worker, &scene.results);
	assert_int_equal(scene.results.stats.ended[RESCUE_STATUS][RESCUE_CLIENT_GONE], 1);
	end_scene(&scene);
}

static void test_a_socket_that_is_bound_to_a_device(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);
	struct sockaddr_storage sa;
	socklen_t len = world_sockaddr(AF_INET, service.frontend, 80, &sa);

	scene.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	limit_waiting(scene.client);
	bind_to_loopback(scene.client);
	assert_int_equal(connect(scene.client, (struct sockaddr *)&sa, len), 0);
	scene.first = accept_any(scene.world);
	say(scene.client, GET);
	hear(scene.first, GET);
	say(scene.first, ERR);
	hear(scene.client, ERR);
	rescue_worker_results(scene.worker, &scene.results);
	assert_int_equal(scene.results.notes, 0);
	end_scene(&scene);
}

static int run(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_failure_that_is_forgotten),
		TEST(test_a_failure_that_is_let_go),
		TEST(test_a_client_that_is_not_found),
		TEST(test_a_socket_that_is_bound_to_a_device),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
