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

/* Starts with rescue_budget_from(). */
struct rescue_budget {
	uint64_t total;   /* requests up to the last look */
	uint64_t started; /* second of the current bucket */
	uint32_t requests[RESCUE_BUDGET_SECONDS];
	uint32_t replays[RESCUE_BUDGET_SECONDS];
	uint32_t at_once;
};

/* The budget of a service that had no request until then. */
struct rescue_budget rescue_budget_from(uint64_t now);

/*
 * A look: `requests` counts all of the service so far. What came since the look before counts as
 * spread over that time, so looks are to be taken every second.
 */
void rescue_budget_count(struct rescue_budget *budget, uint64_t requests, uint64_t now);

/*
 * Asks for one replay, and looks. `requests` is as above, `percent` is the service's share. Returns
 * whether it may start; then rescue_budget_end() is due at its end.
 */
bool rescue_budget_begin(struct rescue_budget *budget, uint32_t percent, uint64_t requests,
			 uint64_t now);
void rescue_budget_end(struct rescue_budget *budget);
