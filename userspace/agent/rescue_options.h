/* SPDX-License-Identifier: Apache-2.0 */
/* What the options say of replaying requests, as a value. Pure. */
#pragma once

#include "agent/options.h"
#include "model/retry_policy.h"

#include <stddef.h>

/* Returns 0, or -EINVAL with a sentence in error; then *ret is untouched. */
int rescue_options_parse(const struct options *options, struct retry_policy *ret, char *error,
			 size_t error_size);
