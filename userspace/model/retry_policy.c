/* SPDX-License-Identifier: Apache-2.0 */
/* One row per annotation; the row's number is its bit in `given`. */
#include "model/retry_policy.h"

#include "base/cleanup.h"
#include "base/duration.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

const struct retry_policy RETRY_POLICY_DEFAULT = {
	.methods = RETRY_GET | RETRY_HEAD | RETRY_OPTIONS | RETRY_PUT | RETRY_DELETE,
	.budget = 20,
	.timeout = NSEC_PER_SEC,
};

struct word {
	const char *text;
	uint32_t bit;
};

static const struct word failures[] = {
	{"5xx", RETRY_5XX},
	{"reset", RETRY_RESET},
	{"refused", RETRY_REFUSED},
	{"timeout", RETRY_TIMEOUT},
};

static const struct word methods[] = {
	{"GET", RETRY_GET}, {"HEAD", RETRY_HEAD},     {"OPTIONS", RETRY_OPTIONS},
	{"PUT", RETRY_PUT}, {"DELETE", RETRY_DELETE},
};

static uint32_t find_word(const struct word *words, size_t count, const char *text, size_t len)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(words[i].text) == len && !memcmp(words[i].text, text, len))
			return words[i].bit;
	}
	return 0;
}

/* Words with commas between them, and spaces around them. */
static int parse_list(const struct word *words, size_t count, const char *value, uint32_t *ret)
{
	uint32_t set = 0;

	for (;;) {
		size_t len;
		uint32_t bit;

		value += strspn(value, " ");
		len = strcspn(value, ", ");
		bit = find_word(words, count, value, len);
		if (!bit)
			return -EINVAL;
		set |= bit;
		value += len;
		value += strspn(value, " ");
		if (!*value)
			break;
		if (*value++ != ',')
			return -EINVAL;
	}
	*ret = set;
	return 0;
}

static int set_on(struct retry_policy *policy, const char *value)
{
	if (strcmp(value, "none") == 0) {
		policy->on = 0;
		return 0;
	}
	return parse_list(failures, ARRAY_SIZE(failures), value, &policy->on);
}

static int set_methods(struct retry_policy *policy, const char *value)
{
	return parse_list(methods, ARRAY_SIZE(methods), value, &policy->methods);
}

static int set_duration(uint64_t *field, uint64_t max, const char *value)
{
	uint64_t ns;

	if (duration_from_str(value, &ns) < 0 || ns > max || ns < 10 * NSEC_PER_MSEC)
		return -EINVAL;
	*field = ns;
	return 0;
}

static int set_timeout(struct retry_policy *policy, const char *value)
{
	return set_duration(&policy->timeout, 60 * NSEC_PER_SEC, value);
}

static int set_request_timeout(struct retry_policy *policy, const char *value)
{
	if (strcmp(value, "0") == 0) {
		policy->request_timeout = 0;
		return 0;
	}
	return set_duration(&policy->request_timeout, 600 * NSEC_PER_SEC, value);
}

/* "20%", or "20". */
static int set_budget(struct retry_policy *policy, const char *value)
{
	size_t digits = strspn(value, "0123456789");
	uint32_t percent = 0;

	if (digits < 1 || digits > 3 || (value[digits] && strcmp(value + digits, "%") != 0))
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		percent = percent * 10 + (uint32_t)(value[i] - '0');
	if (percent > 100)
		return -EINVAL;
	policy->budget = percent;
	return 0;
}

static const struct {
	const char *key;
	int (*set)(struct retry_policy *policy, const char *value);
	const char *expected;
} annotations[] = {
	{"swerve.dev/retry-on", set_on, "a list of 5xx, reset, refused, timeout; or none"},
	{"swerve.dev/retry-methods", set_methods, "a list of GET, HEAD, OPTIONS, PUT, DELETE"},
	{"swerve.dev/retry-timeout", set_timeout, "a duration from 10ms to 1m"},
	{"swerve.dev/retry-budget", set_budget, "a share from 0% to 100%"},
	{"swerve.dev/request-timeout", set_request_timeout, "a duration from 10ms to 10m, or 0"},
};

int retry_policy_set(struct retry_policy *policy, const char *key, const char *value,
		     const char **ret_expected)
{
	for (size_t i = 0; i < ARRAY_SIZE(annotations); i++) {
		if (strcmp(key, annotations[i].key) != 0)
			continue;
		if (annotations[i].set(policy, value) < 0) {
			*ret_expected = annotations[i].expected;
			return -EINVAL;
		}
		policy->given |= 1U << i;
		return 1;
	}
	return 0;
}

struct retry_policy retry_policy_merge(const struct retry_policy *policy,
				       const struct retry_policy *defaults)
{
	struct retry_policy merged = *defaults;

	if (policy->given & 1U << 0)
		merged.on = policy->on;
	if (policy->given & 1U << 1)
		merged.methods = policy->methods;
	if (policy->given & 1U << 2)
		merged.timeout = policy->timeout;
	if (policy->given & 1U << 3)
		merged.budget = policy->budget;
	if (policy->given & 1U << 4)
		merged.request_timeout = policy->request_timeout;
	merged.given |= policy->given;
	return merged;
}
