/* SPDX-License-Identifier: Apache-2.0 */
/* What came of failures that were held back: numbers to be shown. */
#pragma once

#include "base/histogram.h"
#include "swerve_rescue.h"

#include <stddef.h>
#include <stdint.h>

enum rescue_cause {
	RESCUE_STATUS,
	RESCUE_RESET,
	RESCUE_REFUSED,
	RESCUE_TIMEOUT,
	RESCUE_CAUSE_COUNT,
};

/* How a rescue ended. All but RESCUED let the application see what it would have seen. */
enum rescue_outcome {
	RESCUE_RESCUED,
	RESCUE_NO_BUDGET,
	RESCUE_NO_BACKEND,  /* none other was left, or all failed */
	RESCUE_TOO_LATE,    /* the retry time-out; or the backend answered itself */
	RESCUE_UNFIT,       /* pipelined, upgraded, Expect, malformed, or cut off */
	RESCUE_CLIENT_GONE, /* it closed, or could not be found or reached */
	RESCUE_TRUNCATED, /* the other backend ended in mid-response: that is what the client sees */
	RESCUE_ERROR,     /* of this node: memory, descriptors */
	RESCUE_OUTCOME_COUNT,
};

/* "5xx", "reset", …, as in the annotation; "rescued", "no-budget", … */
const char *rescue_cause_to_str(enum rescue_cause cause);
const char *rescue_outcome_to_str(enum rescue_outcome outcome);

struct rescue_stats {
	uint64_t ended[RESCUE_CAUSE_COUNT][RESCUE_OUTCOME_COUNT];
	uint64_t impossible[SW_OBSTACLE_COUNT]; /* failures that could not be made up for */
	uint64_t overruns;        /* let through since the kernel had no room to report more */
	struct histogram latency; /* from the failure to the first byte of another response */
};
