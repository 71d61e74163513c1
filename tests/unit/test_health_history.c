/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_history.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_equal_ones_are_one(void **state)
{
	struct health_history history = {};
	const struct health_event *event;

	(void)state;
	assert_null(health_history_get(&history, 0));
	assert_null(health_history_get(NULL, 0));
	health_history_add(&history, VERDICT_OK, "HTTP 200", 10);
	health_history_add(&history, VERDICT_ERROR, "HTTP 500", 20);
	health_history_add(&history, VERDICT_ERROR, "HTTP 500", 30);
	health_history_add(&history, VERDICT_ERROR, "HTTP 501", 40);
	event = health_history_get(&history, 1);
	assert_int_equal(event->verdict, VERDICT_ERROR);
	assert_string_equal(event->detail, "HTTP 500");
	assert_int_equal(event->count, 2);
	assert_int_equal(event->last, 30);
	assert_string_equal(health_history_get(&history, 0)->detail, "HTTP 501");
	assert_string_equal(health_history_get(&history, 2)->detail, "HTTP 200");
	assert_null(health_history_get(&history, 3));
}

static void test_the_oldest_go(void **state)
{
	static const char longer[] = "0123456789 0123456789 0123456789 0123456789";
	struct health_history history = {};
	char detail[16];

	(void)state;
	for (int i = 0; i < 20; i++) {
		snprintf(detail, sizeof(detail), "%d", i);
		health_history_add(&history, VERDICT_OK, detail, (uint64_t)i);
	}
	assert_string_equal(health_history_get(&history, 0)->detail, "19");
	assert_string_equal(health_history_get(&history, HISTORY_LEN - 1)->detail, "14");
	assert_null(health_history_get(&history, HISTORY_LEN));
	health_history_add(&history, VERDICT_OK, longer, 1);
	health_history_add(&history, VERDICT_OK, longer, 2);
	assert_int_equal(health_history_get(&history, 0)->count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_ones_are_one),
		cmocka_unit_test(test_the_oldest_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
