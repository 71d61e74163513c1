/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/rescue_stats.h"

#include "base/cleanup.h"

const char *rescue_cause_to_str(enum rescue_cause cause)
{
	static const char *const names[] = {
		[RESCUE_STATUS] = "5xx",
		[RESCUE_RESET] = "reset",
		[RESCUE_REFUSED] = "refused",
		[RESCUE_TIMEOUT] = "timeout",
	};

	_Static_assert(ARRAY_SIZE(names) == RESCUE_CAUSE_COUNT, "a name for each");
	return names[cause];
}

const char *rescue_outcome_to_str(enum rescue_outcome outcome)
{
	static const char *const names[] = {
		[RESCUE_RESCUED] = "rescued",       [RESCUE_NO_BUDGET] = "no-budget",
		[RESCUE_NO_BACKEND] = "no-backend", [RESCUE_TOO_LATE] = "too-late",
		[RESCUE_UNFIT] = "unfit",           [RESCUE_CLIENT_GONE] = "client-gone",
		[RESCUE_TRUNCATED] = "truncated",   [RESCUE_ERROR] = "error",
	};

	_Static_assert(ARRAY_SIZE(names) == RESCUE_OUTCOME_COUNT, "a name for each");
	return names[outcome];
}
