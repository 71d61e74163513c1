/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/duration.h"
#include "model/conn_policy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_default(void **state)
{
	(void)state;
	assert_true(CONN_POLICY_DEFAULT.close_on_down);
	assert_int_equal(conn_policy_grace(&CONN_POLICY_DEFAULT, &CONN_POLICY_FALLBACK, false),
			 NSEC_PER_SEC);
	assert_int_equal(conn_policy_grace(&CONN_POLICY_DEFAULT, &CONN_POLICY_FALLBACK, true),
			 50 * NSEC_PER_MSEC);
}

/* Who says only one grace means it for both, and each is what was said. */
static void test_graces(void **state)
{
	struct conn_policy policy = CONN_POLICY_DEFAULT;
	const char *unused;

	(void)state;
	assert_int_equal(conn_policy_set(&policy, "swerve.dev/down-grace", "10s", &unused), 1);
	assert_int_equal(conn_policy_grace(&policy, &CONN_POLICY_FALLBACK, false),
			 10 * NSEC_PER_SEC);
	assert_int_equal(conn_policy_grace(&policy, &CONN_POLICY_FALLBACK, true),
			 10 * NSEC_PER_SEC);
	assert_int_equal(conn_policy_set(&policy, "swerve.dev/hang-grace", "0", &unused), 1);
	assert_int_equal(conn_policy_grace(&policy, &CONN_POLICY_FALLBACK, false),
			 10 * NSEC_PER_SEC);
	assert_int_equal(conn_policy_grace(&policy, &CONN_POLICY_FALLBACK, true), 0);
}

static void test_annotations(void **state)
{
	struct conn_policy policy = CONN_POLICY_DEFAULT;
	const char *expected = NULL;

	(void)state;
	assert_int_equal(conn_policy_set(&policy, "swerve.dev/on-down", "keep", &expected), 1);
	assert_false(policy.close_on_down);
	assert_int_equal(conn_policy_set(&policy, "swerve.dev/on-down", "close", &expected), 1);
	assert_true(policy.close_on_down);
	assert_int_equal(conn_policy_set(&policy, "swerve.dev/down-grace", "0", &expected), 1);
	assert_int_equal(policy.down_grace, 0);
	assert_int_equal(conn_policy_set(&policy, "swerve.dev/down-grace", "10m", &expected), 1);
	assert_int_equal(policy.down_grace, 600 * NSEC_PER_SEC);
	assert_null(expected);
}

static void test_slow_start(void **state)
{
	struct conn_policy policy = CONN_POLICY_DEFAULT;
	const char *unused;

	(void)state;
	assert_int_equal(conn_policy_slow_start(&policy, &CONN_POLICY_FALLBACK), 2 * NSEC_PER_SEC);
	assert_int_equal(conn_policy_set(&policy, "swerve.dev/slow-start", "0", &unused), 1);
	assert_int_equal(conn_policy_slow_start(&policy, &CONN_POLICY_FALLBACK), 0);
}

static void test_what_does_not_fit_changes_nothing(void **state)
{
	static const char *const wrong[][2] = {
		{"swerve.dev/on-down", ""},          {"swerve.dev/on-down", "Keep"},
		{"swerve.dev/on-down", "kill"},      {"swerve.dev/down-grace", ""},
		{"swerve.dev/down-grace", "1"},      {"swerve.dev/down-grace", "-1s"},
		{"swerve.dev/down-grace", "10m1ns"}, {"swerve.dev/hang-grace", "10m1ns"},
		{"swerve.dev/slow-start", "x"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct conn_policy policy = CONN_POLICY_DEFAULT;
		const char *expected = NULL;

		assert_int_equal(conn_policy_set(&policy, wrong[i][0], wrong[i][1], &expected),
				 -EINVAL);
		assert_non_null(expected);
		assert_true(policy.close_on_down);
		assert_int_equal(policy.down_grace, CONN_GRACE_UNSET);
		assert_int_equal(policy.hang_grace, CONN_GRACE_UNSET);
		assert_int_equal(policy.slow_start, CONN_GRACE_UNSET);
	}
}

static void test_other_keys_are_not_taken(void **state)
{
	static const char *const keys[] = {"swerve.dev/on-dow", "swerve.dev/on-down2",
					   "swerve.dev/probe", "on-down", ""};
	struct conn_policy policy = CONN_POLICY_DEFAULT;
	const char *expected = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_int_equal(conn_policy_set(&policy, keys[i], "keep", &expected), 0);
	assert_true(policy.close_on_down);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_graces),
		cmocka_unit_test(test_slow_start),
		cmocka_unit_test(test_annotations),
		cmocka_unit_test(test_what_does_not_fit_changes_nothing),
		cmocka_unit_test(test_other_keys_are_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
