/* SPDX-License-Identifier: Apache-2.0 */
/* When the worker is started and stopped. The worker is the one below. */
#include "base/cleanup.h"
#include "rescue/rescue.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SEC  1000000000ULL
#define MSEC 1000000ULL

struct rescue_worker {
	unsigned int starts;
	unsigned int stops;
	int result; /* of a start */
	uint64_t scan;
};

static struct rescue_worker the_worker;

int rescue_worker_start(const struct rescue_worker_config *config,
			const struct rescue_results *before, struct rescue_worker **ret,
			struct dp_problem *problem)
{
	(void)config;
	(void)before;
	the_worker.starts++;
	if (the_worker.result)
		return dp_problem(problem, the_worker.result, "no rights.");
	*ret = &the_worker;
	return 0;
}

void rescue_worker_stop(struct rescue_worker *worker)
{
	the_worker.stops += worker != NULL;
}

void rescue_worker_set_scan(struct rescue_worker *worker, uint64_t interval)
{
	worker->scan = interval;
}

void rescue_worker_backend_down(struct rescue_worker *worker, uint32_t backend)
{
	(void)worker;
	(void)backend;
}

void rescue_worker_results(struct rescue_worker *worker, struct rescue_results *ret)
{
	(void)worker;
	*ret = (struct rescue_results){.notes = 7};
}

static int setup(void **state)
{
	static const struct rescue_worker_config config;
	struct rescue *rescue = NULL;

	the_worker = (struct rescue_worker){};
	assert_int_equal(rescue_new(&config, &rescue), 0);
	*state = rescue;
	return 0;
}

static int teardown(void **state)
{
	rescue_free(*state);
	return 0;
}

static int set(struct rescue *rescue, const char *service, bool wanted, uint64_t timeout,
	       uint64_t now)
{
	struct dp_problem problem = {};

	return rescue_set_service(rescue, service, wanted, timeout, now, &problem);
}

static bool is_running(const struct rescue *rescue)
{
	struct rescue_view view;

	rescue_view(rescue, &view);
	return view.running;
}

static void test_it_runs_while_a_service_wants_it(void **state)
{
	struct rescue *rescue = *state;
	struct rescue_view view;

	assert_int_equal(set(rescue, "a/a", false, 0, SEC), 0);
	assert_int_equal(the_worker.starts, 0);
	assert_int_equal(set(rescue, "a/a", true, 0, SEC), 0);
	assert_int_equal(set(rescue, "a/b", true, 80 * MSEC, SEC), 0);
	assert_true(is_running(rescue));
	assert_int_equal(the_worker.starts, 1);
	assert_true(the_worker.scan == 10 * MSEC);
	assert_int_equal(set(rescue, "a/a", false, 0, SEC), 0);
	assert_int_equal(the_worker.stops, 0);
	assert_int_equal(set(rescue, "a/b", false, 0, SEC), 0);
	assert_int_equal(the_worker.stops, 1);
	rescue_view(rescue, &view);
	assert_false(view.running);
	assert_int_equal(view.results.notes, 7);
}

static void test_a_start_that_fails_is_not_repeated_at_once(void **state)
{
	struct rescue *rescue = *state;

	the_worker.result = -EPERM;
	assert_int_equal(set(rescue, "a/a", true, 0, SEC), -EPERM);
	/* Each plan of each Service that wants it comes here. */
	for (int i = 0; i < 100; i++) {
		assert_int_equal(set(rescue, "a/a", true, 0, 2 * SEC), 0);
		assert_int_equal(set(rescue, "a/b", true, 80 * MSEC, 2 * SEC), 0);
	}
	assert_int_equal(the_worker.starts, 1);
	assert_false(is_running(rescue));
	assert_int_equal(set(rescue, "a/a", true, 0, SEC + RESCUE_START_INTERVAL), -EPERM);
	assert_int_equal(the_worker.starts, 2);
	the_worker.result = 0;
	assert_int_equal(set(rescue, "a/c", true, 0, SEC + 2 * RESCUE_START_INTERVAL), 0);
	assert_int_equal(the_worker.starts, 3);
	assert_true(is_running(rescue));
	/* What was said meanwhile holds. */
	assert_true(the_worker.scan == 10 * MSEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_runs_while_a_service_wants_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_start_that_fails_is_not_repeated_at_once,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
