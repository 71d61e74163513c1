/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much this process doubts itself (Lifeguard's local health): one that is starved of CPU sees
 * time-outs that are its own, so it gives everybody more time. Pure: times are nanoseconds of one clock.
 */
#pragma once

#include <stdint.h>

/* Zeroed: it has always been in time. */
struct health_lag {
	/* private */
	uint64_t noted;
	uint8_t score;
};

/* A time-out was noticed late. */
void health_lag_note(struct health_lag *lag, uint64_t now);

/* By what time-outs are multiplied: 1 to 9; one more for each late time-out, one less each second. */
unsigned int health_lag_factor(const struct health_lag *lag, uint64_t now);
