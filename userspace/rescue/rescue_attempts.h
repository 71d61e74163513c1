/* SPDX-License-Identifier: Apache-2.0 */
/* Which backends a rescue has tried, and which is next: in the datapath's order, each one once. */
#pragma once

#include "rescue/rescue_stats.h"
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

/*
 * The next one; it counts as tried. All but the first of these are charged to the budget, which the
 * first has from rescue_env_begin_replay(). Returns 0; -ENOENT if none is left; -EDQUOT if the budget
 * has none for it.
 */
int rescue_attempts_next(struct rescue_attempts *attempts, struct rescue_env *env,
			 const struct sw_rescue *record, struct sw_backend *ret);

/* How a rescue ends that gets no next one for that reason; -ETIME: it is too late for one. */
enum rescue_outcome rescue_attempts_outcome(int err);
