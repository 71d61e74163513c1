/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many requests of a service may be replayed: a share of those of the last 10 s, so that a
 * service that fails as a whole does not get twice the load; and a few at once in any case, so that
 * one that is seldom used is helped, too. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { RESCUE_BUDGET_SECONDS = 10, RESCUE_BUDGET_LEAST = 3 };

/* Starts with {}. */
struct rescue_budget {
	uint64_t total;   /* requests up to the last look */
	uint64_t started; /* second of the current bucket */
	bool running;
	uint32_t requests[RESCUE_BUDGET_SECONDS];
	uint32_t replays[RESCUE_BUDGET_SECONDS];
	uint32_t at_once;
};

/*
 * Asks for one replay. `requests` counts all of the service so far, `percent` is its share. Returns
 * whether it may start; then rescue_budget_end() is due at its end.
 */
bool rescue_budget_begin(struct rescue_budget *budget, uint32_t percent, uint64_t requests,
			 uint64_t now);
void rescue_budget_end(struct rescue_budget *budget);
