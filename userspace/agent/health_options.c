/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/health_options.h"

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

int health_options_parse(const struct options *options, struct health_config *ret, char *error,
			 size_t error_size)
{
	struct health_config config = {};

	if (duration_from_str(options->demand_ttl, &config.demand_ttl) < 0) {
		snprintf(error, error_size,
			 "--demand-ttl takes a duration such as 60s, not \"%s\"; see --help.",
			 options->demand_ttl);
		return -EINVAL;
	}
	if (rate_from_str(options->max_probes, &config.max_rate) < 0) {
		snprintf(error, error_size,
			 "--max-probes-per-second takes a number up to %d, not \"%s\"; see --help.",
			 MAX_RATE, options->max_probes);
		return -EINVAL;
	}
	*ret = config;
	return 0;
}
