/* SPDX-License-Identifier: Apache-2.0 */
/* What the options say of probing, as values. Pure. */
#pragma once

#include "agent/options.h"
#include "health/health.h"

#include <stddef.h>

/* Returns 0, or -EINVAL with a sentence in error; then *ret is untouched. */
int health_options_parse(const struct options *options, struct health_config *ret, char *error,
			 size_t error_size);
