/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many probes a second this node may start, as a token bucket. Pure: times are nanoseconds of
 * one clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct health_budget {
	uint64_t gap;   /* between two tokens; 0: no limit */
	uint64_t empty; /* the moment up to which all tokens are spent, may be ahead of the clock */
};

/* `rate` is in probes per second, at most 1000000; 0: no limit. Begins full. */
struct health_budget health_budget_of(unsigned int rate);

/* Takes one token. Returns false if none is there. A full bucket holds a tenth of a second's, and one. */
bool health_budget_take(struct health_budget *budget, uint64_t now);

/* When the next token is there; in the past if one is. */
uint64_t health_budget_next(const struct health_budget *budget);
