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

const char *rescue_obstacle_to_str(enum sw_obstacle obstacle)
{
	static const char *const names[] = {
		[SW_OBSTACLE_METHOD] = "method",
		[SW_OBSTACLE_LENGTH] = "too-long",
		[SW_OBSTACLE_PROTOCOL] = "not-http",
		[SW_OBSTACLE_UNKNOWN] = "not-known",
		[SW_OBSTACLE_PIPELINED] = "pipelined",
		[SW_OBSTACLE_UPGRADE] = "upgrade",
		[SW_OBSTACLE_EXPECT] = "expect",
		[SW_OBSTACLE_INCOMPLETE] = "incomplete",
		[SW_OBSTACLE_EXCHANGE] = "unfinished-exchange",
	};

	_Static_assert(ARRAY_SIZE(names) == SW_OBSTACLE_COUNT, "a name for each");
	return names[obstacle];
}
