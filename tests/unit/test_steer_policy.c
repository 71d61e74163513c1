/* SPDX-License-Identifier: Apache-2.0 */
#include "model/steer_policy.h"

#include "base/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static int set(struct steer_policy *policy, const char *key, const char *value)
{
	const char *expected = NULL;
	int r = steer_policy_set(policy, key, value, &expected);

	assert_true((r < 0) == (expected != NULL));
	return r;
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(STEER_POLICY_DEFAULT.balance, BALANCE_RANDOM);
	assert_int_equal(STEER_POLICY_DEFAULT.outlier_5xx, 3);
	assert_int_equal(STEER_POLICY_DEFAULT.connect_timeout, 0);
	assert_int_equal(STEER_POLICY_DEFAULT.user_timeout, 0);
}

static void test_balance(void **state)
{
	struct steer_policy policy = STEER_POLICY_DEFAULT;

	(void)state;
	for (int i = BALANCE_COUNT - 1; i >= 0; i--) {
		assert_int_equal(set(&policy, "swerve.dev/balance", steer_balance_to_str(i)), 1);
		assert_int_equal(policy.balance, i);
	}
	assert_int_equal(set(&policy, "swerve.dev/balance", "Random"), -EINVAL);
	assert_int_equal(set(&policy, "swerve.dev/balance", ""), -EINVAL);
}

static void test_numbers(void **state)
{
	static const struct {
		const char *key, *value;
		int result;
		uint32_t outlier, connect, user;
	} rows[] = {
		{"swerve.dev/outlier-5xx", "off", 1, 0, 0, 0},
		{"swerve.dev/outlier-5xx", "1", 1, 1, 0, 0},
		{"swerve.dev/outlier-5xx", "100", 1, 100, 0, 0},
		{"swerve.dev/outlier-5xx", "0", -EINVAL, 3, 0, 0},
		{"swerve.dev/outlier-5xx", "101", -EINVAL, 3, 0, 0},
		{"swerve.dev/outlier-5xx", "4294967297", -EINVAL, 3, 0, 0},
		{"swerve.dev/outlier-5xx", "-1", -EINVAL, 3, 0, 0},
		{"swerve.dev/outlier-5xx", "3x", -EINVAL, 3, 0, 0},
		{"swerve.dev/outlier-5xx", "", -EINVAL, 3, 0, 0},
		{"swerve.dev/connect-timeout", "50ms", 1, 3, 50, 0},
		{"swerve.dev/connect-timeout", "1m", 1, 3, 60000, 0},
		{"swerve.dev/connect-timeout", "49ms", -EINVAL, 3, 0, 0},
		{"swerve.dev/connect-timeout", "61s", -EINVAL, 3, 0, 0},
		{"swerve.dev/connect-timeout", "1", -EINVAL, 3, 0, 0},
		{"swerve.dev/user-timeout", "1h", 1, 3, 0, 3600000},
		{"swerve.dev/user-timeout", "61m", -EINVAL, 3, 0, 0},
		{"swerve.dev/probe", "tcp", 0, 3, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct steer_policy policy = STEER_POLICY_DEFAULT;

		if (set(&policy, rows[i].key, rows[i].value) != rows[i].result)
			fail_msg("%s: %s", rows[i].key, rows[i].value);
		assert_int_equal(policy.outlier_5xx, rows[i].outlier);
		assert_int_equal(policy.connect_timeout, rows[i].connect);
		assert_int_equal(policy.user_timeout, rows[i].user);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_balance),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
