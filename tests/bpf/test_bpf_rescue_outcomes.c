/* SPDX-License-Identifier: Apache-2.0 */
/* Rescues that come to nothing, while they are under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/rescue_scene.h"

#include "base/duration.h"
#include "model/retry_policy.h"

#include <unistd.h>

/* The worker comes to that outcome, in its own thread. */
static void expect_outcome(struct scene *scene, enum rescue_outcome outcome)
{
	for (int i = 0; i < 2000; i++) {
		rescue_worker_results(scene->worker, &scene->results);
		if (scene->results.notes)
			break;
		usleep(10000);
	}
	assert_int_equal(scene->results.notes, 1);
	assert_int_equal(scene->results.stats.ended[RESCUE_STATUS][outcome], 1);
}

/* The first server fails the request, and another one has it. Returns that one's end. */
static int let_fail(struct scene *scene, uint64_t retry_timeout)
{
	int second;

	service.retry_timeout = retry_timeout;
	world_publish(scene->world, &service);
	ask(scene, GET);
	say(scene->first, ERR);
	second = accept_any(scene->world);
	hear(second, GET);
	return second;
}

/* The other server gets the request, and does not answer within the retry time-out. */
static void test_too_late(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);
	/* Within it the other server is to get the request. */
	int second = let_fail(&scene, NSEC_PER_SEC);

	hear(scene.client, ERR);
	expect_outcome(&scene, RESCUE_TOO_LATE);
	/* It is told that nobody waits, and the connection is the first one's again. */
	hear_end(second);
	say(scene.client, POST);
	hear(scene.first, POST);
	say(scene.first, OK);
	hear(scene.client, OK);
	close(second);
	end_scene(&scene);
}

/* The client resets its connection while it waits. */
static void test_a_client_that_is_gone(void **state)
{
	struct scene scene = make_scene(state, "10.96.0.10", "127.0.0.1", RETRY_5XX);
	int second = let_fail(&scene, 60 * NSEC_PER_SEC);

	close_with_reset(&scene.client);
	expect_outcome(&scene, RESCUE_CLIENT_GONE);
	hear_end(second);
	close(second);
	end_scene(&scene);
}

static int run(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_too_late),
		TEST(test_a_client_that_is_gone),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return world_run(run);
}
