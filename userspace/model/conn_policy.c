/* SPDX-License-Identifier: Apache-2.0 */
#include "model/conn_policy.h"

#include "base/duration.h"

#include <errno.h>
#include <string.h>

const struct conn_policy CONN_POLICY_DEFAULT = {
	.close_on_down = true,
	.down_grace = CONN_GRACE_UNSET,
	.hang_grace = CONN_GRACE_UNSET,
	.slow_start = CONN_GRACE_UNSET,
};

const struct conn_policy CONN_POLICY_FALLBACK = {
	.close_on_down = true,
	.down_grace = NSEC_PER_SEC,
	.hang_grace = 50 * NSEC_PER_MSEC,
	.slow_start = 2 * NSEC_PER_SEC,
};

uint64_t conn_policy_grace(const struct conn_policy *policy, const struct conn_policy *fallback,
			   bool hangs)
{
	if (hangs && policy->hang_grace != CONN_GRACE_UNSET)
		return policy->hang_grace;
	if (policy->down_grace != CONN_GRACE_UNSET)
		return policy->down_grace;
	return hangs ? fallback->hang_grace : fallback->down_grace;
}

uint64_t conn_policy_slow_start(const struct conn_policy *policy,
				const struct conn_policy *fallback)
{
	return policy->slow_start != CONN_GRACE_UNSET ? policy->slow_start : fallback->slow_start;
}

static int set_on_down(struct conn_policy *policy, const char *value)
{
	bool close = strcmp(value, "close") == 0;

	if (!close && strcmp(value, "keep") != 0)
		return -EINVAL;
	policy->close_on_down = close;
	return 0;
}

static int set_grace(uint64_t *grace, const char *value)
{
	uint64_t ns;

	if (duration_from_str(value, &ns) < 0 || ns > 600 * NSEC_PER_SEC)
		return -EINVAL;
	*grace = ns;
	return 0;
}

static int result_of(int err, const char *expected, const char **ret_expected)
{
	if (!err)
		return 1;
	*ret_expected = expected;
	return err;
}

int conn_policy_set(struct conn_policy *policy, const char *key, const char *value,
		    const char **ret_expected)
{
	if (strcmp(key, "swerve.dev/on-down") == 0)
		return result_of(set_on_down(policy, value), "close or keep", ret_expected);
	if (strcmp(key, "swerve.dev/down-grace") == 0)
		return result_of(set_grace(&policy->down_grace, value), "a duration from 0 to 10m",
				 ret_expected);
	if (strcmp(key, "swerve.dev/hang-grace") == 0)
		return result_of(set_grace(&policy->hang_grace, value), "a duration from 0 to 10m",
				 ret_expected);
	if (strcmp(key, "swerve.dev/slow-start") == 0)
		return result_of(set_grace(&policy->slow_start, value), "a duration from 0 to 10m",
				 ret_expected);
	return 0;
}
