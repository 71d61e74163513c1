/* SPDX-License-Identifier: Apache-2.0 */
/* Which backends a rescue has tried, and which is next: in the datapath's order, each one once. */
#pragma once

#include "swerve_rescue.h"

#include <stddef.h>
#include <stdint.h>

struct rescue_env;

enum { RESCUE_ATTEMPTS_MAX = 8 };

struct rescue_attempts {
	uint32_t tried
		[RESCUE_ATTEMPTS_MAX]; /* indices into sw_backends; first the one that failed */
	size_t count;
};

/* Nothing was tried but the backend that failed. */
struct rescue_attempts rescue_attempts_after(const struct sw_rescue *record);

/* The next one; it counts as tried. Returns 0, or -ENOENT if none is left. */
int rescue_attempts_next(struct rescue_attempts *attempts, const struct rescue_env *env,
			 const struct sw_rescue *record, struct sw_backend *ret);
