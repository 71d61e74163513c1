/* SPDX-License-Identifier: Apache-2.0 */
#include "model/steer_policy.h"

#include "base/cleanup.h"
#include "base/duration.h"

#include <errno.h>
#include <string.h>

enum { OUTLIER_MAX = 100 };

#define TIMEOUT_MIN         (50 * NSEC_PER_MSEC)
#define CONNECT_TIMEOUT_MAX (60 * NSEC_PER_SEC)
#define USER_TIMEOUT_MAX    (3600 * NSEC_PER_SEC)

const struct steer_policy STEER_POLICY_DEFAULT = {
	.balance = BALANCE_RANDOM,
	.outlier_5xx = 3,
};

static const char *const balance_str[] = {
	[BALANCE_RANDOM] = "random",
	[BALANCE_ROUND_ROBIN] = "round-robin",
	[BALANCE_LEAST_CONN] = "least-conn",
};
_Static_assert(ARRAY_SIZE(balance_str) == BALANCE_COUNT, "every balance has a name");

const char *steer_balance_to_str(enum steer_balance balance)
{
	return balance < BALANCE_COUNT ? balance_str[balance] : "invalid";
}

static int set_balance(struct steer_policy *policy, const char *value)
{
	for (int i = 0; i < BALANCE_COUNT; i++) {
		if (strcmp(value, balance_str[i]) == 0) {
			policy->balance = (enum steer_balance)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_outlier(struct steer_policy *policy, const char *value)
{
	uint32_t number = 0;

	if (strcmp(value, "off") == 0) {
		policy->outlier_5xx = 0;
		return 0;
	}
	for (const char *c = value; *c; c++) {
		if (*c < '0' || *c > '9' || number > OUTLIER_MAX)
			return -EINVAL;
		number = number * 10 + (uint32_t)(*c - '0');
	}
	if (number < 1 || number > OUTLIER_MAX)
		return -EINVAL;
	policy->outlier_5xx = number;
	return 0;
}

static int set_timeout(uint32_t *timeout, const char *value, uint64_t max)
{
	uint64_t ns;

	if (duration_from_str(value, &ns) < 0 || ns < TIMEOUT_MIN || ns > max)
		return -EINVAL;
	*timeout = (uint32_t)(ns / NSEC_PER_MSEC);
	return 0;
}

static int result_of(int err, const char *expected, const char **ret_expected)
{
	if (!err)
		return 1;
	*ret_expected = expected;
	return err;
}

int steer_policy_set(struct steer_policy *policy, const char *key, const char *value,
		     const char **ret_expected)
{
	if (strcmp(key, "swerve.dev/balance") == 0)
		return result_of(set_balance(policy, value), "random, round-robin or least-conn",
				 ret_expected);
	if (strcmp(key, "swerve.dev/outlier-5xx") == 0)
		return result_of(set_outlier(policy, value), "a number from 1 to 100, or off",
				 ret_expected);
	if (strcmp(key, "swerve.dev/connect-timeout") == 0)
		return result_of(set_timeout(&policy->connect_timeout, value, CONNECT_TIMEOUT_MAX),
				 "a duration from 50ms to 1m", ret_expected);
	if (strcmp(key, "swerve.dev/user-timeout") == 0)
		return result_of(set_timeout(&policy->user_timeout, value, USER_TIMEOUT_MAX),
				 "a duration from 50ms to 1h", ret_expected);
	return 0;
}
