/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_lag.h"

#include "base/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SEC NSEC_PER_SEC
#define MS  NSEC_PER_MSEC

static void test_lag(void **arg)
{
	struct health_lag lag = {};

	(void)arg;
	assert_int_equal(health_lag_factor(&lag, 100 * SEC), 1);
	health_lag_note(&lag, 100 * SEC);
	assert_int_equal(health_lag_factor(&lag, 100 * SEC), 2);
	health_lag_note(&lag, 100 * SEC);
	health_lag_note(&lag, 100 * SEC);
	assert_int_equal(health_lag_factor(&lag, 100 * SEC), 4);
	assert_int_equal(health_lag_factor(&lag, 101 * SEC), 3);
	assert_int_equal(health_lag_factor(&lag, 103 * SEC), 1);
	assert_int_equal(health_lag_factor(&lag, 1000 * SEC), 1);
	for (int i = 0; i < 300; i++)
		health_lag_note(&lag, 1000 * SEC);
	assert_int_equal(health_lag_factor(&lag, 1000 * SEC), 9);
	assert_int_equal(health_lag_factor(&lag, 1008 * SEC), 1);
}

/* A probe of which half the time passed without us. */
static void test_slept_while_a_probe_was_under_way(void **arg)
{
	struct health_lag lag = {};

	(void)arg;
	assert_false(health_lag_slept(&lag, 1000 * MS, 50 * MS));
	health_lag_pulse(&lag, 1015 * MS, 1020 * MS);
	assert_false(health_lag_slept(&lag, 1000 * MS, 8 * MS));
	health_lag_pulse(&lag, 1015 * MS, 1045 * MS);
	assert_true(health_lag_slept(&lag, 1000 * MS, 50 * MS));
	assert_false(health_lag_slept(&lag, 1000 * MS, 500 * MS));
	assert_false(health_lag_slept(&lag, 1045 * MS, 50 * MS));
	health_lag_pulse(&lag, 1065 * MS, 1066 * MS);
	assert_true(health_lag_slept(&lag, 1000 * MS, 50 * MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_slept_while_a_probe_was_under_way),
					   cmocka_unit_test(test_lag)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
