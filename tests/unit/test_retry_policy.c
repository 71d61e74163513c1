/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/duration.h"
#include "model/retry_policy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct retry_policy set(const char *key, const char *value)
{
	struct retry_policy policy = RETRY_POLICY_DEFAULT;
	const char *expected = NULL;

	assert_int_equal(retry_policy_set(&policy, key, value, &expected), 1);
	assert_null(expected);
	return policy;
}

static void test_default_is_off(void **state)
{
	(void)state;
	assert_int_equal(RETRY_POLICY_DEFAULT.on, 0);
	assert_int_equal(RETRY_POLICY_DEFAULT.methods,
			 RETRY_GET | RETRY_HEAD | RETRY_OPTIONS | RETRY_PUT | RETRY_DELETE);
	assert_int_equal(RETRY_POLICY_DEFAULT.timeout, NSEC_PER_SEC);
	assert_int_equal(RETRY_POLICY_DEFAULT.budget, 20);
	assert_int_equal(RETRY_POLICY_DEFAULT.request_timeout, 0);
}

static void test_annotations(void **state)
{
	(void)state;
	assert_int_equal(set("swerve.dev/retry-on", "5xx").on, RETRY_5XX);
	assert_int_equal(set("swerve.dev/retry-on", "5xx,reset, refused ,timeout").on,
			 RETRY_5XX | RETRY_RESET | RETRY_REFUSED | RETRY_TIMEOUT);
	assert_int_equal(set("swerve.dev/retry-on", "none").on, 0);
	assert_int_equal(set("swerve.dev/retry-methods", "HEAD,GET").methods,
			 RETRY_GET | RETRY_HEAD);
	assert_int_equal(set("swerve.dev/retry-timeout", "250ms").timeout, 250 * NSEC_PER_MSEC);
	assert_int_equal(set("swerve.dev/retry-budget", "5%").budget, 5);
	assert_int_equal(set("swerve.dev/retry-budget", "100").budget, 100);
	assert_int_equal(set("swerve.dev/request-timeout", "10m").request_timeout,
			 600 * NSEC_PER_SEC);
	assert_int_equal(set("swerve.dev/request-timeout", "0").request_timeout, 0);
}

static void test_what_does_not_fit_changes_nothing(void **state)
{
	static const char *const wrong[][2] = {
		{"swerve.dev/retry-on", ""},
		{"swerve.dev/retry-on", "5xx,"},
		{"swerve.dev/retry-on", "5xx;reset"},
		{"swerve.dev/retry-on", "5XX"},
		{"swerve.dev/retry-on", "none,5xx"},
		/* Never: it may have been done once already. */
		{"swerve.dev/retry-methods", "GET,POST"},
		{"swerve.dev/retry-methods", "get"},
		{"swerve.dev/retry-methods", ""},
		{"swerve.dev/retry-timeout", "0"},
		{"swerve.dev/retry-timeout", "1"},
		{"swerve.dev/retry-timeout", "61s"},
		{"swerve.dev/retry-budget", "101%"},
		{"swerve.dev/retry-budget", "%"},
		{"swerve.dev/retry-budget", "-1"},
		{"swerve.dev/retry-budget", "10 %"},
		{"swerve.dev/request-timeout", "9ms"},
		{"swerve.dev/request-timeout", "11m"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct retry_policy policy = RETRY_POLICY_DEFAULT;
		const char *expected = NULL;

		assert_int_equal(retry_policy_set(&policy, wrong[i][0], wrong[i][1], &expected),
				 -EINVAL);
		assert_non_null(expected);
		assert_memory_equal(&policy, &RETRY_POLICY_DEFAULT, sizeof(policy));
	}
}

static void test_other_keys(void **state)
{
	struct retry_policy policy = RETRY_POLICY_DEFAULT;
	const char *expected = NULL;

	(void)state;
	assert_int_equal(retry_policy_set(&policy, "swerve.dev/retry", "5xx", &expected), 0);
	assert_int_equal(retry_policy_set(&policy, "swerve.dev/probe", "http", &expected), 0);
}

static void test_what_a_service_says_beats_the_defaults(void **state)
{
	struct retry_policy defaults = RETRY_POLICY_DEFAULT, service, merged;

	(void)state;
	defaults.on = RETRY_5XX | RETRY_RESET;
	defaults.budget = 50;
	service = RETRY_POLICY_DEFAULT;
	merged = retry_policy_merge(&service, &defaults);
	assert_int_equal(merged.on, RETRY_5XX | RETRY_RESET);
	assert_int_equal(merged.budget, 50);
	service = set("swerve.dev/retry-on", "none");
	assert_int_equal(retry_policy_merge(&service, &defaults).on, 0);
	service = set("swerve.dev/retry-budget", "20%");
	assert_int_equal(retry_policy_merge(&service, &defaults).budget, 20);
	service = set("swerve.dev/retry-methods", "GET");
	assert_int_equal(retry_policy_merge(&service, &defaults).methods, RETRY_GET);
	service = set("swerve.dev/retry-timeout", "2s");
	assert_int_equal(retry_policy_merge(&service, &defaults).timeout, 2 * NSEC_PER_SEC);
	service = set("swerve.dev/request-timeout", "2s");
	assert_int_equal(retry_policy_merge(&service, &defaults).request_timeout, 2 * NSEC_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_is_off),
		cmocka_unit_test(test_annotations),
		cmocka_unit_test(test_what_does_not_fit_changes_nothing),
		cmocka_unit_test(test_other_keys),
		cmocka_unit_test(test_what_a_service_says_beats_the_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
