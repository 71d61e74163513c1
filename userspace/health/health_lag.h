/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much this process doubts itself (Lifeguard's local health): one that is starved of CPU sees
 * time-outs that are its own, so it gives everybody more time. Pure: times are nanoseconds of one clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: it has always been in time. */
struct health_lag {
	/* private */
	uint64_t slept_until; /* when it last noticed that it had not run */
	uint64_t slept;       /* for how long not, ns */
	uint64_t noted;
	uint8_t score;
};

/* A time-out was noticed late, or this process slept through half of it. */
void health_lag_note(struct health_lag *lag, uint64_t now);

/* What was due at a moment, 20 ms after the one before, is noticed now. */
void health_lag_pulse(struct health_lag *lag, uint64_t due, uint64_t now);

/* Whether it did not run for half of the time that a probe from `started` on was given. */
bool health_lag_slept(const struct health_lag *lag, uint64_t started, uint64_t timeout);

/* By what time-outs are multiplied: 1 to 9; one more for each late time-out, one less each second. */
unsigned int health_lag_factor(const struct health_lag *lag, uint64_t now);
