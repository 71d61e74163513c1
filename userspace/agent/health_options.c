/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/health_options.h"

#include "base/cleanup.h"
#include "base/duration.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MAX_RATE = 1000000 };

static int rate_from_str(const char *text, unsigned int *ret)
{
	size_t len = strlen(text);
	unsigned int rate = 0;

	if (!len || len > 7)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		rate = rate * 10 + (unsigned int)(*text - '0');
	}
	if (rate > MAX_RATE)
		return -EINVAL;
	*ret = rate;
	return 0;
}

static int fail(char *error, size_t size, const char *option, const char *value,
		const char *expected)
{
	snprintf(error, size, "--%s takes %s, not \"%s\"; see --help.", option, expected, value);
	return -EINVAL;
}

/* Options that are named, and mean the same, as an annotation. */
static int parse_annotations(const struct options *options, struct health_options *ret, char *error,
			     size_t error_size)
{
	const struct {
		const char *option, *value;
	} rows[] = {
		{"probe-interval", options->probe_interval},
		{"probe-fast-interval", options->probe_fast_interval},
		{"probe-timeout", options->probe_timeout},
		{"probe-rise", options->probe_rise},
		{"probe-fall", options->probe_fall},
		{"down-grace", options->down_grace},
		{"hang-grace", options->hang_grace},
		{"slow-start", options->slow_start},
	};
	const char *expected = "";
	char key[64];
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(key, sizeof(key), "swerve.dev/%s", rows[i].option);
		r = probe_spec_set(&ret->probe, key, rows[i].value, &expected);
		if (!r)
			r = conn_policy_set(&ret->conns, key, rows[i].value, &expected);
		if (r < 0)
			return fail(error, error_size, rows[i].option, rows[i].value, expected);
	}
	ret->probe.given = 0;
	return 0;
}

static int parse_durations(const struct options *options, struct health_config *ret, char *error,
			   size_t error_size)
{
	const struct {
		const char *option, *value;
		uint64_t *field;
	} rows[] = {
		{"demand-ttl", options->demand_ttl, &ret->demand_ttl},
		{"probe-min-timeout", options->probe_min_timeout, &ret->min_timeout},
		{"probe-down-interval", options->probe_down_interval, &ret->slow},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (duration_from_str(rows[i].value, rows[i].field) < 0)
			return fail(error, error_size, rows[i].option, rows[i].value,
				    "a duration such as 60s");
	}
	return 0;
}

int health_options_parse(const struct options *options, struct health_options *ret, char *error,
			 size_t error_size)
{
	struct health_options parsed = {.health = HEALTH_CONFIG_DEFAULT,
					.probe = PROBE_SPEC_DEFAULT,
					.conns = CONN_POLICY_FALLBACK};
	char expected[64];
	int r = parse_durations(options, &parsed.health, error, error_size);

	if (!r)
		r = parse_annotations(options, &parsed, error, error_size);
	if (r)
		return r;
	snprintf(expected, sizeof(expected), "a number up to %d", MAX_RATE);
	if (rate_from_str(options->max_probes, &parsed.health.max_rate) < 0)
		return fail(error, error_size, "max-probes-per-second", options->max_probes,
			    expected);
	parsed.pod_probes = strcmp(options->pod_probes, "off") != 0;
	if (parsed.pod_probes && strcmp(options->pod_probes, "on") != 0)
		return fail(error, error_size, "pod-probes", options->pod_probes, "on or off");
	*ret = parsed;
	return 0;
}
