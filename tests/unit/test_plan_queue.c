/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/plan_queue.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static int setup(void **arg)
{
	struct plan_queue *queue;

	assert_int_equal(plan_queue_new(&queue), 0);
	*arg = queue;
	return 0;
}

static int teardown(void **arg)
{
	plan_queue_free(*arg);
	return 0;
}

static void expect_next(struct plan_queue *queue, const char *want_namespace, const char *want_name)
{
	_cleanup_free_ char *namespace = NULL, *name = NULL;

	assert_int_equal(plan_queue_next(queue, &namespace, &name), 1);
	assert_string_equal(namespace, want_namespace);
	assert_string_equal(name, want_name);
}

static void expect_none(struct plan_queue *queue)
{
	char *namespace = NULL, *name = NULL;

	assert_int_equal(plan_queue_next(queue, &namespace, &name), 0);
	assert_null(namespace);
	assert_null(name);
}

static void test_each_service_once(void **arg)
{
	struct plan_queue *queue = *arg;

	expect_none(queue);
	assert_int_equal(plan_queue_add(queue, "default/web:http/tcp"), 0);
	assert_int_equal(plan_queue_add(queue, "default/web:dns/udp"), 0);
	assert_int_equal(plan_queue_add(queue, "default/web"), 0);
	expect_next(queue, "default", "web");
	expect_none(queue);
	/* Not once for ever. */
	assert_int_equal(plan_queue_add(queue, "default/web"), 0);
	expect_next(queue, "default", "web");
	expect_none(queue);
}

static void test_what_failed_waits(void **arg)
{
	struct plan_queue *queue = *arg;

	assert_int_equal(plan_queue_add_later(queue, "kube-system/kube-dns"), 0);
	assert_int_equal(plan_queue_waiting(queue), 1);
	expect_none(queue);
	plan_queue_release(queue);
	assert_int_equal(plan_queue_waiting(queue), 0);
	expect_next(queue, "kube-system", "kube-dns");
	expect_none(queue);
	plan_queue_release(queue);
	expect_none(queue);
}

static void test_all_that_wait_are_released(void **arg)
{
	struct plan_queue *queue = *arg;

	assert_int_equal(plan_queue_add(queue, "a/due"), 0);
	assert_int_equal(plan_queue_add_later(queue, "a/due"), 0);
	assert_int_equal(plan_queue_add_later(queue, "a/later"), 0);
	expect_next(queue, "a", "due");
	plan_queue_release(queue);
	for (int i = 0; i < 2; i++) {
		_cleanup_free_ char *namespace = NULL, *name = NULL;

		assert_int_equal(plan_queue_next(queue, &namespace, &name), 1);
		assert_string_equal(namespace, "a");
	}
	expect_none(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_service_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_failed_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_that_wait_are_released, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
