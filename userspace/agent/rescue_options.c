/* SPDX-License-Identifier: Apache-2.0 */
/* The options have the names of the annotations, and take the same values. */
#include "agent/rescue_options.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>

int rescue_options_parse(const struct options *options, struct retry_policy *ret, char *error,
			 size_t error_size)
{
	const struct {
		const char *name, *value;
	} given[] = {
		{"retry-on", options->retry_on},
		{"retry-methods", options->retry_methods},
		{"retry-timeout", options->retry_timeout},
		{"retry-budget", options->retry_budget},
		{"request-timeout", options->request_timeout},
	};
	struct retry_policy policy = RETRY_POLICY_DEFAULT;

	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		const char *expected;
		char key[64];

		snprintf(key, sizeof(key), "swerve.dev/%s", given[i].name);
		if (retry_policy_set(&policy, key, given[i].value, &expected) == 1)
			continue;
		snprintf(error, error_size, "--%s takes %s, not \"%s\"; see --help.", given[i].name,
			 expected, given[i].value);
		return -EINVAL;
	}
	*ret = policy;
	return 0;
}
