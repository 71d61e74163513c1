/* SPDX-License-Identifier: Apache-2.0 */
/* What comes next for a backend, and what it takes to change its state, in words. Pure. */
#pragma once

#include "health/health_fsm.h"
#include "health/health_guard.h"

#include <stdbool.h>
#include <stdint.h>

struct health_outlook {
	bool probed;
	struct health_fsm fsm;
	struct health_limits limits;
	enum guard_verdict held; /* why silence does not take it out; GUARD_FALL: it would */
	uint64_t held_until;     /* it is held down until then, ns; in the past: it is not */
	uint64_t unsure_until; /* successes do not count before: its own probe is being asked for */
	uint64_t due;          /* the next probe, ns; 0: it is under way, or waits its turn */
};

enum { OUTLOOK_SIZE = 128 };

/*
 * "1 of 2 failures, kept: …; the next probe in 20ms" and the like. Times are rounded. Returns buf.
 */
const char *health_outlook_to_str(const struct health_outlook *outlook, uint64_t now,
				  char buf[static OUTLOOK_SIZE]);
